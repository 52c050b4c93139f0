// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs the official WASI testsuite, one line a test; `cargo xtask wasi-testsuite FOLDER` calls it
//! ([`testsuite::trials`]).

use anyhow::{Context, Result, bail};
use libtest_mimic::Trial;
use std::process::ExitCode;
use std::sync::Arc;
use testsuite::trials;
use testsuite::wasi::{self, Excluded, Test};

/// The tests that are not expected to pass.
const EXCLUDED: &str = include_str!("../../wasi-excluded.txt");

fn main() -> ExitCode {
    trials::main(all)
}

fn all(folder: &str, world: &str) -> Result<Vec<Trial>> {
    let tests = wasi::tests(folder.as_ref())?;
    let excluded = Excluded::parse(EXCLUDED).context("testsuite/wasi-excluded.txt")?;
    excluded
        .check_names(world, &tests)
        .context("testsuite/wasi-excluded.txt")?;
    let excluded = Arc::new(excluded);
    let trial = |test: Test| {
        let kind = match excluded.reason(world, &test.name) {
            Some(_) => "excluded",
            None => "",
        };
        let (name, excluded) = (test.name.clone(), Arc::clone(&excluded));
        let on = world.to_owned();
        trials::trial(&name, world, move || judge(&test, &on, &excluded)).with_kind(kind)
    };
    Ok(tests.into_iter().map(trial).collect())
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
