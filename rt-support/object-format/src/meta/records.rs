// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The records of the metadata's arrays, as they are in the section.

use crate::FormatError;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A range of the string pool (UTF-8).
#[derive(
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
)]
#[repr(C)]
pub struct Str {
    pub(super) offset: U32,
    pub(super) length: U32,
}

/// What an import or export is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    /// Index into [`super::Meta::types`].
    Function,
    /// Index into [`super::Meta::tables`].
    Table,
    /// Index into [`super::Meta::memories`].
    Memory,
    /// Index into [`super::Meta::globals`].
    Global,
    /// Index into [`super::Meta::tags`].
    Tag,
}

impl Kind {
    pub(super) const ALL: [Kind; 5] = [
        Kind::Function,
        Kind::Table,
        Kind::Memory,
        Kind::Global,
        Kind::Tag,
    ];

    /// The kind with this number; [`super::Meta::parse`] lets no other number through.
    fn from_number(number: U32) -> Self {
        let kind = Self::ALL.get(number.get() as usize).copied();
        kind.unwrap_or(Kind::Function)
    }

    /// The word that messages use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Function => "function",
            Kind::Table => "table",
            Kind::Memory => "memory",
            Kind::Global => "global",
            Kind::Tag => "tag",
        }
    }
}

/// A type: of functions, structures or arrays.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct TypeRecord {
    /// The number that [`crate::descriptor::FuncRef::type_id`] holds for this type. Objects that
    /// share references must agree on it: equal text, equal number.
    pub id: U32,
    /// Canonical text, equal for equal types: `(i32 i64) -> (f32)`, `struct (mut i32, anyref)`,
    /// `sub final #0123abcd array (i8)`. A type that is not plain and final begins with `sub`,
    /// perhaps `final`, and the [`TypeRecord::id`] of its supertype.
    pub text: Str,
    /// Symbol of the invoke trampoline, empty where none was made.
    pub trampoline: Str,
    /// [`type_kind`].
    pub kind: U32,
    /// Index of the declared supertype, which is before it in the list; [`NONE`] without.
    pub supertype: U32,
    /// 1 where another type of the module has the number that is the hash of this one's text, so
    /// that this one has the next that was free; else 0.
    pub moved: U32,
}

/// Values of [`TypeRecord::kind`].
pub mod type_kind {
    /// A function type.
    pub const FUNCTION: u32 = 0;
    /// A structure.
    pub const STRUCT: u32 = 1;
    /// An array.
    pub const ARRAY: u32 = 2;
}

/// An import.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct ImportRecord {
    pub(super) kind: U32,
    /// See [`Kind`].
    pub index: U32,
    /// Module name as in the Wasm module.
    pub module: Str,
    /// Field name as in the Wasm module.
    pub name: Str,
    /// The undefined ELF symbol.
    pub symbol: Str,
    /// Of a function: the deepest stack, in bytes, at which the object's own code calls it, from
    /// whatever entry; 0 where it never does, [`super::NONE`] where there is no bound.
    pub depth: U32,
}

/// An export.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct ExportRecord {
    pub(super) kind: U32,
    /// See [`Kind`].
    pub index: U32,
    /// Name as in the Wasm module.
    pub name: Str,
    /// The defined ELF symbol.
    pub symbol: Str,
}

/// Bits of [`MemoryRecord::flags`], [`TableRecord::flags`], [`GlobalRecord::flags`] and
/// [`TagRecord::flags`].
pub mod entity {
    /// Provided by somebody else under the record's symbol.
    pub const IMPORTED: u32 = 1;
    /// Has a declared maximum.
    pub const MAX: u32 = 2;
    /// Memory: its base is the constant [`super::MemoryRecord::base`]; otherwise the symbol
    /// [`super::MemoryRecord::base_symbol`] is undefined and the loader chooses.
    pub const CONSTANT_BASE: u32 = 4;
    /// Table: its elements are not in the object; the loader provides space for
    /// [`super::TableRecord::room`] of them, and the runtime makes them accessible as it grows.
    pub const GROWABLE: u32 = 8;
    /// Global: mutable.
    pub const MUTABLE: u32 = 16;
    /// Memory or table: indexed by 64 bits.
    pub const INDEX64: u32 = 32;
    /// Memory: shared.
    pub const SHARED: u32 = 64;
    /// Memory: the code makes no comparisons, so every access inside
    /// [`super::MemoryRecord::reservation`] but outside the present length must fault. Without
    /// this bit each access is compared with the length first.
    pub const GUARDED: u32 = 128;
}

