// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
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

#[test]
fn every_reason_to_refuse_has_its_own_number_and_the_old_version_runs_on() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let object = &b"pretend\nwait 1000000\n"[..];
    let app = both.deploy("app", 5, object);
    let new = &b"pretend\nexit 1\n"[..];
    let good = statement("app", 6, new);
    let altered = &b"pretend\nexit 2\n"[..];
    let large = vec![0; LIMIT as usize + 1];
    let changed = {
        let mut file = signed(1, &good);
        file[56] ^= 1;
        file
    };
    let clock = both.world.clock_s.unwrap();
    let at = |not_before_s, expires_s| Statement {
        not_before_s,
        expires_s,
        ..good
    };
    let contract = &b"pretend\nrefuse 43 app `x` would miss its deadline by 12 us"[..];
    let import = &b"pretend\nrefuse 41 env.unknown"[..];
    let cases: [(&str, Vec<u8>, &[u8], Code); 13] = [
        ("wrong key", signed(9, &good), new, Code::WRONG_KEY),
        ("wrong role", signed(2, &good), new, Code::ROLE),
        ("unsigned", unsigned(&good), new, Code::UNSIGNED),
        ("altered statement", changed, new, Code::SIGNATURE),
        ("altered object", signed(1, &good), altered, Code::ALTERED),
        (
            "older",
            signed(1, &statement("app", 4, new)),
            new,
            Code::OLDER_VERSION,
        ),
        (
            "replayed",
            signed(1, &statement("app", 5, object)),
            object,
            Code::REPLAYED,
        ),
        (
            "same number",
            signed(1, &statement("app", 5, new)),
            new,
            Code::REPLAYED,
        ),
        ("expired", signed(1, &at(0, clock)), new, Code::EXPIRED),
        (
            "too early",
            signed(1, &at(clock + 1, 0)),
            new,
            Code::NOT_YET_VALID,
        ),
        (
            "oversized",
            signed(1, &statement("app", 6, &large)),
            &large,
            Code::OVERSIZED,
        ),
        (
            "contract",
            signed(1, &statement("app", 6, contract)),
            contract,
            Code::NOT_SCHEDULABLE,
        ),
        (
            "import",
            signed(1, &statement("app", 6, import)),
            import,
            Code::UNKNOWN_IMPORT,
        ),
    ];
    // The place of the first one counts as a transfer that is over when the next ones come.
    for (what, file, bytes, code) in cases {
        assert_eq!(refused(both.upload(&file, bytes)), code, "{what}");
        assert_eq!(both.world.reserved(), 0, "{what}");
        let info = both.world.app(app.place).unwrap();
        assert_eq!(
            (info.id, info.version, info.state),
            (app, 5, State::Running),
            "{what}"
        );
    }
    assert_eq!(both.deploy("app", 6, new), app);
}

#[test]
fn unsigned_objects_run_where_the_image_says_so() {
    let mut both = Both::new(&[], true);
    let object = b"pretend\nexit 42\n";
    let file = unsigned(&statement("app", 1, object));
    assert!(matches!(both.upload(&file, object), Uploaded::Done(_)));
}

#[test]
fn what_expires_on_the_way_is_not_loaded() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let clock = both.world.clock_s.unwrap();
    let object = b"pretend\n";
    let file = signed(
        1,
        &Statement {
            expires_s: clock + 1,
            ..statement("app", 1, object)
        },
    );
    let transfer = both.begin(&file);
    let data = Bytes(object);
    both.client.call(&Request::Chunk {
        transfer,
        offset: 0,
        data,
    });
    both.world.clock_s = Some(clock + 1);
    assert_eq!(both.code(Request::Commit { transfer }), Code::EXPIRED);
    assert_eq!(both.world.reserved(), 0);
}

#[test]
fn two_versions_at_once_are_loaded_one_after_the_other() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let (old, new) = (b"pretend\nexit 1\n", b"pretend\nexit 2\n");
    let commits = [(2, &new[..]), (1, &old[..])].map(|(version, object)| {
        let transfer = both.begin(&signed(1, &statement("app", version, object)));
        let data = Bytes(object);
        both.client.call(&Request::Chunk {
            transfer,
            offset: 0,
            data,
        });
        Request::Commit { transfer }
    });
    // Both were right when they were announced; the second one is not when its turn comes.
    let ids = commits.map(|commit| both.client.call(&commit).unwrap());
    let codes = ids.map(|id| both.answer(id, 100).unwrap().answer().code);
    assert_eq!(codes, [Code::OK, Code::OLDER_VERSION]);
    assert_eq!(both.world.object("app"), Some(&new[..]));
}

