// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Prints what the real-time system does under a clock that counts instructions, beside what it has
//! to do: `cargo xtask realtime`. Exit code 1 where something is not as it has to be.

use anyhow::{Context, Result};
use sel4_host::bundle::{AppSpec, Policy};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use testsuite::realtime::{self, Run};
use testsuite::{boot, churn, hostile};
use wasm_aot_schedule::report::Report;

/// Releases of the first system.
const RELEASES: u64 = 100_000;
/// Release jitter at most, in nanoseconds.
const JITTER_NS: u64 = 50_000;
/// Nanoseconds after the end of its budget in which an app is stopped.
const CUT_NS: u64 = 100_000;
/// Microseconds from an object in memory to its first instruction.
const FIRST_US: u64 = 50_000;
/// Apps that do what they can to harm others.
const HOSTILE: [&str; 7] = ["spin", "recurse", "grow", "trap", "calls", "flood", "block"];

/// A line of the table.
struct Line {
    what: String,
    wanted: String,
    seen: String,
    fits: bool,
}

#[derive(Default)]
struct Table(Vec<Line>);

impl Table {
    fn line(&mut self, what: &str, wanted: String, seen: String, fits: bool) {
        let mark = if fits { "ok" } else { "NOT OK" };
        println!("{what:52} {wanted:>22} {seen:>26}  {mark}");
        let what = what.to_owned();
        self.0.push(Line {
            what,
            wanted,
            seen,
            fits,
        });
    }

    fn at_most(&mut self, what: &str, wanted: u64, seen: u64, unit: &str) {
        let (limit, value) = (format!("<= {wanted} {unit}"), format!("{seen} {unit}"));
        self.line(what, limit, value, seen <= wanted);
    }

    fn at_least(&mut self, what: &str, wanted: u64, seen: u64) {
        self.line(
            what,
            format!(">= {wanted}"),
            seen.to_string(),
            seen >= wanted,
        );
    }

    fn exactly(&mut self, what: &str, wanted: u64, seen: u64) {
        self.line(what, wanted.to_string(), seen.to_string(), seen == wanted);
    }

    fn value(&mut self, what: &str, seen: String) {
        self.line(what, "-".into(), seen, true);
    }
}

/// The reports of the apps that do their work.
fn good(run: &Run) -> Vec<&Report> {
    let reports = run.reports.iter();
    let good = reports.filter(|(name, _)| name.starts_with("load-"));
    good.map(|(_, report)| report).collect()
}

fn promises(table: &mut Table, run: &Run, apps: usize) {
    let good = good(run);
    let sum = |f: fn(&Report) -> u64| good.iter().map(|report| f(report)).sum::<u64>();
    let max = |f: fn(&Report) -> u64| good.iter().map(|report| f(report)).max().unwrap_or(0);
    table.exactly("  apps that report", apps as u64, good.len() as u64);
    table.exactly("  deadlines missed", 0, sum(Report::misses));
    table.exactly("  releases skipped", 0, sum(Report::skipped));
    table.exactly("  overruns", 0, sum(Report::overruns));
    let jitter = max(|report| report.jitter().max_ns());
    table.at_most("  release jitter, maximum", JITTER_NS, jitter, "ns");
    let busy = sum(Report::processor_ns) * 1000 / max(Report::time_ns).max(1);
    let share = format!("{}.{} %", busy / 10, busy % 10);
    table.value("  processor time that their jobs took", share);
}

fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::FixedPriority => "fixed priorities",
        Policy::EarliestDeadline => "earliest deadline first",
    }
}

fn loads(scratch: &Path) -> Result<Vec<AppSpec>> {
    let loads = realtime::twenty();
    let apps = loads.iter().enumerate();
    apps.map(|(number, load)| realtime::app(number, *load, scratch))
        .collect()
}

/// Twenty apps for a hundred thousand releases.
fn twenty(table: &mut Table, apps: &[AppSpec], policy: Policy, seconds: u64) -> Result<()> {
    let run = realtime::run(apps, policy, Duration::from_secs(seconds))?;
    let share = realtime::utilisation(&realtime::twenty());
    println!(
        "{} apps, {}, {}.{} % promised",
        apps.len(),
        policy_name(policy),
        share / 10,
        share % 10
    );
    let releases = good(&run).iter().map(|report| report.releases()).sum();
    let wanted = RELEASES.min(seconds * 3300);
    table.at_least("  releases", wanted, releases);
    promises(table, &run, apps.len());
    Ok(())
}