/// A linear memory, imported ones first.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct MemoryRecord {
    /// [`entity`].
    pub flags: U32,
    /// log2 of the page size.
    pub page_size_log2: U32,
    /// Pages at the start.
    pub min: U64,
    /// Declared maximum in pages; without [`entity::MAX`], the most the index type allows.
    pub max: U64,
    /// Address of byte 0 with [`entity::CONSTANT_BASE`].
    pub base: U64,
    /// Bytes of address space from the base on in which nothing but this memory may be mapped:
    /// it grows within them. With [`entity::GUARDED`] every access in them outside the present
    /// length must fault. Of an imported memory: what the importer's code relies on, else 0.
    pub reservation: U64,
    /// Symbol of the descriptor.
    pub symbol: Str,
    /// Symbol of the base, empty with [`entity::CONSTANT_BASE`].
    pub base_symbol: Str,
}

/// A table, imported ones first.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct TableRecord {
    /// [`entity`].
    pub flags: U32,
    /// Elements at the start.
    pub min: U64,
    /// Declared maximum in elements; without [`entity::MAX`], the most the index type allows. A
    /// loader provides at most [`crate::MAX_TABLE_ELEMENTS`].
    pub max: U64,
    /// Element type as text: `funcref`, `externref`, `(ref null #0123abcd)`; the number is a
    /// [`TypeRecord::id`].
    pub element: Str,
    /// Symbol of the descriptor.
    pub symbol: Str,
}

/// A global, imported ones first.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct GlobalRecord {
    /// [`entity`].
    pub flags: U32,
    /// Value type as text.
    pub value_type: Str,
    /// Symbol of the value (16 bytes, 16-aligned).
    pub symbol: Str,
}

/// A tag of exceptions, imported ones first.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct TagRecord {
    /// [`entity`].
    pub flags: U32,
    /// Index into [`super::Meta::types`]: the parameters are what an exception carries.
    pub type_index: U32,
    /// Name for people: that of the name section, of the export or import, or `tag[N]`.
    pub name: Str,
    /// Symbol of the tag, see [`crate::descriptor::Tag`].
    pub symbol: Str,
}

/// A function of this object, in ascending order of `text_offset`. One without bytes of code is
/// never called, or its body has taken the place of all calls of it. Trampolines and other code
/// that the compiler made by itself are here too, after the module's functions.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct FunctionRecord {
    /// First byte, from the start of `.text`.
    pub text_offset: U32,
    /// Bytes of code.
    pub text_size: U32,
    /// Bytes that it takes on the stack, return address included, outgoing arguments too.
    pub frame_size: U32,
    /// Index in the Wasm module, [`NONE`] for code that the compiler made by itself.
    pub wasm_index: U32,
    /// Index into [`super::Meta::types`], [`NONE`] likewise.
    pub type_index: U32,
    /// Byte offset of its body in the Wasm module, [`NONE`] likewise. The bodies are in the order
    /// of the functions.
    pub wasm_offset: U32,
    /// Name for people: from the name section, or `function[N]`.
    pub name: Str,
    /// What a call of it takes on the stack.
    pub stack: StackRecord,
}

