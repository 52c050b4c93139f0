// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Who pays for entries, and what asks for one.

use super::*;

#[test]
fn a_caller_pays_for_its_service_and_nobody_for_the_rest() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(1, 100, 30));
    world.enter(0, &[Released(a)], Some(a), Some(30));
    // An entry at 10: the service takes until 14, the decision until 17.
    assert_eq!(world.advance(10), []);
    assert_eq!(world.advance(14), []);
    let decision = world.executive.decide(17);
    assert_eq!(decision.alarm, Some(33));
    // The end of the service is past the end of the budget.
    assert_eq!(world.advance(30), []);
    assert_eq!(world.advance(36), [Overrun(a, Log)]);
    assert_eq!(world.counters(a).cut_lateness_max_ns, 3);
    assert_eq!(world.counters(a).processor_ns, 33);
    assert_eq!(world.executive.decide(40).run, None);
}

#[test]
fn a_server_pays_for_the_service_that_ends_its_work() {
    let mut world = World::new(Policy::FixedPriority);
    let s = world.started(server(1, 100, 30));
    world.executive.wake(s, 0);
    world.enter(0, &[], Some(s), Some(30));
    world.executive.complete(s, 10);
    world.advance(10);
    world.advance(15);
    world.executive.decide(15);
    world.executive.wake(s, 20);
    world.enter(20, &[], Some(s), Some(35));
    assert_eq!(world.counters(s).execution.max_ns(), 10);
}

#[test]
fn the_end_of_a_sleep_interrupts_nobody_who_is_more_urgent() {
    let mut world = World::new(Policy::FixedPriority);
    let low = world.started(periodic(1, 1000, 100));
    let high = world.add(periodic(9, 1000, 100));
    let background = world.started(Parameters::BACKGROUND);
    world.executive.start(high, 10);
    world.executive.wake(background, 0);
    world.enter(0, &[Released(low)], Some(low), Some(10));
    world.executive.sleep(low, 5, 30);
    world.enter(5, &[], Some(background), Some(10));
    world.executive.sleep(background, 6, 20);
    world.enter(10, &[Released(high)], Some(high), Some(110));
    world.executive.sleep(high, 12, 40);
    // Nobody runs: the first of the sleepers is waited for.
    world.enter(12, &[], None, Some(20));
    world.enter(20, &[Woken(background)], Some(background), Some(30));
    world.enter(30, &[Woken(low)], Some(low), Some(40));
    world.enter(40, &[Woken(high)], Some(high), Some(110));
    // One who waits for the end of a more urgent job is woken then.
    world.executive.sleep(low, 40, 50);
    assert_eq!(world.executive.decide(40).alarm, Some(110));
    world.executive.complete(high, 60);
    world.enter(60, &[Woken(low)], Some(low), Some(100));
}

#[test]
fn a_deadline_interrupts_its_own_job_alone() {
    let mut world = World::new(Policy::FixedPriority);
    let low = world.started(Parameters {
        deadline: 50,
        ..periodic(1, 100, 50)
    });
    let high = world.started(periodic(9, 100, 45));
    world.enter(0, &[Released(low), Released(high)], Some(high), Some(45));
    world.executive.complete(high, 40);
    world.enter(40, &[], Some(low), Some(50));
    world.enter(50, &[Missed(low, Log)], Some(low), Some(90));
    world.executive.complete(low, 60);
    world.enter(100, &[Released(low), Released(high)], Some(high), Some(145));
    let other = world.started(Parameters {
        deadline: 40,
        ..periodic(1, 100, 10)
    });
    world.enter(
        101,
        &[Skipped(other), Released(other)],
        Some(high),
        Some(145),
    );
    world.enter(
        145,
        &[Missed(other, Log), Overrun(high, Log)],
        Some(low),
        Some(150),
    );
}

#[test]
fn a_task_that_is_started_again_waits_for_the_end_of_its_period() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(Parameters {
        on_overrun: Restart,
        ..periodic(1, 100, 20)
    });
    world.enter(0, &[Released(a)], Some(a), Some(20));
    world.enter(20, &[Overrun(a, Restart)], None, None);
    assert!(world.executive.start(a, 30));
    assert_eq!(world.executive.next_release(a), Some(100));
    world.enter(30, &[], None, Some(100));
}

#[test]
fn a_sleeper_pays_for_the_entry_that_wakes_it() {
    let mut world = World::new(Policy::FixedPriority);
    world.executive.set_wake_cost(4);
    let s = world.started(server(1, 100, 30));
    world.executive.wake(s, 0);
    world.enter(0, &[], Some(s), Some(30));
    world.executive.sleep(s, 10, 12);
    world.enter(10, &[], None, Some(12));
    world.enter(12, &[Woken(s)], Some(s), Some(28));
}

#[test]
fn who_lets_interrupts_come_pays_for_their_entries() {
    let mut world = World::new(Policy::FixedPriority);
    world.executive.set_wake_cost(4);
    let s = world.started(server(1, 100, 12));
    let background = world.started(Parameters::BACKGROUND);
    world.executive.wake(s, 0);
    world.executive.wake(background, 0);
    world.enter(0, &[], Some(s), Some(12));
    assert!(world.executive.pay_for_entry(s, 1));
    world.enter(1, &[], Some(s), Some(8));
    assert!(world.executive.pay_for_entry(s, 2));
    // Nothing is left: it waits for its next budget, and pays nothing more.
    assert!(world.executive.pay_for_entry(s, 2));
    assert!(!world.executive.pay_for_entry(s, 2));
    world.enter(2, &[], Some(background), Some(100));
    assert_eq!(world.counters(s).throttled, 1);
    world.enter(100, &[Replenished(s)], Some(s), Some(112));
    // There is no budget in idle time, and so nothing to pay.
    assert!(!world.executive.pay_for_entry(background, 101));
}
