// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What is written is read again, and what is damaged is refused.

use super::*;
use crate::stack::{Call, Next, Stack};
use alloc::vec::Vec;

/// The first function calls the second, which calls the import.
fn stack(index: u32) -> StackRecord {
    let second = Next::Function {
        index: 1,
        call: Call::INDIRECT,
    };
    let import = Next::Import {
        index: 0,
        call: Call::DIRECT,
    };
    StackRecord {
        bytes: (16 - 8 * index).into(),
        next: [second.word(), NONE][index as usize].into(),
        outside: (16 - 8 * index).into(),
        outside_next: [second, import][index as usize].word().into(),
    }
}

fn sample() -> Vec<u8> {
    let mut builder = MetaBuilder::default();
    builder.module_name = "main".into();
    let text = builder.intern("() -> ()");
    let trampoline = builder.intern("");
    builder.types.push(TypeRecord {
        id: 7.into(),
        text,
        trampoline,
        kind: type_kind::FUNCTION.into(),
        supertype: NONE.into(),
        moved: 0.into(),
    });
    builder.import(Kind::Function, 0, ("env", "f"), "env.f", 24);
    builder.import(Kind::Tag, 0, ("env", "t"), "env.t", 0);
    let name = builder.intern("t");
    builder.tags.push(TagRecord {
        flags: entity::IMPORTED.into(),
        type_index: 0.into(),
        name,
        symbol: name,
    });
    builder.export(Kind::Function, 0, "g", "main.g");
    for (index, offset) in [0, 16].into_iter().enumerate() {
        let name = builder.intern("g");
        builder.functions.push(FunctionRecord {
            text_offset: offset.into(),
            text_size: 10.into(),
            frame_size: 8.into(),
            wasm_index: (index as u32).into(),
            type_index: 0.into(),
            wasm_offset: (100 + 50 * index as u32).into(),
            name,
            stack: stack(index as u32),
        });
    }
    builder.finish()
}

#[test]
fn round_trip() {
    let bytes = sample();
    let meta = Meta::parse(&bytes).unwrap();
    assert_eq!(meta.byte_length(), bytes.len());
    assert_eq!(meta.module_name(), "main");
    assert_eq!(meta.imports()[0].kind(), Kind::Function);
    assert_eq!(meta.str(meta.imports()[0].symbol), "env.f");
    assert_eq!(meta.imports()[1].kind(), Kind::Tag);
    assert_eq!(meta.str(meta.tags()[0].name), "t");
    assert_eq!(meta.str(meta.export("g").unwrap().symbol), "main.g");
    assert_eq!(meta.function_at(9).unwrap().wasm_index.get(), 0);
    assert!(meta.function_at(10).is_none());
    assert_eq!(meta.function_at(25).unwrap().wasm_index.get(), 1);
    let body = |offset| meta.function_of_body(offset).map(|f| f.wasm_index.get());
    let found = [99, 100, 149, 150, 1000].map(body);
    assert_eq!(found, [None, Some(0), Some(0), Some(1), Some(1)]);
}

#[test]
fn ways_down_the_stack_are_followed() {
    let bytes = sample();
    let meta = Meta::parse(&bytes).unwrap();
    let stack = Stack::of(&meta, 0).unwrap();
    assert_eq!((stack.bytes(), stack.outside()), (Some(16), Some(16)));
    let own: Vec<_> = stack.way().collect();
    let called = |index, call| Next::Function { index, call };
    assert_eq!(own, [called(1, Call::INDIRECT)]);
    let import = Next::Import {
        index: 0,
        call: Call::DIRECT,
    };
    let outside: Vec<_> = stack.way_outside().collect();
    assert_eq!(outside, [called(1, Call::INDIRECT), import]);
    assert_eq!(meta.imports()[0].depth.get(), 24);
    assert!(Stack::of(&meta, 2).is_none());
}

#[test]
fn a_way_that_leads_nowhere_is_refused() {
    let mut bytes = sample();
    let meta = Meta::parse(&bytes).unwrap();
    let functions = meta.header().functions.offset.get() as usize;
    let way = functions + size_of::<FunctionRecord>() - 12;
    for (word, right) in [(2u32, false), (1, true), (NONE - 1, false), (NONE, true)] {
        bytes[way..way + 4].copy_from_slice(&word.to_le_bytes());
        assert_eq!(Meta::parse(&bytes).is_ok(), right, "{word:#x}");
    }
}

#[test]
fn damage_never_panics_and_truncation_is_refused() {
    let bytes = sample();
    for length in 0..bytes.len() {
        assert!(Meta::parse(&bytes[..length]).is_err(), "{length}");
    }
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            if let Ok(meta) = Meta::parse(&damaged) {
                for import in meta.imports() {
                    let _ = (import.kind(), meta.str(import.symbol));
                }
                let _ = meta.function_at(3);
                for index in 0..meta.functions().len() as u32 {
                    let stack = Stack::of(&meta, index).unwrap();
                    assert!(stack.way().count() <= 1 + meta.functions().len());
                    assert!(stack.way_outside().count() <= 1 + meta.functions().len());
                }
            }
        }
    }
}

#[test]
fn another_version_says_both() {
    let mut bytes = sample();
    bytes[8] = 9;
    let error = Meta::parse(&bytes).unwrap_err();
    assert_eq!(error, FormatError::Version { found: 9 });
}
