// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Fixed priorities: the longest response of each task, by iteration.
//!
//! ```text
//! R = blocking + cost + sum over more urgent j of ceil((R + jitter_j) / period_j) * cost_j
//!                     + sum over all j of ceil((R + jitter) / period_j) * interrupt
//! ```
//!
//! where `cost` is the budget and the overhead of a job. The least solution is the response to a
//! release of all tasks at once, the worst there is where deadlines are at most periods (Joseph,
//! Pandya 1986). The iteration begins at a bound from below (Sjödin, Hansson 1998), which a large
//! load would otherwise take long to reach.

use super::utilisation::WHOLE;
use super::{Entry, Outcome, Refusal, Set, Steps};
use crate::task::Parameters;
use wasm_aot_contract::Class;

/// Responses are computed up to this multiple of the deadline.
pub const LONGEST: u64 = 64;

/// What came of an iteration.
enum Response {
    Ends(u64),
    Endless,
    Undecided,
}

pub(super) fn admit<'a>(
    set: &Set<'_, 'a>,
    steps: &mut Steps,
    outcomes: &mut [Outcome],
) -> Result<(), Refusal<'a>> {
    let mut refused: Option<(&Entry<'a>, Refusal<'a>)> = None;
    for (place, task) in set.tasks.iter().enumerate() {
        if task.parameters.class == Class::Background {
            continue;
        }
        let deadline_ns = task.parameters.deadline;
        let (response_ns, refusal) = match response(set, place, steps) {
            Response::Undecided => {
                let name = Some(task.name);
                return Err(Refusal::Undecided { name });
            }
            Response::Ends(time) => (Some(time), time > deadline_ns),
            Response::Endless => (None, true),
        };
        if let Some(outcome) = outcomes.get_mut(place) {
            outcome.response_ns = response_ns;
        }
        let refusal = refusal.then_some(Refusal::Late {
            name: task.name,
            response_ns,
            deadline_ns,
        });
        let more_urgent = |other: &Entry<'_>| other.parameters.priority >= task.parameters.priority;
        if let Some(refusal) = refusal
            && !refused.is_some_and(|(other, _)| more_urgent(other))
        {
            refused = Some((task, refusal));
        }
    }
    refused.map_or(Ok(()), |(_, refusal)| Err(refusal))
}

/// The tasks that the one at `place` has to wait for, with their jitters. Equal priorities are
/// served in the order of release, so either may have to wait for the other.
fn more_urgent<'t>(set: &Set<'t, '_>, place: usize) -> impl Iterator<Item = (&'t Parameters, u64)> {
    let priority = set.tasks[place].parameters.priority;
    set.tasks
        .iter()
        .enumerate()
        .filter(move |(at, other)| *at != place && other.parameters.priority >= priority)
        .map(|(_, other)| &other.parameters)
        .filter_map(|other| match other.class {
            Class::Background => None,
            Class::Periodic => Some((other, 0)),
            Class::Server => Some((other, other.period - other.budget)),
        })
}

fn response(set: &Set<'_, '_>, place: usize, steps: &mut Steps) -> Response {
    let task = &set.tasks[place].parameters;
    let own = set.overheads.blocking_ns + set.cost(task);
    let longest = LONGEST * task.deadline;
    let mut response = match lower_bound(set, place, own) {
        Some(bound) if bound <= longest => bound,
        _ => return Response::Endless,
    };
    loop {
        let Some(next) = iterate(set, place, own, response, steps) else {
            return Response::Undecided;
        };
        if next == response {
            return Response::Ends(response);
        }
        if next > longest {
            return Response::Endless;
        }
        response = next;
    }
}

/// What has to be done before the job is, if that takes `response`.
fn iterate(
    set: &Set<'_, '_>,
    place: usize,
    own: u64,
    response: u64,
    steps: &mut Steps,
) -> Option<u64> {
    let mut sum = own.checked_add(set.interrupts(response, steps)?)?;
    for (other, jitter) in more_urgent(set, place) {
        steps.count()?;
        let jobs = response.checked_add(jitter)?.div_ceil(other.period);
        sum = sum.checked_add(jobs.checked_mul(set.cost(other))?)?;
    }
    Some(sum)
}

/// A time that the response is not below: a ceiling is not below its argument, so what is more
/// urgent takes at least its share. `None` where that is everything.
fn lower_bound(set: &Set<'_, '_>, place: usize, own: u64) -> Option<u64> {
    let share = |need: u64, period: u64| u128::from(need) * WHOLE / u128::from(period);
    let interrupt = set.overheads.interrupt_ns;
    let interrupts: u128 = set
        .timed()
        .map(|task| share(interrupt, task.parameters.period))
        .sum();
    let others: u128 = more_urgent(set, place)
        .map(|(other, _)| share(set.cost(other), other.period))
        .sum();
    // Half of the bits: `own` is below 2^44, and the product has to fit.
    let left = WHOLE.checked_sub(interrupts + others)?;
    if left == 0 {
        return None;
    }
    let bound = (u128::from(own) * WHOLE) / left;
    // Rounding may have made the others' share too small: that makes the bound smaller only.
    u64::try_from(bound).ok().map(|bound| bound.max(own))
}
