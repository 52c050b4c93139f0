// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What each call and each event does. Times are in units that are easy to read, not realistic.

mod entries;
mod handover;
mod properties;
mod reactions;
mod servers;

use super::*;
use std::vec;
use std::vec::Vec;

const QUANTUM: u64 = 10;

/// The executive, and a driver that enters it.
struct World {
    executive: Executive<8>,
}

impl World {
    fn new(policy: Policy) -> Self {
        Self {
            executive: Executive::new(policy, QUANTUM),
        }
    }

    fn add(&mut self, parameters: Parameters) -> TaskId {
        self.executive.add(parameters).unwrap()
    }

    /// A task that is started at 0.
    fn started(&mut self, parameters: Parameters) -> TaskId {
        let id = self.add(parameters);
        assert!(self.executive.start(id, 0));
        id
    }

    fn advance(&mut self, now: u64) -> Vec<Notice> {
        let mut notices = Vec::new();
        self.executive
            .advance(now, &mut |notice| notices.push(notice));
        notices
    }

    /// An entry: what is due, and who runs.
    #[track_caller]
    fn enter(&mut self, now: u64, notices: &[Notice], run: Option<TaskId>, alarm: Option<u64>) {
        assert_eq!(self.advance(now), notices);
        assert_eq!(self.executive.decide(now), Decision { run, alarm });
    }

    fn state(&self, id: TaskId) -> State {
        self.executive.state(id)
    }

    fn counters(&self, id: TaskId) -> &Counters {
        self.executive.counters(id)
    }
}

fn periodic(priority: u8, period: u64, budget: u64) -> Parameters {
    Parameters {
        class: Class::Periodic,
        priority,
        period,
        deadline: period,
        budget,
        ..Parameters::BACKGROUND
    }
}

fn server(priority: u8, period: u64, budget: u64) -> Parameters {
    Parameters {
        class: Class::Server,
        ..periodic(priority, period, budget)
    }
}

use Notice::*;
use Reaction::{Log, Restart, Skip, Stop};

#[test]
fn releases_are_exactly_in_phase_however_late_they_are_made() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.add(periodic(1, 100, 20));
    world.executive.start(a, 7);
    world.enter(0, &[], None, Some(7));
    world.enter(9, &[Released(a)], Some(a), Some(29));
    world.executive.complete(a, 25);
    world.enter(25, &[], None, Some(107));
    world.enter(150, &[Released(a)], Some(a), Some(170));
    world.executive.complete(a, 160);
    world.enter(160, &[], None, Some(207));
    world.enter(207, &[Released(a)], Some(a), Some(227));
    let counters = world.counters(a);
    assert_eq!((counters.releases, counters.completions), (3, 2));
    assert_eq!(
        (counters.jitter.min_ns(), counters.jitter.max_ns()),
        (0, 43)
    );
    assert_eq!(
        (counters.response.min_ns(), counters.response.max_ns()),
        (18, 53)
    );
    assert_eq!(
        (counters.execution.min_ns(), counters.execution.max_ns()),
        (10, 16)
    );
}

#[test]
fn the_more_urgent_task_preempts_and_equal_ones_take_their_order() {
    let mut world = World::new(Policy::FixedPriority);
    let (low, high) = (
        world.add(periodic(1, 100, 50)),
        world.add(periodic(9, 100, 10)),
    );
    let same = world.add(periodic(1, 100, 10));
    world.executive.start(low, 0);
    world.executive.start(same, 0);
    world.executive.start(high, 20);
    // Two releases at once: the one that is handled first is first in line.
    world.enter(0, &[Released(low), Released(same)], Some(low), Some(20));
    world.enter(20, &[Released(high)], Some(high), Some(30));
    world.executive.complete(high, 25);
    world.enter(25, &[], Some(low), Some(55));
    world.executive.complete(low, 40);
    world.enter(40, &[], Some(same), Some(50));
    assert_eq!(world.counters(low).execution.max_ns(), 35);
}

