// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot build --timings`: as a table, and as JSON.

use std::process::Output;
use testsuite::{case, tools};

fn build(more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tools::wasm_aot().unwrap();
    command.arg("build").arg(case::app("nbody-c.wasm"));
    command.arg("-o").arg(folder.path().join("out.o"));
    let output = command.args(more).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // No progress bar where standard error is no terminal.
    assert!(output.stderr.is_empty(), "{output:?}");
    output
}

const PHASES: [&str; 6] = ["read", "validate", "plan", "functions", "emit", "write"];

#[test]
fn as_a_table() {
    let text = String::from_utf8(build(&["--timings"]).stdout).unwrap();
    let first = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let names: Vec<String> = text.lines().map(first).collect();
    assert_eq!(names, [&PHASES[..], &["total"]].concat(), "{text}");
    assert!(build(&[]).stdout.is_empty());
}

#[test]
fn as_json() {
    let text = build(&["--timings", "--json", "--quiet"]).stdout;
    let done: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let timings = &done["timings"];
    let phases = timings["phases"].as_array().unwrap();
    let names: Vec<&str> = phases
        .iter()
        .map(|p| p["phase"].as_str().unwrap())
        .collect();
    assert_eq!(names, PHASES);
    let seconds = |value: &serde_json::Value| value.as_f64().unwrap();
    let sum: f64 = phases.iter().map(|phase| seconds(&phase["seconds"])).sum();
    let total = seconds(&timings["total_seconds"]);
    assert!((sum - total).abs() < 1e-3, "{sum} of {total}");
    assert!(timings["functions"].as_u64().unwrap() > 10);
    assert!(seconds(&timings["generate_thread_seconds"]) > 0.0);
    let plain: serde_json::Value = serde_json::from_slice(&build(&["--json"]).stdout).unwrap();
    assert!(plain.get("timings").is_none());
}
