// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Many sets, each judged by the analysis and run: what is accepted must never miss, and what is
//! refused must miss where the analysis is exact.

use super::random::Random;
use super::sets::{MS, TaskSet};
use super::world::{Behaviour, Scenario, World};
use std::fmt;
use wasm_aot_schedule::admission::{Outcome, Refusal, admit, utilisation_ppb};
use wasm_aot_schedule::{Class, Parameters, Policy};

/// Virtual time of a run of an accepted set: three of the longest periods.
const RUN: u64 = 300 * MS;
/// Virtual time at most until an overload has to show.
const OVERLOAD: u64 = 60_000 * MS;

/// What came of the sets of one policy.
pub struct Figures {
    pub policy: Policy,
    pub sets: u64,
    pub accepted: u64,
    /// Jobs released in the runs of accepted sets.
    pub jobs: u64,
    /// Missed deadlines in these, of tasks that keep to their contracts.
    pub misses: u64,
    /// Periods in which a server had less than its budget.
    pub shortfalls: u64,
    /// Longest responses that were as long as the analysis says, to the nanosecond, and how many
    /// there were.
    pub responses: [u64; 2],
    /// Refusals that a run confirms, and how many there were: where the analysis is exact, and
    /// elsewhere.
    pub exact: [u64; 2],
    pub sufficient: [u64; 2],
    /// What went wrong, or could not be confirmed.
    pub remarks: Vec<String>,
}

impl Figures {
    fn new(policy: Policy) -> Self {
        Self {
            policy,
            sets: 0,
            accepted: 0,
            jobs: 0,
            misses: 0,
            shortfalls: 0,
            responses: [0; 2],
            exact: [0; 2],
            sufficient: [0; 2],
            remarks: Vec::new(),
        }
    }

    /// Whether nothing contradicts the analysis.
    pub fn is_good(&self) -> bool {
        let all = |[confirmed, of]: [u64; 2]| confirmed == of;
        self.misses == 0 && self.shortfalls == 0 && all(self.responses) && all(self.exact)
    }

    fn judge(&mut self, set: &TaskSet, seed: u64) {
        self.sets += 1;
        let mut outcomes = vec![Outcome::default(); set.tasks.len()];
        match admit(self.policy, &set.overheads, &set.tasks, &mut outcomes) {
            Ok(()) => {
                self.accepted += 1;
                self.run_at_once(set, &outcomes, seed);
                self.run_worst_cases(set, &outcomes, seed);
                self.run_at_random(set, seed);
                self.run_among_hostile(set, seed);
                self.run_among_deferring(set, seed);
            }
            Err(refusal) => {
                let confirmed = u64::from(confirms(self.policy, set, &refusal, &outcomes));
                let [seen, of] = match set.is_exact() {
                    true => &mut self.exact,
                    false => &mut self.sufficient,
                };
                *seen += confirmed;
                *of += 1;
                if confirmed == 0 {
                    let why = if set.is_exact() {
                        "exact"
                    } else {
                        "with servers"
                    };
                    self.remarks
                        .push(format!("seed {seed} ({why}): not confirmed: {refusal}"));
                }
            }
        }
    }

    /// All at once, everybody with all of its budget.
    fn run_at_once(&mut self, set: &TaskSet, outcomes: &[Outcome], seed: u64) {
        let mut world = World::new(self.policy, set, Scenario::synchronous(set));
        world.run(RUN, |_| false);
        self.count(set, &world, seed, |_| true);
        for (place, outcome) in outcomes.iter().enumerate() {
            if set.tasks[place].parameters.class == Class::Server {
                self.check_server(set, &world, place, seed);
            } else if let Some(response) = outcome.response_ns
                && set.is_exact()
            {
                self.responses[1] += 1;
                if world.response_max_ns(place) == response {
                    self.responses[0] += 1;
                } else {
                    let seen = world.response_max_ns(place);
                    let name = set.tasks[place].name;
                    self.remarks.push(format!(
                        "seed {seed}: {name} took {seen} ns, the analysis says {response}"
                    ));
                }
            }
        }
    }

