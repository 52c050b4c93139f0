// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Adds to a module, for each of its memories, an exported function that gives a digest of the
//! memory's contents and length: so that both sides can be asked for it by a call.

use std::ops::Range;
use wasm_encoder::{BlockType, Encode, Function, MemArg, MemArgTarget, RawSection, ValType};
use wasmparser::{ExternalKind, MemoryType, Parser, Payload, TypeRef};

/// First part of the names of the exports.
pub const PREFIX: &str = "digest of memory ";

const TYPES: u8 = 1;
const FUNCTIONS: u8 = 3;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;

/// What of a module has to be known.
#[derive(Default)]
struct Facts {
    types: u32,
    functions: u32,
    memories: Vec<MemoryType>,
    exports: u32,
}

/// The number of a section, and where its contents are.
type Section = (u8, Range<usize>);

/// The module with digests; as it was where it has no memory, or no code to add to.
#[must_use]
pub fn add(module: Vec<u8>) -> Vec<u8> {
    let Some((facts, sections)) = read(&module) else {
        return module;
    };
    let has = |id: u8| sections.iter().any(|section| section.0 == id);
    let extensible = [TYPES, FUNCTIONS, EXPORTS, CODE].into_iter().all(has);
    if facts.memories.is_empty() || !extensible {
        return module;
    }
    let mut out = wasm_encoder::Module::new();
    let mut contents = Vec::new();
    for (id, range) in &sections {
        let old = &module[range.clone()];
        contents.push((
            *id,
            extend(*id, old, &facts).unwrap_or_else(|| old.to_vec()),
        ));
    }
    for (id, data) in &contents {
        out.section(&RawSection { id: *id, data });
    }
    out.finish()
}

fn read(module: &[u8]) -> Option<(Facts, Vec<Section>)> {
    let mut facts = Facts::default();
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.ok()?;
        if let Some((id, range)) = payload.as_section() {
            sections.push((id, range.start as usize..range.end as usize));
        }
        match payload {
            Payload::TypeSection(reader) => {
                for group in reader {
                    facts.types += group.ok()?.types().len() as u32;
                }
            }
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    match import.ok()?.ty {
                        TypeRef::Func(_) => facts.functions += 1,
                        TypeRef::Memory(ty) => facts.memories.push(ty),
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(reader) => facts.functions += reader.count(),
            Payload::MemorySection(reader) => {
                for memory in reader {
                    facts.memories.push(memory.ok()?);
                }
            }
            Payload::ExportSection(reader) => facts.exports = reader.count(),
            _ => {}
        }
    }
    Some((facts, sections))
}

/// The contents of a section with what is added to it.
fn extend(id: u8, old: &[u8], facts: &Facts) -> Option<Vec<u8>> {
    let (count, length) = leb(old)?;
    let memories = facts.memories.iter().enumerate();
    let mut new = Vec::new();
    let added = match id {
        TYPES => 1,
        FUNCTIONS | EXPORTS | CODE => facts.memories.len() as u32,
        _ => return None,
    };
    (count + added).encode(&mut new);
    new.extend_from_slice(&old[length..]);
    match id {
        TYPES => new.extend([0x60, 0, 1, 0x7e]), // (func (result i64))
        FUNCTIONS => memories.for_each(|_| facts.types.encode(&mut new)),
        EXPORTS => {
            for (index, _) in memories {
                format!("{PREFIX}{index}").encode(&mut new);
                new.push(ExternalKind::Func as u8);
                (facts.functions + index as u32).encode(&mut new);
            }
        }
        _ => memories.for_each(|(index, ty)| digest(index as u32, ty).encode(&mut new)),
    }
    Some(new)
}

/// An unsigned number in LEB128, and the bytes that it takes.
fn leb(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0u32;
    for (position, &byte) in bytes.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Some((value, position + 1));
        }
    }
    None
}

/// `hash = rotate(hash, 5) ^ word, times a constant` over all whole words, and the length.
fn digest(memory: u32, ty: &MemoryType) -> Function {
    let index = if ty.memory64 {
        ValType::I64
    } else {
        ValType::I32
    };
    let page = ty.page_size_log2.unwrap_or(16);
    let argument = MemArg {
        offset: 0,
        align: 0,
        target: MemArgTarget::Memory(memory),
        ordering: None,
    };
    let (hash, at, end) = (0, 1, 2);
    let mut body = Function::new([(3, ValType::I64)]);
    let mut code = body.instructions();
    code.memory_size(memory);
    if index == ValType::I32 {
        code.i64_extend_i32_u();
    }
    code.i64_const(page.into()).i64_shl().local_tee(end);
    code.local_set(hash);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    // at + 8 <= end
    code.local_get(at).i64_const(8).i64_add().local_get(end);
    code.i64_gt_u().br_if(1);
    code.local_get(hash).i64_const(5).i64_rotl();
    code.local_get(at);
    if index == ValType::I32 {
        code.i32_wrap_i64();
    }
    code.i64_load(argument).i64_xor();
    code.i64_const(0x5851_f42d_4c95_7f2d)
        .i64_mul()
        .local_set(hash);
    code.local_get(at).i64_const(8).i64_add().local_set(at);
    code.br(0).end().end();
    code.local_get(hash).end();
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Validator, WasmFeatures};

    #[test]
    fn digests_are_valid_for_every_kind_of_memory() {
        let text = "(module (memory 1) (memory i64 2) (memory 8 8 (pagesize 1))
            (func) (export \"f\" (func 0)))";
        let module = add(wat::parse_str(text).unwrap());
        let features = WasmFeatures::WASM3 | WasmFeatures::CUSTOM_PAGE_SIZES;
        Validator::new_with_features(features)
            .validate_all(&module)
            .unwrap();
        let names = (0..3).map(|index| format!("{PREFIX}{index}").into_bytes());
        for name in names {
            assert!(module.windows(name.len()).any(|bytes| bytes == name));
        }
    }
}
