// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A thousand transfers over a link that loses, doubles, reorders and damages frames, is cut, and
//! between ends that start anew at any time. Every object arrives whole or not at all, in bounded
//! time; at the end nothing is left of those that did not.

use crate::MS;
use crate::client::{Client, Outcome, Upload};
use crate::error::Code;
use crate::frame::MAX_FRAME;
use crate::link;
use crate::loader::{Config, Loader};
use crate::message::{Body, List, Request, flags};
use crate::testing::{End, FakeWorld, Faults, Wire};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use fastrand::Rng;
use wasm_aot_trust::key::KeyRecord;
use wasm_aot_trust::sign::{record, sign};
use wasm_aot_trust::{Id, Policy, Roles, Statement, hash};

const TRANSFERS: usize = 4;
const APPS: usize = 8;
const MEMORY: u64 = 32 << 20;
const KEEP_NS: u64 = 60_000 * MS;
/// A transfer that takes longer is one that hangs.
const LIMIT_NS: u64 = 600_000 * MS;
const SECRET: [u8; 32] = [7; 32];

type Ours<'k> = Loader<'k, 8, TRANSFERS>;

struct Simulation<'k> {
    random: Rng,
    keys: &'k [KeyRecord],
    wire: Wire,
    faults: Faults,
    agent_end: End,
    loader_end: End,
    client: Client,
    loader: Box<Ours<'k>>,
    world: FakeWorld,
    now_ns: u64,
    cut_until_ns: u64,
    /// How often one of these happens, in a million milliseconds.
    cuts: u32,
    agent_starts: u32,
    loader_starts: u32,
    starts: u64,
}

/// What became of the transfers.
#[derive(Default, Debug)]
struct Tally {
    arrived: u32,
    refused: u32,
    abandoned: u32,
    aborted: u32,
    interrupted: u32,
}

fn loader(keys: &[KeyRecord], boot: u64) -> Box<Ours<'_>> {
    let policy = Policy {
        keys,
        unsigned: false,
        max_object_bytes: 1 << 20,
    };
    let mut config = Config::new(policy, "simulation", boot, link::Config::SHARED);
    config.keep_ns = KEEP_NS;
    config.hash_bytes = 16 * 1024;
    Box::new(Loader::new(config))
}

fn client(start: u64) -> Client {
    Client::new(link::Config::SHARED, start, "simulation")
}

impl<'k> Simulation<'k> {
    fn new(seed: u64, keys: &'k [KeyRecord]) -> Self {
        let mut random = Rng::with_seed(seed);
        // One scenario in four fails in no way but by starts and cuts.
        let worst = [0, 20, 80, 200][random.usize(0..4)];
        let mut rate = || random.u32(0..=worst);
        let faults = Faults {
            lost: rate(),
            doubled: rate(),
            late: rate(),
            damaged: rate(),
            delay_ns: MS / 4,
        };
        let wire = Wire::new(seed, faults);
        let max_frame = [MAX_FRAME, 1088][random.usize(0..2)];
        let (agent_end, loader_end) = wire.ends(max_frame);
        Self {
            keys,
            wire,
            faults,
            agent_end,
            loader_end,
            client: client(seed << 16),
            loader: loader(keys, seed << 16),
            world: FakeWorld::new(TRANSFERS, APPS, MEMORY),
            now_ns: 0,
            cut_until_ns: 0,
            cuts: random.u32(0..2000),
            agent_starts: random.u32(0..2000),
            loader_starts: random.u32(0..2000),
            starts: seed << 16,
            random,
        }
    }

    fn happens(&mut self, per_million: u32) -> bool {
        self.random.u32(0..1_000_000) < per_million
    }

    /// A millisecond. Whether the agent has started anew.
    fn step(&mut self) -> bool {
        self.now_ns += MS;
        self.wire.set_now(self.now_ns);
        if self.now_ns >= self.cut_until_ns {
            if self.happens(self.cuts) {
                self.cut_until_ns = self.now_ns + self.random.u64(1..8000) * MS;
            }
            self.wire.cut(self.now_ns < self.cut_until_ns);
        }
        if self.happens(self.loader_starts) {
            self.restart_loader();
        }
        let anew = self.happens(self.agent_starts);
        if anew {
            self.starts += 1;
            self.client = client(self.starts);
        }
        self.poll();
        anew
    }

    fn restart_loader(&mut self) {
        self.starts += 1;
        self.loader = loader(self.keys, self.starts);
        self.world.restart();
        if self.random.bool() {
            self.world.forget();
        }
    }

