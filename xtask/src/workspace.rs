// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where things are in the checkout and in the target folder.

use anyhow::{Context, Result, ensure};
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Manifests of the programs that are built without the standard library: workspaces of their
/// own, because their profiles differ.
pub const FREESTANDING: &[&str] = &["sel4-loader/Cargo.toml", "rt-support/engine/Cargo.toml"];

/// The checkout.
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The checkout that this program was built in.
    ///
    /// # Errors
    /// Where it has been moved away since.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent folder")?
            .to_owned();
        ensure!(
            root.join("ARCHITECTURE.md").is_file(),
            "{} is not the checkout any more: build xtask again",
            root.display()
        );
        // A relative CARGO_TARGET_DIR is relative to the current folder; below, commands run in
        // others.
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(target) => env::current_dir()?.join(target),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A path in the checkout.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The target folder.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The release build of the command.
    pub fn program(&self) -> PathBuf {
        self.target.join("release/wasm-aot")
    }

    /// The prebuilt files of a world (`sel4`, `linux`), where the command looks for them.
    pub fn share(&self, world: &str) -> PathBuf {
        self.target.join("share/wasm-aot").join(world)
    }

    /// Cargo, in the checkout's root.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        self.cargo_of(cargo, subcommand)
    }

    /// Another Cargo, in the checkout's root.
    pub fn cargo_of(&self, cargo: impl AsRef<OsStr>, subcommand: &str) -> Command {
        let mut command = Command::new(cargo);
        command
            .arg(subcommand)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        // What `cargo run` tells the program that it runs is not meant for a Cargo below it.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    }
}

/// The folder into which Cargo unpacked a package that some manifest of the workspace names:
/// packages carry the sources of the kernel and of benchmarks.
///
/// # Errors
/// Where Cargo fails, or there is no such package.
pub fn package_folder(root: &Path, name: &str) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--all-features"]);
    let output = command.output().context("running cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("reading what cargo metadata prints")?;
    let packages = metadata["packages"].as_array();
    let manifest = packages
        .into_iter()
        .flatten()
        .find(|package| package["name"] == name)
        .and_then(|package| package["manifest_path"].as_str())
        .with_context(|| format!("package {name} is no dependency of this workspace"))?;
    Ok(Path::new(manifest).with_file_name(""))
}
