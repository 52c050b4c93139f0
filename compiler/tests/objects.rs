// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the compiler makes of small modules, seen through a reader of ELF files.

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, SymbolKind};
use wasm_aot_compiler::{Bounds, Cpu, MemoryBase, OptLevel, Options, WasmFeatures, compile};
use wasm_aot_object::meta::{Kind, Meta, entity};
use wasm_aot_object::section;
use wasm_aot_object::table::{AddressMap, TrapTable};
use wasm_aot_trap::TrapCode;

fn build(text: &str, options: &Options) -> Vec<u8> {
    let options = Options {
        verify: true,
        ..options.clone()
    };
    compile(text.as_bytes(), &options).unwrap()
}

fn fails(text: &str, options: &Options) -> String {
    compile(text.as_bytes(), options).unwrap_err().to_string()
}

/// The code of an exported function.
fn code(object: &[u8], export: &str) -> Vec<u8> {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    let symbol = file.symbol_by_name(&format!("main.{export}")).unwrap();
    let text = file.section_by_name(".text").unwrap().data().unwrap();
    let start = symbol.address() as usize;
    text[start..start + symbol.size() as usize].to_vec()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// Whether there is a `mov r32, [r64 + displacement]` (opcode 8b, mod 10).
fn loads_from(code: &[u8], displacement: u32) -> bool {
    let is_load =
        |w: &[u8]| w[0] == 0x8b && w[1] >> 6 == 0b10 && w[2..] == displacement.to_le_bytes();
    code.windows(6).any(is_load)
}

const LOAD: &str = r#"(module (memory 1 2)
    (func (export "f") (param i32) (result i32) (i32.load offset=4 (local.get 0))))"#;

#[test]
fn a_guarded_load_is_one_instruction_with_the_base_in_it() {
    let object = build(LOAD, &Options::default());
    // mov eax, [index + 0x10000004], after the zero extension of the index.
    assert!(loads_from(&code(&object, "f"), 0x1000_0004));
    let options = Options {
        memory_base: MemoryBase::Constant(0x2000_0000),
        ..Options::default()
    };
    let object = build(LOAD, &options);
    assert!(loads_from(&code(&object, "f"), 0x2000_0004));
}

#[test]
fn an_explicit_check_compares_and_a_guard_does_not() {
    let options = Options {
        bounds: Bounds::Explicit,
        ..Options::default()
    };
    let (explicit, guard) = (build(LOAD, &options), build(LOAD, &Options::default()));
    let ud2 = [0x0f, 0x0b];
    assert!(contains(&code(&explicit, "f"), &ud2));
    assert!(!contains(&code(&guard, "f"), &ud2));
    let file = ElfFile64::<LittleEndian>::parse(&*explicit).unwrap();
    let meta = file.section_by_name(section::META).unwrap();
    let meta = Meta::parse(meta.data().unwrap()).unwrap();
    assert!(!meta.bounds_guard());
    assert_eq!(meta.memories()[0].reservation.get(), 2 * 65536);
}

#[test]
fn a_relocatable_base_is_an_undefined_symbol() {
    let options = Options {
        memory_base: MemoryBase::Relocatable,
        ..Options::default()
    };
    let object = build(LOAD, &options);
    let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
    let base = file
        .symbols()
        .find(|s| s.name() == Ok("main:memory.0:base"))
        .unwrap();
    assert!(base.is_undefined());
}

