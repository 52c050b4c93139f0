// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Fuzzing (`spec-tests/fuzz`): differential against wasmtime, and of WASI.

use crate::workspace::Workspace;
use crate::{artifacts, packages, process, wasmtime};
use anyhow::Result;
use clap::Args;
use std::process::{Command, ExitCode};

/// How long, and from where.
#[derive(Args)]
pub struct Arguments {
    /// Stop after so many seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The first seed; further ones have the seeds after it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after so many modules or programs, if that is earlier.
    #[arg(long)]
    count: Option<u64>,
}

/// And with which modules.
#[derive(Args)]
pub struct Modules {
    #[command(flatten)]
    arguments: Arguments,
    /// Make modules of loops over arrays only; otherwise one in four is such a module.
    #[arg(long)]
    loops: bool,
}

/// Builds the command and the fuzzer, and runs it; its status is that of the task. Findings are
/// kept in `target/findings`.
///
/// # Errors
/// Where something cannot be built or run.
pub fn run(workspace: &Workspace, modules: &Modules) -> Result<ExitCode> {
    packages::require(packages::TESTS)?;
    let reference = wasmtime::require(workspace)?;
    artifacts::command(workspace)?;
    let mut fuzz = fuzzer(workspace, "wasm-aot-fuzz", &modules.arguments)?;
    fuzz.arg("--wasmtime")
        .arg(reference)
        .arg("--wasm-aot")
        .arg(workspace.program())
        .arg("--findings")
        .arg(workspace.target().join("findings"));
    if modules.loops {
        fuzz.arg("--loops");
    }
    process::announce(&fuzz);
    process::status(&mut fuzz)
}

/// Builds the programs that call WASI at random, and runs them; their status is that of the task.
///
/// # Errors
/// Where something cannot be built or run.
pub fn wasi(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let mut fuzz = fuzzer(workspace, "wasm-aot-fuzz-wasi", arguments)?;
    process::announce(&fuzz);
    process::status(&mut fuzz)
}

/// Builds a fuzzer; the command to run it.
fn fuzzer(workspace: &Workspace, program: &str, arguments: &Arguments) -> Result<Command> {
    let mut build = workspace.cargo("build");
    build.args(["--release", "--locked", "--package", "wasm-aot-fuzz"]);
    process::run(&mut build)?;
    let mut fuzz = Command::new(workspace.target().join("release").join(program));
    fuzz.arg("--seconds")
        .arg(arguments.seconds.to_string())
        .arg("--seed")
        .arg(arguments.seed.to_string());
    if let Some(count) = arguments.count {
        fuzz.arg("--count").arg(count.to_string());
    }
    Ok(fuzz)
}
