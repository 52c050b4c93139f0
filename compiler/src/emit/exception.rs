// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the unwinder reads: tags, the layout of exceptions, the table of handlers.

use super::data::Word;
use super::{Emitter, Placement};
use crate::codegen::Code;
use crate::error::Error;
use crate::heap::Descriptor;
use crate::plan::Symbol;
use object::write::StandardSection;
use wasm_aot_object::handlers::{ANY, CallEntry, handlers};

impl Emitter<'_> {
    /// The module's tags, and the layout of the exceptions that it throws.
    pub(super) fn tags(&mut self) -> Result<(), Error> {
        for (index, tag) in self.plan.tags.iter().enumerate() {
            let index = index as u32;
            if self.plan.thrown.contains(&index) {
                let descriptor = Descriptor::exception(self.plan.exception_layout(index));
                self.type_descriptor(Symbol::TagDescriptor(index), &descriptor);
            }
            let symbol = Symbol::Tag(index);
            if tag.imported {
                self.symbol(symbol);
                continue;
            }
            let words = [
                Word::Address(Symbol::Instantiate),
                Word::Number(index.into()),
            ];
            self.words(symbol, StandardSection::ReadOnlyDataWithRel, &words)?;
        }
        Ok(())
    }

    /// The table of handlers and the addresses of the tags that it counts: the words of the
    /// registration record that lead to them.
    pub(super) fn handlers(
        &mut self,
        functions: &[Code],
        placement: &Placement,
    ) -> Result<[Word; 2], Error> {
        let mut calls: Vec<CallEntry> = Vec::new();
        for function in functions {
            let start = placement[&function.symbol] as u32;
            for (offset, frame_size, list) in &function.handlers {
                let handler = |(tag, code): &(Option<u32>, u32)| [tag.unwrap_or(ANY), start + code];
                let list = list.iter().map(handler).collect();
                calls.push((start + offset, *frame_size, list));
            }
        }
        if calls.is_empty() {
            return Ok([Word::Number(0); 2]);
        }
        let bytes: Vec<u8> = handlers(&calls)
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let section = self.object.section_id(StandardSection::ReadOnlyData);
        let offset = self.object.append_section_data(section, &bytes, 8);
        self.define_data(Symbol::Handlers, section, offset, bytes.len() as u64);
        let tags: Vec<Word> = (0..self.plan.tags.len() as u32)
            .map(|tag| Word::Address(Symbol::Tag(tag)))
            .collect();
        if tags.is_empty() {
            return Ok([Word::Address(Symbol::Handlers), Word::Number(0)]);
        }
        let section = StandardSection::ReadOnlyDataWithRel;
        self.words(Symbol::TagTable, section, &tags)?;
        Ok([
            Word::Address(Symbol::Handlers),
            Word::Address(Symbol::TagTable),
        ])
    }
}
