// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! One task in the place of another, and who pays for what an entry takes.

use super::*;

#[test]
fn a_successor_misses_no_release_of_the_task_that_ends() {
    let mut world = World::new(Policy::FixedPriority);
    let old = world.started(periodic(1, 100, 20));
    world.enter(0, &[Released(old)], Some(old), Some(20));
    world.executive.complete(old, 10);
    world.enter(10, &[], None, Some(100));
    let new = world.add(periodic(1, 100, 30));
    assert!(world.executive.start(new, 200));
    assert!(world.executive.end_at(old, 101));
    world.enter(50, &[], None, Some(100));
    world.enter(100, &[Released(old)], Some(old), Some(120));
    world.executive.complete(old, 110);
    world.enter(110, &[], None, Some(200));
    world.enter(200, &[Ended(old), Released(new)], Some(new), Some(230));
    assert_eq!(world.state(old), State::Stopped);
    assert_eq!(world.counters(old).releases, 2);
    // Started again it has no end.
    assert!(world.executive.start(old, 400));
    world.executive.complete(new, 210);
    world.enter(210, &[], None, Some(300));
}

#[test]
fn only_a_periodic_task_that_is_started_can_be_ended_at_a_time() {
    let mut world = World::new(Policy::FixedPriority);
    let stopped = world.add(periodic(1, 100, 20));
    assert!(!world.executive.end_at(stopped, 5));
    let server = world.started(server(1, 100, 20));
    assert!(!world.executive.end_at(server, 5));
    assert!(!world.executive.end_at(TaskId(7), 5));
}

#[test]
fn what_an_interrupt_takes_before_the_entry_is_nobodys() {
    let mut world = World::new(Policy::FixedPriority);
    let a = world.started(periodic(1, 100, 20));
    world.enter(0, &[Released(a)], Some(a), Some(20));
    world.executive.interrupted(12, 15);
    world.enter(15, &[], Some(a), Some(23));
    assert_eq!(world.counters(a).processor_ns, 12);
}

#[test]
fn who_is_next_is_who_is_decided() {
    let mut world = World::new(Policy::FixedPriority);
    let (a, b) = (
        world.started(periodic(1, 100, 20)),
        world.started(periodic(2, 100, 20)),
    );
    assert_eq!(world.executive.next(), None);
    world.advance(0);
    assert_eq!(world.executive.next(), Some(b));
    // What happens between the two is the executive's own time.
    assert_eq!(world.executive.decide(3).run, Some(b));
    world.executive.complete(b, 13);
    assert_eq!(world.executive.next(), Some(a));
    assert_eq!(world.counters(b).processor_ns, 10);
}

#[test]
fn another_priority_holds_from_the_next_release_on() {
    let mut world = World::new(Policy::FixedPriority);
    let (a, b) = (
        world.started(periodic(1, 100, 20)),
        world.started(periodic(2, 100, 20)),
    );
    assert!(world.executive.set_priority(a, 3));
    world.advance(0);
    assert_eq!(world.executive.next(), Some(a));
    world.executive.complete(a, 1);
    world.executive.complete(b, 2);
    assert!(world.executive.set_priority(a, 1));
    world.advance(100);
    assert_eq!(world.executive.next(), Some(b));
    assert!(!world.executive.set_priority(TaskId(7), 1));
}