    /// Servers do what is worst for the others.
    fn run_worst_cases(&mut self, set: &TaskSet, outcomes: &[Outcome], seed: u64) {
        for scenario in worst_cases(set, outcomes).into_iter().skip(1) {
            let mut world = World::new(self.policy, set, scenario);
            world.run(RUN, |_| false);
            self.count(set, &world, seed, |_| true);
        }
    }

    /// A server that always has work had its whole budget in each period that is over.
    fn check_server(&mut self, set: &TaskSet, world: &World<'_>, place: usize, seed: u64) {
        let began = set.overheads.blocking_ns;
        let periods = (RUN - began) / set.tasks[place].parameters.period;
        let promised = periods * world.budget_ns(place);
        if world.processor_ns(place) < promised {
            self.shortfalls += 1;
            let (name, had) = (set.tasks[place].name, world.processor_ns(place));
            self.remarks
                .push(format!("seed {seed}: {name} had {had} ns of {promised}"));
        }
    }

    /// Any first releases, any part of the budgets, entries as late as they may be.
    fn run_at_random(&mut self, set: &TaskSet, seed: u64) {
        let mut random = Random::new(seed ^ 0x0ff5);
        let mut scenario = anywhere(set, &mut random);
        for behaviour in &mut scenario.behaviours {
            if random.once_in(2) {
                *behaviour = Behaviour::Some;
            }
        }
        let mut world = World::new(self.policy, set, scenario);
        world.run(RUN, |_| false);
        self.count(set, &world, seed, |_| true);
    }

    /// Half of the tasks never end a job.
    fn run_among_hostile(&mut self, set: &TaskSet, seed: u64) {
        let mut random = Random::new(seed ^ 0xbad);
        let mut scenario = anywhere(set, &mut random);
        for behaviour in &mut scenario.behaviours {
            *behaviour = match random.below(4) {
                0 => Behaviour::Endless,
                1 => Behaviour::Sleepy,
                2 => Behaviour::Some,
                _ => Behaviour::Whole,
            };
        }
        let honest: Vec<bool> = scenario
            .behaviours
            .iter()
            .map(|behaviour| matches!(behaviour, Behaviour::Some | Behaviour::Whole))
            .collect();
        let mut world = World::new(self.policy, set, scenario);
        world.run(RUN, |_| false);
        self.count(set, &world, seed, |place| honest[place]);
    }

    /// Half of the tasks put their first jobs off until all others are released.
    fn run_among_deferring(&mut self, set: &TaskSet, seed: u64) {
        let mut random = Random::new(seed ^ 0xdef);
        let start = set
            .tasks
            .iter()
            .map(|task| task.parameters.period)
            .max()
            .unwrap_or(0);
        let mut scenario = Scenario::synchronous(set);
        scenario.blocked_at = None;
        scenario.offsets.fill(start);
        for (place, task) in set.tasks.iter().enumerate() {
            let Parameters { period, budget, .. } = task.parameters;
            if task.parameters.class == Class::Periodic && random.once_in(2) {
                let whole = budget + set.overheads.job_ns;
                scenario.offsets[place] = start - (period - whole);
                scenario.behaviours[place] = Behaviour::Deferring;
            }
        }
        let honest: Vec<bool> = scenario
            .behaviours
            .iter()
            .map(|behaviour| *behaviour != Behaviour::Deferring)
            .collect();
        let mut world = World::new(self.policy, set, scenario);
        world.run(RUN, |_| false);
        self.count(set, &world, seed, |place| honest[place]);
    }

