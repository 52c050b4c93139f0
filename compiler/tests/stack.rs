// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How deep the stack becomes, as objects say it, for every architecture; ways as `inspect` tells
//! them.

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};
use std::time::{Duration, Instant};
use wasm_aot_compiler::{Machine, Options, compile, inspect};
use wasm_aot_object::meta::{Meta, NONE, flags};
use wasm_aot_object::section;
use wasm_aot_object::stack::{Next, Stack};

fn options(target: Machine) -> Options {
    Options {
        target,
        verify: true,
        inline: false,
        ..Options::default()
    }
}

fn section_of(object: &[u8]) -> &[u8] {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    let range = file.section_by_name(section::META).unwrap().file_range();
    let (start, length) = range.unwrap();
    &object[start as usize..(start + length) as usize]
}

/// The index of an exported function's code in the metadata.
fn exported(object: &[u8], meta: &Meta<'_>, name: &str) -> u32 {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    let symbol = file.symbol_by_name(&format!("main.{name}")).unwrap();
    let function = meta.function_at(symbol.address() as u32).unwrap();
    let offset = function.text_offset.get();
    let found = meta.functions().iter().position(|f| {
        f.text_offset.get() == offset && f.text_size.get() == function.text_size.get()
    });
    found.unwrap() as u32
}

fn frame(meta: &Meta<'_>, name: &str) -> u64 {
    let named = |f: &&wasm_aot_object::meta::FunctionRecord| meta.str(f.name) == name;
    let function = meta.functions().iter().find(named).unwrap();
    assert_ne!(function.text_size.get(), 0, "{name} has code");
    function.frame_size.get().into()
}

/// Names on a way; imports by their names in the module.
fn names<'a>(meta: &Meta<'a>, way: impl Iterator<Item = Next>) -> Vec<&'a str> {
    let name = |next| match next {
        Next::Function { index, .. } => meta.str(meta.functions()[index as usize].name),
        Next::Import { index, .. } => meta.str(meta.imports()[index as usize].name),
        Next::Runtime { index } => wasm_aot_symbols::Runtime::ALL[index as usize].symbol(),
    };
    way.map(name).collect()
}

/// Calls by name, through a table that never changes and one that may, of imports and of the
/// runtime.
const CALLS: &str = r#"(module
    (type $unary (func (param i32) (result i32)))
    (type $binary (func (param i32 i32) (result i32)))
    (import "env" "host" (func $host (param i32)))
    (memory 1)
    (table $fixed 3 3 funcref)
    (table $written 2 2 funcref)
    (elem (table $fixed) (i32.const 0) func $leaf $middle)
    (elem declare func $deep)
    (func $leaf (type $unary) (local.get 0))
    (func $middle (type $unary)
        (i32.add (call $leaf (local.get 0)) (call $leaf (i32.const 7))))
    (func $deep (type $binary)
        (drop (memory.grow (local.get 0)))
        (i32.add (call $middle (local.get 0)) (call $middle (local.get 1))))
    (func (export "direct") (type $unary)
        (i32.add (call $middle (local.get 0)) (i32.const 1)))
    (func (export "fixed") (type $unary)
        (i32.add (call_indirect $fixed (type $unary) (local.get 0) (local.get 0)) (i32.const 1)))
    (func (export "written") (param i32) (result i32)
        (table.set $written (i32.const 0) (ref.func $deep))
        (i32.add (i32.const 1)
            (call_indirect $written (type $binary) (i32.const 1) (i32.const 2) (local.get 0))))
    (func (export "host") (param i32)
        (call $host (local.get 0)))
    (func (export "unrelated") (param i32) (result i32)
        (call_indirect $written (type $unary) (i32.const 1) (local.get 0)))
)"#;

