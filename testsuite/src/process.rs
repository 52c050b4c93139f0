// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs a command to its end, or to the end of its time.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::io::{ErrorKind, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What came of a command.
#[derive(Clone, PartialEq, Eq)]
pub struct Run {
    /// The exit status, as shells count it: 128 plus the signal's number for a signal.
    pub status: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Run {
    /// Standard error as text.
    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Standard output as text.
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "status: {}", self.status)?;
        for (name, bytes) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let shown = &bytes[..bytes.len().min(2000)];
            let text = String::from_utf8_lossy(shown);
            writeln!(f, "{name} ({} bytes):\n{text}", bytes.len())?;
        }
        Ok(())
    }
}

/// Runs a command with this standard input.
///
/// The command runs under `timeout` of the coreutils, which ends what the command started
/// as well.
///
/// # Errors
/// Where it cannot be started or does not end in time.
pub fn run(command: &Command, stdin: &[u8], limit: Duration) -> Result<Run> {
    let line = line(command);
    let mut limited = Command::new("timeout");
    limited
        .arg("--kill-after=5")
        .arg(limit.as_secs().to_string())
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    let begin = Instant::now();
    let mut child = limited.spawn().context("cannot run `timeout`")?;
    let mut input = child.stdin.take().context("no standard input")?;
    let stdin = stdin.to_owned();
    let writer = thread::spawn(move || match input.write_all(&stdin) {
        // A program need not read what it is given.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    });
    let output = child.wait_with_output()?;
    match writer.join() {
        Ok(written) => written.with_context(|| format!("cannot feed {line}"))?,
        Err(_) => bail!("the thread that feeds {line} panicked"),
    }
    let run = finished(output);
    if begin.elapsed() >= limit {
        bail!("no end after {} s: {line}\n{run}", limit.as_secs());
    }
    Ok(run)
}

fn finished(output: Output) -> Run {
    let status = output.status;
    let signal = status.signal().unwrap_or_default();
    Run {
        status: status.code().unwrap_or(128 + signal),
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

/// The command as a person would type it.
#[must_use]
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}
