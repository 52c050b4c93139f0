// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Why an object is refused: what is wrong, where, and what to do about it.

use crate::link::LinkError;
use crate::symbol::{UndefinedKind, UndefinedSymbol};
use core::fmt;
use wasm_aot_contract::ContractError;
use wasm_aot_object::meta::{Kind, Meta};
use wasm_aot_object::{FormatError, Machine, section};

/// Why an object cannot be loaded. Names borrow from the object's bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LoadError<'a> {
    /// Not an ELF file, or one of a kind that is never a wasm-aot object.
    NotAnObject {
        /// What it is instead.
        what: &'static str,
    },
    /// An object for another architecture.
    Architecture {
        /// The one it was built for (`e_machine`).
        found: u16,
        /// The one this loader runs on.
        expected: Machine,
    },
    /// The file contradicts itself.
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Number of the section, symbol or relocation where it was found.
        index: usize,
    },
    /// One of our sections is missing: an ELF object, but not made by wasm-aot.
    MissingSection {
        /// Its name.
        name: &'static str,
    },
    /// One of our sections cannot be read.
    Format {
        /// Its name.
        section: &'static str,
        /// Why.
        error: FormatError,
    },
    /// The object's contract cannot be read or kept.
    Contract {
        /// Why.
        error: ContractError,
    },
    /// A section that wants something this loader does not do.
    Section {
        /// Its name.
        name: &'a str,
        /// What it wants.
        why: &'static str,
    },
    /// The image would be 2 GiB or larger.
    TooLarge {
        /// Bytes it would need.
        bytes: u64,
    },
    /// The caller's memory does not fit the image.
    Image {
        /// What is wrong with it.
        what: &'static str,
        /// What the image needs: bytes, or the alignment of its address.
        needed: u64,
        /// What was given.
        given: u64,
    },
    /// A relocation of a kind that is not known.
    RelocationKind {
        /// The section it applies to.
        section: &'a str,
        /// Where in the section.
        offset: u64,
        /// Its ELF number.
        kind: u32,
    },
    /// A target too far away for the field that should hold it.
    RelocationOverflow {
        /// The section it applies to.
        section: &'a str,
        /// Where in the section.
        offset: u64,
        /// The symbol it refers to.
        symbol: &'a str,
        /// Address of the symbol, addend included.
        target: u64,
    },
    /// A relocation against something that is not part of the image.
    RelocationTarget {
        /// The section it applies to.
        section: &'a str,
        /// Where in the section.
        offset: u64,
        /// The symbol it refers to.
        symbol: &'a str,
    },
    /// An undefined symbol for which the caller has no definition.
    Unresolved(Unresolved<'a>),
    /// What is there under an import's name does not fit it.
    Import {
        /// Module name of the import.
        module: &'a str,
        /// Field name of the import.
        name: &'a str,
        /// What differs.
        error: LinkError<'a>,
    },
    /// An instance that is there numbers types differently.
    Types {
        /// Its module name.
        module: &'a str,
        /// What differs.
        error: LinkError<'a>,
    },
    /// The code needs a processor feature that is not there.
    Cpu {
        /// The feature, as Cranelift names it.
        feature: &'a str,
    },
}

/// An undefined symbol without definition.
#[derive(Clone, Copy, Debug)]
pub struct Unresolved<'a> {
    /// The symbol.
    pub symbol: UndefinedSymbol<'a>,
    /// The metadata, for the import's names and type.
    pub meta: Meta<'a>,
}

