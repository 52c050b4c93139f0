// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Objects on their way, and what is refused.

use super::*;

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
