// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the linker hands over: the entry record, and the object's own sections.

use core::slice;
use wasm_aot_loader::trap::Module;
use wasm_aot_object::descriptor::{MemoryDescriptor, TableDescriptor};
use wasm_aot_object::meta::{self, Meta};
use wasm_aot_object::table::{AddressMap, TrapTable};

/// The record that `wasm-aot link` generates, symbol `wasm_aot_entry`. The arrays follow the
/// metadata's lists of memories and tables.
#[derive(Debug)]
#[repr(C)]
pub struct Entry {
    /// `MODULE:instantiate`.
    pub instantiate: extern "C" fn(),
    /// `MODULE._start`.
    pub start: extern "C" fn(),
    /// The descriptor of the exported memory `memory`, or null.
    pub memory: *const MemoryDescriptor,
    /// The descriptors of all memories.
    pub memories: *const *mut MemoryDescriptor,
    /// The descriptors of all tables.
    pub tables: *const *mut TableDescriptor,
    /// Code for imports that nobody provides, [`STUB`] bytes each.
    pub stubs: *const u8,
    /// Which imports of the metadata they stand for.
    pub unknown: *const u64,
    /// How many.
    pub unknown_count: usize,
}

/// Bytes of the code that stands for an import which nobody provides.
const STUB: usize = 16;

// SAFETY: it is constant; what it points at is used by the only thread.
unsafe impl Sync for Entry {}

unsafe extern "C" {
    static wasm_aot_entry: Entry;
    static __wasm_aot_meta_start: u8;
    static __wasm_aot_meta_end: u8;
    static __wasm_aot_traps_start: u8;
    static __wasm_aot_traps_end: u8;
    static __wasm_aot_addrmap_start: u8;
    static __wasm_aot_addrmap_end: u8;
}

/// The entry record.
pub fn get() -> &'static Entry {
    // SAFETY: the linker does not make an executable without it.
    unsafe { &wasm_aot_entry }
}

/// The bytes between two symbols of the linker script.
///
/// # Safety
/// Both are of one section, in this order.
unsafe fn between(start: *const u8, end: *const u8) -> &'static [u8] {
    // SAFETY: the caller's promise.
    unsafe { slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
}

/// The linked object, as trap reports need it; `None` where its sections are damaged.
pub fn module() -> Option<Module<'static>> {
    // SAFETY: the linker script defines these pairs around the sections.
    let (meta, traps, map) = unsafe {
        (
            between(
                &raw const __wasm_aot_meta_start,
                &raw const __wasm_aot_meta_end,
            ),
            between(
                &raw const __wasm_aot_traps_start,
                &raw const __wasm_aot_traps_end,
            ),
            between(
                &raw const __wasm_aot_addrmap_start,
                &raw const __wasm_aot_addrmap_end,
            ),
        )
    };
    let field = meta.as_ptr() as u64 + meta::TEXT_DELTA_OFFSET;
    let meta = Meta::parse(meta).ok()?;
    Some(Module {
        text: field.wrapping_add_signed(meta.header().text_delta.get()),
        meta,
        traps: TrapTable::parse(traps).ok()?,
        address_map: AddressMap::parse(map).ok()?,
    })
}

/// Module and name of the import whose trapping stand-in is at an address.
pub fn unknown_import(address: u64) -> Option<(&'static str, &'static str)> {
    let entry = get();
    // SAFETY: the command writes the array with this many elements.
    let unknown = unsafe { slice::from_raw_parts(entry.unknown, entry.unknown_count) };
    let offset = (address as usize).checked_sub(entry.stubs.addr())?;
    let index = *unknown.get(offset / STUB)?;
    let meta = module()?.meta;
    let import = meta.imports().get(usize::try_from(index).ok()?)?;
    Some((meta.str(import.module), meta.str(import.name)))
}
