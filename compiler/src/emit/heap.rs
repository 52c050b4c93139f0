// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the collector reads: type descriptors, stack maps, the registration record.

use super::data::Word;
use super::{Emitter, Placement};
use crate::codegen::Code;
use crate::error::Error;
use crate::heap::{Descriptor, storage_size};
use crate::plan::Symbol;
use object::write::StandardSection;
use wasm_aot_object::descriptor::{ROOT_TABLE, object_kind};
use wasm_aot_object::stackmap;
use wasmparser::{CompositeInnerType, StorageType, ValType};

impl Emitter<'_> {
    /// The descriptors of all types that need one.
    pub(super) fn type_descriptors(&mut self) {
        for index in 0..self.plan.types.len() as u32 {
            if self.plan.has_descriptor(index) {
                let descriptor = self.describe(index);
                self.type_descriptor(Symbol::TypeDescriptor(index), &descriptor);
            }
        }
    }

    /// A descriptor, under this symbol.
    pub(super) fn type_descriptor(&mut self, symbol: Symbol, descriptor: &Descriptor) {
        let section = self.object.section_id(StandardSection::ReadOnlyData);
        let bytes = descriptor.to_bytes();
        let offset = self.object.append_section_data(section, &bytes, 8);
        self.define_data(symbol, section, offset, bytes.len() as u64);
    }

    fn describe(&self, index: u32) -> Descriptor {
        let plan = self.plan;
        let ty = &plan.types[index as usize];
        let mut display = vec![ty.id];
        let mut above = ty.supertype;
        while let Some(supertype) = above {
            let supertype = &plan.types[supertype as usize];
            display.push(supertype.id);
            above = supertype.supertype;
        }
        display.reverse();
        let (kind, size, references, reference_elements) = match &ty.composite {
            CompositeInnerType::Struct(_) => {
                let layout = plan.struct_layout(index);
                let references = layout.references.clone();
                (object_kind::STRUCT, layout.size, references, false)
            }
            CompositeInnerType::Array(array) => {
                let element = array.0.element_type;
                let references =
                    matches!(element, StorageType::Val(ty) if plan.is_heap_reference(ty));
                let size = storage_size(element);
                (object_kind::ARRAY, size, Vec::new(), references)
            }
            _ => (object_kind::FUNCTION, 0, Vec::new(), false),
        };
        Descriptor {
            kind,
            display,
            size,
            references,
            reference_elements,
        }
    }

    /// The registration record and what it refers to, where the module has one.
    pub(super) fn registration(
        &mut self,
        functions: &[Code],
        placement: &Placement,
    ) -> Result<(), Error> {
        if !self.plan.registers {
            return Ok(());
        }
        self.stack_maps(functions, placement);
        let roots = self.root_ranges()?;
        let [handlers, tags] = self.handlers(functions, placement)?;
        let last = functions
            .last()
            .map_or(0, |f| placement[&f.symbol] + f.bytes.len() as u64);
        let roots_address = match roots {
            0 => Word::Number(0),
            _ => Word::Address(Symbol::Roots),
        };
        let words = [
            Word::Number(0),
            Word::Text(0),
            Word::Text(last),
            Word::Address(Symbol::StackMaps),
            roots_address,
            Word::Number(roots),
            handlers,
            tags,
            Word::Number(0),
        ];
        self.words(Symbol::Registration, StandardSection::Data, &words)
    }

    fn stack_maps(&mut self, functions: &[Code], placement: &Placement) {
        let mut entries = Vec::new();
        for function in functions {
            let start = placement[&function.symbol] as u32;
            for (offset, frame_size, slots) in &function.stack_maps {
                entries.push((start + offset, *frame_size, slots.clone()));
            }
        }
        let words = stackmap::stack_maps(&entries);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let section = self.object.section_id(StandardSection::ReadOnlyData);
        let offset = self.object.append_section_data(section, &bytes, 8);
        self.define_data(Symbol::StackMaps, section, offset, bytes.len() as u64);
    }

    /// The globals, tables and element segments of this object that hold references into the
    /// heap. Imported ones are in the records of those that define them. Gives their number.
    fn root_ranges(&mut self) -> Result<u64, Error> {
        let (module, plan) = (self.module, self.plan);
        let mut words = Vec::new();
        for (index, global) in module.globals.iter().enumerate() {
            // A constant one is null or a function.
            let changes = plan.globals[index].constant().is_none();
            if global.import.is_none() && changes && plan.is_heap_reference(global.ty.content_type)
            {
                words.extend([Word::Address(Symbol::Global(index as u32)), Word::Number(1)]);
            }
        }
        for (index, table) in module.tables.iter().enumerate() {
            let element = ValType::Ref(table.ty.element_type);
            if table.import.is_none() && plan.is_heap_reference(element) {
                let symbol = Symbol::Table(index as u32);
                words.extend([Word::Address(symbol), Word::Number(ROOT_TABLE)]);
            }
        }
        for &index in &plan.element_arrays {
            let element = &module.elements[index as usize];
            if plan.items(element).is_none() && plan.is_heap_reference(ValType::Ref(element.ty)) {
                let count = element.items.len() as u64;
                words.extend([Word::Address(Symbol::Element(index)), Word::Number(count)]);
            }
        }
        if !words.is_empty() {
            let section = StandardSection::ReadOnlyDataWithRel;
            self.words(Symbol::Roots, section, &words)?;
        }
        Ok(words.len() as u64 / 2)
    }
}
