// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs programs that others have compiled, one line each; `cargo xtask programs` calls it with
//! the folder of unpacked packages ([`testsuite::trials`]).

use anyhow::{Result, bail};
use libtest_mimic::Trial;
use std::path::absolute;
use std::process::ExitCode;
use testsuite::case::{self, Case, World};
use testsuite::{compare, trials, world};

fn main() -> ExitCode {
    trials::main(all)
}

fn all(folder: &str, name: &str) -> Result<Vec<Trial>> {
    let worlds = [World::Linux, World::Linked, World::Sel4];
    let Some(world) = worlds.into_iter().find(|world| world.name() == name) else {
        bail!("{name} is no world: linux, linked or sel4 is wanted");
    };
    let mut cases = case::registry(&absolute(folder)?)?;
    cases.retain(|case| case.worlds.contains(&world));
    let trial = |case: Case| {
        let name = case.name.clone();
        trials::trial(&name, world.name(), move || check(&case, world))
    };
    Ok(cases.into_iter().map(trial).collect())
}

/// Whether a program does what it is expected to, and what it does under wasmtime.
fn check(case: &Case, world: World) -> Result<()> {
    let ours = world::ours(case, world)?;
    compare::expectations(case, &ours)?;
    compare::with_reference(case, &ours, &world::reference(case)?)
}
