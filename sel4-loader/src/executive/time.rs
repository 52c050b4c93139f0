// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Time in nanoseconds since the root task began, from the time stamp counter.

use core::arch::x86_64::_rdtsc;

/// Ticks of the time stamp counter.
pub fn ticks() -> u64 {
    // SAFETY: reading the counter has no effect on memory, and the kernel leaves it enabled.
    unsafe { _rdtsc() }
}

/// Turns ticks into nanoseconds: one multiplication.
#[derive(Clone, Copy)]
pub struct Clock {
    begin: u64,
    /// Nanoseconds a tick, 2^-32 of them.
    scale: u64,
}

impl Clock {
    /// A clock that began at a tick; `hz` is not 0.
    pub fn new(begin: u64, hz: u64) -> Self {
        let scale = (1_000_000_000u128 << 32) / u128::from(hz);
        Self {
            begin,
            scale: scale as u64,
        }
    }

    /// Now.
    pub fn now(&self) -> u64 {
        self.at(ticks())
    }

    /// The time of a tick.
    pub fn at(&self, tick: u64) -> u64 {
        let ticks = tick.wrapping_sub(self.begin);
        ((u128::from(ticks) * u128::from(self.scale)) >> 32) as u64
    }
}
