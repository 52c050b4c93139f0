// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Lays out the object: text, data, symbols, relocations, and the three sections of
//! `wasm-aot-object`.
//!
//! Calls and references between functions of the object are resolved here (text moves as a
//! whole); everything else is left to a linker or loader by relocations.

mod data;
mod heap;
mod metadata;

use crate::codegen::{Code, Relocation as CodeRelocation, Target};
use crate::error::Error;
use crate::module::Module;
use crate::plan::{Plan, Symbol, code_name, global_name};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::isa::TargetIsa;
use object::write::{
    Object, Relocation, SectionId, StandardSection, Symbol as ElfSymbol, SymbolId, SymbolSection,
};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionFlags, SectionKind,
    SymbolFlags, SymbolKind, SymbolScope, elf,
};
use std::collections::BTreeMap;
use wasm_aot_object::table::NO_WASM_OFFSET;
use wasm_aot_object::{section, table};

/// The most bytes of text, so that every offset in it fits a relocation.
const MAX_TEXT: usize = 1 << 30;

/// An object being written.
struct Emitter<'a> {
    module: &'a Module<'a>,
    plan: &'a Plan<'a>,
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
    let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let text = object.section_id(StandardSection::Text);
    let mut emitter = Emitter {
        module,
        plan,
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
        if end > MAX_TEXT as u64 {
            return Err(Error::TooLarge(format!(
                "{end} bytes of code, the most is {MAX_TEXT}"
            )));
        }
        let mut bytes = Vec::with_capacity(end as usize);
        for function in functions {
            let start = placement[&function.symbol];
            bytes.resize(start as usize, 0xcc); // int3: never executed
            bytes.extend_from_slice(&function.bytes);
            for relocation in &function.relocations {
                if let Some(target) = resolved(relocation, start, &placement) {
                    let place = start + u64::from(relocation.offset);
                    let value = target as i64 + relocation.addend - place as i64;
                    let at = place as usize;
                    let value = i32::try_from(value).expect("text is below 1 GiB");
                    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
                }
            }
        }
        self.object.set_section_data(self.text, bytes, 64);
        for function in functions {
            self.function_symbol(function, placement[&function.symbol]);
        }
        Ok(placement)
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
            weak: matches!(symbol, Symbol::ImportTail(_)),
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
            if resolved(relocation, start, placement).is_some() {
                continue;
            }
            let (symbol, addend) = match relocation.target {
                Target::Symbol(symbol) => (self.symbol(symbol), relocation.addend),
                Target::Here(offset) => (
                    self.object.section_symbol(self.text),
                    relocation.addend + (start + u64::from(offset)) as i64,
                ),
            };
            // The code generator uses one kind for calls and for addresses; only a call may be
            // led through a veneer.
            let callee = matches!(
                relocation.target,
                Target::Symbol(Symbol::Function(_) | Symbol::Runtime(_))
            );
            let r_type = match relocation.kind {
                Reloc::Abs8 => elf::R_X86_64_64,
                Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 if callee => elf::R_X86_64_PLT32,
                Reloc::X86PCRel4 | Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 => {
                    elf::R_X86_64_PC32
                }
                other => unreachable!("the x86-64 back end makes no {other:?} for this code"),
            };
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
        let mut traps = Vec::new();
        let mut positions: Vec<(u32, u32)> = Vec::new();
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
                if positions.last().is_none_or(|last| last.1 != wasm) {
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
        self.relocate(id, delta, text, 0, elf::R_X86_64_PC64)
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

/// The target of a relocation as an offset in the text, where that is all it takes.
fn resolved(relocation: &CodeRelocation, start: u64, placement: &Placement) -> Option<u64> {
    match relocation.kind {
        Reloc::X86PCRel4 | Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 => {}
        _ => return None,
    }
    match relocation.target {
        Target::Symbol(symbol) => placement.get(&symbol).copied(),
        Target::Here(offset) => Some(start + u64::from(offset)),
    }
}
