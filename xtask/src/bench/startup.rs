// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How long a process that says hello takes from its start to its end.

use super::engines::{Built, Engine};
use anyhow::{Context, Result, ensure};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Processes of each engine.
const RUNS: usize = 300;

/// What it took one engine.
pub struct Startup {
    pub engine: Engine,
    pub fastest: Duration,
    pub median: Duration,
}

/// Starts the program of every engine in turn, again and again.
///
/// # Errors
/// Where a process cannot be started or fails.
pub fn measured(built: &[Built]) -> Result<Vec<Startup>> {
    let mut times: Vec<Vec<Duration>> = vec![Vec::with_capacity(RUNS); built.len()];
    for _ in 0..RUNS {
        for (built, times) in built.iter().zip(&mut times) {
            times.push(process(built)?);
        }
    }
    let summary = built.iter().zip(times).map(|(built, mut times)| {
        times.sort_unstable();
        Startup {
            engine: built.engine,
            fastest: times[0],
            median: times[RUNS / 2],
        }
    });
    Ok(summary.collect())
}

/// From before the fork to the end.
fn process(built: &Built) -> Result<Duration> {
    let name = built.engine.name();
    let (program, arguments) = built.command.split_first().context("an empty command")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("cannot run {name}'s hello"))?;
    let time = start.elapsed();
    ensure!(status.success(), "{name}'s hello failed ({status})");
    Ok(time)
}
