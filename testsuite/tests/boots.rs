// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4: many apps in one boot, most of them bad. Each ends, gives back all that it took, and
//! leaves the machine to the next.

use sel4_host::bundle::AppSpec;
use testsuite::boot::{app, boot};
use testsuite::hostile::{self, Hostile};

/// A module that says a word and ends.
const GOOD: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\05\00\00\00")
    (data (i32.const 16) "good\n")
    (func (export "_start")
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))"#;

fn good() -> Vec<u8> {
    hostile::object(tempfile::tempdir().unwrap().path(), GOOD).unwrap()
}

#[test]
fn hostile_apps_harm_themselves_alone() {
    let hostile = hostile::all().unwrap();
    let mut apps: Vec<_> = hostile
        .iter()
        .map(|h| app(&h.name, h.object.clone()))
        .collect();
    apps.push(app("good", good()));
    let (outcome, said) = boot(&apps);
    let mut wrong = Vec::new();
    for (index, expected) in (0..).zip(&hostile) {
        let exit = outcome.exit_codes[&index];
        let report = said.traps.get(&index).map_or("", String::as_str);
        let Hostile { name, says, .. } = expected;
        let fits = says.as_ref().is_none_or(|part| report.contains(part));
        if exit != expected.exit || !fits || says.is_none() != report.is_empty() {
            wrong.push(format!("{name}: exit code {exit}, {report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(said.output[&(hostile.len() as u16)], b"good\n");
}

/// Gives an object 1 GiB of zeroed data, more than any module that compiles has.
fn enlarge(object: &mut [u8]) {
    const NOBITS: usize = 8;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b));
    let headers = number(&object[0x28..0x30]);
    let (size, count) = (number(&object[0x3a..0x3c]), number(&object[0x3c..0x3e]));
    let zeroed = (0..count).find_map(|index| {
        let at = headers + index * size;
        (number(&object[at + 4..at + 8]) == NOBITS).then_some(at)
    });
    let at = zeroed.expect("a global that is zero") + 0x20;
    object[at..at + 8].copy_from_slice(&(1u64 << 30).to_le_bytes());
}

#[test]
fn whatever_cannot_be_made_is_given_back() {
    // One page more from app to app: making them fails at each place where memory is taken.
    let object = good();
    let limited = |pages: u64| AppSpec {
        memory_limit: pages * 4096,
        ..app("limited", object.clone())
    };
    let mut apps: Vec<_> = (1..120).map(limited).collect();
    let too_large = [
        ("memory", "(memory 65536)", "out of memory"),
        (
            "image",
            "(global (mut i32) (i32.const 0))",
            "there is room for",
        ),
        ("start", "(func $f unreachable) (start $f)", "unreachable"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, fields, _) in &too_large {
        let module = format!("(module {fields} (func (export \"_start\")))");
        let mut object = hostile::object(folder.path(), &module).unwrap();
        if *name == "image" {
            enlarge(&mut object);
        }
        apps.push(app(name, object));
    }
    apps.push(app("not-an-object", b"\x7fELF".to_vec()));
    apps.push(AppSpec {
        stack_size: 1 << 40,
        ..app("stack", object.clone())
    });
    apps.push(AppSpec {
        args: vec!["x".repeat(1 << 20)],
        ..app("arguments", object.clone())
    });
    apps.push(app("good", object.clone()));
    let (outcome, said) = boot(&apps);

    let succeeded = |index| outcome.exit_codes[&index] == 0;
    let first = (0..119).find(|&index| succeeded(index)).unwrap();
    assert!(first > 30, "an app of {first} pages");
    for index in 0..119 {
        assert_eq!(succeeded(index), index >= first, "{index} pages");
        if index < first {
            let report = &said.traps[&index];
            assert!(report.contains("limit of"), "{index} pages: {report}");
        }
    }
    for (index, (name, _, part)) in (119..).zip(&too_large) {
        let report = said.traps.get(&index).map_or("", String::as_str);
        assert!(report.contains(*part), "{name}: {report}");
    }
    let last = apps.len() as u16 - 1;
    for index in 119..last {
        assert!(!succeeded(index), "{}", apps[usize::from(index)].name);
    }
    assert_eq!(said.output[&last], b"good\n");
}

#[test]
fn damaged_metadata_never_stops_the_machine() {
    let object = good();
    let metadata = hostile::section(&object, ".wasm_aot.meta").unwrap();
    let mut apps = Vec::new();
    // A step that hits each byte of a word in turn.
    for (number, position) in metadata.step_by(7).enumerate() {
        let mut damaged = object.clone();
        damaged[position] ^= 1 << (number % 8);
        apps.push(app("damaged", damaged));
    }
    apps.push(app("good", object));
    let (_, said) = boot(&apps);
    assert_eq!(said.output[&(apps.len() as u16 - 1)], b"good\n");
}
