// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot wast`: test scripts (.wast), and the engine that runs them on this machine.

mod sel4;

use crate::build::CompilerArguments;
use crate::{files, run};
use anyhow::{Context, Result};
use clap::Args;
use rayon::prelude::*;
use serde::Serialize;
use spec_tests::engine::Engine;
use spec_tests::{Config, Failure, Report};
use std::collections::HashMap;
use std::io::{self, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;
use wasm_aot_linux::script::{Threads, Work};
use wasm_aot_linux::{Errno, StackCheck, World, WorldOptions};
use wasm_aot_script::Sink;
use wasm_aot_script::run::Closed;

/// Run test scripts (.wast): compile every module, load the objects, call them, and compare.
/// Status 1 where an assertion fails.
#[derive(Args)]
pub struct Arguments {
    /// Where to run what was compiled. On seL4 every script is an app of its own, and all of them
    /// share a boot; memories have no constant base there.
    #[arg(long, value_enum, default_value = "linux", value_name = "WORLD")]
    on: run::World,
    /// The scripts.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The program that runs what was compiled, instead of this machine's Linux: a binary script
    /// on its standard input, outcomes on its standard output. With arguments, separated by
    /// blanks (`qemu-aarch64 ENGINE`).
    #[arg(long, value_name = "PROGRAM", conflicts_with = "on")]
    engine: Option<String>,
    /// Memory of the emulated machine (seL4), in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    machine_memory: u32,
    /// Show what was free before and after each script (seL4) on standard error.
    #[arg(short, long)]
    verbose: bool,
    /// Stop a script (on seL4: a boot) after this many seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
    /// Collect at every allocation in the heap, to find defects of the collector.
    #[arg(long, hide = true)]
    gc_stress: bool,
    /// Compare what every call takes of the stack with the bound in its object.
    #[arg(long, hide = true)]
    check_stack: bool,
    /// One line of JSON a file.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compiler: CompilerArguments,
}

#[derive(Serialize)]
struct JsonFailure<'a> {
    line: usize,
    directive: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct JsonReport<'a> {
    file: &'a Path,
    passed: usize,
    failed: usize,
    seconds: f64,
    failures: Vec<JsonFailure<'a>>,
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let reports = match arguments.on {
        run::World::Linux => on_linux(arguments)?,
        run::World::Sel4 => sel4::run(arguments)?,
    };
    let mut failed = 0;
    let mut passed = 0;
    for (path, report) in arguments.files.iter().zip(&reports) {
        show(path, report, arguments.json)?;
        passed += report.passed;
        failed += report.failed;
    }
    if !arguments.json && reports.len() > 1 {
        println!("{} files: {passed} passed, {failed} failed", reports.len());
    }
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn on_linux(arguments: &Arguments) -> Result<Vec<Report>> {
    let config = Config {
        options: arguments.compiler.options("m")?,
        engine: engine(arguments)?,
    };
    let run = |path: &PathBuf| match source(path) {
        Ok(source) => spec_tests::run(&source, &config),
        Err(report) => report,
    };
    Ok(arguments.files.par_iter().map(run).collect())
}

fn engine(arguments: &Arguments) -> Result<Engine> {
    let mut words = arguments
        .engine
        .iter()
        .flat_map(|engine| engine.split_ascii_whitespace());
    let (program, arguments_of) = match words.next() {
        Some(program) => (program.into(), words.map(Into::into).collect()),
        None => {
            let this = std::env::current_exe().context("cannot find this program's own file")?;
            let stress = arguments.gc_stress.then(|| GC_STRESS.into());
            let check = arguments.check_stack.then(|| CHECK_STACK.into());
            let options = stress.into_iter().chain(check);
            (this, iter::once(ENGINE.into()).chain(options).collect())
        }
    };
    Ok(Engine {
        program,
        arguments: arguments_of,
        timeout: Duration::from_secs(arguments.timeout),
    })
}

/// A script's text, or the report that there is none.
fn source(path: &Path) -> Result<String, Report> {
    let source = files::read(path).and_then(|bytes| {
        String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))
    });
    source.map_err(|error| {
        Report::of_failure(Failure {
            line: 0,
            directive: "the script".into(),
            message: format!("{error:#}"),
        })
    })
}

