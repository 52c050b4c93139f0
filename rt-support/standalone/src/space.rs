// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The address space of a linked executable: memories with their guards, growable
//! tables. The executable itself is linked above the reach of a memory.

use crate::entry;
use core::fmt;
use rustix::io::Errno;
use wasm_aot_linux::map;
use wasm_aot_linux::platform::want_heap;
use wasm_aot_object::meta::entity;

/// Why the address space cannot be made.
#[derive(Debug)]
pub enum Error {
    /// The object's metadata cannot be read.
    Metadata,
    /// The system gives no memory there.
    Map {
        what: &'static str,
        address: u64,
        bytes: u64,
        errno: Errno,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metadata => f.write_str("the executable's metadata is damaged"),
            Self::Map {
                what,
                address,
                bytes,
                errno,
            } => {
                write!(
                    f,
                    "cannot map {bytes} bytes for the {what} at {address:#x}: {errno}"
                )
            }
        }
    }
}

fn reserve(what: &'static str, address: u64, bytes: u64) -> Result<u64, Error> {
    map::reserve(address, bytes).map_err(|errno| Error::Map {
        what,
        address,
        bytes,
        errno,
    })
}

fn commit(what: &'static str, address: u64, bytes: u64) -> Result<(), Error> {
    // SAFETY: `prepare` has reserved it for this.
    unsafe { map::commit(address, bytes) }.map_err(|errno| Error::Map {
        what,
        address,
        bytes,
        errno,
    })
}

/// Makes the memories and tables that the object needs.
pub fn prepare() -> Result<(), Error> {
    let module = entry::module().ok_or(Error::Metadata)?;
    let entry = entry::get();
    want_heap(module.meta.header().gc_heap.get());
    for (index, record) in module.meta.memories().iter().enumerate() {
        // SAFETY: the command lists one descriptor for each memory of the metadata.
        let descriptor = unsafe { &mut **entry.memories.add(index) };
        let limit = record.reservation.get().max(descriptor.byte_length);
        reserve("linear memory", descriptor.base, limit)?;
        commit("linear memory", descriptor.base, descriptor.byte_length)?;
    }
    for (index, record) in module.meta.tables().iter().enumerate() {
        if record.flags.get() & entity::GROWABLE != 0 {
            // SAFETY: likewise for each table.
            let descriptor = unsafe { &mut **entry.tables.add(index) };
            descriptor.base = reserve("table", 0, descriptor.max_length.max(1) * 8)?;
            commit("table", descriptor.base, descriptor.length * 8)?;
        }
    }
    Ok(())
}
