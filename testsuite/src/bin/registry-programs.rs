// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs programs that others have compiled, one line each; `cargo xtask programs` calls it.
//!
//! `registry-programs FOLDER WORLD [OPTIONS OF A TEST PROGRAM]`: the folder of unpacked packages.

use anyhow::{Result, bail};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::absolute;
use std::process::ExitCode;
use testsuite::case::{self, Case, World};
use testsuite::{compare, world};

fn main() -> ExitCode {
    run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode> {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let (Some(folder), Some(name)) = (arguments.next(), arguments.next()) else {
        bail!("{program} FOLDER WORLD [OPTIONS] is wanted");
    };
    let worlds = [World::Linux, World::Linked, World::Sel4];
    let Some(world) = worlds.into_iter().find(|world| world.name() == name) else {
        bail!("{name} is no world: linux, linked or sel4 is wanted");
    };
    let options = Arguments::from_iter(std::iter::once(program).chain(arguments));
    let mut cases = case::registry(&absolute(folder)?)?;
    cases.retain(|case| case.worlds.contains(&world));
    let trial = |case: Case| {
        let run = move || check(&case, world).map_err(|error| Failed::from(format!("{error:#}")));
        (run, world.name())
    };
    let trials = cases.into_iter().map(|case| {
        let name = case.name.clone();
        let (run, world) = trial(case);
        Trial::test(format!("{name}::{world}"), run)
    });
    Ok(libtest_mimic::run(&options, trials.collect()).exit_code())
}

/// Whether a program does what it is expected to, and what it does under wasmtime.
fn check(case: &Case, world: World) -> Result<()> {
    let ours = world::ours(case, world)?;
    compare::expectations(case, &ours)?;
    compare::with_reference(case, &ours, &world::reference(case)?)
}
