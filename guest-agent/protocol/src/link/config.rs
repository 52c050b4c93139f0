// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The times of a link, and what it counts.

use crate::MS;

/// Times of a link, all in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// When a message is sent again, before anything is known about the line.
    pub timeout_first_ns: u64,
    /// The same, at least.
    pub timeout_min_ns: u64,
    /// The same, at most.
    pub timeout_max_ns: u64,
    /// The agent asks after so much silence whether the loader is there.
    pub probe_ns: u64,
    /// A session ends after so much silence.
    pub dead_ns: u64,
    /// Messages that are taken at once, at most.
    pub window: u16,
}

impl Config {
    /// For shared memory. What is late there is hardly ever lost: the other side has no time.
    pub const SHARED: Self = Self {
        timeout_first_ns: 100 * MS,
        timeout_min_ns: 50 * MS,
        timeout_max_ns: 500 * MS,
        probe_ns: 500 * MS,
        dead_ns: 5_000 * MS,
        window: 64,
    };
    /// For a serial line with 115,200 bits a second or more.
    pub const SERIAL: Self = Self {
        timeout_first_ns: 500 * MS,
        timeout_min_ns: 100 * MS,
        timeout_max_ns: 2_000 * MS,
        probe_ns: 1_000 * MS,
        dead_ns: 10_000 * MS,
        window: 4,
    };
}

/// What a link has seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Frames that arrived undamaged.
    pub received: u64,
    /// Things that arrived and were no frame.
    pub damaged: u64,
    /// Frames of a session that there is not.
    pub strange: u64,
    /// Messages that were not expected: doubled, reordered, or behind a lost one.
    pub unexpected: u64,
    /// Messages that were sent again.
    pub repeated: u64,
}
