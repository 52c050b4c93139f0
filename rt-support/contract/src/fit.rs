// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whether a module can keep a contract: what its metadata alone decides, at build and at load.

use crate::{Class, Contract, field};
use core::fmt;
use wasm_aot_object::meta::{Kind, Meta, entity};

/// The type of an entry.
const ENTRY_TYPE: &str = "() -> ()";

/// Why a module cannot keep a contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Misfit<'a> {
    /// A periodic module has no export of the entry's name.
    NoEntry {
        /// The entry.
        entry: &'a str,
    },
    /// The entry is no function, or one with parameters or results.
    EntryType {
        /// The entry.
        entry: &'a str,
        /// What it is instead: a type, or a kind of export.
        found: &'a str,
    },
    /// An import that no pattern allows.
    Import {
        /// Its module.
        module: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// The memories begin with more than they may ever have.
    Memory {
        /// Bytes that they begin with.
        needed: u64,
        /// Bytes that the contract allows.
        max: u64,
    },
}

impl fmt::Display for Misfit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoEntry { entry } => write!(
                f,
                "{} is `{entry}`, but the module exports nothing of that name",
                field::ENTRY
            ),
            Self::EntryType { entry, found } => write!(
                f,
                "{} is `{entry}`, which is {found}, not a function {ENTRY_TYPE}",
                field::ENTRY
            ),
            Self::Import { module, name } => write!(
                f,
                "the module imports `{module}.{name}`, which no pattern of {} allows",
                field::IMPORTS
            ),
            Self::Memory { needed, max } => write!(
                f,
                "{} is {max}, but the module's memories begin with {needed} bytes",
                field::MEMORY_MAX
            ),
        }
    }
}

impl core::error::Error for Misfit<'_> {}

impl<'a> Contract<'a> {
    /// Checks that the module which is run, one with this metadata, can keep the contract.
    ///
    /// # Errors
    /// The first reason why it cannot.
    pub fn fits(&self, meta: &Meta<'a>) -> Result<(), Misfit<'a>> {
        if self.class == Class::Periodic {
            self.entry_fits(meta)?;
        }
        self.imports_fit(meta)?;
        let own = |flags: u32| flags & entity::IMPORTED == 0;
        let memories = meta.memories().iter().filter(|m| own(m.flags.get()));
        let bytes = memories.map(|memory| {
            let page = 1u64 << memory.page_size_log2.get();
            memory.min.get().saturating_mul(page)
        });
        let needed = bytes.fold(0, u64::saturating_add);
        let max = self.memory_max_bytes;
        match max != 0 && needed > max {
            true => Err(Misfit::Memory { needed, max }),
            false => Ok(()),
        }
    }

    /// Checks that a module with this metadata, of whatever place in the app, imports nothing that
    /// is not allowed.
    ///
    /// # Errors
    /// The first import that is not allowed.
    pub fn imports_fit(&self, meta: &Meta<'a>) -> Result<(), Misfit<'a>> {
        for import in meta.imports() {
            let (module, name) = (meta.str(import.module), meta.str(import.name));
            if !self.allows(module, name) {
                return Err(Misfit::Import { module, name });
            }
        }
        Ok(())
    }

    fn entry_fits(&self, meta: &Meta<'a>) -> Result<(), Misfit<'a>> {
        let entry = self.entry;
        let export = meta.export(entry).ok_or(Misfit::NoEntry { entry })?;
        let found = match export.kind() {
            // The metadata's indices have been checked when it was parsed.
            Kind::Function => {
                let ty = meta.types().get(export.index.get() as usize);
                ty.map_or("", |ty| meta.str(ty.text))
            }
            kind => kind.name(),
        };
        match found == ENTRY_TYPE {
            true => Ok(()),
            false => Err(Misfit::EntryType { entry, found }),
        }
    }
}
