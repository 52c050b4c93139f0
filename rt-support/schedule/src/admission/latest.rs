// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Earliest deadline first: the longest response of each periodic task of a set that is accepted.
//!
//! The latest job need not be one that is released with all others. Spuri (1996, "Analysis of
//! deadline scheduled real-time systems") looks at a job that is released `a` after all others
//! are, at those `a` at which its deadline is another's: what has to be done first is
//!
//! ```text
//! L(a) = blocking + (floor(a / period_i) + 1) * cost_i + sum over all j of ceil((L + jitter) / period_j) * interrupt
//!      + sum over others j, deadline_j <= a + deadline_i, of
//!            min(ceil(L / period_j), floor((a + deadline_i - deadline_j) / period_j) + 1) * cost_j
//! ```
//!
//! and the response `L(a) - a`, for every `a` in the longest time that the processor is busy.
//!
//! A server needs at most `floor(t / period) + 1` budgets, and at most its share of `t`, for what is
//! due within `t`. The share grows with every nanosecond of `a`, not in steps: where there are
//! servers an `a` stands for those up to the next one, which is near enough for the figure to be a
//! thirty-second of the deadline too large at the most.
//!
//! This decides nothing. Where it takes too long there is no figure.

use super::{Entry, Outcome, Set, Steps};
use crate::task::Parameters;
use wasm_aot_contract::Class;

pub(super) fn responses(set: &Set<'_, '_>, steps: &mut Steps, outcomes: &mut [Outcome]) {
    let Some(busy) = busy_period(set, steps) else {
        return;
    };
    for (place, outcome) in outcomes.iter_mut().enumerate().take(set.tasks.len()) {
        if set.tasks[place].parameters.class != Class::Periodic {
            continue;
        }
        let Some(response) = response(set, place, busy, steps) else {
            return;
        };
        outcome.response_ns = Some(response.min(outcome.deadline_ns));
    }
}

/// The longest time that the processor is busy without a pause. `None` where it has no end, or
/// none in reach.
fn busy_period(set: &Set<'_, '_>, steps: &mut Steps) -> Option<u64> {
    let mut length = 1_u64;
    loop {
        let mut next = set.overheads.blocking_ns;
        next = next.checked_add(set.interrupts(length, steps)?)?;
        for task in set.timed() {
            steps.count()?;
            let task = &task.parameters;
            let budgets = match task.class {
                Class::Periodic => length.div_ceil(task.period),
                // What is due a period later may be done already.
                _ => length / task.period + 2,
            };
            next = next.checked_add(budgets.checked_mul(set.cost(task))?)?;
        }
        if next <= length {
            return Some(length);
        }
        length = next;
    }
}

fn response(set: &Set<'_, '_>, place: usize, busy: u64, steps: &mut Steps) -> Option<u64> {
    let task = &set.tasks[place].parameters;
    let server = |task: &Entry<'_>| task.parameters.class == Class::Server;
    let step = set
        .tasks
        .iter()
        .any(server)
        .then(|| (task.deadline / 32).max(1));
    let (mut longest, mut length, mut release) = (0, 1, 0);
    // Later releases take longer in all: each is computed from the one before.
    while release < busy {
        let mut next = point_after(set, task.deadline, release, steps)?;
        if let Some(step) = step {
            next = next.min(release.checked_add(step)?);
        }
        length = finish(set, place, [release, next], length, steps)?;
        longest = longest.max(length.saturating_sub(release));
        release = next;
    }
    Some(longest)
}

/// When the job that is released at `release` is done, `least` or later, with what servers have to
/// do first where it is released at any time before `next`.
fn finish(
    set: &Set<'_, '_>,
    place: usize,
    [release, next]: [u64; 2],
    least: u64,
    steps: &mut Steps,
) -> Option<u64> {
    let task = &set.tasks[place].parameters;
    let due = release.checked_add(task.deadline)?;
    let due_next = next.checked_add(task.deadline)?;
    let own = (release / task.period + 1).checked_mul(set.cost(task))?;
    let fixed = own.checked_add(set.overheads.blocking_ns)?;
    let mut length = least;
    loop {
        let mut next = fixed.checked_add(set.interrupts(length, steps)?)?;
        for (at, other) in set.tasks.iter().enumerate() {
            if at == place || other.parameters.class == Class::Background {
                continue;
            }
            steps.count()?;
            let work = match other.parameters.class {
                Class::Server => server_work(set, &other.parameters, due_next)?,
                _ => periodic_work(set, &other.parameters, due, length)?,
            };
            next = next.checked_add(work)?;
        }
        if next <= length {
            return Some(length);
        }
        length = next;
    }
}

/// What another periodic task does first: jobs that are released before `length` and due by `due`.
fn periodic_work(set: &Set<'_, '_>, other: &Parameters, due: u64, length: u64) -> Option<u64> {
    let jobs = match due.checked_sub(other.deadline) {
        Some(rest) => (rest / other.period + 1).min(length.div_ceil(other.period)),
        None => 0,
    };
    jobs.checked_mul(set.cost(other))
}

/// What a server does that is due by `due`.
fn server_work(set: &Set<'_, '_>, server: &Parameters, due: u64) -> Option<u64> {
    let budgets = due / server.period + 1;
    let share = u128::from(due) * u128::from(server.budget);
    let share = u64::try_from(share.div_ceil(server.period.into())).ok()?;
    let share = share.min(budgets.checked_mul(server.budget)?);
    share.checked_add(budgets.checked_mul(set.overheads.job_ns)?)
}

/// The first release behind `release` whose deadline is that of another's, or its own next one.
fn point_after(set: &Set<'_, '_>, deadline: u64, release: u64, steps: &mut Steps) -> Option<u64> {
    let due = release.checked_add(deadline)?;
    let mut next = u64::MAX;
    for task in set.timed() {
        steps.count()?;
        let task = &task.parameters;
        let first = match task.class {
            Class::Periodic => task.deadline,
            _ => task.period,
        };
        // The first of these deadlines that is later.
        let later = match due.checked_sub(first) {
            Some(rest) => first.checked_add((rest / task.period + 1).checked_mul(task.period)?)?,
            None => first,
        };
        next = next.min(later - deadline);
    }
    Some(next)
}
