// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The executive: which task runs now, and until when.
//!
//! A pure state machine. Its driver has a clock, a timer and threads; whenever it gets the
//! processor (an *entry*: the timer has fired, the task that runs has called), it
//!
//! 1. tells what that task did ([`complete`](Executive::complete), [`block`](Executive::block),
//!    [`sleep`](Executive::sleep), ...), if that is why it was entered,
//! 2. calls [`advance`](Executive::advance), which does what is due and says so,
//! 3. asks who is [`next`](Executive::next), and dispatches that task,
//! 4. calls [`decide`](Executive::decide), from when on that task pays, and sets the timer.
//!
//! The order matters for what falls on the same nanosecond: a job that ends at its deadline, or
//! with the last of its budget, is in time. In any other order, and in states in which a call has
//! no meaning, nothing worse happens than that; such calls answer `false`.
//!
//! What is promised:
//!
//! - Release *k* of a periodic task is at `first_release + k * period`, however late it is made. A
//!   job is *active* from its release to its completion, also while it is blocked; a release that
//!   finds one active is skipped, and gives it the new period's budget.
//! - A task runs on its budget, or in idle time if it may have that (initialisation, background,
//!   `slack`). What it pays for is the time from [`decide`](Executive::decide) to the last call
//!   before the next one. So a driver lets a task pay for a service, by calling
//!   [`advance`](Executive::advance) once more when that is done; the time between that and
//!   [`decide`](Executive::decide) is the executive's own.
//! - Entries that the alarm asks for interrupt a task for new budgets and releases of others, and
//!   for nothing else that is less urgent than it: ends of sleeps and missed deadlines of less
//!   urgent tasks wait until the next entry, since they change nothing before.
//! - While a job of a periodic task is blocked its budget goes down as if it ran, though nothing
//!   is counted as an overrun: a job that sleeps first and computes late would otherwise hit the
//!   others twice in a row, which no analysis of periodic tasks allows for. Blocking time belongs
//!   in the budget ("suspension-oblivious analysis"; Chen et al., "Many suspensions, many
//!   problems", Real-Time Systems 55, 2019). A job that comes back with nothing left goes on with
//!   the next period's budget.
//! - Servers are deferrable servers with fixed priorities, and constant-bandwidth servers with
//!   earliest deadline first, hard ones: without budget they wait (unless `slack`).

mod events;
mod queues;

use crate::counters::Counters;
use crate::heap::IndexHeap;
use crate::ring::Ring;
use crate::task::{Life, Parameters, Policy, Queue, State, Task, TaskId};
use crate::{Class, NEVER, Reaction};

/// What [`Executive::advance`] found due. The task's state has changed already when it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A periodic task's job begins.
    Released(TaskId),
    /// A release (or more, after a long time without an entry) was skipped.
    Skipped(TaskId),
    /// The job was not done at its deadline. [`Reaction::Log`]: it goes on.
    /// [`Reaction::Skip`]: it is given up. The others: the task is stopped.
    Missed(TaskId, Reaction),
    /// The job's budget is gone. [`Reaction::Log`]: it goes on with the next one. The others: as
    /// with a missed deadline.
    Overrun(TaskId, Reaction),
    /// A sleep is over.
    Woken(TaskId),
    /// A task that waited for budget has it.
    Replenished(TaskId),
    /// The task was to have no release from then on ([`Executive::end_at`]), and is stopped.
    Ended(TaskId),
}

/// What to do until the next entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Who has the processor; `None` for nobody.
    pub run: Option<TaskId>,
    /// When the next entry has to be, at the latest; `None` where only a task's call can change
    /// anything. It may be past, where time went by since [`Executive::advance`]: the driver
    /// enters at once.
    pub alarm: Option<u64>,
}

/// Whom the processor was given to.
#[derive(Clone, Copy)]
struct Dispatch {
    task: usize,
    /// What it uses is its budget's, not idle time.
    on_budget: bool,
}

/// At most `N` tasks, and who of them runs.
pub struct Executive<const N: usize> {
    policy: Policy,
    quantum: u64,
    tasks: [Task; N],
    counters: [Counters; N],
    /// When something is due of each task that entries have to be in time for.
    timers: IndexHeap<N>,
    /// When something is due of it that concerns it alone.
    own: IndexHeap<N>,
    /// Tasks with work and budget, the most urgent first.
    ready: IndexHeap<N>,
    /// Tasks with work that share idle time.
    idle: Ring<N>,
    /// What is left of the turn of the first of them.
    quantum_left: u64,
    dispatched: Option<Dispatch>,
    /// There was a call since: the time after the latest is the executive's own.
    entered: bool,
    /// What the end of a sleep costs who slept.
    wake_cost: u64,
    /// The time of the latest call.
    now: u64,
    /// Releases so far: equal priorities are served in their order.
    sequence: u64,
}