#[test]
fn frames_add_up_along_calls_of_every_kind() {
    for machine in Machine::ALL {
        let object = compile(CALLS.as_bytes(), &options(machine)).unwrap();
        let meta = Meta::parse(section_of(&object)).unwrap();
        let stack = |name| Stack::of(&meta, exported(&object, &meta, name)).unwrap();
        let own = |name: &str| {
            let index = exported(&object, &meta, name);
            u64::from(meta.functions()[index as usize].frame_size.get())
        };
        let middle = frame(&meta, "middle") + frame(&meta, "leaf");
        assert_eq!(
            stack("direct").bytes(),
            Some(own("direct") + middle),
            "{machine}"
        );
        assert_eq!(stack("direct").outside(), None, "{machine}");
        assert_eq!(
            stack("fixed").bytes(),
            Some(own("fixed") + middle),
            "{machine}"
        );
        let deep = own("written") + frame(&meta, "deep");
        let written = stack("written");
        assert_eq!(written.bytes(), Some(deep + middle), "{machine}");
        assert_eq!(written.outside(), Some(deep), "{machine}");
        let way = names(&meta, written.way_outside());
        assert_eq!(way, ["deep", "wasm_aot_memory_grow"], "{machine}");
        assert_eq!(stack("host").outside(), Some(own("host")), "{machine}");
        assert_eq!(
            names(&meta, stack("host").way_outside()),
            ["host"],
            "{machine}"
        );
        assert_eq!(
            u64::from(meta.imports()[0].depth.get()),
            own("host"),
            "{machine}"
        );
        // Of this type there are references to others only.
        let unrelated = own("unrelated") + middle;
        assert_eq!(stack("unrelated").bytes(), Some(unrelated), "{machine}");
        assert_eq!(meta.header().flags.get() & flags::FOREIGN_REFERENCES, 0);
    }
}

#[test]
fn recursion_is_found_by_name_by_type_and_through_subtypes() {
    let recursive = [
        (
            r#"(func $f (export "f") (param i32) (result i32)
            (i32.add (i32.const 1) (call $f (local.get 0))))"#,
            "f",
        ),
        (
            r#"(type $t (func (param i32) (result i32)))
            (table 2 2 funcref) (elem (i32.const 0) $g $h)
            (func $g (type $t) (i32.const 1))
            (func $h (type $t) (i32.add (i32.const 1)
                (call_indirect (type $t) (i32.const 5) (local.get 0))))
            (func (export "f") (param i32) (result i32)
                (i32.add (call $h (local.get 0)) (call $h (i32.const 0))))"#,
            "h",
        ),
        (
            r#"(type $t (sub (func (param i32) (result i32))))
            (type $u (sub $t (func (param i32) (result i32))))
            (table 1 (ref null $t)) (elem declare func $h)
            (func $h (type $u) (i32.add (i32.const 1)
                (call_ref $t (i32.const 5) (table.get 0 (local.get 0)))))
            (func (export "f") (param i32) (result i32)
                (table.set 0 (i32.const 0) (ref.func $h))
                (i32.add (call $h (local.get 0)) (call $h (i32.const 0))))"#,
            "h",
        ),
    ];
    for (text, circle) in recursive {
        for machine in Machine::ALL {
            let text = format!("(module {text})");
            let object = compile(text.as_bytes(), &options(machine)).unwrap();
            let meta = Meta::parse(section_of(&object)).unwrap();
            let stack = Stack::of(&meta, exported(&object, &meta, "f")).unwrap();
            assert_eq!(stack.bytes(), None, "{text}");
            let function = stack.recursion().unwrap();
            assert_eq!(meta.str(meta.functions()[function as usize].name), circle);
        }
    }
}

#[test]
fn tail_calls_that_go_round_have_a_bound() {
    let text = r#"(module
        (func $even (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
            (if (result i64) (i64.eqz (local.get 0)) (then (i64.const 1))
            (else (return_call $odd (i64.sub (local.get 0) (i64.const 1))))))
        (func $odd (param i64) (result i64)
            (local i64)
            (if (result i64) (i64.eqz (local.get 0)) (then (i64.const 0))
            (else (local.set 1 (i64.sub (local.get 0) (i64.const 1)))
                (return_call $even (local.get 1) (local.get 1) (local.get 1) (local.get 1)
                    (local.get 1) (local.get 1) (local.get 1) (local.get 1) (local.get 1)
                    (local.get 1) (local.get 1) (local.get 1)))))
        (func (export "f") (param i64) (result i64)
            (i64.add (i64.const 1) (call $odd (local.get 0)))))"#;
    for machine in Machine::ALL {
        let object = compile(text.as_bytes(), &options(machine)).unwrap();
        let meta = Meta::parse(section_of(&object)).unwrap();
        let [entry, caller] =
            ["main:adapter.entry.2", "function[2]"].map(|name| frame(&meta, name));
        // Of twelve parameters so many are on the stack.
        let area = match machine {
            Machine::Riscv64 => 32,
            _ => 48,
        };
        let [even, odd] = ["even", "odd"].map(|name| frame(&meta, name));
        let stack = Stack::of(&meta, exported(&object, &meta, "f")).unwrap();
        let bound = entry + caller + odd.max(area + even);
        assert_eq!(stack.bytes(), Some(bound), "{machine}");
    }
}

