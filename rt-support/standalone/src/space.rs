// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The address space of a linked executable: memories with their guards, growable tables, the
//! program's stack. The executable itself is linked above the reach of a memory.

use crate::entry;
use core::ffi::c_void;
use core::fmt;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
use wasm_aot_loader::trap::Stack;
use wasm_aot_object::meta::entity;

/// Bytes of the program's stack.
const STACK: u64 = 1 << 20;
/// Bytes of the guard below it.
const GUARD: u64 = 1 << 20;

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

/// Claims address space in which every access faults: at this address, or (0) anywhere.
fn reserve(what: &'static str, address: u64, bytes: u64) -> Result<u64, Error> {
    let mut flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    if address != 0 {
        flags |= MapFlags::FIXED_NOREPLACE;
    }
    // SAFETY: a new mapping that replaces none.
    let mapped = unsafe {
        mmap_anonymous(
            address as *mut c_void,
            bytes as usize,
            ProtFlags::empty(),
            flags,
        )
    };
    mapped
        .map(|start| start as u64)
        .map_err(|errno| Error::Map {
            what,
            address,
            bytes,
            errno,
        })
}

/// Makes a part of reserved space accessible (it is zero); says whether that worked.
pub fn commit(address: u64, bytes: u64) -> bool {
    const PAGE: u64 = 4096;
    let start = address & !(PAGE - 1);
    let Some(end) = address
        .checked_add(bytes)
        .and_then(|end| end.checked_next_multiple_of(PAGE))
    else {
        return false;
    };
    let rights = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: only the runtime's growth functions and `prepare` get here, with ranges inside the
    // reservations below, and nothing becomes less accessible.
    unsafe { mprotect(start as *mut c_void, (end - start) as usize, rights) }.is_ok()
}

fn committed(what: &'static str, address: u64, bytes: u64) -> Result<(), Error> {
    if bytes == 0 || commit(address, bytes) {
        return Ok(());
    }
    Err(Error::Map {
        what,
        address,
        bytes,
        errno: Errno::NOMEM,
    })
}

/// Makes the memories and tables that the object needs, and its stack.
pub fn prepare() -> Result<Stack, Error> {
    let module = entry::module().ok_or(Error::Metadata)?;
    let entry = entry::get();
    for (index, record) in module.meta.memories().iter().enumerate() {
        // SAFETY: the command lists one descriptor for each memory of the metadata.
        let descriptor = unsafe { &mut **entry.memories.add(index) };
        let limit = record.reservation.get().max(descriptor.byte_length);
        reserve("linear memory", descriptor.base, limit)?;
        committed("linear memory", descriptor.base, descriptor.byte_length)?;
    }
    for (index, record) in module.meta.tables().iter().enumerate() {
        if record.flags.get() & entity::GROWABLE != 0 {
            // SAFETY: likewise for each table.
            let descriptor = unsafe { &mut **entry.tables.add(index) };
            descriptor.base = reserve("table", 0, descriptor.max_length.max(1) * 8)?;
            committed("table", descriptor.base, descriptor.length * 8)?;
        }
    }
    let guard = reserve("stack", 0, GUARD + STACK)?;
    committed("stack", guard + GUARD, STACK)?;
    Ok(Stack {
        stack: guard + GUARD..guard + GUARD + STACK,
        guard: guard..guard + GUARD,
    })
}
