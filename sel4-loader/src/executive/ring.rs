// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What an app has written and nobody has sent yet: a ring of words. The executive puts in, the
//! manager takes out, neither waits for the other.
//!
//! An entry is a word (stream in the upper half, bytes in the lower one) and the bytes, padded to
//! words.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Words of a ring.
const WORDS: usize = 1024;
/// Indices are taken modulo this.
const MASK: u32 = WORDS as u32 - 1;
const _: () = assert!(WORDS.is_power_of_two());

/// The ring. Indices run on; their difference is what is in it.
pub struct Ring {
    words: [AtomicU64; WORDS],
    /// Written by who takes out.
    taken: AtomicU32,
    /// Written by who puts in.
    put: AtomicU32,
}

impl Ring {
    /// An empty one, in place: it is too large for a stack.
    pub const fn new() -> Self {
        Self {
            words: [const { AtomicU64::new(0) }; WORDS],
            taken: AtomicU32::new(0),
            put: AtomicU32::new(0),
        }
    }

    /// Forgets everything; nobody uses it meanwhile.
    pub fn clear(&self) {
        self.taken
            .store(self.put.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.used() == 0
    }

    /// Words that are in it.
    fn used(&self) -> usize {
        let taken = self.taken.load(Ordering::Acquire);
        self.put.load(Ordering::Acquire).wrapping_sub(taken) as usize
    }

    /// At least half of it is free.
    pub fn has_room(&self) -> bool {
        self.used() <= WORDS / 2
    }

    /// Puts an entry in, whose words are in two pieces; says whether there was room.
    pub fn put(&self, stream: u64, bytes: usize, first: &[u64], words: &[u64]) -> bool {
        if WORDS - self.used() < first.len() + words.len() + 1 {
            return false;
        }
        let head = stream << 32 | bytes as u64;
        let mut at = self.put.load(Ordering::Relaxed);
        for piece in [&[head], first, words] {
            for word in piece {
                self.words[(at & MASK) as usize].store(*word, Ordering::Relaxed);
                at = at.wrapping_add(1);
            }
        }
        self.put.store(at, Ordering::Release);
        true
    }

    /// Takes an entry out: its stream, and its bytes into `to`, as many as fit.
    pub fn take(&self, to: &mut [u8]) -> Option<(u64, usize)> {
        if self.used() == 0 {
            return None;
        }
        let taken = self.taken.load(Ordering::Relaxed);
        let word = |at: u32| self.words[(at & MASK) as usize].load(Ordering::Relaxed);
        let head = word(taken);
        let bytes = (head & 0xffff_ffff) as usize;
        let count = bytes.min(to.len());
        let mut at = taken.wrapping_add(1);
        for chunk in to[..count].chunks_mut(8) {
            chunk.copy_from_slice(&word(at).to_le_bytes()[..chunk.len()]);
            at = at.wrapping_add(1);
        }
        let words = bytes.div_ceil(8) as u32;
        self.taken
            .store(taken.wrapping_add(1 + words), Ordering::Release);
        Some((head >> 32, count))
    }
}
