// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
use super::*;
use crate::MS;
use crate::testing::{End, Faults, Wire};
use alloc::vec::Vec;

const STEP: u64 = MS;

struct Pair {
    wire: Wire,
    now_ns: u64,
    agent: Link<8>,
    loader: Link<8>,
    agent_end: End,
    loader_end: End,
    /// What each has got: numbers.
    to_agent: Vec<u32>,
    to_loader: Vec<u32>,
    loader_accepts: bool,
}

impl Pair {
    fn new(seed: u64, faults: Faults) -> Self {
        let wire = Wire::new(seed, faults);
        let (agent_end, loader_end) = wire.ends(MAX_FRAME);
        Self {
            wire,
            now_ns: 0,
            agent: Link::new(Role::Agent, Config::SHARED, 100),
            loader: Link::new(Role::Loader, Config::SHARED, 200),
            agent_end,
            loader_end,
            to_agent: Vec::new(),
            to_loader: Vec::new(),
            loader_accepts: true,
        }
    }

    fn step(&mut self) {
        self.now_ns += STEP;
        self.wire.set_now(self.now_ns);
        let accepts = self.loader_accepts;
        turn(
            &mut self.agent,
            &mut self.agent_end,
            self.now_ns,
            true,
            &mut self.to_agent,
        );
        turn(
            &mut self.loader,
            &mut self.loader_end,
            self.now_ns,
            accepts,
            &mut self.to_loader,
        );
    }

    fn until(&mut self, steps: u32, mut done: impl FnMut(&mut Self) -> bool) {
        for _ in 0..steps {
            if done(self) {
                return;
            }
            self.step();
        }
        panic!("not done after {steps} steps: {:?}", self.agent.counters());
    }
}

fn turn(link: &mut Link<8>, end: &mut End, now_ns: u64, accept: bool, got: &mut Vec<u32>) {
    let mut buffer = [0; MAX_FRAME];
    loop {
        match link.receive(now_ns, end, &mut buffer, accept) {
            Step::Idle => break,
            Step::Busy => {}
            Step::Message(length) => {
                let number = message(&buffer, length).first_chunk().unwrap();
                got.push(u32::from_le_bytes(*number));
            }
        }
    }
    link.transmit(now_ns, end, accept);
}

fn say(link: &mut Link<8>, number: u32) -> bool {
    let Some(slot) = link.slot() else {
        return false;
    };
    slot[..4].copy_from_slice(&number.to_le_bytes());
    link.push(4 + number as usize % 100);
    true
}

/// Both sides say numbers from 0 on, and each gets all of them, in order, once.
fn converse(pair: &mut Pair, count: u32, steps: u32) {
    let (mut by_agent, mut by_loader) = (0, 0);
    pair.until(steps, |pair| {
        by_agent += u32::from(by_agent < count && say(&mut pair.agent, by_agent));
        by_loader += u32::from(by_loader < count && say(&mut pair.loader, by_loader));
        pair.to_agent.len() >= count as usize && pair.to_loader.len() >= count as usize
    });
    assert!(pair.to_agent.iter().copied().eq(0..count));
    assert!(pair.to_loader.iter().copied().eq(0..count));
}

#[test]
fn a_good_wire_needs_no_repetition() {
    let mut pair = Pair::new(1, Faults::default());
    converse(&mut pair, 500, 600);
    for counters in [pair.agent.counters(), pair.loader.counters()] {
        assert_eq!(
            counters,
            Counters {
                received: counters.received,
                ..Counters::default()
            }
        );
    }
}

#[test]
fn a_bad_wire_loses_and_doubles_nothing() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut rate = || random.u32(0..150);
        let faults = Faults {
            lost: rate(),
            doubled: rate(),
            late: rate(),
            damaged: rate(),
            delay_ns: MS,
        };
        let mut pair = Pair::new(seed, faults);
        // The session begins in peace: otherwise it may begin twice, and messages with it.
        pair.wire.set_faults(Faults::default());
        pair.until(10, |pair| pair.loader.session().is_some());
        pair.wire.set_faults(faults);
        converse(&mut pair, 100, 60_000);
        assert_eq!(
            (pair.agent.session(), pair.loader.session()),
            (Some(1), Some(1))
        );
    }
}

