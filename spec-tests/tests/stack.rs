// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What calls take of the stack, measured on every architecture, is what their objects say, where
//! they go where it is deepest: to the byte, but for what aligns a frame. (That it is never more is
//! checked in all of the official testsuite.)

use spec_tests::engine::{self, Engine};
use spec_tests::{Config, Report};
use std::env;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;
use wasm_aot_compiler::{Bounds, Machine, OptLevel, Options};

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

fn run(options: Options, check: &str, script: &str) -> Report {
    let mut engine = Engine::built(&share(), options.target, Duration::from_secs(120));
    engine.arguments.push(check.into());
    spec_tests::run(script, &Config { options, engine })
}

/// Every way to build: with and without inlining and optimization.
fn builds() -> impl Iterator<Item = Options> {
    let inline = [true, false].into_iter();
    let levels = inline
        .flat_map(|inline| [OptLevel::Speed, OptLevel::None].map(|opt_level| (inline, opt_level)));
    levels.flat_map(|(inline, opt_level)| {
        Machine::ALL.map(|target| Options {
            target,
            cpu: engine::processor(target),
            inline,
            opt_level,
            bounds: Bounds::Explicit,
            ..Options::default()
        })
    })
}

fn exactly(script: &str) {
    for options in builds() {
        let (target, inline, level) = (options.target, options.inline, options.opt_level);
        let report = run(options, "--check-stack=exactly", script);
        let build = format!("{target}, inline {inline}, {level:?}");
        assert!(report.passed > 0, "{build}");
        let failures: Vec<_> = report
            .failures
            .iter()
            .map(|failure| format!("line {}: {failure}", failure.line))
            .collect();
        assert!(failures.is_empty(), "{build}: {failures:#?}");
    }
}

#[test]
fn calls_of_every_kind_take_what_is_said() {
    exactly(
        r#"(module
            (type $u (func (param i64) (result i64)))
            (type $many (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
                (result i64)))
            (table $fixed 2 2 funcref) (elem (table $fixed) (i32.const 0) func $leaf $twice)
            (table $written 1 1 funcref)
            (elem declare func $many)
            (func $leaf (param i64) (result i64) (i64.mul (local.get 0) (i64.const 3)))
            (func $twice (param i64) (result i64)
                (i64.add (call $leaf (local.get 0)) (call $leaf (i64.const 1))))
            (func $many (type $many)
                (i64.add (call $twice (local.get 10)) (call $twice (local.get 11))))
            (func $set (table.set $written (i32.const 0) (ref.func $many)))
            (start $set)
            (func (export "by_name") (param i64) (result i64)
                (i64.add (i64.const 1) (call $twice (local.get 0))))
            (func (export "by_table") (param i64) (result i64)
                (i64.add (i64.const 1)
                    (call_indirect $fixed (type $u) (i64.const 2) (i32.wrap_i64 (local.get 0)))))
            (func (export "by_type") (param i64) (result i64)
                (call_indirect $written (type $many) (i64.const 1) (i64.const 2) (i64.const 3)
                    (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8)
                    (i64.const 9) (i64.const 10) (i64.const 11) (local.get 0)
                    (i32.wrap_i64 (local.get 0))))
            (func (export "by_reference") (param i64) (result i64)
                (i64.add (i64.const 1) (call_ref $u (local.get 0) (ref.func $twice)))))
        (assert_return (invoke "by_name" (i64.const 4)) (i64.const 16))
        (assert_return (invoke "by_table" (i64.const 1)) (i64.const 10))
        (assert_return (invoke "by_type" (i64.const 0)) (i64.const 39))
        (assert_return (invoke "by_reference" (i64.const 4)) (i64.const 16))"#,
    );
}

