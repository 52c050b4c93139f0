// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where the programs are that the tests run.

use anyhow::{Context, Result, bail};
use std::env;
use std::path::PathBuf;
use std::process::Command;
use wasm_aot_object::Machine;

/// The command under test: `$WASM_AOT_TEST_COMMAND`, or the one in the folder above the test's
/// (`target/release`).
///
/// # Errors
/// Where it is not there.
pub fn wasm_aot() -> Result<Command> {
    let path = match env::var_os("WASM_AOT_TEST_COMMAND") {
        Some(path) => path.into(),
        None => profile_folder()?.join("wasm-aot"),
    };
    existing(path)
}

/// wasmtime: `$WASM_AOT_TEST_WASMTIME`, or the one that `cargo xtask setup` downloads into the
/// target folder.
///
/// # Errors
/// Where it is not there.
pub fn wasmtime() -> Result<Command> {
    if let Some(path) = env::var_os("WASM_AOT_TEST_WASMTIME") {
        return existing(path.into());
    }
    let tools = profile_folder()?.join("../tools");
    let entries = tools.read_dir().with_context(|| {
        format!(
            "no folder {}: run `cargo xtask setup` first",
            tools.display()
        )
    })?;
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path().join("wasmtime_cli/wasmtime")))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    match found.pop() {
        Some(path) => existing(path),
        None => bail!(
            "no wasmtime in {}: run `cargo xtask setup`",
            tools.display()
        ),
    }
}

/// The folder with the seL4 kernel and root task: `$WASM_AOT_SHARE`, or the one in the target
/// folder.
///
/// # Errors
/// Where it is not there.
pub fn share() -> Result<PathBuf> {
    let path = match env::var_os("WASM_AOT_SHARE") {
        Some(path) => path.into(),
        None => profile_folder()?.join("../share/wasm-aot"),
    };
    if !path.is_dir() {
        bail!("{} is not there: run `cargo xtask build`", path.display());
    }
    Ok(path)
}

/// GNU ld for an architecture.
#[must_use]
pub fn ld(machine: Machine) -> Command {
    match machine {
        machine if Machine::HOST == Some(machine) => Command::new("ld"),
        other => Command::new(format!("{other}-linux-gnu-ld")),
    }
}

/// A native C compiler.
#[must_use]
pub fn clang() -> Command {
    Command::new("clang")
}

fn existing(path: PathBuf) -> Result<Command> {
    if !path.is_file() {
        bail!(
            "{} is not there: `cargo xtask test` builds what the tests run",
            path.display()
        );
    }
    Ok(Command::new(path))
}

/// `target/release`: programs are there, tests in its folder `deps`.
fn profile_folder() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let folder = program.parent().context("the program has no folder")?;
    let folder = match folder.ends_with("deps") {
        true => folder.parent().context("the test has no folder")?,
        false => folder,
    };
    Ok(folder.to_owned())
}
