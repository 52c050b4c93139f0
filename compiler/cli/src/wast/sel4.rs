// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wast --on sel4`: all scripts in one boot, or as few as their size allows.

use super::{Arguments, source};
use crate::share;
use anyhow::Result;
use rayon::prelude::*;
use sel4_host::Artifacts;
use spec_tests::sel4::{self, Job, Machine};
use spec_tests::{Report, prepare};
use std::path::PathBuf;
use std::time::Duration;
use wasm_aot_compiler::{MemoryBase, Options};

pub fn run(arguments: &Arguments) -> Result<Vec<Report>> {
    let options = Options {
        memory_base: MemoryBase::Relocatable,
        ..arguments.compiler.options("m")?
    };
    let job = |path: &PathBuf| Job {
        name: path.display().to_string(),
        assembled: source(path).and_then(|source| prepare(&source, &options)),
    };
    let jobs: Vec<_> = arguments.files.par_iter().map(job).collect();
    let machine = Machine {
        artifacts: Artifacts::read(&share::folder()?)?,
        memory_mib: arguments.machine_memory,
        timeout: Duration::from_secs(arguments.timeout),
    };
    let (reports, boots) = sel4::run(&jobs, &machine)?;
    if arguments.verbose {
        for line in boots.iter().flat_map(|boot| &boot.log) {
            eprintln!("{line}");
        }
    }
    Ok(reports)
}