fn show(path: &Path, report: &Report, json: bool) -> Result<()> {
    if json {
        let report = JsonReport {
            file: path,
            passed: report.passed,
            failed: report.failed,
            seconds: report.seconds,
            failures: report.failures.iter().map(json_failure).collect(),
        };
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    for failure in &report.failures {
        println!("{}:{}: {failure}", path.display(), failure.line);
    }
    println!(
        "{}: {} passed, {} failed",
        path.display(),
        report.passed,
        report.failed
    );
    Ok(())
}

fn json_failure(failure: &Failure) -> JsonFailure<'_> {
    JsonFailure {
        line: failure.line,
        directive: &failure.directive,
        message: &failure.message,
    }
}

/// The option of [`ENGINE`] that makes every allocation collect.
const GC_STRESS: &str = "--gc-stress";

/// And that which compares what calls take of the stack with their bounds.
const CHECK_STACK: &str = "--check-stack";

/// Options of the hidden command.
#[derive(Args)]
pub struct EngineArguments {
    /// Collect at every allocation in the heap.
    #[arg(long)]
    gc_stress: bool,
    /// Compare what every call takes of the stack with the bound in its object: it must not be
    /// more, or must be `exactly` that.
    #[arg(long, value_name = "HOW", num_args = 0..=1, require_equals = true, value_parser = ["at-most", "exactly"], default_missing_value = "at-most")]
    check_stack: Option<String>,
}

/// The name of the hidden command that runs one binary script.
pub const ENGINE: &str = "script-engine";

/// Standard output, every frame at once.
#[derive(Clone)]
struct Output;

/// The threads of a script are threads of this process.
struct Scoped<'scope, 'env, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    handles: HashMap<u32, ScopedJoinHandle<'scope, World<'a>>>,
}

impl<'scope, 'a: 'scope> Threads<'a, Output> for Scoped<'scope, '_, 'a> {
    fn spawn(&mut self, thread: u32, work: Work<'a, Output, Self>) -> Option<Result<(), Errno>> {
        let spawned = Builder::new().spawn_scoped(self.scope, || work.run());
        Some(match spawned {
            Ok(handle) => {
                self.handles.insert(thread, handle);
                Ok(())
            }
            Err(error) => {
                let number = error.raw_os_error();
                Err(number.map_or(Errno::AGAIN, Errno::from_raw_os_error))
            }
        })
    }

    fn join(&mut self, thread: u32) -> Option<World<'a>> {
        // A thread that panicked has said so; its world is lost.
        self.handles.remove(&thread)?.join().ok()
    }

    fn inner(&self) -> Self {
        Self {
            scope: self.scope,
            handles: HashMap::new(),
        }
    }
}

impl Sink for Output {
    fn put(&mut self, parts: &[&[u8]]) -> Result<(), Closed> {
        let mut output = io::stdout().lock();
        let mut write = || {
            parts.iter().try_for_each(|part| output.write_all(part))?;
            output.flush()
        };
        write().map_err(|_: io::Error| Closed)
    }
}

/// Runs the binary script on standard input in this process.
pub fn run_engine(arguments: &EngineArguments) -> Result<ExitCode> {
    let script = files::read(Path::new("-"))?;
    let mut options = WorldOptions::default();
    options.heap.stress = arguments.gc_stress;
    options.check_stack = match arguments.check_stack.as_deref() {
        None => StackCheck::Off,
        Some("exactly") => StackCheck::Exactly,
        Some(_) => StackCheck::AtMost,
    };
    std::thread::scope(|scope| {
        let mut threads = Scoped {
            scope,
            handles: HashMap::new(),
        };
        match wasm_aot_linux::script::engine_with(&script, &options, &Output, &mut threads) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => anyhow::bail!("{error}"),
        }
    })
}
