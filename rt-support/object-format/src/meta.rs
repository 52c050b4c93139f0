// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The metadata section: a header, arrays of fixed-size records, a pool of strings.
//!
//! [`Meta::parse`] checks the whole section; afterwards every accessor is infallible.

use crate::inlined::Inlined;
use crate::{FORMAT_VERSION, FormatError, section};
use zerocopy::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const MAGIC: [u8; 8] = *b"wasm-aot";

/// "No index", where a field may be absent.
pub const NONE: u32 = u32::MAX;

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
    offset: U32,
    length: U32,
}

/// An array of records: byte offset from the start of the section, number of records.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Array {
    offset: U32,
    count: U32,
}

/// The first bytes of the section.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    magic: [u8; 8],
    version: U32,
    /// Bytes of the whole section.
    total: U32,
    /// Start of the object's text minus the address of this field, by relocation, as in
    /// [`crate::table::TableHeader::text_delta`].
    pub text_delta: I64,
    /// [`flags`].
    pub flags: U32,
    /// Deepest frame of any function in bytes, return address included.
    pub largest_frame: U32,
    /// SHA-256 of the WebAssembly module (binary form).
    pub module_hash: [u8; 32],
    /// Bytes of the heap that the module asks for; 0 where it makes no objects.
    pub gc_heap: U64,
    module_name: Str,
    producer: Str,
    cpu_features: Str,
    wasm_features: Str,
    strings: Array,
    types: Array,
    type_order: Array,
    imports: Array,
    exports: Array,
    memories: Array,
    tables: Array,
    globals: Array,
    tags: Array,
    functions: Array,
    stretches: Array,
    calls: Array,
}

/// Offset of [`Header::text_delta`] in the section, where the relocation applies.
pub const TEXT_DELTA_OFFSET: u64 = 16;

/// Bits of [`Header::flags`].
pub mod flags {
    /// The code was made to rely on guard regions, for every memory with
    /// [`super::entity::GUARDED`]; without this bit there is none such.
    pub const BOUNDS_GUARD: u32 = 1;
    /// The module has a start function (`MODULE:instantiate` runs it).
    pub const START: u32 = 2;
    /// Every bit that this version knows.
    pub const ALL: u32 = 3;
}

/// What an import or export is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    /// Index into [`Meta::types`].
    Function,
    /// Index into [`Meta::tables`].
    Table,
    /// Index into [`Meta::memories`].
    Memory,
    /// Index into [`Meta::globals`].
    Global,
    /// Index into [`Meta::tags`].
    Tag,
}

impl Kind {
    const ALL: [Kind; 5] = [
        Kind::Function,
        Kind::Table,
        Kind::Memory,
        Kind::Global,
        Kind::Tag,
    ];

    /// The kind with this number; [`Meta::parse`] lets no other number through.
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
    kind: U32,
    /// See [`Kind`].
    pub index: U32,
    /// Module name as in the Wasm module.
    pub module: Str,
    /// Field name as in the Wasm module.
    pub name: Str,
    /// The undefined ELF symbol.
    pub symbol: Str,
}

/// An export.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct ExportRecord {
    kind: U32,
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
    /// Index into [`Meta::types`]: the parameters are what an exception carries.
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
    /// Index into [`Meta::types`], [`NONE`] likewise.
    pub type_index: U32,
    /// Byte offset of its body in the Wasm module, [`NONE`] likewise. The bodies are in the order
    /// of the functions.
    pub wasm_offset: U32,
    /// Name for people: from the name section, or `function[N]`.
    pub name: Str,
}

/// A record whose strings and indices can be checked.
trait Record: FromBytes + KnownLayout + Immutable + Unaligned {
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

/// The metadata of an object, checked.
#[derive(Clone, Copy, Debug)]
pub struct Meta<'a> {
    header: &'a Header,
    strings: &'a str,
    types: &'a [TypeRecord],
    type_order: &'a [U32],
    imports: &'a [ImportRecord],
    exports: &'a [ExportRecord],
    memories: &'a [MemoryRecord],
    tables: &'a [TableRecord],
    globals: &'a [GlobalRecord],
    tags: &'a [TagRecord],
    functions: &'a [FunctionRecord],
    inlined: Inlined<'a>,
}