#[test]
fn an_end_that_starts_anew_gets_a_new_session() {
    let mut pair = Pair::new(1, Faults::default());
    converse(&mut pair, 10, 100);
    pair.loader = Link::new(Role::Loader, Config::SHARED, 300);
    pair.until(2000, |pair| pair.agent.session() == Some(2));
    pair.agent = Link::new(Role::Agent, Config::SHARED, 400);
    pair.until(100, |pair| pair.loader.session() == Some(2));
    (pair.to_agent, pair.to_loader) = (Vec::new(), Vec::new());
    converse(&mut pair, 10, 2000);
    assert_eq!(
        (pair.agent.session(), pair.loader.session()),
        (Some(1), Some(2))
    );
}

#[test]
fn a_cut_wire_ends_the_session_at_both_ends() {
    let mut pair = Pair::new(1, Faults::default());
    converse(&mut pair, 10, 100);
    pair.wire.cut(true);
    say(&mut pair.agent, 10);
    pair.until(6000, |pair| {
        pair.agent.session().is_none() && pair.loader.session().is_none()
    });
    pair.wire.cut(false);
    (pair.to_agent, pair.to_loader) = (Vec::new(), Vec::new());
    converse(&mut pair, 10, 2000);
}

#[test]
fn an_idle_session_lives() {
    let mut pair = Pair::new(1, Faults::default());
    converse(&mut pair, 1, 100);
    for _ in 0..60_000 {
        pair.step();
    }
    assert_eq!(
        (pair.agent.session(), pair.loader.session()),
        (Some(1), Some(1))
    );
    let received = pair.loader.counters().received;
    assert!(received < 150, "{received} frames in a minute of silence");
}

#[test]
fn who_takes_nothing_is_waited_for() {
    let mut pair = Pair::new(1, Faults::default());
    converse(&mut pair, 1, 100);
    pair.loader_accepts = false;
    for number in 1..9 {
        assert!(say(&mut pair.agent, number));
    }
    for _ in 0..20_000 {
        pair.step();
    }
    assert_eq!(pair.to_loader, [0]);
    assert!(!say(&mut pair.agent, 9), "no more than there is room for");
    assert_eq!(pair.agent.session(), Some(1));
    pair.loader_accepts = true;
    pair.until(20, |pair| pair.to_loader.len() == 9);
}

#[test]
fn frames_of_no_session_change_nothing() {
    let mut pair = Pair::new(1, Faults::default());
    converse(&mut pair, 10, 100);
    let mut buffer = [0; MAX_FRAME];
    for kind in [
        Kind::Message,
        Kind::Acknowledge,
        Kind::Probe,
        Kind::Reset,
        Kind::Opened,
    ] {
        for (from, to) in [(0, 0), (101, 999), (999, 201), (201, 101)] {
            let header = Header {
                kind,
                from,
                to,
                sequence: 10,
                acknowledge: 10,
                window: 0,
            };
            let length = frame::write(&header, b"12345678", &mut buffer);
            assert!(pair.agent_end.send(&buffer[..length]));
        }
        pair.step();
        pair.step();
    }
    // What asks for a session and never uses it takes nothing from the one who has it.
    let header = Header {
        kind: Kind::Open,
        from: 77,
        to: 0,
        sequence: 0,
        acknowledge: 0,
        window: 0,
    };
    let length = frame::write(&header, &[], &mut buffer);
    assert!(pair.agent_end.send(&buffer[..length]));
    (pair.to_agent, pair.to_loader) = (Vec::new(), Vec::new());
    converse(&mut pair, 10, 100);
    assert_eq!(
        (pair.agent.session(), pair.loader.session()),
        (Some(1), Some(1))
    );
}
