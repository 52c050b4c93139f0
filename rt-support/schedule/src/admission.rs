// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whether a set of tasks keeps its deadlines: always, whatever the tasks do within their budgets
//! and beyond.
//!
//! | policy | test | exact? |
//! |---|---|---|
//! | fixed priorities | response-time analysis (Joseph, Pandya 1986; Audsley et al. 1993) | with different priorities, without servers |
//! | earliest deadline first | utilisation (Liu, Layland 1973), processor demand (Baruah, Rosier, Howell 1990) by QPA (Zhang, Burns 2009) | without servers |
//!
//! "Exact", and without overheads, means: what is refused does miss, where all tasks are released at once and use their
//! budgets; the simulation in `tests/simulation` shows it. Elsewhere the test is sufficient: what is
//! accepted never misses. Offsets are not used: tasks may be started at any time.
//!
//! - A deferrable server (fixed priorities) interferes as a task with release jitter `period -
//!   budget`: its budget may be spent at the end of one period and at the beginning of the next
//!   (Strosnider, Lehoczky, Sha 1995).
//! - Equal priorities are served in the order of release; each counts as more urgent than the
//!   other.
//! - A constant-bandwidth server (earliest deadline first) never needs more than its share of
//!   any interval (Abeni, Buttazzo 1998); that is its demand.
//! - The executive's own time counts: [`Overheads`]. Work for an interrupt may fall behind the
//!   release that it delays though the interrupt came before it, so interrupts have a jitter, of
//!   the blocking and of all their work at once.
//! - Blocked jobs need nothing of their own: see [`executive`](crate::executive).
//!
//! The run time is bounded, whatever the parameters: a set that is not decided within
//! [`STEPS_MAX`] steps is refused for that.

mod demand;
mod latest;
mod priorities;
mod refusal;
mod response;
mod utilisation;

pub use priorities::deadline_monotonic;
pub use refusal::Refusal;
pub use response::LONGEST;
pub use utilisation::utilisation_ppb;

use crate::task::{Parameters, Policy};
use wasm_aot_contract::Class;

/// Terms of sums that are computed at the most before a set is refused as undecided.
pub const STEPS_MAX: u64 = 4_000_000;
/// The longest time that a task or an overhead may have, in nanoseconds: a little more than the
/// hour that contracts allow. Sums of these do not overflow.
pub const TIME_MAX: u64 = 1 << 42;
/// Tasks of a set, at most.
pub const TASKS_MAX: usize = 1 << 12;

/// A task as the analysis sees it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What messages call it.
    pub name: &'a str,
    /// What it is to be promised.
    pub parameters: Parameters,
}

/// What the executive takes for itself, in nanoseconds, at the most.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Overheads {
    /// For each job (of a server: each period), on top of its budget: from its end to when
    /// somebody else runs, or from the end of its budget to when it is cut, whichever is longer.
    pub job_ns: u64,
    /// For each release of any task and each replenishment, whoever is running: from the
    /// interrupt to when somebody runs again.
    pub interrupt_ns: u64,
    /// What cannot be interrupted when a job is released: the longest section of the executive
    /// and of the kernel.
    pub blocking_ns: u64,
}

impl Overheads {
    /// None: the theory's processor.
    pub const NONE: Self = Self {
        job_ns: 0,
        interrupt_ns: 0,
        blocking_ns: 0,
    };
}

/// What the analysis found of an accepted task.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The longest time from a release to the end of its job, in nanoseconds. Of a server with
    /// fixed priorities: to the end of work that needs a whole budget, where it has one. `None` of
    /// background tasks, of servers with earliest deadline first, and where it takes too long to
    /// compute.
    pub response_ns: Option<u64>,
    /// The relative deadline, in nanoseconds; 0 of background tasks.
    pub deadline_ns: u64,
}

impl Outcome {
    /// How much earlier than needed the latest job is done, in nanoseconds.
    #[must_use]
    pub fn slack_ns(&self) -> Option<u64> {
        self.deadline_ns.checked_sub(self.response_ns?)
    }
}

