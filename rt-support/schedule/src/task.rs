// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A task: what it was promised, and where it stands.

use crate::NEVER;
use wasm_aot_contract::{Class, Contract, Reaction};

/// A task of an [`Executive`](crate::Executive): its place in the table. The place of a task that
/// was removed goes to the next one that is added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskId(pub u16);

/// How the executive chooses among tasks that have work and budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// By their priorities; equal ones in the order of their releases.
    FixedPriority,
    /// By their absolute deadlines; equal ones by their place in the table.
    EarliestDeadline,
}

impl Policy {
    /// The word that the command line and reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Policy::FixedPriority => "fp",
            Policy::EarliestDeadline => "edf",
        }
    }
}

/// What a task is promised. Times are in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameters {
    /// What kind of time it has.
    pub class: Class,
    /// Larger is more urgent. Only for [`Policy::FixedPriority`].
    pub priority: u8,
    /// From release to release, or from replenishment to replenishment. Not of background tasks.
    pub period: u64,
    /// From the release of a job to when it has to be done; at most the period. Servers are
    /// served within it where the analysis says so; the executive watches only periodic tasks'.
    pub deadline: u64,
    /// Processor time in each period; at most the deadline.
    pub budget: u64,
    /// What a missed deadline does.
    pub on_miss: Reaction,
    /// What the end of the budget before the end of the job does.
    pub on_overrun: Reaction,
    /// It may also have idle time while its budget is gone.
    pub slack: bool,
}

impl Parameters {
    /// Those of a task that runs in idle time alone.
    pub const BACKGROUND: Self = Self {
        class: Class::Background,
        priority: 0,
        period: 0,
        deadline: 0,
        budget: 0,
        on_miss: Reaction::Log,
        on_overrun: Reaction::Log,
        slack: false,
    };

    /// Those of the root task's manager, which loads, answers and reports: a task of every set, with
    /// a priority by its deadline.
    pub const SUPERVISOR: Self = Self {
        class: Class::Server,
        priority: 0,
        period: 10_000_000,
        deadline: 10_000_000,
        budget: 500_000,
        slack: true,
        ..Self::BACKGROUND
    };

    /// Those that a contract asks for; it has passed its own check.
    #[must_use]
    pub const fn of(contract: &Contract<'_>) -> Self {
        if let Class::Background = contract.class {
            return Self::BACKGROUND;
        }
        Self {
            class: contract.class,
            priority: contract.priority,
            period: contract.period_us.saturating_mul(1000),
            deadline: contract.deadline_us.saturating_mul(1000),
            budget: contract.budget_us.saturating_mul(1000),
            on_miss: contract.on_miss,
            on_overrun: contract.on_overrun,
            slack: contract.slack,
        }
    }

    /// Whether the times fit each other: `0 < budget <= deadline <= period`.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.class == Class::Background
            || (0 < self.budget && self.budget <= self.deadline && self.deadline <= self.period)
    }
}

/// Where a task stands, for people and reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Not started, stopped, or no such task.
    Stopped,
    /// Between [`begin`](crate::Executive::begin) and its end.
    Initialising,
    /// It has nothing to do until its next release, or until it is woken.
    Waiting,
    /// It has work, and the processor or a place in the queue for it.
    Ready,
    /// Its job waits for a service or sleeps.
    Blocked,
    /// It has work but no budget.
    Throttled,
    /// Between [`suspend`](crate::Executive::suspend) and [`resume`](crate::Executive::resume).
    Suspended,
}

impl State {
    /// All of them; the position is the number in a report.
    pub const ALL: &[Self] = &[
        State::Stopped,
        State::Initialising,
        State::Waiting,
        State::Ready,
        State::Blocked,
        State::Throttled,
        State::Suspended,
    ];

    /// The word that reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Stopped => "stopped",
            State::Initialising => "initialising",
            State::Waiting => "waiting",
            State::Ready => "ready",
            State::Blocked => "blocked",
            State::Throttled => "throttled",
            State::Suspended => "suspended",
        }
    }
}

/// How far a task has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    /// The place is free.
    Free,
    Stopped,
    Initialising,
    Started,
}

/// Where a task waits for the processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Queue {
    /// It does not.
    Nowhere,
    /// Among the tasks that have budget.
    Ready,
    /// Among those that share idle time.
    Idle,
}

/// A row of the executive's table. Times that are not set are [`NEVER`].
#[derive(Clone, Copy)]
pub(crate) struct Task {
    pub parameters: Parameters,
    pub life: Life,
    pub suspended: bool,
    /// A job is released and not completed.
    pub active: bool,
    /// The job waits for a service or sleeps.
    pub blocked: bool,
    pub queue: Queue,
    /// Budget that is left until `refill_at`.
    pub remaining: u64,
    /// Periodic: the next release. Server: when the budget is whole again; with
    /// [`Policy::EarliestDeadline`] that is its deadline. It outlives a stop: budgets are never
    /// nearer to each other than a period.
    pub refill_at: u64,
    /// Place in the ready queue: what is smaller is more urgent.
    pub key: u64,
    /// When the job was released, nominally.
    pub released_at: u64,
    /// Since when the job has been blocked; a release makes it later.
    pub blocked_at: u64,
    /// Processor time that the job has had.
    pub executed: u64,
    /// When a sleeping job is woken.
    pub wake_at: u64,
    /// When the job is late; [`NEVER`] where nobody is to hear of that, or has heard.
    pub deadline_at: u64,
    /// When the budget ended, until somebody has heard of it.
    pub overrun_at: u64,
    /// When the job was done, until what was due before that is done.
    pub finished_at: u64,
    /// Periodic: from then on there are no releases.
    pub end_at: u64,
}

