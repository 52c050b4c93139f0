// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs hostile programs, one after the other: `cargo xtask fuzz-wasi` calls it. Each is that of
//! one seed, so that a finding can be had again. The programs' standard streams are this
//! process's, so it gives itself others: what it has to say it says by its parent.

use anyhow::{Context, Result, bail};
use clap::Parser;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use wasm_aot_fuzz::wasi::{self, Count};

/// Run programs that call WASI at random, and check that they do no harm.
#[derive(Parser)]
struct Arguments {
    /// The first seed; further programs have the seeds after it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after so many programs.
    #[arg(long)]
    count: Option<u64>,
    /// Stop after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// For the process that runs the programs: the file in which it says how it goes.
    #[arg(long, hide = true)]
    progress: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.progress {
        Some(progress) => work(&arguments, progress),
        None => supervise(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts the process that runs the programs, and says how it went.
fn supervise(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let progress = folder.path().join("progress");
    let mut worker = Command::new(std::env::current_exe()?);
    worker.args(std::env::args_os().skip(1));
    worker.arg("--progress").arg(&progress);
    worker.stdin(Stdio::null()).stdout(Stdio::null());
    let begin = Instant::now();
    let status = worker.stderr(Stdio::null()).status()?;
    let said = fs::read_to_string(&progress).context("the programs did not begin")?;
    if !status.success() {
        bail!("{status}, {said}");
    }
    let seconds = begin.elapsed().as_secs();
    println!("seed {}, {seconds} s: {said}", arguments.seed);
    Ok(())
}

fn work(arguments: &Arguments, progress: &Path) -> Result<()> {
    let object = wasi::object()?;
    // Opened before the limits are: its own file is small.
    wasi::limit_process()?;
    let count = match (arguments.count, arguments.seconds) {
        (Some(count), _) => count,
        (None, Some(_)) => u64::MAX,
        (None, None) => 1000,
    };
    let end = arguments.seconds.map(Duration::from_secs);
    let begin = Instant::now();
    let mut done = Count::default();
    while done.programs < count && end.is_none_or(|end| begin.elapsed() < end) {
        let seed = arguments.seed.wrapping_add(done.programs);
        fs::write(progress, format!("in the program of seed {seed}"))?;
        if let Err(error) = wasi::run(&object, seed, &mut done) {
            fs::write(progress, format!("seed {seed}: {error:#}"))?;
            bail!("a finding");
        }
    }
    fs::write(progress, done.to_string())?;
    Ok(())
}
