// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Reads an object and checks everything about it that does not depend on addresses.
//!
//! After [`Object::parse`] every section, symbol and relocation that loading will touch lies
//! inside the file and refers to something that exists.

use crate::arch::{self, Arch};
use crate::error::LoadError;
use crate::layout::{Fate, Layout, Part, Placed, Placement, fate};
use crate::symbol::{Definition, UndefinedSymbol};
use crate::trap;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::relocation::Rela;
use elf::section::{SectionHeader, SectionHeaderTable};
use elf::string_table::StringTable;
use elf::symbol::{Symbol, SymbolTable};
use elf::{ElfBytes, ParseError};
use wasm_aot_contract::Contract;
use wasm_aot_object::Machine;
use wasm_aot_object::meta::Meta;
use wasm_aot_object::section as own;
use wasm_aot_object::table::{AddressMap, TrapTable};

/// The relocations of one section.
pub(crate) type Relocations<'a> = elf::parse::ParsingTable<'a, LittleEndian, Rela>;

/// An object, checked. Borrows from the bytes of the file.
#[derive(Clone, Debug)]
pub struct Object<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) arch: Arch,
    sections: SectionHeaderTable<'a, LittleEndian>,
    section_names: StringTable<'a>,
    symbols: SymbolTable<'a, LittleEndian>,
    symbol_names: StringTable<'a>,
    /// Number of the symbol table's section.
    symbol_section: usize,
    pub(crate) placement: Placement,
    layout: Layout,
    meta: Meta<'a>,
    traps: TrapTable<'a>,
    address_map: AddressMap<'a>,
    contract: Option<Contract<'a>>,
}

