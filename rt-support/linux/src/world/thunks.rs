// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How a function of WASI knows whose memory it works on.
//!
//! The functions have no hidden argument, and several instances may call them, each with pointers
//! into its own memory. So every import of one leads through a few instructions that belong to the
//! instance: they note its memory, and go on in the function.

use crate::list::List;
use crate::map::{self, Access};
use crate::platform::CALLER;
use rustix::io::{Errno, Result};
use wasm_aot_loader::thunk::{self, THUNK, thunk};

/// Bytes from one thunk to the next.
const STRIDE: u64 = thunk::STRIDE as u64;

/// The thunks of an instance.
#[derive(Debug)]
pub struct Thunks {
    /// Address of the first.
    address: u64,
    /// Bytes that are mapped for them.
    bytes: u64,
    /// The descriptor of the instance's memory, or 0.
    memory: u64,
    /// The functions that they lead to, in their order.
    targets: List<u64>,
}

impl Thunks {
    /// Bytes of address space for this many.
    pub fn size(count: usize) -> u64 {
        (count as u64 * STRIDE).next_multiple_of(map::PAGE)
    }

    /// Thunks in accessible space that is the caller's.
    pub fn new(address: u64, bytes: u64, memory: u64) -> Self {
        Self {
            address,
            bytes,
            memory,
            targets: List::new(),
        }
    }

    /// The address of the one that leads to this function, made where there is none.
    pub fn to(&mut self, target: u64) -> Result<u64> {
        let position = match self.targets.iter().position(|&known| known == target) {
            Some(position) => position,
            None => {
                let position = self.targets.len();
                if (position as u64 + 1) * STRIDE > self.bytes {
                    return Err(Errno::NOMEM);
                }
                self.targets.push(target)?;
                let cell = (&raw const CALLER).expose_provenance() as u64;
                let at = self.address + position as u64 * STRIDE;
                let to: *mut [u8; THUNK] = core::ptr::with_exposed_provenance_mut(at as usize);
                // SAFETY: inside the caller's space, which nobody runs yet.
                unsafe { to.write(thunk(cell, self.memory, target)) };
                position
            }
        };
        Ok(self.address + position as u64 * STRIDE)
    }

    /// Makes them executable; none is added afterwards.
    pub fn finish(self) -> Result<()> {
        if self.bytes == 0 {
            return Ok(());
        }
        // SAFETY: the space is the caller's, and complete.
        unsafe { map::protect(self.address, self.bytes, Access::ReadExecute) }
    }
}
