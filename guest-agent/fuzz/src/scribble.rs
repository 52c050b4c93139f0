// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Another thread scribbles over the window while the loader reads it: what is read twice may
//! differ, and nothing may come of it.

use crate::Count;
use crate::memory::change;
use crate::system::{MS, System, end, keys, signed, window};
use fastrand::Rng;
use std::sync::atomic::{AtomicBool, Ordering};
use wasm_aot_protocol::client::{Client, Outcome, Upload};
use wasm_aot_protocol::link;
use wasm_aot_protocol::message::{List, flags};
use wasm_aot_protocol::transport::shared::Side;

/// Polls while the other thread scribbles.
const POLLS: u32 = 2000;

/// Runs the case of a seed. What the threads do to each other does not follow from it.
pub fn run(seed: u64, count: &mut Count) {
    let mut random = Rng::with_seed(seed);
    let keys = keys();
    let mut system = System::new(&keys, seed);
    let words = window(|| 0);
    let stop = AtomicBool::new(false);
    let pause = random.u32(0..2000);
    std::thread::scope(|scope| {
        let mut other = random.fork();
        let (words, stop) = (&words, &stop);
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                change(&mut other, words);
                for _ in 0..pause {
                    std::hint::spin_loop();
                }
            }
        });
        // The other thread ends whatever becomes of this one.
        let _stops = Stops(stop);
        let mut loader_end = end(words, Side::Loader, seed);
        let mut agent_end = end(words, Side::Agent, seed);
        let object: Vec<u8> = (0..50_000).map(|_| random.u8(..)).collect();
        let mut client = Client::new(link::Config::SHARED, seed, "fuzz");
        let mut version = 1;
        let begin = |version| {
            let file = signed("app", version, &object, crate::system::KNOWN);
            Upload::new(&file, List::default(), List::default(), flags::START)
        };
        let mut upload = begin(version);
        for _ in 0..POLLS {
            system.now_ns += MS;
            client.poll(system.now_ns, &mut agent_end);
            if upload.poll(&mut client, &object) != Outcome::Working {
                version += 1;
                upload = begin(version);
            }
            system.poll(&mut loader_end);
        }
        count.faults += loader_end.faults();
    });
    let mut loader_end = end(&words, Side::Loader, random.u64(..));
    let mut agent_end = end(&words, Side::Agent, random.u64(..));
    system.recover(&mut agent_end, &mut loader_end, count);
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
