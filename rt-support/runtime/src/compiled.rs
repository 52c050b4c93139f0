// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The functions that compiled code calls by itself: growth of memories and tables.

use crate::platform;
use wasm_aot_object::descriptor::{MemoryDescriptor, TableDescriptor};

/// `memory.grow`: the old size in pages, -1 on failure.
///
/// # Safety
/// `memory` is the descriptor of a loaded memory, and nobody else uses it meanwhile.
#[cfg_attr(feature = "symbols", unsafe(export_name = "wasm_aot_memory_grow"))]
pub unsafe extern "C" fn memory_grow(memory: *mut MemoryDescriptor, delta_pages: u64) -> i64 {
    // SAFETY: the caller's promise.
    let memory = unsafe { &mut *memory };
    let old = memory.byte_length;
    let Some(new) = delta_pages
        .checked_mul(1 << memory.page_size_log2)
        .and_then(|bytes| old.checked_add(bytes))
        .filter(|&new| new <= memory.max_byte_length)
    else {
        return -1;
    };
    if new > old && !commit(memory.base + old, new - old) {
        return -1;
    }
    memory.byte_length = new;
    (old >> memory.page_size_log2).cast_signed()
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
