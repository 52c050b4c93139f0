// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What is due: releases, replenishments, deadlines, ends of budgets and of sleeps, completions.

use super::{Class, Executive, Life, NEVER, Notice, Policy, Reaction, TaskId};

impl<const N: usize> Executive<N> {
    /// Does what is due of the task at that time: one thing, the first where there are several.
    pub(super) fn handle(&mut self, task: usize, due: u64, notices: &mut dyn FnMut(Notice)) {
        let row = &self.tasks[task];
        // `N` is below `u16::MAX`.
        let id = TaskId(task as u16);
        if row.finished_at <= due {
            self.finish(task, due);
        } else if row.wake_at <= due {
            self.unblock(task, self.wake_cost);
            notices(Notice::Woken(id));
        } else if row.overrun_at <= due {
            self.overrun(task, id, notices);
        } else if row.deadline_at <= due {
            self.miss(task, id, notices);
        } else if row.parameters.class == Class::Periodic {
            self.release(task, id, notices);
        } else {
            self.replenish_server(task, id, notices);
        }
    }

    /// The job is done, at that time.
    pub(super) fn finish(&mut self, task: usize, at: u64) {
        let row = &mut self.tasks[task];
        let (response, executed) = (at - row.released_at, row.executed);
        let initialised = row.life == Life::Initialising;
        row.clear_job();
        if initialised {
            row.life = Life::Stopped;
            row.suspended = false;
        } else {
            let counters = &mut self.counters[task];
            counters.completions += 1;
            counters.response.record(response);
            counters.execution.record(executed);
        }
        self.settle(task);
    }

    /// A periodic task's next release: a new job, or the next budget of one that is not done.
    fn release(&mut self, task: usize, id: TaskId, notices: &mut dyn FnMut(Notice)) {
        let now = self.now;
        let row = &mut self.tasks[task];
        let (period, deadline) = (row.parameters.period, row.parameters.deadline);
        let mut skipped = u64::from(row.active);
        let mut release = row.refill_at;
        if release.saturating_add(period) <= now {
            // No entry for a whole period: only the latest release is still worth anything.
            let late = (now - release) / period;
            skipped += late;
            release += late * period;
        }
        if release >= row.end_at {
            self.halt(task);
            notices(Notice::Ended(id));
            return;
        }
        row.refill_at = release.saturating_add(period);
        let throttled = core::mem::replace(&mut row.remaining, row.parameters.budget) == 0;
        let due = release.saturating_add(deadline);
        let released = !row.active;
        if released {
            row.active = true;
            row.released_at = release;
            row.executed = 0;
            row.deadline_at = due;
        } else {
            row.blocked_at = release;
        }
        let blocked = row.blocked;
        let counters = &mut self.counters[task];
        counters.skipped += skipped;
        if released {
            counters.releases += 1;
            counters.jitter.record(now - release);
        }
        let key = self.key(task, due);
        self.tasks[task].key = key;
        self.settle(task);
        if skipped > 0 {
            notices(Notice::Skipped(id));
        }
        if released {
            notices(Notice::Released(id));
        } else if throttled && !blocked {
            notices(Notice::Replenished(id));
        }
    }

    /// The budget of a server that has work is whole again.
    fn replenish_server(&mut self, task: usize, id: TaskId, notices: &mut dyn FnMut(Notice)) {
        let row = &mut self.tasks[task];
        let period = row.parameters.period;
        // After a long time without an entry periods begin anew: see `Task::refill_server`.
        let next = row.refill_at.saturating_add(period);
        row.refill_at = match next > self.now {
            true => next,
            false => self.now.saturating_add(period),
        };
        let throttled = core::mem::replace(&mut row.remaining, row.parameters.budget) == 0;
        if self.policy == Policy::EarliestDeadline {
            row.key = row.refill_at;
        }
        self.settle(task);
        if throttled {
            notices(Notice::Replenished(id));
        }
    }

    /// The budget is gone and the job is not done.
    fn overrun(&mut self, task: usize, id: TaskId, notices: &mut dyn FnMut(Notice)) {
        let row = &mut self.tasks[task];
        let ended_at = core::mem::replace(&mut row.overrun_at, NEVER);
        let reaction = row.parameters.on_overrun;
        let expected = row.parameters.class == Class::Server && reaction == Reaction::Log;
        let counters = &mut self.counters[task];
        counters.cut_lateness_max_ns = counters.cut_lateness_max_ns.max(self.now - ended_at);
        counters.throttled += u64::from(reaction == Reaction::Log);
        counters.overruns += u64::from(!expected);
        self.react(task, reaction);
        if !expected {
            notices(Notice::Overrun(id, reaction));
        }
    }

    /// The deadline has come and the job is not done.
    fn miss(&mut self, task: usize, id: TaskId, notices: &mut dyn FnMut(Notice)) {
        let row = &mut self.tasks[task];
        row.deadline_at = NEVER;
        let reaction = row.parameters.on_miss;
        self.counters[task].misses += 1;
        self.react(task, reaction);
        notices(Notice::Missed(id, reaction));
    }

    fn react(&mut self, task: usize, reaction: Reaction) {
        match reaction {
            Reaction::Log => self.settle(task),
            Reaction::Skip => self.abandon(task),
            Reaction::Restart | Reaction::Stop => self.halt(task),
        }
    }

    /// A blocked job goes on, or a task that is not periodic begins to work.
    /// It pays that much of its budget for it.
    pub(super) fn unblock(&mut self, task: usize, cost: u64) -> bool {
        let (policy, now) = (self.policy, self.now);
        let row = &mut self.tasks[task];
        let class = row.parameters.class;
        let started = row.life == Life::Started;
        if row.blocked {
            row.blocked = false;
            row.wake_at = NEVER;
            if class == Class::Periodic {
                row.remaining = row.remaining.saturating_sub(now - row.blocked_at);
            }
        } else if started && !row.active && class != Class::Periodic {
            row.active = true;
            row.released_at = now;
            row.executed = 0;
            self.counters[task].releases += 1;
            if policy == Policy::FixedPriority {
                let key = self.key(task, now);
                self.tasks[task].key = key;
            }
        } else {
            return false;
        }
        let row = &mut self.tasks[task];
        if started && class == Class::Server {
            row.refill_server(policy, now);
        }
        row.remaining = row.remaining.saturating_sub(cost);
        let throttled = started && class != Class::Background && row.remaining == 0;
        self.counters[task].throttled += u64::from(throttled);
        self.settle(task);
        true
    }
}