    fn poll(&mut self) {
        self.client.poll(self.now_ns, &mut self.agent_end);
        self.world.turn(self.now_ns);
        self.loader
            .poll(self.now_ns, &mut self.loader_end, &mut self.world);
        let held = self.loader.transfers_in_memory();
        assert_eq!(held, self.world.reserved(), "places in use on both sides");
    }

    /// What is to become of one object.
    fn transfer(&mut self, number: u64, tally: &mut Tally) {
        let most = [40, 3000, 100_000, 1 << 20][self.random.usize(0..4)];
        let length = self.random.usize(1..most);
        let mut object: Vec<u8> = (0..length).map(|_| self.random.u8(..)).collect();
        let name = format!("app-{}", number % 5);
        let statement = signed(&name, number + 1, &object);
        // One in eight is another object than was signed.
        let altered = self.random.u32(0..8) == 0;
        if altered {
            let at = self.random.usize(0..length);
            object[at] ^= 1;
        }
        let begin = || Upload::new(&statement, List::default(), List::default(), flags::START);
        let mut upload = begin().scattered(self.random.u64(..));
        let start_ns = self.now_ns;
        let mut interrupted = false;
        loop {
            assert!(
                self.now_ns - start_ns < LIMIT_NS,
                "{number}: it takes for ever: {upload:?}"
            );
            if self.step() {
                if self.random.u32(0..4) == 0 {
                    tally.abandoned += 1;
                    return;
                }
                // Whoever deploys it calls the command again.
                upload = begin();
                interrupted = true;
            }
            if self.random.u32(0..100_000) == 0 {
                self.abort(&upload);
                tally.aborted += 1;
                return;
            }
            match upload.poll(&mut self.client, &object) {
                Outcome::Working => {}
                Outcome::Done(_) => {
                    assert!(!altered, "another object was taken");
                    self.check(&name, &object);
                    tally.arrived += 1;
                    break;
                }
                // Those that were abandoned just now are in the way.
                Outcome::Refused(refusal) if refusal.code == Code::BUSY => upload = begin(),
                Outcome::Refused(refusal) => {
                    match refusal.code {
                        Code::ALTERED => assert!(altered, "{refusal}"),
                        // It had arrived when the agent started anew.
                        Code::REPLAYED => self.check(&name, &object),
                        _ => panic!("{number}: {refusal:?}"),
                    }
                    tally.refused += 1;
                    break;
                }
            }
        }
        tally.interrupted += u32::from(interrupted || upload.interruptions() > 0);
    }

    /// The app is the object, unless the loader has forgotten all apps since.
    fn check(&self, name: &str, object: &[u8]) {
        if let Some(found) = self.world.object(name) {
            assert!(found == object, "{name} is another object");
        }
    }

    fn abort(&mut self, upload: &Upload) {
        if let Some(transfer) = upload.transfer() {
            self.client.call(&Request::Abort { transfer });
        }
    }

    /// Nothing happens any more, and what nobody goes on with is forgotten.
    fn settle(&mut self) {
        self.wire.set_faults(Faults::default());
        self.wire.cut(false);
        let end = self.now_ns + KEEP_NS + 1000 * MS;
        while self.now_ns < end {
            self.now_ns += 20 * MS;
            self.wire.set_now(self.now_ns);
            self.poll();
        }
        assert_eq!(self.loader.transfers_in_memory(), 0);
        self.wire.set_faults(self.faults);
    }
}

fn signed(name: &str, version: u64, object: &[u8]) -> Vec<u8> {
    let statement = Statement {
        key: Id::NONE,
        object: hash(object),
        length_bytes: object.len() as u64,
        version,
        not_before_s: 0,
        expires_s: 0,
        name,
        contract: b"",
    };
    sign(&statement, &SECRET.into()).unwrap()
}

fn run(seeds: core::ops::Range<u64>, transfers: u64) -> Tally {
    let keys = [record(&SECRET.into(), Roles::DEPLOY)];
    let mut tally = Tally::default();
    for seed in seeds {
        let mut simulation = Simulation::new(seed, &keys);
        for number in 0..transfers {
            simulation.transfer(number, &mut tally);
        }
        simulation.settle();
    }
    tally
}