impl<'a> Object<'a> {
    /// Reads and checks the bytes of an object file.
    ///
    /// # Errors
    /// Where they are not a well-formed wasm-aot object for this architecture.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, LoadError<'a>> {
        Self::parse_for(bytes, arch::HOST)
    }

    /// Like [`Object::parse`], for code that will run elsewhere.
    ///
    /// # Errors
    /// Where they are not a well-formed wasm-aot object for that architecture.
    pub fn parse_for(bytes: &'a [u8], machine: Machine) -> Result<Self, LoadError<'a>> {
        let arch = arch::of(machine);
        let file = header(bytes, arch)?;
        let malformed = |what, index| LoadError::Malformed { what, index };
        let (Some(sections), Some(section_names)) = file
            .section_headers_with_strtab()
            .map_err(|_| malformed("a section header outside the file", 0))?
        else {
            return Err(LoadError::NotAnObject {
                what: "an ELF file without sections",
            });
        };
        let mut object = RawObject {
            bytes,
            sections,
            section_names,
            symbols: None,
            text: None,
            own: [None; 4],
            placement: Placement::new(),
        };
        for (index, header) in sections.iter().enumerate() {
            object.section(index, &header)?;
        }
        let missing = |name| LoadError::MissingSection { name };
        let format = |section| move |error| LoadError::Format { section, error };
        let [meta, traps, map, contract] = object.own;
        let meta = Meta::parse(meta.ok_or(missing(own::META))?).map_err(format(own::META))?;
        let traps =
            TrapTable::parse(traps.ok_or(missing(own::TRAPS))?).map_err(format(own::TRAPS))?;
        let address_map = AddressMap::parse(map.ok_or(missing(own::ADDRESS_MAP))?)
            .map_err(format(own::ADDRESS_MAP))?;
        let contract = contract.map(Contract::parse).transpose();
        let contract = contract.map_err(|error| LoadError::Contract { error })?;
        let (text, text_size) = object.text.ok_or(missing(".text"))?;
        check_functions(&meta, text_size)?;
        let (symbol_section, symbols, symbol_names) = object.symbols.ok_or(missing(".symtab"))?;
        let mut placement = object.placement;
        let undefined = symbols.iter().skip(1).filter(Symbol::is_undefined).count();
        let layout = placement.arrange(text, undefined as u64)?;
        let object = Self {
            bytes,
            arch,
            sections,
            section_names,
            symbols,
            symbol_names,
            symbol_section,
            placement,
            layout,
            meta,
            traps,
            address_map,
            contract,
        };
        object.check_symbols()?;
        object.check_relocations()?;
        Ok(object)
    }

    /// The metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta<'a> {
        &self.meta
    }

    /// Which instruction traps why.
    #[must_use]
    pub fn traps(&self) -> &TrapTable<'a> {
        &self.traps
    }

    /// Which code belongs to which byte of the Wasm module.
    #[must_use]
    pub fn address_map(&self) -> &AddressMap<'a> {
        &self.address_map
    }

    /// The contract that was built into the object, if any.
    #[must_use]
    pub fn contract(&self) -> Option<&Contract<'a>> {
        self.contract.as_ref()
    }

    /// The memory that the image needs.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What [`trap::explain`] needs to know of this object once it is loaded at `address`.
    #[must_use]
    pub fn module(&self, address: u64) -> trap::Module<'a> {
        trap::Module {
            text: address,
            meta: self.meta,
            traps: self.traps,
            address_map: self.address_map,
        }
    }

    /// The symbols that somebody else has to define, in the order of the symbol table. A name
    /// occurs as often as the module imports it.
    pub fn undefined(&self) -> impl Iterator<Item = UndefinedSymbol<'a>> + '_ {
        self.undefined_symbols().map(|(_, symbol)| symbol)
    }

    /// The names of [`Object::undefined`].
    pub(crate) fn undefined_names(&self) -> impl Iterator<Item = &'a str> + '_ {
        let undefined = self.symbols.iter().skip(1).filter(Symbol::is_undefined);
        undefined.map(|symbol| self.name(&symbol))
    }

    pub(crate) fn undefined_symbols(
        &self,
    ) -> impl Iterator<Item = (usize, UndefinedSymbol<'a>)> + '_ {
        let undefined = |(_, symbol): &(usize, Symbol)| symbol.is_undefined();
        let entries = self.symbols.iter().enumerate().skip(1).filter(undefined);
        entries.map(|(index, symbol)| {
            let name = self.name(&symbol);
            (index, UndefinedSymbol::classify(name, &self.meta))
        })
    }

    /// Offset in the image of a global symbol, `None` where it is not defined there.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<u64> {
        match self.definition(name)? {
            Definition::Image(offset) => Some(offset),
            Definition::Absolute(_) => None,
        }
    }

    /// Where a global symbol is defined, in the image or at a constant address.
    #[must_use]
    pub fn definition(&self, name: &str) -> Option<Definition> {
        let mut definitions = self.definitions();
        definitions.find(|(n, _)| *n == name).map(|(_, d)| d)
    }

    /// Every global symbol that this object defines.
    pub fn definitions(&self) -> impl Iterator<Item = (&'a str, Definition)> + '_ {
        self.symbols.iter().filter_map(|symbol| {
            if symbol.st_bind() == abi::STB_LOCAL || symbol.is_undefined() {
                return None;
            }
            Some((self.name(&symbol), self.value(&symbol)?))
        })
    }

    /// The value of a defined symbol; `None` where its section is not loaded.
    pub(crate) fn value(&self, symbol: &Symbol) -> Option<Definition> {
        match symbol.st_shndx {
            abi::SHN_ABS => Some(Definition::Absolute(symbol.st_value)),
            index => {
                let section = self.placement.get(index.into())?;
                Some(Definition::Image(section.offset + symbol.st_value))
            }
        }
    }

    /// Whether the symbol with this number may be missing.
    pub(crate) fn is_weak(&self, index: usize) -> bool {
        let symbol = self.symbol_at(index);
        symbol.is_some_and(|symbol| symbol.st_bind() == abi::STB_WEAK)
    }

    pub(crate) fn symbol_at(&self, index: usize) -> Option<Symbol> {
        self.symbols.get(index).ok()
    }

    /// The name of a symbol; that of its section where it has none.
    pub(crate) fn name(&self, symbol: &Symbol) -> &'a str {
        if symbol.st_symtype() == abi::STT_SECTION {
            return self.section_name(symbol.st_shndx.into());
        }
        let name = self.symbol_names.get(symbol.st_name as usize);
        name.unwrap_or_default()
    }

    pub(crate) fn section_name(&self, index: usize) -> &'a str {
        let header = self.sections.get(index).ok();
        header
            .and_then(|header| self.section_names.get(header.sh_name as usize).ok())
            .unwrap_or_default()
    }

    /// Every loaded section that has relocations, with them.
    pub(crate) fn relocations(&self) -> impl Iterator<Item = (Placed, Relocations<'a>)> + '_ {
        self.sections.iter().filter_map(|header| {
            if header.sh_type != abi::SHT_RELA {
                return None;
            }
            let section = self.placement.get(header.sh_info as usize)?;
            let bytes = contents(self.bytes, &header)?;
            let table = Relocations::new(LittleEndian, Class::ELF64, bytes);
            Some((*section, table))
        })
    }

    fn check_symbols(&self) -> Result<(), LoadError<'a>> {
        for (index, symbol) in self.symbols.iter().enumerate().skip(1) {
            let wrong = |what| Err(LoadError::Malformed { what, index });
            if self.symbol_names.get_raw(symbol.st_name as usize).is_err() {
                return wrong("a symbol's name outside the string table");
            }
            let local = symbol.st_bind() == abi::STB_LOCAL;
            if !local && self.symbol_names.get(symbol.st_name as usize).is_err() {
                return wrong("a global symbol whose name is not UTF-8");
            }
            match symbol.st_shndx {
                abi::SHN_UNDEF if symbol.st_symtype() == abi::STT_TLS => {
                    return wrong("an undefined thread-local symbol");
                }
                abi::SHN_UNDEF | abi::SHN_ABS => {}
                abi::SHN_COMMON => {
                    return wrong("a common symbol, which C compilers no longer make");
                }
                section if section >= abi::SHN_LORESERVE => {
                    return wrong("a symbol in a reserved section");
                }
                section => {
                    let section = usize::from(section);
                    let Ok(header) = self.sections.get(section) else {
                        return wrong("a symbol in a section that does not exist");
                    };
                    let end = symbol.st_value.checked_add(symbol.st_size);
                    if end.is_none_or(|end| end > header.sh_size) {
                        return wrong("a symbol outside its section");
                    }
                }
            }
        }
        Ok(())
    }

    fn check_relocations(&self) -> Result<(), LoadError<'a>> {
        for (index, header) in self.sections.iter().enumerate() {
            let loaded = self.placement.get(header.sh_info as usize);
            let wrong = |what| Err(LoadError::Malformed { what, index });
            match (header.sh_type, loaded) {
                (abi::SHT_REL, Some(_)) => {
                    return wrong("relocations without addends");
                }
                (abi::SHT_RELA, Some(section)) => {
                    if section.file.is_none() {
                        return wrong("relocations of zeroed data");
                    }
                    if header.sh_link as usize != self.symbol_section {
                        return wrong("relocations with another symbol table");
                    }
                    let entry = size_of::<elf::relocation::Elf64_Rela>() as u64;
                    if header.sh_entsize != entry || !header.sh_size.is_multiple_of(entry) {
                        return wrong("relocations of another size");
                    }
                }
                _ => {}
            }
        }
        for (section, relocations) in self.relocations() {
            for (index, relocation) in relocations.iter().enumerate() {
                let Some(width) = (self.arch.width)(relocation.r_type) else {
                    return Err(LoadError::RelocationKind {
                        section: self.section_name(section.index),
                        offset: relocation.r_offset,
                        kind: relocation.r_type,
                    });
                };
                let end = relocation.r_offset.checked_add(width as u64);
                if end.is_none_or(|end| end > section.size) {
                    let what = "a relocation outside its section";
                    return Err(LoadError::Malformed { what, index });
                }
                let Some(symbol) = self.symbol_at(relocation.r_sym as usize) else {
                    let what = "a relocation against a symbol that does not exist";
                    return Err(LoadError::Malformed { what, index });
                };
                let null = relocation.r_sym == 0;
                if !null && !symbol.is_undefined() && self.value(&symbol).is_none() {
                    return Err(LoadError::RelocationTarget {
                        section: self.section_name(section.index),
                        offset: relocation.r_offset,
                        symbol: self.name(&symbol),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Checks the ELF header.
fn header<'a>(bytes: &'a [u8], arch: Arch) -> Result<ElfBytes<'a, LittleEndian>, LoadError<'a>> {
    let not = |what| LoadError::NotAnObject { what };
    let malformed = |what| LoadError::Malformed { what, index: 0 };
    if !bytes.starts_with(&abi::ELFMAGIC) {
        return Err(not("not an ELF file"));
    }
    let file = ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(|error| match error {
        ParseError::UnsupportedElfEndianness(_) => not("a big-endian ELF file"),
        ParseError::UnsupportedElfClass(_) => not("an ELF file of an unknown class"),
        _ => malformed("a header outside the file"),
    })?;
    if file.ehdr.class != Class::ELF64 {
        return Err(not("a 32-bit ELF file"));
    }
    if file.ehdr.e_machine != arch.machine.elf() {
        return Err(LoadError::Architecture {
            found: file.ehdr.e_machine,
            expected: arch.machine,
        });
    }
    match file.ehdr.e_type {
        abi::ET_REL => Ok(file),
        abi::ET_EXEC => Err(not("a linked executable")),
        abi::ET_DYN => Err(not("a shared library or linked executable")),
        _ => Err(not("an ELF file that is not relocatable")),
    }
}

/// The functions of the metadata are inside the text, and the text is loaded whole.
fn check_functions<'a>(meta: &Meta<'a>, text_size: u64) -> Result<(), LoadError<'a>> {
    let end = meta.functions().last().map_or(0, |function| {
        u64::from(function.text_offset.get()) + u64::from(function.text_size.get())
    });
    if end > text_size {
        return Err(LoadError::Malformed {
            what: "a function outside the text",
            index: meta.functions().len() - 1,
        });
    }
    Ok(())
}

/// The contents of a section in the file.
fn contents<'a>(bytes: &'a [u8], header: &SectionHeader) -> Option<&'a [u8]> {
    let start = usize::try_from(header.sh_offset).ok()?;
    let size = usize::try_from(header.sh_size).ok()?;
    bytes.get(start..start.checked_add(size)?)
}

