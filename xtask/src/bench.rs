// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `cargo xtask bench`: our code beside that of other compilers, and beside native code.
//!
//! | module | decides |
//! |---|---|
//! | [`programs`] | which programs, and how each becomes a native executable and a WebAssembly module |
//! | [`engines`] | how a module becomes something that runs, once an engine |
//! | [`measure`] | what one run costs: processor time, memory |
//! | [`report`] | medians, ratios, geometric means; table, JSON and chart |
//!
//! Runs are interleaved (every engine once, then every engine again), so that a slow moment of
//! the machine meets all of them; each run's output must be that of the native program.

mod engines;
mod measure;
mod programs;
mod report;

use crate::workspace::Workspace;
use crate::{artifacts, packages, process, wasmtime};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use engines::{Built, Engine, Tools};
use measure::{Cost, run};
use programs::Program;
use report::{Cell, Report};
use std::fs;
use std::path::PathBuf;

/// What to measure.
#[derive(Args)]
pub struct Arguments {
    /// Runs of each program with each engine.
    #[arg(long, default_value_t = 5, value_name = "COUNT")]
    runs: usize,
    /// Only these programs (comma-separated; default: all).
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    programs: Vec<String>,
    /// Only these engines (comma-separated; native clang always runs, everything is compared with
    /// it).
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    engines: Vec<String>,
    /// Let clang use the vector instructions of WebAssembly (which wasm2c 1.0.32 does not know).
    #[arg(long)]
    simd: bool,
    /// Where to write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to write the chart.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// More options of `wasm-aot build`, for comparing two ways of compiling.
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    build_option: Vec<String>,
}

/// Builds, measures, reports.
///
/// # Errors
/// Where something cannot be built, fails, or prints something else than the native program.
pub fn main(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    ensure!(arguments.runs > 0, "--runs: at least one");
    packages::require(packages::BENCH)?;
    artifacts::build(workspace)?;
    let tools = Tools {
        command: workspace.program(),
        wasmtime: wasmtime::require(workspace)?,
        build_options: arguments.build_option.clone(),
        folder: workspace.target().join("bench"),
    };
    let programs = chosen(programs::ALL, |p| p.name, &arguments.programs, "program")?;
    let mut engines = chosen(Engine::ALL, |e| e.name(), &arguments.engines, "engine")?;
    if !engines.contains(&&Engine::NativeClang) {
        engines.insert(0, &Engine::NativeClang);
    }
    let mut report = Report::new(engines.iter().map(|engine| **engine).collect());
    for program in programs {
        process::progress(&format!("{}: compiling", program.name));
        let folder = tools.folder.join(program.name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let sources = program.sources(workspace)?;
        let module = sources.wasm(&folder, arguments.simd)?;
        let built: Vec<Built> = engines
            .iter()
            .map(|engine| {
                engine
                    .build(&tools, &sources, &module, &folder)
                    .with_context(|| format!("{} with {}", program.name, engine.name()))
            })
            .collect::<Result<_>>()?;
        process::progress(&format!("{}: running", program.name));
        let cells = measured(program, &built, arguments)?;
        report.add(program.name, cells);
        eprint!("{}", report.line(report.rows() - 1));
    }
    print!("{}", report.table());
    if let Some(file) = &arguments.json {
        fs::write(file, report.json())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &arguments.svg {
        fs::write(file, report.svg())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// Runs one program with every engine, interleaved.
fn measured(program: &Program, built: &[Built], arguments: &Arguments) -> Result<Vec<Cell>> {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); built.len()];
    let mut expected: Option<Vec<u8>> = None;
    for _ in 0..arguments.runs {
        for (built, costs) in built.iter().zip(&mut costs) {
            let (cost, output) = run(&built.command, program.usual)
                .with_context(|| format!("{} with {}", program.name, built.engine.name()))?;
            let expected = expected.get_or_insert_with(|| output.clone());
            if *expected != output {
                bail!(
                    "{}: {} prints something else than native code:\n{}",
                    program.name,
                    built.engine.name(),
                    String::from_utf8_lossy(&output)
                );
            }
            costs.push(cost);
        }
    }
    let cells = built.iter().zip(costs).map(|(built, costs)| Cell {
        costs,
        compile: built.compile,
        code_bytes: built.code_bytes,
    });
    Ok(cells.collect())
}

/// The members of `all` that are named, or all of them.
fn chosen<T>(
    all: &'static [T],
    name: impl Fn(&T) -> &'static str,
    names: &[String],
    what: &str,
) -> Result<Vec<&'static T>> {
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    let find = |wanted: &String| {
        all.iter()
            .find(|item| name(item) == wanted)
            .with_context(|| {
                let known: Vec<&str> = all.iter().map(&name).collect();
                format!("no {what} `{wanted}`; there are {}", known.join(", "))
            })
    };
    names.iter().map(find).collect()
}
