// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `memory.atomic.wait` and `notify`: queues of waiting threads, by address.
//!
//! The queues are ours, not the system's, because a wait may compare 64 bits, because `notify`
//! must say how many threads it woke, and because waits of either width at one address are woken
//! by the same `notify`. The system only has to put a thread to sleep ([`Platform::block`]). A
//! queue's entry is on the stack of the thread that waits, so nothing allocates.

use crate::platform::{self, Clock, Platform};
use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Results of a wait, as `wasm-aot-symbols` says.
const WOKEN: u32 = 0;
const NOT_EQUAL: u32 = 1;
const TIMED_OUT: u32 = 2;
const ENDLESS: u32 = 3;

/// A lock for a few instructions, or for as long as a memory takes to grow.
pub(crate) struct Lock(AtomicU32);

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody sleeps until it is free.
const WANTED: u32 = 2;

impl Lock {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(FREE))
    }

    /// Runs with the lock held; `run` must not panic or fault.
    pub(crate) fn with<T>(&self, run: impl FnOnce() -> T) -> T {
        self.acquire();
        let result = run();
        if self.0.swap(FREE, Ordering::Release) == WANTED
            && let Some(platform) = platform::current()
        {
            platform.wake(&self.0, 1);
        }
        result
    }

    fn acquire(&self) {
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        if self
            .0
            .compare_exchange(FREE, HELD, acquire, relaxed)
            .is_ok()
        {
            return;
        }
        while self.0.swap(WANTED, Ordering::Acquire) != FREE {
            // Where nobody can block there is one thread, and the lock is free.
            if let Some(platform) = platform::current() {
                let _ = platform.block(&self.0, WANTED, None);
            }
        }
    }
}

/// A thread that waits; lives on its stack, linked into a queue while the queue's lock allows.
struct Waiter {
    address: usize,
    /// 0 while it waits, 1 once a notify has taken it off the queue.
    woken: AtomicU32,
    next: UnsafeCell<*mut Waiter>,
}

/// The threads that wait at the addresses that fall together, the first to come first.
struct Queue {
    lock: Lock,
    first: UnsafeCell<*mut Waiter>,
}

// SAFETY: `first`, and `next` of every waiter in the queue, are used with the lock held only.
unsafe impl Sync for Queue {}

/// More queues than processors that would contend for one.
const QUEUES: usize = 64;

static QUEUES_BY_ADDRESS: [Queue; QUEUES] = [const {
    Queue {
        lock: Lock::new(),
        first: UnsafeCell::new(ptr::null_mut()),
    }
}; QUEUES];

fn queue(address: usize) -> &'static Queue {
    // Addresses of waits are multiples of 4; golden-ratio hashing spreads the rest.
    let hash = (address as u64 >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    &QUEUES_BY_ADDRESS[(hash >> 58) as usize % QUEUES]
}

impl Queue {
    /// # Safety
    /// The lock is held; the waiter lives until it is taken off again.
    unsafe fn append(&self, waiter: *mut Waiter) {
        // SAFETY: the lock is held, so every waiter in the queue is alive and nobody else's.
        unsafe {
            let mut slot = self.first.get();
            while !(*slot).is_null() {
                slot = (**slot).next.get();
            }
            *slot = waiter;
        }
    }

    /// Takes off the first waiters that `wanted` picks, at most `count` of them, and hands each
    /// to `taken` when it is no longer in the queue.
    ///
    /// # Safety
    /// The lock is held.
    unsafe fn take(
        &self,
        count: u32,
        wanted: impl Fn(*mut Waiter) -> bool,
        mut taken: impl FnMut(*mut Waiter),
    ) -> u32 {
        let mut found = 0;
        // SAFETY: as above; `taken` is called after the last use of the waiter.
        unsafe {
            let mut slot = self.first.get();
            while found < count && !(*slot).is_null() {
                let waiter = *slot;
                if wanted(waiter) {
                    *slot = *(*waiter).next.get();
                    found += 1;
                    taken(waiter);
                } else {
                    slot = (*waiter).next.get();
                }
            }
        }
        found
    }
}

