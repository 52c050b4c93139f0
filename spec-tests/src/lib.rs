// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs `.wast` scripts, those of the official WebAssembly testsuite for one, through the real
//! path: every module is compiled to an object, loaded with the shared loader, and called.
//!
//! | module | decides |
//! |---|---|
//! | [`plan`] | what a script asks for: modules, instances, actions, expectations |
//! | [`module`] | the object of each module, and the types of its exports |
//! | [`assemble`] | the binary script that an engine runs, and what remains to be judged |
//! | [`engine`] | how an engine is run, and how it may end |
//! | [`sel4`] | the same for a machine that boots seL4 and runs many scripts |
//! | [`judge`] | whether what happened is what was expected |
//! | [`value`] | arguments, results, and patterns of results |
//! | [`known`] | which failures are known, and that nothing else fails |
//! | [`wording`] | which reasons for a refusal mean the same |
//! | [`suites`] | which features each part of the official testsuite is written for |
//!
//! Nothing is interpreted here and no expectation is skipped. The engine is another process: code
//! that crashes fails its script, not the run.

#![forbid(unsafe_code)]

pub mod assemble;
pub mod engine;
pub mod judge;
pub mod known;
pub mod module;
pub mod plan;
pub mod sel4;
pub mod suites;
pub mod value;
pub mod wording;

use assemble::Assembled;
use engine::Engine;
pub use judge::{Failure, Report};
use std::time::Instant;
use wasm_aot_compiler::Options;

/// How scripts are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Options of the compiler. The module's name is chosen here, and the memory of a module that
    /// shares an address space with others' is relocatable.
    pub options: Options,
    /// Who runs what was compiled.
    pub engine: Engine,
}

/// Runs one script.
#[must_use]
pub fn run(source: &str, config: &Config) -> Report {
    let start = Instant::now();
    let mut report = match prepare(source, &config.options) {
        Ok(assembled) => {
            let ended = engine::run(&config.engine, &assembled.script);
            judge::judge(&assembled, ended)
        }
        Err(report) => report,
    };
    report.seconds = start.elapsed().as_secs_f64();
    report
}

/// Compiles what a script needs and assembles it for an engine.
///
/// # Errors
/// The report of a script that cannot be run at all.
pub fn prepare(source: &str, options: &Options) -> Result<Assembled, Report> {
    let plan = plan::Plan::of(source, options.features).map_err(Report::of_failure)?;
    let modules = module::compile_all(&plan, options);
    Ok(assemble::assemble(&plan, &modules))
}
