// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Puts the figures where people read them: `docs/performance.md`, and the chart beside it, which
//! the README shows.

use super::chart;
use super::report::Report;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::process::Command;

const DOCUMENT: &str = "docs/performance.md";
const CHART: &str = "docs/performance.svg";
const BEGIN: &str = "<!-- cargo xtask bench --bless: begin -->\n";
const END: &str = "<!-- cargo xtask bench --bless: end -->\n";

/// Replaces tables and chart.
///
/// # Errors
/// Where the document is missing or has no place for them.
pub fn bless(workspace: &Workspace, report: &Report) -> Result<()> {
    let file = workspace.path(DOCUMENT);
    let old = fs::read_to_string(&file).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let tables = format!("{}\n\n{}", machine(), report.text());
    let (before, rest) = old.split_once(BEGIN).context(MARKS)?;
    let (_, after) = rest.split_once(END).context(MARKS)?;
    let new = format!("{before}{BEGIN}{tables}{END}{after}");
    fs::write(&file, new).with_context(|| format!("cannot write {DOCUMENT}"))?;
    let chart = chart::svg(report);
    fs::write(workspace.path(CHART), chart).with_context(|| format!("cannot write {CHART}"))
}

const MARKS: &str = "docs/performance.md lacks the marks between which the tables stand";

/// A sentence about this machine.
fn machine() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let fields = || information.lines().filter_map(|line| line.split_once(':'));
    let model = fields().find(|(name, _)| name.trim() == "model name");
    let processors = fields().filter(|(name, _)| name.trim() == "processor");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(text.lines().next()?.trim().to_owned())
    };
    let tools = ["clang-19", "gcc", "wasm2c", "qemu-x86_64"];
    let tools: Vec<String> = tools
        .iter()
        .filter_map(|tool| Some(format!("{tool}: {}", version(tool)?)))
        .collect();
    format!(
        "Measured on: {}, {} processors; Linux {}; {}.",
        model.map_or("an unknown processor", |(_, name)| name.trim()),
        processors.count(),
        kernel.trim(),
        tools.join("; ")
    )
}
