// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Accesses to memories and tables: the code that is made of them, byte by byte where that is
//! the point, and what the metadata says about them.

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};
use std::collections::BTreeSet;
use wasm_aot_compiler::{
    Bounds, DEFAULT_FEATURES, MemoryBase, Options, SUPPORTED_FEATURES, WasmFeatures, compile,
};
use wasm_aot_object::meta::{MemoryRecord, Meta, entity};
use wasm_aot_object::table::TrapTable;
use wasm_aot_object::{
    GUARD_RESERVATION, MAX_TABLE_ELEMENTS, MEMORY64_RESERVATION, Machine, section,
};
use wasm_aot_trap::TrapCode;

fn options(bounds: Bounds, memory_base: MemoryBase) -> Options {
    Options {
        features: DEFAULT_FEATURES
            .union(WasmFeatures::THREADS)
            .union(WasmFeatures::CUSTOM_PAGE_SIZES)
            .intersection(SUPPORTED_FEATURES),
        bounds,
        memory_base,
        target: Machine::X86_64,
        verify: true,
        ..Options::default()
    }
}

const CONSTANT: MemoryBase = MemoryBase::Constant(0x1000_0000);

fn build(text: &str, bounds: Bounds, base: MemoryBase) -> Vec<u8> {
    compile(text.as_bytes(), &options(bounds, base)).unwrap()
}

/// The code of the exported function `f`, without prologue and epilogue, in hexadecimal.
fn body(object: &[u8]) -> String {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    let symbol = file.symbol_by_name("main.f").unwrap();
    let text = file.section_by_name(".text").unwrap().data().unwrap();
    let start = symbol.address() as usize;
    let code = &text[start..start + symbol.size() as usize];
    let hex: Vec<String> = code.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.join(" ");
    let hex = hex
        .strip_prefix("55 48 89 e5 ")
        .expect("push rbp; mov rbp, rsp");
    match hex.split_once(" 48 89 ec 5d c3") {
        Some((body, _)) => body.to_owned(),
        None => panic!("no mov rsp, rbp; pop rbp; ret in {hex}"),
    }
}

fn with_meta<T>(object: &[u8], look: impl FnOnce(&Meta<'_>) -> T) -> T {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    let meta = file.section_by_name(section::META).unwrap();
    look(&Meta::parse(meta.data().unwrap()).unwrap())
}

fn record(object: &[u8], index: usize) -> MemoryRecord {
    with_meta(object, |meta| meta.memories()[index])
}

fn trap_codes(object: &[u8]) -> BTreeSet<TrapCode> {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    let traps = file.section_by_name(section::TRAPS).unwrap();
    let traps = TrapTable::parse(traps.data().unwrap()).unwrap();
    traps.entries().filter_map(|(_, code)| code).collect()
}

fn load(memory: &str, index: &str) -> String {
    format!(
        r#"(module (memory {memory})
            (func (export "f") (param {index}) (result i32)
                (i32.load offset=4 (local.get 0))))"#
    )
}

#[test]
fn a_guarded_load_is_one_instruction() {
    let object = build(&load("1 2", "i32"), Bounds::Guard, CONSTANT);
    // mov esi, edi; mov eax, [rsi + 0x10000004]
    assert_eq!(body(&object), "8b f7 8b 86 04 00 00 10");
    // A fault there is an access outside, and nothing else can trap.
    let only = BTreeSet::from([TrapCode::MemoryOutOfBounds]);
    assert_eq!(trap_codes(&object), only);
}

#[test]
fn a_guarded_load_from_a_relocated_base_adds_the_base() {
    let text = load("1 2", "i32");
    let object = build(&text, Bounds::Guard, MemoryBase::Relocatable);
    // mov esi, edi; movabs rdi, base; mov eax, [rdi + rsi + 4]
    assert_eq!(
        body(&object),
        "8b f7 48 bf 00 00 00 00 00 00 00 00 8b 44 37 04"
    );
}

#[test]
fn an_explicit_check_is_a_comparison() {
    let object = build(&load("2 2", "i32"), Bounds::Explicit, CONSTANT);
    // The length is a constant: mov esi, edi; cmp rsi, 0x1fff8; ja; mov eax, [rsi + 0x10000004]
    let checked = "8b f7 48 81 fe f8 ff 01 00 0f 87 0b 00 00 00 8b 86 04 00 00 10";
    assert_eq!(body(&object), checked);
    let object = build(&load("1 2", "i32"), Bounds::Explicit, CONSTANT);
    // mov esi, edi; lea rdi, [descriptor]; lea r8, [rsi + 8]; cmp r8, [rdi + 8]; ja; then as above
    let checked = "8b f7 48 8d 3d 00 00 00 00 4c 8d 46 08 4c 3b 47 08 0f 87 0b 00 00 00 \
                   8b 86 04 00 00 10";
    assert_eq!(body(&object), checked);
}

#[test]
fn a_64_bit_index_is_checked_whatever_the_options_say() {
    for bounds in [Bounds::Guard, Bounds::Explicit] {
        let object = build(&load("i64 1 2", "i64"), bounds, CONSTANT);
        let code = body(&object);
        // add index, 8; jb: the addition that wraps is outside; then cmp with the length, ja
        assert!(code.contains("0f 82") && code.contains("0f 87"), "{code}");
        let memory = record(&object, 0);
        assert_eq!(memory.flags.get() & entity::GUARDED, 0);
        assert_ne!(memory.flags.get() & entity::INDEX64, 0);
        assert_eq!(memory.reservation.get(), 2 << 16);
    }
}

