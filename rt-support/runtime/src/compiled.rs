// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The functions that compiled code calls by itself: growth of memories and tables.

use crate::platform;
use crate::wait::Lock;
use core::sync::atomic::{AtomicU64, Ordering};
use wasm_aot_object::descriptor::{MemoryDescriptor, TableDescriptor};

/// Growth of memories, one at a time: two threads that grow the same one must not make more
/// accessible than what the length says in the end.
static GROWTH: Lock = Lock::new();

/// `memory.grow`: the old size in pages, -1 on failure. Growth of a shared memory is one step to
/// every thread.
///
/// # Safety
/// `memory` is the descriptor of a loaded memory.
#[cfg_attr(feature = "symbols", unsafe(export_name = "wasm_aot_memory_grow"))]
pub unsafe extern "C" fn memory_grow(memory: *mut MemoryDescriptor, delta_pages: u64) -> i64 {
    // SAFETY: the caller's promise, and the lock is held.
    let old_pages = GROWTH.with(|| unsafe { grow(memory, delta_pages) });
    old_pages.map_or(-1, u64::cast_signed)
}

/// # Safety
/// `memory` is the descriptor of a loaded memory, and nobody else changes its length meanwhile.
unsafe fn grow(memory: *mut MemoryDescriptor, delta_pages: u64) -> Option<u64> {
    // SAFETY: the caller's promise; these fields never change, and the length is aligned.
    let (base, max, page_size_log2, length) = unsafe {
        let length = &raw mut (*memory).byte_length;
        (
            (*memory).base,
            (*memory).max_byte_length,
            (*memory).page_size_log2,
            AtomicU64::from_ptr(length),
        )
    };
    let old = length.load(Ordering::Relaxed);
    let new = delta_pages
        .checked_mul(1 << page_size_log2)
        .and_then(|bytes| old.checked_add(bytes))
        .filter(|&new| new <= max)?;
    if new > old && !commit(base.checked_add(old)?, new - old) {
        return None;
    }
    // After the bytes are accessible: whoever sees this length may use them.
    length.store(new, Ordering::SeqCst);
    Some(old >> page_size_log2)
}

/// `table.grow`: the old size in elements, -1 on failure.
///
/// # Safety
/// `table` is the descriptor of a loaded table, and nobody else uses it meanwhile.
#[cfg_attr(feature = "symbols", unsafe(export_name = "wasm_aot_table_grow"))]
pub unsafe extern "C" fn table_grow(table: *mut TableDescriptor, delta: u64, init: u64) -> i64 {
    // SAFETY: the caller's promise.
    let table = unsafe { &mut *table };
    let old = table.length;
    let Some(new) = old
        .checked_add(delta)
        .filter(|&new| new <= table.max_length)
    else {
        return -1;
    };
    if delta > 0 {
        let slot = table.base + old * 8;
        if !commit(slot, delta * 8) {
            return -1;
        }
        if init != 0 {
            // SAFETY: these elements have just been made accessible.
            unsafe { table_fill(slot as *mut u64, init, delta) };
        }
    }
    table.length = new;
    old.cast_signed()
}

/// `table.fill`, and what else sets many elements; the bounds have been checked.
///
/// # Safety
/// `count` elements from `slot` on exist.
#[cfg_attr(feature = "symbols", unsafe(export_name = "wasm_aot_table_fill"))]
pub unsafe extern "C" fn table_fill(slot: *mut u64, value: u64, count: u64) {
    for index in 0..count as usize {
        // SAFETY: the caller's promise.
        unsafe { slot.add(index).write(value) };
    }
}

fn commit(address: u64, bytes: u64) -> bool {
    platform::current().is_some_and(|platform| platform.commit(address, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Space, setup};
    use std::thread;

    const PAGE: u64 = 65_536;

    fn memory(space: &Space, length: u64, max: u64, page_size_log2: u64) -> MemoryDescriptor {
        MemoryDescriptor {
            base: space.start(),
            byte_length: length,
            max_byte_length: max,
            page_size_log2,
        }
    }

    fn grown(memory: &mut MemoryDescriptor, delta: u64) -> i64 {
        // SAFETY: the descriptor describes the test's own space.
        unsafe { memory_grow(memory, delta) }
    }

    #[test]
    fn growth_ends_at_the_maximum_and_never_wraps() {
        setup();
        let space = Space::new(8 * PAGE);
        let mut memory = memory(&space, PAGE, 4 * PAGE, 16);
        assert_eq!(grown(&mut memory, 0), 1);
        assert_eq!(grown(&mut memory, 2), 1);
        assert_eq!(memory.byte_length, 3 * PAGE);
        for delta in [2, 1 << 48, (1 << 48) - 3, u64::MAX, u64::MAX - 2, 1 << 63] {
            assert_eq!(grown(&mut memory, delta), -1, "{delta:#x}");
        }
        assert_eq!(memory.byte_length, 3 * PAGE);
        assert_eq!(space.committed(), PAGE..3 * PAGE);
        assert_eq!(grown(&mut memory, 1), 3);
        assert_eq!(grown(&mut memory, 1), -1);
    }

    #[test]
    fn pages_of_one_byte_grow_by_bytes() {
        setup();
        let space = Space::new(PAGE);
        let mut memory = memory(&space, 3, 10, 0);
        assert_eq!(grown(&mut memory, 4), 3);
        assert_eq!(memory.byte_length, 7);
        assert_eq!(grown(&mut memory, 4), -1);
        assert_eq!(grown(&mut memory, 3), 7);
    }

    #[test]
    fn what_the_system_refuses_leaves_the_memory_as_it_is() {
        setup();
        let space = Space::new(2 * PAGE);
        // The descriptor promises more than the space has.
        let mut memory = memory(&space, PAGE, 100 * PAGE, 16);
        assert_eq!(grown(&mut memory, 50), -1);
        assert_eq!(memory.byte_length, PAGE);
    }

    #[test]
    fn several_threads_grow_one_memory() {
        setup();
        const THREADS: u64 = 4;
        const STEPS: u64 = 100;
        let space = Space::new(THREADS * STEPS * PAGE);
        let mut memory = memory(&space, 0, (THREADS * STEPS - 50) * PAGE, 16);
        let address = &raw mut memory as usize;
        let grow = move || {
            // SAFETY: the descriptor outlives the threads.
            let one = || unsafe { memory_grow(address as *mut MemoryDescriptor, 1) };
            (0..STEPS).map(|_| one()).collect::<std::vec::Vec<_>>()
        };
        let threads: std::vec::Vec<_> = (0..THREADS).map(|_| thread::spawn(grow)).collect();
        let mut sizes: std::vec::Vec<i64> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        sizes.sort_unstable();
        // Each old size is seen once, and 50 find the maximum reached.
        let mut expected = std::vec![-1; 50];
        expected.extend(0..(THREADS * STEPS - 50).cast_signed());
        assert_eq!(sizes, expected);
        assert_eq!(space.committed(), 0..memory.byte_length);
    }
}