impl fmt::Display for LoadError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotAnObject { what } => {
                write!(f, "{what}; expected an object written by `wasm-aot build`")
            }
            Self::Architecture { found, expected } => write!(
                f,
                "the object is for {}, but this loader runs on {}; build it with `--target {}`",
                Number(found),
                expected,
                expected
            ),
            Self::Malformed { what, index } => write!(
                f,
                "malformed object: {what} (number {index}); the file is damaged, build it again"
            ),
            Self::MissingSection { name } => write!(
                f,
                "section {name} is missing: not an object written by `wasm-aot build`"
            ),
            Self::Format { section, error } => write!(f, "section {section}: {error}"),
            Self::Contract { error } => write!(f, "section {}: {error}", section::CONTRACT),
            Self::Section { name, why } => write!(f, "section {name}: {why}"),
            Self::TooLarge { bytes } => write!(
                f,
                "the image would take {bytes} bytes; less than {} are supported",
                crate::layout::MAX_IMAGE
            ),
            Self::Image {
                what,
                needed,
                given,
            } => write!(f, "{what}: {needed:#x} needed, {given:#x} given"),
            Self::RelocationKind {
                section,
                offset,
                kind,
            } => write!(
                f,
                "section {section}, offset {offset:#x}: relocation type {kind} is not supported"
            ),
            Self::RelocationOverflow {
                section,
                offset,
                symbol,
                target,
            } => write!(
                f,
                "section {section}, offset {offset:#x}: `{symbol}` at {target:#x} is out of the \
                 reach of this reference; place image and symbol nearer to each other"
            ),
            Self::RelocationTarget {
                section,
                offset,
                symbol,
            } => write!(
                f,
                "section {section}, offset {offset:#x}: refers to `{symbol}`, which is not in a \
                 section that is loaded"
            ),
            Self::Unresolved(ref unresolved) => unresolved.fmt(f),
            Self::Import {
                module,
                name,
                ref error,
            } => write!(f, "import `{module}.{name}`: {error}"),
            Self::Types { module, ref error } => {
                write!(f, "beside the module `{module}`: {error}")
            }
            Self::Cpu { feature } => write!(
                f,
                "the code needs the processor feature `{feature}`, which this machine does not \
                 have; build the object with `--cpu baseline`"
            ),
        }
    }
}

impl fmt::Display for Unresolved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meta = &self.meta;
        match self.symbol.kind {
            UndefinedKind::Import(import) => {
                let (module, name) = (meta.str(import.module), meta.str(import.name));
                let kind = import.kind();
                write!(f, "unknown import `{module}.{name}`: {}", kind.name())?;
                let index = import.index.get() as usize;
                match kind {
                    Kind::Function => {
                        if let Some(ty) = meta.types().get(index) {
                            write!(f, " {}", meta.str(ty.text))?;
                        }
                    }
                    Kind::Global => {
                        if let Some(global) = meta.globals().get(index) {
                            write!(f, " {}", meta.str(global.value_type))?;
                        }
                    }
                    Kind::Tag => {
                        let tag = meta.tags().get(index);
                        let ty = tag.and_then(|t| meta.types().get(t.type_index.get() as usize));
                        if let Some(ty) = ty {
                            write!(f, " {}", meta.str(ty.text))?;
                        }
                    }
                    Kind::Table => {
                        if let Some(table) = meta.tables().get(index) {
                            let element = meta.str(table.element);
                            write!(f, " of {} or more {element}", table.min.get())?;
                        }
                    }
                    Kind::Memory => {
                        if let Some(memory) = meta.memories().get(index) {
                            write!(f, " of {} or more pages", memory.min.get())?;
                        }
                    }
                }
                write!(
                    f,
                    "; nobody defines the symbol `{}`. Preload a module that exports `{name}` \
                     (`--preload {module}=FILE`), or let the import trap when it is called \
                     (`--unknown-imports-trap`)",
                    self.symbol.name
                )
            }
            UndefinedKind::MemoryBase(_) => write!(
                f,
                "nobody defines `{}`, the base of a memory",
                self.symbol.name
            ),
            UndefinedKind::Runtime(_) => write!(
                f,
                "nobody defines the runtime function `{}`; the loader is older than the object",
                self.symbol.name
            ),
            UndefinedKind::Tail(_) | UndefinedKind::Type(_) | UndefinedKind::Unknown => write!(
                f,
                "undefined symbol `{}`, which is not an import of the module",
                self.symbol.name
            ),
        }
    }
}

impl core::error::Error for LoadError<'_> {}

/// The architecture with a number in an ELF header, as `--target` spells it.
struct Number(u16);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Machine::from_elf(self.0) {
            Some(machine) => machine.fmt(f),
            None => write!(f, "an unknown machine (ELF number {})", self.0),
        }
    }
}
