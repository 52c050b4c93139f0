// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How many instructions a program executes: a figure without noise.
//!
//! valgrind cannot run programs that place a memory where ours do; qemu-user can, and counts with
//! a plugin of ours (`benches/icount.c`). It knows no AVX-512, so what is counted is compiled for
//! x86-64-v3 ([`super::engines::Processor::Emulated`]).

use super::measure::run;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;
use crate::workspace::Workspace;

/// QEMU with the plugin.
pub struct Counter {
    plugin: PathBuf,
    count: PathBuf,
}

impl Counter {
    /// Builds the plugin.
    ///
    /// # Errors
    /// Where the C compiler fails.
    pub fn new(workspace: &Workspace, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let plugin = folder.join("libicount.so");
        let mut gcc = Command::new("gcc");
        gcc.args(["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o"])
            .arg(&plugin)
            .arg(workspace.path("benches/icount.c"));
        process::run(&mut gcc).context("building the plugin that counts instructions")?;
        let count = folder.join("count");
        Ok(Self { plugin, count })
    }

    /// Runs a program; gives the number of its instructions, start-up included, and its output.
    ///
    /// # Errors
    /// Where it fails, or QEMU does.
    pub fn count(&self, words: &[OsString], argument: Option<&str>) -> Result<(u64, Vec<u8>)> {
        // Not the count of another program, whatever happens.
        if self.count.exists() {
            fs::remove_file(&self.count).context("removing the count of another program")?;
        }
        let mut plugin = self.plugin.clone().into_os_string();
        plugin.push(",out=");
        plugin.push(&self.count);
        let mut emulated: Vec<OsString> = ["qemu-x86_64", "-cpu", "max", "-plugin"]
            .map(OsString::from)
            .to_vec();
        emulated.push(plugin);
        emulated.extend_from_slice(words);
        let (_, output) = run(&emulated, argument)?;
        let text = fs::read_to_string(&self.count).context("QEMU's plugin wrote no count")?;
        let count = text.trim().parse().context("the plugin's count")?;
        Ok((count, output))
    }
}
