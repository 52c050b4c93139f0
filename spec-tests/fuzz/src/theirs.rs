// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whether wasmtime agrees: `wasmtime wast` on a script of assertions.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Options: every feature that modules are generated with, and a stack that the generated
/// recursion mostly fits.
const OPTIONS: &[&str] = &[
    "wast",
    "-W",
    "gc=y,function-references=y,tail-call=y,exceptions=y,multi-memory=y,memory64=y",
    "-W",
    "custom-page-sizes=y,wide-arithmetic=y,threads=y,shared-memory=y,simd=y,extended-const=y",
    "-W",
    "max-wasm-stack=4194304",
];

/// Messages of what depends on an engine's resources.
const RESOURCES: &[&str] = &[
    "call stack exhausted",
    "GC heap out of memory",
    "allocation size too large",
    "out of memory",
];

/// What it says to a script.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Every assertion holds.
    Agrees,
    /// The first that does not, by its line, counted from 0; and why.
    Differs {
        /// The line, `None` where it names none.
        line: Option<usize>,
        /// What it says.
        message: String,
        /// Whether it ran out of something.
        resources: bool,
    },
}

/// wasmtime's command, and where scripts for it are written.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The program.
    pub program: PathBuf,
    /// A folder for scripts.
    pub folder: PathBuf,
}

impl Reference {
    /// Checks a script, in a file of this name.
    ///
    /// # Errors
    /// Where it cannot be run.
    pub fn check(&self, name: &str, script: &str) -> Result<Verdict> {
        let path = self.folder.join(name);
        std::fs::write(&path, script).with_context(|| format!("writing {}", path.display()))?;
        let output = Command::new(&self.program)
            .args(OPTIONS)
            .arg(&path)
            .env("RUST_BACKTRACE", "0")
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let _ = std::fs::remove_file(&path);
        if output.status.success() {
            return Ok(Verdict::Agrees);
        }
        let mut message = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code().is_none() {
            message.push_str(&output.status.to_string());
        }
        Ok(Verdict::Differs {
            line: line_of(&message, &path),
            resources: RESOURCES.iter().any(|words| message.contains(words)),
            message,
        })
    }
}

/// The line in `failed directive on FILE:LINE`, which counts from 1.
fn line_of(message: &str, path: &Path) -> Option<usize> {
    let place = format!("{}:", path.display());
    let (_, rest) = message.split_once(&place)?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    let number: usize = digits.parse().ok()?;
    number.checked_sub(1)
}
