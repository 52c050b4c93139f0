// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The instance's data: descriptors, elements, globals, segments, function references.

use super::{Emitter, Placement};
use crate::error::Error;
use crate::module::SegmentMode;
use crate::plan::{Base, Const, Convention, Symbol, TableElement, TableStorage, global_name};
use object::write::{StandardSection, SymbolSection};
use object::{SymbolKind, SymbolScope};
use wasm_aot_object::MAX_TABLE_ELEMENTS;
use wasm_aot_object::descriptor::FUNCREF_EXTENDED;
use wasm_aot_trap::TrapCode as Trap;

/// Bytes of a global's slot, which a vector would need.
const GLOBAL_SLOT: u64 = 16;

/// A word of data: a number, or the address of something.
#[derive(Clone, Copy)]
pub(super) enum Word {
    Number(u64),
    Address(Symbol),
    /// The address of a byte of the text.
    Text(u64),
}

impl Emitter<'_> {
    pub(super) fn data(&mut self, placement: &Placement) -> Result<(), Error> {
        let (module, plan) = (self.module, self.plan);
        self.type_descriptors();
        for &function in &plan.funcrefs {
            let index = plan.function_type(module, function);
            let ty = &plan.types[index as usize];
            let tail = plan.convention == Convention::Tail;
            let open = plan.is_open_import(module, function);
            let extended = tail || open || plan.has_descriptor(index);
            let flags = if extended { FUNCREF_EXTENDED } else { 0 };
            let tag = u64::from(ty.id) | u64::from(function | flags) << 32;
            let mut words = vec![Word::Address(plan.c_code(function)), Word::Number(tag)];
            if extended {
                words.push(match tail {
                    true => Word::Address(plan.own_code(module, function)),
                    false => Word::Number(0),
                });
                words.push(match plan.has_descriptor(index) {
                    _ if open => Word::Address(Symbol::ImportType(function)),
                    true => Word::Address(Symbol::TypeDescriptor(index)),
                    false => Word::Number(0),
                });
            }
            // Instantiation completes the reference to an open import.
            let section = match open {
                true => StandardSection::Data,
                false => StandardSection::ReadOnlyDataWithRel,
            };
            self.words(Symbol::FuncRef(function), section, &words)?;
        }
        self.memories()?;
        self.tables_data()?;
        self.dispatch_tables()?;
        self.globals()?;
        self.tags()?;
        for (index, data) in module.data.iter().enumerate() {
            let index = index as u32;
            let section = self.object.section_id(StandardSection::ReadOnlyData);
            let offset = self.object.append_section_data(section, data.bytes, 8);
            let size = data.bytes.len() as u64;
            self.local(
                Symbol::Data(index),
                &format!("data.{index}"),
                section,
                offset,
                size,
            );
            if module.uses.data_segments.contains(&index) {
                let passive = matches!(data.mode, SegmentMode::Passive);
                let length = if passive { size } else { 0 };
                let words = [Word::Number(length)];
                self.words(Symbol::DataLength(index), StandardSection::Data, &words)?;
            }
        }
        for (index, element) in module.elements.iter().enumerate() {
            let index = index as u32;
            if plan.element_arrays.contains(&index) {
                match plan.items(element) {
                    Some(items) => {
                        let words: Vec<Word> = items.into_iter().map(element_word).collect();
                        let section = StandardSection::ReadOnlyDataWithRel;
                        self.words(Symbol::Element(index), section, &words)?;
                    }
                    None => {
                        let words = vec![Word::Number(0); element.items.len()];
                        self.words(Symbol::Element(index), StandardSection::Data, &words)?;
                    }
                }
            }
            if module.uses.element_segments.contains(&index) {
                let passive = matches!(element.mode, SegmentMode::Passive);
                let length = if passive {
                    element.items.len() as u64
                } else {
                    0
                };
                let words = [Word::Number(length)];
                self.words(Symbol::ElementLength(index), StandardSection::Data, &words)?;
            }
        }
        for &code in placement.keys() {
            if let Symbol::ImportAdapter(function) = code {
                let words = [Word::Address(Symbol::ImportTail(function))];
                let cell = Symbol::ImportTailCell(function);
                self.words(cell, StandardSection::ReadOnlyDataWithRel, &words)?;
            }
        }
        // Every imported function is named, called or not.
        for index in 0..module.imported_functions() {
            self.symbol(Symbol::Function(index as u32));
        }
        Ok(())
    }

    fn memories(&mut self) -> Result<(), Error> {
        for (index, memory) in self.plan.memories.iter().enumerate() {
            let index = index as u32;
            if memory.imported {
                self.symbol(Symbol::Memory(index));
                continue;
            }
            let base = match memory.base {
                Base::Constant(base) => Word::Number(base),
                Base::Symbol => Word::Address(Symbol::MemoryBase(index)),
            };
            let words = [
                base,
                Word::Number(memory.min_bytes()),
                Word::Number(memory.limit_bytes()),
                Word::Number(memory.page_size_log2.into()),
            ];
            self.words(Symbol::Memory(index), StandardSection::Data, &words)?;
        }
        Ok(())
    }

    fn tables_data(&mut self) -> Result<(), Error> {
        let plan = self.plan;
        for (index, table) in plan.tables.iter().enumerate() {
            let index = index as u32;
            if table.imported {
                self.symbol(Symbol::Table(index));
                continue;
            }
            let base = match table.storage {
                TableStorage::Dynamic => Word::Number(0),
                TableStorage::Inline => {
                    let words: Vec<Word> = table.image.iter().copied().map(element_word).collect();
                    self.words(Symbol::TableElements(index), StandardSection::Data, &words)?;
                    Word::Address(Symbol::TableElements(index))
                }
            };
            let room = table.max.min(MAX_TABLE_ELEMENTS);
            let words = [base, Word::Number(table.min), Word::Number(room)];
            self.words(Symbol::Table(index), StandardSection::Data, &words)?;
        }
        Ok(())
    }

    fn dispatch_tables(&mut self) -> Result<(), Error> {
        let (module, plan) = (self.module, self.plan);
        for (number, &(table, ty)) in plan.dispatch_tables.iter().enumerate() {
            let elements = 0..plan.tables[table as usize].image.len() as u64;
            let word = |index| {
                let code = match plan.element(module, table, ty, index)? {
                    TableElement::Function(function) if plan.convention == Convention::C => {
                        plan.c_code(function)
                    }
                    TableElement::Function(function) => plan.own_code(module, function),
                    TableElement::Null => Symbol::TrapStub(Trap::UninitializedElement as u32),
                    TableElement::OtherType => {
                        Symbol::TrapStub(Trap::IndirectCallTypeMismatch as u32)
                    }
                };
                Some(Word::Address(code))
            };
            let words: Vec<Word> = elements.filter_map(word).collect();
            let section = StandardSection::ReadOnlyDataWithRel;
            self.words(Symbol::Dispatch(number as u32), section, &words)?;
        }
        Ok(())
    }

    fn globals(&mut self) -> Result<(), Error> {
        for (index, global) in self.plan.globals.iter().enumerate() {
            let symbol = Symbol::Global(index as u32);
            if global.imported {
                self.symbol(symbol);
                continue;
            }
            let word = match global.init {
                None | Some(Const::Null) => Word::Number(0),
                Some(Const::V128(bytes)) => {
                    let value = u128::from_le_bytes(bytes);
                    let words = [value as u64, (value >> 64) as u64].map(Word::Number);
                    self.words(symbol, StandardSection::Data, &words)?;
                    continue;
                }
                Some(Const::I32(value)) => Word::Number(u64::from(value as u32)),
                Some(Const::I64(value)) => Word::Number(value as u64),
                Some(Const::F32(bits)) => Word::Number(bits.into()),
                Some(Const::F64(bits)) => Word::Number(bits),
                Some(Const::Function(function)) => Word::Address(Symbol::FuncRef(function)),
            };
            if matches!(word, Word::Number(0)) {
                let section = self.object.section_id(StandardSection::UninitializedData);
                let offset = self
                    .object
                    .append_section_bss(section, GLOBAL_SLOT, GLOBAL_SLOT);
                self.define_data(symbol, section, offset, GLOBAL_SLOT);
            } else {
                self.words(symbol, StandardSection::Data, &[word, Word::Number(0)])?;
            }
        }
        Ok(())
    }

    /// Appends words to a section and defines the symbol there.
    pub(super) fn words(
        &mut self,
        symbol: Symbol,
        section: StandardSection,
        words: &[Word],
    ) -> Result<(), Error> {
        let section = self.object.section_id(section);
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| match word {
                Word::Number(number) => number.to_le_bytes(),
                Word::Address(_) | Word::Text(_) => [0; 8],
            })
            .collect();
        let offset = self.object.append_section_data(section, &bytes, 16);
        self.define_data(symbol, section, offset, bytes.len() as u64);
        for (position, word) in words.iter().enumerate() {
            let (target, addend) = match *word {
                Word::Number(_) => continue,
                Word::Address(target) => (self.symbol(target), 0),
                Word::Text(offset) => (self.object.section_symbol(self.text), offset as i64),
            };
            let place = offset + position as u64 * 8;
            self.relocate(section, place, target, addend, self.arch.address)?;
        }
        Ok(())
    }

    pub(super) fn define_data(
        &mut self,
        symbol: Symbol,
        section: object::write::SectionId,
        offset: u64,
        size: u64,
    ) {
        match global_name(self.module, self.plan, symbol) {
            Some(name) => {
                let (kind, scope) = (SymbolKind::Data, SymbolScope::Dynamic);
                let id = self.define(&name, section, offset, size, kind, scope);
                self.symbols.insert(symbol, id);
            }
            None => {
                let name = match symbol {
                    Symbol::TableElements(i) => format!("table.{i}.elements"),
                    Symbol::DataLength(i) => format!("data.{i}.length"),
                    Symbol::Element(i) => format!("element.{i}"),
                    Symbol::ElementLength(i) => format!("element.{i}.length"),
                    Symbol::FuncRef(i) => format!("funcref.{i}"),
                    Symbol::ImportTailCell(i) => format!("import.{i}.tail"),
                    Symbol::TagDescriptor(i) => format!("tag.{i}.layout"),
                    Symbol::Handlers => "handlers".into(),
                    Symbol::TagTable => "tags".into(),
                    Symbol::TypeDescriptor(i) => format!("type.{i}"),
                    Symbol::StackMaps => "stack_maps".into(),
                    Symbol::Roots => "roots".into(),
                    Symbol::Registration => "registration".into(),
                    Symbol::Dispatch(i) => format!("dispatch.{i}"),
                    other => unreachable!("{other:?} has a global name"),
                };
                self.local(symbol, &name, section, offset, size);
            }
        }
    }

    fn local(
        &mut self,
        symbol: Symbol,
        name: &str,
        section: object::write::SectionId,
        offset: u64,
        size: u64,
    ) {
        let (kind, scope) = (SymbolKind::Data, SymbolScope::Compilation);
        let id = self.define(name, section, offset, size, kind, scope);
        self.symbols.insert(symbol, id);
    }

    /// An absolute symbol: the constant base of an exported memory.
    pub(super) fn absolute(&mut self, name: String, value: u64) {
        self.object.add_symbol(object::write::Symbol {
            name: name.into_bytes(),
            value,
            size: 0,
            kind: SymbolKind::Data,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Absolute,
            flags: object::SymbolFlags::None,
        });
    }
}

fn element_word(element: Option<u32>) -> Word {
    match element {
        Some(function) => Word::Address(Symbol::FuncRef(function)),
        None => Word::Number(0),
    }
}