#[test]
fn an_offset_that_no_index_brings_inside_traps_always() {
    for offset in [u64::MAX, u64::MAX - 3, 1 << 63, 1 << 32] {
        let text = format!(
            r#"(module (memory i64 1 1) (func (export "f") (param i64) (result i32)
                (i32.load offset={offset} (local.get 0))))"#
        );
        let object = build(&text, Bounds::Guard, CONSTANT);
        let codes = trap_codes(&object);
        assert!(codes.contains(&TrapCode::MemoryOutOfBounds), "{offset:#x}");
    }
}

#[test]
fn pages_of_one_byte_are_checked_whatever_the_options_say() {
    let object = build(&load("1 20 (pagesize 1)", "i32"), Bounds::Guard, CONSTANT);
    assert!(body(&object).contains("0f 87"));
    let memory = record(&object, 0);
    assert_eq!(memory.page_size_log2.get(), 0);
    assert_eq!(memory.flags.get() & entity::GUARDED, 0);
    assert_eq!(memory.limit_bytes(), 20);
}

#[test]
fn the_first_memory_has_the_constant_base_and_the_others_a_symbol() {
    let text = r#"(module (memory 1) (memory $b 2 3) (memory $c i64 1)
        (func (export "f") (result i32) (i32.load $b (i32.const 0))))"#;
    let object = build(text, Bounds::Guard, CONSTANT);
    let constant = |index| record(&object, index).flags.get() & entity::CONSTANT_BASE != 0;
    assert!(constant(0) && !constant(1) && !constant(2));
    assert_eq!(record(&object, 1).reservation.get(), GUARD_RESERVATION);
    assert_eq!(record(&object, 2).reservation.get(), MEMORY64_RESERVATION);
    with_meta(&object, |meta| {
        let base = meta.memories()[1].base_symbol;
        assert_eq!(meta.str(base), "main:memory.1:base");
    });
}

#[test]
fn sizes_beyond_every_address_space_are_stated_for_loaders_to_refuse() {
    let text = "(module (memory i64 0x1_0000_0000_0000) (table 0xffff_ffff funcref))";
    let object = build(text, Bounds::Guard, CONSTANT);
    with_meta(&object, |meta| {
        assert_eq!(meta.memories()[0].min_bytes(), None);
        assert_eq!(meta.tables()[0].room(), None);
    });
    let text = "(module (table i64 1 0xffff_ffff_ffff_ffff funcref))";
    let object = build(text, Bounds::Guard, CONSTANT);
    with_meta(&object, |meta| {
        assert_eq!(meta.tables()[0].max.get(), u64::MAX);
        assert_eq!(meta.tables()[0].room(), Some(MAX_TABLE_ELEMENTS));
        assert_ne!(meta.tables()[0].flags.get() & entity::INDEX64, 0);
    });
}

#[test]
fn every_atomic_access_has_its_traps() {
    let mut operations = vec![
        "(i32.atomic.store (local.get 0) (i32.const 1))".to_owned(),
        "(drop (i64.atomic.load16_u (local.get 0)))".to_owned(),
        "(drop (i64.atomic.rmw16.cmpxchg_u (local.get 0) (i64.const 1) (i64.const 2)))".to_owned(),
    ];
    for name in ["add", "sub", "and", "or", "xor", "xchg"] {
        for used in ["drop", "global.set 0"] {
            operations.push(format!(
                "({used} (i32.atomic.rmw.{name} (local.get 0) (i32.const 1)))"
            ));
        }
    }
    let expected = BTreeSet::from([TrapCode::MemoryOutOfBounds, TrapCode::UnalignedAtomic]);
    for bounds in [Bounds::Guard, Bounds::Explicit] {
        for operation in &operations {
            let text = format!(
                r#"(module (memory 1 2 shared) (global (mut i32) (i32.const 0))
                    (func (export "f") (param i32) {operation}))"#
            );
            let object = build(&text, bounds, CONSTANT);
            assert_eq!(trap_codes(&object), expected, "{operation}");
        }
    }
}

#[test]
fn wait_and_notify_are_compared_with_the_length_in_either_mode() {
    let text = |memory: &str| {
        format!(
            r#"(module (memory {memory}) (func (export "f") (param i32) (result i32)
                (memory.atomic.wait32 offset=8 (local.get 0) (i32.const 0) (i64.const -1))))"#
        )
    };
    for bounds in [Bounds::Guard, Bounds::Explicit] {
        let codes = trap_codes(&build(&text("1 2 shared"), bounds, CONSTANT));
        let expected = [
            TrapCode::UnalignedAtomic,
            TrapCode::MemoryOutOfBounds,
            TrapCode::EndlessWait,
        ];
        assert_eq!(codes, BTreeSet::from(expected));
        let codes = trap_codes(&build(&text("1 2"), bounds, CONSTANT));
        assert_eq!(codes, BTreeSet::from([TrapCode::ExpectedSharedMemory]));
    }
}

#[test]
fn the_length_is_read_once_between_stores_to_memory() {
    // A store to a memory does not change the descriptor.
    let text = r#"(module (memory 1 2) (func (export "f") (param i32)
        (i32.store (local.get 0) (i32.const 1))
        (i32.store offset=8 (local.get 0) (i32.const 2))))"#;
    let object = build(text, Bounds::Explicit, CONSTANT);
    let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
    let text = file.section_by_name(".text").unwrap();
    let f = file.symbol_by_name("main.f").unwrap();
    let inside = |offset: &u64| (f.address()..f.address() + f.size()).contains(offset);
    let descriptor = text.relocations().map(|(offset, _)| offset).filter(inside);
    assert_eq!(descriptor.count(), 1);
}
