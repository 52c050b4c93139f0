// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What tasks do, and when they begin.

use super::random::Random;
use super::sets::TaskSet;
use wasm_aot_schedule::Class;
use wasm_aot_schedule::admission::Outcome;

/// What a task does with its jobs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// Each job needs the whole budget, exactly. A server has work again at once.
    Whole,
    /// Each needs some of it. A server has work again some time later.
    Some,
    /// No job ever ends.
    Endless,
    /// No job ever ends, and all of them sleep at times that nobody expects.
    Sleepy,
    /// The first job sleeps until just its budget is left of the period, then never ends: it
    /// wants the processor at the end of a period and at the beginning of the next.
    Deferring,
}

/// How a run goes.
pub struct Scenario {
    pub behaviours: Vec<Behaviour>,
    /// First releases; of servers, when they have work for the first time.
    pub offsets: Vec<u64>,
    /// Servers that had little work at that time before, so that their budgets end when it suits
    /// the others least.
    pub early_work: Vec<Option<u64>>,
    /// The entry that is due at this time comes as late as it may.
    pub blocked_at: Option<u64>,
    /// Other entries come late at random.
    pub late: bool,
    pub seed: u64,
}

impl Scenario {
    /// All begin at once, and use all that they may; the first entry comes as late as it may.
    pub fn synchronous(set: &TaskSet) -> Self {
        Self {
            behaviours: vec![Behaviour::Whole; set.tasks.len()],
            offsets: vec![0; set.tasks.len()],
            early_work: vec![None; set.tasks.len()],
            blocked_at: Some(0),
            late: false,
            seed: 1,
        }
    }
}

/// First releases anywhere.
pub fn anywhere(set: &TaskSet, random: &mut Random) -> Scenario {
    let mut scenario = Scenario::synchronous(set);
    for (offset, task) in scenario.offsets.iter_mut().zip(&set.tasks) {
        *offset = random.below(task.parameters.period);
    }
    scenario.blocked_at = None;
    scenario.late = true;
    scenario.seed = random.below(u64::MAX);
    scenario
}

/// All are released at once, and servers end a period just when they have used up its budget, to
/// go on with the next one: the worst that there is. When that is depends on who is more urgent
/// than they are; some guesses are made.
pub fn worst_cases(set: &TaskSet, found: &[Outcome]) -> Vec<Scenario> {
    let mut scenarios = vec![Scenario::synchronous(set)];
    if !set.has_servers() {
        return scenarios;
    }
    let start = set
        .tasks
        .iter()
        .map(|task| task.parameters.period)
        .max()
        .unwrap_or(0);
    let interrupts = set.overheads.interrupt_ns * set.tasks.len() as u64;
    let first = |at: usize| set.tasks[at].parameters.budget + set.overheads.job_ns;
    let guesses: [&dyn Fn(usize) -> u64; 3] = [
        &first,
        &|at| first(at) + set.overheads.blocking_ns + interrupts,
        &|at| found[at].response_ns.unwrap_or(first(at)),
    ];
    for used_up in guesses {
        let mut scenario = Scenario::synchronous(set);
        scenario.blocked_at = Some(start);
        scenario.offsets.fill(start);
        for (at, task) in set.tasks.iter().enumerate() {
            if task.parameters.class == Class::Server {
                let early = (start + used_up(at)).saturating_sub(task.parameters.period);
                scenario.early_work[at] = (early < start).then_some(early);
            }
        }
        scenarios.push(scenario);
    }
    scenarios
}
