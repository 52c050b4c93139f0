// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Random sequences of all calls: whatever is called when, what the executive promises holds.

use super::*;
use crate::task::Queue;
use std::collections::BTreeMap;

/// The executive's table has so many places; tasks come and go.
const PLACES: usize = 6;

/// xorshift64*: fast, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }
}

/// What is known of a task from outside.
#[derive(Default)]
struct Known {
    /// The phase of a periodic task that was started.
    phase: Option<u64>,
    /// Time that it was seen to run, by the driver's clock.
    processor_ns: u64,
    /// Time on its budget in a period, and when that period ends.
    used: u64,
    period_end: u64,
    releases: u64,
    skips: u64,
    misses: u64,
    overruns: u64,
    completions: u64,
}

struct Model {
    executive: Executive<PLACES>,
    random: Random,
    now: u64,
    known: BTreeMap<u16, Known>,
    /// Who was given the processor, when, and whether on its budget.
    running: Option<(TaskId, u64, bool)>,
}

fn parameters(random: &mut Random) -> Parameters {
    let reactions = [Log, Skip, Restart, Stop];
    let period = 20 + random.below(200);
    let deadline = period - random.below(period / 2);
    let class = [Class::Periodic, Class::Server, Class::Background][random.below(3) as usize];
    let timed = class != Class::Background;
    let times = match timed {
        true => [period, deadline, 1 + random.below(deadline)],
        false => [0; 3],
    };
    Parameters {
        class,
        priority: random.below(4) as u8,
        period: times[0],
        deadline: times[1],
        budget: times[2],
        on_miss: reactions[random.below(4) as usize],
        on_overrun: reactions[random.below(4) as usize],
        slack: timed && random.below(4) == 0,
    }
}

impl Model {
    fn new(policy: Policy, seed: u64) -> Self {
        Self {
            executive: Executive::new(policy, 7),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            now: 0,
            known: BTreeMap::new(),
            running: None,
        }
    }

    /// Accounts for who ran, as the driver's clock has it.
    fn account(&mut self) {
        if let Some((id, since, _)) = &mut self.running {
            self.known.get_mut(&id.0).unwrap().processor_ns += self.now - *since;
            *since = self.now;
        }
    }

    /// A call at random. Who runs is likelier to be called upon than others.
    fn call(&mut self) {
        let running = self.running.map(|(id, ..)| id);
        let any = TaskId(self.random.below(PLACES as u64 + 1) as u16);
        let id = running.filter(|_| self.random.below(3) > 0).unwrap_or(any);
        let now = self.now;
        let later = now + self.random.below(60);
        let call = self.random.below(14);
        // The others have no time to charge by.
        if call > 2 {
            self.account();
        }
        match call {
            0 => {
                let parameters = parameters(&mut self.random);
                if let Some(id) = self.executive.add(parameters) {
                    assert!(self.known.insert(id.0, Known::default()).is_none());
                }
            }
            1 if self.random.below(4) == 0 => {
                let existed = self.executive.remove(id);
                assert_eq!(existed, self.known.remove(&id.0).is_some());
                self.running = self.running.filter(|(running, ..)| *running != id);
            }
            1 | 2 => self.start(id, later),
            3 => drop(self.executive.begin(id, now)),
            4 | 5 => drop(self.executive.wake(id, now)),
            6 => drop(self.executive.block(id, now)),
            7 => drop(self.executive.sleep(id, now, later)),
            8 | 9 => {
                // The end of an initialisation leaves the task stopped, and counts for nothing.
                let done = self.executive.complete(id, now);
                let counts = done && self.executive.state(id) != State::Stopped;
                if let Some(known) = self.known.get_mut(&id.0) {
                    known.completions += u64::from(counts);
                }
            }
            10 => drop(self.executive.abort(id, now)),
            11 => drop(self.executive.stop(id, now)),
            12 => drop(self.executive.suspend(id, now)),
            13 => drop(self.executive.resume(id, now)),
            _ => {}
        }
    }

    fn start(&mut self, id: TaskId, first: u64) {
        if !self.executive.start(id, first) {
            return;
        }
        // Later than asked for, where the task was started before.
        let phase = self.executive.next_release(id);
        assert!(phase.is_none_or(|phase| phase >= first));
        self.known.get_mut(&id.0).unwrap().phase = phase;
    }

    fn advance(&mut self) {
        self.account();
        let (known, now) = (&mut self.known, self.now);
        self.executive.advance(now, &mut |notice| {
            let (id, count): (TaskId, fn(&mut Known) -> &mut u64) = match notice {
                Released(id) => (id, |of| &mut of.releases),
                Skipped(id) => (id, |of| &mut of.skips),
                Missed(id, _) => (id, |of| &mut of.misses),
                Overrun(id, _) => (id, |of| &mut of.overruns),
                Woken(_) | Replenished(_) | Ended(_) => return,
            };
            *count(known.get_mut(&id.0).unwrap()) += 1;
        });
    }

    fn decide(&mut self) {
        // What came after a call is the executive's own time.
        if !self.executive.entered {
            self.account();
        }
        self.running = None;
        let decision = self.executive.decide(self.now);
        let Some(id) = decision.run else {
            return;
        };
        let executive = &self.executive;
        let row = &executive.tasks[usize::from(id.0)];
        assert!(
            row.active && !row.blocked && !row.suspended,
            "{id:?} has no work"
        );
        let on_budget = row.queue == Queue::Ready;
        let timed = row.life == Life::Started && row.parameters.class != Class::Background;
        if on_budget {
            assert!(timed && row.remaining > 0);
            assert!(decision.alarm.unwrap() <= self.now + row.remaining);
        } else {
            assert_eq!(row.queue, Queue::Idle);
            assert!(!timed || row.parameters.slack, "no idle time for {id:?}");
            assert_eq!(executive.ready.first(), None);
        }
        let more_urgent = |other: &Task| other.queue == Queue::Ready && other.key < row.key;
        assert!(!on_budget || !executive.tasks.iter().any(more_urgent));
        self.running = Some((id, self.now, on_budget));
    }

