// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the root task reads of this program: `sel4_boot::startup::exports`, with pointers.

use sel4_boot::startup::exports::{self, Entry as Raw, Header as RawHeader};

/// [`Raw`], as the linker fills it.
#[repr(C)]
struct Entry {
    name: *const u8,
    length: usize,
    address: *const (),
}

/// [`RawHeader`], as the linker fills it.
#[repr(C)]
struct Header {
    magic: u64,
    entry: *const (),
    unknown_import: *const (),
    entries: *const Entry,
    count: usize,
}

const _: () = {
    assert!(size_of::<Entry>() == size_of::<Raw>());
    assert!(size_of::<Header>() == size_of::<RawHeader>());
};

// SAFETY: constants, in read-only memory.
unsafe impl Sync for Entry {}
// SAFETY: constants, in read-only memory.
unsafe impl Sync for Header {}

/// An entry for a function of `wasm-aot-runtime`.
const fn entry(name: &'static str, address: *const ()) -> Entry {
    Entry {
        name: name.as_ptr(),
        length: name.len(),
        address,
    }
}

/// Every function that an object may import.
static ENTRIES: &[Entry] = &[entry("memcpy", sel4::mem::memcpy as *const ())];

#[used]
#[unsafe(link_section = ".app_runtime.header")]
static HEADER: Header = Header {
    magic: exports::MAGIC,
    entry: crate::_start as *const (),
    unknown_import: crate::unknown_import as *const (),
    entries: ENTRIES.as_ptr(),
    count: ENTRIES.len(),
};