impl Task {
    pub const FREE: Self = Self {
        parameters: Parameters::BACKGROUND,
        life: Life::Free,
        suspended: false,
        active: false,
        blocked: false,
        queue: Queue::Nowhere,
        remaining: 0,
        refill_at: 0,
        key: 0,
        released_at: 0,
        blocked_at: 0,
        executed: 0,
        wake_at: NEVER,
        deadline_at: NEVER,
        overrun_at: NEVER,
        finished_at: NEVER,
        end_at: NEVER,
    };

    /// Ends the job, if there is one, without a trace.
    #[inline]
    pub fn clear_job(&mut self) {
        self.active = false;
        self.blocked = false;
        self.executed = 0;
        self.wake_at = NEVER;
        self.deadline_at = NEVER;
        self.overrun_at = NEVER;
        self.finished_at = NEVER;
    }

    /// The job may use the processor now, if there is budget or idle time for it.
    #[inline]
    fn wants_processor(&self) -> bool {
        self.active && !self.blocked && !self.suspended && self.finished_at == NEVER
    }

    /// Where the task has to wait for the processor.
    #[inline]
    pub fn place(&self) -> Queue {
        if !self.wants_processor() {
            return Queue::Nowhere;
        }
        if self.life != Life::Started || self.parameters.class == Class::Background {
            return Queue::Idle;
        }
        if self.remaining > 0 {
            Queue::Ready
        } else if self.parameters.slack {
            Queue::Idle
        } else {
            Queue::Nowhere
        }
    }

    /// When something is next due that every entry has to be in time for: a new budget, or what
    /// is past already.
    #[inline]
    pub fn next_event(&self, policy: Policy) -> u64 {
        let mut next = self.finished_at;
        if self.runs_by_time() {
            next = next.min(self.overrun_at);
            if self.awaits_refill(policy) {
                next = next.min(self.refill_at);
            }
        }
        next
    }

    /// When something is next due that concerns this task alone: the end of a sleep, or a
    /// deadline that is not the next release as well. Nobody who is more urgent is interrupted
    /// for these.
    #[inline]
    pub fn next_own_event(&self) -> u64 {
        if self.runs_by_time() && self.deadline_at < self.refill_at {
            self.wake_at.min(self.deadline_at)
        } else {
            self.wake_at
        }
    }

    /// Whether a task that sleeps runs on its budget at the end of the sleep, after what the entry
    /// costs it. Otherwise nobody has to be interrupted for it.
    pub fn pays_at_wake(&self, cost: u64) -> bool {
        let left = match self.parameters.class {
            Class::Periodic => {
                let blocked = self.wake_at.saturating_sub(self.blocked_at);
                self.remaining.saturating_sub(blocked)
            }
            Class::Server if self.refill_at <= self.wake_at => self.parameters.budget,
            Class::Server => self.remaining,
            Class::Background => 0,
        };
        self.runs_by_time() && left > cost
    }

    #[inline]
    fn runs_by_time(&self) -> bool {
        self.life == Life::Started && !self.suspended
    }

    /// Whether `refill_at` is an event. A server that has no work has none: what its budget is
    /// by then is decided when work comes.
    #[inline]
    pub fn awaits_refill(&self, policy: Policy) -> bool {
        match self.parameters.class {
            Class::Periodic => true,
            Class::Background => false,
            Class::Server => {
                self.active
                    && !self.blocked
                    && (self.remaining == 0 || policy == Policy::FixedPriority)
            }
        }
    }

    /// Gives a server that begins to work now the budget that it is due.
    ///
    /// Fixed priorities: a deferrable server (Lehoczky, Sha, Strosnider 1987) keeps its budget
    /// while it has no work. Its periods begin anew where a whole one has passed: replenishments
    /// are never nearer to each other than a period, which is all that the analysis needs.
    ///
    /// Earliest deadline first: a constant-bandwidth server (Abeni, Buttazzo 1998) keeps budget
    /// and deadline unless using them up would exceed its bandwidth.
    pub fn refill_server(&mut self, policy: Policy, now: u64) {
        let Parameters { budget, period, .. } = self.parameters;
        let new_period = match self.refill_at.checked_sub(now) {
            None | Some(0) => true,
            Some(left) if policy == Policy::EarliestDeadline => {
                // remaining / left > budget / period. A product of two words is two words; both
                // are one instruction each.
                let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
                product(self.remaining, period) > product(left, budget)
            }
            Some(_) => false,
        };
        if new_period {
            self.remaining = budget;
            self.refill_at = now.saturating_add(period);
        }
        if policy == Policy::EarliestDeadline {
            self.key = self.refill_at;
        }
    }

    /// Where the task stands.
    pub fn state(&self) -> State {
        match self.life {
            Life::Free | Life::Stopped => State::Stopped,
            _ if self.suspended => State::Suspended,
            Life::Initialising => State::Initialising,
            Life::Started if !self.active => State::Waiting,
            Life::Started if self.blocked => State::Blocked,
            Life::Started if self.queue == Queue::Nowhere => State::Throttled,
            Life::Started => State::Ready,
        }
    }
}
