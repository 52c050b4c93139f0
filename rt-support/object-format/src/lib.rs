// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a wasm-aot object is made of, defined once for its writer and all its readers.
//!
//! An object is an ELF64 `ET_REL` file for one architecture. Besides code and data in the usual
//! sections it has these of its own, all little-endian, all `SHF_ALLOC` so that a linked
//! executable keeps them:
//!
//! | section | what | here |
//! |---|---|---|
//! | [`section::META`] | format version, module hash, types, imports, exports, memories, tables, globals, functions | [`meta`] |
//! | [`section::TRAPS`] | which instruction traps why | [`table`] |
//! | [`section::ADDRESS_MAP`] | which code belongs to which Wasm byte offset | [`table`] |
//! | [`section::CONTRACT`] | time, memory and rights of the app; only where there was a manifest | `wasm-aot-contract` |
//!
//! [`descriptor`] has the records in the object's *data* that compiled code and runtime share,
//! [`stackmap`] the table in its read-only data by which the collector reads frames, [`stack`] how
//! the metadata says how deep a stack becomes.
//!
//! Reading never allocates and never panics: the parsers check every count, offset and string
//! once, and what they return can be used without further checks.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "write")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod descriptor;
pub mod handlers;
pub mod inlined;
mod machine;
pub mod meta;
pub mod signature;
pub mod stack;
pub mod stackmap;
pub mod table;

use core::fmt;
pub use machine::Machine;

/// The version of everything this crate defines. A loader refuses any other.
pub const FORMAT_VERSION: u32 = 4;

/// The size of a WebAssembly page in bytes (core specification, "Memory Instances").
pub const WASM_PAGE: u64 = 65_536;

/// Bytes of address space, counted from the base, that guard mode claims for a 32-bit memory:
/// the highest index (2^32 - 1) plus the highest static offset (2^32 - 1) plus the widest access
/// (16 bytes), rounded up to a Wasm page.
pub const GUARD_RESERVATION: u64 = (1 << 33) + WASM_PAGE;

/// Bytes that no memory indexed by 32 bits grows beyond, unless it begins with more: one Wasm page
/// less than indices reach. Growing may fail at any time, and what is never there lets compiled
/// code tell an index that has wrapped from one that has not.
pub const MEMORY32_GROWS_TO: u64 = (1 << 32) - WASM_PAGE;

/// Bytes that a memory grows to at most, of one with so many bytes at the start and this maximum,
/// in so much reserved address space. Compilers rely on it, and loaders see to it.
#[must_use]
pub fn memory_grows_to(min: u64, max: u64, reservation: u64, index64: bool) -> u64 {
    let most = max.min(reservation);
    match index64 {
        false => most.min(MEMORY32_GROWS_TO.max(min)),
        true => most,
    }
}

/// Bytes of the heap of structures and arrays unless told otherwise, where a module has any.
pub const DEFAULT_GC_HEAP: u64 = 64 << 20;

/// Bytes of address space for a memory indexed by 64 bits whose base is a symbol and whose
/// maximum is higher or not declared; one with a constant base gets [`GUARD_RESERVATION`], so that
/// the layout of an address space does not depend on the index type. A larger minimum counts.
pub const MEMORY64_RESERVATION: u64 = 1 << 36;

/// The most elements that a loader provides for a table: 8 MiB of address space. A table that
/// begins with more is refused, one that wants to grow beyond is told -1.
pub const MAX_TABLE_ELEMENTS: u64 = 1 << 20;

/// Names of the sections that are ours.
pub mod section {
    /// The metadata, [`crate::meta`].
    pub const META: &str = ".wasm_aot.meta";
    /// The trap table, [`crate::table::TrapTable`].
    pub const TRAPS: &str = ".wasm_aot.traps";
    /// The address map, [`crate::table::AddressMap`].
    pub const ADDRESS_MAP: &str = ".wasm_aot.addrmap";
    /// The contract of the app, `wasm-aot-contract`; an object without one has no such section.
    pub const CONTRACT: &str = ".wasm_aot.contract";
}

/// Why a section of an object cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FormatError {
    /// The section ends before what it announces.
    Truncated {
        /// What was being read.
        what: &'static str,
    },
    /// The section does not begin with its magic number.
    Magic {
        /// The section's name.
        section: &'static str,
    },
    /// The object was written for another version of the format.
    Version {
        /// The version in the object; [`FORMAT_VERSION`] is the one that can be read.
        found: u32,
    },
    /// A value that no writer of this version produces.
    Invalid {
        /// What is wrong.
        what: &'static str,
    },
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { what } => write!(f, "{what} is truncated"),
            Self::Magic { section } => write!(f, "section {section} has no magic number"),
            Self::Version { found } => write!(
                f,
                "object format version {found}, but this loader reads version {FORMAT_VERSION}; \
                 build the object again with a wasm-aot of the same release"
            ),
            Self::Invalid { what } => write!(f, "{what}"),
        }
    }
}

impl core::error::Error for FormatError {}
