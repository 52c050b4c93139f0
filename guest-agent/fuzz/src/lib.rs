// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Fuzzing of the protocol. Each case follows from its seed, and is of one of these kinds:
//!
//! | module | what is hostile |
//! |---|---|
//! | [`memory`] | the window of shared memory: words change between all polls |
//! | [`scribble`] | the same, by another thread at the same time; the only kind that is not the same each time |
//! | [`messages`] | an agent that keeps to the link and says what nobody would |
//! | [`decoders`] | bytes, for everything that reads bytes |
//!
//! What must hold: nothing panics ([`FakeWorld`] panics where the loader's half asks for what it
//! must not), places in use are the same on both sides, nothing runs that a known key has not
//! signed, a poll takes no time worth speaking of, and when the hostility ends, an honest agent
//! deploys an app and nothing else is left.
//!
//! [`FakeWorld`]: wasm_aot_protocol::testing::FakeWorld

#![forbid(unsafe_code)]

pub mod decoders;
pub mod memory;
pub mod messages;
pub mod scribble;
pub mod system;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many cases of each kind there were.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Count {
    /// Cases of all kinds.
    pub cases: u64,
    /// Polls of the loader's half.
    pub polls: u64,
    /// What the transport found that cannot be.
    pub faults: u64,
    /// Requests that were answered with an error.
    pub refused: u64,
    /// Apps that were loaded.
    pub loaded: u64,
    /// Bytes that were given to decoders.
    pub decoded: u64,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} cases, {} polls, {} faults seen, {} requests refused, {} apps loaded, {} bytes \
             decoded",
            self.cases, self.polls, self.faults, self.refused, self.loaded, self.decoded
        )
    }
}

/// Runs the case of a seed.
///
/// # Errors
/// What went wrong, if something did.
pub fn run(seed: u64, count: &mut Count) -> Result<(), String> {
    count.cases += 1;
    let case = AssertUnwindSafe(|| match seed % 16 {
        0 => scribble::run(seed, count),
        1..6 => memory::run(seed, count),
        6..12 => messages::run(seed, count),
        _ => decoders::run(seed, count),
    });
    catch_unwind(case).map_err(|panic| match panic.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => panic
            .downcast_ref::<&str>()
            .map_or("a panic", |text| text)
            .to_string(),
    })
}
