// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! That `wasm-aot wast` fails what must fail, and says where and why.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn command() -> Command {
    let program = env::var_os("WASM_AOT_TEST_COMMAND").map(PathBuf::from);
    let program = program.unwrap_or_else(|| {
        let this = env::current_exe().unwrap();
        this.ancestors().nth(2).unwrap().join("wasm-aot")
    });
    assert!(
        program.is_file(),
        "{} is not there: `cargo build --release -p wasm-aot`",
        program.display()
    );
    let mut command = Command::new(program);
    command.arg("wast");
    command
}

/// Runs a script; gives the lines of standard output without the folder's name.
fn lines(script: &str, options: &[&str]) -> (Vec<String>, Option<i32>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.wast");
    std::fs::write(&file, script).unwrap();
    let output = command().args(options).arg(&file).output().unwrap();
    let prefix = format!("{}/", folder.path().display());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| line.replace(&prefix, ""));
    (lines.collect(), output.status.code())
}

/// Checks the messages and the counts of a script that fails.
#[track_caller]
fn fails(script: &str, messages: &[&str], passed: usize) {
    let (lines, status) = lines(script, &[]);
    let (last, found) = lines.split_last().unwrap();
    for (found, message) in found.iter().zip(messages) {
        assert!(found.starts_with(message), "{found}\ninstead of\n{message}");
    }
    assert_eq!(found.len(), messages.len(), "{lines:#?}");
    let failed = messages.len();
    assert_eq!(*last, format!("s.wast: {passed} passed, {failed} failed"));
    assert_eq!(status, Some(1));
}

const MODULE: &str = r#"(module
  (func (export "id") (param i32) (result i32) local.get 0)
  (func (export "pair") (result i32 f64) i32.const -1 f64.const 1.5)
  (func (export "nan") (result f32) f32.const -nan:0x200000)
  (func (export "trap") unreachable)
  (func (export "null") (result externref) ref.null extern)
  (func (export "host") (param externref) (result externref) local.get 0)
  (func (export "forever") (loop br 0))
  (global (export "g") i64 (i64.const 9)))
"#;

/// Two directives that pass stand in front of every script: `spectest` is made and registered.
const ALWAYS: usize = 2;

#[test]
fn wrong_results_are_shown() {
    let script = format!(
        r#"{MODULE}
(assert_return (invoke "id" (i32.const 1)) (i32.const 2))
(assert_return (invoke "id" (i32.const 1)) (i64.const 1))
(assert_return (invoke "id" (i32.const 1)))
(assert_return (invoke "pair") (i32.const -1) (f64.const 1.25))
(assert_return (invoke "nan") (f32.const nan:canonical))
(assert_return (invoke "nan") (f32.const nan:arithmetic))
(assert_return (invoke "null") (ref.extern))
(assert_return (invoke "host" (ref.extern 3)) (ref.extern 4))
(assert_return (get "g") (i64.const 8))
(assert_return (invoke "id" (i32.const 1)) (either (i32.const 2) (i32.const 3)))
"#
    );
    fails(
        &script,
        &[
            r#"s.wast:11: assert_return "id": expected i32:2, got i32:1"#,
            r#"s.wast:12: assert_return "id": expected i64:1, got i32:1"#,
            r#"s.wast:13: assert_return "id": expected nothing, got i32:1"#,
            r#"s.wast:14: assert_return "pair": expected i32:-1, f64:1.25 (0x3ff4000000000000), got i32:-1, f64:1.5"#,
            r#"s.wast:15: assert_return "nan": expected f32:nan:canonical, got f32:nan (0xffa00000)"#,
            r#"s.wast:16: assert_return "nan": expected f32:nan:arithmetic, got f32:nan"#,
            r#"s.wast:17: assert_return "null": expected ref.extern, got ref.null"#,
            r#"s.wast:18: assert_return "host": expected ref.host 4, got ref.host 3"#,
            r#"s.wast:19: assert_return "g": expected i64:8, got i64:9"#,
            r#"s.wast:20: assert_return "id": expected either of i32:2 | i32:3, got i32:1"#,
        ],
        ALWAYS + 1,
    );
}

#[test]
fn wrong_ends_are_shown() {
    let script = format!(
        r#"{MODULE}
(assert_return (invoke "trap"))
(assert_trap (invoke "id" (i32.const 1)) "unreachable")
(assert_trap (invoke "trap") "integer overflow")
(assert_exhaustion (invoke "trap") "call stack exhausted")
(assert_exception (invoke "trap"))
(assert_trap (module (func unreachable) (start 0)) "integer overflow")
(assert_unlinkable (module (func unreachable) (start 0)) "unknown import")
(assert_unlinkable (module (import "spectest" "print" (func))) "unknown import")
(module (import "spectest" "print" (func (param i64))))
(invoke "id" (i32.const 1))
"#
    );
    fails(
        &script,
        &[
            r#"s.wast:11: assert_return "trap": expected nothing, got the trap "wasm `unreachable` instruction executed""#,
            r#"s.wast:12: assert_trap "id": expected a trap (unreachable), got i32:1"#,
            r#"s.wast:13: assert_trap "trap": expected a trap (integer overflow), got the trap "wasm `unreach"#,
            r#"s.wast:14: assert_exhaustion "trap": expected a trap (call stack exhausted), got the trap"#,
            r#"s.wast:15: assert_exception "trap": expected an exception, got the trap"#,
            r#"s.wast:16: assert_trap: expected a trap (integer overflow), got the trap"#,
            r#"s.wast:17: assert_unlinkable: expected a refusal to link (unknown import), got the trap"#,
            r#"s.wast:18: assert_unlinkable: expected a refusal to link (unknown import), got success"#,
            r#"s.wast:19: module: expected success, got a refusal to link (import `spectest.print`: incompat"#,
            r#"s.wast:20: invoke "id": there is no such function"#,
        ],
        ALWAYS + 1,
    );
}

