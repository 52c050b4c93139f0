// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The trap table and the address map: code offset -> trap code, code offset -> Wasm offset.
//!
//! Both have the same shape: a [`TableHeader`], then the code offsets (`u32` each, strictly
//! ascending, counted from the start of the object's `.text`), then the values (`u8` trap codes,
//! or `u32` Wasm byte offsets), then zeroes up to a multiple of eight bytes.

use crate::{FORMAT_VERSION, FormatError, section};
use wasm_aot_trap::TrapCode;
use zerocopy::little_endian::{I64, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The value that says "no Wasm instruction": code that the compiler made by itself.
pub const NO_WASM_OFFSET: u32 = u32::MAX;

const TRAPS_MAGIC: [u8; 4] = *b"WATR";
const MAP_MAGIC: [u8; 4] = *b"WAMP";

/// The first bytes of either section.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct TableHeader {
    magic: [u8; 4],
    version: U32,
    /// Start of the object's text minus the address of this field: filled by a PC-relative
    /// relocation, so that a linked executable finds its text. A loader ignores it.
    pub text_delta: I64,
    count: U32,
    reserved: U32,
}

/// Offset of [`TableHeader::text_delta`] in the section, where the relocation applies.
pub const TEXT_DELTA_OFFSET: u64 = 8;

fn parse<'a>(
    bytes: &'a [u8],
    magic: [u8; 4],
    section: &'static str,
) -> Result<(&'a TableHeader, &'a [U32], &'a [u8]), FormatError> {
    let truncated = FormatError::Truncated { what: section };
    let (header, rest) = TableHeader::ref_from_prefix(bytes).map_err(|_| truncated)?;
    if header.magic != magic {
        return Err(FormatError::Magic { section });
    }
    if header.version.get() != FORMAT_VERSION {
        return Err(FormatError::Version {
            found: header.version.get(),
        });
    }
    let count = header.count.get() as usize;
    let (offsets, rest) =
        <[U32]>::ref_from_prefix_with_elems(rest, count).map_err(|_| truncated)?;
    if !offsets.is_sorted_by(|a, b| a.get() < b.get()) {
        return Err(FormatError::Invalid {
            what: "code offsets that are not ascending",
        });
    }
    Ok((header, offsets, rest))
}

/// The bytes that a table occupies at the front of `bytes`: linked executables hold one table
/// after the other.
fn occupied(count: usize, value_size: usize) -> usize {
    (size_of::<TableHeader>() + count * (4 + value_size)).next_multiple_of(8)
}

/// The trap table: each instruction that may trap, and why.
#[derive(Clone, Copy, Debug)]
pub struct TrapTable<'a> {
    header: &'a TableHeader,
    offsets: &'a [U32],
    codes: &'a [u8],
}

impl<'a> TrapTable<'a> {
    /// Reads the table at the front of `bytes`.
    ///
    /// # Errors
    /// Where it is truncated, of another version, or not sorted.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, offsets, rest) = parse(bytes, TRAPS_MAGIC, section::TRAPS)?;
        let codes = rest.get(..offsets.len()).ok_or(FormatError::Truncated {
            what: section::TRAPS,
        })?;
        Ok(Self {
            header,
            offsets,
            codes,
        })
    }

    /// The header, for readers of linked executables.
    #[must_use]
    pub fn header(&self) -> &'a TableHeader {
        self.header
    }

    /// Bytes from the start of this table to a following one.
    #[must_use]
    pub fn byte_length(&self) -> usize {
        occupied(self.offsets.len(), 1)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether no instruction traps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Why the instruction at exactly this offset from the start of `.text` traps. `None` where
    /// no trap is expected there: then the fault is not the guest's but a defect.
    #[must_use]
    pub fn lookup(&self, text_offset: u32) -> Option<TrapCode> {
        let position = self
            .offsets
            .binary_search_by_key(&text_offset, |o| o.get())
            .ok()?;
        TrapCode::from_u8(*self.codes.get(position)?)
    }

    /// All entries in ascending order of their offset.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (u32, Option<TrapCode>)> + use<'a> {
        self.offsets
            .iter()
            .zip(self.codes)
            .map(|(o, &c)| (o.get(), TrapCode::from_u8(c)))
    }
}

/// The address map: from code back to the byte of the Wasm module that it came from.
#[derive(Clone, Copy, Debug)]
pub struct AddressMap<'a> {
    header: &'a TableHeader,
    offsets: &'a [U32],
    wasm: &'a [U32],
}