    fn count(
        &mut self,
        set: &TaskSet,
        world: &World<'_>,
        seed: u64,
        honest: impl Fn(usize) -> bool,
    ) {
        for place in 0..set.tasks.len() {
            self.jobs += world.releases(place);
            if honest(place) && world.misses[place] > 0 {
                self.misses += world.misses[place];
                let name = set.tasks[place].name;
                self.remarks
                    .push(format!("seed {seed}: accepted, and {name} missed"));
            }
        }
    }
}

/// First releases anywhere.
fn anywhere(set: &TaskSet, random: &mut Random) -> Scenario {
    let mut scenario = Scenario::synchronous(set);
    for (offset, task) in scenario.offsets.iter_mut().zip(&set.tasks) {
        *offset = random.below(task.parameters.period);
    }
    scenario.blocked_at = None;
    scenario.late = true;
    scenario.seed = random.below(u64::MAX);
    scenario
}

/// Whether a run shows what the refusal says.
fn confirms(policy: Policy, set: &TaskSet, refusal: &Refusal<'_>, found: &[Outcome]) -> bool {
    let place = |name: &str| set.tasks.iter().position(|task| task.name == name);
    match *refusal {
        Refusal::Late { name, .. } => {
            place(name).is_some_and(|place| is_late(policy, set, place, found))
        }
        Refusal::Demand { interval_ns, .. } => someone_is_late(policy, set, interval_ns),
        Refusal::Overload { .. } => {
            let ppb = utilisation_ppb(&set.overheads, &set.tasks).max(1_000_000_001);
            // Shares of deadlines add up to less than this, and are made up for by then.
            let longest = set
                .tasks
                .iter()
                .map(|task| task.parameters.deadline)
                .max()
                .unwrap_or(0);
            let until = u128::from(2 * longest) * u128::from(ppb) / u128::from(ppb - 1_000_000_000);
            someone_is_late(policy, set, OVERLOAD.min(until as u64))
        }
        _ => false,
    }
}

/// All are released at once, and servers end a period just when they have used up its budget, to
/// go on with the next one: the worst that there is. When that is depends on who is more urgent
/// than they are; some guesses are made.
fn worst_cases(set: &TaskSet, found: &[Outcome]) -> Vec<Scenario> {
    let mut scenarios = vec![Scenario::synchronous(set)];
    if set.is_exact() {
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

fn someone_is_late(policy: Policy, set: &TaskSet, until: u64) -> bool {
    let mut world = World::new(policy, set, Scenario::synchronous(set));
    world.run(until + 1, |_| true);
    world.misses.iter().any(|&misses| misses > 0)
}

/// Judges `sets` random sets, the first of which follows from `seed`.
pub fn run(policy: Policy, sets: u64, seed: u64) -> Figures {
    let mut figures = Figures::new(policy);
    for seed in seed..seed + sets {
        figures.judge(&TaskSet::random(seed), seed);
    }
    figures
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "policy {}", self.policy.name())?;
        writeln!(
            f,
            "  sets                                       {:>9}",
            self.sets
        )?;
        writeln!(
            f,
            "  accepted                                   {:>9}",
            self.accepted
        )?;
        writeln!(
            f,
            "    jobs released in their runs              {:>9}",
            self.jobs
        )?;
        writeln!(
            f,
            "    missed deadlines                         {:>9}",
            self.misses
        )?;
        writeln!(
            f,
            "    servers with less than their budgets     {:>9}",
            self.shortfalls
        )?;
        let [equal, of] = self.responses;
        writeln!(
            f,
            "    longest responses as analysed, to the ns {equal:>9} of {of}"
        )?;
        writeln!(
            f,
            "  refused                                    {:>9}",
            self.exact[1] + self.sufficient[1]
        )?;
        let [confirmed, of] = self.exact;
        writeln!(
            f,
            "    where exact, confirmed by a miss         {confirmed:>9} of {of}"
        )?;
        let [confirmed, of] = self.sufficient;
        write!(
            f,
            "    with servers, confirmed by a miss        {confirmed:>9} of {of}"
        )
    }
}
