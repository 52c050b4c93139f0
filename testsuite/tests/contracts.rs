// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Contracts: from a manifest into an object, what is refused on the way, and the samples that
//! have one.

use std::fs;
use std::path::Path;
use std::process::Output;
use testsuite::{case, hostile, tools};

fn wasm_aot(arguments: &[&str]) -> Output {
    let mut command = tools::wasm_aot().unwrap();
    command.args(arguments).output().unwrap()
}

/// Runs, expects status 1 and one line `error: ...` that contains each of `parts`.
#[track_caller]
fn refused(arguments: &[&str], parts: &[&str]) {
    let output = wasm_aot(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert!(said.starts_with("error: "), "{arguments:?}: {said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{arguments:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{arguments:?}: no `{part}` in: {said}");
    }
}

fn sample(name: &str) -> String {
    case::app(&format!("realtime/{name}")).display().to_string()
}

/// A file in a folder.
fn file(folder: &Path, name: &str, contents: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, contents).unwrap();
    path.display().to_string()
}

/// Builds a sample with its manifest.
fn built(folder: &Path, name: &str) -> String {
    let object = folder.join(format!("{name}.o")).display().to_string();
    let (module, manifest) = (
        sample(&format!("{name}.wat")),
        sample(&format!("{name}.toml")),
    );
    let output = wasm_aot(&["build", &module, "--manifest", &manifest, "-o", &object]);
    assert!(output.status.success(), "{output:?}");
    object
}

#[test]
fn the_object_has_the_contract_and_so_has_what_is_linked() {
    let folder = tempfile::tempdir().unwrap();
    let object = built(folder.path(), "logger");
    let output = wasm_aot(&["inspect", "--json", &object]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let contract = &report["contract"];
    assert_eq!(contract["name"], "logger");
    assert_eq!(contract["class"], "server");
    assert_eq!(contract["period_us"], 10_000);
    assert_eq!(contract["deadline_us"], 10_000);
    assert_eq!(contract["budget_us"], 500);
    assert_eq!(contract["slack"], true);
    assert_eq!(contract["memory_max_bytes"], 2_097_152);
    let imports = contract["imports"].as_array().unwrap();
    assert_eq!(imports[1], "wasi_snapshot_preview1.poll_oneoff");
    let text = wasm_aot(&["inspect", &object]).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("server, 500 us every 10000 us"), "{text}");

    let program = folder.path().join("program").display().to_string();
    let output = wasm_aot(&["link", &object, "-o", &program]);
    assert!(output.status.success(), "{output:?}");
    let name = wasm_aot_object::section::CONTRACT;
    let bytes = |path| fs::read(path).unwrap();
    let (object, program) = (bytes(&object), bytes(&program));
    let section = |bytes: &[u8]| bytes[hostile::section(bytes, name).unwrap()].to_vec();
    assert_eq!(section(&object), section(&program));
}

#[test]
fn without_a_manifest_there_is_no_contract() {
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("a.o").display().to_string();
    assert!(
        wasm_aot(&["build", &sample("logger.wat"), "-o", &object])
            .status
            .success()
    );
    let output = wasm_aot(&["inspect", "--json", &object]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.get("contract").is_none());
}

#[test]
fn what_a_module_cannot_keep_is_refused_and_leaves_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let module = file(
        folder.path(),
        "app.wat",
        r#"(module
            (import "env" "f" (func))
            (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
            (memory 3)
            (global (export "g") i32 (i32.const 0))
            (func (export "tick"))
            (func (export "one") (param i32)))"#,
    );
    let object = folder.path().join("app.o");
    let out = object.display().to_string();
    let time = "[time]\nperiod_us = 1000\nbudget_us = 100\n";
    let all = "[imports]\nallow = [\"*\"]\n";
    for (manifest, parts) in [
        (
            format!("{time}[app]\nentry = \"step\"\n"),
            &["`step`", "exports nothing of that name"][..],
        ),
        (
            format!("{time}[app]\nentry = \"one\"\n"),
            &["`one`, which is (i32) -> (), not a function () -> ()"],
        ),
        (
            format!("{time}[app]\nentry = \"g\"\n"),
            &["`g`, which is global"],
        ),
        (
            "[imports]\nallow = [\"wasi_snapshot_preview1.*\"]\n".into(),
            &["imports `env.f`, which no pattern of imports.allow allows"],
        ),
        (
            "[imports]\nallow = [\"env.f\", \"env.g\"]\n".into(),
            &["imports `wasi_snapshot_preview1.sched_yield`"],
        ),
        (
            format!("[memory]\nmax_bytes = 131072\n{all}"),
            &["memory.max_bytes is 131072, but the module's memories begin with 196608 bytes"],
        ),
        (
            "[time]\nperiod_us = 1000\nbudget_us = 100\ndeadlin_us = 5\n".into(),
            &["line 4, column 1: unknown field `deadlin_us`"],
        ),
        (
            "[time]\nperiod_us = 1000\nbudget_us = 2000\n".into(),
            &["line 3, column 13: time.budget_us is 2000, more than time.deadline_us"],
        ),
    ] {
        let manifest = file(folder.path(), "app.toml", &manifest);
        let parts: Vec<_> = ["app.toml"].iter().chain(parts).copied().collect();
        refused(
            &["build", &module, "--manifest", &manifest, "-o", &out],
            &parts,
        );
        assert!(!object.exists());
    }
    let recursive = sample("recurse.wat");
    let manifest = file(folder.path(), "app.toml", time);
    refused(
        &["build", &recursive, "--manifest", &manifest, "-o", &out],
        &["app.toml: memory.stack_bytes is missing", "recursive"],
    );
    let good = file(folder.path(), "app.toml", &format!("{time}{all}"));
    let output = wasm_aot(&["build", &module, "--manifest", &good, "-o", &out]);
    assert!(output.status.success(), "{output:?}");
    refused(
        &["build", &module, "--manifest", "no-such.toml", "-o", &out],
        &["no-such.toml", "No such file"],
    );
}

