// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whether a run is what a case expects and what another run was.

use crate::case::{Backtrace, Case};
use crate::process::Run;
use crate::report::Report;
use anyhow::{Context, Result, bail, ensure};

/// Checks what the case itself says.
///
/// # Errors
/// Says what differs.
pub fn expectations(case: &Case, run: &Run) -> Result<()> {
    ensure!(
        run.status == case.status,
        "exit status {}, expected {}\n{run}",
        run.status,
        case.status
    );
    if let Some(stdout) = &case.stdout {
        same_bytes("standard output", &run.stdout, stdout.as_bytes())?;
    }
    let report = Report::find(&run.stderr_text());
    let kind = report.map(|report| report.kind);
    ensure!(
        kind == case.trap,
        "trap {kind:?}, expected {:?}\n{run}",
        case.trap
    );
    Ok(())
}

/// Checks that a run of ours did what the reference did: output byte for byte, exit status, trap
/// with its backtrace.
///
/// # Errors
/// Says what differs.
pub fn with_reference(case: &Case, ours: &Run, reference: &Run) -> Result<()> {
    same_bytes("standard output", &ours.stdout, &reference.stdout)?;
    ensure!(
        ours.status == reference.status,
        "exit status {}, wasmtime's is {}\n{ours}",
        ours.status,
        reference.status
    );
    if case.trap.is_some() {
        return same_trap(case, ours, reference);
    }
    // wasmtime warns that `--invoke` may change.
    let expected: &[u8] = if case.invoke.is_some() {
        b""
    } else {
        &reference.stderr
    };
    same_bytes("standard error", &ours.stderr, expected)
}

fn same_trap(case: &Case, ours: &Run, reference: &Run) -> Result<()> {
    let found = |run: &Run| {
        Report::find(&run.stderr_text()).with_context(|| format!("no report of a trap:\n{run}"))
    };
    let (report, expected) = (found(ours)?, found(reference)?);
    let same = match case.backtrace {
        Backtrace::Exact => report == expected,
        Backtrace::Innermost => {
            let innermost = |report: &Report| report.frames.first().map(|f| f.function.clone());
            report.kind == expected.kind && innermost(&report) == innermost(&expected)
        }
    };
    ensure!(same, "trap:\n{report}\nexpected:\n{expected}");
    Ok(())
}

/// Checks that two byte strings are equal, and shows the first line that differs.
///
/// # Errors
/// Shows it.
pub fn same_bytes(what: &str, found: &[u8], expected: &[u8]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let lines = |bytes: &'_ [u8]| -> Vec<String> {
        let lines = bytes.split_inclusive(|&byte| byte == b'\n');
        lines.map(|line| line.escape_ascii().to_string()).collect()
    };
    let (found_lines, expected_lines) = (lines(found), lines(expected));
    let number = (0..)
        .find(|&at| found_lines.get(at) != expected_lines.get(at))
        .unwrap_or_default();
    let show = |lines: &[String]| match lines.get(number) {
        Some(line) => line.chars().take(300).collect(),
        None => "(nothing more)".to_owned(),
    };
    bail!(
        "{what} differs ({} bytes, expected {}), first in line {}:\n  found    {}\n  expected {}",
        found.len(),
        expected.len(),
        number + 1,
        show(&found_lines),
        show(&expected_lines)
    );
}
