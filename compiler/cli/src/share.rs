// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where the prebuilt files are that some commands need: the seL4 kernel and root task, the
//! start-up code of linked executables.

use anyhow::{Result, bail};
use std::path::PathBuf;

/// Overrides the search.
const VARIABLE: &str = "WASM_AOT_SHARE";

/// The share folder: `$WASM_AOT_SHARE`, or `share/wasm-aot` one or two levels above the
/// program (an installation's `bin`, a build's `target/release`).
pub fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(VARIABLE) {
        let folder = PathBuf::from(folder);
        if !folder.is_dir() {
            bail!("{VARIABLE}: {} is no folder", folder.display());
        }
        return Ok(folder);
    }
    let program = std::env::current_exe()?;
    let candidates = program.ancestors().skip(1).take(3);
    for folder in candidates.map(|folder| folder.join("share/wasm-aot")) {
        if folder.is_dir() {
            return Ok(folder);
        }
    }
    bail!(
        "found no folder share/wasm-aot near {}; make it with `cargo xtask build`, or name it in \
         {VARIABLE}",
        program.display()
    )
}
