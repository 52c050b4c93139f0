// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A priority queue of task numbers: the least key first, equal keys by number.
//!
//! A binary heap with an index: where each task stands is known, so that its key can be changed
//! and it can be taken out in O(log n) without searching. The timers and the ready queue are two
//! of these.

/// The position of a task that is not in the heap.
const ABSENT: u16 = u16::MAX;

/// At most `N` tasks, each at most once.
pub(crate) struct IndexHeap<const N: usize> {
    /// Key of each task; meaningless where it is absent.
    keys: [u64; N],
    /// Position of each task in `order`, or [`ABSENT`].
    positions: [u16; N],
    /// The heap.
    order: [u16; N],
    len: usize,
}

impl<const N: usize> IndexHeap<N> {
    pub const fn new() -> Self {
        Self {
            keys: [0; N],
            positions: [ABSENT; N],
            order: [0; N],
            len: 0,
        }
    }

    /// The least key and its task.
    #[inline]
    pub fn first(&self) -> Option<(u64, usize)> {
        if self.len == 0 {
            return None;
        }
        let task = usize::from(self.order[0]);
        Some((self.keys[task], task))
    }

    /// Whether the task is in the heap.
    #[cfg(test)]
    pub fn contains(&self, task: usize) -> bool {
        self.positions[task] != ABSENT
    }

    /// The tasks that are in the heap, in no particular order.
    pub fn members(&self) -> impl Iterator<Item = usize> + '_ {
        self.order[..self.len].iter().map(|&task| usize::from(task))
    }

    /// Puts the task in with this key, or moves it to where the key belongs.
    pub fn set(&mut self, task: usize, key: u64) {
        let position = self.positions[task];
        if position == ABSENT {
            let last = self.len;
            self.len += 1;
            self.keys[task] = key;
            self.rise(last, task);
            return;
        }
        let before = self.keys[task];
        self.keys[task] = key;
        match key.cmp(&before) {
            core::cmp::Ordering::Less => self.rise(usize::from(position), task),
            core::cmp::Ordering::Equal => {}
            core::cmp::Ordering::Greater => self.sink(usize::from(position), task),
        }
    }

    /// Takes the task out, if it is in.
    pub fn remove(&mut self, task: usize) {
        let position = self.positions[task];
        if position == ABSENT {
            return;
        }
        self.positions[task] = ABSENT;
        self.len -= 1;
        let moved = usize::from(self.order[self.len]);
        let hole = usize::from(position);
        if hole == self.len {
            return;
        }
        if hole > 0 && self.precedes(moved, usize::from(self.order[(hole - 1) / 2])) {
            self.rise(hole, moved);
        } else {
            self.sink(hole, moved);
        }
    }

    #[inline]
    fn precedes(&self, a: usize, b: usize) -> bool {
        (self.keys[a], a) < (self.keys[b], b)
    }

    #[inline]
    fn put(&mut self, position: usize, task: usize) {
        // At most `N` tasks, and `N` is below `ABSENT`: the numbers fit.
        self.order[position] = task as u16;
        self.positions[task] = position as u16;
    }

    /// Puts the task at the position or nearer to the front.
    fn rise(&mut self, mut position: usize, task: usize) {
        while position > 0 {
            let above = (position - 1) / 2;
            let parent = usize::from(self.order[above]);
            if !self.precedes(task, parent) {
                break;
            }
            self.put(position, parent);
            position = above;
        }
        self.put(position, task);
    }

    /// Puts the task at the position or farther from the front.
    fn sink(&mut self, mut position: usize, task: usize) {
        loop {
            let mut below = 2 * position + 1;
            if below >= self.len {
                break;
            }
            let mut child = usize::from(self.order[below]);
            if below + 1 < self.len {
                let right = usize::from(self.order[below + 1]);
                if self.precedes(right, child) {
                    below += 1;
                    child = right;
                }
            }
            if !self.precedes(child, task) {
                break;
            }
            self.put(position, child);
            position = below;
        }
        self.put(position, task);
    }

    /// Whether positions, order and keys agree.
    #[cfg(test)]
    pub fn is_consistent(&self) -> bool {
        let present = (0..N).filter(|&task| self.contains(task)).count();
        let ordered = (1..self.len).all(|position| {
            let parent = usize::from(self.order[(position - 1) / 2]);
            !self.precedes(usize::from(self.order[position]), parent)
        });
        let placed = (0..self.len).all(|position| {
            usize::from(self.positions[usize::from(self.order[position])]) == position
        });
        present == self.len && ordered && placed
    }

    /// The key of a task that is in the heap.
    #[cfg(test)]
    pub fn key(&self, task: usize) -> Option<u64> {
        self.contains(task).then(|| self.keys[task])
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