#[test]
fn exports_imports_and_names_are_symbols() {
    let object = build(
        r#"(module
            (import "env" "a b" (func $log (param i32)))
            (memory (export "memory") 1)
            (func $inner (param i32) (call $log (local.get 0)))
            (elem declare func $inner)
            (func (export "outer") (call $inner (i32.const 1)))
            (export "again" (func $log)))"#,
        &Options {
            module_name: "app".into(),
            ..Options::default()
        },
    );
    let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
    let symbol = |name: &str| file.symbols().find(|s| s.name() == Ok(name));
    assert!(symbol("env.a%20b").unwrap().is_undefined());
    assert!(symbol("inner").unwrap().is_local());
    assert_eq!(symbol("app.outer").unwrap().kind(), SymbolKind::Text);
    assert_eq!(symbol("app.memory").unwrap().kind(), SymbolKind::Data);
    assert_eq!(symbol("app.memory:base").unwrap().address(), 0x1000_0000);
    assert!(symbol("app:instantiate").unwrap().is_global());
    let meta = file.section_by_name(section::META).unwrap();
    let meta = Meta::parse(meta.data().unwrap()).unwrap();
    // What is exported again keeps the symbol of its import.
    assert_eq!(meta.str(meta.export("again").unwrap().symbol), "env.a%20b");
    assert_eq!(meta.export("memory").unwrap().kind(), Kind::Memory);
    assert!(file.section_by_name(".note.GNU-stack").is_some());
}

#[test]
fn traps_and_positions_point_into_the_module() {
    let text = r#"(module (func (export "f") (param i32) (result i32)
        (i32.div_s (i32.const 1) (local.get 0))))"#;
    let binary = wat::parse_str(text).unwrap();
    let object = build(text, &Options::default());
    let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
    let data = |name| file.section_by_name(name).unwrap().data().unwrap();
    let traps = TrapTable::parse(data(section::TRAPS)).unwrap();
    let map = AddressMap::parse(data(section::ADDRESS_MAP)).unwrap();
    let codes: Vec<_> = traps.entries().filter_map(|(_, code)| code).collect();
    assert!(codes.contains(&TrapCode::IntegerDivideByZero));
    let division = binary.iter().rposition(|&byte| byte == 0x6d).unwrap();
    for (offset, _) in traps.entries() {
        assert_eq!(map.lookup(offset), Some(division as u32));
    }
}

#[test]
fn constant_tables_and_globals_cost_nothing_at_run_time() {
    let object = build(
        r#"(module
            (table 2 funcref) (elem (i32.const 0) $f $f)
            (global $g i32 (i32.add (i32.const 3) (i32.const 4)))
            (func $f (export "f") (result i32) (global.get $g)))"#,
        &Options::default(),
    );
    // mov eax, 7
    assert!(contains(&code(&object, "f"), &[0xb8, 7, 0, 0, 0]));
    let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
    let instantiate = file.symbol_by_name("main:instantiate").unwrap();
    assert!(
        instantiate.size() <= 16,
        "nothing is left to do: {}",
        instantiate.size()
    );
}

#[test]
fn a_table_that_may_grow_is_left_to_the_loader() {
    let object = build(
        r#"(module (table (export "t") 1 10 funcref) (table $fixed 3 3 funcref)
            (func (export "f") (result i32) (table.size $fixed)))"#,
        &Options::default(),
    );
    let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
    let meta = file.section_by_name(section::META).unwrap();
    let meta = Meta::parse(meta.data().unwrap()).unwrap();
    assert_ne!(meta.tables()[0].flags.get() & entity::GROWABLE, 0);
    assert_eq!(meta.tables()[1].flags.get() & entity::GROWABLE, 0);
}

#[test]
fn the_bytes_depend_on_input_and_options_alone() {
    let functions: String = (0..200)
        .map(|i| format!("(func (param i32) (result i32) (i32.add (local.get 0) (i32.const {i})))"))
        .collect();
    let text = format!("(module (memory 1) {functions})");
    let reference = build(&text, &Options::default());
    for threads in [1, 2, 8] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        assert!(
            pool.install(|| build(&text, &Options::default())) == reference,
            "{threads}"
        );
    }
}

