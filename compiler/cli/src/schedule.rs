// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot schedule`: whether apps keep their deadlines and fit the memory together, before any
//! machine is booted. The analysis is the root task's.

mod app;

use crate::build::CompilerArguments;
use crate::system::PolicyArgument;
use crate::table::{Table, microseconds};
use anyhow::{Result, bail};
use app::App;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use wasm_aot_contract::Class;
use wasm_aot_schedule::admission::{
    self, Entry, Outcome, Overheads, deadline_monotonic, utilisation_ppb,
};
use wasm_aot_schedule::{Parameters, Policy};

/// What messages call the root task's manager thread.
const SUPERVISOR: &str = "(root task)";

/// Say whether apps meet all deadlines of their contracts together.
///
/// Fixed priorities: exact response times; earliest deadline first: processor demand. Exit status
/// 0: they do; 1: they do not, and which would be late by how much; 2: a wrong command line.
#[derive(Args)]
pub struct Arguments {
    /// Objects or modules (.o, .wasm, .wat) with a contract, or, behind an `@`, with the manifest
    /// that holds instead; or manifests alone (.toml).
    #[arg(required = true, value_name = "FILE[@MANIFEST]")]
    inputs: Vec<PathBuf>,
    /// The manifest of every input that has none of its own.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// How the processor is shared.
    #[arg(long, value_enum, default_value = "fp", value_name = "fp|edf")]
    policy: PolicyArgument,
    /// What the executive takes for each job on top of its budget, in microseconds.
    #[arg(long, value_name = "US", default_value_t = 0)]
    overhead_job_us: u64,
    /// What each interrupt takes of whoever runs, in microseconds.
    #[arg(long, value_name = "US", default_value_t = 0)]
    overhead_interrupt_us: u64,
    /// The longest time in which executive and kernel cannot be interrupted, in microseconds.
    #[arg(long, value_name = "US", default_value_t = 0)]
    blocking_us: u64,
    /// Leave out the root task's own work: 500 us every 10 ms, less urgent than all apps.
    #[arg(long)]
    no_root_task: bool,
    /// Memory of the machine, in MiB: what apps may have at most has to fit.
    #[arg(long, value_name = "MIB")]
    machine_memory: Option<u32>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compiler: CompilerArguments,
}

/// A row of the table.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    class: &'static str,
    /// The one that is used, also where the contract leaves it open; absent without fixed
    /// priorities.
    priority: Option<u8>,
    period_us: u64,
    deadline_us: u64,
    budget_us: u64,
    /// The longest; absent where the analysis gives none.
    response_ns: Option<u64>,
    slack_ns: Option<u64>,
    /// 0 where the contract names no maximum.
    memory_max_bytes: u64,
    /// Of the contract, or what the compiler found; absent where neither says.
    stack_bytes: Option<u64>,
}

/// What was found.
#[derive(Serialize)]
struct Answer<'a> {
    schedulable: bool,
    /// Why not.
    reason: Option<String>,
    policy: &'static str,
    overhead_job_us: u64,
    overhead_interrupt_us: u64,
    blocking_us: u64,
    /// Of budgets and overheads, 1 for the whole processor.
    utilisation: f64,
    apps: Vec<Row<'a>>,
    /// The sum of what apps may have at most; those without a maximum are not in it.
    memory_max_bytes: u64,
    apps_without_memory_max: usize,
}

impl Arguments {
    fn overheads(&self) -> Overheads {
        let ns = |us: u64| us.saturating_mul(1000);
        Overheads {
            job_ns: ns(self.overhead_job_us),
            interrupt_ns: ns(self.overhead_interrupt_us),
            blocking_ns: ns(self.blocking_us),
        }
    }

    /// Why the apps do not fit the machine's memory.
    fn memory(&self, apps: &[App], sum: u64) -> Option<String> {
        let machine = u64::from(self.machine_memory?) << 20;
        if let Some(app) = apps.iter().find(|app| app.memory_max_bytes == 0) {
            let name = &app.name;
            return Some(format!(
                "{name}: memory.max_bytes is missing, so nobody knows whether it fits the machine"
            ));
        }
        (sum > machine).then(|| {
            format!(
                "the apps may have {sum} bytes of memory, the machine has {machine}: {} too many",
                sum - machine
            )
        })
    }
}

