// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Traps on every architecture: what the hardware makes of them, and what the reports say.

use spec_tests::engine::{self, Engine};
use spec_tests::{Config, Report};
use std::env;
use std::path::PathBuf;
use std::time::Duration;
use wasm_aot_compiler::{Machine, OptLevel, Options};

/// Bytes of the stack that the engine gives the code.
const STACK: u64 = 1 << 20;

/// Where the engines are: `$WASM_AOT_SHARE`, or the folder in the target folder.
fn share() -> PathBuf {
    let path = match env::var_os("WASM_AOT_SHARE") {
        Some(path) => PathBuf::from(path),
        None => {
            let this = env::current_exe().unwrap();
            let target = this.ancestors().nth(3).unwrap();
            target.join("share/wasm-aot")
        }
    };
    let engines = path.join("engine");
    assert!(
        engines.is_dir(),
        "{} is not there: `cargo xtask engine`",
        engines.display()
    );
    path
}

fn run(machine: Machine, opt_level: OptLevel, script: &str) -> Report {
    let options = Options {
        target: machine,
        cpu: engine::processor(machine),
        opt_level,
        ..Options::default()
    };
    run_with(options, script)
}

fn run_with(options: Options, script: &str) -> Report {
    let machine = options.target;
    let config = Config {
        options,
        engine: Engine::built(&share(), machine, Duration::from_secs(60)),
    };
    spec_tests::run(script, &config)
}