impl<'a> Meta<'a> {
    /// Reads and checks the metadata at the front of `bytes`.
    ///
    /// # Errors
    /// Where it is truncated, of another version, or points outside itself.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let truncated = FormatError::Truncated {
            what: section::META,
        };
        // The version first: another version's header may have another length.
        let (prefix, _) = <([u8; 8], [u8; 4])>::ref_from_prefix_pair(bytes).ok_or(truncated)?;
        if prefix.0 != MAGIC {
            return Err(FormatError::Magic {
                section: section::META,
            });
        }
        let version = u32::from_le_bytes(prefix.1);
        if version != FORMAT_VERSION {
            return Err(FormatError::Version { found: version });
        }
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| truncated)?;
        let bytes = bytes.get(..header.total.get() as usize).ok_or(truncated)?;
        if header.flags.get() & !flags::ALL != 0 {
            return Err(FormatError::Invalid {
                what: "unknown flags in the metadata",
            });
        }
        let pool = array::<u8>(bytes, header.strings, "the metadata's string pool")?;
        let strings = core::str::from_utf8(pool).map_err(|_| FormatError::Invalid {
            what: "a string pool that is not UTF-8",
        })?;
        let meta = Self {
            header,
            strings,
            types: records(bytes, header.types, strings)?,
            type_order: array(bytes, header.type_order, "the metadata's order of types")?,
            imports: records(bytes, header.imports, strings)?,
            exports: records(bytes, header.exports, strings)?,
            memories: records(bytes, header.memories, strings)?,
            tables: records(bytes, header.tables, strings)?,
            globals: records(bytes, header.globals, strings)?,
            tags: records(bytes, header.tags, strings)?,
            functions: records(bytes, header.functions, strings)?,
            inlined: Inlined::new(
                array(
                    bytes,
                    header.stretches,
                    "the metadata's list of inlined code",
                )?,
                array(bytes, header.calls, "the metadata's list of inlined calls")?,
            )?,
        };
        for s in [
            header.module_name,
            header.producer,
            header.cpu_features,
            header.wasm_features,
        ] {
            check(s, strings)?;
        }
        meta.check_indices()?;
        Ok(meta)
    }

    fn check_indices(&self) -> Result<(), FormatError> {
        let count = |kind| match kind {
            Kind::Function => self.types.len(),
            Kind::Table => self.tables.len(),
            Kind::Memory => self.memories.len(),
            Kind::Global => self.globals.len(),
            Kind::Tag => self.tags.len(),
        };
        // Numbers that ascend are all different, so the order has every type once.
        let number = |index: &U32| self.types.get(index.get() as usize).map(|ty| ty.id.get());
        let ordered = self.type_order.len() == self.types.len()
            && self.type_order.iter().all(|index| number(index).is_some())
            && self.type_order.is_sorted_by(|a, b| number(a) < number(b));
        if !ordered {
            return Err(FormatError::Invalid {
                what: "an order of types that is none",
            });
        }
        for (index, ty) in self.types.iter().enumerate() {
            let supertype = ty.supertype.get();
            if ty.kind.get() > type_kind::ARRAY
                || (supertype != NONE && supertype as usize >= index)
            {
                return Err(FormatError::Invalid {
                    what: "a list of types out of order",
                });
            }
        }
        let entity = |kind: U32, index: U32| {
            let kind = Kind::ALL.get(kind.get() as usize);
            kind.is_some_and(|&kind| (index.get() as usize) < count(kind))
        };
        let entities = self.imports.iter().map(|i| (i.kind, i.index));
        let mut entities = entities.chain(self.exports.iter().map(|e| (e.kind, e.index)));
        if !entities.all(|(kind, index)| entity(kind, index)) {
            return Err(FormatError::Invalid {
                what: "an import or export of nothing",
            });
        }
        let mut end = 0;
        for function in self.functions {
            let index = function.type_index.get();
            let start = u64::from(function.text_offset.get());
            if start < end || (index != NONE && index as usize >= self.types.len()) {
                return Err(FormatError::Invalid {
                    what: "a list of functions out of order",
                });
            }
            end = start + u64::from(function.text_size.get());
        }
        for memory in self.memories {
            let page = memory.page_size_log2.get();
            if (page != 0 && page != 16) || memory.min.get() > memory.max.get() {
                return Err(FormatError::Invalid {
                    what: "limits of a memory",
                });
            }
            memory.check_reservation()?;
        }
        let types = self.types.len();
        if self
            .tags
            .iter()
            .any(|t| t.type_index.get() as usize >= types)
        {
            return Err(FormatError::Invalid {
                what: "a tag without a type",
            });
        }
        if self.tables.iter().any(|t| t.min.get() > t.max.get()) {
            return Err(FormatError::Invalid {
                what: "limits of a table",
            });
        }
        Ok(())
    }

    /// The header's plain fields.
    #[must_use]
    pub fn header(&self) -> &'a Header {
        self.header
    }

    /// Bytes of the section.
    #[must_use]
    pub fn byte_length(&self) -> usize {
        self.header.total.get() as usize
    }

    /// Whether the code relies on guard regions.
    #[must_use]
    pub fn bounds_guard(&self) -> bool {
        self.header.flags.get() & flags::BOUNDS_GUARD != 0
    }

    /// The text of a string of this metadata.
    #[must_use]
    pub fn str(&self, s: Str) -> &'a str {
        let start = s.offset.get() as usize;
        self.strings
            .get(start..start + s.length.get() as usize)
            .unwrap_or_default()
    }

    /// Name of the module, the first part of its symbols.
    #[must_use]
    pub fn module_name(&self) -> &'a str {
        self.str(self.header.module_name)
    }

    /// The program that wrote the object, and its version.
    #[must_use]
    pub fn producer(&self) -> &'a str {
        self.str(self.header.producer)
    }

    /// Processor features that the code needs beyond the architecture's first version, as
    /// Cranelift names them, separated by blanks (`has_sse41 has_popcnt`).
    #[must_use]
    pub fn cpu_features(&self) -> &'a str {
        self.str(self.header.cpu_features)
    }

    /// WebAssembly features with which the module was validated, separated by blanks.
    #[must_use]
    pub fn wasm_features(&self) -> &'a str {
        self.str(self.header.wasm_features)
    }

    /// Function types.
    #[must_use]
    pub fn types(&self) -> &'a [TypeRecord] {
        self.types
    }

    /// The types by ascending number: all numbers are different.
    pub fn types_by_number(&self) -> impl Iterator<Item = &'a TypeRecord> + use<'a> {
        let types = self.types;
        self.type_order
            .iter()
            .filter_map(|index| types.get(index.get() as usize))
    }

    /// Imports in the module's order.
    #[must_use]
    pub fn imports(&self) -> &'a [ImportRecord] {
        self.imports
    }

    /// Exports in the module's order.
    #[must_use]
    pub fn exports(&self) -> &'a [ExportRecord] {
        self.exports
    }

    /// Memories.
    #[must_use]
    pub fn memories(&self) -> &'a [MemoryRecord] {
        self.memories
    }

    /// Tables.
    #[must_use]
    pub fn tables(&self) -> &'a [TableRecord] {
        self.tables
    }

    /// Globals.
    #[must_use]
    pub fn globals(&self) -> &'a [GlobalRecord] {
        self.globals
    }

    /// Tags.
    #[must_use]
    pub fn tags(&self) -> &'a [TagRecord] {
        self.tags
    }

    /// Functions in the order of their code.
    #[must_use]
    pub fn functions(&self) -> &'a [FunctionRecord] {
        self.functions
    }

    /// What has been inlined.
    #[must_use]
    pub fn inlined(&self) -> Inlined<'a> {
        self.inlined
    }

    /// The export of this name.
    #[must_use]
    pub fn export(&self, name: &str) -> Option<&'a ExportRecord> {
        self.exports
            .iter()
            .find(|export| self.str(export.name) == name)
    }

    /// The function of the module whose body has this byte offset in it: the one that an
    /// instruction comes from, whatever function it has been inlined into.
    #[must_use]
    pub fn function_of_body(&self, wasm_offset: u32) -> Option<&'a FunctionRecord> {
        let after = self
            .functions
            .partition_point(|f| f.wasm_offset.get() <= wasm_offset);
        let function = self.functions.get(after.checked_sub(1)?)?;
        (function.wasm_index.get() != NONE).then_some(function)
    }

    /// The function whose code covers this offset from the start of `.text`.
    #[must_use]
    pub fn function_at(&self, text_offset: u32) -> Option<&'a FunctionRecord> {
        let after = self
            .functions
            .partition_point(|f| f.text_offset.get() <= text_offset);
        let function = self.functions.get(after.checked_sub(1)?)?;
        (text_offset - function.text_offset.get() < function.text_size.get()).then_some(function)
    }
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
        let max = self.bytes(self.max.get()).unwrap_or(u64::MAX);
        let max = max.min(self.reservation.get());
        match self.flags.get() & entity::INDEX64 {
            0 => max.min(crate::MEMORY32_GROWS_TO.max(self.min_bytes().unwrap_or(u64::MAX))),
            _ => max,
        }
    }

    /// Whether the reservation holds what it must: the memory, and where the code relies on
    /// guards, whatever an index and an offset can reach.
    fn check_reservation(&self) -> Result<(), FormatError> {
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

trait PrefixPair: Sized {
    fn ref_from_prefix_pair(bytes: &[u8]) -> Option<(Self, &[u8])>;
}

impl PrefixPair for ([u8; 8], [u8; 4]) {
    fn ref_from_prefix_pair(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (first, rest) = bytes.split_first_chunk()?;
        let (second, rest) = rest.split_first_chunk()?;
        Some(((*first, *second), rest))
    }
}

fn array<'a, T: FromBytes + KnownLayout + Immutable + Unaligned>(
    bytes: &'a [u8],
    array: Array,
    what: &'static str,
) -> Result<&'a [T], FormatError> {
    let truncated = FormatError::Truncated { what };
    let bytes = bytes.get(array.offset.get() as usize..).ok_or(truncated)?;
    let count = array.count.get() as usize;
    let (records, _) = <[T]>::ref_from_prefix_with_elems(bytes, count).map_err(|_| truncated)?;
    Ok(records)
}

