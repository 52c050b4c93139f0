// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a symbol of an object stands for.

use wasm_aot_object::meta::{ImportRecord, Kind, MemoryRecord, Meta};
use wasm_aot_symbols::{Runtime, TAIL_SUFFIX, TYPE_SUFFIX};

/// A symbol that somebody else has to define.
#[derive(Clone, Copy, Debug)]
pub struct UndefinedSymbol<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is, by the metadata (ELF itself does not say).
    pub kind: UndefinedKind<'a>,
}

/// What an undefined symbol is.
#[derive(Clone, Copy, Debug)]
pub enum UndefinedKind<'a> {
    /// An import of the module.
    Import(&'a ImportRecord),
    /// Byte 0 of a memory whose base the loader chooses; the memory may itself be an import.
    MemoryBase(&'a MemoryRecord),
    /// The entry for tail calls of an imported function; 0 where the exporter has none.
    Tail(&'a ImportRecord),
    /// The descriptor of an imported function's type; 0 where the exporter has none.
    Type(&'a ImportRecord),
    /// A function that compiled code calls by itself.
    Runtime(Runtime),
    /// Nothing that the metadata knows.
    Unknown,
}

impl<'a> UndefinedSymbol<'a> {
    pub(crate) fn classify(name: &'a str, meta: &Meta<'a>) -> Self {
        let import = |import: &&ImportRecord| meta.str(import.symbol) == name;
        let base = |memory: &&MemoryRecord| meta.str(memory.base_symbol) == name;
        let of_import = |suffix| {
            let name = name.strip_suffix(suffix)?;
            let same = |import: &&ImportRecord| meta.str(import.symbol) == name;
            meta.imports().iter().find(same)
        };
        let kind = if let Some(import) = meta.imports().iter().find(import) {
            UndefinedKind::Import(import)
        } else if let Some(runtime) = Runtime::from_symbol(name) {
            UndefinedKind::Runtime(runtime)
        } else if let Some(memory) = meta.memories().iter().find(base) {
            UndefinedKind::MemoryBase(memory)
        } else if let Some(import) = of_import(TAIL_SUFFIX) {
            UndefinedKind::Tail(import)
        } else if let Some(import) = of_import(TYPE_SUFFIX) {
            UndefinedKind::Type(import)
        } else {
            UndefinedKind::Unknown
        };
        Self { name, kind }
    }

    /// Whether it is code (otherwise it is data).
    #[must_use]
    pub fn is_function(&self) -> bool {
        match self.kind {
            UndefinedKind::Import(import) => import.kind() == Kind::Function,
            UndefinedKind::Runtime(_) | UndefinedKind::Tail(_) => true,
            UndefinedKind::MemoryBase(_) | UndefinedKind::Type(_) | UndefinedKind::Unknown => false,
        }
    }
}

/// What an undefined symbol becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resolution {
    /// This address.
    Address(u64),
    /// Code in the image that traps when it is called; [`crate::Object::stub`] says for which
    /// import. For functions only.
    Trap,
}

/// Where a defined symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Definition {
    /// In the image, at this offset.
    Image(u64),
    /// At this address, wherever the image is.
    Absolute(u64),
}

impl Definition {
    /// The address, for an image at `base`.
    #[must_use]
    pub fn address(self, base: u64) -> u64 {
        match self {
            Self::Image(offset) => base.wrapping_add(offset),
            Self::Absolute(address) => address,
        }
    }
}
