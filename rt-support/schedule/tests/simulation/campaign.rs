// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Many sets, each judged by the analysis and run: what is accepted must never miss, and what is
//! refused must miss where the analysis is exact.

use super::random::Random;
use super::refusals::{Exactness, confirms};
use super::scenarios::{Behaviour, Scenario, anywhere, worst_cases};
use super::sets::{MS, TaskSet};
use super::world::World;
use std::fmt;
use wasm_aot_schedule::admission::{Outcome, admit};
use wasm_aot_schedule::{Class, Parameters, Policy};

/// Virtual time of a run of an accepted set: three of the longest periods.
const RUN: u64 = 300 * MS;
/// What came of the sets of one policy.
pub struct Figures {
    pub policy: Policy,
    pub sets: u64,
    pub accepted: u64,
    /// Jobs released in the runs of accepted sets.
    pub jobs: u64,
    /// Missed deadlines in these, of tasks that keep to their contracts.
    pub misses: u64,
    /// Tasks that keep to their contracts and took longer than the analysis says.
    pub longer: u64,
    /// Servers that had less than their budgets.
    pub shortfalls: u64,
    /// Longest responses that were as long as the analysis says, to the nanosecond, and how many
    /// there were.
    pub responses: [u64; 2],
    /// Refusals that a run confirms, and how many there were, by [`Exactness`].
    pub refused: [[u64; 2]; 4],
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
            longer: 0,
            shortfalls: 0,
            responses: [0; 2],
            refused: [[0; 2]; 4],
            remarks: Vec::new(),
        }
    }

    /// Whether nothing contradicts the analysis.
    pub fn is_good(&self) -> bool {
        let all = |[confirmed, of]: [u64; 2]| confirmed == of;
        self.misses + self.longer + self.shortfalls == 0 && all(self.responses) && all(self.exact())
    }

    fn judge(&mut self, set: &TaskSet, seed: u64) {
        self.sets += 1;
        let mut outcomes = vec![Outcome::default(); set.tasks.len()];
        match admit(self.policy, &set.overheads, &set.tasks, &mut outcomes) {
            Ok(()) => {
                self.accepted += 1;
                self.run_at_once(set, &outcomes, seed);
                self.run_worst_cases(set, &outcomes, seed);
                self.run_at_random(set, &outcomes, seed);
                self.run_among_hostile(set, &outcomes, seed);
                self.run_among_deferring(set, &outcomes, seed);
            }
            Err(refusal) => {
                let confirmed = confirms(self.policy, set, &refusal, &outcomes);
                let exactness = Exactness::of(set, &refusal);
                let [seen, of] = &mut self.refused[exactness as usize];
                *seen += u64::from(confirmed);
                *of += 1;
                if !confirmed {
                    let why = exactness.text();
                    self.remarks
                        .push(format!("seed {seed} ({why}): not confirmed: {refusal}"));
                }
            }
        }
    }

    /// Refusals that have to be confirmed: those that were, and all.
    pub fn exact(&self) -> [u64; 2] {
        self.refused[Exactness::Exact as usize]
    }

    /// All at once, everybody with all of its budget.
    fn run_at_once(&mut self, set: &TaskSet, outcomes: &[Outcome], seed: u64) {
        let mut world = World::new(self.policy, set, Scenario::synchronous(set));
        world.run(RUN, |_| false);
        self.count(set, outcomes, &world, seed, |_| true);
        for (place, outcome) in outcomes.iter().enumerate() {
            if set.tasks[place].parameters.class == Class::Server {
                self.check_server(set, &world, place, seed);
            } else if let Some(response) = outcome.response_ns
                && !set.has_servers()
                && !set.has_overheads()
                && self.policy == Policy::FixedPriority
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
            self.count(set, outcomes, &world, seed, |_| true);
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
    fn run_at_random(&mut self, set: &TaskSet, outcomes: &[Outcome], seed: u64) {
        let mut random = Random::new(seed ^ 0x0ff5);
        let mut scenario = anywhere(set, &mut random);
        for behaviour in &mut scenario.behaviours {
            if random.once_in(2) {
                *behaviour = Behaviour::Some;
            }
        }
        let mut world = World::new(self.policy, set, scenario);
        world.run(RUN, |_| false);
        self.count(set, outcomes, &world, seed, |_| true);
    }

    /// Half of the tasks never end a job.
    fn run_among_hostile(&mut self, set: &TaskSet, outcomes: &[Outcome], seed: u64) {
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
        self.count(set, outcomes, &world, seed, |place| honest[place]);
    }

    /// Half of the tasks put their first jobs off until all others are released.
    fn run_among_deferring(&mut self, set: &TaskSet, outcomes: &[Outcome], seed: u64) {
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
        self.count(set, outcomes, &world, seed, |place| honest[place]);
    }

    fn count(
        &mut self,
        set: &TaskSet,
        outcomes: &[Outcome],
        world: &World<'_>,
        seed: u64,
        honest: impl Fn(usize) -> bool,
    ) {
        for (place, outcome) in outcomes.iter().enumerate() {
            self.jobs += world.releases(place);
            if honest(place) && world.misses[place] > 0 {
                self.misses += world.misses[place];
                let name = set.tasks[place].name;
                self.remarks
                    .push(format!("seed {seed}: accepted, and {name} missed"));
            }
            let periodic = set.tasks[place].parameters.class == Class::Periodic;
            let took = world.response_max_ns(place);
            if let Some(limit) = outcome.response_ns
                && (honest(place) && periodic && took > limit)
            {
                self.longer += 1;
                let name = set.tasks[place].name;
                self.remarks.push(format!(
                    "seed {seed}: {name} took {took} ns, the analysis says {limit} at the most"
                ));
            }
        }
    }
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
            "    tasks that took longer than analysed     {:>9}",
            self.longer
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
        let all: u64 = self.refused.iter().map(|[_, of]| of).sum();
        write!(f, "  refused                                    {all:>9}")?;
        for exactness in Exactness::ALL {
            let [confirmed, of] = self.refused[exactness as usize];
            let text = exactness.text();
            write!(
                f,
                "\n    {text:<30}, confirmed by a miss {confirmed:>6} of {of}"
            )?;
        }
        Ok(())
    }
}
