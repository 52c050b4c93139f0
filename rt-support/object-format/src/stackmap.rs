// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Stack maps: where the frames of a call in progress hold references into the heap.
//!
//! A table of 32-bit words in the object's read-only data, found through
//! [`crate::descriptor::Registration::stack_maps`]: its length in words and the number of its
//! entries; for each entry the offset of a return address from the start of `.text`, ascending;
//! for each entry three words, [`Entry`]; then the slots that the entries refer to: offsets of
//! words from the frame's stack pointer.

/// Words before the entries.
const HEADER: usize = 2;

/// What is known of a frame whose callee returns to a certain address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// The frame's stack pointer is so many bytes below its frame pointer.
    pub frame_size: u32,
    /// Offsets from the stack pointer, in bytes, of words that are references.
    pub slots: &'a [u32],
}

/// A table of stack maps.
#[derive(Clone, Copy, Debug)]
pub struct StackMaps<'a> {
    words: &'a [u32],
}

impl<'a> StackMaps<'a> {
    /// The length in words of a table that begins with `first`.
    #[must_use]
    pub fn length(first: u32) -> usize {
        first as usize
    }

    /// The table in these words.
    #[must_use]
    pub fn new(words: &'a [u32]) -> Self {
        Self { words }
    }

    fn count(&self) -> usize {
        self.words.get(1).map_or(0, |&count| count as usize)
    }

    /// The map for a return address, as offset from the start of `.text`.
    #[must_use]
    pub fn lookup(&self, return_offset: u32) -> Option<Entry<'a>> {
        let count = self.count();
        let offsets = self.words.get(HEADER..HEADER + count)?;
        let position = offsets.binary_search(&return_offset).ok()?;
        let entry = HEADER + count + position * 3;
        let &[frame_size, first, slots] = self.words.get(entry..entry + 3)? else {
            return None;
        };
        let first = HEADER + count * 4 + first as usize;
        let slots = self.words.get(first..first + slots as usize)?;
        Some(Entry { frame_size, slots })
    }
}

/// Writing (feature `write`).
#[cfg(feature = "write")]
mod write {
    use super::HEADER;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    /// The words of a table. `entries` ascend strictly by their return address: its offset, the
    /// size of the frame, the slots.
    #[must_use]
    pub fn stack_maps(entries: &[(u32, u32, Vec<u32>)]) -> Vec<u32> {
        let (mut descriptions, mut slots) = (Vec::new(), Vec::new());
        let mut known = BTreeMap::new();
        for (_, frame_size, list) in entries {
            let first = *known.entry(list).or_insert_with(|| {
                slots.extend_from_slice(list);
                slots.len() - list.len()
            });
            descriptions.extend([*frame_size, first as u32, list.len() as u32]);
        }
        let total = HEADER + entries.len() * 4 + slots.len();
        let mut words = Vec::with_capacity(total);
        words.extend([total as u32, entries.len() as u32]);
        words.extend(entries.iter().map(|entry| entry.0));
        words.extend(descriptions);
        words.extend(slots);
        words
    }
}
#[cfg(feature = "write")]
pub use write::stack_maps;

#[cfg(all(test, feature = "write"))]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn maps_are_found_by_return_address() {
        let words = stack_maps(&[
            (8, 32, vec![0, 16]),
            (20, 48, vec![8]),
            (30, 48, vec![0, 16]),
        ]);
        assert_eq!(StackMaps::length(words[0]), words.len());
        let maps = StackMaps::new(&words);
        let entry = maps.lookup(20).unwrap();
        assert_eq!((entry.frame_size, entry.slots), (48, &[8][..]));
        assert_eq!(maps.lookup(8).unwrap().slots, [0, 16]);
        assert_eq!(maps.lookup(30).unwrap().slots, [0, 16]);
        assert_eq!(maps.lookup(21), None);
        assert_eq!(StackMaps::new(&[]).lookup(0), None);
        for length in 0..words.len() {
            let _ = StackMaps::new(&words[..length]).lookup(30);
        }
    }
}
