// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Overruns, missed deadlines, late completions, and what comes of them.

use super::*;

#[test]
fn an_overrun_that_is_logged_throttles_until_the_next_release() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(1, 100, 20));
    world.enter(0, &[Released(a)], Some(a), Some(20));
    world.enter(23, &[Overrun(a, Log)], None, Some(100));
    assert_eq!(world.state(a), State::Throttled);
    let next = [Missed(a, Log), Skipped(a), Replenished(a)];
    world.enter(100, &next, Some(a), Some(120));
    world.executive.complete(a, 110);
    world.enter(110, &[], None, Some(200));
    world.enter(200, &[Released(a)], Some(a), Some(220));
    let counters = world.counters(a);
    assert_eq!(
        (counters.overruns, counters.throttled, counters.misses),
        (1, 1, 1)
    );
    assert_eq!(
        (counters.skipped, counters.releases, counters.completions),
        (1, 2, 1)
    );
    assert_eq!(counters.cut_lateness_max_ns, 3);
    assert_eq!(counters.execution.max_ns(), 33);
    assert_eq!(counters.response.max_ns(), 110);
}

#[test]
fn with_earliest_deadline_first_an_old_job_has_the_deadline_of_its_new_budget() {
    let mut world = World::new(Policy::EarliestDeadline);
    let a = world.started(periodic(1, 100, 20));
    let b = world.add(periodic(1, 90, 30));
    world.executive.start(b, 100);
    world.enter(0, &[Released(a)], Some(a), Some(20));
    world.enter(20, &[Overrun(a, Log)], None, Some(100));
    // The old job was due at 100. It must not go before one that is due at 190.
    let next = [Missed(a, Log), Skipped(a), Replenished(a), Released(b)];
    world.enter(100, &next, Some(b), Some(130));
}

#[test]
fn an_overrun_that_skips_gives_the_job_up() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(Parameters {
        on_overrun: Skip,
        ..periodic(1, 100, 20)
    });
    world.enter(0, &[Released(a)], Some(a), Some(20));
    world.enter(20, &[Overrun(a, Skip)], None, Some(100));
    assert_eq!(world.state(a), State::Waiting);
    assert!(!world.executive.complete(a, 30));
    world.enter(100, &[Released(a)], Some(a), Some(120));
    let counters = world.counters(a);
    assert_eq!(
        (counters.releases, counters.abandoned, counters.completions),
        (2, 1, 0)
    );
}

#[test]
fn a_missed_deadline_that_skips_makes_room_for_the_next_release() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(Parameters {
        on_miss: Skip,
        ..periodic(1, 50, 40)
    });
    let b = world.started(periodic(2, 1000, 200));
    world.enter(0, &[Released(a), Released(b)], Some(b), Some(50));
    world.enter(50, &[Missed(a, Skip), Released(a)], Some(b), Some(100));
    assert_eq!(world.counters(a).skipped, 0);
}

#[test]
fn a_task_that_a_reaction_stops_runs_no_more() {
    for reaction in [Restart, Stop] {
        let mut world = World::new(Policy::FixedPriority);
        let a = world.started(Parameters {
            on_overrun: reaction,
            ..periodic(2, 100, 20)
        });
        let b = world.started(Parameters {
            on_miss: reaction,
            deadline: 90,
            ..periodic(1, 100, 80)
        });
        world.enter(0, &[Released(a), Released(b)], Some(a), Some(20));
        world.enter(20, &[Overrun(a, reaction)], Some(b), Some(90));
        world.enter(90, &[Missed(b, reaction)], None, None);
        assert_eq!(
            (world.state(a), world.state(b)),
            (State::Stopped, State::Stopped)
        );
        // What becomes of it is the driver's: here it is started anew.
        assert!(world.executive.begin(a, 95));
        world.enter(95, &[], Some(a), None);
        assert!(world.executive.complete(a, 99));
        assert!(world.executive.start(a, 200));
        world.enter(200, &[Released(a)], Some(a), Some(220));
    }
}

#[test]
fn a_completion_that_is_told_late_comes_after_what_was_due_before() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(1, 100, 60));
    let b = world.started(periodic(2, 300, 130));
    world.enter(0, &[Released(a), Released(b)], Some(b), Some(100));
    // No entry at 100, where the deadline and the second release were.
    world.executive.complete(b, 80);
    world.executive.decide(80);
    assert!(world.executive.complete(a, 130));
    assert!(!world.executive.complete(a, 130));
    world.enter(130, &[Missed(a, Log), Skipped(a)], None, Some(200));
    let counters = world.counters(a);
    assert_eq!(
        (counters.misses, counters.skipped, counters.completions),
        (1, 1, 1)
    );
    assert_eq!(counters.response.max_ns(), 130);
    world.enter(200, &[Released(a)], Some(a), Some(260));
}

#[test]
fn after_a_long_time_without_an_entry_only_the_latest_release_is_made() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(1, 10, 5));
    let late = 1_000_000_000_007;
    assert_eq!(world.advance(late), [Skipped(a), Released(a)]);
    let counters = world.counters(a);
    assert_eq!((counters.skipped, counters.releases), (100_000_000_000, 1));
    assert_eq!(counters.jitter.max_ns(), 7);
    assert_eq!(world.executive.next_release(a), Some(1_000_000_000_010));
    let late = 2_000_000_000_000;
    let notices = [Missed(a, Log), Skipped(a)];
    assert_eq!(world.advance(late), notices);
}
