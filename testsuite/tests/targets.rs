// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Objects for every architecture, as other tools see them and as they run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use testsuite::tools;
use wasm_aot_object::Machine;

/// Runs a command that has to succeed.
fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// Builds the object of a module.
fn build(module: &Path, machine: Machine, folder: &Path) -> PathBuf {
    let object = folder.join(format!("{machine}.o"));
    let mut command = tools::wasm_aot().unwrap();
    command.args(["build", "--target", machine.name(), "-o"]);
    succeeds(command.arg(&object).arg(module));
    object
}

#[test]
fn readelf_and_linkers_take_the_objects_silently() {
    let silent = |output: Output, what: &str| {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(said, "", "{what}");
    };
    for machine in Machine::ALL {
        for sample in ["nbody-c.wasm", "hello.wasm", "sort.wasm", "traps.wat"] {
            let folder = tempfile::tempdir().unwrap();
            let what = format!("{sample} for {machine}");
            let object = build(&testsuite::case::app(sample), machine, folder.path());
            let mut readelf = Command::new("readelf");
            silent(succeeds(readelf.arg("-aW").arg(&object)), &what);
            // Imports stay undefined, hence 0.
            let mut ld = tools::ld(machine);
            ld.args(["-static", "-e", "main:instantiate"])
                .args(["--unresolved-symbols=ignore-all", "-o"])
                .arg(folder.path().join("linked"));
            silent(succeeds(ld.arg(&object)), &what);
            let mut ld = tools::ld(machine);
            ld.arg("-r")
                .arg("-o")
                .arg(folder.path().join("relocatable"));
            silent(succeeds(ld.arg(&object)), &what);
        }
    }
}