    /// What has to hold at any time.
    fn check(&self) {
        let executive = &self.executive;
        assert!(executive.timers.is_consistent() && executive.ready.is_consistent());
        for (place, row) in executive.tasks.iter().enumerate() {
            assert_eq!(row.queue, row.place());
            assert_eq!(executive.ready.contains(place), row.queue == Queue::Ready);
            assert_eq!(executive.idle.contains(place), row.queue == Queue::Idle);
            let due = row.next_event(executive.policy);
            assert_eq!(executive.timers.key(place), (due != NEVER).then_some(due));
            assert!(row.remaining <= row.parameters.budget);
            assert!(row.active || (!row.blocked && row.wake_at == NEVER));
        }
    }

    /// What has to hold when everything that is due is done.
    fn check_counters(&self) {
        let due = self.executive.timers.first().map(|(due, _)| due);
        assert!(due.is_none_or(|due| due > self.now));
        for (&place, known) in &self.known {
            let counters = self.executive.counters(TaskId(place));
            let row = &self.executive.tasks[usize::from(place)];
            let job = u64::from(row.active && row.life == Life::Started);
            let ended = counters.completions + counters.abandoned;
            assert_eq!(counters.releases, ended + job);
            assert_eq!(counters.completions, known.completions);
            assert_eq!(counters.misses, known.misses);
            assert_eq!(counters.overruns, known.overruns);
            assert!(counters.skipped >= known.skips);
            assert_eq!(counters.processor_ns, known.processor_ns);
            assert_eq!(counters.response.count(), counters.completions);
            assert_eq!(counters.execution.count(), counters.completions);
            assert!(counters.execution.sum_ns() <= counters.processor_ns);
            for histogram in [&counters.response, &counters.jitter, &counters.execution] {
                assert!(histogram.is_consistent());
            }
            if row.parameters.class == Class::Periodic {
                assert_eq!(counters.releases, known.releases);
                assert_eq!(counters.jitter.count(), counters.releases);
                self.check_phase(row, known);
            }
        }
    }

    fn check_phase(&self, row: &Task, known: &Known) {
        let period = row.parameters.period;
        if row.life == Life::Started {
            let phase = known.phase.unwrap();
            assert_eq!((row.refill_at - phase) % period, 0);
            assert!(row.suspended || row.refill_at > self.now);
            if row.active {
                assert_eq!((row.released_at - phase) % period, 0);
                assert!(row.released_at <= self.now);
            }
        }
    }

    fn step(&mut self) {
        self.now += self.random.below(25);
        for _ in 0..self.random.below(3) {
            self.call();
            self.check();
        }
        // Drivers enter as they should, nearly always.
        if self.random.below(20) > 0 {
            self.advance();
            self.check();
            self.check_counters();
        }
        if self.random.below(20) > 0 {
            self.decide();
            self.check();
        }
    }
}

#[test]
fn random_calls_break_nothing() {
    for policy in [Policy::FixedPriority, Policy::EarliestDeadline] {
        let mut seen = [0; 6];
        for seed in 1..=40 {
            let mut model = Model::new(policy, seed);
            for _ in 0..4_000 {
                model.step();
            }
            for &place in model.known.keys() {
                let of = model.executive.counters(TaskId(place));
                let counts = [
                    of.completions,
                    of.skipped,
                    of.misses,
                    of.overruns,
                    of.throttled,
                ];
                for (sum, count) in seen
                    .iter_mut()
                    .zip(counts.into_iter().chain([of.abandoned]))
                {
                    *sum += count;
                }
            }
        }
        // Everything that can happen did.
        assert!(seen.iter().all(|&count| count > 10), "{seen:?}");
    }
}

/// A driver that is never late: then nobody has more than its budget in a period.
#[test]
fn nobody_exceeds_its_budget_when_entries_are_in_time() {
    for policy in [Policy::FixedPriority, Policy::EarliestDeadline] {
        for seed in 1..=40 {
            let mut model = Model::new(policy, seed ^ 0xb0d9);
            let mut busy = 0;
            for _ in 0..4_000 {
                model.advance();
                if model.random.below(3) == 0 {
                    model.call();
                    model.advance();
                }
                model.decide();
                let alarm = model.executive.decide(model.now).alarm;
                let later = model.now + 1 + model.random.below(40);
                let began = model.now;
                model.now = alarm.map_or(later, |alarm| alarm.clamp(began, later));
                busy += check_budget(&mut model, began);
            }
            assert!(busy > 0);
        }
    }
}

/// Adds the time that is about to be used to the period that it belongs to.
fn check_budget(model: &mut Model, began: u64) -> u64 {
    let Some((id, _, true)) = model.running else {
        return 0;
    };
    let row = model.executive.tasks[usize::from(id.0)];
    let known = model.known.get_mut(&id.0).unwrap();
    let ran = model.now - began;
    if known.period_end != row.refill_at {
        known.period_end = row.refill_at;
        known.used = 0;
    }
    known.used += ran;
    let (used, budget) = (known.used, row.parameters.budget);
    assert!(used <= budget, "{id:?} has had {used} of {budget}");
    ran
}
