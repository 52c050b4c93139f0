// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot schedule`: what it says of sets that fit and of sets that do not.

use std::fs;
use std::path::Path;
use std::process::Output;
use testsuite::{case, tools};

fn schedule(arguments: &[&str]) -> Output {
    let mut command = tools::wasm_aot().unwrap();
    command.arg("schedule").args(arguments).output().unwrap()
}

fn json(arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let output = schedule(&[&["--json"], arguments].concat());
    let value = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), value)
}

fn sample(name: &str) -> String {
    case::app(&format!("realtime/{name}")).display().to_string()
}

/// A manifest of a periodic app, in a file of this name.
fn periodic(folder: &Path, name: &str, period: u64, budget: u64, more: &str) -> String {
    let path = folder.join(format!("{name}.toml"));
    let text = format!(
        "[app]\nname = \"{name}\"\n[time]\nperiod_us = {period}\nbudget_us = {budget}\n{more}"
    );
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn objects_modules_and_manifests_are_analysed_together() {
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("control.o").display().to_string();
    let (module, manifest) = (sample("control.wat"), sample("control.toml"));
    let mut build = tools::wasm_aot().unwrap();
    build.args(["build", &module, "--manifest", &manifest, "-o", &object]);
    assert!(build.status().unwrap().success());
    let filter = format!("{}@{}", sample("filter.wat"), sample("filter.toml"));
    let (code, answer) = json(&[&object, &filter, &sample("spin.toml"), "--no-root-task"]);
    assert_eq!(code, Some(0));
    assert_eq!(answer["schedulable"], true);
    assert!(answer["reason"].is_null());
    // 100 of 1000, 1000 of 5000, 500 of 10000.
    assert_eq!(answer["utilisation"], 0.35);
    let apps = answer["apps"].as_array().unwrap();
    let names: Vec<_> = apps
        .iter()
        .map(|app| app["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["control", "filter", "spin"]);
    // By deadline: 1000, 4000, 10000. The second waits for two jobs of the first, the third for
    // two of the first and one of the second.
    let responses: Vec<_> = apps.iter().map(|app| &app["response_ns"]).collect();
    assert_eq!(responses, [100_000, 1_200_000, 1_700_000]);
    assert_eq!(apps[1]["slack_ns"], 2_800_000);
    assert_eq!(answer["memory_max_bytes"], 2 * 2_097_152 + 1_048_576);
    assert!(apps[0]["stack_bytes"].as_u64().unwrap() > 0);
    assert!(apps[2]["stack_bytes"].is_null());
}

#[test]
fn a_set_that_does_not_fit_names_who_is_late_by_how_much() {
    let folder = tempfile::tempdir().unwrap();
    let a = periodic(folder.path(), "a", 5000, 2000, "");
    let b = periodic(folder.path(), "b", 7000, 4000, "");
    let set = [a.as_str(), b.as_str(), "--no-root-task"];
    let output = schedule(&set);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    // 4000 and two of 2000.
    let reason = "b can miss its deadline of 7000 us by 1000 us: its longest response is 8000 us";
    assert_eq!(said, format!("error: not schedulable: {reason}\n"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("utilisation 97.14 %"));
    let (code, answer) = json(&[&set[..], &["--policy", "edf"]].concat());
    assert_eq!((code, &answer["schedulable"]), (Some(0), &true.into()));
    assert!(answer["apps"][0]["priority"].is_null());

    let overheads = ["--policy", "edf", "--overhead-job-us", "200"];
    let (code, answer) = json(&[&set[..], &overheads].concat());
    assert_eq!((code, &answer["schedulable"]), (Some(1), &false.into()));
    assert!(
        answer["reason"]
            .as_str()
            .unwrap()
            .contains("the processor is too small")
    );
    // The root task's own work counts unless it is left out.
    let (code, _) = json(&[&a, &b, "--policy", "edf"]);
    assert_eq!(code, Some(1));
}

#[test]
fn given_priorities_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let long = periodic(folder.path(), "long", 10_000, 3_000, "priority = 9\n");
    let short = periodic(folder.path(), "short", 2_000, 100, "priority = 8\n");
    let output = schedule(&[&long, &short]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("short can miss its deadline of 2000 us by 1100 us"),
        "{said}"
    );
}

#[test]
fn a_recursive_module_needs_a_stack_and_memory_has_to_fit() {
    let folder = tempfile::tempdir().unwrap();
    let module = sample("recurse.wat");
    let manifest = periodic(folder.path(), "deep", 10_000, 100, "");
    let output = schedule(&[&format!("{module}@{manifest}")]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("memory.stack_bytes is missing"), "{said}");
    assert!(said.contains("`deeper`, which is recursive"), "{said}");

    let memory = "[memory]\nmax_bytes = 41943040\n";
    let a = periodic(folder.path(), "a", 10_000, 100, memory);
    let set = [a.as_str(), &a];
    assert_eq!(
        json(&[&set[..], &["--machine-memory", "80"]].concat()).0,
        Some(0)
    );
    let (code, answer) = json(&[&set[..], &["--machine-memory", "79"]].concat());
    assert_eq!(code, Some(1));
    let reason = answer["reason"].as_str().unwrap();
    assert!(
        reason.contains("83886080") && reason.contains("1048576 too many"),
        "{reason}"
    );
    let (code, answer) = json(&[&manifest, "--machine-memory", "80"]);
    assert_eq!(code, Some(1));
    assert!(
        answer["reason"]
            .as_str()
            .unwrap()
            .starts_with("deep: memory.max_bytes is missing")
    );
}

#[test]
fn what_has_no_contract_is_refused() {
    for (arguments, status, part) in [
        (vec![sample("control.wat")], 1, "has no contract"),
        (vec![sample("no-such.wat")], 1, "no-such.wat"),
        (vec![], 2, "FILE[@MANIFEST]"),
        (vec!["--policy".into(), "rm".into(), "a".into()], 2, "rm"),
    ] {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let output = schedule(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}
