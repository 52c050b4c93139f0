// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4: what programs do with directories, clocks and standard input, and what they cannot do.
//! All in one boot; what each took comes back.

use sel4_host::bundle::{AppSpec, app_flags};
use sel4_host::directories::{Directory, left_behind, pack};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use testsuite::boot::{app, boot, boot_with};
use testsuite::case;
use testsuite::hostile;

/// Bytes that an app of these may take: enough for its code, not for all that it wants.
const LIMIT: u64 = 8 << 20;

/// What a function of `apps/hostile-files.wat` prints.
const ANSWERS: &[(&str, &str)] = &[
    ("full", "51\n"),
    // All descriptors but the standard streams and the directory.
    ("handles", "508\n"),
    ("entries", "51\n"),
    // NAMETOOLONG, NAMETOOLONG, FAULT, FAULT, PERM, a link to `..`, PERM behind it, FAULT.
    ("names", "3737212163006321\n"),
    // INVAL, FBIG, FBIG, NOSPC, FAULT, INVAL, and holes.
    ("sizes", "2822225121280000\n"),
    ("deep", "0\n"),
    ("sleep", "2\n"),
    ("clocks", "28\n"),
];

fn object() -> Vec<u8> {
    let module = fs::read_to_string(case::app("hostile-files.wat")).unwrap();
    hostile::object(tempfile::tempdir().unwrap().path(), &module).unwrap()
}

/// An app that calls a function and has a directory.
fn calling(function: &str, object: &[u8]) -> AppSpec {
    AppSpec {
        invoke: function.into(),
        dirs: vec!["/".into()],
        memory_limit: LIMIT,
        flags: app_flags::INVOKE,
        ..app(function, object.to_vec())
    }
}

/// Paths and contents of an archive for people.
fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).unwrap();
        files.insert(path, contents);
    }
    files
}

fn packed(host: &Path) -> Vec<u8> {
    let directory = Directory {
        host: host.into(),
        guest: "/data".into(),
    };
    pack(&[directory]).unwrap().archive
}

/// A library that must be told to begin.
const REACTOR: &str = r#"(module
    (global $begun (mut i32) (i32.const 0))
    (func (export "_initialize") (global.set $begun (i32.const 42)))
    (func (export "answer") (result i32) (global.get $begun)))"#;

#[test]
fn programs_get_an_error_and_never_more_than_their_limit() {
    let object = object();
    let mut apps: Vec<_> = ANSWERS
        .iter()
        .map(|(function, _)| calling(function, &object))
        .collect();

    // What an app leaves behind, also where it traps.
    let given = tempfile::tempdir().unwrap();
    fs::write(given.path().join("file"), "given").unwrap();
    fs::create_dir(given.path().join("empty")).unwrap();
    let archive = packed(given.path());
    let leaving = |function| AppSpec {
        archive: archive.clone(),
        dirs: vec!["/data".into()],
        flags: app_flags::INVOKE | app_flags::PACK | app_flags::INPUT,
        input: b"typed before".repeat(1000),
        ..calling(function, &object)
    };
    let (fall, pass) = (apps.len(), apps.len() + 1);
    apps.extend([leaving("fall"), leaving("pass")]);

    let reactor = hostile::object(tempfile::tempdir().unwrap().path(), REACTOR).unwrap();
    let answer = apps.len();
    apps.push(calling("answer", &reactor));
    // Archives that no host makes, and one that does not fit.
    let broken = apps.len();
    let mut damaged = archive.clone();
    damaged[0] ^= 1;
    for archive in [damaged, vec![1; 4096], archive[..700].to_vec()] {
        apps.push(AppSpec {
            archive,
            ..calling("clocks", &object)
        });
    }
    let mut many = archive[..512].to_vec();
    for number in 0..40_000 {
        many.extend(entry(&format!("0/{number}-{}", "n".repeat(80))));
    }
    apps.push(AppSpec {
        archive: many,
        ..calling("clocks", &object)
    });
    let last = apps.len();
    apps.push(calling("clocks", &object));

    let (outcome, said) = boot(&apps);
    let output = |index: usize| {
        let bytes = said.output.get(&(index as u16)).cloned();
        String::from_utf8(bytes.unwrap_or_default()).unwrap()
    };
    let mut wrong = Vec::new();
    for (index, (function, expected)) in ANSWERS.iter().enumerate() {
        if output(index) != *expected {
            let trap = said.traps.get(&(index as u16));
            wrong.push(format!("{function}: {:?} {trap:?}", output(index)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    assert_eq!(outcome.exit_codes[&(fall as u16)], 134);
    let guests = ["/data".to_owned()];
    let left = |index: usize| {
        let sent = &said.archives[&(index as u16)];
        files(&left_behind(sent, &archive, &guests).unwrap())
    };
    let fallen = left(fall);
    assert_eq!(fallen["data/file-name"], vec![b'a'; 0x10000]);
    assert_eq!(fallen["data/file"], b"given");
    let passed = left(pass);
    assert_eq!(passed["data/up"], b"given");
    assert!(passed.contains_key("data/empty") || passed.contains_key("data/empty/"));
    assert!(!passed.contains_key("data/file"));
    let typed = String::from_utf8(b"typed before".repeat(1000)).unwrap();
    assert_eq!(output(pass), format!("{typed}0\n"));

    assert_eq!(output(answer), "42\n");
    for index in broken..last {
        assert_eq!(outcome.exit_codes[&(index as u16)], 1, "{}", output(index));
        assert!(
            output(index).contains("the app's directories"),
            "{}",
            output(index)
        );
    }
    assert_eq!(output(last), "28\n");
}

/// Input that comes when somebody has waited for it, and then comes slowly.
struct Late(Vec<&'static [u8]>);

impl Read for Late {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        std::thread::sleep(Duration::from_millis(400));
        let piece = self.0.pop().unwrap_or_default();
        to[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

#[test]
fn input_is_waited_for_beside_a_clock() {
    let object = object();
    // What the first does not read is left to the second, and what comes later; then it ends.
    let apps = ["late", "late", "late"].map(|function| calling(function, &object));
    let input = Late(vec![b"and more", &[b'x'; 130]]);
    let (_, said) = boot_with(&apps, Some(Box::new(input)));
    let output = |index: u16| String::from_utf8_lossy(&said.output[&index]).into_owned();
    assert_eq!(
        [0, 1, 2].map(output),
        ["1100\n", "30\n", "1008\n"],
        "{}",
        said.log
    );
}

/// The header of an empty file.
fn entry(path: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(path).unwrap();
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(0);
    header.set_cksum();
    header.as_bytes().to_vec()
}