#[test]
fn the_earliest_deadline_is_first_and_ties_go_by_place() {
    let mut world = World::new(Policy::EarliestDeadline);
    let (a, b) = (
        world.started(periodic(1, 100, 20)),
        world.started(periodic(1, 50, 20)),
    );
    let c = world.add(periodic(1, 50, 5));
    world.executive.start(c, 50);
    world.enter(0, &[Released(a), Released(b)], Some(b), Some(20));
    world.executive.complete(b, 15);
    world.enter(15, &[], Some(a), Some(35));
    world.executive.complete(a, 35);
    world.enter(35, &[], None, Some(50));
    world.enter(50, &[Released(b), Released(c)], Some(b), Some(70));
}

#[test]
fn a_job_that_ends_at_its_deadline_with_the_last_of_its_budget_is_in_time() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(1, 20, 20));
    world.enter(0, &[Released(a)], Some(a), Some(20));
    world.executive.complete(a, 20);
    world.enter(20, &[Released(a)], Some(a), Some(40));
    let counters = world.counters(a);
    assert_eq!(
        (counters.misses, counters.overruns, counters.skipped),
        (0, 0, 0)
    );
}

#[test]
fn a_blocked_job_stays_active_and_its_budget_goes_down() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(2, 100, 50));
    let b = world.started(periodic(1, 100, 40));
    world.enter(0, &[Released(a), Released(b)], Some(a), Some(50));
    assert!(world.executive.block(a, 10));
    world.enter(10, &[], Some(b), Some(50));
    assert_eq!(world.state(a), State::Blocked);
    assert!(world.executive.wake(a, 25));
    // 50, less 10 that it ran and 15 that it was blocked.
    world.enter(25, &[], Some(a), Some(50));
    world.executive.complete(a, 30);
    world.enter(30, &[], Some(b), Some(55));
    assert_eq!(world.counters(a).execution.max_ns(), 15);
}

#[test]
fn a_job_that_was_blocked_for_long_goes_on_with_the_next_budget() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(2, 100, 50));
    world.enter(0, &[Released(a)], Some(a), Some(50));
    assert!(world.executive.sleep(a, 10, 80));
    world.enter(10, &[], None, Some(80));
    world.enter(80, &[Woken(a)], None, Some(100));
    assert_eq!(world.state(a), State::Throttled);
    let next = [Missed(a, Log), Skipped(a), Replenished(a)];
    world.enter(100, &next, Some(a), Some(150));
    // Over a release: what was blocked before it is forgotten.
    assert!(world.executive.block(a, 110));
    world.enter(200, &[Skipped(a)], None, Some(300));
    world.executive.wake(a, 220);
    world.enter(220, &[], Some(a), Some(250));
    let counters = world.counters(a);
    assert_eq!((counters.overruns, counters.throttled), (0, 1));
}

#[test]
fn a_sleep_ends_by_its_time_or_by_a_wake() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(Parameters::BACKGROUND);
    assert!(world.executive.wake(a, 0));
    world.enter(0, &[], Some(a), None);
    assert!(world.executive.sleep(a, 5, 50));
    assert!(!world.executive.sleep(a, 5, 60));
    world.enter(5, &[], None, Some(50));
    assert!(world.executive.wake(a, 20));
    world.enter(20, &[], Some(a), None);
    world.executive.sleep(a, 30, 50);
    world.enter(50, &[Woken(a)], Some(a), None);
    // Until a time that is past: the next entry.
    world.executive.sleep(a, 60, 10);
    world.enter(60, &[Woken(a)], Some(a), None);
}

#[test]
fn suspension_freezes_a_job_and_releases_go_on_in_phase() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(1, 100, 30));
    world.enter(0, &[Released(a)], Some(a), Some(30));
    assert!(world.executive.suspend(a, 10));
    assert!(!world.executive.suspend(a, 10));
    world.enter(10, &[], None, None);
    assert_eq!(world.state(a), State::Suspended);
    assert!(world.executive.resume(a, 250));
    assert!(!world.executive.resume(a, 250));
    world.enter(250, &[], None, Some(300));
    world.enter(300, &[Skipped(a), Replenished(a)], Some(a), Some(330));
    world.executive.complete(a, 310);
    world.enter(400, &[Released(a)], Some(a), Some(430));
    assert_eq!(world.counters(a).misses, 0);
}