#[test]
fn references_of_others_are_told() {
    let foreign = |text: &str| {
        let object = compile(text.as_bytes(), &Options::default()).unwrap();
        let meta = Meta::parse(section_of(&object)).unwrap();
        meta.header().flags.get() & flags::FOREIGN_REFERENCES != 0
    };
    let call = "(func (export \"f\") (call_indirect (i32.const 0)))";
    assert!(foreign(&format!(
        "(module (table (export \"t\") 1 funcref) {call})"
    )));
    assert!(foreign(&format!(
        "(module (import \"a\" \"t\" (table 1 funcref)) {call})"
    )));
    assert!(!foreign("(module (import \"a\" \"t\" (table 1 funcref)))"));
    assert!(!foreign(&format!(
        "(module (table 1 funcref) {call} (func $g) (elem declare func $g)
            (func (export \"s\") (table.set (i32.const 0) (ref.func $g))))"
    )));
    assert!(foreign(&format!(
        "(module (table 1 funcref) {call} (func (export \"s\") (param funcref)
            (table.set (i32.const 0) (local.get 0))))"
    )));
    assert!(foreign(&format!(
        "(module (type $s (struct (field funcref))) (table 1 funcref) {call}
            (func (export \"s\") (param externref)
            (table.set (i32.const 0) (struct.get $s 0
                (ref.cast (ref $s) (any.convert_extern (local.get 0)))))))"
    )));
}

/// Bytes that a function's `ret` takes off the stack: its stack arguments, in the tail convention
/// of x86-64.
fn popped(code: &[u8]) -> u32 {
    // pop rbp; ret imm16, or ret without. Behind it are constants.
    let end = code
        .windows(2)
        .rposition(|w| w[0] == 0x5d && matches!(w[1], 0xc2 | 0xc3));
    match code[end.expect("it returns") + 1..] {
        [0xc2, low, high, ..] => u32::from(low) | u32::from(high) << 8,
        _ => 0,
    }
}

/// The size of the area of stack arguments is computed as the code generator computes it: tail
/// calls from a function without such arguments are as deep as that says.
#[test]
fn stack_arguments_are_as_the_code_generator_has_them() {
    let mut state = 11u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((state >> 33) % below) as usize
    };
    let mut areas = std::collections::BTreeSet::new();
    for round in 0..60 {
        let types = ["i32", "i64", "f32", "f64", "v128"];
        let mut list = |most| {
            let count = random(most);
            let types = (0..count).map(|_| types[random(5)]);
            types.collect::<Vec<_>>()
        };
        let (params, results) = (list(24), list(14));
        let values: String = results.iter().map(|ty| constant(ty)).collect();
        let arguments: String = params.iter().map(|ty| constant(ty)).collect();
        let (params, results) = (params.join(" "), results.join(" "));
        let text = format!(
            "(module (func $callee (param {params}) (result {results}) {values})
             (func $caller (result {results}) {arguments} (return_call $callee))
             (func (export \"f\") (result {results}) (call $caller))
             (func (export \"g\") (param {params}) (result {results})
                {arguments} (return_call $callee)))"
        );
        let object = compile(text.as_bytes(), &options(Machine::X86_64)).unwrap();
        let meta = Meta::parse(section_of(&object)).unwrap();
        let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
        let text = file.section_by_name(".text").unwrap().data().unwrap();
        let functions = meta.functions();
        let [callee, caller] = [0, 1].map(|index: usize| &functions[index]);
        let start = callee.text_offset.get() as usize;
        let area = popped(&text[start..start + callee.text_size.get() as usize]);
        areas.insert(area);
        let expected = (area + callee.frame_size.get()).max(caller.frame_size.get());
        assert_eq!(
            caller.stack.bytes.get(),
            expected,
            "{round}: ({params}) -> ({results})"
        );
        // The larger area is in the caller's own frame as well.
        assert!(caller.frame_size.get() >= 16 + area, "{round}: ({params})");
    }
    assert!(areas.len() > 5, "{areas:?}");
}

fn constant(ty: &str) -> String {
    match ty {
        "v128" => "(v128.const i64x2 1 2) ".into(),
        ty => format!("({ty}.const 1) "),
    }
}

#[test]
fn many_functions_take_little_time_and_deep_chains_are_added_up() {
    const COUNT: usize = 30_000;
    let mut chain = String::from("(module (memory 1)");
    for index in 0..COUNT {
        // A store before and after: not worth inlining more than once.
        let call = match index + 1 {
            COUNT => String::new(),
            next => format!("(call {next}) (call {next})"),
        };
        chain += &format!("(func (i32.store (i32.const 8) (i32.const {index})) {call})\n");
    }
    chain += "(export \"f\" (func 0)))";
    let mut by_type = String::from("(module (table 30000 30001 funcref) (elem (i32.const 0) func");
    (0..COUNT).for_each(|index| by_type += &format!(" {index}"));
    by_type += ") (func (export \"t\") (param i32) (table.set (i32.const 0) (ref.null func)))";
    by_type = by_type.replacen("(func (export", "(func $last (export", 1);
    let setter = by_type.split_off(by_type.find("(func $last").unwrap());
    for _ in 0..COUNT {
        by_type += "(func (call_indirect (i32.const 1)))\n";
    }
    by_type += &setter;
    by_type += "(export \"f\" (func 0)))";
    for (text, bounded) in [(chain, true), (by_type, false)] {
        let options = Options {
            inline: false,
            ..Options::default()
        };
        let start = Instant::now();
        let object = compile(text.as_bytes(), &options).unwrap();
        let meta = Meta::parse(section_of(&object)).unwrap();
        let first = &meta.functions()[0];
        let frames = meta.functions()[..COUNT].iter().map(|f| f.frame_size.get());
        let deepest = match bounded {
            true => frames.sum(),
            false => NONE,
        };
        assert_eq!(first.stack.bytes.get(), deepest);
        let ways = inspect::ways(&object).unwrap().to_string();
        assert_eq!(ways.contains("is recursive"), !bounded);
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{:?}",
            start.elapsed()
        );
    }
}

