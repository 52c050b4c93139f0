// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The metadata section: a header, arrays of fixed-size records, a pool of strings.
//!
//! [`Meta::parse`] checks the whole section; afterwards every accessor is infallible. What the
//! records are is in [`records`](self::records), how they are written in `write`.

use crate::inlined::Inlined;
use crate::stack::Next;
use crate::{FORMAT_VERSION, FormatError, section};
use zerocopy::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

mod records;
#[cfg(all(test, feature = "write"))]
mod tests;
#[cfg(feature = "write")]
mod write;

use records::Record;
pub use records::{
    ExportRecord, FunctionRecord, GlobalRecord, ImportRecord, Kind, MemoryRecord, StackRecord, Str,
    TableRecord, TagRecord, TypeRecord, entity, type_kind,
};
#[cfg(feature = "write")]
pub use write::MetaBuilder;

const MAGIC: [u8; 8] = *b"wasm-aot";

/// "No index", where a field may be absent.
pub const NONE: u32 = u32::MAX;

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
    /// The module calls through references that may come from another module, so that what a call
    /// takes on the stack is known only where there is no other module.
    pub const FOREIGN_REFERENCES: u32 = 4;
    /// Every bit that this version knows.
    pub const ALL: u32 = 7;
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
            let ways = [function.stack.next, function.stack.outside_next];
            if !ways.iter().all(|way| self.leads_somewhere(way.get())) {
                return Err(FormatError::Invalid {
                    what: "a way down the stack that leads nowhere",
                });
            }
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

    fn leads_somewhere(&self, way: u32) -> bool {
        match Next::from_word(way) {
            None => way == NONE,
            Some(Next::Function { index, .. }) => (index as usize) < self.functions.len(),
            Some(Next::Import { index, .. }) => {
                let import = self.imports.get(index as usize);
                import.is_some_and(|import| import.kind() == Kind::Function)
            }
            Some(Next::Runtime { .. }) => true,
        }
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
