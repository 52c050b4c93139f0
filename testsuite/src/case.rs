// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A case: a sample, how it is run, where, and what must come of it.
//!
//! The files `cases/*.toml` hold tables `[[case]]` with the fields of [`Case`]. Most expectations
//! need not be written down: the standard of comparison is what wasmtime does with the same
//! module and arguments. What is written down beside it is checked against wasmtime too, so that
//! a case cannot quietly test something else than it says.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// `wasm-aot run`.
    Linux,
    /// `wasm-aot build`, `wasm-aot link`, and the executable by itself.
    Linked,
    /// `wasm-aot run --on sel4`.
    Sel4,
}

impl World {
    /// The name in the cases, and the last part of the trial's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            World::Linux => "linux",
            World::Linked => "linked",
            World::Sel4 => "sel4",
        }
    }
}

/// Another way to compile the same module; run on Linux.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// `--bounds explicit`.
    Explicit,
    /// `--memory-base relocate`.
    Relocatable,
    /// `--opt-level 0`.
    Unoptimised,
    /// `--cpu native`.
    Native,
}

impl Build {
    /// The name in the cases, and the last part of the trial's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Build::Explicit => "explicit",
            Build::Relocatable => "relocatable",
            Build::Unoptimised => "unoptimised",
            Build::Native => "native-cpu",
        }
    }

    /// The options of the command.
    #[must_use]
    pub fn options(self) -> [&'static str; 2] {
        match self {
            Build::Explicit => ["--bounds", "explicit"],
            Build::Relocatable => ["--memory-base", "relocate"],
            Build::Unoptimised => ["--opt-level", "0"],
            Build::Native => ["--cpu", "native"],
        }
    }
}

/// How much of a backtrace must be as wasmtime's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backtrace {
    /// Functions and offsets of all frames.
    #[default]
    Exact,
    /// The function of the innermost frame: a stack that is exhausted is so at another depth.
    Innermost,
}

/// A case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique.
    pub name: String,
    /// File in `apps/`.
    pub app: String,
    /// Arguments of the program.
    #[serde(default)]
    pub args: Vec<String>,
    /// `NAME=VALUE`, given with `--env`.
    #[serde(default)]
    pub env: Vec<String>,
    /// Bytes of standard input; without it, it is empty.
    #[serde(default)]
    pub stdin: String,
    /// The program's name for an empty directory that it is given with `--dir`.
    pub dir: Option<String>,
    /// `NAME=FILE`, a file in `apps/`: modules that are loaded first.
    #[serde(default)]
    pub preloads: Vec<String>,
    /// `NAME=FILE`, given with `--preload`; the file is in `apps/`.
    #[serde(default)]
    pub preload: Vec<String>,
    /// The export that is called instead of `_start`.
    pub invoke: Option<String>,
    /// `--unknown-imports-trap`.
    #[serde(default)]
    pub unknown_imports_trap: bool,

    /// Where it runs.
    pub worlds: Vec<World>,
    /// Further builds that run on Linux.
    #[serde(default)]
    pub builds: Vec<Build>,
    /// The C source in `apps/` of which a native build must print the same.
    pub native: Option<String>,
    /// False where wasmtime does something else, and the expectations below are all there is.
    #[serde(default = "yes")]
    pub reference: bool,

    /// Expected exit status; 134 for a trap.
    #[serde(default)]
    pub status: i32,
    /// Expected standard output, where it is short enough to be worth reading.
    pub stdout: Option<String>,
    /// The sentence of the trap that is expected.
    pub trap: Option<String>,
    /// How much of the backtrace is compared.
    #[serde(default)]
    pub backtrace: Backtrace,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    case: Vec<Case>,
}

impl Case {
    /// The module.
    #[must_use]
    pub fn module(&self) -> PathBuf {
        app(&self.app)
    }
}

/// The folder of this crate.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file in `apps/`.
#[must_use]
pub fn app(name: &str) -> PathBuf {
    folder().join("apps").join(name)
}

/// All cases.
///
/// # Errors
/// Where a file cannot be understood, a name occurs twice, or a case contradicts itself.
pub fn all() -> Result<Vec<Case>> {
    let folder = folder().join("cases");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        files.push(entry?.path());
    }
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let context = || file.display().to_string();
        cases.extend(parse(&file).with_context(context)?);
    }
    checked(cases)
}

/// The cases of `registry.toml`, whose apps are in a folder of unpacked packages.
///
/// # Errors
/// As for [`all`].
pub fn registry(packages: &Path) -> Result<Vec<Case>> {
    let mut cases = parse(&folder().join("registry.toml")).context("registry.toml")?;
    for case in &mut cases {
        let app = packages.join(&case.app);
        case.app = app.to_str().context("a path that is not UTF-8")?.into();
    }
    checked(cases)
}

fn parse(file: &Path) -> Result<Vec<Case>> {
    let parsed: CaseFile = toml::from_str(&fs::read_to_string(file)?)?;
    Ok(parsed.case)
}

fn checked(cases: Vec<Case>) -> Result<Vec<Case>> {
    let mut names = BTreeSet::new();
    for case in &cases {
        let name = &case.name;
        ensure!(names.insert(name), "{name}: two cases have this name");
        ensure!(case.module().is_file(), "{name}: no file {}", case.app);
        ensure!(!case.worlds.is_empty(), "{name}: runs nowhere");
        ensure!(
            case.trap.is_none() || case.status == 134,
            "{name}: a trap has status 134"
        );
    }
    Ok(cases)
}
