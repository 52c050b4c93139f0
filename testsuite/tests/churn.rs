// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4: thousands of apps in one boot, eight at once, which end in any order and wherever they are:
//! what is free afterwards is what was free before, to the byte.

use std::time::Duration;
use testsuite::boot::churn;
use testsuite::churn::{apps, nbody};

#[test]
fn hundreds_of_apps_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (count, log) = churn(&apps(folder.path()).unwrap(), Duration::from_secs(5), false).unwrap();
    // Some take milliseconds; a machine that does much else may be slow.
    assert!(count >= 20, "{log}");
}

/// `cargo test --release -p testsuite --test churn -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn ten_thousand_apps_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (count, log) = churn(&apps(folder.path()).unwrap(), Duration::ZERO, false).unwrap();
    println!("{log}");
    assert_eq!(count, 10_000);
}

/// What loading nbody takes, in time that is counted in instructions: the figures of docs/sel4.md.
#[test]
fn loading_takes_milliseconds() {
    let folder = tempfile::tempdir().unwrap();
    let (count, log) = churn(
        &[nbody(folder.path()).unwrap()],
        Duration::from_secs(1),
        true,
    )
    .unwrap();
    println!("{log}");
    assert!(count >= 50, "{log}");
}
