// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Keeps the memory of functions that are compiled at the same time within bounds: one that will
//! take much waits until enough is free.

use std::sync::{Condvar, Mutex, PoisonError};

/// What all functions together may take, in bytes. A function that alone takes more is compiled
/// while nothing else of weight is.
const CAPACITY: u64 = 512 << 20;

/// Functions that take less than this do not wait and are not counted.
const LIGHT: u64 = 4 << 20;

/// The memory that is left.
pub struct Gate {
    free: Mutex<u64>,
    changed: Condvar,
}

/// A part of the memory, given back when dropped.
pub struct Pass<'g> {
    gate: &'g Gate,
    bytes: u64,
}

impl Gate {
    pub fn new() -> Self {
        Self {
            free: Mutex::new(CAPACITY),
            changed: Condvar::new(),
        }
    }

    /// Waits until so many bytes are free and takes them.
    pub fn enter(&self, bytes: u64) -> Option<Pass<'_>> {
        if bytes < LIGHT {
            return None;
        }
        let bytes = bytes.min(CAPACITY);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.changed.wait_while(free, |free| *free < bytes);
        *free.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Some(Pass { gate: self, bytes })
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut free = self
            .gate
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *free += self.bytes;
        self.gate.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn heavy_work_is_done_one_after_the_other() {
        let gate = Gate::new();
        let inside = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _pass = gate.enter(CAPACITY * 3);
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(gate.enter(LIGHT - 1).is_none());
        assert_eq!(*gate.free.lock().unwrap(), CAPACITY);
    }
}