/// `memory.atomic.wait32`.
///
/// # Safety
/// `address` is aligned and inside a shared memory.
#[cfg_attr(feature = "symbols", unsafe(export_name = "wasm_aot_memory_wait32"))]
pub unsafe extern "C" fn memory_wait32(address: *const u32, expected: u32, timeout_ns: i64) -> u32 {
    // SAFETY: the caller's promise; other threads access it by atomic instructions or race.
    let cell = unsafe { AtomicU32::from_ptr(address.cast_mut()) };
    let equal = || u32::from_le(cell.load(Ordering::SeqCst)) == expected;
    wait(address as usize, equal, timeout_ns)
}

/// `memory.atomic.wait64`.
///
/// # Safety
/// `address` is aligned and inside a shared memory.
#[cfg_attr(feature = "symbols", unsafe(export_name = "wasm_aot_memory_wait64"))]
pub unsafe extern "C" fn memory_wait64(address: *const u64, expected: u64, timeout_ns: i64) -> u32 {
    // SAFETY: as above.
    let cell = unsafe { AtomicU64::from_ptr(address.cast_mut()) };
    let equal = || u64::from_le(cell.load(Ordering::SeqCst)) == expected;
    wait(address as usize, equal, timeout_ns)
}

/// `memory.atomic.notify`: the number of threads woken.
///
/// # Safety
/// None is needed: the address is only a name.
#[cfg_attr(feature = "symbols", unsafe(export_name = "wasm_aot_memory_notify"))]
pub unsafe extern "C" fn memory_notify(address: *const u8, count: u32) -> u32 {
    let Some(platform) = platform::current() else {
        return 0;
    };
    let address = address as usize;
    let queue = queue(address);
    queue.lock.with(|| {
        // SAFETY: the lock is held, so the waiters are alive until they are taken off. Once
        // `woken` is set the waiter may be gone: waking is by the word's address alone.
        unsafe {
            queue.take(
                count,
                |waiter| (*waiter).address == address,
                |waiter| {
                    let word = &raw const (*waiter).woken;
                    (*word).store(1, Ordering::Release);
                    platform.wake(word, 1);
                },
            )
        }
    })
}

fn wait(address: usize, equal: impl Fn() -> bool, timeout_ns: i64) -> u32 {
    let Some(platform) = platform::current() else {
        return if equal() { ENDLESS } else { NOT_EQUAL };
    };
    let queue = queue(address);
    let mut waiter = Waiter {
        address,
        woken: AtomicU32::new(0),
        next: UnsafeCell::new(ptr::null_mut()),
    };
    let waiter = &raw mut waiter;
    let deadline = u64::try_from(timeout_ns)
        .ok()
        .map(|timeout| now(platform).saturating_add(timeout));
    let queued = queue.lock.with(|| {
        let equal = equal();
        if equal {
            // SAFETY: the lock is held; this function does not return before it is off again.
            unsafe { queue.append(waiter) };
        }
        equal
    });
    if !queued {
        return NOT_EQUAL;
    }
    // SAFETY: the waiter is alive, and this field is atomic.
    let woken = unsafe { &(*waiter).woken };
    let given_up = sleep(platform, woken, deadline);
    if woken.load(Ordering::Acquire) == 1 {
        return WOKEN;
    }
    // SAFETY: the lock is held.
    let removed = queue
        .lock
        .with(|| unsafe { queue.take(1, |other| ptr::eq(other, waiter), |_| {}) });
    // A notify that came in between has counted this thread.
    if removed == 0 { WOKEN } else { given_up }
}

/// Sleeps until the word is set or the time is over; says what it is if the word is not set.
fn sleep(platform: &dyn Platform, woken: &AtomicU32, deadline: Option<u64>) -> u32 {
    while woken.load(Ordering::Acquire) == 0 {
        let left = match deadline {
            None => None,
            Some(deadline) => match deadline.saturating_sub(now(platform)) {
                0 => return TIMED_OUT,
                left => Some(left),
            },
        };
        if platform.block(woken, 0, left).is_err() {
            // There is no other thread: the time passes, or nothing ever happens.
            let slept = left.is_some_and(|left| platform.wait(Some(left), false).is_ok());
            return if slept { TIMED_OUT } else { ENDLESS };
        }
    }
    WOKEN
}

