// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! An agent that keeps to the link, so that it is heard, and says what nobody would: requests
//! with fields that cannot be, in an order that makes no sense, and damaged ones.

use crate::Count;
use crate::system::{FORGED, KNOWN, MAX_OBJECT, MS, System, UNKNOWN, keys, signed};
use fastrand::Rng;
use wasm_aot_protocol::frame::{MAX_FRAME, MAX_MESSAGE};
use wasm_aot_protocol::link::{self, Link, Role, Step};
use wasm_aot_protocol::message::{
    self, Answer, AppId, BLOCK, Body, Bytes, Call, List, Operation, Request, TransferId,
};
use wasm_aot_protocol::testing::{Faults, Wire};
use wasm_aot_protocol::{Code, VERSION};

/// What the agent has learned, to be wrong about it in an interesting way.
struct Agent {
    random: Rng,
    objects: Vec<(Vec<u8>, Vec<u8>)>,
    transfers: Vec<(TransferId, usize)>,
    apps: Vec<AppId>,
    last_object: usize,
}

/// Runs the case of a seed.
pub fn run(seed: u64, count: &mut Count) {
    let mut random = Rng::with_seed(seed);
    let keys = keys();
    let mut system = System::new(&keys, seed);
    let wire = Wire::new(seed, Faults::default());
    let (mut agent_end, mut loader_end) = wire.ends(MAX_FRAME);
    let mut link = Link::<8>::new(Role::Agent, link::Config::SHARED, seed as u32);
    let mut agent = Agent::new(random.fork());
    let mut buffer = [0; MAX_FRAME];
    for _ in 0..600 {
        system.now_ns += random.u64(0..50) * MS / 10;
        wire.set_now(system.now_ns);
        while let Some(slot) = link.slot() {
            let length = agent.write(slot);
            link.push(length);
            if random.u32(0..4) == 0 {
                break;
            }
        }
        link.transmit(system.now_ns, &mut agent_end, true);
        system.poll(&mut loader_end);
        loop {
            match link.receive(system.now_ns, &mut agent_end, &mut buffer, true) {
                Step::Idle => break,
                Step::Busy => {}
                Step::Message(length) => {
                    let bytes = link::message(&buffer, length);
                    let answer = message::read::<Answer<'_>>(bytes);
                    agent.learn(
                        answer.as_ref().expect("the loader's answers can be read"),
                        count,
                    );
                }
            }
        }
        if random.u32(0..200) == 0 {
            link = Link::new(Role::Agent, link::Config::SHARED, random.u32(..));
        }
    }
    system.recover(&mut agent_end, &mut loader_end, count);
}

impl Agent {
    fn new(mut random: Rng) -> Self {
        let mut objects = Vec::new();
        for number in 0..6 {
            let length = random.usize(1..[40, 3000, 20_000][number % 3]);
            let object: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
            let (name, secret) = match number {
                0..4 => (["a", "b"][number % 2], KNOWN),
                _ => (FORGED, UNKNOWN),
            };
            let file = signed(name, 1 + number as u64 / 2, &object, secret);
            objects.push((file, object));
        }
        Self {
            random,
            objects,
            transfers: Vec::new(),
            apps: Vec::new(),
            last_object: 0,
        }
    }

    fn learn(&mut self, answer: &Answer<'_>, count: &mut Count) {
        count.refused += u64::from(answer.code != Code::OK);
        match answer.body {
            Body::Transfer { transfer, .. } => self.transfers.push((transfer, self.last_object)),
            Body::Deployed { app } => self.apps.push(app),
            _ => {}
        }
        if self.transfers.len() > 8 {
            self.transfers.remove(0);
        }
    }

    fn transfer(&mut self) -> (TransferId, usize) {
        let known = self.random.choice(&self.transfers).copied();
        match known {
            Some(known) if self.random.u32(0..16) != 0 => known,
            _ => {
                let place = self.random.u16(0..6);
                let generation = self.random.u32(..) >> self.random.u32(0..32);
                (TransferId { place, generation }, 0)
            }
        }
    }

    fn app(&mut self) -> AppId {
        match self.random.choice(&self.apps).copied() {
            Some(known) if self.random.u32(0..8) != 0 => known,
            _ => AppId {
                place: self.random.u16(..) >> self.random.u32(0..16),
                generation: self.random.u32(0..8),
            },
        }
    }

