// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whether a refusal is for a reason that a run shows, and whether theory says that it has to be.

use super::scenarios::{Scenario, worst_cases};
use super::sets::{MS, TaskSet};
use super::world::World;
use wasm_aot_schedule::admission::{Outcome, Refusal, utilisation_ppb};
use wasm_aot_schedule::{Class, Policy};

/// Virtual time at most until an overload has to show.
const OVERLOAD: u64 = 60_000 * MS;

/// Why a refusal may be one that no run confirms.
#[derive(Clone, Copy)]
pub enum Exactness {
    /// It may not.
    Exact,
    /// The worst moment for interrupts and the worst for releases need not be the same.
    Overheads,
    /// What servers may do at the worst is more than they do in any run.
    Servers,
    /// So little too much that nobody is late for a long time.
    TooLittle,
}

impl Exactness {
    pub const ALL: [Self; 4] = [Self::Exact, Self::Overheads, Self::Servers, Self::TooLittle];

    pub fn of(set: &TaskSet, refusal: &Refusal<'_>) -> Self {
        if set.has_servers() {
            return Self::Servers;
        }
        if matches!(refusal, Refusal::Overload { .. }) {
            // A sum of budgets alone, whatever the moments are.
            return match until_late(set) <= OVERLOAD {
                true => Self::Exact,
                false => Self::TooLittle,
            };
        }
        match set.has_overheads() {
            true => Self::Overheads,
            false => Self::Exact,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Overheads => "with overheads",
            Self::Servers => "with servers",
            Self::TooLittle => "overload of less than 1 in 300",
        }
    }
}

/// Whether a run shows what the refusal says.
pub fn confirms(policy: Policy, set: &TaskSet, refusal: &Refusal<'_>, found: &[Outcome]) -> bool {
    let place = |name: &str| set.tasks.iter().position(|task| task.name == name);
    match *refusal {
        Refusal::Late { name, .. } => {
            place(name).is_some_and(|place| is_late(policy, set, place, found))
        }
        Refusal::Demand { interval_ns, .. } => someone_is_late(policy, set, interval_ns),
        Refusal::Overload { .. } => someone_is_late(policy, set, OVERLOAD.min(until_late(set))),
        _ => false,
    }
}

/// Whether the task is late where its response is the longest.
fn is_late(policy: Policy, set: &TaskSet, place: usize, found: &[Outcome]) -> bool {
    worst_cases(set, found).into_iter().any(|mut scenario| {
        // Its own budget is whole.
        scenario.early_work[place] = None;
        is_late_in(policy, set, place, scenario)
    })
}

fn is_late_in(policy: Policy, set: &TaskSet, place: usize, scenario: Scenario) -> bool {
    let until =
        scenario.offsets[place] + set.tasks[place].parameters.deadline + set.overheads.blocking_ns;
    let mut world = World::new(policy, set, scenario);
    let whole = world.budget_ns(place);
    if set.tasks[place].parameters.class == Class::Server {
        world.run(until, |_| false);
        return world.late_work[place] || world.processor_ns(place) < whole;
    }
    // A job that the executive was told a later deadline of is judged when it ends.
    world.run(until + whole, |at| at == place);
    world.misses[place] > 0
}

/// When somebody is late at the latest, where there is more to do than fits.
fn until_late(set: &TaskSet) -> u64 {
    let ppb = utilisation_ppb(&set.overheads, &set.tasks).max(1_000_000_001);
    // What need not be done yet is less than all of this.
    let deadlines = set.tasks.iter().map(|task| task.parameters.deadline);
    let open = 2 * u128::from(deadlines.max().unwrap_or(0));
    (open * u128::from(ppb) / u128::from(ppb - 1_000_000_000)) as u64
}

fn someone_is_late(policy: Policy, set: &TaskSet, until: u64) -> bool {
    let mut world = World::new(policy, set, Scenario::synchronous(set));
    world.run(until + 1, |_| true);
    world.misses.iter().any(|&misses| misses > 0)
}
