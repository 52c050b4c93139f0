// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Prints what the real-time system does, beside what it has to do.

use crate::workspace::Workspace;
use crate::{artifacts, packages, process, tests};
use anyhow::Result;
use clap::Args;
use std::process::ExitCode;

/// What to run.
#[derive(Args)]
pub struct Arguments {
    /// Seconds of virtual time instead of half a minute: what the tests run.
    #[arg(long)]
    quick: bool,
    /// Random sets of tasks that are analysed and simulated.
    #[arg(long, default_value_t = 1000)]
    sets: u32,
}

/// Builds everything, runs the systems on seL4 in QEMU, and the simulation here.
///
/// # Errors
/// Where something cannot be built or run.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    packages::require(&[packages::QEMU, packages::TESTS].concat())?;
    artifacts::build(workspace)?;
    let mut systems = tests::program(workspace, "realtime")?;
    systems.args(arguments.quick.then_some("--quick"));
    process::announce(&systems);
    let seen = process::status(&mut systems)?;
    let mut simulation = workspace.cargo("run");
    simulation
        .args(["--release", "--locked", "--quiet", "--package"])
        .args(["wasm-aot-schedule", "--example", "simulate", "--"])
        .args(["--sets", &arguments.sets.to_string(), "--seed", "1"]);
    process::announce(&simulation);
    let simulated = process::status(&mut simulation)?;
    Ok(if seen == ExitCode::SUCCESS {
        simulated
    } else {
        seen
    })
}