/// The same beside apps that want to harm them.
fn beside_hostile(table: &mut Table, apps: &[AppSpec], scratch: &Path, seconds: u64) -> Result<()> {
    let mut all = apps.to_vec();
    for name in HOSTILE {
        let module = if name == "block" { "flood" } else { name };
        let sample = realtime::sample(module, name, scratch)?;
        // The recursion needs a while until its stack is full.
        let (period_us, budget_us) = match name {
            "recurse" => (100_000, 700),
            _ => (50_000, 100),
        };
        all.push(realtime::with_times(&sample, period_us, budget_us)?);
    }
    let run = realtime::run(&all, Policy::FixedPriority, Duration::from_secs(seconds))?;
    println!("the same beside {} hostile apps", HOSTILE.len());
    for (name, why) in &run.refusals {
        println!("  {name} refused: {}", why.trim());
    }
    table.exactly("  apps refused", 0, run.refusals.len() as u64);
    promises(table, &run, apps.len());
    for name in HOSTILE {
        let Some(report) = run.reports.get(name) else {
            table.line(&format!("  {name}: report"), "1".into(), "0".into(), false);
            continue;
        };
        let did = format!(
            "{} overruns, {} traps, {} restarts",
            report.overruns(),
            report.traps(),
            report.restarts()
        );
        let harmless = report.overruns() + report.traps() + report.dropped_output_bytes() == 0;
        let expected = !harmless || name == "grow" || name == "block";
        table.line(&format!("  {name}"), "-".into(), did, expected);
    }
    let reports = run.reports.values();
    let cut = reports.map(Report::cut_lateness_max_ns).max().unwrap_or(0);
    table.at_most(
        "  an app is stopped behind the end of its budget",
        CUT_NS,
        cut,
        "ns",
    );
    Ok(())
}

/// Apps of machine code that provoke every fault the kernel can report, beside the twenty.
fn faults(table: &mut Table, apps: &[AppSpec], seconds: u64) -> Result<()> {
    let hostile = hostile::all()?;
    let mut all = apps.to_vec();
    all.extend(hostile.iter().map(|h| AppSpec {
        stack_size: 64 << 10,
        ..boot::app(&h.name, h.object.clone())
    }));
    let run = realtime::run(&all, Policy::FixedPriority, Duration::from_secs(seconds))?;
    println!(
        "the same beside {} apps of hostile machine code",
        hostile.len()
    );
    promises(table, &run, apps.len());
    let is_wrong = |h: &&hostile::Hostile| run.exit_codes.get(&h.name) != Some(&h.exit);
    let wrong: Vec<_> = hostile.iter().filter(is_wrong).collect();
    for app in &wrong {
        let code = run.exit_codes.get(&app.name);
        let said = run.traps.get(&app.name);
        println!(
            "  {}: exit code {code:?} instead of {}, {said:?}",
            app.name, app.exit
        );
    }
    let right = (hostile.len() - wrong.len()) as u64;
    table.exactly("  of them ended as expected", hostile.len() as u64, right);
    Ok(())
}

/// Apps are loaded and unloaded, and what that takes.
fn loading(table: &mut Table, scratch: &Path, quick: bool) -> Result<()> {
    let (wanted, duration) = match quick {
        true => (50, Duration::from_secs(5)),
        false => (10_000, Duration::ZERO),
    };
    println!("apps that are loaded and unloaded, eight at once, in any order");
    let (count, _) = boot::churn(&churn::apps(scratch)?, duration, false)?;
    table.at_least("  of them, nothing being kept, to the byte", wanted, count);
    let nbody = churn::nbody(scratch)?;
    let (_, log) = boot::churn(&[nbody], Duration::from_secs(1), true)?;
    let said = log.lines().find_map(|line| line.split_once("nbody: "));
    let (_, said) = said.context("the root task says nothing of nbody")?;
    let first = said.split_once("first instruction after ");
    let first = first.and_then(|(_, rest)| rest.split_once(' ')?.0.parse().ok());
    let first = first.context("the root task says nothing of nbody's first instruction")?;
    let what = "  from nbody's object in memory to its first instruction";
    table.at_most(what, FIRST_US, first, "us");
    println!("    {said}");
    Ok(())
}

fn main() -> Result<ExitCode> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let scratch = tempfile::tempdir()?;
    let mut table = Table::default();
    println!("virtual time, 8 ns an instruction (QEMU -icount shift=3,sleep=off); no hardware");
    let apps = loads(scratch.path())?;
    let (long, short) = if quick { (2, 2) } else { (31, 10) };
    twenty(&mut table, &apps, Policy::FixedPriority, long)?;
    twenty(&mut table, &apps, Policy::EarliestDeadline, short)?;
    beside_hostile(&mut table, &apps, scratch.path(), short)?;
    // Long enough for all of them to come to their ends.
    faults(&mut table, &apps, 20)?;
    loading(&mut table, scratch.path(), quick)?;
    let wrong: Vec<&Line> = table.0.iter().filter(|line| !line.fits).collect();
    for line in &wrong {
        println!(
            "not as it has to be: {}: {} instead of {}",
            line.what.trim(),
            line.seen,
            line.wanted
        );
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
