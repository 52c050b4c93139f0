// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What compiled code calls for its objects in the heap; `wasm-aot-gc` is the heap.

use crate::frame::with_frame;
use crate::platform::{self, Clock, Platform};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};
pub use wasm_aot_gc::Counters;
use wasm_aot_gc::object::Descriptor;
use wasm_aot_gc::roots::Records;
use wasm_aot_gc::{Frame, Heap, System};
use wasm_aot_object::descriptor::{Registration, TypeDescriptor};

/// The heap of this address space.
struct Shared(UnsafeCell<Heap>);

// SAFETY: one thread runs the WebAssembly program, and nothing here calls back into it.
unsafe impl Sync for Shared {}

static HEAP: Shared = Shared(UnsafeCell::new(Heap::new()));

/// A platform as the collector sees it.
struct Below(&'static dyn Platform);

impl System for Below {
    fn commit(&self, address: u64, bytes: u64) -> bool {
        self.0.commit(address, bytes)
    }

    fn now(&self) -> u64 {
        self.0.clock_time(Clock::Monotonic).unwrap_or(0)
    }
}

/// Runs something with the heap.
fn with_heap<T>(action: impl FnOnce(&mut Heap) -> T) -> T {
    // SAFETY: the program's thread is the only one that gets here, and no action gets here again.
    action(unsafe { &mut *HEAP.0.get() })
}

/// Runs something with the heap, which gets its region first where it has none.
fn with_region<T>(action: impl FnOnce(&mut Heap, &dyn System) -> Option<T>) -> Option<T> {
    let platform = platform::current()?;
    with_heap(|heap| {
        if !heap.is_provided()
            && let Some(region) = platform.gc_heap()
        {
            // SAFETY: the platform's promise; a heap without region has no objects.
            unsafe { heap.provide(region, platform.gc_stress()) };
        }
        action(heap, &Below(platform))
    })
}

/// What the heap has done so far.
#[must_use]
pub fn counters() -> Counters {
    with_heap(|heap| heap.counters())
}

/// Forgets all objects, all registered object files, and the region: for hosts that end every
/// instance and begin anew in the same address space.
///
/// # Safety
/// No instance of before runs again.
pub unsafe fn reset() {
    with_heap(Heap::reset);
}

/// Runs something with the records of all object files that registered themselves, as the
/// unwinder of exceptions needs them.
pub fn with_records<T>(action: impl FnOnce(&Records) -> T) -> T {
    with_heap(|heap| action(heap.records()))
}

/// `MODULE:instantiate` says where the object's frames and references are.
///
/// # Safety
/// The record is one of an object that stays loaded, and true.
#[cfg_attr(feature = "symbols", unsafe(export_name = "wasm_aot_register"))]
pub unsafe extern "C" fn register(record: *mut Registration) {
    // Threads make instances at the same time, if only such as have no objects of their own.
    static REGISTERING: AtomicBool = AtomicBool::new(false);
    while REGISTERING.swap(true, Ordering::Acquire) {
        core::hint::spin_loop();
    }
    // SAFETY: the caller's promise.
    with_heap(|heap| unsafe { heap.register(record) });
    REGISTERING.store(false, Ordering::Release);
}

with_frame!(
    /// A new structure or exception; see `Runtime::StructNew`.
    ///
    /// # Safety
    /// Compiled code calls it, with the descriptor of a structure or exception.
    struct_new, "wasm_aot_struct_new", 1, struct_new_from
);

unsafe extern "C" fn struct_new_from(ty: *const TypeDescriptor, pc: u64, fp: u64) -> u64 {
    let frame = Frame { pc, fp };
    // SAFETY: the caller's promise; compiled code keeps the chain of frame pointers.
    let made =
        with_region(|heap, system| unsafe { heap.structure(Descriptor::new(ty), frame, system) });
    made.unwrap_or(0)
}

with_frame!(
    /// A new array; see `Runtime::ArrayNew`.
    ///
    /// # Safety
    /// Compiled code calls it, with the descriptor of an array and a length.
    array_new, "wasm_aot_array_new", 2, array_new_from
);

unsafe extern "C" fn array_new_from(
    ty: *const TypeDescriptor,
    length: u64,
    pc: u64,
    fp: u64,
) -> u64 {
    let frame = Frame { pc, fp };
    // SAFETY: as in `struct_new_from`.
    let made = with_region(|heap, system| unsafe {
        heap.array(Descriptor::new(ty), length, frame, system)
    });
    made.unwrap_or(0)
}

/// Copies the first of `count` elements to all others.
///
/// # Safety
/// They exist, and `count` is not 0.
#[cfg_attr(feature = "symbols", unsafe(export_name = "wasm_aot_array_fill"))]
pub unsafe extern "C" fn array_fill(first: *mut u8, element_bytes: u64, count: u64) {
    let total = (element_bytes * count) as usize;
    let mut done = element_bytes as usize;
    // Twice as much each time.
    while done < total {
        let step = done.min(total - done);
        // SAFETY: the caller's promise; the parts do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(first, first.add(done), step) };
        done += step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filling_repeats_the_first_element() {
        for count in 1..20 {
            let mut bytes = [9u8; 60];
            bytes[..3].copy_from_slice(&[1, 2, 3]);
            // SAFETY: 3 * 20 bytes are there.
            unsafe { array_fill(bytes.as_mut_ptr(), 3, count) };
            for (index, &byte) in bytes.iter().enumerate() {
                let expected = if index < count as usize * 3 {
                    index as u8 % 3 + 1
                } else {
                    9
                };
                assert_eq!(byte, expected, "{count} {index}");
            }
        }
    }
}