/// What `inspect --stack` prints.
#[test]
fn ways_are_explained() {
    let text = r#"(module
        (type $binary (func (param i32 i32) (result i32)))
        (import "env" "log" (func $log (param i32)))
        (table 2 2 funcref)
        (elem (i32.const 0) $add $sub)
        (func $add (type $binary) (i32.add (local.get 0) (local.get 1)))
        (func $sub (type $binary) (call $log (local.get 0)) (call $log (local.get 1))
            (i32.sub (local.get 0) (local.get 1)))
        (func $fib (param i64) (result i64)
            (if (result i64) (i64.lt_u (local.get 0) (i64.const 2)) (then (local.get 0))
            (else (i64.add (call $fib (i64.sub (local.get 0) (i64.const 1)))
                (call $fib (i64.sub (local.get 0) (i64.const 2)))))))
        (func $tick (export "tick") (param i32) (result i32)
            (call_indirect (type $binary) (local.get 0) (i32.const 5) (local.get 0)))
        (func (export "fib") (param i64) (result i64) (call $fib (local.get 0))))"#;
    let object = compile(text.as_bytes(), &options(Machine::X86_64)).unwrap();
    let expected = "\
stack in bytes, with 32768 for each function of the host or the runtime; frames on the deepest way:

        16  main:instantiate
            16  main:instantiate

     32816  main.tick  (48 of its own, others called at 48)
            16  tick
            32  sub, by reference: (i32 i32) -> (i32)
         32768  env.log, outside the object

  no bound  main.fib  (`fib` is recursive)
            16  function[5]
            32  fib
            32  fib
";
    assert_eq!(inspect::ways(&object).unwrap().to_string(), expected);
    let report = inspect::inspect(&object).unwrap().to_string();
    assert!(report.contains("     32816  main.tick  (48 of its own, others called at 48)\n"));
    let json = serde_json::to_value(inspect::ways(&object).unwrap()).unwrap();
    let tick = &json["ways"][1];
    assert_eq!(tick["bytes"], 32816);
    assert_eq!(tick["way"][1]["by_reference"], "(i32 i32) -> (i32)");
    assert_eq!(tick["way"][2]["outside"], true);
    assert_eq!(json["ways"][2]["recursive"], "fib");
    assert_eq!(json["ways"][2]["bytes"], serde_json::Value::Null);
}
