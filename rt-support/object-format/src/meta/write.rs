// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Writing the section.

use super::*;
use crate::inlined::{CallRecord, StretchRecord};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Collects what the section holds, then lays it out.
#[derive(Default, Debug)]
pub struct MetaBuilder {
    pool: String,
    known: BTreeMap<String, Str>,
    /// [`flags`].
    pub flags: u32,
    /// [`Header::largest_frame`].
    pub largest_frame: u32,
    /// [`Header::module_hash`].
    pub module_hash: [u8; 32],
    /// [`Header::gc_heap`].
    pub gc_heap: u64,
    /// [`Meta::module_name`].
    pub module_name: String,
    /// [`Meta::producer`].
    pub producer: String,
    /// [`Meta::cpu_features`].
    pub cpu_features: String,
    /// [`Meta::wasm_features`].
    pub wasm_features: String,
    /// [`Meta::types`].
    pub types: Vec<TypeRecord>,
    imports: Vec<ImportRecord>,
    exports: Vec<ExportRecord>,
    /// [`Meta::memories`].
    pub memories: Vec<MemoryRecord>,
    /// [`Meta::tables`].
    pub tables: Vec<TableRecord>,
    /// [`Meta::globals`].
    pub globals: Vec<GlobalRecord>,
    /// [`Meta::tags`].
    pub tags: Vec<TagRecord>,
    /// [`Meta::functions`].
    pub functions: Vec<FunctionRecord>,
    /// [`Meta::inlined`]: the code, and the calls.
    pub stretches: Vec<StretchRecord>,
    /// See [`MetaBuilder::stretches`].
    pub calls: Vec<CallRecord>,
}

impl MetaBuilder {
    /// Puts a string into the pool (once).
    pub fn intern(&mut self, text: &str) -> Str {
        if let Some(&s) = self.known.get(text) {
            return s;
        }
        let s = Str {
            offset: size(self.pool.len()),
            length: size(text.len()),
        };
        self.pool.push_str(text);
        self.known.insert(text.into(), s);
        s
    }

    /// Adds an import; see [`ImportRecord`].
    pub fn import(
        &mut self,
        kind: Kind,
        index: u32,
        (module, name): (&str, &str),
        symbol: &str,
        depth: u32,
    ) {
        let record = ImportRecord {
            kind: (kind as u32).into(),
            index: index.into(),
            module: self.intern(module),
            name: self.intern(name),
            symbol: self.intern(symbol),
            depth: depth.into(),
        };
        self.imports.push(record);
    }

    /// Adds an export; see [`ExportRecord`].
    pub fn export(&mut self, kind: Kind, index: u32, name: &str, symbol: &str) {
        let record = ExportRecord {
            kind: (kind as u32).into(),
            index: index.into(),
            name: self.intern(name),
            symbol: self.intern(symbol),
        };
        self.exports.push(record);
    }

    /// The bytes of [`section::META`].
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let names = [
            &self.module_name,
            &self.producer,
            &self.cpu_features,
            &self.wasm_features,
        ]
        .map(String::clone)
        .map(|text| self.intern(&text));
        let mut bytes = alloc::vec![0; size_of::<Header>()];
        let mut place = |records: &[u8], count: usize| {
            let array = Array {
                offset: size(bytes.len()),
                count: size(count),
            };
            bytes.extend_from_slice(records);
            array
        };
        let types = place(self.types.as_bytes(), self.types.len());
        let mut order: Vec<U32> = (0..self.types.len()).map(size).collect();
        order.sort_by_key(|index| self.types[index.get() as usize].id.get());
        let type_order = place(order.as_bytes(), order.len());
        let imports = place(self.imports.as_bytes(), self.imports.len());
        let exports = place(self.exports.as_bytes(), self.exports.len());
        let memories = place(self.memories.as_bytes(), self.memories.len());
        let tables = place(self.tables.as_bytes(), self.tables.len());
        let globals = place(self.globals.as_bytes(), self.globals.len());
        let tags = place(self.tags.as_bytes(), self.tags.len());
        let functions = place(self.functions.as_bytes(), self.functions.len());
        let stretches = place(self.stretches.as_bytes(), self.stretches.len());
        let calls = place(self.calls.as_bytes(), self.calls.len());
        let strings = place(self.pool.as_bytes(), self.pool.len());
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let header = Header {
            magic: MAGIC,
            version: FORMAT_VERSION.into(),
            total: size(bytes.len()),
            text_delta: 0.into(),
            flags: self.flags.into(),
            largest_frame: self.largest_frame.into(),
            module_hash: self.module_hash,
            gc_heap: self.gc_heap.into(),
            module_name: names[0],
            producer: names[1],
            cpu_features: names[2],
            wasm_features: names[3],
            strings,
            types,
            type_order,
            imports,
            exports,
            memories,
            tables,
            globals,
            tags,
            functions,
            stretches,
            calls,
        };
        bytes[..size_of::<Header>()].copy_from_slice(header.as_bytes());
        bytes
    }
}

fn size(n: usize) -> U32 {
    u32::try_from(n)
        .expect("the compiler limits modules to well below 4 GiB")
        .into()
}
