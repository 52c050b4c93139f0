// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! References outside the heap: registered words and tables, and the frames of calls in progress.
//!
//! On every architecture that we compile for, a frame pointer points at two words: the caller's
//! frame pointer, and the return address into the caller (x86-64 psABI; AAPCS64, "The Frame
//! Pointer"; RISC-V as Cranelift lays its frames out). What differs, how a runtime function gets
//! its caller's, is in `wasm-aot-runtime`.

use wasm_aot_object::descriptor::{ROOT_TABLE, Registration, RootRange, TableDescriptor};
use wasm_aot_object::stackmap::{Entry, StackMaps};

/// A frame of compiled code.
///
/// Its callers are found by the chain of frame pointers. Every one of them is compiled code, or
/// keeps the chain intact; where a host enters compiled code it sets the frame pointer to 0, which
/// ends the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The address in it at which its callee returns.
    pub pc: u64,
    /// Its frame pointer.
    pub fp: u64,
}

/// The records of all object files that were registered.
#[derive(Debug)]
pub struct Records {
    head: *mut Registration,
}

impl Records {
    pub(crate) const fn new() -> Self {
        Self {
            head: core::ptr::null_mut(),
        }
    }

    /// # Safety
    /// As [`crate::Heap::register`].
    pub(crate) unsafe fn add(&mut self, record: *mut Registration) {
        // Instantiating twice must not make a circle.
        if self.iter().any(|known| core::ptr::eq(known, record)) {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { (*record).next = self.head as u64 };
        self.head = record;
    }

    /// All records, the last one first.
    pub fn iter(&self) -> impl Iterator<Item = *const Registration> + use<> {
        let mut next = self.head.cast_const();
        core::iter::from_fn(move || {
            let record = next;
            if record.is_null() {
                return None;
            }
            // SAFETY: `add` took only records that stay.
            next = unsafe { (*record).next } as *const Registration;
            Some(record)
        })
    }

    /// The record of the object file whose text has this address.
    #[must_use]
    pub fn find(&self, pc: u64) -> Option<*const Registration> {
        // SAFETY: `add` took only records that stay.
        self.iter()
            .find(|&record| unsafe { (*record).text_start <= pc && pc < (*record).text_end })
    }

    /// Calls `visit` with the address of every registered word that may be a reference.
    ///
    /// # Safety
    /// Nobody changes the tables meanwhile.
    pub(crate) unsafe fn registered(&self, visit: &mut dyn FnMut(u64)) {
        for record in self.iter() {
            // SAFETY: `add` took only records that stay, and what they say is true.
            unsafe {
                let ranges = (*record).roots as *const RootRange;
                for index in 0..(*record).root_count as usize {
                    let range = ranges.add(index).read();
                    let (start, count) = if range.count == ROOT_TABLE {
                        let table = (range.address as *const TableDescriptor).read();
                        (table.base, table.length)
                    } else {
                        (range.address, range.count)
                    };
                    (0..count).for_each(|word| visit(start + word * 8));
                }
            }
        }
    }

    /// Calls `visit` with the address of every word in a frame that may be a reference, from this
    /// frame outwards.
    ///
    /// # Safety
    /// The frame and its callers are as [`Frame`] says.
    pub(crate) unsafe fn frames(&self, frame: Frame, visit: &mut dyn FnMut(u64)) {
        let Frame { mut pc, mut fp } = frame;
        while fp != 0 {
            // SAFETY: `add` took only records that stay, and what they say is true.
            if let Some(entry) = unsafe { self.map(pc) } {
                let sp = fp - u64::from(entry.frame_size);
                for &slot in entry.slots {
                    visit(sp + u64::from(slot));
                }
            }
            // SAFETY: a frame pointer points at these two words.
            let (caller, return_address) =
                unsafe { ((fp as *const u64).read(), (fp as *const u64).add(1).read()) };
            // Stacks grow down: anything else is no chain.
            if caller <= fp {
                break;
            }
            (pc, fp) = (return_address, caller);
        }
    }

    /// # Safety
    /// The records' stack maps are as their format says.
    unsafe fn map(&self, pc: u64) -> Option<Entry<'_>> {
        let record = self.find(pc)?;
        // SAFETY: the caller's promise; the first word of a table is its length.
        let (maps, offset) = unsafe {
            let start = (*record).stack_maps as *const u32;
            let length = StackMaps::length(start.read());
            let words = core::slice::from_raw_parts(start, length);
            (StackMaps::new(words), pc - (*record).text_start)
        };
        maps.lookup(u32::try_from(offset).ok()?)
    }
}
