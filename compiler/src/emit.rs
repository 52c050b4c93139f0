// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Lays out the object: text, data, symbols, relocations, and the sections of
//! `wasm-aot-object`.
//!
//! Calls and references between functions of the object are resolved here (text moves as a
//! whole); everything else is left to a linker or loader by relocations.

mod arch;
mod data;
mod exception;
mod heap;
mod metadata;

use crate::codegen::{Code, Relocation as CodeRelocation, Target};
use crate::error::Error;
use crate::isa;
use crate::module::Module;
use crate::plan::{Plan, Symbol, code_name, global_name};
use arch::{Arch, Distance};
use cranelift_codegen::isa::TargetIsa;
use object::write::{
    Object, Relocation, SectionId, StandardSection, Symbol as ElfSymbol, SymbolId, SymbolSection,
};
use object::{
    BinaryFormat, Endianness, FileFlags, RelocationFlags, SectionFlags, SectionKind, SymbolFlags,
    SymbolKind, SymbolScope, elf,
};
use std::collections::BTreeMap;
use wasm_aot_object::table::NO_WASM_OFFSET;
use wasm_aot_object::{section, table};

/// An object being written.
struct Emitter<'a> {
    module: &'a Module<'a>,
    plan: &'a Plan<'a>,
    arch: Arch,
    object: Object<'static>,
    symbols: BTreeMap<Symbol, SymbolId>,
    text: SectionId,
}

/// Where a function's code is, from the start of `.text`.
type Placement = BTreeMap<Symbol, u64>;

/// The bytes of the object.
///
/// # Errors
/// Where it would be too large.
pub fn object(
    module: &Module<'_>,
    plan: &Plan<'_>,
    isa: &dyn TargetIsa,
    functions: &[Code],
    binary: &[u8],
) -> Result<Vec<u8>, Error> {
    let arch = Arch::of(plan.options.target);
    let mut object = Object::new(BinaryFormat::Elf, arch.architecture, Endianness::Little);
    object.flags = FileFlags::Elf {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_flags: (arch.flags)(&isa::features(isa)),
    };
    let text = object.section_id(StandardSection::Text);
    let mut emitter = Emitter {
        module,
        plan,
        arch,
        object,
        symbols: BTreeMap::new(),
        text,
    };
    let placement = emitter.text(functions)?;
    emitter.data(&placement)?;
    emitter.registration(functions, &placement)?;
    emitter.exports();
    for function in functions {
        emitter.text_relocations(function, &placement)?;
    }
    emitter.tables(functions, &placement)?;
    emitter.metadata(isa, functions, &placement, binary)?;
    emitter.contract();
    emitter.no_executable_stack();
    Ok(emitter.object.write()?)
}

