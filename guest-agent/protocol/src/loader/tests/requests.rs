// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Requests about apps, answers that come later, sessions.

use super::*;

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

/// Whoever does not listen does not make the loader busy.
#[test]
fn an_agent_that_takes_no_answers_costs_nothing() {
    let keys = keys();
    let mut both = Both::new(&keys, false);
    let app = both.deploy("app", 1, b"pretend\nwait 100000\n");
    for _ in 0..12 {
        let (from, wait_ms) = (0, 10);
        both.client.call(&Request::Log { app, from, wait_ms });
    }
    both.client.call(&Request::Top { period_ms: 20 });
    both.step();
    // From now on the agent says nothing and takes nothing.
    let mut polls = 0;
    let end = both.now_ns + 30_000 * MS;
    while both.now_ns < end {
        both.wire.set_now(both.now_ns);
        let now_ns = both.now_ns;
        let next = both
            .loader
            .poll(now_ns, &mut both.loader_end, &mut both.world);
        polls += 1;
        assert!(polls < 2000, "a poll every {} ms", 30_000 / polls);
        let alarm = next.alarm_ns.unwrap_or(end).max(both.now_ns + 1);
        both.now_ns = if next.again { both.now_ns + 1 } else { alarm };
    }
    assert!(!both.loader.is_connected());
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
