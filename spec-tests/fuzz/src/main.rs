// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The command line of the fuzzer; `cargo xtask fuzz` fills most of it in.

use anyhow::Result;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wasm_aot_fuzz::{Settings, run};

/// Compare wasm-aot with wasmtime on generated modules.
#[derive(Parser)]
struct Arguments {
    /// The first seed; further modules have the seeds after it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after so many modules.
    #[arg(long)]
    count: Option<u64>,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Make modules of loops over arrays only; otherwise one in four is such a module.
    #[arg(long)]
    loops: bool,
    /// wasmtime's command.
    #[arg(long)]
    wasmtime: PathBuf,
    /// wasm-aot's command, whose engine runs what is compiled.
    #[arg(long)]
    wasm_aot: PathBuf,
    /// Where findings are kept.
    #[arg(long, default_value = "findings")]
    findings: PathBuf,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let count = match (arguments.count, arguments.seconds) {
        (Some(count), _) => count,
        (None, Some(_)) => u64::MAX,
        (None, None) => 1000,
    };
    let start = Instant::now();
    let summary = run(&Settings {
        seed: arguments.seed,
        count,
        time: arguments.seconds.map(Duration::from_secs),
        only_loops: arguments.loops,
        wasmtime: arguments.wasmtime,
        wasm_aot: arguments.wasm_aot,
        findings: arguments.findings,
    })?;
    let seconds = start.elapsed().as_secs();
    println!("seed {}, {seconds} s: {summary}", arguments.seed);
    Ok(match summary.findings {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