fn records<'a, T: Record>(
    bytes: &'a [u8],
    place: Array,
    strings: &str,
) -> Result<&'a [T], FormatError> {
    let records = array::<T>(bytes, place, T::WHAT)?;
    for record in records {
        for s in record.strings() {
            check(s, strings)?;
        }
    }
    Ok(records)
}

fn check(s: Str, strings: &str) -> Result<(), FormatError> {
    let start = s.offset.get() as usize;
    match strings.get(start..start + s.length.get() as usize) {
        Some(_) => Ok(()),
        None => Err(FormatError::Invalid {
            what: "a string outside the metadata's pool",
        }),
    }
}

#[cfg(feature = "write")]
mod write {
    use super::*;
    use crate::inlined::{CallRecord, StretchRecord};
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use alloc::vec::Vec;

    /// Collects what the section holds, then lays it out.
    #[derive(Default, Debug)]
    pub struct MetaBuilder {
        pool: String,
        known: BTreeMap<String, Str>,
        /// [`flags`].
        pub flags: u32,
        /// [`Header::largest_frame`].
        pub largest_frame: u32,
        /// [`Header::module_hash`].
        pub module_hash: [u8; 32],
        /// [`Header::gc_heap`].
        pub gc_heap: u64,
        /// [`Meta::module_name`].
        pub module_name: String,
        /// [`Meta::producer`].
        pub producer: String,
        /// [`Meta::cpu_features`].
        pub cpu_features: String,
        /// [`Meta::wasm_features`].
        pub wasm_features: String,
        /// [`Meta::types`].
        pub types: Vec<TypeRecord>,
        imports: Vec<ImportRecord>,
        exports: Vec<ExportRecord>,
        /// [`Meta::memories`].
        pub memories: Vec<MemoryRecord>,
        /// [`Meta::tables`].
        pub tables: Vec<TableRecord>,
        /// [`Meta::globals`].
        pub globals: Vec<GlobalRecord>,
        /// [`Meta::tags`].
        pub tags: Vec<TagRecord>,
        /// [`Meta::functions`].
        pub functions: Vec<FunctionRecord>,
        /// [`Meta::inlined`]: the code, and the calls.
        pub stretches: Vec<StretchRecord>,
        /// See [`MetaBuilder::stretches`].
        pub calls: Vec<CallRecord>,
    }