#[test]
fn chunks_lie_in_their_object() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let object: Vec<u8> = (0..10_000).map(|i| i as u8).collect();
    let transfer = both.begin(&signed(1, &statement("app", 1, &object)));
    let long = vec![0; 5000];
    let block = BLOCK as usize;
    let wrong: [(u64, usize); 11] = [
        (0, 0),
        (1, block),
        (0, block + 1),
        (0, 4097),
        (9216, 785),
        (9216, block),
        (10_240, block),
        (u64::MAX, 1),
        (u64::MAX - 1023, block),
        (1 << 40, block),
        (9216, 783),
    ];
    for (offset, length) in wrong {
        let data = Bytes(&long[..length.min(4100)]);
        let request = Request::Chunk {
            transfer,
            offset,
            data,
        };
        assert_eq!(both.code(request), Code::BOUNDS, "{offset} {length}");
    }
    assert_eq!(both.code(Request::Commit { transfer }), Code::INCOMPLETE);
    for other in [
        TransferId {
            place: transfer.place + 1,
            ..transfer
        },
        TransferId {
            place: u16::MAX,
            ..transfer
        },
        TransferId {
            generation: transfer.generation + 1,
            ..transfer
        },
    ] {
        let transfer = other;
        assert_eq!(both.code(Request::Commit { transfer }), Code::NO_TRANSFER);
        assert_eq!(both.code(Request::Abort { transfer }), Code::NO_TRANSFER);
        let request = Request::Chunk {
            transfer,
            offset: 0,
            data: Bytes(&long[..block]),
        };
        assert_eq!(both.code(request), Code::NO_TRANSFER);
    }
    assert_eq!(both.code(Request::Abort { transfer }), Code::OK);
    assert_eq!(both.code(Request::Commit { transfer }), Code::NO_TRANSFER);
    assert_eq!(both.world.reserved(), 0);
}

#[test]
fn a_block_that_is_here_is_not_written_again() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let object = vec![7; 2 * BLOCK as usize];
    let transfer = both.begin(&signed(1, &statement("app", 1, &object)));
    let chunk = |offset, data| Request::Chunk {
        transfer,
        offset,
        data: Bytes(data),
    };
    both.client.call(&chunk(0, &object[..1024]));
    for _ in 0..10 {
        both.step();
    }
    // Its hash is known by now: another block in its place would not be seen.
    both.client.call(&chunk(0, &[8; 2048]));
    let answer = both.ask(Request::Transfer { transfer, from: 0 });
    let Ok(Body::Transfer { blocks, map, .. }) = answer.body() else {
        panic!("{answer:?}");
    };
    assert_eq!((blocks, map.0), (2, &[3][..]));
    assert_eq!(both.world.read(0, 0, 1024), &[7; 1024]);
    assert_eq!(both.code(Request::Commit { transfer }), Code::ALTERED);
}

#[test]
fn places_for_transfers_are_bounded_and_come_back() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let object = |number: u8| vec![number; 2000];
    let file = |number| signed(1, &statement("app", 1, &object(number)));
    both.begin(&file(1));
    let second = both.begin(&file(2));
    assert_eq!(refused(both.upload(&file(3), &object(3))), Code::BUSY);
    assert_eq!(both.begin(&file(2)), second, "it is taken up again");
    // One that nobody goes on with gives way to another one, the oldest first.
    both.now_ns += 3_000 * MS;
    both.begin(&file(2));
    assert!(matches!(
        both.upload(&file(3), &object(3)),
        Uploaded::Done(_)
    ));
    assert_eq!(both.world.reserved(), 1);
    for _ in 0..61_000 {
        both.step();
    }
    assert_eq!(both.world.reserved(), 0);
}

#[test]
fn the_same_object_under_two_names_is_two_transfers_unless_one_is_left() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let object = vec![7; 3000];
    let chunk = |transfer, offset: usize, length| Request::Chunk {
        transfer,
        offset: offset as u64,
        data: Bytes(&object[offset..offset + length]),
    };
    let first = both.begin(&signed(1, &statement("first", 1, &object)));
    let second = both.begin(&signed(1, &statement("second", 1, &object)));
    assert_ne!(first, second);
    both.client.call(&chunk(first, 0, 2048));
    both.client.call(&chunk(second, 0, 1024));
    assert_eq!(both.code(Request::Abort { transfer: second }), Code::OK);
    // Nobody goes on with the first one: its blocks are for whoever has the same object.
    both.now_ns += 3_000 * MS;
    let third = both.begin(&signed(1, &statement("third", 1, &object)));
    assert_eq!((third.place, third == first), (first.place, false));
    both.client.call(&chunk(third, 2048, 952));
    let reply = both.ask(Request::Commit { transfer: third });
    assert!(
        matches!(reply.body(), Ok(Body::Deployed { .. })),
        "{reply:?}"
    );
    assert_eq!(both.world.app(0).unwrap().name, "third");
    assert_eq!(
        both.code(Request::Commit { transfer: first }),
        Code::NO_TRANSFER
    );
}