impl Emitter<'_> {
    /// Places all code, with the calls inside the object resolved.
    fn text(&mut self, functions: &[Code]) -> Result<Placement, Error> {
        let mut placement = Placement::new();
        let mut end = 0u64;
        for function in functions {
            let start = end.next_multiple_of(function.alignment.into());
            placement.insert(function.symbol, start);
            end = start + function.bytes.len() as u64;
        }
        if end > self.arch.max_text {
            return Err(Error::TooLarge(format!(
                "{end} bytes of code, the most on {} is {}",
                self.plan.options.target, self.arch.max_text
            )));
        }
        let mut bytes = Vec::with_capacity(end as usize);
        for function in functions {
            let start = placement[&function.symbol];
            bytes.resize(start as usize, self.arch.padding);
            bytes.extend_from_slice(&function.bytes);
            for relocation in &function.relocations {
                if let Some(target) = self.resolved(relocation, start, &placement) {
                    let place = start + u64::from(relocation.offset);
                    let distance = target as i64 + relocation.addend - place as i64;
                    let distance = i32::try_from(distance).expect("text is below 2 GiB");
                    let field = &mut bytes[place as usize..];
                    (self.arch.resolve)(relocation.kind, field, distance);
                }
            }
        }
        self.object.set_section_data(self.text, bytes, 64);
        for function in functions
            .iter()
            .filter(|function| !function.bytes.is_empty())
        {
            self.function_symbol(function, placement[&function.symbol]);
        }
        Ok(placement)
    }

    /// The target of a relocation as an offset in the text, where that is all it takes.
    fn resolved(
        &self,
        relocation: &CodeRelocation,
        start: u64,
        placement: &Placement,
    ) -> Option<u64> {
        if !(self.arch.resolvable)(relocation.kind) {
            return None;
        }
        match relocation.target {
            Target::Symbol(symbol) => placement.get(&symbol).copied(),
            Target::Here(offset) => Some(start + u64::from(offset)),
        }
    }

    fn function_symbol(&mut self, function: &Code, value: u64) {
        let (name, scope) = match global_name(self.module, self.plan, function.symbol) {
            Some(name) => (name, SymbolScope::Dynamic),
            None => {
                let name = code_name(self.module, self.plan, function.symbol);
                (name, SymbolScope::Compilation)
            }
        };
        let size = function.bytes.len() as u64;
        let id = self.define(&name, self.text, value, size, SymbolKind::Text, scope);
        self.symbols.insert(function.symbol, id);
    }

    fn define(
        &mut self,
        name: &str,
        section: SectionId,
        value: u64,
        size: u64,
        kind: SymbolKind,
        scope: SymbolScope,
    ) -> SymbolId {
        self.object.add_symbol(ElfSymbol {
            name: name.as_bytes().to_vec(),
            value,
            size,
            kind,
            scope,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        })
    }

    /// The ELF symbol of something that has been defined, or that somebody else defines.
    fn symbol(&mut self, symbol: Symbol) -> SymbolId {
        if let Some(&id) = self.symbols.get(&symbol) {
            return id;
        }
        let name = global_name(self.module, self.plan, symbol)
            .expect("local symbols are defined before they are referred to");
        let id = self.object.add_symbol(ElfSymbol {
            name: name.into_bytes(),
            value: 0,
            size: 0,
            kind: SymbolKind::Unknown,
            scope: SymbolScope::Unknown,
            weak: matches!(symbol, Symbol::ImportTail(_) | Symbol::ImportType(_)),
            section: SymbolSection::Undefined,
            flags: SymbolFlags::None,
        });
        self.symbols.insert(symbol, id);
        id
    }

    /// A second name for something defined here.
    fn alias(&mut self, name: &str, symbol: Symbol) {
        let id = self.symbol(symbol);
        let original = self.object.symbol(id);
        let SymbolSection::Section(section) = original.section else {
            unreachable!("only what is defined here gets a second name");
        };
        let (value, size, kind) = (original.value, original.size, original.kind);
        self.define(name, section, value, size, kind, SymbolScope::Dynamic);
    }

    fn text_relocations(&mut self, function: &Code, placement: &Placement) -> Result<(), Error> {
        let start = placement[&function.symbol];
        for relocation in &function.relocations {
            if self.resolved(relocation, start, placement).is_some() {
                continue;
            }
            let (symbol, addend) = match relocation.target {
                Target::Symbol(symbol) => (self.symbol(symbol), relocation.addend),
                Target::Here(offset) => {
                    let place = start + u64::from(offset);
                    if (self.arch.refers_to_place)(relocation.kind) {
                        (self.label(place), relocation.addend)
                    } else {
                        let text = self.object.section_symbol(self.text);
                        (text, relocation.addend + place as i64)
                    }
                }
            };
            let callee = matches!(
                relocation.target,
                Target::Symbol(Symbol::Function(_) | Symbol::Runtime(_))
            );
            let r_type = (self.arch.relocation)(relocation.kind, callee);
            self.relocate(
                self.text,
                start + u64::from(relocation.offset),
                symbol,
                addend,
                r_type,
            )?;
        }
        Ok(())
    }

    fn relocate(
        &mut self,
        section: SectionId,
        offset: u64,
        symbol: SymbolId,
        addend: i64,
        r_type: elf::RelocationType,
    ) -> Result<(), Error> {
        let flags = RelocationFlags::Elf { r_type };
        self.object.add_relocation(
            section,
            Relocation {
                offset,
                symbol,
                addend,
                flags,
            },
        )?;
        Ok(())
    }

    /// The trap table and the address map.
    fn tables(&mut self, functions: &[Code], placement: &Placement) -> Result<(), Error> {
        // Exactly as large as they can be: in large modules these are the longest lists there are.
        let sum = |length: fn(&Code) -> usize| functions.iter().map(length).sum();
        let mut traps = Vec::with_capacity(sum(|function| function.traps.len()));
        let mut positions = Vec::with_capacity(sum(|function| function.positions.len()));
        for function in functions {
            let start = placement[&function.symbol] as u32;
            traps.extend(
                function
                    .traps
                    .iter()
                    .map(|&(offset, code)| (start + offset, code)),
            );
            for &(offset, wasm) in &function.positions {
                // Instantiation and trampolines have no place in the module.
                let known = matches!(function.symbol, Symbol::Function(_));
                let wasm = if known { wasm } else { NO_WASM_OFFSET };
                if positions
                    .last()
                    .is_none_or(|last: &(u32, u32)| last.1 != wasm)
                {
                    positions.push((start + offset, wasm));
                }
            }
        }
        // One instruction may be listed twice (a load folded into another): the first counts.
        traps.dedup_by_key(|trap| trap.0);
        let traps = table::trap_table(&traps);
        self.own_section(section::TRAPS, traps, table::TEXT_DELTA_OFFSET)?;
        let map = table::address_map(&positions);
        self.own_section(section::ADDRESS_MAP, map, table::TEXT_DELTA_OFFSET)?;
        Ok(())
    }

    /// Adds one of our sections, with the relocation that leads from it to the text.
    fn own_section(&mut self, name: &str, bytes: Vec<u8>, delta: u64) -> Result<(), Error> {
        let kind = SectionKind::ReadOnlyData;
        let id = self
            .object
            .add_section(Vec::new(), name.as_bytes().to_vec(), kind);
        self.object.set_section_data(id, bytes, 8);
        let text = self.object.section_symbol(self.text);
        match self.arch.distance {
            Distance::Relative(kind) => self.relocate(id, delta, text, 0, kind),
            Distance::Difference(add, subtract) => {
                let here = self.object.section_symbol(id);
                self.relocate(id, delta, text, 0, add)?;
                self.relocate(id, delta, here, delta as i64, subtract)
            }
        }
    }

    /// The contract, where there is one: the only section of ours that refers to nothing.
    fn contract(&mut self) {
        let contract = &self.plan.options.contract;
        if contract.is_empty() {
            return;
        }
        let name = section::CONTRACT.as_bytes().to_vec();
        let kind = SectionKind::ReadOnlyData;
        let id = self.object.add_section(Vec::new(), name, kind);
        self.object.set_section_data(id, contract.clone(), 8);
    }

    /// A local symbol for a place in the text, named as GNU as names such labels: its tools leave
    /// them out of what they show.
    fn label(&mut self, place: u64) -> SymbolId {
        let scope = SymbolScope::Compilation;
        self.define(".L0 ", self.text, place, 0, SymbolKind::Label, scope)
    }

    /// Tells linkers that the object needs no executable stack.
    fn no_executable_stack(&mut self) {
        let name = b".note.GNU-stack".to_vec();
        let id = self
            .object
            .add_section(Vec::new(), name, SectionKind::Other);
        self.object.section_mut(id).flags = SectionFlags::Elf {
            sh_type: elf::SHT_PROGBITS,
            sh_flags: elf::SectionFlags(0),
        };
    }
}
