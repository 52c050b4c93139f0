// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Builds the programs that run on seL4, and puts them where the command finds them.

use crate::{kernel, stack};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The stock target: the programs link nothing of its C library.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Where Cargo builds them, from the workspace's root.
const TARGET_DIR: &str = "target/sel4-build";

/// Builds the kernel and the root task with the app runtime inside, and copies both into the
/// folder `sel4` of `share_dir` (usually `target/share/wasm-aot`).
///
/// # Errors
/// Where a tool is missing or fails.
pub fn build_loader(workspace: &Path, share_dir: &Path) -> Result<()> {
    let prefix = workspace.join(kernel::PREFIX);
    kernel::build(workspace, &prefix)?;
    let runtime = cargo(workspace, &prefix, "sel4-app-runtime", None)?;
    stack::check(&runtime)?;
    let loader = cargo(workspace, &prefix, "sel4-loader", Some(&runtime))?;

    let folder = share_dir.join("sel4");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for (from, name) in [
        (prefix.join("kernel.elf"), "kernel.elf"),
        (loader, "sel4-loader.elf"),
    ] {
        let to = folder.join(name);
        fs::copy(&from, &to)
            .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Builds the kernel and the root task for measurements; gives their paths.
///
/// # Errors
/// Where a tool is missing or fails.
pub fn build_probe(workspace: &Path) -> Result<(PathBuf, PathBuf)> {
    let prefix = workspace.join(kernel::PREFIX);
    kernel::build(workspace, &prefix)?;
    let probe = cargo(workspace, &prefix, "sel4-probe", None)?;
    Ok((prefix.join("kernel.elf"), probe))
}

/// Builds one program of the seL4 workspace in release mode; gives its path.
fn cargo(
    workspace: &Path,
    prefix: &Path,
    package: &str,
    runtime: Option<&Path>,
) -> Result<PathBuf> {
    let target_dir = workspace.join(TARGET_DIR);
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The workspace has a configuration of its own, which Cargo finds from its folder.
    command
        .current_dir(workspace.join("sel4-loader"))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("CARGO_TARGET_DIR", &target_dir)
        .env("SEL4_PREFIX", prefix)
        .args(["build", "--release", "--locked", "--target", TARGET])
        .args(["--package", package]);
    if let Some(runtime) = runtime {
        command.env("SEL4_APP_RUNTIME", runtime);
    }
    let status = command.status().context("running cargo")?;
    ensure!(status.success(), "building {package} failed");
    Ok(target_dir.join(TARGET).join("release").join(package))
}
