// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Fuzzing: differential against wasmtime, and of WASI (`spec-tests/fuzz`); of the protocol between
//! guest and loader (`guest-agent/fuzz`).

use crate::workspace::Workspace;
use crate::{artifacts, packages, process, wasmtime};
use anyhow::Result;
use clap::Args;
use std::path::Path;
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

impl Arguments {
    /// The command that runs a fuzzer so.
    fn of(&self, program: &Path) -> Command {
        let mut fuzz = Command::new(program);
        fuzz.arg("--seconds")
            .arg(self.seconds.to_string())
            .arg("--seed")
            .arg(self.seed.to_string());
        if let Some(count) = self.count {
            fuzz.arg("--count").arg(count.to_string());
        }
        fuzz
    }
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

/// The protocol's fuzzer.
#[derive(Args)]
pub struct Protocol {
    #[command(flatten)]
    arguments: Arguments,
    /// Build with a sanitizer of the compiler: `address`. (`thread` needs a standard library that
    /// was built with it.)
    #[arg(long, value_name = "SANITIZER")]
    sanitizer: Option<String>,
}

/// Builds the protocol with all checks that the compiler has, and runs its fuzzer; its status is
/// that of the task.
///
/// # Errors
/// Where something cannot be built or run.
pub fn protocol(workspace: &Workspace, options: &Protocol) -> Result<ExitCode> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    const PROGRAM: &str = "wasm-aot-fuzz-protocol";
    let target_dir = workspace.target().join("fuzz-protocol");
    let mut flags = "-Coverflow-checks=on -Cdebug-assertions=on".to_string();
    let mut build = workspace.cargo("build");
    if let Some(sanitizer) = &options.sanitizer {
        flags += &format!(" -Zsanitizer={sanitizer}");
        // Sanitizers are options of the same compiler that are not promised to stay.
        build.env("RUSTC_BOOTSTRAP", "1");
    }
    build
        .args(["--release", "--locked", "--package", PROGRAM])
        .args(["--target", TARGET])
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", &target_dir);
    process::announce(&build);
    process::run(&mut build)?;
    let program = target_dir.join(TARGET).join("release").join(PROGRAM);
    let mut fuzz = options.arguments.of(&program);
    process::announce(&fuzz);
    process::status(&mut fuzz)
}

/// Builds a fuzzer; the command to run it.
fn fuzzer(workspace: &Workspace, program: &str, arguments: &Arguments) -> Result<Command> {
    let mut build = workspace.cargo("build");
    build.args(["--release", "--locked", "--package", "wasm-aot-fuzz"]);
    process::run(&mut build)?;
    let program = workspace.target().join("release").join(program);
    Ok(arguments.of(&program))
}
