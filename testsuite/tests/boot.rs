// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot boot`: what people and programs see of a machine, and its exit status.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;
use testsuite::{case, tools};

fn wasm_aot(arguments: &[&str]) -> Output {
    let mut command = tools::wasm_aot().unwrap();
    command.args(arguments).output().unwrap()
}

/// Boots with a clock that counts instructions, so that each run is the same.
fn boot(arguments: &[&str]) -> Output {
    let options = ["boot", "--icount", "--timeout", "120"];
    wasm_aot(&[&options[..], arguments].concat())
}

/// A sample with its manifest.
fn sample(name: &str) -> String {
    let file = |kind| case::app(&format!("realtime/{name}.{kind}"));
    format!("{}@{}", file("wat").display(), file("toml").display())
}

/// A module that writes two lines, the second without its end.
fn speaker(folder: &Path) -> String {
    let path = folder.join("speaker.wat");
    let module = r#"(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\10\00\00\00\09\00\00\00")
        (data (i32.const 16) "one\ntwo 2")
        (func (export "_start")
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))"#;
    fs::write(&path, module).unwrap();
    path.display().to_string()
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

#[test]
fn lines_come_behind_names_and_a_table_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let speaker = speaker(folder.path());
    let output = boot(&[&speaker, &speaker]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let out = lines(&output.stdout);
    let expected = [
        "speaker.wat   | one",
        "speaker.wat   | two 2",
        "speaker.wat#2 | one",
        "speaker.wat#2 | two 2",
    ];
    assert_eq!(out[..4], expected);
    assert!(out[4].starts_with("app "), "{out:?}");
    assert!(out[6].starts_with("speaker.wat ") && out[6].ends_with(" 0"));
    assert_eq!(out.len(), 8);
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn an_image_is_booted_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("app.img").display().to_string();
    let speaker = speaker(folder.path());
    assert!(
        wasm_aot(&["image", &speaker, "-o", &image])
            .status
            .success()
    );
    let output = boot(&[&image]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(lines(&output.stdout)[0], "speaker.wat | one");
    let output = boot(&["--for", "1 s", &image]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("app.img is an image"), "{said}");
}

#[test]
fn traps_refusals_and_exit_codes_are_failures() {
    let folder = tempfile::tempdir().unwrap();
    let speaker = speaker(folder.path());
    let app = |name: &str| case::app(name).display().to_string();
    let (trap, exit, refused) = (
        app("unreachable.wasm"),
        app("exit42.wasm"),
        app("import-unknown.wat"),
    );
    let output = boot(&[&trap, &exit, &refused, &speaker]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("unreachable.wasm   | wasm trap: wasm `unreachable`"),
        "{said}"
    );
    assert!(said.contains("import-unknown.wat | refused: "), "{said}");
    let last = said.trim_end().lines().last().unwrap();
    let expected = "error: unreachable.wasm: 1 trap; exit42.wasm: exit code 42; \
                    import-unknown.wat: refused";
    assert_eq!(last, expected);
    assert!(lines(&output.stdout).contains(&"speaker.wat        | two 2".to_owned()));
}

#[test]
fn contracts_are_kept_and_reported() {
    let apps = ["control", "filter", "spin", "trap"].map(sample);
    let apps: Vec<_> = apps.iter().map(String::as_str).collect();
    let run = || {
        let output = boot(&[&["--json", "--for", "1050 ms"][..], &apps].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let found = run();
    assert_eq!(found["finished"], true);
    let [control, filter, spin, trap] = [0, 1, 2, 3].map(|index| &found["apps"][index]);
    for (app, least) in [(control, 1000), (filter, 200)] {
        let report = &app["report"];
        assert_eq!(app["problems"], Value::Array(Vec::new()), "{app}");
        assert!(report["releases"].as_u64().unwrap() >= least, "{report}");
        assert_eq!(report["misses"], 0);
        let response = &report["response"];
        assert!(response["p50_ns"].as_u64() <= response["max_ns"].as_u64());
        assert!(response["max_ns"].as_u64() <= report["deadline_ns"].as_u64());
    }
    // It tests itself: what it writes shows that no step was lost.
    assert_eq!(control["stdout"]["text"], "control: 1000 jobs done\n");
    let count = |app: &Value, field: &str| app["report"][field].as_u64().unwrap();
    assert!(count(spin, "overruns") >= 95, "{spin}");
    assert_eq!(count(spin, "completions"), 0);
    assert!(count(trap, "traps") >= 95, "{trap}");
    assert_eq!(trap["traps"].as_array().unwrap().len(), 3);
    assert_eq!(trap["trap_count"], count(trap, "traps"));
    // Time is counted in instructions: the same again.
    assert_eq!(run()["apps"], found["apps"]);
}
