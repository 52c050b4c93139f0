// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Rebuilds the samples in `testsuite/apps` and compares them with the committed ones.

use crate::workspace::Workspace;
use crate::{packages, process};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Rebuilds; compares, or with `bless` replaces.
///
/// # Errors
/// Where packages are missing, a build fails, or a sample differs.
pub fn rebuild(workspace: &Workspace, bless: bool) -> Result<()> {
    packages::require(packages::APPS)?;
    let committed = workspace.path("testsuite/apps");
    let mut build = Command::new(committed.join("build.sh"));
    if bless {
        return process::run(&mut build);
    }
    let rebuilt = workspace.target().join("apps");
    if rebuilt.exists() {
        fs::remove_dir_all(&rebuilt)
            .with_context(|| format!("cannot empty {}", rebuilt.display()))?;
    }
    process::run(build.arg(&rebuilt))?;
    let names: BTreeSet<_> = results(&committed)?
        .union(&results(&rebuilt)?)
        .cloned()
        .collect();
    let differ = |name: &&OsString| {
        let read = |folder: &Path| fs::read(folder.join(name)).ok();
        read(&committed) != read(&rebuilt)
    };
    let different: Vec<_> = names
        .iter()
        .filter(differ)
        .map(|name| name.to_string_lossy())
        .collect();
    if !different.is_empty() {
        bail!(
            "not what testsuite/apps/build.sh makes with this machine's packages: {}; the new ones \
             are in {}, `cargo xtask apps --bless` puts them in place",
            different.join(", "),
            rebuilt.display()
        );
    }
    process::progress(&format!(
        "{} samples are what their sources say",
        names.len() - 1
    ));
    Ok(())
}

/// Names of what the script makes: modules and their checksums.
fn results(folder: &Path) -> Result<BTreeSet<OsString>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name()));
    let names: Result<BTreeSet<_>> = names.collect();
    let is_result =
        |name: &OsString| name == "SHA256SUMS" || name.to_string_lossy().ends_with(".wasm");
    Ok(names?.into_iter().filter(is_result).collect())
}
