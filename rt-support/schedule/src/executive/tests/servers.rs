// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Servers, and who shares idle time.

use super::*;

#[test]
fn idle_time_goes_round_by_quanta_and_never_before_tasks_with_budget() {
    let mut world = World::new(Policy::FixedPriority);
    let (a, b) = (
        world.started(Parameters::BACKGROUND),
        world.started(Parameters::BACKGROUND),
    );
    let init = world.add(periodic(9, 100, 10));
    let high = world.add(periodic(1, 100, 10));
    world.executive.start(high, 24);
    for id in [a, b] {
        world.executive.wake(id, 0);
    }
    world.executive.begin(init, 0);
    assert_eq!(world.state(init), State::Initialising);
    world.enter(0, &[], Some(a), Some(10));
    world.enter(10, &[], Some(b), Some(20));
    world.enter(20, &[], Some(init), Some(24));
    world.enter(24, &[Released(high)], Some(high), Some(34));
    world.executive.complete(high, 30);
    // The turn goes on where it was.
    world.enter(30, &[], Some(init), Some(36));
    world.enter(36, &[], Some(a), Some(46));
    world.executive.complete(a, 40);
    world.enter(40, &[], Some(b), Some(50));
    world.executive.complete(b, 45);
    world.enter(45, &[], Some(init), Some(124));
    assert_eq!(world.counters(init).processor_ns, 10);
    assert_eq!(world.counters(init).releases, 0);
}

#[test]
fn a_deferrable_server_keeps_its_budget_and_gets_it_back_by_the_period() {
    let mut world = World::new(Policy::FixedPriority);
    let s = world.started(server(5, 100, 30));
    let low = world.started(periodic(1, 1000, 500));
    world.enter(0, &[Released(low)], Some(low), Some(500));
    world.executive.wake(s, 50);
    world.enter(50, &[], Some(s), Some(80));
    world.executive.complete(s, 60);
    world.enter(60, &[], Some(low), Some(510));
    world.executive.wake(s, 100);
    world.enter(100, &[], Some(s), Some(120));
    // 20 were left; the period began at 50, where it had work for the first time.
    world.enter(120, &[], Some(low), Some(150));
    assert_eq!(world.state(s), State::Throttled);
    world.enter(150, &[Replenished(s)], Some(s), Some(180));
    world.executive.complete(s, 155);
    let counters = world.counters(s);
    assert_eq!((counters.releases, counters.completions), (2, 2));
    assert_eq!((counters.throttled, counters.overruns), (1, 0));
    assert_eq!(counters.response.max_ns(), 55);
    // Idle over the end of the period: the next one begins with the next work.
    world.executive.wake(s, 400);
    world.enter(400, &[], Some(s), Some(430));
}

#[test]
fn a_constant_bandwidth_server_puts_its_deadline_off() {
    let mut world = World::new(Policy::EarliestDeadline);
    let s = world.started(server(0, 100, 25));
    let a = world.started(periodic(0, 120, 40));
    world.executive.wake(s, 0);
    world.enter(0, &[Released(a)], Some(s), Some(25));
    world.executive.complete(s, 10);
    world.enter(10, &[], Some(a), Some(50));
    // 15 are left until 100: 61 to go, of which a quarter is more.
    world.executive.wake(s, 39);
    world.enter(39, &[], Some(s), Some(54));
    world.executive.complete(s, 40);
    world.enter(40, &[], Some(a), Some(51));
    world.executive.complete(a, 51);
    world.executive.wake(s, 60);
    // 14 are left and 40 to go: more than a quarter. A new deadline, 160, and a new budget.
    world.enter(60, &[], Some(s), Some(85));
    world.enter(85, &[], None, Some(120));
    world.enter(120, &[Released(a)], Some(a), Some(160));
    world.executive.complete(a, 125);
    world.enter(125, &[], None, Some(160));
    world.enter(160, &[Replenished(s)], Some(s), Some(185));
}

#[test]
fn with_slack_a_server_without_budget_has_idle_time() {
    let mut world = World::new(Policy::FixedPriority);
    let s = world.started(Parameters {
        slack: true,
        ..server(1, 100, 10)
    });
    let a = world.add(periodic(2, 100, 10));
    world.executive.start(a, 50);
    world.executive.wake(s, 0);
    world.enter(0, &[], Some(s), Some(10));
    world.enter(10, &[], Some(s), Some(50));
    world.enter(50, &[Released(a)], Some(a), Some(60));
    world.executive.complete(a, 55);
    world.enter(55, &[], Some(s), Some(100));
    world.enter(100, &[Replenished(s)], Some(s), Some(110));
    assert_eq!(world.counters(s).processor_ns, 95);
}

#[test]
fn a_server_that_must_not_use_its_budget_up_is_told_of() {
    let mut world = World::new(Policy::FixedPriority);
    let s = world.started(Parameters {
        on_overrun: Stop,
        ..server(1, 100, 10)
    });
    world.executive.wake(s, 0);
    world.enter(0, &[], Some(s), Some(10));
    world.enter(10, &[Overrun(s, Stop)], None, None);
    assert!(!world.executive.wake(s, 20));
}