/// What is collected while the sections are gone through.
struct RawObject<'a> {
    bytes: &'a [u8],
    sections: SectionHeaderTable<'a, LittleEndian>,
    section_names: StringTable<'a>,
    symbols: Option<(usize, SymbolTable<'a, LittleEndian>, StringTable<'a>)>,
    /// Number and size of `.text`.
    text: Option<(usize, u64)>,
    /// The sections of `wasm-aot-object`; the last one may be missing.
    own: [Option<&'a [u8]>; 4],
    placement: Placement,
}

impl<'a> RawObject<'a> {
    fn section(&mut self, index: usize, header: &SectionHeader) -> Result<(), LoadError<'a>> {
        let malformed = |what| LoadError::Malformed { what, index };
        if header.sh_type == abi::SHT_NULL {
            return Ok(());
        }
        let name = self
            .section_names
            .get(header.sh_name as usize)
            .map_err(|_| malformed("a section's name outside the string table"))?;
        let zeroed = header.sh_type == abi::SHT_NOBITS;
        let data = match contents(self.bytes, header) {
            Some(data) => data,
            None if zeroed => &[],
            None => return Err(malformed("a section outside the file")),
        };
        if header.sh_type == abi::SHT_SYMTAB {
            self.symbol_table(index, header, data)?;
        }
        let names = [own::META, own::TRAPS, own::ADDRESS_MAP, own::CONTRACT];
        for (slot, _) in self.own.iter_mut().zip(names).filter(|(_, n)| *n == name) {
            if slot.replace(data).is_some() || zeroed {
                return Err(malformed("two sections of the same purpose"));
            }
        }
        let Fate::Load(part) = fate(name, header)? else {
            return Ok(());
        };
        let alignment = header.sh_addralign.max(1);
        if !alignment.is_power_of_two() || alignment > crate::layout::PAGE {
            let why = "aligned to more than a page, or to no power of two";
            return Err(LoadError::Section { name, why });
        }
        if name == ".text" && part == Part::Text {
            let text = (index, header.sh_size);
            if self.text.replace(text).is_some() {
                return Err(malformed("two sections of the same purpose"));
            }
        }
        let placed = Placed {
            index,
            part,
            offset: 0,
            size: header.sh_size,
            alignment,
            file: (!zeroed).then_some(header.sh_offset as usize),
        };
        if !self.placement.push(placed) {
            let why = "more sections than are supported; link them together with `ld -r`";
            return Err(LoadError::Section { name, why });
        }
        Ok(())
    }

    fn symbol_table(
        &mut self,
        index: usize,
        header: &SectionHeader,
        data: &'a [u8],
    ) -> Result<(), LoadError<'a>> {
        let malformed = |what| LoadError::Malformed { what, index };
        let entry = size_of::<elf::symbol::Elf64_Sym>() as u64;
        if header.sh_entsize != entry || !header.sh_size.is_multiple_of(entry) {
            return Err(malformed("symbols of another size"));
        }
        if header.sh_size / entry > u64::from(u32::MAX) / 32 {
            return Err(malformed("too many symbols"));
        }
        let names = self.sections.get(header.sh_link as usize).ok();
        let names = names.filter(|names| names.sh_type == abi::SHT_STRTAB);
        let names = names
            .and_then(|names| contents(self.bytes, &names))
            .ok_or(malformed("a symbol table without names"))?;
        let symbols = SymbolTable::new(LittleEndian, Class::ELF64, data);
        let table = (index, symbols, StringTable::new(names));
        if self.symbols.replace(table).is_some() {
            return Err(malformed("two symbol tables"));
        }
        Ok(())
    }
}