#[test]
fn modules_that_should_be_refused_are_shown() {
    let script = r#"(assert_invalid (module (func (result i32) i32.const 1)) "type mismatch")
(assert_invalid (module (func (result i32) i64.const 1)) "unknown local")
(assert_malformed (module quote "(func i32.const 1 drop)") "unexpected token")
(assert_malformed (module binary "\00asm\01\00\00\00\01\00") "magic header not detected")
(module (func (result i32)))
"#;
    fails(
        script,
        &[
            "s.wast:1: assert_invalid: expected a refusal (type mismatch), got an object without compl",
            r#"s.wast:2: assert_invalid: expected the refusal "unknown local", got: invalid WebAssembly"#,
            "s.wast:3: assert_malformed: expected a refusal (unexpected token), got an object without",
            r#"s.wast:4: assert_malformed: expected the refusal "magic header not detected", got: invalid"#,
            "s.wast:5: module: invalid WebAssembly module: type mismatch",
        ],
        ALWAYS,
    );
}

#[test]
fn nonsense_in_a_script_is_shown() {
    let script = format!(
        r#"{MODULE}
(invoke $nobody "id")
(invoke "nothing")
(invoke "id")
(invoke "id" (i64.const 1))
(register "x" $nobody)
(assert_return (get "id") (i32.const 1))
(module instance $i $nothing)
(wait $t)
"#
    );
    fails(
        &script,
        &[
            r#"s.wast:11: invoke: no instance is named $nobody"#,
            r#"s.wast:12: invoke "nothing": there is no such function"#,
            r#"s.wast:13: invoke "id": the arguments do not fit the parameters: i32"#,
            r#"s.wast:14: invoke "id": the arguments do not fit the parameters: i32"#,
            r#"s.wast:15: register: no instance is named $nobody"#,
            r#"s.wast:16: assert_return "id": there is no such global"#,
            r#"s.wast:17: module instance: there is no such module"#,
            r#"s.wast:18: wait: no thread is named $t"#,
        ],
        ALWAYS + 1,
    );
}

#[test]
fn a_script_that_does_not_parse_fails() {
    let (found, status) = lines(&format!("{MODULE}(get \"g\")"), &[]);
    assert!(
        found[0]
            .starts_with("s.wast:10: syntax error: unexpected token, expected one of: `module`"),
        "{found:#?}"
    );
    assert_eq!(found[1], "s.wast: 0 passed, 1 failed");
    assert_eq!(status, Some(1));
}

#[test]
fn a_script_without_end_is_stopped() {
    let script =
        format!("{MODULE}(invoke \"id\" (i32.const 1))\n(invoke \"forever\")\n(get \"g\")");
    let script = script.replace("(get \"g\")", "(assert_return (get \"g\") (i64.const 9))");
    let (found, status) = lines(&script, &["--timeout", "1"]);
    let expected = [
        r#"s.wast:11: invoke "forever": the engine died here: it was stopped after 1 s"#,
        "s.wast: 4 passed, 2 failed",
    ];
    assert_eq!(found, expected);
    assert_eq!(status, Some(1));
}

#[test]
fn an_engine_that_dies_or_talks_nonsense_fails_the_script() {
    let script = format!("{MODULE}(invoke \"id\" (i32.const 1))");
    for (engine, expected) in [
        ("/bin/false", "the engine died here: it ended with status 1"),
        (
            "/bin/true",
            "the engine died here: it ended before the script did",
        ),
        ("/bin/cat", "what the engine wrote are no outcomes"),
        (
            "/nowhere/engine",
            "cannot run /nowhere/engine: No such file",
        ),
    ] {
        let (found, status) = lines(&script, &["--engine", engine]);
        assert!(found[0].contains(expected), "{found:#?}");
        assert!(
            found.last().unwrap().contains(" 0 passed, 4 failed"),
            "{found:#?}"
        );
        assert_eq!(status, Some(1));
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let output = |path: &Path| -> Output { command().arg("--json").arg(path).output().unwrap() };
    let folder = tempfile::tempdir().unwrap();
    let missing = output(&folder.path().join("missing.wast"));
    let text = String::from_utf8(missing.stdout).unwrap();
    assert!(text.contains(r#""passed":0,"failed":1"#), "{text}");
    assert!(text.contains("cannot open"), "{text}");
    assert_eq!(missing.status.code(), Some(1));
    let bytes = folder.path().join("bytes.wast");
    std::fs::write(&bytes, b"\xff\xfe").unwrap();
    let text = String::from_utf8(output(&bytes).stdout).unwrap();
    assert!(text.contains("is not UTF-8"), "{text}");
}
