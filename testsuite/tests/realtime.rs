// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4: apps with deadlines keep them, whatever others do. The program that prints the whole table
//! (`cargo xtask realtime`) is run for some seconds of virtual time.

use sel4_host::bundle::{AppSpec, Policy};
use std::process::Command;
use std::time::Duration;
use testsuite::realtime;
use wasm_aot_contract::{Class, Contract, Mapping, Reaction};

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

/// An app with 16 MiB that touches three pages of it at every release, and at its fifth release
/// one that it does not have.
const TOUCHES: &str = r#"(module (memory (export "memory") 256 256) (global $n (mut i32) (i32.const 0))
  (func (export "tick")
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (i32.store (i32.const 5242880) (i32.load (i32.const 0)))
    (i64.store (i32.const 16777208) (i64.load (i32.const 5242880)))
    (if (i32.eq (i32.load (i32.const 16777208)) (i32.const 5))
      (then (i32.store (i32.const 16777216) (i32.const 0))))
    (if (i32.ne (i32.load (i32.const 0)) (i32.load (i32.const 16777208)))
      (then unreachable))))"#;

#[test]
fn lazy_memory_is_taken_when_it_is_touched() {
    let scratch = tempfile::tempdir().unwrap();
    let object = testsuite::hostile::object(scratch.path(), TOUCHES).unwrap();
    let app = |name: &str, mapping| {
        let contract = Contract {
            class: Class::Periodic,
            period_us: 20_000,
            deadline_us: 20_000,
            budget_us: 500,
            memory_max_bytes: 32 << 20,
            on_trap: Reaction::Stop,
            mapping,
            ..Contract::default()
        };
        AppSpec {
            contract: wasm_aot_contract::encode(&contract).unwrap(),
            ..testsuite::boot::app(name, object.clone())
        }
    };
    let apps = [app("eager", Mapping::Eager), app("lazy", Mapping::Lazy)];
    let run = realtime::run(&apps, Policy::FixedPriority, Duration::from_secs(1)).unwrap();
    let memory = |name: &str| run.reports[name].memory_high_bytes();
    assert!(memory("eager") > 16 << 20, "{}", memory("eager"));
    assert!(memory("lazy") < 1 << 20, "{}", memory("lazy"));
    for name in ["eager", "lazy"] {
        let report = &run.reports[name];
        assert_eq!((report.completions(), report.traps()), (4, 1), "{name}");
        // The job that touches a page first waits for the manager: that is the price.
        assert!(report.misses() <= u64::from(name == "lazy"), "{name}");
        let trap = &run.traps[name][0];
        assert!(trap.contains("out of bounds memory access"), "{trap}");
    }
}
