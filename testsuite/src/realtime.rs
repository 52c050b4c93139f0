// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Real-time systems on seL4: sets of apps with contracts, booted under a clock that counts
//! instructions (QEMU's `-icount`), and what their reports say.
//!
//! Time under `-icount shift=3` is 8 ns an instruction and repeats exactly from run to run. It says
//! nothing about the time of any hardware.

use crate::case::folder;
use crate::world::expect_quiet;
use crate::{hostile, tools};
use anyhow::{Context, Result, anyhow, ensure};
use sel4_host::bundle::{AppSpec, Policy, SystemSpec, app_flags, encode, flags};
use sel4_host::{Artifacts, Events, Qemu};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use wasm_aot_contract::{Class, Contract};
use wasm_aot_loader::Object;
use wasm_aot_schedule::report::Report;

/// Nanoseconds that an instruction takes under `-icount shift=3`.
const NS_PER_INSTRUCTION: u64 = 8;

/// A periodic app that computes for a while.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Microseconds from release to release, which is the deadline, too.
    pub period_us: u64,
    /// Microseconds of processor time in each period. The job computes for 80 % of it; the rest is
    /// for what the executive takes at its beginning and end.
    pub budget_us: u64,
}

/// Twenty apps with 70 % of the processor, most of it for short periods.
#[must_use]
pub fn twenty() -> Vec<Load> {
    let groups: [(usize, u64, u64); 7] = [
        (1, 1_000, 120),
        (2, 2_000, 160),
        (3, 5_000, 200),
        (4, 10_000, 300),
        (5, 20_000, 300),
        (3, 50_000, 600),
        (2, 100_000, 3_450),
    ];
    let loads = |(count, period_us, budget_us)| {
        let load = Load {
            period_us,
            budget_us,
        };
        std::iter::repeat_n(load, count)
    };
    groups.into_iter().flat_map(loads).collect()
}

/// The share of the processor that the apps are promised, in thousandths.
#[must_use]
pub fn utilisation(loads: &[Load]) -> u64 {
    let share = |load: &Load| load.budget_us * 1_000_000 / load.period_us;
    loads.iter().map(share).sum::<u64>() / 1000
}

