// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A collection: what the roots reach is copied to the other half, then what the copies reach,
//! until nothing is left to look at (C. J. Cheney, "A Nonrecursive List Compacting Algorithm",
//! 1970).

use crate::object::{self, State};
use crate::{FIRST_LIMIT, Frame, Heap, System};
use core::ops::Range;
use wasm_aot_object::descriptor::Allocation;

/// The half that objects leave, and the next free byte of the one they go to.
struct Move {
    from: Range<u64>,
    next: u64,
}

impl Move {
    /// Makes a word point where its object is now.
    ///
    /// # Safety
    /// At `slot` is a word that may be a reference; there is room for its object at `next`.
    unsafe fn forward(&mut self, slot: u64) {
        // SAFETY: the caller's promise. An address in this half, with these bits, is an object's.
        unsafe {
            let reference = object::read(slot, 0);
            if reference & 3 != 0 || !self.from.contains(&reference) {
                return;
            }
            let moved = match object::state(reference) {
                State::Moved(to) => to,
                State::Here(descriptor) => {
                    let size = descriptor.size_of(reference);
                    let to = self.next;
                    let (from, to_pointer) = (reference as *const u64, to as *mut u64);
                    core::ptr::copy_nonoverlapping(from, to_pointer, size as usize / 8);
                    object::set_moved(reference, to);
                    self.next = to + size;
                    to
                }
            };
            object::write(slot, 0, moved);
        }
    }
}

impl Heap {
    /// Collects. `None`, having done nothing, where the system has no memory for it.
    ///
    /// # Safety
    /// As [`Heap::structure`].
    pub(crate) unsafe fn collect(&mut self, frame: Frame, system: &dyn System) -> Option<()> {
        let start = system.now();
        let [from, to] = &mut self.halves;
        // All that is in use may have to move.
        let used = self.open.next - from.start;
        let room = to.start + used;
        if !to.commit(room, to.start + self.capacity, system) {
            return None;
        }
        let (first, mut scan) = (to.start, to.start);
        let mut moving = Move {
            from: from.start..self.open.next,
            next: first,
        };
        // SAFETY: the caller's promise; objects between `scan` and `next` have been copied whole,
        // and no object is copied twice, so all fit.
        unsafe {
            self.records.registered(&mut |slot| moving.forward(slot));
            self.records.frames(frame, &mut |slot| moving.forward(slot));
            while scan < moving.next {
                let State::Here(descriptor) = object::state(scan) else {
                    unreachable!("nothing moves out of this half")
                };
                descriptor.references(scan, &mut |slot| moving.forward(slot));
                scan += descriptor.size_of(scan);
            }
        }
        self.halves.swap(0, 1);
        self.allocated += self.open.next - self.fresh;
        self.fresh = moving.next;
        // The caller opens it again.
        self.open = Allocation {
            next: moving.next,
            limit: moving.next,
        };
        let live = moving.next - first;
        self.limit = first + live.saturating_mul(2).max(FIRST_LIMIT).min(self.capacity);
        let pause = system.now().saturating_sub(start);
        let counters = &mut self.counters;
        counters.collections += 1;
        counters.live_bytes = live;
        counters.longest_pause = counters.longest_pause.max(pause);
        counters.total_pause += pause;
        Some(())
    }
}