impl<const N: usize> Executive<N> {
    /// Without tasks. Tasks in idle time take turns of `quantum` nanoseconds (at least 1).
    #[must_use]
    pub const fn new(policy: Policy, quantum: u64) -> Self {
        const { assert!(N > 0 && N < u16::MAX as usize) };
        Self {
            policy,
            quantum: if quantum == 0 { 1 } else { quantum },
            tasks: [Task::FREE; N],
            counters: [Counters::EMPTY; N],
            timers: IndexHeap::new(),
            own: IndexHeap::new(),
            ready: IndexHeap::new(),
            idle: Ring::new(),
            quantum_left: 0,
            dispatched: None,
            entered: false,
            wake_cost: 0,
            now: 0,
            sequence: 0,
        }
    }

    /// Whoever sleeps pays so much of its budget, in nanoseconds, for each entry that the end of
    /// a sleep makes: what such an entry takes, and how late it may come (the interrupt and the
    /// blocking of [`Overheads`](crate::admission::Overheads)). Without that, short sleeps would
    /// cost others time that no budget bounds.
    pub fn set_wake_cost(&mut self, cost: u64) {
        self.wake_cost = cost;
    }

    /// The policy that [`new`](Self::new) was given.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// Chooses another policy, while no task is started but one that has no other beside it.
    pub const fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Takes a task in, stopped. `None` where there is no place, or where its times do not fit
    /// each other ([`Parameters::is_valid`]).
    pub fn add(&mut self, parameters: Parameters) -> Option<TaskId> {
        if !parameters.is_valid() {
            return None;
        }
        let place = self.tasks.iter().position(|task| task.life == Life::Free)?;
        self.tasks[place] = Task {
            parameters,
            life: Life::Stopped,
            ..Task::FREE
        };
        self.counters[place] = Counters::EMPTY;
        // `N` is below `u16::MAX`.
        Some(TaskId(place as u16))
    }

    /// Forgets a task, in whatever state it is; its place is free.
    pub fn remove(&mut self, id: TaskId) -> bool {
        let Some(task) = self.index(id) else {
            return false;
        };
        if self.dispatched.is_some_and(|running| running.task == task) {
            self.dispatched = None;
        }
        self.tasks[task] = Task {
            queue: self.tasks[task].queue,
            ..Task::FREE
        };
        self.settle(task);
        true
    }

    /// Starts a stopped task. Periodic: its releases are at `first_release + k * period`. Server:
    /// it has budget from `first_release` on. Server and background: [`wake`](Self::wake) gives
    /// it work from now on.
    ///
    /// A task that was started before begins when the period of its last budget is over, where
    /// that is later than `first_release`: who is started again and again has no more than others.
    pub fn start(&mut self, id: TaskId, first_release: u64) -> bool {
        let Some(task) = self
            .index(id)
            .filter(|&at| self.tasks[at].life == Life::Stopped)
        else {
            return false;
        };
        let row = &mut self.tasks[task];
        row.clear_job();
        row.life = Life::Started;
        row.suspended = false;
        row.end_at = NEVER;
        row.remaining = 0;
        row.refill_at = first_release.max(row.refill_at);
        self.settle(task);
        true
    }

    /// The task's releases from now on have this priority.
    pub fn set_priority(&mut self, id: TaskId, priority: u8) -> bool {
        let Some(task) = self.index(id) else {
            return false;
        };
        self.tasks[task].parameters.priority = priority;
        true
    }

    /// A periodic task that is started has no release at that time or later: it is stopped when the
    /// first of them is due. Its successor, started for that time, misses no release.
    pub fn end_at(&mut self, id: TaskId, time: u64) -> bool {
        let Some(task) = self.index(id) else {
            return false;
        };
        let row = &mut self.tasks[task];
        let fits = row.life == Life::Started && row.parameters.class == Class::Periodic;
        if fits {
            row.end_at = time;
        }
        fits
    }

    /// A stopped task's initialisation begins: it runs in idle time, without budget and deadline,
    /// until [`complete`](Self::complete). The task is stopped then.
    pub fn begin(&mut self, id: TaskId, now: u64) -> bool {
        self.charge(now);
        let Some(task) = self
            .index(id)
            .filter(|&at| self.tasks[at].life == Life::Stopped)
        else {
            return false;
        };
        let row = &mut self.tasks[task];
        row.clear_job();
        row.life = Life::Initialising;
        row.suspended = false;
        row.active = true;
        row.released_at = self.now;
        self.settle(task);
        true
    }

