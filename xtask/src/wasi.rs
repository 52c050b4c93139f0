// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs the official WASI testsuite (`testsuite/src/wasi.rs`).

use crate::workspace::Workspace;
use crate::{artifacts, packages, process, tests};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// Where programs run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum World {
    /// This machine.
    Linux,
    /// seL4 in QEMU.
    Sel4,
}

impl World {
    /// Builds what programs need there; gives the world's name.
    ///
    /// # Errors
    /// Where that cannot be built.
    pub fn prepare(self, workspace: &Workspace) -> Result<&'static str> {
        match self {
            World::Linux => {
                artifacts::command(workspace)?;
                Ok("linux")
            }
            World::Sel4 => {
                packages::require(packages::QEMU)?;
                artifacts::build(workspace)?;
                Ok("sel4")
            }
        }
    }
}

/// What of it is run, and where.
#[derive(Args)]
pub struct Arguments {
    /// The branch prod/testsuite-base of WebAssembly/wasi-testsuite, or a folder in it.
    folder: PathBuf,
    /// Where the tests run.
    #[arg(long, value_enum, default_value = "linux", value_name = "WORLD")]
    on: World,
    /// Passed on: a part of names, `--test-threads N`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filter: Vec<String>,
}

/// Builds what is needed, and runs the tests; their status is that of the task.
///
/// # Errors
/// Where something cannot be built or run.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let world = arguments.on.prepare(workspace)?;
    let mut tests = tests::program(workspace, "wasi-testsuite")?;
    tests
        .arg(&arguments.folder)
        .arg(world)
        .args(&arguments.filter);
    process::announce(&tests);
    process::status(&mut tests)
}
