// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The address space of a linked executable: memories with their guards, growable
//! tables. The executable itself is linked above the reach of a memory.

use crate::entry;
use core::fmt;
use rustix::io::Errno;
use wasm_aot_linux::map;
use wasm_aot_object::meta::entity;

/// Why the address space cannot be made.
#[derive(Debug)]
pub enum Error {
    /// The object's metadata cannot be read.
    Metadata,
    /// More than an address space has: bytes of a memory, or elements of a table.
    Size {
        what: &'static str,
        index: usize,
        min: u64,
        unit: &'static str,
    },
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
            Self::Size {
                what,
                index,
                min,
                unit,
            } => write!(
                f,
                "{what} {index} begins with {min} {unit}, more than can be provided"
            ),
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
    for (index, record) in module.meta.memories().iter().enumerate() {
        // SAFETY: the command lists one descriptor for each memory of the metadata.
        let descriptor = unsafe { &mut **entry.memories.add(index) };
        if record.min_bytes().is_none() {
            return Err(Error::Size {
                what: "memory",
                index,
                min: record.min.get(),
                unit: "pages",
            });
        }
        reserve("linear memory", descriptor.base, record.reservation.get())?;
        commit("linear memory", descriptor.base, descriptor.byte_length)?;
    }
    for (index, record) in module.meta.tables().iter().enumerate() {
        if record.flags.get() & entity::GROWABLE != 0 {
            // SAFETY: likewise for each table.
            let descriptor = unsafe { &mut **entry.tables.add(index) };
            let room = record.room().ok_or(Error::Size {
                what: "table",
                index,
                min: record.min.get(),
                unit: "elements",
            })?;
            descriptor.base = reserve("table", 0, room.max(1) * 8)?;
            commit("table", descriptor.base, descriptor.length * 8)?;
        }
    }
    Ok(())
}
