// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs a case: under wasmtime, natively, in a world of ours, or in another build.

use crate::case::{Build, Case, World, app};
use crate::process::{self, Run};
use crate::tools;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How long anything may take. Far more than it does, even where all tests share two cores.
pub const LIMIT: Duration = Duration::from_secs(180);

/// The option of `run` on Linux that compares what the program takes of the stack with the bound in
/// its object.
pub const CHECK_STACK: &str = "--check-stack";

/// A run of a case, and the directory that it may have worked in.
struct Prepared<'a> {
    case: &'a Case,
    scratch: TempDir,
}

impl<'a> Prepared<'a> {
    fn new(case: &'a Case) -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        Ok(Self { case, scratch })
    }

    /// Adds the options that `wasm-aot run` and `wasmtime run` spell alike.
    fn shared_options(&self, command: &mut Command) -> Result<()> {
        for variable in &self.case.env {
            command.args(["--env", variable]);
        }
        if let Some(guest) = &self.case.dir {
            let host = self.scratch.path().join("dir");
            std::fs::create_dir(&host)?;
            command
                .arg("--dir")
                .arg(format!("{}::{guest}", host.display()));
        }
        for preload in &self.case.preloads {
            let (name, file) = preload.split_once('=').context("preloads are NAME=FILE")?;
            let file = app(file);
            command
                .arg("--preload")
                .arg(format!("{name}={}", file.display()));
        }
        for preload in &self.case.preload {
            let (name, file) = preload.split_once('=').context("not NAME=FILE")?;
            command
                .arg("--preload")
                .arg(format!("{name}={}", app(file).display()));
        }
        if let Some(name) = &self.case.invoke {
            command.args(["--invoke", name]);
        }
        Ok(())
    }

    fn run(&self, command: &mut Command) -> Result<Run> {
        process::run(command, self.case.stdin.as_bytes(), LIMIT)
    }
}

/// Under wasmtime.
///
/// # Errors
/// Where it cannot be run.
pub fn reference(case: &Case) -> Result<Run> {
    let prepared = Prepared::new(case)?;
    let mut command = tools::wasmtime()?;
    command.arg("run");
    prepared.shared_options(&mut command)?;
    if case.unknown_imports_trap {
        command.arg("-Wunknown-imports-trap=y");
    }
    // The cache would be a file outside the target folder.
    command.args(["-C", "cache=n"]);
    command.arg(case.module()).args(&case.args);
    prepared.run(&mut command)
}

/// Compiled for this machine by clang, from the same source.
///
/// # Errors
/// Where it cannot be compiled or run.
pub fn native(case: &Case, source: &str) -> Result<Run> {
    let prepared = Prepared::new(case)?;
    let program = prepared.scratch.path().join("native");
    // WebAssembly has no fused multiplication and addition: nor must the native code.
    let mut clang = tools::clang();
    clang
        .args(["-O2", "-std=gnu11", "-ffp-contract=off", "-o"])
        .arg(&program)
        .arg(app(source))
        .arg("-lm");
    expect_quiet(&clang)?;
    prepared.run(Command::new(program).args(&case.args))
}

/// In a world of ours.
///
/// # Errors
/// Where it cannot be run, or a step before that fails.
pub fn ours(case: &Case, world: World) -> Result<Run> {
    match world {
        World::Linux => run_command(case, &[CHECK_STACK]),
        World::Sel4 => run_command(case, &["--on", "sel4"]),
        World::Linked => linked(case),
    }
}

/// On Linux, compiled in another way.
///
/// # Errors
/// Where it cannot be run.
pub fn other_build(case: &Case, build: Build) -> Result<Run> {
    let mut options = build.options().to_vec();
    options.push(CHECK_STACK);
    run_command(case, &options)
}

fn run_command(case: &Case, options: &[&str]) -> Result<Run> {
    let prepared = Prepared::new(case)?;
    let mut command = tools::wasm_aot()?;
    command.arg("run").args(options);
    prepared.shared_options(&mut command)?;
    if case.unknown_imports_trap {
        command.arg("--unknown-imports-trap");
    }
    command.arg(case.module()).args(&case.args);
    prepared.run(&mut command)
}

fn linked(case: &Case) -> Result<Run> {
    let prepared = Prepared::new(case)?;
    let program = link(&case.module(), prepared.scratch.path())?;
    // A process has an environment where `wasm-aot run` has `--env`.
    let mut command = Command::new("env");
    command
        .arg("-i")
        .args(&case.env)
        .arg(program)
        .args(&case.args);
    prepared.run(&mut command)
}

/// Compiles and links a module in `folder`; gives the executable.
///
/// # Errors
/// Where a step fails or says anything.
pub fn link(module: &Path, folder: &Path) -> Result<std::path::PathBuf> {
    let (object, program) = (folder.join("linked.o"), folder.join("linked"));
    let mut build = tools::wasm_aot()?;
    build.arg("build").arg(module).arg("-o").arg(&object);
    expect_quiet(&build)?;
    let mut link = tools::wasm_aot()?;
    link.arg("link").arg(&object).arg("-o").arg(&program);
    expect_quiet(&link)?;
    // Nothing but the executable is needed from here on.
    std::fs::remove_file(object)?;
    Ok(program)
}

/// Runs a command that must succeed without a word on standard error.
///
/// # Errors
/// Where it fails or says something.
pub fn expect_quiet(command: &Command) -> Result<Run> {
    let run = process::run(command, b"", LIMIT)?;
    ensure!(
        run.status == 0 && run.stderr.is_empty(),
        "{}\n{run}",
        process::line(command)
    );
    Ok(run)
}
