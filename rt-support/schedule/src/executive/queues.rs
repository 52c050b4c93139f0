// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where tasks wait, and what the time that they use is charged to.

use super::{Executive, Life, NEVER, Policy, Queue};

/// The ready queue's key for fixed priorities has the priority in its highest byte, and the
/// number of the release below: 2^56 releases are enough for two millennia at a million a second.
const PRIORITY_SHIFT: u32 = 56;

impl<const N: usize> Executive<N> {
    /// Charges the time since the last decision to who had the processor, once. From here to the
    /// next decision time is the executive's own. Time that runs backwards stands still.
    pub(super) fn charge(&mut self, now: u64) {
        let now = now.max(self.now);
        let elapsed = now - self.now;
        let began = core::mem::replace(&mut self.now, now);
        let Some(running) = self.dispatched.take() else {
            return;
        };
        let task = running.task;
        self.counters[task].processor_ns += elapsed;
        let row = &mut self.tasks[task];
        row.executed += elapsed;
        if !running.on_budget {
            self.charge_quantum(elapsed);
        } else if elapsed < row.remaining {
            row.remaining -= elapsed;
        } else {
            row.overrun_at = began + row.remaining;
            row.remaining = 0;
            self.settle(task);
        }
    }

    fn charge_quantum(&mut self, elapsed: u64) {
        if elapsed < self.quantum_left {
            self.quantum_left -= elapsed;
        } else {
            self.idle.rotate();
            self.quantum_left = self.quantum;
        }
    }

    /// Puts the task where its state says that it belongs: into a queue or out of it, and its
    /// timer to when something is due next.
    pub(super) fn settle(&mut self, task: usize) {
        let row = &mut self.tasks[task];
        let place = row.place();
        let before = core::mem::replace(&mut row.queue, place);
        let (key, due) = (row.key, row.next_event(self.policy));
        if before != place {
            match before {
                Queue::Nowhere => {}
                Queue::Ready => self.ready.remove(task),
                Queue::Idle => {
                    if self.idle.remove(task) {
                        self.quantum_left = self.quantum;
                    }
                }
            }
        }
        match place {
            Queue::Nowhere => {}
            Queue::Ready => self.ready.set(task, key),
            Queue::Idle => {
                if self.idle.len() == 0 {
                    self.quantum_left = self.quantum;
                }
                self.idle.push(task);
            }
        }
        if due == NEVER {
            self.timers.remove(task);
        } else {
            self.timers.set(task, due);
        }
    }

    /// The place of a job in the ready queue that is released now and due then.
    #[inline]
    pub(super) fn key(&mut self, task: usize, deadline: u64) -> u64 {
        match self.policy {
            Policy::EarliestDeadline => deadline,
            Policy::FixedPriority => {
                self.sequence += 1;
                let less_urgent = u64::from(u8::MAX - self.tasks[task].parameters.priority);
                (less_urgent << PRIORITY_SHIFT) | self.sequence
            }
        }
    }

    /// Gives the job up, if there is one. The task waits, or is stopped if it was initialising.
    pub(super) fn abandon(&mut self, task: usize) {
        if self.tasks[task].finished_at != NEVER {
            self.finish(task, self.tasks[task].finished_at);
        }
        let row = &mut self.tasks[task];
        let counted = row.active && row.life == Life::Started;
        self.counters[task].abandoned += u64::from(counted);
        row.clear_job();
        if row.life == Life::Initialising {
            row.life = Life::Stopped;
            row.suspended = false;
        }
        self.settle(task);
    }

    /// Stops the task, its job given up.
    pub(super) fn halt(&mut self, task: usize) {
        self.abandon(task);
        let row = &mut self.tasks[task];
        row.life = Life::Stopped;
        row.suspended = false;
        self.settle(task);
    }
}