/// Decides whether the set keeps its deadlines. `outcomes` gets a row for each task, as far as it
/// has room. With earliest deadline first most of the time goes into these rows, and none of it
/// where there is no room.
///
/// With fixed priorities 0 is the least urgent one here; [`deadline_monotonic`] gives priorities
/// to tasks that have none.
///
/// # Errors
/// Why not. Where several tasks would miss deadlines it is the most urgent of them.
pub fn admit<'a>(
    policy: Policy,
    overheads: &Overheads,
    tasks: &[Entry<'a>],
    outcomes: &mut [Outcome],
) -> Result<(), Refusal<'a>> {
    check(overheads, tasks)?;
    for (outcome, task) in outcomes.iter_mut().zip(tasks) {
        *outcome = Outcome {
            response_ns: None,
            deadline_ns: task.parameters.deadline,
        };
    }
    let set = Set { overheads, tasks };
    let mut steps = Steps::default();
    match policy {
        Policy::FixedPriority => response::admit(&set, &mut steps, outcomes),
        Policy::EarliestDeadline => {
            demand::admit(&set, &mut steps)?;
            if !outcomes.is_empty() {
                latest::responses(&set, &mut Steps::default(), outcomes);
            }
            Ok(())
        }
    }
}

fn check<'a>(overheads: &Overheads, tasks: &[Entry<'a>]) -> Result<(), Refusal<'a>> {
    let Overheads {
        job_ns,
        interrupt_ns,
        blocking_ns,
    } = *overheads;
    if tasks.len() > TASKS_MAX {
        return Err(Refusal::TooMany { tasks: tasks.len() });
    }
    if [job_ns, interrupt_ns, blocking_ns]
        .iter()
        .any(|&time| time > TIME_MAX)
    {
        return Err(Refusal::Overheads);
    }
    let wrong =
        |task: &&Entry<'_>| !task.parameters.is_valid() || task.parameters.period > TIME_MAX;
    match tasks.iter().find(wrong) {
        Some(task) => Err(Refusal::Invalid { name: task.name }),
        None => Ok(()),
    }
}

/// The tasks, and what is added to them.
struct Set<'t, 'a> {
    overheads: &'t Overheads,
    tasks: &'t [Entry<'a>],
}

impl<'t, 'a> Set<'t, 'a> {
    /// The tasks that are promised something.
    fn timed(&self) -> impl Iterator<Item = &'t Entry<'a>> + use<'t, 'a> {
        self.tasks
            .iter()
            .filter(|task| task.parameters.class != Class::Background)
    }

    /// What a period of a task takes of the processor at its own urgency.
    fn cost(&self, task: &Parameters) -> u64 {
        task.budget + self.overheads.job_ns
    }

    /// What the interrupts of all tasks take in an interval of that length, which begins with all
    /// of them.
    fn interrupts(&self, length: u64, steps: &mut Steps) -> Option<u64> {
        if self.overheads.interrupt_ns == 0 {
            return Some(0);
        }
        let length = length.checked_add(self.interrupt_jitter())?;
        let mut sum = 0_u64;
        for task in self.timed() {
            steps.count()?;
            sum = sum.checked_add(length.div_ceil(task.parameters.period))?;
        }
        sum.checked_mul(self.overheads.interrupt_ns)
    }

    /// How long before the interval begins an interrupt may have come whose work falls into it:
    /// that of all others goes first, behind what cannot be interrupted.
    fn interrupt_jitter(&self) -> u64 {
        let all = self.overheads.interrupt_ns * self.timed().count() as u64;
        all + self.overheads.blocking_ns
    }
}

/// Counts the terms that are computed.
#[derive(Default)]
struct Steps(u64);

impl Steps {
    /// One more; `None` where these are enough.
    fn count(&mut self) -> Option<()> {
        self.0 += 1;
        (self.0 <= STEPS_MAX).then_some(())
    }
}

#[cfg(test)]
mod tests;