impl<'a> AddressMap<'a> {
    /// Reads the map at the front of `bytes`.
    ///
    /// # Errors
    /// Where it is truncated, of another version, or not sorted.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let (header, offsets, rest) = parse(bytes, MAP_MAGIC, section::ADDRESS_MAP)?;
        let (wasm, _) = <[U32]>::ref_from_prefix_with_elems(rest, offsets.len()).map_err(|_| {
            FormatError::Truncated {
                what: section::ADDRESS_MAP,
            }
        })?;
        Ok(Self {
            header,
            offsets,
            wasm,
        })
    }

    /// The header, for readers of linked executables.
    #[must_use]
    pub fn header(&self) -> &'a TableHeader {
        self.header
    }

    /// Bytes from the start of this map to a following one.
    #[must_use]
    pub fn byte_length(&self) -> usize {
        occupied(self.offsets.len(), 4)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether the map is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// The Wasm byte offset of the code at this offset from the start of `.text`: that of the
    /// last entry at or before it.
    #[must_use]
    pub fn lookup(&self, text_offset: u32) -> Option<u32> {
        let after = self.offsets.partition_point(|o| o.get() <= text_offset);
        let wasm = self.wasm.get(after.checked_sub(1)?)?.get();
        (wasm != NO_WASM_OFFSET).then_some(wasm)
    }

    /// All entries (code offset, Wasm offset) in ascending order of their code offset.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (u32, u32)> + use<'a> {
        self.offsets
            .iter()
            .zip(self.wasm)
            .map(|(o, w)| (o.get(), w.get()))
    }
}

/// Writing (feature `write`).
#[cfg(feature = "write")]
mod write {
    use super::*;
    use alloc::vec::Vec;

    /// A table: the header, the offsets, then the value of each with `put`. Written in one pass
    /// into one allocation, because the tables of large modules are large.
    fn encode<T>(
        magic: [u8; 4],
        entries: &[(u32, T)],
        value_bytes: usize,
        put: impl Fn(&mut Vec<u8>, &T),
    ) -> Vec<u8> {
        let header = TableHeader {
            magic,
            version: FORMAT_VERSION.into(),
            text_delta: 0.into(),
            count: u32::try_from(entries.len())
                .expect("text is below 4 GiB")
                .into(),
            reserved: 0.into(),
        };
        let header = header.as_bytes();
        let length = header.len() + entries.len() * (size_of::<u32>() + value_bytes);
        let length = length.next_multiple_of(8);
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(header);
        for (offset, _) in entries {
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        for (_, value) in entries {
            put(&mut bytes, value);
        }
        bytes.resize(length, 0);
        bytes
    }

    /// The bytes of [`section::TRAPS`]. `entries` ascend strictly by offset.
    #[must_use]
    pub fn trap_table(entries: &[(u32, TrapCode)]) -> Vec<u8> {
        encode(TRAPS_MAGIC, entries, 1, |bytes, code| {
            bytes.push(*code as u8)
        })
    }

    /// The bytes of [`section::ADDRESS_MAP`]. `entries` ascend strictly by code offset.
    #[must_use]
    pub fn address_map(entries: &[(u32, u32)]) -> Vec<u8> {
        encode(MAP_MAGIC, entries, size_of::<u32>(), |bytes, wasm| {
            bytes.extend_from_slice(&wasm.to_le_bytes());
        })
    }
}
#[cfg(feature = "write")]
pub use write::{address_map, trap_table};

#[cfg(all(test, feature = "write"))]
mod tests {
    use super::*;

    #[test]
    fn trap_table_round_trips() {
        let bytes = trap_table(&[(4, TrapCode::Unreachable), (9, TrapCode::MemoryOutOfBounds)]);
        assert_eq!(bytes.len() % 8, 0);
        let table = TrapTable::parse(&bytes).unwrap();
        assert_eq!(table.byte_length(), bytes.len());
        assert_eq!(table.lookup(4), Some(TrapCode::Unreachable));
        assert_eq!(table.lookup(5), None);
        assert_eq!(table.lookup(9), Some(TrapCode::MemoryOutOfBounds));
    }

    #[test]
    fn address_map_finds_the_entry_before() {
        let bytes = address_map(&[(0, 100), (8, NO_WASM_OFFSET), (16, 120)]);
        let map = AddressMap::parse(&bytes).unwrap();
        assert_eq!(map.lookup(7), Some(100));
        assert_eq!(map.lookup(8), None);
        assert_eq!(map.lookup(1000), Some(120));
    }

    #[test]
    fn every_truncation_and_disorder_is_refused() {
        let bytes = trap_table(&[(4, TrapCode::Unreachable), (9, TrapCode::IntegerOverflow)]);
        // The two codes end at byte 34; what follows is padding.
        for length in 0..34 {
            assert!(TrapTable::parse(&bytes[..length]).is_err(), "{length}");
        }
        assert!(TrapTable::parse(&trap_table(&[(9, TrapCode::Unreachable); 2])).is_err());
        let mut huge = bytes.clone();
        huge[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(TrapTable::parse(&huge).is_err());
        let mut other = bytes;
        other[4] = 77;
        assert_eq!(
            TrapTable::parse(&other).unwrap_err(),
            FormatError::Version { found: 77 }
        );
    }
}