/// Tail calls to and from functions with stack arguments, in circles as well, by name, by type and
/// through a table; the deepest is in the middle.
#[test]
fn tail_calls_take_what_is_said() {
    exactly(
        r#"(module
            (type $u (func (param i64) (result i64)))
            (type $many (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
                (result i64)))
            (table $fixed 2 2 funcref) (elem (table $fixed) (i32.const 0) func $even $deep)
            (func $even (type $many)
                (if (result i64) (i64.le_s (local.get 0) (i64.const 0))
                    (then (return_call $deep (local.get 11)))
                    (else (return_call $odd (i64.sub (local.get 0) (i64.const 1))))))
            (func $odd (param i64) (result i64)
                (return_call $even (i64.sub (local.get 0) (i64.const 1)) (i64.const 2)
                    (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
                    (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11) (local.get 0)))
            (func $deep (param i64) (result i64)
                (i64.add (call $leaf (local.get 0)) (call $leaf (i64.const 1))))
            (func $leaf (param i64) (result i64) (i64.mul (local.get 0) (i64.const 3)))
            (func (export "by_name") (param i64) (result i64)
                (i64.add (i64.const 1) (call $odd (local.get 0))))
            (func (export "directly") (param i64) (result i64)
                (return_call $odd (local.get 0)))
            (func (export "by_table") (param i64) (result i64)
                (return_call_indirect $fixed (type $u) (local.get 0) (i32.const 1)))
            (func (export "by_reference") (param i64) (result i64)
                (return_call_ref $many (i64.const 0) (i64.const 2)
                    (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
                    (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11) (local.get 0)
                    (ref.func $even))))
        (assert_return (invoke "by_name" (i64.const 9)) (i64.const 7))
        (assert_return (invoke "directly" (i64.const 9)) (i64.const 6))
        (assert_return (invoke "by_table" (i64.const 9)) (i64.const 30))
        (assert_return (invoke "by_reference" (i64.const 9)) (i64.const 30))"#,
    );
}

/// Chains of functions with random parameters, results and values that live across calls.
#[test]
fn chains_of_random_functions_take_what_is_said() {
    let mut state = 5u64;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    for tail in [false, true] {
        let mut script = String::new();
        for _ in 0..12 {
            script += &chain(&mut random, tail);
        }
        exactly(&script);
    }
}

/// A module of functions each of which calls the next, and the call of the first; with `tail`
/// some by a tail call, where the results are equal.
fn chain(random: &mut impl FnMut(usize) -> usize, tail: bool) -> String {
    let types = ["i32", "i64", "f32", "f64", "v128"];
    let mut list = |most| -> Vec<&str> {
        let count = random(most);
        (0..count).map(|_| types[random(5)]).collect()
    };
    let depth = 2 + list(6).len();
    let mut results = list(6);
    let mut params: Vec<&str> = Vec::new();
    let mut module = String::from("(module (memory 1)\n");
    let mut functions = Vec::new();
    for _ in 0..depth {
        functions.push((list(14), list(4)));
    }
    for (index, (callee_params, own)) in functions.iter().enumerate() {
        let text = |types: &[&str]| types.join(" ");
        let _ = writeln!(
            module,
            "(func $f{index} {} (param {}) (result {})",
            if index == 0 { "(export \"f\")" } else { "" },
            text(&params),
            text(&results)
        );
        if index + 1 == depth {
            results.iter().for_each(|ty| module += &constant(ty));
            module += ")\n";
            break;
        }
        let arguments: String = callee_params.iter().map(|ty| constant(ty)).collect();
        let next = index + 1;
        if tail && own.len() % 2 == 1 {
            let _ = writeln!(module, "{arguments} (return_call $f{next}))");
        } else {
            // A value that is needed after the call, and another call that is less deep.
            let _ = write!(
                module,
                "(local $kept i64) (local.set $kept (i64.load (i32.const 8)))\n\
                 {arguments} (call $f{next})\n"
            );
            results.iter().for_each(|_| module += "(drop) ");
            module += "(i64.store (i32.const 16) (local.get $kept))\n";
            results.iter().for_each(|ty| module += &constant(ty));
            module += ")\n";
        }
        params = callee_params.clone();
    }
    results.clear();
    module += ")\n(invoke \"f\")\n(assert_return (invoke \"g\") (i32.const 1))\n";
    module.replace(
        "(module (memory 1)\n",
        "(module (memory 1) (func (export \"g\") (result i32) (i32.const 1))\n",
    )
}

fn constant(ty: &str) -> String {
    match ty {
        "v128" => "(v128.const i64x2 1 2) ".into(),
        ty => format!("({ty}.const 1) "),
    }
}
