// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs the official WASI testsuite, one line a test; `cargo xtask wasi-testsuite FOLDER` calls it.
//!
//! `wasi-testsuite FOLDER WORLD [OPTIONS OF A TEST PROGRAM]`; the last are a part of names,
//! `--test-threads N`, `--exact` and so on.

use anyhow::{Context, Result, bail};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::sync::Arc;
use testsuite::wasi::{self, Excluded, Test};

/// The tests that are not expected to pass.
const EXCLUDED: &str = include_str!("../../wasi-excluded.txt");

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let (Some(folder), Some(world)) = (arguments.next(), arguments.next()) else {
        bail!("{program} FOLDER WORLD [OPTIONS] is wanted");
    };
    let options = Arguments::from_iter(std::iter::once(program).chain(arguments));
    let tests = wasi::tests(folder.as_ref())?;
    let excluded = Excluded::parse(EXCLUDED).context("testsuite/wasi-excluded.txt")?;
    excluded
        .check_names(&world, &tests)
        .context("testsuite/wasi-excluded.txt")?;
    let excluded = Arc::new(excluded);
    let trial = |test: Test| {
        let (world, excluded) = (world.clone(), Arc::clone(&excluded));
        let kind = match excluded.reason(&world, &test.name) {
            Some(_) => "excluded",
            None => "",
        };
        let name = format!("{}::{world}", test.name);
        let run = move || {
            judge(&test, &world, &excluded).map_err(|error| Failed::from(format!("{error:#}")))
        };
        Trial::test(name, run).with_kind(kind)
    };
    let trials = tests.into_iter().map(trial).collect();
    Ok(libtest_mimic::run(&options, trials).exit_code())
}

/// Whether a test went as it should: it passes, or is excluded and does not.
fn judge(test: &Test, world: &str, excluded: &Excluded) -> Result<()> {
    match (test.run(world), excluded.reason(world, &test.name)) {
        (Ok(()), Some(reason)) => {
            bail!("it passes, but is excluded ({reason}): take it off testsuite/wasi-excluded.txt")
        }
        (Err(_), Some(_)) => Ok(()),
        (outcome, None) => outcome,
    }
}
