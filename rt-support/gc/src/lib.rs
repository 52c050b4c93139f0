// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The heap of WebAssembly structures, arrays and exceptions, and its collector.
//!
//! The heap is two halves of one region of address space, whose size is fixed before the program
//! starts. Objects are made one behind the other in one half; when it is full, a collection
//! copies those that can still be reached to the other (Cheney's algorithm, no recursion, nothing
//! allocated outside the region), and the halves change places. What cannot be reached costs
//! nothing, a pause grows with what can.
//!
//! Roots are precise. Each object file that may hold references registers a record with its stack
//! maps and the addresses of its globals, tables and element segments; frames are found by the
//! frame pointer ([`Frame`]). A word is a reference to an object where its two lowest bits are 0
//! and it is not null; anything else (`i31`, a host's word) is left alone.
//!
//! Memory is taken from the system piece by piece: a collection comes when twice what the last
//! one left has been used, and only then is more asked for, up to the size of the half.
//!
//! Compiled code makes structures by itself where there is room ([`Allocation`]), and calls for
//! everything else.
//!
//! One thread runs the program and the collector. Everything here is `unsafe` at heart: it follows
//! addresses that compiled code wrote. What is relied upon is said at each function.
//!
//! | module | decides |
//! |---|---|
//! | [`object`] | what an object looks like, from its descriptor |
//! | [`roots`] | where references outside the heap are |
//! | `collect` | how objects move |

#![no_std]

#[cfg(test)]
extern crate std;

mod collect;
pub mod object;
pub mod roots;

#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::Range;
use object::Descriptor;
pub use roots::Frame;
use roots::Records;
use wasm_aot_object::descriptor::{Allocation, OBJECT_HEADER_OFFSET, Registration};

/// What the heap needs of the system below.
pub trait System {
    /// Makes a part of the region accessible; says whether it could. What was accessible before
    /// keeps its contents.
    fn commit(&self, address: u64, bytes: u64) -> bool;

    /// Nanoseconds since an arbitrary moment.
    fn now(&self) -> u64;
}

/// Bytes that are used before the first collection, where the half is not smaller.
const FIRST_LIMIT: u64 = 1 << 20;

/// The least that is asked of the system at a time.
const COMMIT_STEP: u64 = 1 << 16;

/// What has happened so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Collections.
    pub collections: u64,
    /// The longest of them, in nanoseconds.
    pub longest_pause: u64,
    /// All of them, in nanoseconds.
    pub total_pause: u64,
    /// Bytes that the last collection left, or that are in use where there was none.
    pub live_bytes: u64,
    /// Bytes of all objects that were ever made.
    pub allocated_bytes: u64,
    /// Bytes of half the heap: the most that can be in use.
    pub capacity: u64,
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "heap: {} collections, longest pause {} ns, all pauses {} ns, {} bytes live of {}, \
             {} bytes allocated",
            self.collections,
            self.longest_pause,
            self.total_pause,
            self.live_bytes,
            self.capacity,
            self.allocated_bytes
        )
    }
}

/// One half of the region.
#[derive(Clone, Copy, Debug)]
struct Half {
    start: u64,
    /// The first byte that is not accessible yet.
    committed: u64,
}

impl Half {
    /// Makes the bytes up to `end` accessible.
    fn commit(&mut self, end: u64, limit: u64, system: &dyn System) -> bool {
        if end <= self.committed {
            return true;
        }
        let end = end.next_multiple_of(COMMIT_STEP).min(limit);
        let done = system.commit(self.committed, end - self.committed);
        if done {
            self.committed = end;
        }
        done
    }
}

/// The heap of an address space.
#[derive(Debug)]
pub struct Heap {
    /// The half that objects are made in, then the other.
    halves: [Half; 2],
    /// Bytes of a half; 0 where there is no heap (yet).
    capacity: u64,
    /// What compiled code sees: the next object's place, and how far it may go by itself.
    open: Allocation,
    /// Where objects may be made up to before the next collection.
    limit: u64,
    /// Bytes of all objects that were made before the last collection.
    allocated: u64,
    /// Where the first object since then is.
    fresh: u64,
    /// Collect at every allocation: for tests.
    stress: bool,
    records: Records,
    counters: Counters,
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

impl Heap {
    /// No heap: every allocation fails.
    #[must_use]
    pub const fn new() -> Self {
        let nothing = Half {
            start: 0,
            committed: 0,
        };
        Self {
            halves: [nothing; 2],
            capacity: 0,
            open: Allocation { next: 0, limit: 0 },
            limit: 0,
            allocated: 0,
            fresh: 0,
            stress: false,
            records: Records::new(),
            counters: Counters {
                collections: 0,
                longest_pause: 0,
                total_pause: 0,
                live_bytes: 0,
                allocated_bytes: 0,
                capacity: 0,
            },
        }
    }