/// The app of a load.
///
/// # Errors
/// Where it cannot be built.
pub fn app(number: usize, load: Load, scratch: &Path) -> Result<AppSpec> {
    // A round of the loop is seven instructions.
    let rounds = load.budget_us * 1000 * 80 / 100 / NS_PER_INSTRUCTION / 7;
    let module = format!(
        "(module (memory (export \"memory\") 1) (global $n (mut i32) (i32.const 0))
           (func (export \"tick\") (local $i i32) (local $x i32)
             (local.set $i (i32.const {rounds}))
             (local.set $x (global.get $n))
             (loop $l
               (local.set $x (i32.mul (i32.add (local.get $x) (local.get $i)) (i32.const 77)))
               (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
             (global.set $n (local.get $x))))"
    );
    let contract = Contract {
        class: Class::Periodic,
        period_us: load.period_us,
        deadline_us: load.period_us,
        budget_us: load.budget_us,
        memory_max_bytes: 4 << 20,
        ..Contract::default()
    };
    let name = format!("load-{number:02}");
    Ok(AppSpec {
        contract: wasm_aot_contract::encode(&contract)?,
        ..spec(&name, hostile::object(scratch, &module)?)
    })
}

/// The same with other times, which the bundle gives it instead of its own.
///
/// # Errors
/// Where its object has no contract, or the times do not fit it.
pub fn with_times(app: &AppSpec, period_us: u64, budget_us: u64) -> Result<AppSpec> {
    let object = app.modules.last().context("an app without modules")?;
    let object = Object::parse(&object.1).map_err(|error| anyhow!("{error}"))?;
    let contract = object.contract().context("an app without a contract")?;
    let contract = Contract {
        period_us,
        deadline_us: period_us,
        budget_us,
        ..*contract
    };
    Ok(AppSpec {
        contract: wasm_aot_contract::encode(&contract)?,
        ..app.clone()
    })
}

/// A sample with a manifest: `apps/realtime/MODULE.wat` and `NAME.toml`.
///
/// # Errors
/// Where it cannot be built.
pub fn sample(module: &str, name: &str, scratch: &Path) -> Result<AppSpec> {
    let files = folder().join("apps/realtime");
    let output = scratch.join(format!("{name}.o"));
    let mut build = tools::wasm_aot()?;
    build
        .arg("build")
        .arg(files.join(format!("{module}.wat")))
        .arg("--manifest")
        .arg(files.join(format!("{name}.toml")))
        .arg("-o")
        .arg(&output);
    expect_quiet(&build)?;
    Ok(spec(name, fs::read(output)?))
}

/// An app that runs an object.
#[must_use]
pub fn spec(name: &str, object: Vec<u8>) -> AppSpec {
    AppSpec {
        name: name.to_owned(),
        modules: vec![(String::new(), object)],
        args: vec![name.to_owned()],
        invoke: "_start".to_owned(),
        flags: app_flags::UNKNOWN_IMPORTS_TRAP,
        ..AppSpec::default()
    }
}

/// What came of a system.
#[derive(Default)]
pub struct Run {
    names: Vec<String>,
    /// The last report of each app.
    pub reports: BTreeMap<String, Report>,
    /// Why apps were refused.
    pub refusals: BTreeMap<String, String>,
    /// Reports of traps.
    pub traps: BTreeMap<String, Vec<String>>,
    /// Bytes that apps wrote.
    pub output: BTreeMap<String, Vec<u8>>,
    /// Exit codes of those that ended.
    pub exit_codes: BTreeMap<String, i32>,
    /// The root task's log.
    pub log: String,
    /// Its last word.
    pub summary: String,
    damaged: Option<String>,
}

impl Run {
    fn name(&self, app: u16) -> String {
        let name = self.names.get(usize::from(app));
        name.cloned().unwrap_or_else(|| format!("app {app}"))
    }
}

impl Events for Run {
    fn stdout(&mut self, app: u16, bytes: &[u8]) {
        let name = self.name(app);
        self.output
            .entry(name)
            .or_default()
            .extend_from_slice(bytes);
    }

    fn stderr(&mut self, app: u16, bytes: &[u8]) {
        self.stdout(app, bytes);
    }

    fn trap(&mut self, app: u16, report: &str) {
        let name = self.name(app);
        self.traps.entry(name).or_default().push(report.to_owned());
    }

    fn refused(&mut self, app: u16, why: &str) {
        self.refusals.insert(self.name(app), why.to_owned());
    }

    fn report(&mut self, app: u16, record: &[u8]) {
        match Report::parse(record) {
            Ok(report) => {
                self.reports.insert(self.name(app), *report);
            }
            Err(error) => self.damaged = Some(format!("{}: {error}", self.name(app))),
        }
    }

    fn exit(&mut self, app: u16, code: i32) {
        self.exit_codes.insert(self.name(app), code);
    }

    fn log(&mut self, text: &str) {
        self.log.push_str(text);
        self.log.push('\n');
    }
}

/// Boots a system and lets it run for so long, in its own time.
///
/// # Errors
/// Where it does not come to its end, or keeps something, or a report is damaged.
pub fn run(apps: &[AppSpec], policy: Policy, duration: Duration) -> Result<Run> {
    let system = SystemSpec {
        policy,
        duration_us: duration.as_micros() as u64,
        ..SystemSpec::default()
    };
    run_with(apps, system, Vec::new())
}

/// Boots a system on a machine that has more than others, by these options of QEMU.
///
/// # Errors
/// As [`run`].
pub fn run_with(apps: &[AppSpec], system: SystemSpec, options: Vec<String>) -> Result<Run> {
    let system = SystemSpec {
        flags: flags::HOSTED | flags::POWER_OFF,
        ..system
    };
    let bundle = encode(&system, apps).context("too many apps")?;
    let artifacts = Artifacts::read(&tools::share()?)?;
    let mut image = tempfile::NamedTempFile::new()?;
    image.write_all(&artifacts.image(&bundle)?)?;
    let qemu = Qemu {
        icount: true,
        options,
        timeout: Some(Duration::from_secs(900)),
        ..Qemu::default()
    };
    let mut run = Run {
        names: apps.iter().map(|app| app.name.clone()).collect(),
        ..Run::default()
    };
    let outcome = qemu.run(image.path(), &mut run);
    if std::env::var_os("REALTIME_LOG").is_some() {
        eprintln!("{}{:?}", run.log, run.refusals);
        for (name, report) in &run.reports {
            let [response, jitter, execution] =
                [report.response(), report.jitter(), report.execution()].map(|h| h.max_ns());
            eprintln!(
                "{name}: {} releases, {} done, {} missed, {} overruns, {} skipped; period {} budget \
                 {}; response {response} jitter {jitter} execution {execution}",
                report.releases(),
                report.completions(),
                report.misses(),
                report.overruns(),
                report.skipped(),
                report.period_ns(),
                report.budget_ns(),
            );
        }
    }
    let outcome = outcome.with_context(|| run.log.clone())?;
    run.summary = outcome.summary;
    ensure!(run.damaged.is_none(), "{:?}", run.damaged);
    ensure!(!run.log.contains("defect"), "{}", run.log);
    ensure!(run.summary.contains("kept nothing"), "{}", run.summary);
    Ok(run)
}