    /// A server or a background task has work, or a blocked job may go on.
    pub fn wake(&mut self, id: TaskId, now: u64) -> bool {
        self.charge(now);
        self.index(id).is_some_and(|task| self.unblock(task, 0))
    }

    /// A task lets something come that interrupts whoever runs then: an interrupt of its device. It
    /// pays for that entry as for the end of a sleep ([`set_wake_cost`](Self::set_wake_cost)), and
    /// who has no budget left for it waits for the next.
    pub fn pay_for_entry(&mut self, id: TaskId, now: u64) -> bool {
        self.charge(now);
        let Some(task) = self.index(id) else {
            return false;
        };
        let row = &mut self.tasks[task];
        let started = row.life == Life::Started && row.parameters.class != Class::Background;
        if !started || row.remaining == 0 {
            return false;
        }
        row.remaining = row.remaining.saturating_sub(self.wake_cost);
        self.counters[task].throttled += u64::from(row.remaining == 0);
        self.settle(task);
        true
    }

    /// The job waits until [`wake`](Self::wake).
    pub fn block(&mut self, id: TaskId, now: u64) -> bool {
        self.sleep(id, now, NEVER)
    }

    /// The job waits until that time, or until [`wake`](Self::wake) if that is earlier.
    pub fn sleep(&mut self, id: TaskId, now: u64, until: u64) -> bool {
        self.charge(now);
        let Some(task) = self.index(id) else {
            return false;
        };
        let row = &mut self.tasks[task];
        if !row.active || row.blocked || row.finished_at != NEVER {
            return false;
        }
        row.blocked = true;
        row.blocked_at = self.now;
        row.wake_at = until;
        row.overrun_at = NEVER;
        self.settle(task);
        true
    }

    /// The job is done. What was due of the task before `now` comes first, in the next
    /// [`advance`](Self::advance): a deadline that has passed is missed.
    pub fn complete(&mut self, id: TaskId, now: u64) -> bool {
        self.charge(now);
        let Some(task) = self.index(id) else {
            return false;
        };
        let row = &mut self.tasks[task];
        if !row.active || row.finished_at != NEVER {
            return false;
        }
        // A budget that ended in this entry did so for a job that is done.
        row.overrun_at = NEVER;
        let due = row.deadline_at.min(row.refill_at);
        let periodic = row.life == Life::Started && row.parameters.class == Class::Periodic;
        if periodic && !row.suspended && due < self.now {
            row.finished_at = self.now;
            self.settle(task);
        } else {
            self.finish(task, self.now);
        }
        true
    }

    /// The job is given up; releases go on. An initialisation that is given up leaves the task
    /// stopped.
    pub fn abort(&mut self, id: TaskId, now: u64) -> bool {
        self.charge(now);
        let Some(task) = self.index(id).filter(|&at| self.tasks[at].active) else {
            return false;
        };
        self.abandon(task);
        true
    }

    /// The task is stopped, its job given up.
    pub fn stop(&mut self, id: TaskId, now: u64) -> bool {
        self.charge(now);
        let Some(task) = self
            .index(id)
            .filter(|&at| self.tasks[at].life != Life::Stopped)
        else {
            return false;
        };
        self.halt(task);
        true
    }

    /// The task has no time at all until [`resume`](Self::resume), and its job no deadline.
    /// Sleeps go on, releases do not.
    pub fn suspend(&mut self, id: TaskId, now: u64) -> bool {
        self.charge(now);
        let Some(task) = self.index(id) else {
            return false;
        };
        let row = &mut self.tasks[task];
        if row.suspended || row.life == Life::Stopped {
            return false;
        }
        row.suspended = true;
        row.deadline_at = NEVER;
        row.overrun_at = NEVER;
        self.settle(task);
        true
    }

    /// A suspended task goes on: releases in their old phase; a job that was active with the
    /// budget of the first of them.
    pub fn resume(&mut self, id: TaskId, now: u64) -> bool {
        self.charge(now);
        let Some(task) = self.index(id).filter(|&at| self.tasks[at].suspended) else {
            return false;
        };
        let (policy, now) = (self.policy, self.now);
        let row = &mut self.tasks[task];
        row.suspended = false;
        match (row.life, row.parameters.class) {
            (Life::Started, Class::Periodic) => {
                row.remaining = 0;
                if row.refill_at < now {
                    let periods = (now - row.refill_at).div_ceil(row.parameters.period);
                    let passed = periods.saturating_mul(row.parameters.period);
                    row.refill_at = row.refill_at.saturating_add(passed);
                }
            }
            (Life::Started, Class::Server) if row.active => row.refill_server(policy, now),
            _ => {}
        }
        self.settle(task);
        true
    }

