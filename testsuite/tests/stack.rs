// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4: apps on stacks of exactly the pages that their bounds say, and of less.

use sel4_host::bundle::{AppSpec, app_flags};
use std::fmt::Write;
use std::fs;
use testsuite::boot::{app, boot};
use testsuite::{case, hostile};
use wasm_aot_loader::Object;
use wasm_aot_loader::stack::program_bound;
use wasm_aot_object::stack::{ENTRY_STACK_BYTES, HOST_STACK_BYTES};

/// Bytes of a page of a stack.
const PAGE: u64 = 4096;

/// Functions of `apps/hostile-files.wat` that go deep into the runtime, and what they print.
const ANSWERS: [(&str, &str); 4] = [
    ("entries", "51\n"),
    ("names", "3737212163006321\n"),
    ("sizes", "2822225121280000\n"),
    ("clocks", "28\n"),
];

fn object(text: &str) -> Vec<u8> {
    hostile::object(tempfile::tempdir().unwrap().path(), text).unwrap()
}

/// Functions that call each other in a chain; the deepest gives the answer.
fn chain() -> String {
    const COUNT: usize = 3000;
    let mut text = String::from("(module (memory 1)\n");
    for index in 0..COUNT {
        let call = format!("(call {} (local.get 0))", index + 1);
        // Called in two places, of which one is never reached: it is not worth inlining.
        let _ = writeln!(
            text,
            "(func (param i32) (result i32) (i32.store offset={} (i32.const 64) (local.get 0))
                (if (i32.load offset=9 (i32.const 0)) (then (return {call})))
                (i32.add (i32.const 1) {call}))",
            index * 4
        );
    }
    text += "(func (param i32) (result i32) (local.get 0))\n(export \"chain\" (func 0)))";
    text
}

/// Bytes of stack that the app needs that calls this function, in pages.
fn needed(object: &[u8], function: &str) -> u64 {
    let object = Object::parse(object).unwrap();
    let bound = program_bound([&object].into_iter(), &["_initialize", function]);
    (bound.unwrap() + ENTRY_STACK_BYTES).next_multiple_of(PAGE)
}

fn calling(function: &str, object: &[u8], stack_size: u64) -> AppSpec {
    AppSpec {
        invoke: function.into(),
        dirs: vec!["/".into()],
        memory_limit: 8 << 20,
        flags: app_flags::INVOKE,
        stack_size,
        ..app(function, object.to_vec())
    }
}

#[test]
fn the_bound_is_enough_and_less_is_not() {
    let files = object(&fs::read_to_string(case::app("hostile-files.wat")).unwrap());
    let mut apps: Vec<AppSpec> = ANSWERS
        .iter()
        .map(|(function, _)| calling(function, &files, needed(&files, function)))
        .collect();
    let chain = object(&chain());
    let enough = needed(&chain, "chain");
    assert!(enough > HOST_STACK_BYTES + 4 * PAGE, "{enough}");
    let arguments = |stack_size| AppSpec {
        args: vec!["chain".into(), "1000".into()],
        ..calling("chain", &chain, stack_size)
    };
    // The page that the runtime's own part needs, and one of the app's, missing.
    apps.extend([arguments(enough), arguments(enough - 2 * PAGE)]);
    let (outcome, said) = boot(&apps);
    let output = |index: usize| {
        let bytes = said.output.get(&(index as u16)).cloned();
        String::from_utf8(bytes.unwrap_or_default()).unwrap()
    };
    for (index, (function, answer)) in ANSWERS.iter().enumerate() {
        assert_eq!(output(index), *answer, "{function}: {:?}", said.traps);
    }
    let (enough, less) = (ANSWERS.len(), ANSWERS.len() + 1);
    assert_eq!(output(enough), "4000\n", "{:?}", said.traps);
    let less = less as u16;
    assert_ne!(outcome.exit_codes[&less], 0);
    let report = &said.traps[&less];
    assert!(report.contains("call stack exhausted"), "{report}");
}
