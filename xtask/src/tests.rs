// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs every test of the repository and counts them.

use crate::workspace::Workspace;
use crate::{artifacts, engine, packages, process, wasmtime};
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Results of test programs, added up.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    /// Adds a line `test result: ok. 3 passed; 0 failed; ...`, and ignores others.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let (_, counts) = result.split_once(". ").unwrap_or(("", result));
        for part in counts.split("; ") {
            match part.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse::<u64>().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse::<u64>().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// Builds everything, runs the tests (those whose name contains one of `filter`), and ends with
/// the line `N passed, N failed`.
///
/// # Errors
/// Where something cannot be built, or a test fails.
pub fn run(workspace: &Workspace, filter: &[String]) -> Result<()> {
    packages::require(&[packages::QEMU, packages::TESTS, packages::TARGETS].concat())?;
    let reference = wasmtime::require(workspace)?;
    artifacts::build(workspace)?;
    engine::build(workspace, &[])?;
    let mut test = workspace.cargo("test");
    test.args([
        "--release",
        "--workspace",
        "--locked",
        "--no-fail-fast",
        "--",
    ])
    .args(filter)
    .env("WASM_AOT_TEST_WASMTIME", reference);
    environment(&mut test, workspace);
    process::announce(&test);
    let mut count = Count::default();
    let success = counted(&mut test, &mut count)?;
    println!("{} passed, {} failed", count.passed, count.failed);
    ensure!(count.failed == 0, "{} tests failed", count.failed);
    ensure!(success, "the tests could not all be built or run");
    if filter.is_empty() && count.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Tells a test program where what it runs is.
fn environment(test: &mut Command, workspace: &Workspace) {
    test.env("WASM_AOT_TEST_COMMAND", workspace.program())
        .env("WASM_AOT_SHARE", workspace.share(""));
}

/// Builds a program of the package `testsuite`; the command to run it.
///
/// # Errors
/// Where it cannot be built.
pub fn program(workspace: &Workspace, name: &str) -> Result<Command> {
    let mut build = workspace.cargo("build");
    build.args(["--release", "--locked", "--package", "testsuite"]);
    process::run(&mut build)?;
    let mut tests = Command::new(workspace.target().join("release").join(name));
    environment(&mut tests, workspace);
    Ok(tests)
}

/// Runs a test command, passing its standard output on and counting.
fn counted(command: &mut Command, count: &mut Count) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo test")?;
    let output = child.stdout.take().context("no output of cargo test")?;
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        std::io::stdout().write_all(&line)?;
        count.add(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(child.wait()?.success())
}
