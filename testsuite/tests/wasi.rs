// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The program that runs the official WASI testsuite, over a small one made of our samples: what
//! passes and what does not is told apart. And a program that asks too much of Linux.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use testsuite::case::app;
use testsuite::tools;

/// A testsuite of one test, a sample.
fn suite(folder: &Path, sample: &str, description: &str) {
    let tests = folder.join("tests/ours/testsuite/wasm32-wasip1");
    fs::create_dir_all(tests.join("root/sub")).unwrap();
    fs::write(tests.join("root/sub/.keep"), "").unwrap();
    fs::copy(app(sample), tests.join("sample.wasm")).unwrap();
    fs::write(tests.join("sample.json"), description).unwrap();
}

fn run(folder: &Path) -> Output {
    let command = tools::wasm_aot().unwrap();
    Command::new(env!("CARGO_BIN_EXE_wasi-testsuite"))
        .arg(folder)
        .arg("linux")
        .arg("--test-threads=1")
        .env("WASM_AOT_TEST_COMMAND", command.get_program())
        .output()
        .unwrap()
}

#[test]
fn what_passes_and_what_does_not() {
    for (sample, description, passes) in [
        ("exit42.wasm", r#"{"exit_code": 42}"#, true),
        ("exit42.wasm", "{}", false),
        (
            "count.wasm",
            r#"{"stdout": "0 lines, 0 words, 0 bytes\n\n"}"#,
            true,
        ),
        (
            "count.wasm",
            r#"{"stdout": "1 lines, 0 words, 0 bytes\n\n"}"#,
            false,
        ),
        ("exit42.wasm", r#"{"no such field": 42}"#, false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        suite(folder.path(), sample, description);
        let output = run(folder.path());
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            output.status.success(),
            passes,
            "{sample} {description}: {said}"
        );
        let outcome = if passes { "ok" } else { "FAILED" };
        let line = format!("test ours/sample::linux ... {outcome}");
        assert!(said.contains(&line), "{line}: {said}");
    }
}

#[test]
fn a_folder_without_tests_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path());
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("prod/testsuite-base"), "{said}");
}

#[test]
fn a_full_disk_and_other_excess_are_errors() {
    let command = tools::wasm_aot().unwrap();
    for (function, answer) in [
        // FBIG: the limit of the shell below.
        ("full", "22\n"),
        // All descriptors but the standard streams and the directory.
        ("handles", "508\n"),
        // NAMETOOLONG, NAMETOOLONG, FAULT, FAULT, PERM, a link to `..`, PERM behind it, FAULT.
        ("names", "3737212163006321\n"),
        ("deep", "0\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("sh")
            .args([
                "-c",
                "ulimit -f 4096 && ulimit -n 1000 && exec \"$@\"",
                "sh",
            ])
            .arg(command.get_program())
            .args(["run", "--invoke", function, "--dir"])
            .arg(format!("{}::/", folder.path().display()))
            .arg(app("hostile-files.wat"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{function}: {said}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            answer,
            "{function}"
        );
    }
}