#[test]
fn memory_that_there_is_not_is_refused() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    both.world.total_bytes = 3000;
    let object = vec![0; 3001];
    let file = signed(1, &statement("app", 1, &object));
    assert_eq!(refused(both.upload(&file, &object)), Code::NO_MEMORY);
}

#[test]
fn a_session_begins_with_a_greeting() {
    let mut both = Both::new(&[], true);
    let mut agent = Link::<4>::new(Role::Agent, link::Config::SHARED, 5);
    let mut buffer = [0; MAX_FRAME];
    let mut talk = |both: &mut Both<'_>, bytes: &[u8]| -> Option<(u32, Code)> {
        let mut said = false;
        for _ in 0..20 {
            both.now_ns += MS;
            both.wire.set_now(both.now_ns);
            agent.transmit(both.now_ns, &mut both.agent_end, true);
            both.loader
                .poll(both.now_ns, &mut both.loader_end, &mut both.world);
            let step = agent.receive(both.now_ns, &mut both.agent_end, &mut buffer, true);
            if let Step::Message(length) = step {
                let answer: Answer<'_> = message::read(link::message(&buffer, length))?;
                return Some((answer.id, answer.code));
            }
            if !said && let Some(slot) = agent.slot() {
                slot[..bytes.len()].copy_from_slice(bytes);
                agent.push(bytes.len());
                said = true;
            }
        }
        None
    };
    let mut bytes = [0; 64];
    let mut call = |id, request| {
        let length = message::write(&Call { id, request }, &mut bytes).unwrap();
        bytes[..length].to_vec()
    };
    let hello = |version| Request::Hello {
        version,
        client: 1,
        name: "raw",
    };
    let status = call(7, Request::Status);
    assert_eq!(talk(&mut both, &status), Some((7, Code::NOT_GREETED)));
    let other = call(8, hello(VERSION + 1));
    assert_eq!(talk(&mut both, &other), Some((8, Code::UNSUPPORTED)));
    assert_eq!(talk(&mut both, &status), Some((7, Code::NOT_GREETED)));
    let hello = call(9, hello(VERSION));
    assert_eq!(talk(&mut both, &hello), Some((9, Code::OK)));
    assert_eq!(talk(&mut both, &status), Some((7, Code::OK)));
    // Requests of the future, and nothing at all.
    assert_eq!(
        talk(&mut both, &[10, 200, 1]),
        Some((10, Code::UNSUPPORTED))
    );
    assert_eq!(talk(&mut both, &[]), Some((0, Code::UNSUPPORTED)));
    assert_eq!(talk(&mut both, &[0xff; 64]), Some((0, Code::UNSUPPORTED)));
}

#[test]
fn an_app_is_watched_to_its_end() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let object = b"pretend\nout one\nwait 50\nerr two\nexit 42\n";
    let app = both.deploy("app", 1, object);
    let wait = both.client.call(&Request::Wait { app }).unwrap();
    let (mut from, mut said, mut end) = (0, Vec::new(), false);
    while !end {
        let wait_ms = 1000;
        let reply = both.ask(Request::Log { app, from, wait_ms });
        let Ok(Body::Log {
            next,
            records,
            end: last,
            ..
        }) = reply.body()
        else {
            panic!("{reply:?}");
        };
        let records = records.iter::<LogRecord<'_>>();
        said.extend(records.map(|record| (record.stream, record.bytes.0.to_vec())));
        (from, end) = (next, last);
    }
    let expected = [
        (Stream::Output, b"one\n".to_vec()),
        (Stream::Error, b"two\n".to_vec()),
    ];
    assert_eq!(said, expected);
    let reply = both.answer(wait, 100).unwrap();
    let exit = Exit::Code(42);
    assert_eq!(reply.body(), Ok(Body::Ended { exit }));
    // An app that is gone is not mistaken for one that has its place now.
    let operation = Operation::Remove;
    assert_eq!(both.code(Request::Command { app, operation }), Code::OK);
    let other = both.deploy("other", 1, b"pretend\nwait 1000\n");
    assert_eq!(other.place, app.place);
    assert_eq!(both.code(Request::Wait { app }), Code::NO_APP);
    let operation = Operation::Kill;
    assert_eq!(both.code(Request::Command { app, operation }), Code::NO_APP);
    assert_eq!(both.world.app(other.place).unwrap().state, State::Running);
}