#[test]
fn a_damaged_contract_is_refused_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let object = built(folder.path(), "control");
    let mut bytes = fs::read(&object).unwrap();
    let name = wasm_aot_object::section::CONTRACT;
    let section = hostile::section(&bytes, name).unwrap();
    // Its version.
    bytes[section.start + 8] = 77;
    fs::write(&object, bytes).unwrap();
    let parts = [name, "contract version 77"];
    refused(&["inspect", &object], &parts);
    refused(&["run", "--invoke", "tick", &object], &parts);
    refused(
        &["run", "--on", "sel4", "--invoke", "tick", &object],
        &parts,
    );
}

#[test]
fn an_object_that_does_not_keep_its_own_contract_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let object = built(folder.path(), "control");
    let mut bytes = fs::read(&object).unwrap();
    let section = hostile::section(&bytes, wasm_aot_object::section::CONTRACT).unwrap();
    let contract = &mut bytes[section];
    let name = b"fd_write";
    let at = contract.windows(name.len()).position(|text| text == name);
    contract[at.unwrap()] = b'g';
    fs::write(&object, bytes).unwrap();
    let image = folder.path().join("app.img").display().to_string();
    let parts = [
        "control.o",
        "`wasi_snapshot_preview1.fd_write`",
        "imports.allow",
    ];
    refused(&["image", &object, "-o", &image], &parts);
    refused(&["run", "--on", "sel4", &object], &parts);
}

#[test]
fn every_sample_can_keep_its_contract() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in fs::read_dir(case::app("realtime")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "wat") {
            built(folder.path(), path.file_stem().unwrap().to_str().unwrap());
            count += 1;
        }
    }
    assert!(count >= 9, "{count}");
}

#[test]
fn the_samples_do_their_work() {
    for (name, jobs) in [("control.wat", "10000"), ("filter.wat", "1000")] {
        let output = wasm_aot(&["run", "--invoke", "ticks", &sample(name), jobs]);
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap().lines().count();
        assert_eq!(lines, if name == "control.wat" { 10 } else { 0 });
    }
    for (name, report) in [
        ("recurse.wat", "call stack exhausted"),
        ("trap.wat", "unreachable"),
    ] {
        let output = wasm_aot(&["run", "--invoke", "tick", &sample(name)]);
        assert_eq!(output.status.code(), Some(134), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(report));
    }
}

#[test]
fn an_image_takes_manifests_grants_and_a_duration() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("app.img").display().to_string();
    let manifest = file(
        folder.path(),
        "uart.toml",
        "[app]\nname = \"uart\"\n[[device]]\nname = \"uart1\"\n",
    );
    let with_manifest = format!("{}@{manifest}", sample("trap.wat"));
    let (control, spin) = (built(folder.path(), "control"), sample("spin.wat"));
    let grant = ["--grant", "uart1=io:0x2f8+8,irq:3"];
    let common = ["image", &control, &spin, &with_manifest, "-o", &image];
    let more = ["--policy", "edf", "--for", "500 ms"];
    let output = wasm_aot(&[&common[..], &grant, &more].concat());
    assert!(output.status.success(), "{output:?}");
    let bytes = fs::read(&image).unwrap();
    // The root task's code has the magic number as well.
    let bundle = (0..bytes.len())
        .filter(|&at| bytes[at..].starts_with(&sel4_host::bundle::MAGIC))
        .find_map(|at| sel4_host::bundle::Bundle::parse(&bytes[at..]).ok())
        .unwrap();
    assert_eq!(bundle.policy(), sel4_host::bundle::Policy::EarliestDeadline);
    assert_eq!(bundle.duration_us(), 500_000);
    let grants: Vec<_> = bundle.grants().map(|grant| grant.name).collect();
    assert_eq!(grants, ["uart1"]);
    let apps: Vec<_> = bundle
        .apps()
        .map(|app| (app.name, app.contract.is_empty()))
        .collect();
    // Names of contracts, the file's where there is none; the object's contract stays in it.
    assert_eq!(
        apps,
        [("control", true), ("spin.wat", true), ("uart", false)]
    );

    refused(&common, &["uart: ", "`uart1`", "--grant"]);
    let again = [&common[..], &grant, &grant].concat();
    refused(&again, &["--grant uart1: there are two"]);
    let broken = file(
        folder.path(),
        "broken.toml",
        "[time]\nperiod_us = 5\nbudget_us = 5\n",
    );
    let broken = format!("{spin}@{broken}");
    refused(
        &["image", &broken, "-o", &image],
        &["broken.toml: line 2, column 13: time.period_us is 5"],
    );
    let entry = file(
        folder.path(),
        "entry.toml",
        "[app]\nentry = \"tock\"\n[time]\nperiod_us = 500\nbudget_us = 50\n",
    );
    refused(
        &["image", &spin, "--manifest", &entry, "-o", &image],
        &["entry.toml, for ", "spin.wat: ", "`tock`"],
    );
    let on_linux = ["run", "--manifest", &entry, &spin];
    refused(&on_linux, &["--on sel4"]);
}

#[test]
fn a_wrong_command_line_has_status_2() {
    for option in [
        ["--grant", "uart1=io:0x2f8"],
        ["--for", "10"],
        ["--policy", "rm"],
    ] {
        let output = wasm_aot(&[&["image", "a.o", "-o", "a.img"][..], &option].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{option:?}: {said}");
        assert!(said.contains(option[1]), "{option:?}: {said}");
    }
}
