// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Builds what a user needs, each thing where the command looks for it:
//!
//! | what | where, in the target folder |
//! |---|---|
//! | the command | `release/wasm-aot` |
//! | seL4 kernel and root task | `share/wasm-aot/sel4/` |
//! | start-up code of linked executables | `share/wasm-aot/linux/` |
//! | the guest's agent | `share/wasm-aot/agent/` |

use crate::workspace::Workspace;
use crate::{kernel, packages, process, sel4};
use anyhow::{Context, Result};
use std::fs;
use std::process::Command;

/// The seL4 kernel.
///
/// # Errors
/// Where a tool is missing or fails.
pub fn kernel(workspace: &Workspace) -> Result<()> {
    packages::require(packages::KERNEL)?;
    process::progress("building the seL4 kernel");
    kernel::build(&workspace.path(""), &workspace.path(kernel::PREFIX))
}

/// Everything.
///
/// # Errors
/// Where a part cannot be built.
pub fn build(workspace: &Workspace) -> Result<()> {
    packages::require(packages::KERNEL)?;
    process::progress("building the seL4 kernel and root task");
    sel4::build_loader(&workspace.path(""), &workspace.share(""))?;
    process::progress("building the start-up code of linked executables");
    standalone(workspace)?;
    command(workspace)
}

/// The command alone.
///
/// # Errors
/// Where it cannot be built.
pub fn command(workspace: &Workspace) -> Result<()> {
    let mut command = workspace.cargo("build");
    command.args(["--release", "--package", "wasm-aot", "--locked"]);
    process::announce(&command);
    process::run(&mut command)
}

/// The guest's agent: one static file that runs on any Linux of this architecture, whatever C
/// library that has.
///
/// # Errors
/// Where it cannot be built.
pub fn agent(workspace: &Workspace) -> Result<()> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    const PROGRAM: &str = "wasm-agent";
    let target_dir = workspace.target().join("agent-build");
    let mut command = workspace.cargo("build");
    command
        .args(["--release", "--locked", "--package", PROGRAM])
        .args(["--target", TARGET])
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static -Cstrip=symbols")
        .env("CARGO_TARGET_DIR", &target_dir);
    process::announce(&command);
    process::run(&mut command)?;
    let folder = workspace.share("agent");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let program = target_dir.join(TARGET).join("release").join(PROGRAM);
    let to = folder.join(PROGRAM);
    fs::copy(&program, &to).with_context(|| format!("copying {}", program.display()))?;
    process::progress(&format!("{} is there", to.display()));
    Ok(())
}

/// The start-up code of linked executables, and the script that links them.
fn standalone(workspace: &Workspace) -> Result<()> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    const ARCHIVE: &str = "libwasm_aot_standalone.a";
    let target_dir = workspace.target().join("standalone-build");
    let mut command = workspace.cargo("build");
    command
        .args(["--release", "--locked", "--target", TARGET])
        .current_dir(workspace.path("rt-support/standalone"))
        .env("CARGO_TARGET_DIR", &target_dir);
    process::announce(&command);
    process::run(&mut command)?;
    let folder = workspace.share("linux");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let archive = target_dir.join(TARGET).join("release").join(ARCHIVE);
    let script = workspace.path("linker-scripts/standalone.ld");
    for (from, name) in [(archive, ARCHIVE), (script, "standalone.ld")] {
        let to = folder.join(name);
        fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
    }
    Ok(())
}

/// The commands that lint the freestanding programs, ready to run.
///
/// # Errors
/// Where what they are built from cannot be built.
pub fn freestanding_lints(workspace: &Workspace) -> Result<Vec<Command>> {
    kernel(workspace)?;
    let mut loader = workspace.cargo("clippy");
    // The workspace has a configuration of its own, which Cargo finds from its folder. The root
    // task carries the app runtime as bytes; for lints any file serves.
    loader
        .args([
            "--release",
            "--workspace",
            "--locked",
            "--",
            "--deny",
            "warnings",
        ])
        .current_dir(workspace.path("sel4-loader"))
        .env("CARGO_TARGET_DIR", workspace.target().join("sel4-lints"))
        .env("SEL4_PREFIX", workspace.path(kernel::PREFIX))
        .env("SEL4_APP_RUNTIME", workspace.path("sel4-loader/Cargo.toml"));
    let mut engine = workspace.cargo("clippy");
    engine
        .args(["--release", "--locked", "--", "--deny", "warnings"])
        .current_dir(workspace.path("rt-support/engine"))
        .env("CARGO_TARGET_DIR", workspace.target().join("engine-lints"));
    Ok(vec![loader, engine])
}