    /// Charges the time since the last decision, and does what is due by `now`, in the order of
    /// time: ends of sleeps and budgets, deadlines, releases. Its cost is bounded by the number
    /// of tasks, not by how long it was not called.
    pub fn advance(&mut self, now: u64, notices: &mut dyn FnMut(Notice)) {
        self.charge(now);
        loop {
            let (timer, own) = (self.timers.first(), self.own.first());
            let Some((due, task)) = (match (timer, own) {
                (Some(timer), Some(own)) => Some(timer.min(own)),
                (timer, own) => timer.or(own),
            }) else {
                break;
            };
            if due > self.now {
                break;
            }
            self.handle(task, due, notices);
        }
    }

    /// An entry that somebody else caused: whoever runs has run until `at`, and what has passed from
    /// then until `now` is not theirs to pay for. Before any other call of the entry.
    pub fn interrupted(&mut self, at: u64, now: u64) {
        self.charge(at.min(now));
        self.now = self.now.max(now);
    }

    /// Whom [`decide`](Self::decide) will choose, if nothing happens before. A driver asks, changes
    /// the threads, and decides then: so nobody pays for the change.
    #[must_use]
    pub fn next(&self) -> Option<TaskId> {
        let ready = self.ready.first().map(|(_, task)| task);
        // `N` is below `u16::MAX`.
        ready.or(self.idle.head()).map(|task| TaskId(task as u16))
    }

    /// Who has the processor from `now` on, and until when at the latest.
    pub fn decide(&mut self, now: u64) -> Decision {
        if self.entered {
            self.now = self.now.max(now);
        } else {
            self.charge(now);
        }
        self.entered = false;
        let alarm = self.timers.first().map_or(NEVER, |(due, _)| due);
        let alarm = match self.ready.first() {
            Some((_, task)) => {
                let end = self.now.saturating_add(self.tasks[task].remaining);
                self.dispatched = Some(Dispatch {
                    task,
                    on_budget: true,
                });
                self.own_alarm(task, alarm.min(end))
            }
            None => {
                self.dispatched = self.idle.head().map(|task| Dispatch {
                    task,
                    on_budget: false,
                });
                let turn = match self.idle.len() {
                    0 | 1 => NEVER,
                    _ => self.now.saturating_add(self.quantum_left),
                };
                alarm
                    .min(turn)
                    .min(self.own.first().map_or(NEVER, |(due, _)| due))
            }
        };
        Decision {
            // `N` is below `u16::MAX`.
            run: self.dispatched.map(|running| TaskId(running.task as u16)),
            alarm: (alarm != NEVER).then_some(alarm),
        }
    }

    /// What was counted of the task since it was added; nothing where there is no such task.
    #[must_use]
    pub fn counters(&self, id: TaskId) -> &Counters {
        static NONE: Counters = Counters::EMPTY;
        self.index(id).map_or(&NONE, |task| &self.counters[task])
    }

    /// Where the task stands.
    #[must_use]
    pub fn state(&self, id: TaskId) -> State {
        self.index(id)
            .map_or(State::Stopped, |task| self.tasks[task].state())
    }

    /// What the task was promised.
    #[must_use]
    pub fn parameters(&self, id: TaskId) -> Option<&Parameters> {
        self.index(id).map(|task| &self.tasks[task].parameters)
    }

    /// Periodic tasks that are started: the nominal time of the next release.
    #[must_use]
    pub fn next_release(&self, id: TaskId) -> Option<u64> {
        let row = &self.tasks[self.index(id)?];
        let periodic = row.parameters.class == Class::Periodic && row.life == Life::Started;
        periodic.then_some(row.refill_at)
    }

    /// The nominal release of the active job, in nanoseconds.
    #[must_use]
    pub fn job_released_at(&self, id: TaskId) -> Option<u64> {
        let row = &self.tasks[self.index(id)?];
        row.active.then_some(row.released_at)
    }

    /// What is left of the task's budget, in nanoseconds, as of the latest call.
    #[must_use]
    pub fn budget_left(&self, id: TaskId) -> u64 {
        self.index(id).map_or(0, |task| self.tasks[task].remaining)
    }

    /// The place of a task that exists.
    #[inline]
    fn index(&self, id: TaskId) -> Option<usize> {
        let place = usize::from(id.0);
        (place < N && self.tasks[place].life != Life::Free).then_some(place)
    }
}

#[cfg(test)]
mod tests;
