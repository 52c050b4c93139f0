// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Differential fuzzing.
//!
//! Modules made by `wasm-smith` are compiled by wasm-aot and called; what comes of every call,
//! and the state that is left behind, is written down as a script of assertions; wasmtime must
//! agree with all of them. Everything follows from one number, so that a finding can be had again.
//!
//! | module | decides |
//! |---|---|
//! | [`generate`], [`loops`], [`digest`] | what modules are like |
//! | [`case`] | what they are asked |
//! | [`ours`], [`script`] | what wasm-aot answers, and how that is written down |
//! | [`theirs`] | whether wasmtime agrees |
//! | [`damage`] | what becomes of damaged modules and objects |
//! | [`wasi`] | what becomes of a program that calls WASI at random |
//!
//! A finding is kept as a script in the folder of findings. Once understood, it is reduced and
//! put into `regressions/`, with the right answers.

#![deny(unsafe_code)]

pub mod case;
pub mod damage;
pub mod digest;
pub mod generate;
pub mod loops;
pub mod ours;
pub mod random;
pub mod script;
pub mod theirs;
pub mod value;
pub mod wasi;

use anyhow::{Context, Result};
use case::Case;
use random::Random;
use rayon::prelude::*;
use script::Side;
use spec_tests::Config;
use spec_tests::engine::Engine;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, fs};
use theirs::{Reference, Verdict};
use wasm_aot_compiler::{Bounds, Cpu, MemoryBase, OptLevel, Options, SUPPORTED_FEATURES};

/// Modules that one process of each side takes.
const BATCH: u64 = 20;

/// What to do, and with whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The first seed; further modules have the seeds after it.
    pub seed: u64,
    /// Stop after so many modules.
    pub count: u64,
    /// Stop after so much time.
    pub time: Option<Duration>,
    /// Whether to make modules of loops only.
    pub only_loops: bool,
    /// wasmtime's command.
    pub wasmtime: PathBuf,
    /// wasm-aot's command, whose engine runs what is compiled.
    pub wasm_aot: PathBuf,
    /// Where findings are kept.
    pub findings: PathBuf,
}

/// What has been done.
#[derive(Clone, Copy, Default, Debug)]
pub struct Summary {
    /// Modules that both sides ran.
    pub modules: u64,
    /// Lines of the scripts with which the other side agrees.
    pub answers: u64,
    /// Modules compared only up to the end of a stack or heap.
    pub partly: u64,
    /// Differences and defects.
    pub findings: u64,
}

/// What has been done so far.
#[derive(Default)]
struct Count {
    modules: AtomicU64,
    answers: AtomicU64,
    partly: AtomicU64,
    findings: AtomicU64,
}

struct Fuzzer<'s> {
    settings: &'s Settings,
    reference: Reference,
    count: Count,
}

/// Generates, runs and compares.
///
/// # Errors
/// Where one of the commands cannot be run, or a finding not be kept. A finding is no error.
pub fn run(settings: &Settings) -> Result<Summary> {
    fs::create_dir_all(&settings.findings)
        .with_context(|| format!("creating {}", settings.findings.display()))?;
    let fuzzer = Fuzzer {
        settings,
        reference: Reference {
            program: settings.wasmtime.clone(),
            folder: settings.findings.clone(),
        },
        count: Count::default(),
    };
    fuzzer.run()?;
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    Ok(Summary {
        modules: count(&fuzzer.count.modules),
        answers: count(&fuzzer.count.answers),
        partly: count(&fuzzer.count.partly),
        findings: count(&fuzzer.count.findings),
    })
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            modules,
            answers,
            partly,
            findings,
        } = self;
        write!(
            f,
            "{modules} modules, {answers} answers compared, {partly} modules only up to the end \
             of a stack or heap, {findings} findings"
        )
    }
}

