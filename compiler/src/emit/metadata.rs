// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Exports, and the metadata section.

use super::{Emitter, Placement};
use crate::codegen::Code;
use crate::error::Error;
use crate::features;
use crate::isa;
use crate::options::Bounds;
use crate::plan::{Base, Convention, Symbol, TableStorage, code_name, global_name};
use crate::stack::{self, Stacks};
use cranelift_codegen::isa::TargetIsa;
use sha2::{Digest, Sha256};
use wasm_aot_object::inlined::{CallRecord, StretchRecord};
use wasm_aot_object::meta::{
    FunctionRecord, GlobalRecord, Kind, MemoryRecord, MetaBuilder, NONE, TableRecord, TagRecord,
    TypeRecord, entity, flags, type_kind,
};
use wasm_aot_object::{meta, section};
use wasm_aot_symbols as names;
use wasmparser::{CompositeInnerType, ExternalKind};

impl Emitter<'_> {
    /// The symbols of the exports: second names of what is defined here. What is imported and
    /// exported again keeps the import's symbol.
    pub(super) fn exports(&mut self) {
        let module = self.module;
        for export in &module.exports {
            let symbol = entity_symbol(export.kind, export.index);
            if self.is_imported(symbol) {
                continue;
            }
            let name = names::member(&self.plan.options.module_name, export.name);
            if let Symbol::Function(index) = symbol {
                self.alias(&name, self.plan.c_code(index));
                let ty = self.plan.function_type(module, index);
                if self.plan.has_descriptor(ty) {
                    let name = name.clone() + names::TYPE_SUFFIX;
                    self.alias(&name, Symbol::TypeDescriptor(ty));
                }
                if self.plan.convention == Convention::Tail {
                    self.alias(&(name + names::TAIL_SUFFIX), symbol);
                }
                continue;
            }
            self.alias(&name, symbol);
            if let Symbol::Memory(index) = symbol
                && let Base::Constant(base) = self.plan.memories[index as usize].base
            {
                self.absolute(name + names::BASE_SUFFIX, base);
            }
        }
    }

    fn is_imported(&self, symbol: Symbol) -> bool {
        match symbol {
            Symbol::Function(i) => self.module.functions[i as usize].import.is_some(),
            Symbol::Memory(i) => self.plan.memories[i as usize].imported,
            Symbol::Table(i) => self.plan.tables[i as usize].imported,
            Symbol::Global(i) => self.plan.globals[i as usize].imported,
            Symbol::Tag(i) => self.plan.tags[i as usize].imported,
            _ => false,
        }
    }

    pub(super) fn metadata(
        &mut self,
        isa: &dyn TargetIsa,
        functions: &[Code],
        placement: &Placement,
        binary: &[u8],
    ) -> Result<(), Error> {
        let mut meta = MetaBuilder::default();
        let plan = self.plan;
        if plan.options.bounds == Bounds::Guard {
            meta.flags |= flags::BOUNDS_GUARD;
        }
        if self.module.start.is_some() {
            meta.flags |= flags::START;
        }
        meta.largest_frame = functions.iter().map(|f| f.frame_size).max().unwrap_or(0);
        meta.gc_heap = if plan.allocates {
            plan.options.gc_heap
        } else {
            0
        };
        meta.module_hash = Sha256::digest(binary).into();
        meta.module_name = plan.options.module_name.clone();
        meta.producer = concat!("wasm-aot ", env!("CARGO_PKG_VERSION")).into();
        meta.cpu_features = isa::features(isa);
        meta.wasm_features = features::names(plan.options.features);
        for (index, ty) in plan.types.iter().enumerate() {
            let symbol = Symbol::Trampoline(index as u32);
            let trampoline = match plan.trampolines.contains(&(index as u32)) {
                true => global_name(self.module, plan, symbol).expect("trampolines are global"),
                false => String::new(),
            };
            let record = TypeRecord {
                id: ty.id.into(),
                text: meta.intern(&ty.text),
                trampoline: meta.intern(&trampoline),
                kind: type_kind(&ty.composite).into(),
                supertype: ty.supertype.unwrap_or(NONE).into(),
                moved: u32::from(ty.moved).into(),
            };
            meta.types.push(record);
        }
        self.entities(&mut meta);
        let stacks = stack::analyze(self.module, plan, isa, functions);
        if stacks.foreign_references {
            meta.flags |= flags::FOREIGN_REFERENCES;
        }
        self.imports_and_exports(&mut meta, &stacks);
        for (function, &stack) in functions.iter().zip(&stacks.functions) {
            let (index, ty) = match function.symbol {
                Symbol::Function(index) => (index, plan.function_type(self.module, index)),
                _ => (NONE, NONE),
            };
            let name = code_name(self.module, plan, function.symbol);
            let record = FunctionRecord {
                text_offset: (placement[&function.symbol] as u32).into(),
                text_size: (function.bytes.len() as u32).into(),
                frame_size: function.frame_size.into(),
                wasm_index: index.into(),
                type_index: ty.into(),
                wasm_offset: self.body_offset(function.symbol).into(),
                name: meta.intern(&name),
                stack,
            };
            meta.functions.push(record);
            inlined(&mut meta, function, placement[&function.symbol] as u32);
        }
        self.own_section(section::META, meta.finish(), meta::TEXT_DELTA_OFFSET)
    }

    /// Where the body of code is in the module.
    fn body_offset(&self, symbol: Symbol) -> u32 {
        let Symbol::Function(index) = symbol else {
            return NONE;
        };
        let body = &self.module.bodies[index as usize - self.module.imported_functions()];
        u32::try_from(body.range().start).unwrap_or(NONE)
    }

    fn name_of(&self, symbol: Symbol) -> String {
        global_name(self.module, self.plan, symbol).unwrap_or_default()
    }

    /// Memories, tables, globals, tags.
    fn entities(&self, meta: &mut MetaBuilder) {
        for (index, memory) in self.plan.memories.iter().enumerate() {
            let index = index as u32;
            let mut bits = bit(memory.imported, entity::IMPORTED);
            bits |= bit(memory.declared_max, entity::MAX);
            bits |= bit(memory.index64, entity::INDEX64);
            bits |= bit(memory.shared, entity::SHARED);
            bits |= bit(memory.guarded, entity::GUARDED);
            let (base, base_symbol) = match memory.base {
                Base::Constant(base) => {
                    bits |= entity::CONSTANT_BASE;
                    (base, String::new())
                }
                Base::Symbol => (0, self.name_of(Symbol::MemoryBase(index))),
            };
            let record = MemoryRecord {
                flags: bits.into(),
                page_size_log2: memory.page_size_log2.into(),
                min: memory.min_pages.into(),
                max: memory.max_pages.into(),
                base: base.into(),
                reservation: memory.reservation.into(),
                symbol: meta.intern(&self.name_of(Symbol::Memory(index))),
                base_symbol: meta.intern(&base_symbol),
            };
            meta.memories.push(record);
        }
        for (index, table) in self.plan.tables.iter().enumerate() {
            let mut bits = bit(table.imported, entity::IMPORTED);
            bits |= bit(table.declared_max, entity::MAX);
            bits |= bit(table.index64, entity::INDEX64);
            let growable = table.storage == TableStorage::Dynamic && !table.imported;
            bits |= bit(growable, entity::GROWABLE);
            let element = self.module.tables[index].ty.element_type;
            let record = TableRecord {
                flags: bits.into(),
                min: table.min.into(),
                max: table.max.into(),
                element: meta.intern(&self.plan.ref_type_text(element)),
                symbol: meta.intern(&self.name_of(Symbol::Table(index as u32))),
            };
            meta.tables.push(record);
        }
        for (index, global) in self.plan.globals.iter().enumerate() {
            let mut bits = bit(global.imported, entity::IMPORTED);
            bits |= bit(global.mutable, entity::MUTABLE);
            let ty = self.module.globals[index].ty.content_type;
            let record = GlobalRecord {
                flags: bits.into(),
                value_type: meta.intern(&self.plan.value_type_text(ty)),
                symbol: meta.intern(&self.name_of(Symbol::Global(index as u32))),
            };
            meta.globals.push(record);
        }
        for (index, tag) in self.plan.tags.iter().enumerate() {
            let index = index as u32;
            let record = TagRecord {
                flags: bit(tag.imported, entity::IMPORTED).into(),
                type_index: tag.ty.into(),
                name: meta.intern(&self.module.tag_name(index)),
                symbol: meta.intern(&self.name_of(Symbol::Tag(index))),
            };
            meta.tags.push(record);
        }
    }

    fn imports_and_exports(&self, meta: &mut MetaBuilder, stacks: &Stacks) {
        let module = self.module;
        for &(kind, index) in &module.imports {
            let at = index as usize;
            let import = match kind {
                ExternalKind::Table => module.tables[at].import,
                ExternalKind::Memory => module.memories[at].import,
                ExternalKind::Global => module.globals[at].import,
                ExternalKind::Tag => module.tags[at].import,
                _ => module.functions[at].import,
            };
            let import = import.expect("it is an import");
            let depth = match kind {
                ExternalKind::Func | ExternalKind::FuncExact => stacks.imports[at],
                _ => 0,
            };
            let (kind, record) = self.kind_and_record(kind, index);
            let symbol = names::member(import.module, import.name);
            meta.import(kind, record, (import.module, import.name), &symbol, depth);
        }
        for export in &module.exports {
            let (kind, record) = self.kind_and_record(export.kind, export.index);
            let entity = entity_symbol(export.kind, export.index);
            let symbol = match self.is_imported(entity) {
                true => self.name_of(entity),
                false => names::member(&self.plan.options.module_name, export.name),
            };
            meta.export(kind, record, export.name, &symbol);
        }
    }

    /// The kind in the metadata, and the index there: a function's is that of its type.
    fn kind_and_record(&self, kind: ExternalKind, index: u32) -> (Kind, u32) {
        match kind {
            ExternalKind::Table => (Kind::Table, index),
            ExternalKind::Memory => (Kind::Memory, index),
            ExternalKind::Global => (Kind::Global, index),
            ExternalKind::Tag => (Kind::Tag, index),
            _ => (Kind::Function, self.plan.function_type(self.module, index)),
        }
    }
}

