// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4: apps are loaded and unloaded in idle time all the while, and nobody with a contract
//! notices: the kernel is interrupted in whatever that takes.

use sel4_host::bundle::{AppSpec, Policy};
use std::time::Duration;
use testsuite::{boot, hostile, realtime};

/// Release jitter at most.
const JITTER_NS: u64 = 50_000;
/// Apps that come and go.
const COMING: usize = 60;

/// Takes large pages and small ones, and gives them back at once.
const COMES: &str = r#"(module (memory 70) (func (export "_start")
    (drop (memory.grow (i32.const 3)))))"#;
/// The same by a trap.
const TRAPS: &str = r#"(module (memory 40) (func (export "_start") unreachable))"#;

#[test]
fn loading_and_unloading_disturbs_nobody() {
    let scratch = tempfile::tempdir().unwrap();
    let loads = realtime::twenty();
    let apps = loads.iter().enumerate();
    let mut apps: Vec<AppSpec> = apps
        .map(|(number, load)| realtime::app(number, *load, scratch.path()).unwrap())
        .collect();
    let [comes, traps] = [COMES, TRAPS].map(|text| hostile::object(scratch.path(), text).unwrap());
    for number in 0..COMING {
        let object = if number % 2 == 0 { &comes } else { &traps };
        apps.push(boot::app(&format!("batch-{number:02}"), object.clone()));
    }
    let run = realtime::run(&apps, Policy::FixedPriority, Duration::from_secs(4)).unwrap();
    assert!(run.refusals.is_empty(), "{:?}", run.refusals);
    let mut worst = 0;
    for number in 0..loads.len() {
        let report = &run.reports[&format!("load-{number:02}")];
        let jitter = report.jitter().max_ns();
        assert!(report.releases() > 0);
        assert_eq!(report.misses() + report.overruns(), 0, "load {number}");
        worst = worst.max(jitter);
    }
    println!(
        "jitter {worst} ns at most, {} apps ended",
        run.exit_codes.len()
    );
    assert!(worst <= JITTER_NS, "{worst} ns of jitter");
    let ended = |name: &&String| name.starts_with("batch-");
    let ended = run.exit_codes.keys().filter(ended).count();
    assert!(ended > COMING / 2, "only {ended} apps came and went");
}
