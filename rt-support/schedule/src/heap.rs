// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A priority queue of task numbers: the least key first, equal keys by number.
//!
//! A binary heap with an index: where each task stands is known, so that its key can be changed
//! and it can be taken out in O(log n) without searching. The timers and the ready queue are two
//! of these.

/// The position of a task that is not in the heap.
const ABSENT: u16 = u16::MAX;
/// An entry: the key, then the number of the task in so many bits. One comparison orders both.
const TASK_BITS: u32 = 16;

#[inline]
fn entry(key: u64, task: usize) -> u128 {
    (u128::from(key) << TASK_BITS) | task as u128
}

#[inline]
fn task_of(entry: u128) -> usize {
    usize::from(entry as u16)
}

/// At most `N` tasks, each at most once.
pub(crate) struct IndexHeap<const N: usize> {
    /// The heap: no entry is below the one at half its position.
    entries: [u128; N],
    /// Position of each task in `entries`, or [`ABSENT`].
    positions: [u16; N],
    len: usize,
}

impl<const N: usize> IndexHeap<N> {
    pub const fn new() -> Self {
        Self {
            entries: [0; N],
            positions: [ABSENT; N],
            len: 0,
        }
    }

    /// The least key and its task.
    #[inline]
    pub fn first(&self) -> Option<(u64, usize)> {
        if self.len == 0 {
            return None;
        }
        let first = self.entries[0];
        Some(((first >> TASK_BITS) as u64, task_of(first)))
    }

    /// Whether the task is in the heap.
    #[cfg(test)]
    pub fn contains(&self, task: usize) -> bool {
        self.positions[task] != ABSENT
    }

    /// The tasks that are in the heap, in no particular order.
    pub fn members(&self) -> impl Iterator<Item = usize> + '_ {
        self.entries[..self.len].iter().map(|&entry| task_of(entry))
    }

    /// Puts the task in with this key, or moves it to where the key belongs.
    #[inline]
    pub fn set(&mut self, task: usize, key: u64) {
        let position = usize::from(self.positions[task]);
        let new = entry(key, task);
        if position >= N {
            let last = self.len;
            self.len += 1;
            self.rise(last, new);
            return;
        }
        let before = self.entries[position];
        if new < before {
            self.rise(position, new);
        } else if new > before {
            self.sink(position, new);
        }
    }

    /// Takes the task out, if it is in.
    #[inline]
    pub fn remove(&mut self, task: usize) {
        let hole = usize::from(self.positions[task]);
        if hole < N {
            self.positions[task] = ABSENT;
            self.len -= 1;
            self.fill(hole);
        }
    }

    /// Puts the last entry, which has no place any more, where one was taken out.
    fn fill(&mut self, hole: usize) {
        if hole == self.len {
            return;
        }
        let moved = self.entries[self.len];
        if hole > 0 && moved < self.entries[(hole - 1) / 2] {
            self.rise(hole, moved);
        } else {
            self.sink(hole, moved);
        }
    }

    #[inline]
    fn put(&mut self, position: usize, entry: u128) {
        self.entries[position] = entry;
        // At most `N` tasks, and `N` is below `ABSENT`: the number fits.
        self.positions[task_of(entry)] = position as u16;
    }

    /// Puts the entry at the position or nearer to the front.
    fn rise(&mut self, mut position: usize, entry: u128) {
        while position > 0 {
            let above = (position - 1) / 2;
            let parent = self.entries[above];
            if parent <= entry {
                break;
            }
            self.put(position, parent);
            position = above;
        }
        self.put(position, entry);
    }

    /// Puts the entry at the position or farther from the front.
    fn sink(&mut self, mut position: usize, entry: u128) {
        // Cannot be more: the compiler drops what it would otherwise check at each step.
        let len = self.len.min(N);
        loop {
            let mut below = 2 * position + 1;
            if below >= len {
                break;
            }
            let mut child = self.entries[below];
            if below + 1 < len {
                let right = self.entries[below + 1];
                if right < child {
                    below += 1;
                    child = right;
                }
            }
            if entry <= child {
                break;
            }
            self.put(position, child);
            position = below;
        }
        self.put(position, entry);
    }

    /// Whether positions and entries agree.
    #[cfg(test)]
    pub fn is_consistent(&self) -> bool {
        let present = (0..N).filter(|&task| self.contains(task)).count();
        let ordered = (1..self.len).all(|at| self.entries[(at - 1) / 2] < self.entries[at]);
        let placed =
            (0..self.len).all(|at| usize::from(self.positions[task_of(self.entries[at])]) == at);
        present == self.len && ordered && placed
    }

    /// The key of a task that is in the heap.
    #[cfg(test)]
    pub fn key(&self, task: usize) -> Option<u64> {
        let entry = self.entries.get(usize::from(self.positions[task]))?;
        Some((entry >> TASK_BITS) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_key_comes_first_and_equal_keys_by_number() {
        let mut heap = IndexHeap::<4>::new();
        assert_eq!(heap.first(), None);
        for (task, key) in [(2, 7), (0, 9), (3, 7), (1, 8)] {
            heap.set(task, key);
        }
        let mut order = [(0, 0); 4];
        for slot in &mut order {
            *slot = heap.first().unwrap();
            heap.remove(slot.1);
        }
        assert_eq!(order, [(7, 2), (7, 3), (8, 1), (9, 0)]);
        assert_eq!(heap.first(), None);
    }

    #[test]
    fn random_operations_agree_with_a_list() {
        const N: usize = 23;
        let mut heap = IndexHeap::<N>::new();
        let mut model: [Option<u64>; N] = [None; N];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..50_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let task = (state >> 8) as usize % N;
            if state.is_multiple_of(3) {
                heap.remove(task);
                model[task] = None;
            } else {
                heap.set(task, (state >> 32) % 50);
                model[task] = Some((state >> 32) % 50);
            }
            assert!(heap.is_consistent());
            assert_eq!(heap.key(task), model[task]);
            let least = (0..N).filter_map(|task| Some((model[task]?, task))).min();
            assert_eq!(heap.first(), least);
        }
    }
}