    impl MetaBuilder {
        /// Puts a string into the pool (once).
        pub fn intern(&mut self, text: &str) -> Str {
            if let Some(&s) = self.known.get(text) {
                return s;
            }
            let s = Str {
                offset: size(self.pool.len()),
                length: size(text.len()),
            };
            self.pool.push_str(text);
            self.known.insert(text.into(), s);
            s
        }

        /// Adds an import; see [`ImportRecord`].
        pub fn import(&mut self, kind: Kind, index: u32, module: &str, name: &str, symbol: &str) {
            let record = ImportRecord {
                kind: (kind as u32).into(),
                index: index.into(),
                module: self.intern(module),
                name: self.intern(name),
                symbol: self.intern(symbol),
            };
            self.imports.push(record);
        }

        /// Adds an export; see [`ExportRecord`].
        pub fn export(&mut self, kind: Kind, index: u32, name: &str, symbol: &str) {
            let record = ExportRecord {
                kind: (kind as u32).into(),
                index: index.into(),
                name: self.intern(name),
                symbol: self.intern(symbol),
            };
            self.exports.push(record);
        }

        /// The bytes of [`section::META`].
        #[must_use]
        pub fn finish(mut self) -> Vec<u8> {
            let names = [
                &self.module_name,
                &self.producer,
                &self.cpu_features,
                &self.wasm_features,
            ]
            .map(String::clone)
            .map(|text| self.intern(&text));
            let mut bytes = alloc::vec![0; size_of::<Header>()];
            let mut place = |records: &[u8], count: usize| {
                let array = Array {
                    offset: size(bytes.len()),
                    count: size(count),
                };
                bytes.extend_from_slice(records);
                array
            };
            let types = place(self.types.as_bytes(), self.types.len());
            let mut order: Vec<U32> = (0..self.types.len()).map(size).collect();
            order.sort_by_key(|index| self.types[index.get() as usize].id.get());
            let type_order = place(order.as_bytes(), order.len());
            let imports = place(self.imports.as_bytes(), self.imports.len());
            let exports = place(self.exports.as_bytes(), self.exports.len());
            let memories = place(self.memories.as_bytes(), self.memories.len());
            let tables = place(self.tables.as_bytes(), self.tables.len());
            let globals = place(self.globals.as_bytes(), self.globals.len());
            let tags = place(self.tags.as_bytes(), self.tags.len());
            let functions = place(self.functions.as_bytes(), self.functions.len());
            let stretches = place(self.stretches.as_bytes(), self.stretches.len());
            let calls = place(self.calls.as_bytes(), self.calls.len());
            let strings = place(self.pool.as_bytes(), self.pool.len());
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            let header = Header {
                magic: MAGIC,
                version: FORMAT_VERSION.into(),
                total: size(bytes.len()),
                text_delta: 0.into(),
                flags: self.flags.into(),
                largest_frame: self.largest_frame.into(),
                module_hash: self.module_hash,
                gc_heap: self.gc_heap.into(),
                module_name: names[0],
                producer: names[1],
                cpu_features: names[2],
                wasm_features: names[3],
                strings,
                types,
                type_order,
                imports,
                exports,
                memories,
                tables,
                globals,
                tags,
                functions,
                stretches,
                calls,
            };
            bytes[..size_of::<Header>()].copy_from_slice(header.as_bytes());
            bytes
        }
    }

