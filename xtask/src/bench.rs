// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `cargo xtask bench`: our code beside that of other compilers, and beside native code.
//!
//! | module | decides |
//! |---|---|
//! | [`programs`] | which programs, and how each becomes a native executable and a WebAssembly module |
//! | [`modules`] | which large modules of others are compiled, and where they are from |
//! | [`engines`] | how a module becomes something that runs, once an engine |
//! | [`measure`] | what one run costs: processor time, memory |
//! | [`instructions`] | how many instructions a run executes |
//! | [`startup`] | how long a process takes that only says hello |
//! | [`report`] | medians, ratios, geometric means; tables and JSON |
//! | [`chart`] | the picture for the README |
//!
//! Runs are interleaved (every engine once, then every engine again), so that a slow moment of
//! the machine meets all of them; each run's output must be that of the native program.

mod chart;
mod documents;
mod engines;
mod instructions;
mod measure;
mod modules;
mod programs;
mod report;
mod startup;

use crate::workspace::Workspace;
use crate::{artifacts, packages, process, wasmtime};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use engines::{Built, Engine, Processor, Tools};
use instructions::Counter;
use measure::{Cost, run};
use modules::Module;
use programs::{Program, Sources};
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
    /// Only these figures (comma-separated; default: all).
    #[arg(long, value_delimiter = ',', value_enum, value_name = "FIGURE")]
    figures: Vec<Figure>,
    /// Let clang use the vector instructions of WebAssembly (which wasm2c 1.0.32 does not know).
    #[arg(long)]
    simd: bool,
    /// Where to write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to write the chart.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Put the tables into docs/performance.md and the chart beside it.
    #[arg(long)]
    bless: bool,
    /// More options of `wasm-aot build`, for comparing two ways of compiling.
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    build_option: Vec<String>,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Figure {
    /// Processor time of the programs.
    Time,
    /// Instructions that the programs execute.
    Instructions,
    /// Time of a process that only says hello.
    Startup,
    /// What compiling large modules takes.
    Modules,
}

impl Arguments {
    fn wants(&self, figure: Figure) -> bool {
        self.figures.is_empty() || self.figures.contains(&figure)
    }
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
    if !engines.contains(&&Engine::Clang) {
        engines.insert(0, &Engine::Clang);
    }
    let engines: Vec<Engine> = engines.into_iter().copied().collect();
    let bench = Bench {
        workspace,
        arguments,
        tools,
        engines,
    };
    let report = bench.measured(&programs)?;
    print!("{}", report.text());
    let files = [
        (&arguments.json, report.json()),
        (&arguments.svg, chart::svg(&report)),
    ];
    for (file, text) in files {
        if let Some(file) = file {
            fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    match arguments.bless {
        true => documents::bless(workspace, &report),
        false => Ok(()),
    }
}

/// What all measurements share.
struct Bench<'a> {
    workspace: &'a Workspace,
    arguments: &'a Arguments,
    tools: Tools,
    engines: Vec<Engine>,
}

/// A program that is compiled to WebAssembly, and where its files are.
struct Compiled {
    sources: Sources,
    module: PathBuf,
    folder: PathBuf,
}

impl Bench<'_> {
    fn measured(&self, programs: &[&Program]) -> Result<Report> {
        let mut report = Report::new(self.engines.clone());
        let wants = |figure| self.arguments.wants(figure);
        let counter = match wants(Figure::Instructions) {
            true => Some(Counter::new(self.workspace, &self.tools.folder)?),
            false => None,
        };
        if let Some(counter) = &counter {
            let empty = &programs::EMPTY;
            let compiled = self.compiled(empty)?;
            let built = self.built(empty, &compiled)?;
            report.empty = self.counts(empty, &compiled, &built, counter)?;
        }
        if wants(Figure::Startup) {
            process::progress("hello: starting");
            let hello = self.compiled(&programs::HELLO)?;
            let built = self.built(&programs::HELLO, &hello)?;
            report.startup = startup::measured(&built)?;
        }
        if wants(Figure::Modules) {
            self.modules(&mut report)?;
        }
        if !wants(Figure::Time) && counter.is_none() {
            return Ok(report);
        }
        for program in programs {
            process::progress(&format!("{}: compiling", program.name));
            let compiled = self.compiled(program)?;
            let built = self.built(program, &compiled)?;
            let mut cells: Vec<Cell> = self.engines.iter().map(|_| Cell::default()).collect();
            if wants(Figure::Time) {
                cells = self.times(program, &built)?;
            }
            if let Some(counter) = &counter {
                let counts = self.counts(program, &compiled, &built, counter)?;
                for ((cell, count), empty) in cells.iter_mut().zip(counts).zip(&report.empty) {
                    cell.instructions = count.zip(*empty).map(|(all, empty)| all - empty.min(all));
                }
            }
            report.add(program.name, cells);
            eprint!("{}", report.progress());
        }
        Ok(report)
    }