    /// A number near a bound.
    fn number(&mut self) -> u64 {
        let base = [0, BLOCK, 4096, MAX_OBJECT, 1 << 32, u64::MAX][self.random.usize(0..6)];
        base.wrapping_add(self.random.u64(0..5)).wrapping_sub(2)
    }

    /// Writes a request; its length.
    fn write(&mut self, slot: &mut [u8; MAX_MESSAGE]) -> usize {
        let id = self.random.u32(0..64);
        let length = self.request(id, slot);
        match self.random.u32(0..12) {
            0 => self.damage(slot, length),
            _ => length,
        }
    }

    fn damage(&mut self, slot: &mut [u8; MAX_MESSAGE], length: usize) -> usize {
        if self.random.bool() {
            return self.random.usize(0..=MAX_MESSAGE);
        }
        for _ in 0..self.random.usize(1..6) {
            let at = self.random.usize(0..length.max(1));
            slot[at] = self.random.u8(..);
        }
        length
    }

    fn request(&mut self, id: u32, slot: &mut [u8]) -> usize {
        let mut put = |request| message::write(&Call { id, request }, slot).unwrap_or(0);
        match self.random.u32(0..20) {
            0..2 => {
                let client = self.random.u64(0..3);
                let version = VERSION + u16::from(self.random.u32(0..16) == 0);
                let name = "fuzz";
                put(Request::Hello {
                    version,
                    client,
                    name,
                })
            }
            2..4 => {
                self.last_object = self.random.usize(0..self.objects.len());
                let mut file = self.objects[self.last_object].0.clone();
                if self.random.u32(0..4) == 0 {
                    let at = self.random.usize(0..file.len());
                    file[at] ^= 1 << self.random.u32(0..8);
                }
                let split = match self.random.u32(0..8) {
                    0 => self.random.usize(0..=file.len()),
                    _ => file.len() - 64,
                };
                let (statement, signature) = file.split_at(split);
                put(Request::Deploy {
                    statement: Bytes(statement),
                    signature: Bytes(signature),
                    arguments: List::new(b"10\0").unwrap_or_default(),
                    environment: List::default(),
                    flags: self.random.u32(..) >> self.random.u32(0..32),
                })
            }
            4..11 => {
                let (transfer, number) = self.transfer();
                let object = self.objects[number].1.clone();
                let blocks = object.len().div_ceil(BLOCK as usize);
                let first = self.random.usize(0..blocks) * BLOCK as usize;
                let length = self.random.usize(1..5) * BLOCK as usize;
                let end = (first + length).min(object.len());
                let (mut offset, mut data) = (first as u64, &object[first..end]);
                if self.random.u32(0..8) == 0 {
                    offset = self.number();
                    data = &object[..self.random.usize(0..=object.len().min(4096))];
                }
                let data = Bytes(data);
                put(Request::Chunk {
                    transfer,
                    offset,
                    data,
                })
            }
            11 => {
                let from = self.number() as u32;
                let (transfer, _) = self.transfer();
                put(Request::Transfer { transfer, from })
            }
            12..14 => {
                let (transfer, _) = self.transfer();
                put(Request::Commit { transfer })
            }
            14 => {
                let (transfer, _) = self.transfer();
                put(match self.random.u32(0..8) {
                    0 => Request::Abort { transfer },
                    _ => Request::Status,
                })
            }
            _ => {
                let request = self.about_apps();
                put(request)
            }
        }
    }

    fn about_apps(&mut self) -> Request<'static> {
        let app = self.app();
        match self.random.u32(0..10) {
            0 => Request::Apps {
                from: self.number() as u16,
            },
            1 => Request::Log {
                app,
                from: self.number(),
                wait_ms: self.number() as u32,
            },
            2 => Request::Wait { app },
            3 => Request::History {
                app,
                skip: self.number() as u32,
            },
            4 => Request::Report { app },
            5 => Request::Top {
                period_ms: self.number() as u32,
            },
            6 => Request::Cancel {
                id: self.random.u32(0..64),
            },
            _ => {
                let operation = [
                    Operation::Start,
                    Operation::Stop,
                    Operation::Kill,
                    Operation::Suspend,
                    Operation::Resume,
                    Operation::Remove,
                    Operation::Rollback,
                ][self.random.usize(0..7)];
                Request::Command { app, operation }
            }
        }
    }
}