fn now(platform: &dyn Platform) -> u64 {
    platform.clock_time(Clock::Monotonic).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::setup;
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};
    use std::vec::Vec;

    const SECOND: i64 = 1_000_000_000;

    fn wait32(cell: &AtomicU32, expected: u32, timeout: i64) -> u32 {
        // SAFETY: the cell is aligned and alive.
        unsafe { memory_wait32(cell.as_ptr(), expected, timeout) }
    }

    fn notify(cell: &AtomicU32, count: u32) -> u32 {
        // SAFETY: as above.
        unsafe { memory_notify(cell.as_ptr().cast(), count) }
    }

    /// Notifies until so many threads have been woken.
    fn notify_until(cell: &AtomicU32, mut wanted: u32) {
        let start = Instant::now();
        while wanted > 0 {
            wanted -= notify(cell, wanted);
            assert!(start.elapsed() < Duration::from_secs(30), "nobody waits");
            thread::yield_now();
        }
    }

    #[test]
    fn another_value_does_not_wait_and_a_timeout_ends() {
        setup();
        let cell = AtomicU32::new(7);
        assert_eq!(wait32(&cell, 8, -1), NOT_EQUAL);
        assert_eq!(wait32(&cell, 7, 0), TIMED_OUT);
        let start = Instant::now();
        assert_eq!(wait32(&cell, 7, SECOND / 50), TIMED_OUT);
        assert!(start.elapsed() >= Duration::from_millis(20));
        assert_eq!(notify(&cell, u32::MAX), 0);
    }

    #[test]
    fn wait64_compares_all_bits() {
        setup();
        let cell = AtomicU64::new(1 << 32);
        // SAFETY: the cell is aligned and alive.
        let wait = |expected| unsafe { memory_wait64(cell.as_ptr(), expected, 0) };
        assert_eq!(wait(0), NOT_EQUAL);
        assert_eq!(wait(1 << 32), TIMED_OUT);
    }

    #[test]
    fn notify_wakes_as_many_as_it_says() {
        setup();
        let cell = Arc::new(AtomicU32::new(0));
        let start = |timeout| {
            let cell = Arc::clone(&cell);
            thread::spawn(move || wait32(&cell, 0, timeout))
        };
        let endless: Vec<_> = (0..3).map(|_| start(-1)).collect();
        notify_until(&cell, 3);
        for thread in endless {
            assert_eq!(thread.join().unwrap(), WOKEN);
        }
        assert_eq!(notify(&cell, 1), 0);
    }

    #[test]
    fn a_notify_and_a_timeout_at_the_same_moment_agree() {
        setup();
        // Whatever wins the race: woken threads are exactly those that notify has counted.
        for _ in 0..200 {
            let cell = Arc::new(AtomicU32::new(0));
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let cell = Arc::clone(&cell);
                    thread::spawn(move || wait32(&cell, 0, 50_000))
                })
                .collect();
            let mut counted = 0;
            while !threads.iter().all(thread::JoinHandle::is_finished) {
                counted += notify(&cell, 2);
            }
            let woken = threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .filter(|&outcome| outcome == WOKEN)
                .count();
            assert_eq!(woken as u32, counted);
        }
    }

    #[test]
    fn the_lock_lets_one_in() {
        setup();
        static LOCK: Lock = Lock::new();
        static mut COUNT: u64 = 0;
        let count = || {
            for _ in 0..10_000 {
                // SAFETY: the lock is held.
                LOCK.with(|| unsafe { COUNT += 1 });
            }
        };
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(count)).collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        // SAFETY: nobody else is left.
        assert_eq!(unsafe { COUNT }, 40_000);
    }
}
