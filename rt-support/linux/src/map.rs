// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Address space: reserved without access, made accessible, protected, moved, given back.

use core::ffi::c_void;
use rustix::io::{Errno, Result};
use rustix::mm::{
    MapFlags, MprotectFlags, MremapFlags, ProtFlags, mmap_anonymous, mprotect, mremap_fixed, munmap,
};

/// Bytes of a page, the smallest that any supported architecture has. Ranges are rounded to it;
/// where pages are larger the kernel refuses what does not fit.
pub const PAGE: u64 = 4096;

fn pointer(address: u64) -> *mut c_void {
    core::ptr::with_exposed_provenance_mut(address as usize)
}

/// Claims address space in which every access faults, at this address or (0) anywhere. Nothing
/// that is mapped is replaced: then it fails with `EXIST`.
///
/// # Errors
/// As mmap(2).
pub fn reserve(address: u64, bytes: u64) -> Result<u64> {
    let mut flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    if address != 0 {
        flags |= MapFlags::FIXED_NOREPLACE;
    }
    let bytes = usize::try_from(bytes).map_err(|_| Errno::NOMEM)?;
    // SAFETY: a new mapping that replaces none.
    let mapped = unsafe { mmap_anonymous(pointer(address), bytes, ProtFlags::empty(), flags) }?;
    if address != 0 && mapped as u64 != address {
        // A kernel before 4.17 takes the address for a wish.
        // SAFETY: it was made above.
        let _ = unsafe { munmap(mapped, bytes) };
        return Err(Errno::EXIST);
    }
    Ok(mapped.expose_provenance() as u64)
}

/// Makes a part of reserved space accessible (what was inaccessible is zero); says whether that
/// worked. The range need not be whole pages.
///
/// # Safety
/// The range is in space that the caller has reserved for this.
pub unsafe fn commit(address: u64, bytes: u64) -> Result<()> {
    let start = address & !(PAGE - 1);
    let end = address
        .checked_add(bytes)
        .and_then(|end| end.checked_next_multiple_of(PAGE))
        .ok_or(Errno::NOMEM)?;
    if start == end {
        return Ok(());
    }
    let rights = MprotectFlags::READ | MprotectFlags::WRITE;
    // SAFETY: the caller's promise; nothing becomes less accessible.
    unsafe { mprotect(pointer(start), (end - start) as usize, rights) }
}

/// The rights of finished pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Code.
    ReadExecute,
    /// Constants.
    Read,
}

/// Makes pages of a reservation what they stay.
///
/// # Safety
/// The range is the caller's, and nobody writes there any more.
///
/// # Errors
/// As mprotect(2).
pub unsafe fn protect(address: u64, bytes: u64, access: Access) -> Result<()> {
    // Emulators of Linux disagree about no bytes at all.
    if bytes == 0 {
        return Ok(());
    }
    let rights = match access {
        Access::ReadExecute => {
            crate::arch::synchronize(address, bytes);
            MprotectFlags::READ | MprotectFlags::EXEC
        }
        Access::Read => MprotectFlags::READ,
    };
    // SAFETY: the caller's promise.
    unsafe { mprotect(pointer(address), bytes as usize, rights) }
}

/// Moves accessible pages with their contents to another place, over whatever was reserved
/// there; where they were, space stays reserved.
///
/// # Safety
/// Both ranges are reservations of the caller's, and nobody refers to either.
///
/// # Errors
/// As mremap(2) and mmap(2).
pub unsafe fn relocate(from: u64, bytes: u64, to: u64) -> Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let size = bytes as usize;
    // SAFETY: the caller's promise.
    unsafe {
        mremap_fixed(pointer(from), size, size, MremapFlags::MAYMOVE, pointer(to))?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        mmap_anonymous(pointer(from), size, ProtFlags::empty(), flags)?;
    }
    Ok(())
}

/// Gives address space back.
///
/// # Safety
/// It is the caller's, and nobody refers to it.
pub unsafe fn release(address: u64, bytes: u64) {
    // SAFETY: the caller's promise. It fails only for a range that is none.
    let _ = unsafe { munmap(pointer(address), bytes as usize) };
}