#[test]
fn errors_say_what_and_where() {
    let defaults = Options::default();
    let invalid = r#"(module (func (result i32) (i64.const 1)))"#;
    assert_eq!(
        fails(invalid, &defaults),
        "invalid WebAssembly module: type mismatch: expected i32, found i64 \
         (at byte offset 0x1a, in function 0 (function[0]))"
    );
    assert!(fails("(module (func $f", &defaults).contains("text does not parse"));
    let extension = "(module (func) (func $f (drop (i32.extend8_s (i32.const 0)))))";
    let without = Options {
        features: defaults.features.difference(WasmFeatures::SIGN_EXTENSION),
        ..Options::default()
    };
    assert_eq!(
        fails(extension, &without),
        "sign extension operations support is not enabled \
         (at byte offset 0x1d, in function 1 (f)); `--wasm sign-extension=y` enables it"
    );
    let base = |base| Options {
        memory_base: MemoryBase::Constant(base),
        ..Options::default()
    };
    for bad in [0, 0x1234, 1 << 31] {
        assert!(fails("(module)", &base(bad)).contains("--memory-base"));
    }
    let cpu = Options {
        cpu: Cpu::parse("nosuch"),
        ..Options::default()
    };
    assert!(fails("(module)", &cpu).contains("unknown name `nosuch`"));
}

#[test]
fn every_truncation_and_damage_of_a_module_is_an_error_or_compiles() {
    let binary = wat::parse_str(LOAD).unwrap();
    for length in 0..binary.len() {
        let _ = compile(&binary[..length], &Options::default());
    }
    for position in 0..binary.len() {
        for bit in 0..8 {
            let mut damaged = binary.clone();
            damaged[position] ^= 1 << bit;
            let _ = compile(&damaged, &Options::default());
        }
    }
}

#[test]
fn all_levels_and_processors_compile() {
    for opt_level in [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize] {
        for cpu in ["baseline", "native", "x86-64-v3", "sse41,popcnt"] {
            let options = Options {
                opt_level,
                cpu: Cpu::parse(cpu),
                ..Options::default()
            };
            build(LOAD, &options);
        }
    }
}

const TAIL: &str = r#"(module
    (import "env" "g" (func $g (param i32) (result i32)))
    (table funcref (elem $f))
    (func $f (export "f") (param i32) (result i32)
        (CALL $g (local.get 0))))"#;

/// Names of the symbols and sizes of function references.
fn conventions(text: &str) -> (Vec<String>, Vec<u64>) {
    let object = build(text, &Options::default());
    let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
    let name = |symbol: &object::read::elf::ElfSymbol64<'_, '_, LittleEndian>| {
        symbol.name().unwrap().to_owned()
    };
    let references = file.symbols().filter(|s| name(s).starts_with("funcref."));
    let sizes = references.map(|symbol| symbol.size()).collect();
    let special = |name: &String| name.contains(":adapter.") || name.ends_with(":tail");
    let mut names: Vec<String> = file.symbols().map(|s| name(&s)).filter(special).collect();
    names.sort();
    (names, sizes)
}

#[test]
fn only_a_module_with_tail_calls_has_adapters() {
    let (names, references) = conventions(&TAIL.replace("CALL", "call"));
    assert!(names.is_empty(), "{names:?}");
    assert_eq!(references, [16]);
    let (names, references) = conventions(&TAIL.replace("CALL", "return_call"));
    let expected = [
        "env.g:tail",
        "main.f:tail",
        "main:adapter.entry.1",
        "main:adapter.import.0",
    ];
    assert_eq!(names, expected);
    assert_eq!(references, [32]);
}

#[test]
fn the_import_entry_for_tail_calls_may_be_missing() {
    let object = build(&TAIL.replace("CALL", "return_call"), &Options::default());
    let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
    let of = |name: &str| {
        let mut symbols = file.symbols();
        symbols.find(|s| s.name() == Ok(name)).unwrap()
    };
    assert!(of("env.g:tail").is_undefined() && of("env.g:tail").is_weak());
    assert!(of("env.g").is_undefined() && !of("env.g").is_weak());
    assert_ne!(of("main.f").address(), of("main.f:tail").address());
}