/// What has been inlined into a function whose code begins here.
fn inlined(meta: &mut MetaBuilder, function: &Code, start: u32) {
    let first = meta.calls.len() as u32;
    meta.calls
        .extend(function.calls.iter().map(|&(offset, outer)| CallRecord {
            wasm_offset: offset.into(),
            outer: outer.map_or(NONE, |outer| first + outer).into(),
        }));
    let stretches = function.inlined.iter();
    meta.stretches
        .extend(stretches.map(|&(from, to, call)| StretchRecord {
            text_offset: (start + from).into(),
            text_size: (to - from).into(),
            call: (first + call).into(),
        }));
}

fn type_kind(ty: &CompositeInnerType) -> u32 {
    match ty {
        CompositeInnerType::Struct(_) => type_kind::STRUCT,
        CompositeInnerType::Array(_) => type_kind::ARRAY,
        _ => type_kind::FUNCTION,
    }
}

fn entity_symbol(kind: ExternalKind, index: u32) -> Symbol {
    match kind {
        ExternalKind::Table => Symbol::Table(index),
        ExternalKind::Memory => Symbol::Memory(index),
        ExternalKind::Global => Symbol::Global(index),
        ExternalKind::Tag => Symbol::Tag(index),
        _ => Symbol::Function(index),
    }
}

fn bit(condition: bool, bit: u32) -> u32 {
    if condition { bit } else { 0 }
}
