// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Objects for every architecture, made on this one.

use object::elf::{EF_RISCV_FLOAT_ABI_DOUBLE, EF_RISCV_RVC};
use object::read::elf::{ElfFile64, FileHeader};
use object::{LittleEndian, Object, ObjectSection, RelocationFlags};
use std::collections::BTreeSet;
use wasm_aot_compiler::{Cpu, Machine, MemoryBase, Options, compile};
use wasm_aot_object::meta::{Meta, entity};
use wasm_aot_object::section;

/// Calls, data, globals, a table, several frames.
const MODULE: &str = r#"(module
    (import "env" "f" (func $f (param i64) (result i64)))
    (import "env" "g" (global $g (mut i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "hello")
    (table $t 2 funcref)
    (elem (i32.const 0) $leaf $f)
    (type $unary (func (param i64) (result i64)))
    (global $own (mut i64) (i64.const 7))
    (func $leaf (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
    (func (export "run") (param i32 i64) (result i64)
        (global.set $own (i64.add (global.get $own) (i64.extend_i32_s (global.get $g))))
        (i64.store offset=8 (local.get 0) (call $leaf (local.get 1)))
        (i64.div_s
            (call $f (call_indirect $t (type $unary) (local.get 1) (local.get 0)))
            (i64.load (local.get 0)))))"#;

fn options(target: Machine) -> Options {
    Options {
        target,
        verify: true,
        ..Options::default()
    }
}

fn build(options: &Options) -> Vec<u8> {
    compile(MODULE.as_bytes(), options).unwrap()
}

fn fails(options: &Options) -> String {
    compile(MODULE.as_bytes(), options).unwrap_err().to_string()
}

fn cpu(target: Machine, names: &str) -> Options {
    Options {
        cpu: Cpu::parse(names),
        ..options(target)
    }
}

/// The ELF header's machine and flags.
fn header(object: &[u8]) -> (u16, u32) {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    let header = file.elf_header();
    (
        header.e_machine(LittleEndian).0,
        header.e_flags(LittleEndian).0,
    )
}

/// The kinds of relocations in the text.
fn relocations(object: &[u8]) -> BTreeSet<u32> {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    let text = file.section_by_name(".text").unwrap();
    let kind = |flags| match flags {
        RelocationFlags::Elf { r_type } => r_type.0,
        other => panic!("{other:?}"),
    };
    text.relocations()
        .map(|(_, relocation)| kind(relocation.flags()))
        .collect()
}

#[test]
fn the_header_names_machine_and_abi() {
    let riscv = EF_RISCV_FLOAT_ABI_DOUBLE.0;
    for (machine, flags) in [
        (Machine::X86_64, 0),
        (Machine::Aarch64, 0),
        (Machine::Riscv64, riscv | EF_RISCV_RVC.0),
    ] {
        let object = build(&options(machine));
        assert_eq!(header(&object), (machine.elf(), flags));
    }
    let plain = build(&cpu(Machine::Riscv64, "rv64g"));
    assert_eq!(header(&plain), (Machine::Riscv64.elf(), riscv));
}

#[test]
fn only_what_is_outside_the_text_is_relocated() {
    use object::elf::{
        R_AARCH64_ABS64, R_AARCH64_ADD_ABS_LO12_NC, R_AARCH64_ADR_PREL_PG_HI21, R_AARCH64_CALL26,
        R_RISCV_64, R_RISCV_CALL_PLT, R_RISCV_PCREL_HI20, R_RISCV_PCREL_LO12_I, R_X86_64_64,
        R_X86_64_PC32, R_X86_64_PLT32, RelocationType,
    };
    let set = |kinds: &[RelocationType]| kinds.iter().map(|kind| kind.0).collect::<BTreeSet<_>>();
    assert_eq!(
        relocations(&build(&options(Machine::X86_64))),
        set(&[R_X86_64_64, R_X86_64_PC32, R_X86_64_PLT32])
    );
    assert_eq!(
        relocations(&build(&options(Machine::Aarch64))),
        set(&[
            R_AARCH64_ABS64,
            R_AARCH64_CALL26,
            R_AARCH64_ADR_PREL_PG_HI21,
            R_AARCH64_ADD_ABS_LO12_NC
        ])
    );
    assert_eq!(
        relocations(&build(&options(Machine::Riscv64))),
        set(&[
            R_RISCV_64,
            R_RISCV_CALL_PLT,
            R_RISCV_PCREL_HI20,
            R_RISCV_PCREL_LO12_I
        ])
    );
}

#[test]
fn the_bytes_depend_on_input_and_options_alone() {
    for machine in Machine::ALL {
        let reference = build(&options(machine));
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            assert!(pool.install(|| build(&options(machine))) == reference);
        }
    }
}

#[test]
fn frames_are_as_large_as_what_is_pushed() {
    for machine in Machine::ALL {
        let object = build(&options(machine));
        let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
        let meta = file.section_by_name(section::META).unwrap();
        let meta = Meta::parse(meta.data().unwrap()).unwrap();
        let frame = |index: u32| {
            let mut functions = meta.functions().iter();
            let function = functions.find(|f| f.wasm_index.get() == index).unwrap();
            function.frame_size.get()
        };
        // $leaf: the back end of x86-64 always makes a frame.
        let leaf = match machine {
            Machine::X86_64 => 16,
            Machine::Aarch64 | Machine::Riscv64 => machine.frameless_bytes(),
        };
        assert_eq!(frame(1), leaf, "{machine}");
        assert!(frame(2) > 16 && frame(2) < 128, "{machine}: {}", frame(2));
        assert_eq!(frame(2) % 16, 0, "{machine}");
    }
}

#[test]
fn every_target_has_its_own_memory_base() {
    let base = |options: &Options| {
        let object = compile(MODULE.as_bytes(), options)?;
        let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
        let meta = file.section_by_name(section::META).unwrap();
        let meta = Meta::parse(meta.data().unwrap()).unwrap();
        let memory = &meta.memories()[0];
        let constant = memory.flags.get() & entity::CONSTANT_BASE != 0;
        Ok::<_, wasm_aot_compiler::Error>(constant.then(|| memory.base.get()))
    };
    for machine in Machine::ALL {
        let defaults = options(machine);
        assert_eq!(
            base(&defaults).unwrap(),
            Some(machine.default_memory_base())
        );
        let at = |base| Options {
            memory_base: MemoryBase::Constant(base),
            ..options(machine)
        };
        assert_eq!(base(&at(0x2000_0000)).unwrap(), Some(0x2000_0000));
        let error = base(&at(machine.memory_base_limit())).unwrap_err();
        assert!(error.to_string().contains(machine.name()), "{error}");
    }
}

#[test]
fn processors_are_known_by_name_on_their_architecture() {
    for (machine, names) in [
        (Machine::Aarch64, "armv8-a"),
        (Machine::Aarch64, "neoverse-v1,has_fp16"),
        (Machine::Aarch64, "lse"),
        (Machine::Riscv64, "rva22u64"),
        (Machine::Riscv64, "rva23u64"),
        (Machine::Riscv64, "rv64gc,zba"),
        (Machine::X86_64, "x86-64-v3"),
    ] {
        build(&cpu(machine, names));
    }
    for (machine, name) in [
        (Machine::Aarch64, "x86-64-v3"),
        (Machine::X86_64, "neoverse-n1"),
        // A setting of the code generator that is no feature of a processor.
        (Machine::Aarch64, "use_bti"),
    ] {
        let error = fails(&cpu(machine, name));
        assert!(error.contains(&format!("unknown name `{name}`")), "{error}");
        assert!(error.contains(machine.name()), "{error}");
    }
    let foreign = Machine::ALL.into_iter().find(|m| Some(*m) != Machine::HOST);
    let error = fails(&cpu(foreign.unwrap(), "native"));
    assert!(error.contains("is not this machine"), "{error}");
}

#[test]
fn vectors_on_riscv_take_a_processor_that_has_them() {
    let text = r#"(module (func (export "f") (drop (v128.const i64x2 0 0))))"#;
    let with = |cpu: &str| Options {
        cpu: Cpu::parse(cpu),
        ..options(Machine::Riscv64)
    };
    let error = compile(text.as_bytes(), &with("baseline")).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("`--cpu rv64gcv`"), "{error}");
    assert!(error.contains("in function 0"), "{error}");
    compile(text.as_bytes(), &with("rv64gcv")).unwrap();
    // Functions after one that is given up, on the same thread.
    let text = r#"(module
        (func $f (drop (v128.const i64x2 0 0)))
        (func (param i32) (result i32) (local.get 0))
        (func (param i32) (result i32) (local.get 0)))"#;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let compile = || compile(text.as_bytes(), &with("baseline"));
    let error = pool.unwrap().install(compile).unwrap_err().to_string();
    assert!(error.contains("in function 0 (f)"), "{error}");
}