    fn compiled(&self, program: &Program) -> Result<Compiled> {
        let folder = self.tools.folder.join(program.name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let sources = program.sources(self.workspace)?;
        let module = sources.wasm(&folder, self.arguments.simd)?;
        Ok(Compiled {
            sources,
            module,
            folder,
        })
    }

    /// A program as every engine makes it for this processor.
    fn built(&self, program: &Program, compiled: &Compiled) -> Result<Vec<Built>> {
        let build = |engine: &Engine| self.build(program, compiled, *engine, Processor::This);
        self.engines.iter().map(build).collect()
    }

    fn build(
        &self,
        program: &Program,
        compiled: &Compiled,
        engine: Engine,
        processor: Processor,
    ) -> Result<Built> {
        let Compiled {
            sources,
            module,
            folder,
        } = compiled;
        engine
            .build(&self.tools, sources, module, folder, processor)
            .with_context(|| format!("{} with {}", program.name, engine.name()))
    }

    /// Runs one program with every engine, interleaved.
    fn times(&self, program: &Program, built: &[Built]) -> Result<Vec<Cell>> {
        process::progress(&format!("{}: running", program.name));
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); built.len()];
        let mut expected = None;
        for _ in 0..self.arguments.runs {
            for (built, costs) in built.iter().zip(&mut costs) {
                let (cost, output) = run(&built.command, program.usual)
                    .with_context(|| format!("{} with {}", program.name, built.engine.name()))?;
                same(program, built, &mut expected, output)?;
                costs.push(cost);
            }
        }
        let cells = built.iter().zip(costs).map(|(built, costs)| Cell {
            costs,
            compile: built.compile,
            code_bytes: built.code_bytes,
            instructions: None,
        });
        Ok(cells.collect())
    }

    /// Counts one program's instructions with every engine; `None` where QEMU cannot run it.
    fn counts(
        &self,
        program: &Program,
        compiled: &Compiled,
        built: &[Built],
        counter: &Counter,
    ) -> Result<Vec<Option<u64>>> {
        process::progress(&format!("{}: counting instructions", program.name));
        let mut expected = None;
        let argument = Some(program.counted).filter(|argument| !argument.is_empty());
        let count = |built: &Built| {
            let engine = built.engine;
            if !engine.can_be_emulated() {
                return Ok(None);
            }
            // C is compiled for all processors as it is.
            let emulated = match engine.takes_modules() {
                true => &self.build(program, compiled, engine, Processor::Emulated)?,
                false => built,
            };
            let (count, output) = counter
                .count(&emulated.command, argument)
                .with_context(|| format!("{} with {}", program.name, engine.name()))?;
            same(program, emulated, &mut expected, output)?;
            Ok(Some(count))
        };
        built.iter().map(count).collect()
    }

    fn modules(&self, report: &mut Report) -> Result<()> {
        let sqlite = programs::ALL
            .iter()
            .find(|program| program.name == "sqlite");
        let sqlite = self.compiled(sqlite.context("SQLite is one of the programs")?)?;
        let mut modules = vec![Module {
            name: "SQLite",
            file: sqlite.module,
        }];
        modules.extend(modules::foreign(self.workspace)?);
        let engines: Vec<Engine> = self
            .engines
            .iter()
            .copied()
            .filter(|engine| engine.takes_modules())
            .collect();
        for module in &modules {
            process::progress(&format!("{}: compiling", module.name));
            let folder = self.tools.folder.join("modules");
            let compiled =
                modules::measured(&self.tools, module, &engines, self.arguments.runs, &folder)?;
            let bytes = fs::metadata(&module.file)
                .with_context(|| format!("cannot read {}", module.file.display()))?
                .len();
            report.modules.push((module.name, bytes, compiled));
        }
        Ok(())
    }
}

/// Compares an output with that of the first engine, which is native.
fn same(
    program: &Program,
    built: &Built,
    expected: &mut Option<Vec<u8>>,
    output: Vec<u8>,
) -> Result<()> {
    match expected {
        None => *expected = Some(output),
        Some(expected) if *expected != output => bail!(
            "{}: {} prints something else than native code:\n{}",
            program.name,
            built.engine.name(),
            String::from_utf8_lossy(&output)
        ),
        Some(_) => {}
    }
    Ok(())
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