#[test]
fn a_thousand_objects_arrive_whole_or_not_at_all() {
    let threads: Vec<_> = [1..39, 39..76]
        .map(|seeds| std::thread::spawn(|| run(seeds, 20)))
        .into_iter()
        .collect();
    let mut all = Tally::default();
    for thread in threads {
        let tally = thread.join().unwrap();
        all.arrived += tally.arrived;
        all.refused += tally.refused;
        all.abandoned += tally.abandoned;
        all.aborted += tally.aborted;
        all.interrupted += tally.interrupted;
    }
    let ended = all.arrived + all.refused + all.abandoned + all.aborted;
    assert_eq!(ended, 1500);
    std::println!("{all:?}");
    // The simulation is of no use if nothing happens in it.
    assert!(all.arrived > 700 && all.refused > 50, "{all:?}");
    assert!(
        all.arrived + all.refused >= 1000 && all.interrupted > 100,
        "{all:?}"
    );
}

/// Commands that are asked for over the same link are carried out once each.
#[test]
fn nothing_is_done_twice() {
    let keys = [record(&SECRET.into(), Roles::DEPLOY)];
    for seed in 100..120 {
        let mut simulation = Simulation::new(seed, &keys);
        (simulation.agent_starts, simulation.loader_starts) = (0, 0);
        simulation.cuts = 1000;
        let object = b"pretend\nwait 1000000000\n";
        let statement = signed("app", 1, object);
        let mut upload = Upload::new(&statement, List::default(), List::default(), flags::START);
        let app = loop {
            simulation.step();
            match upload.poll(&mut simulation.client, object) {
                Outcome::Working => {}
                Outcome::Done(app) => break app,
                Outcome::Refused(refusal) => panic!("{refusal}"),
            }
        };
        // Each is right once and wrong a second time.
        for number in 0..40 {
            let operation = match number % 4 {
                0 => crate::message::Operation::Suspend,
                1 => crate::message::Operation::Resume,
                2 => crate::message::Operation::Kill,
                _ => crate::message::Operation::Start,
            };
            let call = Request::Command { app, operation };
            let id = simulation.client.call(&call).unwrap();
            let limit = simulation.now_ns + LIMIT_NS;
            let reply = loop {
                simulation.step();
                assert!(simulation.now_ns < limit, "no answer");
                if let Some(reply) = simulation.client.take(id) {
                    break reply;
                }
            };
            let why: String = format!("{operation:?} of seed {seed}: {:?}", reply.answer());
            assert_eq!(reply.body().expect(&why), Body::Nothing);
        }
    }
}

/// Both halves as they are meant to be: two threads, and nothing but a window between them.
#[test]
fn ten_megabytes_cross_shared_memory() {
    use crate::transport::shared::{Shared, Side};
    use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    let words: Vec<AtomicU64> = (0..(1 << 20) / 8).map(|_| AtomicU64::new(0)).collect();
    let keys = [record(&SECRET.into(), Roles::DEPLOY)];
    let policy = Policy {
        keys: &keys,
        unsigned: false,
        max_object_bytes: 16 << 20,
    };
    let config = Config::new(policy, "simulation", 1, link::Config::SHARED);
    let mut loader: Box<Loader<'_, 8, 1>> = Box::new(Loader::new(config));
    let mut world = FakeWorld::new(1, 1, MEMORY);
    let object: Vec<u8> = (0..10_000_000u32).map(|i| (i >> 3) as u8).collect();
    let statement = signed("app", 1, &object);
    let stop = AtomicBool::new(false);
    let begin = std::time::Instant::now();
    let now_ns = || begin.elapsed().as_nanos() as u64;
    std::thread::scope(|scope| {
        let (words, stop, world, now_ns) = (&words, &stop, &mut world, &now_ns);
        scope.spawn(move || {
            let mut end = Shared::new(words, Side::Loader, 1, ()).unwrap();
            while !stop.load(Ordering::Relaxed) {
                if !loader.poll(now_ns(), &mut end, world).again {
                    std::thread::yield_now();
                }
            }
        });
        let mut end = Shared::new(words, Side::Agent, 1, ()).unwrap();
        let mut client = client(1);
        let mut upload = Upload::new(&statement, List::default(), List::default(), flags::START);
        let outcome = loop {
            client.poll(now_ns(), &mut end);
            let outcome = upload.poll(&mut client, &object);
            if outcome != Outcome::Working || begin.elapsed().as_secs() > 60 {
                break outcome;
            }
            client.transmit(now_ns(), &mut end);
            std::thread::yield_now();
        };
        stop.store(true, Ordering::Relaxed);
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        let seconds = begin.elapsed().as_secs_f64();
        std::println!("{:.0} MB/s, {:?}", 10.0 / seconds, client.counters());
    });
    assert!(world.object("app") == Some(&object[..]));
}
