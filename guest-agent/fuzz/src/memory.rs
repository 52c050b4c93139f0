// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The window of shared memory changes between polls: the pages of both sides, lengths in rings,
//! bytes of frames; an agent whose frames are meant well is among it, starts anew, and goes on.

use crate::Count;
use crate::system::{MS, System, end, keys, signed, window};
use fastrand::Rng;
use std::sync::atomic::{AtomicU64, Ordering};
use wasm_aot_protocol::client::{Client, Outcome, Upload};
use wasm_aot_protocol::link;
use wasm_aot_protocol::message::{List, flags};
use wasm_aot_protocol::transport::shared::Side;

/// Words of a control page.
const PAGE_WORDS: usize = 512;

/// Runs the case of a seed.
pub fn run(seed: u64, count: &mut Count) {
    let mut random = Rng::with_seed(seed);
    let keys = keys();
    let mut system = System::new(&keys, seed);
    let dirty = random.bool();
    let words = window(|| if dirty { random.u64(..) } else { 0 });
    let mut loader_end = end(&words, Side::Loader, seed);
    let mut agent_end = end(&words, Side::Agent, seed);
    let object: Vec<u8> = (0..random.usize(1..20_000))
        .map(|_| random.u8(..))
        .collect();
    let mut version = 1;
    let begin = |version| {
        let file = signed("app", version, &object, crate::system::KNOWN);
        Upload::new(&file, List::default(), List::default(), flags::START)
    };
    let mut client = Client::new(link::Config::SHARED, seed, "fuzz");
    let mut upload = begin(version);
    // From a change now and then to nothing but changes.
    let changes = [1, 10, 100, 900][random.usize(0..4)];
    for _ in 0..500 {
        system.now_ns += random.u64(0..20) * MS;
        client.poll(system.now_ns, &mut agent_end);
        if upload.poll(&mut client, &object) != Outcome::Working {
            version += 1;
            upload = begin(version);
        }
        while random.u32(0..1000) < changes {
            change(&mut random, &words);
        }
        system.poll(&mut loader_end);
        if random.u32(0..100) == 0 {
            client = Client::new(link::Config::SHARED, random.u64(..), "fuzz");
            agent_end = end(&words, Side::Agent, random.u64(..));
        }
        if random.u32(0..200) == 0 {
            count.faults += loader_end.faults();
            loader_end = end(&words, Side::Loader, random.u64(..));
        }
    }
    count.faults += loader_end.faults();
    // Both sides start anew: what is in the window is as bad as it is.
    let mut loader_end = end(&words, Side::Loader, random.u64(..));
    let mut agent_end = end(&words, Side::Agent, random.u64(..));
    system.recover(&mut agent_end, &mut loader_end, count);
}

/// Changes a word to something that somebody may not expect.
pub fn change(random: &mut Rng, words: &[AtomicU64]) {
    let at = match random.u32(0..6) {
        // The few words that count of either page.
        0 => random.usize(0..8),
        1 => PAGE_WORDS + random.usize(0..8),
        // How far the agent says that it is.
        2 => PAGE_WORDS + random.usize(3..5),
        // What it has put into its ring just now.
        3..5 => {
            let ring = (words.len() - 2 * PAGE_WORDS) / 2;
            let written = words[PAGE_WORDS + 3].load(Ordering::Relaxed) / 8;
            let back = random.u64(1..600);
            let in_ring = written.wrapping_sub(back) as usize % ring;
            2 * PAGE_WORDS + ring + in_ring
        }
        _ => random.usize(0..words.len()),
    };
    let old = words[at].load(Ordering::Relaxed);
    let new = match random.u32(0..8) {
        0 => 0,
        1 => u64::MAX,
        2 => random.u64(..),
        3 => random.u64(0..20_000),
        4 => old.wrapping_add(random.u64(0..64)),
        5 => old.wrapping_sub(random.u64(0..64)),
        6 => 1 << random.u32(0..64),
        _ => old ^ 1 << random.u32(0..64),
    };
    words[at].store(new, Ordering::Relaxed);
}
