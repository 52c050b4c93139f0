// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Vectors: what the object holds, what the processor must have, which features are off.

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};
use wasm_aot_compiler::{Cpu, Options, SUPPORTED_FEATURES, WasmFeatures, compile};

fn with_cpu(cpu: &str) -> Options {
    Options {
        features: SUPPORTED_FEATURES,
        cpu: Cpu::parse(cpu),
        verify: true,
        ..Options::default()
    }
}

fn error(text: &str, options: &Options) -> String {
    compile(text.as_bytes(), options).unwrap_err().to_string()
}

/// The bytes of a symbol.
fn bytes(object: &[u8], name: &str) -> Vec<u8> {
    let file = ElfFile64::<LittleEndian>::parse(object).unwrap();
    let symbol = file.symbol_by_name(name).unwrap();
    let section = file
        .section_by_index(symbol.section_index().unwrap())
        .unwrap();
    let data = section
        .data_range(section.address() + symbol.address(), symbol.size())
        .unwrap();
    data.unwrap().to_vec()
}

#[test]
fn constant_globals_are_data() {
    let text = r#"(module
        (global (export "g") (mut v128) (v128.const i64x2 0x0123456789abcdef -2))
        (global (export "zero") (mut v128) (v128.const i64x2 0 0)))"#;
    let object = compile(text.as_bytes(), &with_cpu("baseline")).unwrap();
    let mut expected = 0x0123_4567_89ab_cdef_u64.to_le_bytes().to_vec();
    expected.extend((-2_i64).to_le_bytes());
    assert_eq!(bytes(&object, "main.g"), expected);
    let file = ElfFile64::<LittleEndian>::parse(&*object).unwrap();
    for name in ["main.g", "main.zero"] {
        assert_eq!(file.symbol_by_name(name).unwrap().address() % 16, 0);
    }
}

#[test]
fn multiply_add_is_fused_where_the_processor_has_that() {
    let text = r#"(module (func (export "f") (param v128 v128 v128) (result v128)
        (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2))))"#;
    let code = |cpu| {
        let object = compile(text.as_bytes(), &with_cpu(cpu)).unwrap();
        bytes(&object, "main.f")
    };
    // The prefix of the three-operand instructions of the 0F38 map, to which vfmadd belongs.
    let fused = |code: &[u8]| code.windows(2).any(|pair| pair == [0xc4, 0xe2]);
    assert!(!fused(&code("baseline")));
    assert!(fused(&code("x86-64-v3")));
}

#[test]
fn a_processor_without_vectors_is_named() {
    let body = "(module (func $f (drop (i8x16.splat (i32.const 1)))))";
    let message = error(body, &with_cpu("popcnt"));
    assert!(message.contains("need SSSE3 and SSE4.1"), "{message}");
    assert!(message.contains("0x19, in function 0 (f)"), "{message}");
    for outside in [
        "(module (func (param v128)))",
        "(module (import \"m\" \"g\" (global v128)))",
        "(module (func (local v128)))",
    ] {
        let message = error(outside, &with_cpu("popcnt"));
        assert!(message.contains("need SSSE3 and SSE4.1"), "{message}");
    }
    compile(b"(module (func))", &with_cpu("popcnt")).unwrap();
}

#[test]
fn features_that_are_off_are_named() {
    let features = |off| Options {
        features: SUPPORTED_FEATURES.difference(off),
        ..Options::default()
    };
    let relaxed = "(module (func (param v128) (result v128)
        (i8x16.relaxed_swizzle (local.get 0) (local.get 0))))";
    let message = error(relaxed, &features(WasmFeatures::RELAXED_SIMD));
    assert!(message.contains("`--wasm relaxed-simd=y`"), "{message}");
    let message = error(relaxed, &features(WasmFeatures::SIMD));
    assert!(message.contains("`--wasm simd=y`"), "{message}");
    let wide = "(module (func (param i64) (result i64 i64)
        (i64.mul_wide_u (local.get 0) (local.get 0))))";
    let message = error(wide, &Options::default());
    assert!(message.contains("`--wasm wide-arithmetic=y`"), "{message}");
    compile(wide.as_bytes(), &with_cpu("baseline")).unwrap();
}
