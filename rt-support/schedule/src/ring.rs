// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The tasks that share idle time, in a ring: each has its turn, then goes to the end.

/// "No task": the link of one that is not in the ring.
const ABSENT: u16 = u16::MAX;

/// At most `N` tasks, each at most once; doubly linked, so that any of them can leave.
pub(crate) struct Ring<const N: usize> {
    next: [u16; N],
    previous: [u16; N],
    /// Whose turn it is, or [`ABSENT`].
    head: u16,
    len: u16,
}

impl<const N: usize> Ring<N> {
    pub const fn new() -> Self {
        Self {
            next: [ABSENT; N],
            previous: [ABSENT; N],
            head: ABSENT,
            len: 0,
        }
    }

    /// Whose turn it is.
    #[inline]
    pub fn head(&self) -> Option<usize> {
        (self.head != ABSENT).then_some(usize::from(self.head))
    }

    /// How many share.
    #[inline]
    pub fn len(&self) -> u16 {
        self.len
    }

    /// Whether the task is in the ring.
    #[inline]
    pub fn contains(&self, task: usize) -> bool {
        self.next[task] != ABSENT
    }

    /// Puts the task at the end, if it is not in the ring.
    pub fn push(&mut self, task: usize) {
        if self.contains(task) {
            return;
        }
        // `N` is below `ABSENT`: the numbers fit.
        let number = task as u16;
        let (next, previous) = match self.head() {
            None => {
                self.head = number;
                (number, number)
            }
            Some(head) => {
                let last = self.previous[head];
                self.next[usize::from(last)] = number;
                self.previous[head] = number;
                (self.head, last)
            }
        };
        self.next[task] = next;
        self.previous[task] = previous;
        self.len += 1;
    }

    /// Takes the task out, if it is in. Says whether it was its turn.
    pub fn remove(&mut self, task: usize) -> bool {
        if !self.contains(task) {
            return false;
        }
        let (next, previous) = (self.next[task], self.previous[task]);
        let was_head = usize::from(self.head) == task;
        self.next[usize::from(previous)] = next;
        self.previous[usize::from(next)] = previous;
        if was_head {
            self.head = if self.len == 1 { ABSENT } else { next };
        }
        self.next[task] = ABSENT;
        self.previous[task] = ABSENT;
        self.len -= 1;
        was_head
    }

    /// The turn passes to the next one.
    #[inline]
    pub fn rotate(&mut self) {
        if let Some(head) = self.head() {
            self.head = self.next[head];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ring's tasks from the head on.
    fn order<const N: usize>(ring: &Ring<N>) -> std::vec::Vec<usize> {
        let mut tasks = std::vec::Vec::new();
        let mut at = ring.head;
        for _ in 0..ring.len() {
            tasks.push(usize::from(at));
            at = ring.next[usize::from(at)];
        }
        assert_eq!(at, ring.head);
        tasks
    }

    #[test]
    fn turns_go_round_and_any_task_can_leave() {
        let mut ring = Ring::<5>::new();
        assert!(!ring.remove(1));
        for task in [3, 1, 4, 1, 0] {
            ring.push(task);
        }
        assert_eq!(order(&ring), [3, 1, 4, 0]);
        ring.rotate();
        assert_eq!(order(&ring), [1, 4, 0, 3]);
        assert!(!ring.remove(4));
        assert!(ring.remove(1));
        assert_eq!(order(&ring), [0, 3]);
        ring.push(1);
        assert_eq!(order(&ring), [0, 3, 1]);
        for task in [0, 3, 1] {
            assert!(ring.remove(task));
        }
        assert_eq!(ring.head(), None);
        assert_eq!(ring.len(), 0);
        ring.rotate();
        ring.push(2);
        assert_eq!(order(&ring), [2]);
    }
}
