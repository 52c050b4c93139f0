// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where tasks wait, and what the time that they use is charged to.

use super::{Executive, Life, NEVER, Policy, Queue};

/// The ready queue's key for fixed priorities has the priority in its highest byte, and the
/// number of the release below: 2^56 releases are enough for two millennia at a million a second.
const PRIORITY_SHIFT: u32 = 56;

impl<const N: usize> Executive<N> {
    /// Charges the time since the latest call to who has the processor. Time that runs backwards
    /// stands still.
    pub(super) fn charge(&mut self, now: u64) {
        self.entered = true;
        let now = now.max(self.now);
        let elapsed = now - self.now;
        let began = core::mem::replace(&mut self.now, now);
        let Some(running) = self.dispatched.filter(|_| elapsed > 0) else {
            return;
        };
        let task = running.task;
        self.counters[task].processor_ns += elapsed;
        let row = &mut self.tasks[task];
        row.executed += elapsed;
        if row.blocked {
            // It has paid for this; from here on it pays for being blocked.
            row.blocked_at = now;
        }
        if !running.on_budget {
            if self.idle.head() == Some(task) {
                self.charge_quantum(elapsed);
            }
        } else if elapsed < row.remaining {
            row.remaining -= elapsed;
        } else if row.remaining > 0 {
            if row.place() == Queue::Ready {
                row.overrun_at = began + row.remaining;
            }
            row.remaining = 0;
            self.settle(task);
        }
    }

    /// When `running` has to be interrupted, at `alarm` or before: for a deadline of its own, or
    /// for the end of the sleep of somebody who is more urgent.
    pub(super) fn own_alarm(&self, running: usize, alarm: u64) -> u64 {
        if self.own.first().is_none_or(|(due, _)| due >= alarm) {
            return alarm;
        }
        let key = self.tasks[running].key;
        let mut earliest = alarm;
        for task in self.own.members() {
            let row = &self.tasks[task];
            if task == running {
                earliest = earliest.min(row.deadline_at);
            } else if row.wake_at < earliest
                && (row.key, task) < (key, running)
                && row.pays_at_wake(self.wake_cost)
            {
                earliest = row.wake_at;
            }
        }
        earliest
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
        let (key, due, own) = (row.key, row.next_event(self.policy), row.next_own_event());
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
        if own == NEVER {
            self.own.remove(task);
        } else {
            self.own.set(task, own);
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
