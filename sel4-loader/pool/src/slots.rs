// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which slots are used: one bit each.

use crate::{Full, reserve};
use alloc::vec::Vec;
use core::ops::Range;

const WORD: u64 = u64::BITS as u64;

/// A range of slots.
pub(crate) struct Slots {
    first: u64,
    /// A bit for each slot, 1 where it is used. Behind the last one they all are.
    words: Vec<u64>,
    free: u64,
    /// All words below are full.
    low: usize,
}

impl Slots {
    /// A range of which nothing is used.
    pub fn new(range: Range<u64>) -> Result<Self, Full> {
        let count = range.end.saturating_sub(range.start);
        let length = count.div_ceil(WORD) as usize;
        let mut words = Vec::new();
        reserve(&mut words, length)?;
        words.resize(length, 0);
        if let (Some(last), used @ 1..) = (words.last_mut(), count % WORD) {
            *last = u64::MAX << used;
        }
        Ok(Self {
            first: range.start,
            words,
            free: count,
            low: 0,
        })
    }

    /// How many are free.
    pub fn free(&self) -> u64 {
        self.free
    }

    /// Takes consecutive slots, the lowest there are; gives the first.
    pub fn take(&mut self, count: u64) -> Option<u64> {
        if count > self.free {
            return None;
        }
        let start = self.find(count)?;
        self.mark(start, count, true);
        self.free -= count;
        Some(self.first + start)
    }

    /// Gives slots back.
    pub fn give(&mut self, first: u64, count: u64) {
        let start = first - self.first;
        self.mark(start, count, false);
        self.free += count;
        self.low = self.low.min((start / WORD) as usize);
    }

    /// Number of the first of so many consecutive free slots.
    fn find(&mut self, count: u64) -> Option<u64> {
        while self.words.get(self.low) == Some(&u64::MAX) {
            self.low += 1;
        }
        let (mut start, mut length) = (0, 0);
        for (index, &word) in self.words.iter().enumerate().skip(self.low) {
            let mut bit = 0;
            while bit < WORD {
                let rest = word >> bit;
                // Zeroes came in from above: at most the bits that are left.
                let zeroes = u64::from(rest.trailing_zeros()).min(WORD - bit);
                if length == 0 {
                    start = index as u64 * WORD + bit;
                }
                length += zeroes;
                if length >= count {
                    return Some(start);
                }
                bit += zeroes;
                if bit < WORD {
                    length = 0;
                    bit += u64::from((word >> bit).trailing_ones());
                }
            }
        }
        None
    }

    fn mark(&mut self, start: u64, count: u64, used: bool) {
        let end = start + count;
        let mut at = start;
        while at < end {
            let (bit, index) = (at % WORD, (at / WORD) as usize);
            let here = (WORD - bit).min(end - at);
            let mask = (u64::MAX >> (WORD - here)) << bit;
            let word = &mut self.words[index];
            debug_assert_eq!(*word & mask, if used { 0 } else { mask });
            if used {
                *word |= mask;
            } else {
                *word &= !mask;
            }
            at += here;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn the_lowest_run_is_taken() {
        let mut slots = Slots::new(100..400).unwrap();
        assert_eq!(slots.free(), 300);
        assert_eq!(slots.take(70), Some(100));
        assert_eq!(slots.take(1), Some(170));
        assert_eq!(slots.take(129), Some(171));
        slots.give(100, 70);
        assert_eq!(slots.take(71), Some(300));
        assert_eq!(slots.take(70), Some(100));
        assert_eq!(slots.take(30), None);
        assert_eq!(slots.take(29), Some(371));
        assert_eq!((slots.free(), slots.take(1)), (0, None));
    }

    #[test]
    fn a_run_may_cross_words_and_ends_with_the_range() {
        let mut slots = Slots::new(0..130).unwrap();
        assert_eq!(slots.take(131), None);
        assert_eq!(slots.take(130), Some(0));
        slots.give(60, 10);
        assert_eq!(slots.take(10), Some(60));
        slots.give(127, 3);
        assert_eq!(slots.take(4), None);
        assert_eq!(slots.take(3), Some(127));
    }

    #[test]
    fn an_empty_range_has_nothing() {
        let mut slots = Slots::new(7..7).unwrap();
        assert_eq!((slots.free(), slots.take(1)), (0, None));
    }
}
