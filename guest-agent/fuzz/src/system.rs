// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A loader with a root task that pretends, and an honest agent that comes in the end.

use crate::Count;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use wasm_aot_protocol::Code;
use wasm_aot_protocol::client::{Client, Outcome, Upload};
use wasm_aot_protocol::link;
use wasm_aot_protocol::loader::{Config, Loader};
use wasm_aot_protocol::message::{List, flags};
use wasm_aot_protocol::testing::FakeWorld;
use wasm_aot_protocol::transport::Transport;
use wasm_aot_protocol::transport::shared::{MIN_WINDOW, Shared, Side};
use wasm_aot_trust::sign::{record, sign};
use wasm_aot_trust::{Id, KeyRecord, Policy, Roles, Statement, hash};

/// Nanoseconds of a millisecond.
pub const MS: u64 = 1_000_000;
/// The key that the image knows.
pub const KNOWN: [u8; 32] = [1; 32];
/// One that it does not.
pub const UNKNOWN: [u8; 32] = [2; 32];
/// What the unknown key signs has this name.
pub const FORGED: &str = "forged";
/// Longest object, bytes.
pub const MAX_OBJECT: u64 = 256 << 10;
/// How long an object is kept that nobody goes on with.
const KEEP_NS: u64 = 10_000 * MS;
/// A poll that takes longer does not do bounded work. Long, as other programs run as well.
const POLL_LIMIT: Duration = Duration::from_secs(5);

/// The keys of the image.
#[must_use]
pub fn keys() -> Vec<KeyRecord> {
    vec![record(&KNOWN.into(), Roles::DEPLOY)]
}

/// A loader and its root task.
#[derive(Debug)]
pub struct System<'k> {
    /// What time it is.
    pub now_ns: u64,
    /// The loader's half.
    pub loader: Box<Loader<'k, 4, 3>>,
    /// The root task.
    pub world: FakeWorld,
    polls: u64,
}

impl<'k> System<'k> {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(keys: &'k [KeyRecord], boot: u64) -> Self {
        let policy = Policy {
            keys,
            unsigned: false,
            max_object_bytes: MAX_OBJECT,
        };
        let mut config = Config::new(policy, "fuzz", boot, link::Config::SHARED);
        config.keep_ns = KEEP_NS;
        Self {
            now_ns: 0,
            loader: Box::new(Loader::new(config)),
            world: FakeWorld::new(3, 4, 1 << 20),
            polls: 0,
        }
    }

    /// Polls once, and checks what must always hold.
    pub fn poll(&mut self, transport: &mut dyn Transport) {
        let begin = Instant::now();
        self.world.turn(self.now_ns);
        self.loader.poll(self.now_ns, transport, &mut self.world);
        let took = begin.elapsed();
        assert!(took < POLL_LIMIT, "a poll took {took:?}");
        self.polls += 1;
        let held = self.loader.transfers_in_memory();
        assert_eq!(held, self.world.reserved(), "places in use");
        assert!(
            self.world.object(FORGED).is_none(),
            "a forged app was loaded"
        );
    }

    /// The hostility has ended: an honest agent deploys an app over a transport, and nothing but
    /// that is left.
    pub fn recover(
        &mut self,
        agent: &mut dyn Transport,
        transport: &mut dyn Transport,
        count: &mut Count,
    ) {
        let object = b"pretend\nout honest\nexit 0\n".repeat(200);
        let file = signed("honest", u64::MAX, &object, KNOWN);
        let mut client = Client::new(link::Config::SHARED, 0x600d_0000_0000, "honest");
        let begin = || Upload::new(&file, List::default(), List::default(), flags::START);
        let mut upload = begin();
        let limit = self.now_ns + 120_000 * MS;
        loop {
            assert!(
                self.now_ns < limit,
                "an honest agent does not get through: {upload:?}"
            );
            self.now_ns += MS;
            client.poll(self.now_ns, agent);
            self.poll(transport);
            match upload.poll(&mut client, &object) {
                Outcome::Working => {}
                Outcome::Done(_) => break,
                // What the other one began a moment ago is in the way, for a while.
                Outcome::Refused(refusal) if refusal.code == Code::BUSY => upload = begin(),
                Outcome::Refused(refusal) => panic!("an honest agent is refused: {refusal}"),
            }
        }
        assert!(self.world.object("honest") == Some(&object));
        self.now_ns += KEEP_NS + 2 * MS;
        self.poll(transport);
        assert_eq!(self.world.reserved(), 0, "something is left");
        count.polls += self.polls;
        count.loaded += self.world.installed;
    }
}

/// A signature file.
#[must_use]
pub fn signed(name: &str, version: u64, object: &[u8], secret: [u8; 32]) -> Vec<u8> {
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
    sign(&statement, &secret.into()).expect("a statement that can be made")
}

/// A window of shared memory, filled with what was there before.
#[must_use]
pub fn window(fill: impl FnMut() -> u64) -> Vec<AtomicU64> {
    let mut fill = fill;
    (0..MIN_WINDOW / 8)
        .map(|_| AtomicU64::new(fill()))
        .collect()
}

/// An end of a window.
#[must_use]
pub fn end(words: &[AtomicU64], side: Side, start: u64) -> Shared<'_, ()> {
    Shared::new(words, side, start, ()).expect("the window is large enough")
}
