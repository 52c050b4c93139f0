// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The command line of the fuzzer; `cargo xtask fuzz-protocol` builds and calls it.

use clap::Parser;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wasm_aot_fuzz_protocol::{Count, run};

/// Drive the loader's end of the protocol with hostile memory, messages and bytes.
#[derive(Parser)]
struct Arguments {
    /// The first seed; further cases have the seeds after it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after so many cases.
    #[arg(long)]
    count: Option<u64>,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let cases = match (arguments.count, arguments.seconds) {
        (Some(count), _) => count,
        (None, Some(_)) => u64::MAX,
        (None, None) => 1000,
    };
    let limit = arguments.seconds.map(Duration::from_secs);
    let begin = Instant::now();
    let mut count = Count::default();
    while count.cases < cases && limit.is_none_or(|limit| begin.elapsed() < limit) {
        let seed = arguments.seed.wrapping_add(count.cases);
        if let Err(what) = run(seed, &mut count) {
            eprintln!("error: seed {seed}: {what}");
            return ExitCode::FAILURE;
        }
    }
    let seconds = begin.elapsed().as_secs();
    println!("seed {}, {seconds} s: {count}", arguments.seed);
    ExitCode::SUCCESS
}
