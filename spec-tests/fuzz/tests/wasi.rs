// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A bounded run of the hostile programs.

use std::process::Command;

#[test]
fn programs_that_call_wasi_at_random_do_no_harm() {
    let mut fuzz = Command::new(env!("CARGO_BIN_EXE_wasm-aot-fuzz-wasi"));
    let output = fuzz
        .args(["--seed", "1", "--count", "200"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("200 programs, 120000 calls"), "{said}");
    // Programs that get nowhere would show nothing.
    let words: Vec<&str> = said.split([' ', ',']).collect();
    let without = words.iter().position(|&word| word == "without").unwrap();
    let successes: u64 = words[without - 1].parse().unwrap();
    assert!(successes > 15_000, "{said}");
}