#[test]
fn long_logs_and_lost_ones_come_in_pieces() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let line = "x".repeat(999);
    let text = alloc::format!(
        "pretend\n{}exit 0\n",
        alloc::format!("out {line}\n").repeat(90)
    );
    let app = both.deploy("app", 1, text.as_bytes());
    for _ in 0..200 {
        both.step();
    }
    let (mut from, mut bytes, mut pieces, mut lost) = (0, 0, 0, 0);
    loop {
        let wait_ms = 0;
        let reply = both.ask(Request::Log { app, from, wait_ms });
        let Ok(Body::Log {
            from: first,
            next,
            records,
            end,
        }) = reply.body()
        else {
            panic!("{reply:?}");
        };
        lost += first - from;
        let records = records.iter::<LogRecord<'_>>();
        bytes += records
            .map(|record| record.bytes.0.len() as u64)
            .sum::<u64>();
        assert_eq!(lost + bytes, next);
        pieces += 1;
        from = next;
        if end {
            break;
        }
    }
    assert_eq!((lost + bytes, bytes), (90_000, 65_000));
    assert!((16..30).contains(&pieces), "{pieces}");
}

#[test]
fn requests_that_wait_are_bounded_and_can_be_taken_back() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let app = both.deploy("app", 1, b"pretend\nwait 100000\n");
    let ids: Vec<u32> = (0..WAITING)
        .map(|_| both.client.call(&Request::Wait { app }).unwrap())
        .collect();
    assert_eq!(both.code(Request::Wait { app }), Code::BUSY);
    assert_eq!(both.code(Request::Cancel { id: ids[3] }), Code::OK);
    let reply = both.answer(ids[3], 10).unwrap();
    assert_eq!(reply.answer().code, Code::CANCELLED);
    let again = both.client.call(&Request::Wait { app }).unwrap();
    let operation = Operation::Kill;
    assert_eq!(both.code(Request::Command { app, operation }), Code::OK);
    let rest = ids.iter().filter(|id| **id != ids[3]).chain([&again]);
    for id in rest {
        let reply = both.answer(*id, 10).unwrap();
        let exit = Exit::Killed;
        assert_eq!(reply.body(), Ok(Body::Ended { exit }));
    }
}

#[test]
fn reports_come_again_and_again_until_they_are_taken_back() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let first = both.deploy("first", 1, b"pretend\nwait 100000\n");
    let second = both.deploy("second", 1, b"pretend\nwait 100000 \n");
    let id = both.client.call(&Request::Top { period_ms: 100 }).unwrap();
    let mut seen = Vec::new();
    for _ in 0..1000 {
        both.step();
        while let Some(reply) = both.client.take(id) {
            let answer = reply.answer();
            assert!(answer.more);
            let Body::Report { app, record } = answer.body else {
                panic!("{answer:?}");
            };
            assert_eq!(record.0, alloc::format!("{app}").as_bytes());
            seen.push(app);
        }
    }
    assert!((18..=22).contains(&seen.len()), "{}", seen.len());
    assert_eq!(seen[..2], [first, second]);
    assert_eq!(both.code(Request::Cancel { id }), Code::OK);
    assert_eq!(both.answer(id, 500).unwrap().answer().code, Code::CANCELLED);
    assert_eq!(both.answer(id, 500), None);
}

#[test]
fn versions_are_listed_and_rolled_back() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let (one, two) = (b"pretend\nexit 1\n", b"pretend\nexit 2\n");
    let app = both.deploy("app", 1, one);
    let operation = Operation::Rollback;
    assert_eq!(
        both.code(Request::Command { app, operation }),
        Code::NO_PREVIOUS
    );
    assert_eq!(both.deploy("app", 2, two), app);
    let versions = |both: &mut Both<'_>| -> Vec<u64> {
        let reply = both.ask(Request::History { app, skip: 0 });
        let Ok(Body::History { entries, .. }) = reply.body() else {
            panic!("{reply:?}");
        };
        let entries = entries.iter::<HistoryEntry<'_>>();
        entries.map(|entry| entry.version).collect()
    };
    assert_eq!(versions(&mut both), [2, 1]);
    assert_eq!(both.code(Request::Command { app, operation }), Code::OK);
    assert_eq!(versions(&mut both), [1]);
    let reply = both.ask(Request::Apps { from: 0 });
    let Ok(Body::Apps {
        next: None,
        apps: Records(bytes),
    }) = reply.body()
    else {
        panic!("{reply:?}");
    };
    let apps: Vec<AppInfo<'_>> = Records(bytes).iter().collect();
    assert_eq!(
        (apps[0].name, apps[0].version, apps[0].object),
        ("app", 1, hash(one))
    );
    // Going back is no way around the rule that versions grow.
    let file = signed(1, &statement("app", 2, two));
    assert_eq!(refused(both.upload(&file, two)), Code::REPLAYED);
}