    fn size(n: usize) -> U32 {
        u32::try_from(n)
            .expect("the compiler limits modules to well below 4 GiB")
            .into()
    }
}
#[cfg(feature = "write")]
pub use write::MetaBuilder;

#[cfg(all(test, feature = "write"))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn sample() -> Vec<u8> {
        let mut builder = MetaBuilder::default();
        builder.module_name = "main".into();
        let text = builder.intern("() -> ()");
        let trampoline = builder.intern("");
        builder.types.push(TypeRecord {
            id: 7.into(),
            text,
            trampoline,
            kind: type_kind::FUNCTION.into(),
            supertype: NONE.into(),
            moved: 0.into(),
        });
        builder.import(Kind::Function, 0, "env", "f", "env.f");
        builder.import(Kind::Tag, 0, "env", "t", "env.t");
        let name = builder.intern("t");
        builder.tags.push(TagRecord {
            flags: entity::IMPORTED.into(),
            type_index: 0.into(),
            name,
            symbol: name,
        });
        builder.export(Kind::Function, 0, "g", "main.g");
        for (index, offset) in [0, 16].into_iter().enumerate() {
            let name = builder.intern("g");
            builder.functions.push(FunctionRecord {
                text_offset: offset.into(),
                text_size: 10.into(),
                frame_size: 8.into(),
                wasm_index: (index as u32).into(),
                type_index: 0.into(),
                wasm_offset: (100 + 50 * index as u32).into(),
                name,
            });
        }
        builder.finish()
    }

    #[test]
    fn round_trip() {
        let bytes = sample();
        let meta = Meta::parse(&bytes).unwrap();
        assert_eq!(meta.byte_length(), bytes.len());
        assert_eq!(meta.module_name(), "main");
        assert_eq!(meta.imports()[0].kind(), Kind::Function);
        assert_eq!(meta.str(meta.imports()[0].symbol), "env.f");
        assert_eq!(meta.imports()[1].kind(), Kind::Tag);
        assert_eq!(meta.str(meta.tags()[0].name), "t");
        assert_eq!(meta.str(meta.export("g").unwrap().symbol), "main.g");
        assert_eq!(meta.function_at(9).unwrap().wasm_index.get(), 0);
        assert!(meta.function_at(10).is_none());
        assert_eq!(meta.function_at(25).unwrap().wasm_index.get(), 1);
        let body = |offset| meta.function_of_body(offset).map(|f| f.wasm_index.get());
        let found = [99, 100, 149, 150, 1000].map(body);
        assert_eq!(found, [None, Some(0), Some(0), Some(1), Some(1)]);
    }

    #[test]
    fn damage_never_panics_and_truncation_is_refused() {
        let bytes = sample();
        for length in 0..bytes.len() {
            assert!(Meta::parse(&bytes[..length]).is_err(), "{length}");
        }
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                if let Ok(meta) = Meta::parse(&damaged) {
                    for import in meta.imports() {
                        let _ = (import.kind(), meta.str(import.symbol));
                    }
                    let _ = meta.function_at(3);
                }
            }
        }
    }

    #[test]
    fn another_version_says_both() {
        let mut bytes = sample();
        bytes[8] = 9;
        let error = Meta::parse(&bytes).unwrap_err();
        assert_eq!(error, FormatError::Version { found: 9 });
    }
}
