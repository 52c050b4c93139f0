// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4: thousands of apps in one boot, eight at once, which end in any order and wherever they are:
//! what is free afterwards is what was free before, to the byte.

use sel4_host::bundle::AppSpec;
use std::path::Path;
use std::time::Duration;
use testsuite::boot::{app, churn};
use testsuite::{hostile, tools};

/// Says something and grows its memory.
const GROWS: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\05\00\00\00")
    (data (i32.const 16) "here\n")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
        (drop (memory.grow (i32.const 40)))))"#;
/// Traps at once.
const TRAPS: &str = r#"(module (memory 33) (func (export "_start") unreachable))"#;
/// Never ends.
const LOOPS: &str = r#"(module (func (export "_start") (loop (br 0))))"#;

/// The sample nbody.
fn nbody(folder: &Path) -> AppSpec {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/nbody-c.wasm");
    let object = folder.join("nbody.o");
    let mut build = tools::wasm_aot().unwrap();
    build.arg("build").arg(module).arg("-o").arg(&object);
    assert!(build.output().unwrap().status.success());
    let mut app = app("nbody", std::fs::read(object).unwrap());
    app.args.push("10".to_owned());
    app
}

fn apps(folder: &Path) -> Vec<AppSpec> {
    let mut apps = vec![nbody(folder)];
    for (name, text) in [("grows", GROWS), ("traps", TRAPS), ("loops", LOOPS)] {
        let object = hostile::object(folder, text).unwrap();
        apps.push(app(name, object));
    }
    apps
}

#[test]
fn hundreds_of_apps_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (count, log) = churn(&apps(folder.path()), Duration::from_secs(5), false);
    // Some take milliseconds; a machine that does much else may be slow.
    assert!(count >= 20, "{log}");
}

/// `cargo test --release -p testsuite --test churn -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes"]
fn ten_thousand_apps_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (count, log) = churn(&apps(folder.path()), Duration::ZERO, false);
    println!("{log}");
    assert_eq!(count, 10_000);
}

/// What loading nbody takes, in time that is counted in instructions: the figures of docs/sel4.md.
#[test]
fn loading_takes_milliseconds() {
    let folder = tempfile::tempdir().unwrap();
    let (count, log) = churn(&[nbody(folder.path())], Duration::from_secs(1), true);
    println!("{log}");
    assert!(count >= 50, "{log}");
}
