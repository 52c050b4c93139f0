// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a run costs.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;
use wait4::Wait4;

/// What a process and its children cost.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    /// Processor time, user and system.
    pub cpu: Duration,
    /// The most memory that was resident, in bytes.
    pub peak_bytes: u64,
}

impl Cost {
    /// Of two processes, one after the other.
    pub fn plus(self, other: Cost) -> Cost {
        Cost {
            cpu: self.cpu + other.cpu,
            peak_bytes: self.peak_bytes.max(other.peak_bytes),
        }
    }
}

/// Runs a command that must succeed, quietly.
///
/// # Errors
/// Where it cannot be started or fails; with what it printed.
pub fn cost(command: &mut Command) -> Result<Cost> {
    finish(command, true).map(|(cost, _)| cost)
}

/// Runs a program; gives its cost and its output.
///
/// # Errors
/// Where it cannot be started or fails.
pub fn run(words: &[OsString], argument: Option<&str>) -> Result<(Cost, Vec<u8>)> {
    let (program, arguments) = words.split_first().expect("a command has a program");
    finish(Command::new(program).args(arguments).args(argument), false)
}

fn finish(command: &mut Command, with_messages: bool) -> Result<(Cost, Vec<u8>)> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    if with_messages {
        command.stderr(Stdio::inherit());
    }
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {name}"))?;
    let mut output = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut output)?;
    }
    let end = child
        .wait4()
        .with_context(|| format!("waiting for {name}"))?;
    if !end.status.success() {
        bail!("{name} failed ({})", end.status);
    }
    let cost = Cost {
        cpu: end.rusage.utime + end.rusage.stime,
        peak_bytes: end.rusage.maxrss,
    };
    Ok((cost, output))
}