#[test]
fn a_sleep_ends_while_the_task_is_suspended() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(Parameters::BACKGROUND);
    world.executive.wake(a, 0);
    world.executive.decide(0);
    world.executive.sleep(a, 5, 50);
    world.executive.suspend(a, 6);
    world.enter(50, &[Woken(a)], None, None);
    world.executive.resume(a, 60);
    world.enter(60, &[], Some(a), None);
}

#[test]
fn an_aborted_job_is_not_a_completion_and_releases_go_on() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(1, 100, 30));
    world.enter(0, &[Released(a)], Some(a), Some(30));
    assert!(world.executive.abort(a, 10));
    assert!(!world.executive.abort(a, 10));
    world.enter(10, &[], None, Some(100));
    world.enter(100, &[Released(a)], Some(a), Some(130));
    let counters = world.counters(a);
    assert_eq!(
        (counters.abandoned, counters.completions, counters.misses),
        (1, 0, 0)
    );
    assert_eq!(counters.processor_ns, 10);
}

#[test]
fn places_are_bounded_and_used_again() {
    let mut executive = Executive::<2>::new(Policy::FixedPriority, QUANTUM);
    let a = executive.add(periodic(1, 100, 10)).unwrap();
    let b = executive.add(periodic(1, 100, 10)).unwrap();
    assert_eq!(executive.add(Parameters::BACKGROUND), None);
    executive.start(a, 0);
    executive.advance(0, &mut |_| {});
    assert_eq!(executive.decide(0).run, Some(a));
    assert!(executive.remove(a));
    assert!(!executive.remove(a));
    assert_eq!(
        executive.decide(5),
        Decision {
            run: None,
            alarm: None
        }
    );
    assert_eq!(executive.add(Parameters::BACKGROUND), Some(a));
    assert_eq!(executive.counters(a).releases, 0);
    assert!(executive.stop(b, 5) || executive.state(b) == State::Stopped);
}

#[test]
fn times_that_do_not_fit_each_other_are_refused() {
    let mut executive = Executive::<4>::new(Policy::FixedPriority, QUANTUM);
    let good = periodic(1, 100, 10);
    let bad = [
        Parameters { budget: 0, ..good },
        Parameters { period: 0, ..good },
        Parameters {
            deadline: 9,
            ..good
        },
        Parameters {
            deadline: 101,
            ..good
        },
    ];
    for parameters in bad {
        assert_eq!(executive.add(parameters), None);
    }
    assert!(executive.add(good).is_some());
}

#[test]
fn calls_without_a_task_or_a_meaning_change_nothing() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.add(periodic(1, 100, 10));
    for id in [a, TaskId(3), TaskId(8), TaskId(u16::MAX)] {
        let executive = &mut world.executive;
        let answers = vec![
            executive.wake(id, 1),
            executive.block(id, 1),
            executive.sleep(id, 1, 2),
            executive.complete(id, 1),
            executive.abort(id, 1),
            executive.stop(id, 1),
            executive.suspend(id, 1),
            executive.resume(id, 1),
        ];
        assert!(answers.iter().all(|&answer| !answer), "{id:?}: {answers:?}");
        assert_eq!(executive.state(id), State::Stopped);
    }
    assert!(!world.executive.start(TaskId(9), 0));
    world.executive.start(a, 0);
    assert!(!world.executive.start(a, 50) && !world.executive.begin(a, 1));
    // A periodic task has no work before its release.
    assert!(!world.executive.wake(a, 1));
    world.enter(100, &[Skipped(a), Released(a)], Some(a), Some(110));
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(1, 100, 10));
    world.enter(50, &[Released(a)], Some(a), Some(60));
    world.enter(20, &[], Some(a), Some(60));
    world.enter(57, &[], Some(a), Some(60));
    world.executive.complete(a, 58);
    assert_eq!(world.counters(a).execution.max_ns(), 8);
}
