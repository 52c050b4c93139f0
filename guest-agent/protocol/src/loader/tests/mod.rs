// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
mod requests;
mod transfers;

use super::*;
use crate::client::{Client, Outcome as Uploaded, Reply, Upload};
use crate::message::{
    AppId, AppInfo, BLOCK, Bytes, Exit, HistoryEntry, List, LogRecord, Operation, Records, State,
    Stream, TransferId, flags,
};
use crate::testing::{End, FakeWorld, Faults, Wire};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use wasm_aot_trust::sign::{record, sign};
use wasm_aot_trust::{Id, KeyRecord, Roles, Statement, hash};

const LIMIT: u64 = 100_000;

/// A loader and a client with nothing but good memory between them.
struct Both<'k> {
    now_ns: u64,
    wire: Wire,
    agent_end: End,
    loader_end: End,
    client: Client,
    loader: Box<Loader<'k, 8, 2>>,
    world: FakeWorld,
}

fn secret(seed: u8) -> [u8; 32] {
    [seed; 32]
}

fn keys() -> [KeyRecord; 2] {
    [
        record(&secret(1).into(), Roles::DEPLOY),
        record(&secret(2).into(), Roles::OPERATE),
    ]
}

impl<'k> Both<'k> {
    fn new(keys: &'k [KeyRecord], unsigned: bool) -> Self {
        let wire = Wire::new(1, Faults::default());
        let (agent_end, loader_end) = wire.ends(MAX_FRAME);
        let policy = Policy {
            keys,
            unsigned,
            max_object_bytes: LIMIT,
        };
        let config = Config::new(policy, "test", 1, link::Config::SHARED);
        Self {
            now_ns: 0,
            wire,
            agent_end,
            loader_end,
            client: Client::new(link::Config::SHARED, 1, "test"),
            loader: Box::new(Loader::new(config)),
            world: FakeWorld::new(2, 3, 1 << 20),
        }
    }

    fn step(&mut self) {
        self.now_ns += MS;
        self.wire.set_now(self.now_ns);
        self.client.poll(self.now_ns, &mut self.agent_end);
        self.world.turn(self.now_ns);
        self.loader
            .poll(self.now_ns, &mut self.loader_end, &mut self.world);
    }

    /// The answer to a request, if there is one within so many steps.
    fn answer(&mut self, id: u32, steps: u32) -> Option<Reply> {
        (0..steps).find_map(|_| {
            self.step();
            self.client.take(id)
        })
    }

    fn ask(&mut self, request: Request<'_>) -> Reply {
        let id = self.client.call(&request).unwrap();
        self.answer(id, 100).expect("an answer")
    }

    fn code(&mut self, request: Request<'_>) -> Code {
        self.ask(request).answer().code
    }

    fn upload(&mut self, statement: &[u8], object: &[u8]) -> Uploaded {
        let mut upload = Upload::new(statement, List::default(), List::default(), flags::START);
        for _ in 0..10_000 {
            self.step();
            match upload.poll(&mut self.client, object) {
                Uploaded::Working => {}
                outcome => return outcome,
            }
        }
        panic!("it takes for ever");
    }

    fn deploy(&mut self, name: &str, version: u64, object: &[u8]) -> AppId {
        match self.upload(&signed(1, &statement(name, version, object)), object) {
            Uploaded::Done(app) => app,
            outcome => panic!("{outcome:?}"),
        }
    }

    fn begin(&mut self, statement: &[u8]) -> TransferId {
        let (statement, signature) = statement.split_at(statement.len() - 64);
        let request = Request::Deploy {
            statement: Bytes(statement),
            signature: Bytes(signature),
            arguments: List::default(),
            environment: List::default(),
            flags: 0,
        };
        match self.ask(request).body().unwrap() {
            Body::Transfer { transfer, .. } => transfer,
            body => panic!("{body:?}"),
        }
    }
}

fn statement<'a>(name: &'a str, version: u64, object: &[u8]) -> Statement<'a> {
    Statement {
        key: Id::NONE,
        object: hash(object),
        length_bytes: object.len() as u64,
        version,
        not_before_s: 0,
        expires_s: 0,
        name,
        contract: b"",
    }
}

fn signed(by: u8, statement: &Statement<'_>) -> Vec<u8> {
    sign(statement, &secret(by).into()).unwrap()
}

fn unsigned(statement: &Statement<'_>) -> Vec<u8> {
    let mut buffer = [0; wasm_aot_trust::statement::MAX_STATEMENT];
    statement.write(&mut buffer).unwrap().to_vec()
}

fn refused(outcome: Uploaded) -> Code {
    match outcome {
        Uploaded::Refused(refusal) => refusal.code,
        other => panic!("{other:?}"),
    }
}
