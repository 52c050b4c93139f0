// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A static program: its functions by their symbols, its constants, the tables in its data.

use anyhow::{Context, Result, bail};
use iced_x86::{Instruction, OpKind, Register};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Bytes of a pointer.
const WORD: u64 = 8;
/// Offset of the first method in a table of Rust's: behind drop, size and alignment.
const METHODS: u64 = 3 * WORD;

/// A program.
pub struct Program<'a> {
    /// Contents, by address; and whether the program never writes there.
    parts: Vec<(u64, &'a [u8], bool)>,
    /// Functions by their first byte: end, name.
    functions: BTreeMap<u64, (u64, String)>,
    /// Tables of methods: what they have at which offset.
    tables: Vec<BTreeMap<u64, u64>>,
}

impl<'a> Program<'a> {
    /// Reads a program.
    ///
    /// # Errors
    /// Where it is no ELF file, or has no symbols.
    pub fn parse(bytes: &'a [u8]) -> Result<Self> {
        let file = ElfFile64::<LittleEndian>::parse(bytes)?;
        let mut parts = Vec::new();
        for section in file.sections() {
            let kind = section.kind();
            let loaded = section.address() != 0 && kind != SectionKind::UninitializedData;
            if loaded {
                parts.push((
                    section.address(),
                    section.data()?,
                    kind != SectionKind::Data,
                ));
            }
        }
        let mut functions: BTreeMap<u64, (u64, String)> = BTreeMap::new();
        for symbol in file.symbols() {
            if symbol.kind() == SymbolKind::Text && symbol.size() > 0 {
                let name = format!("{:#}", rustc_demangle::demangle(symbol.name()?));
                let end = symbol.address() + symbol.size();
                functions.insert(symbol.address(), (end, name));
            }
        }
        if functions.is_empty() {
            bail!("the program has no symbols");
        }
        let mut program = Self {
            parts,
            functions,
            tables: Vec::new(),
        };
        program.tables = program.find_tables();
        Ok(program)
    }

    /// Its functions.
    pub fn functions(&self) -> impl Iterator<Item = (Range<u64>, &str)> {
        let functions = self.functions.iter();
        functions.map(|(&start, (end, name))| (start..*end, name.as_str()))
    }

    /// Whether a function begins at an address.
    pub fn is_function(&self, address: u64) -> bool {
        self.functions.contains_key(&address)
    }

    /// The name of the function that begins at an address.
    pub fn name(&self, address: u64) -> &str {
        self.functions.get(&address).map_or("?", |(_, name)| name)
    }

    /// Code up to an end.
    ///
    /// # Errors
    /// Where there is none.
    pub fn code(&self, address: u64, end: u64) -> Result<&'a [u8]> {
        let bytes = self.bytes(address, end.saturating_sub(address));
        bytes.with_context(|| format!("no code at {address:#x}"))
    }

    fn bytes(&self, address: u64, length: u64) -> Option<&'a [u8]> {
        self.parts.iter().find_map(|(start, bytes, _)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(offset..offset.checked_add(length as usize)?)
        })
    }

    /// A word of the program.
    pub fn word(&self, address: u64) -> Option<u64> {
        let bytes = self.bytes(address, WORD)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The place of a word.
    pub fn find(&self, word: u64) -> Option<u64> {
        let mut places = self.parts.iter().flat_map(|(start, bytes, _)| {
            let words = bytes.chunks_exact(WORD as usize);
            (*start..).step_by(WORD as usize).zip(words)
        });
        places
            .find(|(_, bytes)| **bytes == word.to_le_bytes())
            .map(|(place, _)| place)
    }

    /// The address of a function in a word, which linkers put beside other data and nobody writes.
    pub fn constant(&self, address: u64) -> Option<u64> {
        self.word(address).filter(|&word| self.is_function(word))
    }

    /// Places in a function to which a jump through a table of addresses leads.
    pub fn jump_table(&self, instruction: &Instruction, range: &Range<u64>) -> Vec<u64> {
        let indexed = instruction.op0_kind() == OpKind::Memory
            && instruction.memory_base() == Register::None
            && instruction.memory_index_scale() == WORD as u32;
        if !indexed {
            return Vec::new();
        }
        let table = (instruction.memory_displacement64()..).step_by(WORD as usize);
        let targets = table.map_while(|place| self.word(place));
        targets
            .take_while(|target| range.contains(target))
            .collect()
    }

    /// What tables of methods have at an offset, of those with a method of which the name has one
    /// of these parts.
    pub fn methods(&self, offset: u64, parts: &[&str]) -> BTreeSet<u64> {
        let named = |&method: &u64| {
            let name = self.name(method);
            parts.iter().any(|part| name.contains(part))
        };
        let tables = self.tables.iter().filter(|table| table.values().any(named));
        tables
            .filter_map(|table| table.get(&offset).copied())
            .collect()
    }

    /// All tables that there may be in the data: three words, of which the first is a function or
    /// 0, the second a size and the third an alignment, and functions. What looks like one and is
    /// none only makes what is found larger.
    fn find_tables(&self) -> Vec<BTreeMap<u64, u64>> {
        let mut tables = Vec::new();
        for (start, bytes, _) in &self.parts {
            for table in (*start..)
                .step_by(WORD as usize)
                .take(bytes.len() / WORD as usize)
            {
                let word = |offset| self.word(table + offset);
                let (Some(drop), Some(size), Some(align)) = (word(0), word(WORD), word(2 * WORD))
                else {
                    continue;
                };
                let header = (drop == 0 || self.is_function(drop))
                    && size < 1 << 32
                    && align.is_power_of_two()
                    && align <= 4096
                    && size.is_multiple_of(align);
                if !header {
                    continue;
                }
                let offsets = (METHODS..).step_by(WORD as usize);
                let rows = offsets.map_while(|offset| {
                    let method = word(offset).filter(|&word| self.is_function(word))?;
                    Some((offset, method))
                });
                tables.push(rows.collect());
            }
        }
        tables
    }
}
