// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs commands: says what it does, and turns a failure into an error that names the command.

use anyhow::{Context, Result, bail};
use std::process::{Command, ExitCode, Stdio};

/// Prints what is about to happen.
pub fn progress(what: &str) {
    eprintln!("xtask: {what}");
}

/// Prints the command that is about to run.
pub fn announce(command: &Command) {
    progress(&line(command));
}

/// The command as a person would type it.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

/// Runs a command whose output goes where ours goes.
///
/// # Errors
/// Where it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", line(command)))?;
    if !status.success() {
        bail!("failed ({status}): {}", line(command));
    }
    Ok(())
}

/// Runs a command and ends as it does.
///
/// # Errors
/// Where it cannot be started or was ended by a signal.
pub fn status(command: &mut Command) -> Result<ExitCode> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", line(command)))?;
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => Ok(ExitCode::from(code)),
        _ => bail!("ended ({status}): {}", line(command)),
    }
}

/// Whether a command can be started and succeeds, quietly.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