impl Fuzzer<'_> {
    fn run(&self) -> Result<()> {
        let start = Instant::now();
        let last = self.settings.count;
        let batches = 0..last.div_ceil(BATCH);
        // In rounds, so that the time is looked at and a round's batches use all cores.
        for round in batches.step_by(8) {
            if self
                .settings
                .time
                .is_some_and(|time| start.elapsed() >= time)
            {
                break;
            }
            (round..round + 8).into_par_iter().try_for_each(|batch| {
                let first = batch * BATCH;
                let seeds = first..(first + BATCH).min(last);
                self.batch(seeds.map(|offset| self.settings.seed.wrapping_add(offset)))
            })?;
        }
        Ok(())
    }

    fn batch(&self, seeds: impl Iterator<Item = u64>) -> Result<()> {
        let mut cases = Vec::new();
        for seed in seeds {
            match Case::of(seed, self.settings.only_loops) {
                Ok(Some(case)) => {
                    self.count.modules.fetch_add(1, Ordering::Relaxed);
                    if let Err(why) = damage::check(seed, &case.module) {
                        self.find(&case, "", &why, &Options::default())?;
                    }
                    cases.push(case);
                }
                Ok(None) => {}
                Err(why) => println!("{why}"),
            }
        }
        let Some(first) = cases.first() else {
            return Ok(());
        };
        let config = self.config(first.seed);
        let answers = ours::run(&cases, &config);
        let mut scripts = Vec::new();
        for (case, answers) in cases.iter().zip(answers) {
            let mut text = String::new();
            let mut side = script::write(&mut text, case, &answers, &name(case));
            if let Side::Defect(_) = side {
                // Alone, it is to blame itself.
                text.clear();
                let answers = ours::run(std::slice::from_ref(case), &config);
                let answers = answers.first().context("one case, one set of answers")?;
                side = script::write(&mut text, case, answers, &name(case));
            }
            match side {
                Side::Whole => {}
                Side::Part => drop(self.count.partly.fetch_add(1, Ordering::Relaxed)),
                Side::Defect(why) => self.find(case, &text, &why, &config.options)?,
            }
            scripts.push((case, text));
        }
        self.compare(scripts, &config.options)
    }

    /// How the modules of a batch are compiled.
    fn config(&self, seed: u64) -> Config {
        let mut random = Random::new(seed.rotate_left(32));
        let mut options = Options {
            features: SUPPORTED_FEATURES,
            bounds: random.choose(&[Bounds::Guard, Bounds::Explicit]),
            cpu: Cpu::parse(random.choose(&["baseline", "x86-64-v3"])),
            opt_level: random.choose(&[OptLevel::Speed, OptLevel::SpeedAndSize, OptLevel::None]),
            verify: true,
            ..Options::default()
        };
        if random.below(2) == 0 {
            options.memory_base = MemoryBase::Relocatable;
        }
        Config {
            options,
            engine: Engine {
                program: self.settings.wasm_aot.clone(),
                arguments: vec!["script-engine".into(), "--check-stack".into()],
                timeout: Duration::from_secs(60),
            },
        }
    }

    /// Has the scripts checked together; leaves out the one that differs, and again.
    fn compare(&self, mut scripts: Vec<(&Case, String)>, options: &Options) -> Result<()> {
        while let Some((first, _)) = scripts.first() {
            let whole: String = scripts.iter().map(|(_, text)| text.as_str()).collect();
            let file = format!("batch-{}.wast", first.seed);
            let (line, message, resources) = match self.reference.check(&file, &whole)? {
                Verdict::Agrees => {
                    let lines = whole.lines().count() as u64;
                    self.count.answers.fetch_add(lines, Ordering::Relaxed);
                    return Ok(());
                }
                Verdict::Differs {
                    line,
                    message,
                    resources,
                } => (line, message, resources),
            };
            let mut end = 0;
            let lengths = scripts.iter().map(|(_, text)| text.lines().count());
            let position = lengths.enumerate().find_map(|(position, length)| {
                end += length;
                line.is_some_and(|line| line < end).then_some(position)
            });
            let (case, text) = scripts.remove(position.unwrap_or(0));
            if resources {
                self.count.partly.fetch_add(1, Ordering::Relaxed);
            } else {
                self.find(case, &text, &message, options)?;
            }
        }
        Ok(())
    }

    /// Tells of a finding and keeps it.
    fn find(&self, case: &Case, script: &str, why: &str, options: &Options) -> Result<()> {
        self.count.findings.fetch_add(1, Ordering::Relaxed);
        let seed = case.seed;
        let Options {
            bounds,
            memory_base,
            cpu,
            opt_level,
            ..
        } = options;
        let why = format!("{why}\n{bounds:?}, {memory_base:?}, {cpu:?}, {opt_level:?}");
        println!("seed {seed}: {why}");
        let base = self.settings.findings.join(seed.to_string());
        let commented: String = why.lines().map(|line| format!(";; {line}\n")).collect();
        fs::write(base.with_extension("wast"), commented + script)?;
        fs::write(base.with_extension("wasm"), &case.module)?;
        Ok(())
    }
}

fn name(case: &Case) -> String {
    format!("seed-{}", case.seed)
}