#[test]
fn every_kind_of_trap_is_told_apart() {
    const SCRIPT: &str = r#"
        (module
            (memory 1)
            (type $t (func))
            (table 3 funcref)
            (elem (i32.const 0) $t $i)
            (func $t)
            (func $i (param i32))
            (func (export "div_s") (param i64 i64) (result i64) (i64.div_s (local.get 0) (local.get 1)))
            (func (export "rem_u") (param i32 i32) (result i32) (i32.rem_u (local.get 0) (local.get 1)))
            (func (export "trunc") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
            (func (export "load") (param i32) (result i64) (i64.load offset=1 (local.get 0)))
            (func (export "store") (param i32) (i32.store8 offset=0xffffffff (local.get 0) (i32.const 1)))
            (func (export "call") (param i32) (call_indirect (type $t) (local.get 0)))
            (func (export "unreachable") (unreachable))
            (func $recurse (export "recurse") (param i32) (result i32)
                (i32.add (i32.const 1) (call $recurse (local.get 0)))))
        (assert_trap (invoke "div_s" (i64.const 1) (i64.const 0)) "integer divide by zero")
        (assert_trap (invoke "div_s" (i64.const 0x8000000000000000) (i64.const -1)) "integer overflow")
        (assert_trap (invoke "rem_u" (i32.const 1) (i32.const 0)) "integer divide by zero")
        (assert_trap (invoke "trunc" (f64.const nan)) "invalid conversion to integer")
        (assert_trap (invoke "trunc" (f64.const 1e10)) "integer overflow")
        (assert_trap (invoke "load" (i32.const 65528)) "out of bounds memory access")
        (assert_trap (invoke "load" (i32.const -1)) "out of bounds memory access")
        (assert_return (invoke "load" (i32.const 65527)) (i64.const 0))
        (assert_trap (invoke "store" (i32.const -1)) "out of bounds memory access")
        (assert_return (invoke "call" (i32.const 0)))
        (assert_trap (invoke "call" (i32.const 1)) "indirect call type mismatch")
        (assert_trap (invoke "call" (i32.const 2)) "uninitialized element")
        (assert_trap (invoke "call" (i32.const 3)) "undefined element")
        (assert_trap (invoke "unreachable") "unreachable")
        (assert_exhaustion (invoke "recurse" (i32.const 0)) "call stack exhausted")
        (assert_return (invoke "call" (i32.const 0)))"#;
    for machine in Machine::ALL {
        let report = run(machine, OptLevel::Speed, SCRIPT);
        let failures = &report.failures;
        assert!(failures.is_empty(), "{machine}: {failures:#?}");
        assert!(report.passed >= 16, "{machine}: {}", report.passed);
    }
}

/// The message of the only directive that fails: a call that traps where none is expected.
fn message(report: &Report) -> &str {
    match &report.failures[..] {
        [failure] => &failure.message,
        others => panic!("{others:#?}"),
    }
}

#[test]
fn backtraces_name_every_function_alike() {
    const SCRIPT: &str = r#"
        (module
            (func $leaf (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
            (func $calls (param i32) (result i32) (i32.add (i32.const 1) (call $leaf (local.get 0))))
            (func $spills (param i32) (result i64) (local i64 i64)
                (local.set 1 (i64.extend_i32_s (local.get 0)))
                (local.set 2 (i64.mul (local.get 1) (i64.const 3)))
                (i64.add
                    (i64.add (i64.extend_i32_u (call $calls (local.get 0))) (local.get 1))
                    (local.get 2)))
            (func $many (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
                (i64.add (local.get 9) (call $spills (i32.wrap_i64 (local.get 9)))))
            (func $outer (export "outer") (result i64)
                (call $many (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
                    (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) (i64.const 0))))
        (assert_return (invoke "outer") (i64.const 0))"#;
    let expected = ["leaf", "calls", "spills", "many", "outer"];
    let mut reference: Option<String> = None;
    for machine in Machine::ALL {
        for opt_level in [OptLevel::None, OptLevel::Speed] {
            let report = run(machine, opt_level, SCRIPT);
            let message = message(&report);
            let frames = message.split("; ").filter(|part| part.contains('!'));
            let lines: Vec<&str> = frames.collect();
            assert_eq!(lines.len(), expected.len(), "{machine}: {message}");
            for (line, name) in lines.iter().zip(expected) {
                assert!(line.contains(&format!("!{name}")), "{machine}: {message}");
            }
            let reference = reference.get_or_insert_with(|| message.into());
            assert_eq!(message, reference, "{machine}");
        }
    }
}

/// A module whose `recurse` counts its calls in `depth`, and what it keeps across each.
fn recursion(kept: usize) -> String {
    let locals = "i64 ".repeat(kept);
    let set: String = (1..=kept)
        .map(|i| {
            format!(
                "(local.set {i} (i64.mul (local.get 0) (i64.const {})))",
                i + 2
            )
        })
        .collect();
    let sum: String = (1..=kept)
        .map(|i| format!("(local.set 0 (i64.add (local.get 0) (local.get {i})))"))
        .collect();
    format!(
        r#"(module
            (global $depth (export "depth") (mut i32) (i32.const 0))
            (func $recurse (export "recurse") (param i64) (result i64) (local {locals})
                (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
                {set}
                (local.set 0 (call $recurse (i64.add (local.get 0) (i64.const 1))))
                {sum}
                (local.get 0)))"#
    )
}

#[test]
fn frames_are_as_large_as_the_metadata_says() {
    for machine in Machine::ALL {
        for kept in [0, 3, 40, 300] {
            let module = recursion(kept);
            let options = Options {
                target: machine,
                cpu: engine::processor(machine),
                // Each call is to have a frame.
                inline: false,
                ..Options::default()
            };
            let object = wasm_aot_compiler::compile(module.as_bytes(), &options).unwrap();
            let report = wasm_aot_compiler::inspect::inspect(&object).unwrap();
            let frame = u64::from(report.frame_bytes("recurse").unwrap());
            let script = format!(
                r#"{module}
                (assert_exhaustion (invoke "recurse" (i64.const 0)) "call stack exhausted")
                (assert_return (get "depth") (i32.const 0))"#
            );
            let report = run_with(options, &script);
            let message = message(&report);
            let depth = message.rsplit("i32:").next().unwrap();
            let depth: u64 = depth.trim().parse().unwrap();
            let used = depth * frame;
            // The last frame may have been counted, but not be there; a trampoline comes first.
            let range = STACK - 1024..=STACK + frame;
            assert!(
                range.contains(&used),
                "{machine}: {depth} frames of {frame} bytes are {used}, of {STACK}"
            );
        }
    }
}