/// What a call of a function takes on the stack at most, its own frame and all that it leads to
/// included: see [`crate::stack`].
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct StackRecord {
    /// Bytes that code of this object takes, [`super::NONE`] where there is no bound.
    pub bytes: U32,
    /// [`crate::stack::Next`] on the way to the deepest place, or to the recursion that is why there
    /// is no bound; [`super::NONE`] where the way ends.
    pub next: U32,
    /// Bytes of stack in use where code outside the object is called, at the deepest such place:
    /// the runtime, a host function, another object. [`super::NONE`] where none ever is, and where
    /// [`StackRecord::bytes`] is.
    pub outside: U32,
    /// [`crate::stack::Next`] on the way there, [`super::NONE`] where there is none.
    pub outside_next: U32,
}

/// A record whose strings and indices can be checked.
pub(super) trait Record: FromBytes + KnownLayout + Immutable + Unaligned {
    const WHAT: &'static str;
    fn strings(&self) -> impl Iterator<Item = Str>;
}

macro_rules! records {
    ($($record:ident, $what:literal, [$($field:ident),*];)*) => {$(
        impl Record for $record {
            const WHAT: &'static str = $what;
            fn strings(&self) -> impl Iterator<Item = Str> { [$(self.$field),*].into_iter() }
        }
    )*};
}

records! {
    TypeRecord, "the metadata's list of types", [text, trampoline];
    ImportRecord, "the metadata's list of imports", [module, name, symbol];
    ExportRecord, "the metadata's list of exports", [name, symbol];
    MemoryRecord, "the metadata's list of memories", [symbol, base_symbol];
    TableRecord, "the metadata's list of tables", [element, symbol];
    GlobalRecord, "the metadata's list of globals", [value_type, symbol];
    TagRecord, "the metadata's list of tags", [name, symbol];
    FunctionRecord, "the metadata's list of functions", [name];
}

impl MemoryRecord {
    /// Bytes at the start; `None` where that is more than 64 bits can say.
    #[must_use]
    pub fn min_bytes(&self) -> Option<u64> {
        self.bytes(self.min.get())
    }

    /// Bytes up to which it may grow: the maximum, but never beyond the reservation, and with
    /// indices of 32 bits [`crate::MEMORY32_GROWS_TO`].
    #[must_use]
    pub fn limit_bytes(&self) -> u64 {
        let min = self.min_bytes().unwrap_or(u64::MAX);
        let max = self.bytes(self.max.get()).unwrap_or(u64::MAX);
        let index64 = self.flags.get() & entity::INDEX64 != 0;
        crate::memory_grows_to(min, max, self.reservation.get(), index64)
    }

    /// Whether the reservation holds what it must: the memory, and where the code relies on
    /// guards, whatever an index and an offset can reach.
    pub(super) fn check_reservation(&self) -> Result<(), FormatError> {
        let (flags, reservation) = (self.flags.get(), self.reservation.get());
        let guarded = flags & entity::GUARDED != 0;
        let own = flags & entity::IMPORTED == 0;
        let wide = flags & entity::INDEX64 != 0 || self.page_size_log2.get() != 16;
        if guarded && (wide || reservation < crate::GUARD_RESERVATION) {
            return Err(FormatError::Invalid {
                what: "a memory whose guard would not hold it",
            });
        }
        if own && self.min_bytes().unwrap_or(u64::MAX) > reservation {
            return Err(FormatError::Invalid {
                what: "a memory that is larger than its reservation",
            });
        }
        Ok(())
    }

    fn bytes(&self, pages: u64) -> Option<u64> {
        pages.checked_mul(1 << (self.page_size_log2.get() & 31))
    }
}

impl TableRecord {
    /// Elements for which a loader provides space, `None` where the table begins with more than
    /// any loader provides.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        let room = self.max.get().min(crate::MAX_TABLE_ELEMENTS);
        (self.min.get() <= room).then_some(room)
    }
}

impl ImportRecord {
    /// What is imported.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::from_number(self.kind)
    }
}

impl ExportRecord {
    /// What is exported.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::from_number(self.kind)
    }
}