/// A module whose function does this with an exception.
fn throwing(body: &str) -> String {
    format!(
        r#"(module (import "env" "t" (tag $t (param i32))) (import "env" "f" (func $f (param i32)))
            (tag $own (export "own") (param i64))
            (func (export "run") (param i32) {body}))"#
    )
}

#[test]
fn only_a_module_that_throws_or_catches_registers() {
    let has = |body: &str, name: &str| {
        let object = build(&throwing(body), &Options::default());
        let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
        file.symbols().any(|symbol| symbol.name() == Ok(name))
    };
    let catch =
        "(block $c (result i32) (try_table (catch $t $c) (call $f (local.get 0))) (return)) drop";
    let throw = "(throw $t (local.get 0))";
    for (body, throws, catches) in [
        ("(call $f (local.get 0))", false, false),
        (throw, true, false),
        (catch, false, true),
    ] {
        assert_eq!(has(body, "registration"), throws || catches, "{body}");
        assert_eq!(has(body, "wasm_aot_throw"), throws, "{body}");
        assert_eq!(has(body, "handlers"), catches, "{body}");
        assert_eq!(has(body, "main:adapter.import.0"), catches, "{body}");
    }
}

#[test]
fn tags_are_imported_and_exported_with_their_types() {
    let object = build(&throwing(""), &Options::default());
    let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
    let meta = file.section_by_name(section::META).unwrap();
    let meta = Meta::parse(meta.data().unwrap()).unwrap();
    let import = &meta.imports()[0];
    assert_eq!((import.kind(), import.index.get()), (Kind::Tag, 0));
    let export = meta.export("own").unwrap();
    assert_eq!((export.kind(), export.index.get()), (Kind::Tag, 1));
    let ty = |tag: usize| meta.str(meta.types()[meta.tags()[tag].type_index.get() as usize].text);
    assert_eq!((ty(0), ty(1)), ("(i32) -> ()", "(i64) -> ()"));
    assert_eq!(meta.str(meta.tags()[0].symbol), "env.t");
}

#[test]
fn legacy_exceptions_are_refused_by_name() {
    let text = "(module (tag $t) (func try catch $t end))";
    let error = fails(text, &Options::default());
    assert!(error.contains("legacy"), "{error}");
    assert!(error.contains("offset"), "{error}");
}

#[test]
fn too_many_catch_clauses_around_too_many_calls_are_refused() {
    use std::fmt::Write;
    let (tags, calls) = (400, 400);
    let mut text = String::from("(module (func $f)");
    (0..tags).for_each(|tag| write!(text, "(tag $t{tag})").unwrap());
    text += "(func $hostile";
    (0..tags).for_each(|tag| write!(text, "(block (try_table (catch $t{tag} 0)").unwrap());
    (0..calls).for_each(|_| text += "(call $f)");
    text += &"))".repeat(tags);
    text += "))";
    let error = fails(&text, &Options::default());
    assert!(error.contains("catch clause"), "{error}");
    assert!(error.contains("function 1 (hostile)"), "{error}");
}

#[test]
fn a_table_of_own_functions_needs_no_adapter_to_be_called_through() {
    let module = |table: &str, body: &str| {
        format!(
            r#"(module (table {table} funcref (elem $f $f)) (func $f)
                (func (export "tail") (return_call_indirect (i32.const 0)))
                (func (export "catch") (block $c (try_table (catch_all $c)
                    (call_indirect (i32.const 1)))))
                (func (export "write") {body}))"#
        )
    };
    let adapted = |table: &str, body: &str| {
        let object = build(&module(table, body), &Options::default());
        let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
        let adapter = |symbol: &str| symbol.starts_with("main:adapter.call.");
        file.symbols()
            .any(|symbol| symbol.name().is_ok_and(adapter))
    };
    assert!(!adapted("", ""));
    assert!(adapted("(export \"t\")", ""));
    assert!(adapted(
        "",
        "(table.set (i32.const 0) (table.get (i32.const 1)))"
    ));
}
