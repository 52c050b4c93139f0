// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs scripts on seL4: each is an app of its own, and as many as fit share a boot.

use crate::Report;
use crate::assemble::Assembled;
use crate::engine::Ended;
use crate::judge;
use anyhow::{Context, Result};
use sel4_host::bundle::{AppSpec, SystemSpec, encode, flags};
use sel4_host::{Artifacts, Events, Outcome, Qemu, QemuError};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

/// Bytes of scripts in one boot: the image lies in the machine's memory twice before the first
/// script begins.
const MAX_BATCH: usize = 160 << 20;

/// Bytes of a script's stack: what a process on Linux has.
const STACK: u64 = 1 << 20;

/// The machine that scripts run on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Kernel and root task.
    pub artifacts: Artifacts,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// How long one boot may take.
    pub timeout: Duration,
}

/// A script, ready to run.
#[derive(Debug)]
pub struct Job {
    /// What people call it.
    pub name: String,
    /// What to run, and what to judge; or why it cannot be run.
    pub assembled: Result<Assembled, Report>,
}

/// What a boot said.
#[derive(Debug, Default)]
pub struct Boot {
    /// The root task's log: what was free before and after each script.
    pub log: Vec<String>,
    /// How long it took, the start of the emulator included.
    pub time: Duration,
    /// Scripts in it.
    pub scripts: usize,
}

/// Runs all scripts; gives their reports in the same order, and what the boots said.
///
/// # Errors
/// Where nothing can be booted. What goes wrong on the machine is in the reports.
pub fn run(jobs: &[Job], machine: &Machine) -> Result<(Vec<Report>, Vec<Boot>)> {
    let mut ended: BTreeMap<usize, Ended> = BTreeMap::new();
    let mut boots = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for (index, job) in jobs.iter().enumerate() {
        let Ok(assembled) = &job.assembled else {
            continue;
        };
        if bytes + assembled.script.len() > MAX_BATCH && !batch.is_empty() {
            boots.push(boot(jobs, &batch, machine, &mut ended)?);
            batch.clear();
            bytes = 0;
        }
        batch.push(index);
        bytes += assembled.script.len();
    }
    if !batch.is_empty() {
        boots.push(boot(jobs, &batch, machine, &mut ended)?);
    }
    let reports =
        jobs.iter().enumerate().map(
            |(index, job)| match (&job.assembled, ended.remove(&index)) {
                (Ok(assembled), Some(ended)) => judge::judge(assembled, ended),
                (Ok(_), None) => Report::default(),
                (Err(report), _) => report.clone(),
            },
        );
    Ok((reports.collect(), boots))
}

/// Runs some of the scripts in one boot.
fn boot(
    jobs: &[Job],
    batch: &[usize],
    machine: &Machine,
    ended: &mut BTreeMap<usize, Ended>,
) -> Result<Boot> {
    let spec = |index: &usize| {
        let job = &jobs[*index];
        let script = job.assembled.as_ref().ok().map(|a| a.script.clone());
        AppSpec {
            name: job.name.clone(),
            script: script.unwrap_or_default(),
            stack_size: STACK,
            ..AppSpec::default()
        }
    };
    let apps: Vec<_> = batch.iter().map(spec).collect();
    let bundle = encode(&SystemSpec::new(flags::HOSTED | flags::POWER_OFF), &apps);
    let bundle = bundle.context("the scripts are too large for one image")?;
    let mut image = tempfile::Builder::new().prefix("wasm-aot-").tempfile()?;
    image
        .write_all(&machine.artifacts.image(&bundle)?)
        .context("cannot write the image")?;
    let qemu = Qemu {
        memory_mib: machine.memory_mib,
        timeout: Some(machine.timeout),
        ..Qemu::default()
    };
    let begin = std::time::Instant::now();
    let mut said = Said::default();
    let result = qemu.run(image.path(), &mut said);
    if let Err(error @ (QemuError::Missing(_) | QemuError::Start { .. })) = result {
        return Err(error.into());
    }
    for (number, index) in batch.iter().enumerate() {
        ended.insert(*index, said.ended(number as u16, &result));
    }
    said.log.extend(result.map(|outcome| outcome.summary));
    Ok(Boot {
        log: said.log,
        time: begin.elapsed(),
        scripts: batch.len(),
    })
}

/// What came over the host channel.
#[derive(Default)]
struct Said {
    outcomes: BTreeMap<u16, Vec<u8>>,
    reports: BTreeMap<u16, String>,
    exits: BTreeMap<u16, i32>,
    log: Vec<String>,
}

impl Events for Said {
    fn outcomes(&mut self, app: u16, bytes: &[u8]) {
        self.outcomes
            .entry(app)
            .or_default()
            .extend_from_slice(bytes);
    }

    fn trap(&mut self, app: u16, report: &str) {
        self.reports.entry(app).or_default().push_str(report);
    }

    fn refused(&mut self, app: u16, why: &str) {
        self.trap(app, why);
    }

    fn exit(&mut self, app: u16, code: i32) {
        self.exits.insert(app, code);
    }

    fn log(&mut self, text: &str) {
        self.log.push(text.to_owned());
    }
}

impl Said {
    fn ended(&mut self, app: u16, result: &Result<Outcome, QemuError>) -> Ended {
        let exit = self.exits.get(&app);
        let how = match (self.reports.remove(&app), exit, result) {
            (Some(report), ..) => report.trim_end().to_owned(),
            (None, Some(code), _) => format!("it ended with code {code}"),
            (None, None, Err(error)) => format!("it did not end: {error}"),
            (None, None, Ok(outcome)) => format!("it did not end: {}", outcome.summary),
        };
        Ended {
            output: self.outcomes.remove(&app).unwrap_or_default(),
            well: exit == Some(&0),
            how,
        }
    }
}
