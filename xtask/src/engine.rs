// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Builds the script engine (`rt-support/engine`) for the architectures that objects are made for,
//! and sets up what that takes: the target's core library, or the source to build it from.
//!
//! | what | where, in the target folder |
//! |---|---|
//! | the engine | `share/wasm-aot/engine/ARCHITECTURE` |

use crate::workspace::Workspace;
use crate::{packages, process};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An architecture, as `--target` spells it, and Rust's name of Linux on it.
struct Target {
    name: &'static str,
    triple: &'static str,
}

const TARGETS: [Target; 3] = [
    Target {
        name: "x86_64",
        triple: "x86_64-unknown-linux-gnu",
    },
    Target {
        name: "aarch64",
        triple: "aarch64-unknown-linux-gnu",
    },
    Target {
        name: "riscv64",
        triple: "riscv64gc-unknown-linux-gnu",
    },
];

/// A static program at a fixed address.
const RUSTFLAGS: &str = "-Crelocation-model=static -Clink-arg=-static";

/// What there is to build with.
enum Toolchain {
    /// This Cargo, whose compiler has the target's core library.
    Installed,
    /// Debian's, which builds the core library from Debian's source.
    Source,
}

/// Builds the engine for these architectures, for all where there is none.
///
/// # Errors
/// For an unknown architecture, or where something cannot be set up or built.
pub fn build(workspace: &Workspace, names: &[String]) -> Result<()> {
    let known = |name: &String| TARGETS.iter().find(|target| target.name == name);
    if let Some(name) = names.iter().find(|name| known(name).is_none()) {
        let names = TARGETS.map(|target| target.name).join(", ");
        bail!("--target {name}: no such architecture; there are {names}");
    }
    for target in &TARGETS {
        if names.is_empty() || names.iter().any(|name| name == target.name) {
            one(workspace, target)?;
        }
    }
    Ok(())
}

fn one(workspace: &Workspace, target: &Target) -> Result<()> {
    process::progress(&format!("building the script engine for {}", target.name));
    let mut command = cargo(workspace, &toolchain(workspace, target.triple)?, target);
    process::announce(&command);
    process::run(&mut command)?;
    let built = target_dir(workspace)
        .join(target.triple)
        .join("release/wasm-aot-engine");
    let folder = workspace.share("engine");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    fs::copy(&built, folder.join(target.name))
        .with_context(|| format!("copying {}", built.display()))?;
    Ok(())
}

fn target_dir(workspace: &Workspace) -> PathBuf {
    workspace.target().join("engine-build")
}

/// The command that builds the engine.
fn cargo(workspace: &Workspace, toolchain: &Toolchain, target: &Target) -> Command {
    // The linker that comes with Rust, which Debian has in a package of its own.
    let linker = match toolchain {
        Toolchain::Installed => "rust-lld",
        Toolchain::Source => "/usr/lib/llvm-22/bin/ld.lld",
    };
    let mut command = match toolchain {
        Toolchain::Installed => workspace.cargo("build"),
        Toolchain::Source => {
            let mut command = workspace.cargo_of("/usr/bin/cargo", "build");
            command
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .arg("-Zbuild-std=core,alloc,compiler_builtins");
            command
        }
    };
    command
        .args(["--release", "--locked", "--target", target.triple])
        .current_dir(workspace.path("rt-support/engine"))
        .env("CARGO_TARGET_DIR", target_dir(workspace))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", format!("{RUSTFLAGS} -Clinker={linker}"));
    command
}

/// Finds out, or sees to it, what the engine can be built with.
fn toolchain(workspace: &Workspace, triple: &str) -> Result<Toolchain> {
    if has_core(workspace, triple) {
        return Ok(Toolchain::Installed);
    }
    let mut add = Command::new("rustup");
    add.args(["target", "add", triple])
        .current_dir(workspace.path(""));
    process::announce(&add);
    // Its messages are of interest only where there is no other way either.
    if process::succeeds(&mut add) && has_core(workspace, triple) {
        return Ok(Toolchain::Installed);
    }
    process::progress("that is not possible here: Debian's Rust builds the core library");
    packages::require(packages::RUST_SOURCE)?;
    Ok(Toolchain::Source)
}

/// Whether the compiler that Cargo uses here has the target's core library.
fn has_core(workspace: &Workspace, triple: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let mut command = Command::new(rustc);
    command
        .args(["--print", "target-libdir", "--target", triple])
        .current_dir(workspace.path("rt-support/engine"));
    let Ok(output) = command.output() else {
        return false;
    };
    let folder = String::from_utf8_lossy(&output.stdout);
    let Ok(entries) = fs::read_dir(Path::new(folder.trim())) else {
        return false;
    };
    entries
        .filter_map(Result::ok)
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}
