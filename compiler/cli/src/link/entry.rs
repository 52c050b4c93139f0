// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Writes the entry object: the record that the start-up code reads, symbols that only the
//! command knows, and code that stands for imports which nobody provides.

use anyhow::Result;
use object::write::{self, Relocation, StandardSection, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionFlags, SectionKind,
    SymbolFlags, SymbolKind, SymbolScope, elf,
};

/// Code of an import that nobody provides: `ud2`, on 16 bytes of its own.
const STUB: [u8; 16] = [
    0x0f, 0x0b, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc,
];

/// A word of the entry record.
pub enum Word<'a> {
    Number(u64),
    Symbol(&'a str),
    /// An offset in the record's own section.
    Here(u64),
    /// An offset in the code of the entry object.
    Code(u64),
}

/// The entry object while it is written.
pub struct Entry {
    object: write::Object<'static>,
    section: write::SectionId,
}

impl Entry {
    pub fn new() -> Self {
        let mut object =
            write::Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let section = object.section_id(StandardSection::ReadOnlyDataWithRel);
        let stack = b".note.GNU-stack".to_vec();
        let stack = object.add_section(Vec::new(), stack, SectionKind::Other);
        object.section_mut(stack).flags = SectionFlags::Elf {
            sh_type: elf::SHT_PROGBITS,
            sh_flags: elf::SectionFlags(0),
        };
        Self { object, section }
    }

    fn add_symbol(&mut self, name: &str, value: u64, section: SymbolSection) -> write::SymbolId {
        self.object.add_symbol(write::Symbol {
            name: name.as_bytes().to_vec(),
            value,
            size: 0,
            kind: match section {
                SymbolSection::Undefined => SymbolKind::Unknown,
                _ => SymbolKind::Data,
            },
            scope: match section {
                SymbolSection::Undefined => SymbolScope::Unknown,
                _ => SymbolScope::Dynamic,
            },
            weak: false,
            section,
            flags: SymbolFlags::None,
        })
    }

    pub fn absolute(&mut self, name: &str, value: u64) {
        self.add_symbol(name, value, SymbolSection::Absolute);
    }

    fn words(&mut self, words: &[Word<'_>]) -> Result<u64> {
        let number = |word: &Word<'_>| match word {
            Word::Number(number) => number.to_le_bytes(),
            _ => [0; 8],
        };
        let bytes: Vec<u8> = words.iter().flat_map(number).collect();
        let start = self.object.append_section_data(self.section, &bytes, 8);
        for (position, word) in words.iter().enumerate() {
            let (symbol, addend) = match word {
                Word::Number(_) => continue,
                Word::Symbol(name) => (self.undefined(name), 0),
                Word::Here(offset) => (self.object.section_symbol(self.section), *offset as i64),
                Word::Code(offset) => {
                    let text = self.object.section_id(StandardSection::Text);
                    (self.object.section_symbol(text), *offset as i64)
                }
            };
            let flags = RelocationFlags::Elf {
                r_type: elf::R_X86_64_64,
            };
            let offset = start + position as u64 * 8;
            let relocation = Relocation {
                offset,
                symbol,
                addend,
                flags,
            };
            self.object.add_relocation(self.section, relocation)?;
        }
        Ok(start)
    }

    fn undefined(&mut self, name: &str) -> write::SymbolId {
        match self.object.symbol_id(name.as_bytes()) {
            Some(id) => id,
            None => self.add_symbol(name, 0, SymbolSection::Undefined),
        }
    }

    pub fn array(&mut self, symbols: &[&str]) -> Result<Word<'static>> {
        let words: Vec<Word<'_>> = symbols.iter().map(|symbol| Word::Symbol(symbol)).collect();
        Ok(Word::Here(self.words(&words)?))
    }

    /// Code for an import that nobody provides, under its symbol; gives the offset.
    pub fn stub(&mut self, symbol: &str) -> u64 {
        let text = self.object.section_id(StandardSection::Text);
        let offset = self
            .object
            .append_section_data(text, &STUB, STUB.len() as u64);
        self.add_symbol(symbol, offset, SymbolSection::Section(text));
        offset
    }

    pub fn numbers(&mut self, numbers: &[u64]) -> Result<Word<'static>> {
        let words: Vec<Word<'_>> = numbers.iter().map(|&number| Word::Number(number)).collect();
        Ok(Word::Here(self.words(&words)?))
    }

    pub fn write(self) -> Result<Vec<u8>> {
        Ok(self.object.write()?)
    }

    pub fn record(&mut self, words: &[Word<'_>]) -> Result<()> {
        let start = self.words(words)?;
        self.add_symbol(
            "wasm_aot_entry",
            start,
            SymbolSection::Section(self.section),
        );
        Ok(())
    }
}
