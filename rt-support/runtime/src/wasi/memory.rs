// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The program's memory, seen from the host: every access is checked first.

use crate::errno::{Errno, Result};
use core::sync::atomic::{AtomicU64, Ordering};
use wasm_aot_object::descriptor::MemoryDescriptor;

/// The accessible part of a linear memory during one host call.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    base: *mut u8,
    length: u64,
}

/// A pointer and a length, as the program gives them.
pub type Range = (u32, u32);

impl Memory {
    /// # Safety
    /// The descriptor is null or describes a memory that is accessible as far as it says. Where
    /// that is a shared memory, other threads of the program may change its bytes meanwhile: what
    /// is decided on must be copied out first ([`Memory::copy`]).
    pub unsafe fn new(descriptor: *const MemoryDescriptor) -> Self {
        if descriptor.is_null() {
            return Self {
                base: core::ptr::dangling_mut(),
                length: 0,
            };
        }
        // SAFETY: the caller's promise. The base never changes; the length may grow at any time.
        unsafe {
            let length = (&raw const (*descriptor).byte_length).cast_mut();
            Self {
                base: core::ptr::with_exposed_provenance_mut((*descriptor).base as usize),
                length: AtomicU64::from_ptr(length).load(Ordering::Acquire),
            }
        }
    }

    fn start(&self, (pointer, length): Range) -> Result<*mut u8> {
        let end = u64::from(pointer) + u64::from(length);
        if end > self.length {
            return Err(Errno::FAULT);
        }
        Ok(self.base.wrapping_add(pointer as usize))
    }

    /// Bytes to read. The reference must not outlive the next write to the memory.
    pub fn bytes(&self, range: Range) -> Result<&[u8]> {
        let start = self.start(range)?;
        // SAFETY: inside the memory; all functions of this interface use one reference at a time.
        Ok(unsafe { core::slice::from_raw_parts(start, range.1 as usize) })
    }

    /// Bytes to write. No other reference into the memory may be in use.
    #[allow(clippy::mut_from_ref)] // the memory is the program's, this is only its address
    pub fn bytes_mut(&self, range: Range) -> Result<&mut [u8]> {
        let start = self.start(range)?;
        // SAFETY: as above.
        Ok(unsafe { core::slice::from_raw_parts_mut(start, range.1 as usize) })
    }

    /// Writes bytes.
    pub fn write(&self, pointer: u32, bytes: &[u8]) -> Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::FAULT)?;
        self.bytes_mut((pointer, length))?.copy_from_slice(bytes);
        Ok(())
    }

    /// Writes a word.
    pub fn write_u32(&self, pointer: u32, value: u32) -> Result<()> {
        self.write(pointer, &value.to_le_bytes())
    }

    /// Writes a double word.
    pub fn write_u64(&self, pointer: u32, value: u64) -> Result<()> {
        self.write(pointer, &value.to_le_bytes())
    }

    /// Copies bytes out, as many as there is room for.
    pub fn copy(&self, pointer: u32, to: &mut [u8]) -> Result<()> {
        let length = u32::try_from(to.len()).map_err(|_| Errno::FAULT)?;
        let from = self.start((pointer, length))?;
        // SAFETY: inside the memory, which is not where the host's values are.
        unsafe { from.copy_to_nonoverlapping(to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies `N` bytes out.
    pub fn read<const N: usize>(&self, pointer: u32) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.copy(pointer, &mut bytes)?;
        Ok(bytes)
    }

    /// Element `index` of an array of pointer and length pairs (`iovec`).
    pub fn pair(&self, array: u32, index: u32) -> Result<Range> {
        let bytes: [u8; 8] = self.read(element(array, index, 8)?)?;
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Ok((word(0), word(4)))
    }
}

/// Address of an element of an array in the program's memory.
pub(super) fn element(array: u32, index: u32, size: u32) -> Result<u32> {
    index
        .checked_mul(size)
        .and_then(|offset| array.checked_add(offset))
        .ok_or(Errno::FAULT)
}
