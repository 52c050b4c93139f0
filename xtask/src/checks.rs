// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Formatting and lints, of every workspace of the repository.

use crate::workspace::{FREESTANDING, Workspace};
use crate::{artifacts, packages, process};
use anyhow::{Result, bail};
use std::env;
use std::process::Command;

/// Sees to it that `cargo fmt` and `cargo clippy` are there.
///
/// # Errors
/// Where they are not and cannot be installed.
pub fn require_tools() -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let works = |tool: &str| process::succeeds(Command::new(&cargo).args([tool, "--version"]));
    if works("fmt") && works("clippy") {
        return Ok(());
    }
    if cargo == "/usr/bin/cargo" {
        packages::require(packages::DEBIAN_RUST_CHECKS)?;
    }
    if !(works("fmt") && works("clippy")) {
        bail!("this Rust has no rustfmt or no clippy: `rustup component add rustfmt clippy`");
    }
    Ok(())
}

/// Formatting, then lints.
///
/// # Errors
/// Where a file is not formatted, or there is a warning.
pub fn all(workspace: &Workspace) -> Result<()> {
    require_tools()?;
    formatting(workspace)?;
    lints(workspace)
}

/// `cargo fmt --check`.
fn formatting(workspace: &Workspace) -> Result<()> {
    for manifest in manifests() {
        let mut fmt = workspace.cargo("fmt");
        fmt.args(["--all", "--check", "--manifest-path", manifest]);
        process::announce(&fmt);
        process::run(&mut fmt)?;
    }
    Ok(())
}

/// `cargo clippy`, warnings being errors.
fn lints(workspace: &Workspace) -> Result<()> {
    let mut clippy = workspace.cargo("clippy");
    clippy.args(["--release", "--workspace", "--all-targets", "--locked"]);
    clippy.args(["--", "--deny", "warnings"]);
    process::announce(&clippy);
    process::run(&mut clippy)?;
    for mut clippy in artifacts::freestanding_lints(workspace)? {
        process::announce(&clippy);
        process::run(&mut clippy)?;
    }
    Ok(())
}

fn manifests() -> impl Iterator<Item = &'static str> {
    std::iter::once("Cargo.toml").chain(FREESTANDING.iter().copied())
}