    /// Whether [`Heap::provide`] has been called.
    #[must_use]
    pub fn is_provided(&self) -> bool {
        self.capacity != 0
    }

    /// Gives the heap its region, of which nothing need be accessible yet. With `stress` every
    /// allocation collects.
    ///
    /// # Safety
    /// Nobody else uses the region, [`System::commit`] works there, and there are no objects yet.
    pub unsafe fn provide(&mut self, region: Range<u64>, stress: bool) {
        const ALIGNMENT: u64 = 4096;
        let start = region.start.next_multiple_of(ALIGNMENT);
        let half = region.end.saturating_sub(start) / 2 / ALIGNMENT * ALIGNMENT;
        self.capacity = half;
        self.halves = [start, start + half].map(|start| Half {
            start,
            committed: start,
        });
        self.open.next = start;
        self.fresh = start;
        self.limit = start + half.min(FIRST_LIMIT);
        self.stress = stress;
        self.counters.capacity = half;
    }

    /// Adds an object file's record, and says there where its code makes objects.
    ///
    /// # Safety
    /// The heap is not moved any more. The record, and everything it refers to, is as `wasm-aot-object` says and stays there
    /// until [`Heap::reset`].
    pub unsafe fn register(&mut self, record: *mut Registration) {
        // SAFETY: the caller's promise.
        unsafe {
            (*record).allocation = &raw const self.open as u64;
            self.records.add(record);
        }
    }

    /// The registered records, the last one first.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Forgets everything, its region too: for hosts that end all instances.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        counters.allocated_bytes = self.allocated + (self.open.next - self.fresh);
        if counters.collections == 0 {
            counters.live_bytes = self.used();
        }
        counters
    }

    /// A new structure or exception, all fields zero; `None` where there is no room.
    ///
    /// # Safety
    /// The descriptor is one of a structure or exception; `frame` is that of the compiled code
    /// that asks, all of whose callers are as [`Frame`] says.
    pub unsafe fn structure(
        &mut self,
        descriptor: Descriptor,
        frame: Frame,
        system: &dyn System,
    ) -> Option<u64> {
        // SAFETY: the caller's promise.
        unsafe {
            let size = descriptor.structure_size();
            self.allocate(descriptor, size, frame, system)
        }
    }

    /// A new array, all elements zero; `None` where there is no room.
    ///
    /// # Safety
    /// As [`Heap::structure`], the descriptor being one of an array.
    pub unsafe fn array(
        &mut self,
        descriptor: Descriptor,
        length: u64,
        frame: Frame,
        system: &dyn System,
    ) -> Option<u64> {
        // SAFETY: the caller's promise; the length is written where `allocate` made room for it.
        unsafe {
            let length = u32::try_from(length).ok()?;
            let size = descriptor.array_size(length);
            let array = self.allocate(descriptor, size, frame, system)?;
            object::set_array_length(array, length);
            Some(array)
        }
    }

    fn used(&self) -> u64 {
        self.open.next - self.halves[0].start
    }

    /// # Safety
    /// As [`Heap::structure`].
    unsafe fn allocate(
        &mut self,
        descriptor: Descriptor,
        size: u64,
        frame: Frame,
        system: &dyn System,
    ) -> Option<u64> {
        if size > self.capacity {
            return None;
        }
        if self.stress || size > self.limit - self.open.next {
            // SAFETY: the caller's promise.
            unsafe { self.collect(frame, system) }?;
            if size > self.limit - self.open.next {
                self.raise_limit(size)?;
            }
        }
        let (object, end) = (self.open.next, self.open.next + size);
        let last = self.halves[0].start + self.capacity;
        if !self.halves[0].commit(end, last, system) {
            return None;
        }
        self.open = Allocation {
            next: end,
            limit: match self.stress {
                true => end,
                false => self.limit.min(self.halves[0].committed),
            },
        };
        // SAFETY: these bytes are accessible and belong to nobody.
        unsafe {
            core::ptr::write_bytes(object as *mut u8, 0, size as usize);
            object::write(object, OBJECT_HEADER_OFFSET as u64, descriptor.address());
        }
        Some(object)
    }

    /// Lets `size` more bytes be used, and as many again as are in use.
    fn raise_limit(&mut self, size: u64) -> Option<()> {
        let needed = self.used() + size;
        if needed > self.capacity {
            return None;
        }
        let used = needed.saturating_mul(2).min(self.capacity);
        self.limit = self.halves[0].start + used;
        Some(())
    }
}
