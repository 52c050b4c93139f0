// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4: apps with deadlines keep them, whatever others do. The program that prints the whole table
//! (`cargo xtask realtime`) is run for some seconds of virtual time.

use std::process::Command;

#[test]
fn promises_are_kept_beside_hostile_apps() {
    let output = Command::new(env!("CARGO_BIN_EXE_realtime"))
        .arg("--quick")
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{table}{errors}");
    assert!(table.contains("deadlines missed"), "{table}");
}