/// The set that is analysed: the apps in their order, with priorities, then the root task.
fn entries<'a>(arguments: &Arguments, policy: Policy, apps: &'a [App]) -> Vec<Entry<'a>> {
    let entry = |app: &'a App| Entry {
        name: &app.name,
        parameters: app.parameters,
    };
    let mut entries: Vec<_> = apps.iter().map(entry).collect();
    if !arguments.no_root_task {
        entries.push(Entry {
            name: SUPERVISOR,
            parameters: Parameters::SUPERVISOR,
        });
    }
    if policy == Policy::FixedPriority {
        // The root task's own time has a priority by its deadline, too.
        deadline_monotonic(&mut entries);
    }
    entries
}

fn row<'a>(app: &'a App, policy: Policy, parameters: &Parameters, outcome: &Outcome) -> Row<'a> {
    let fixed = policy == Policy::FixedPriority && parameters.class != Class::Background;
    Row {
        name: &app.name,
        class: parameters.class.name(),
        priority: fixed.then_some(parameters.priority),
        period_us: parameters.period / 1000,
        deadline_us: parameters.deadline / 1000,
        budget_us: parameters.budget / 1000,
        response_ns: outcome.response_ns,
        slack_ns: outcome.slack_ns(),
        memory_max_bytes: app.memory_max_bytes,
        stack_bytes: app.stack_bytes,
    }
}

fn answer<'a>(arguments: &Arguments, apps: &'a [App]) -> Answer<'a> {
    let policy = match arguments.policy {
        PolicyArgument::Fp => Policy::FixedPriority,
        PolicyArgument::Edf => Policy::EarliestDeadline,
    };
    let entries = entries(arguments, policy, apps);
    let overheads = arguments.overheads();
    let mut outcomes = vec![Outcome::default(); entries.len()];
    let refusal = admission::admit(policy, &overheads, &entries, &mut outcomes).err();
    let maxima = apps.iter().map(|app| app.memory_max_bytes);
    let memory = maxima.clone().fold(0, u64::saturating_add);
    let reason = refusal
        .map(|refusal| refusal.to_string())
        .or_else(|| apps.iter().find_map(|app| app.unbounded.clone()))
        .or_else(|| arguments.memory(apps, memory));
    let found = entries.iter().zip(&outcomes);
    let rows = apps.iter().zip(found);
    Answer {
        schedulable: reason.is_none(),
        reason,
        policy: policy.name(),
        overhead_job_us: arguments.overhead_job_us,
        overhead_interrupt_us: arguments.overhead_interrupt_us,
        blocking_us: arguments.blocking_us,
        utilisation: utilisation_ppb(&overheads, &entries) as f64 / 1e9,
        apps: rows
            .map(|(app, (entry, outcome))| row(app, policy, &entry.parameters, outcome))
            .collect(),
        memory_max_bytes: memory,
        apps_without_memory_max: maxima.filter(|&bytes| bytes == 0).count(),
    }
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let manifest = arguments.manifest.as_deref();
    let apps = app::all(&arguments.inputs, manifest, &arguments.compiler)?;
    let answer = answer(arguments, &apps);
    print(&answer, arguments.json)?;
    match answer.reason {
        None => Ok(ExitCode::SUCCESS),
        Some(reason) => bail!("not schedulable: {reason}"),
    }
}

fn print(answer: &Answer<'_>, json: bool) -> Result<()> {
    if json {
        return crate::files::print(&(serde_json::to_string_pretty(answer)? + "\n"));
    }
    let header = [
        "app", "class", "priority", "period", "deadline", "budget", "response", "slack", "memory",
        "stack",
    ];
    let mut table = Table::new(2, &header);
    table.row(
        ["", "", "", "us", "us", "us", "us", "us", "bytes", "bytes"]
            .map(str::to_owned)
            .into(),
    );
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    let given = |value: u64| or_dash((value != 0).then(|| value.to_string()));
    for app in &answer.apps {
        table.row(vec![
            app.name.into(),
            app.class.into(),
            or_dash(app.priority.map(|priority| priority.to_string())),
            given(app.period_us),
            given(app.deadline_us),
            given(app.budget_us),
            or_dash(app.response_ns.map(microseconds)),
            or_dash(app.slack_ns.map(microseconds)),
            given(app.memory_max_bytes),
            or_dash(app.stack_bytes.map(|bytes| bytes.to_string())),
        ]);
    }
    let mut text = table.to_string();
    text += &format!(
        "\n{}: utilisation {:.2} %; memory {} bytes at most",
        answer.policy,
        answer.utilisation * 100.0,
        answer.memory_max_bytes
    );
    text += &match answer.apps_without_memory_max {
        0 => "\n".to_owned(),
        count => format!(", and of {count} apps what the machine has\n"),
    };
    if answer.schedulable {
        text += "schedulable: no deadline is missed\n";
    }
    crate::files::print(&text)
}
