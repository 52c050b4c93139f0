// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What making an app takes, by its parts.

use core::fmt;
use core::ops::Range;

/// Nanoseconds of each part.
#[derive(Clone, Copy, Default, Debug)]
pub struct Times {
    /// Reading and checking the object, looking up what it imports.
    pub parse_ns: u64,
    /// The address space, and the app's runtime in it.
    pub space_ns: u64,
    /// Copying the object's image and relocating it.
    pub copy_ns: u64,
    /// Making and mapping everything else: frames, memories, stack.
    pub map_ns: u64,
    /// Start-up pages and thread.
    pub thread_ns: u64,
}

impl Times {
    /// All of it.
    pub fn total_ns(&self) -> u64 {
        self.parse_ns + self.space_ns + self.copy_ns + self.map_ns + self.thread_ns
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.parse_ns,
            self.space_ns,
            self.copy_ns,
            self.map_ns,
            self.thread_ns,
            self.total_ns(),
        ];
        let [parse, space, copy, map, thread, total] = parts.map(|ns| ns / 1000);
        write!(
            f,
            "parse {parse}, address space {space}, copy and relocate {copy}, map {map}, \
             thread {thread}, together {total} us"
        )
    }
}

/// Nanoseconds between two moments.
pub fn between(moments: Range<u64>) -> u64 {
    moments.end.saturating_sub(moments.start)
}
