// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Keys and signatures on the command line: what is made is accepted, and each reason to refuse
//! has its own words.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;
use testsuite::{hostile, tools};

fn wasm_aot(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = tools::wasm_aot().unwrap();
    command.current_dir(folder).args(arguments);
    command.output().unwrap()
}

#[track_caller]
fn accepted(folder: &Path, arguments: &[&str]) -> String {
    let output = wasm_aot(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs, expects status 1 and one line `error: ...` that contains each of `parts`.
#[track_caller]
fn refused(folder: &Path, arguments: &[&str], parts: &[&str]) {
    let output = wasm_aot(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert!(said.starts_with("error: "), "{arguments:?}: {said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{arguments:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{arguments:?}: no `{part}` in: {said}");
    }
}

/// A folder with the object `app.o` and the key pairs `ours` and `other`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let object = hostile::object(folder.path(), "(module (func (export \"_start\")))").unwrap();
    fs::write(folder.path().join("app.o"), object).unwrap();
    accepted(folder.path(), &["keygen", "ours"]);
    accepted(folder.path(), &["keygen", "other"]);
    folder
}

#[test]
fn what_is_signed_is_verified() {
    let folder = folder();
    let path = folder.path();
    let mode = fs::metadata(path.join("ours"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let object = fs::read(path.join("app.o")).unwrap();
    accepted(
        path,
        &[
            "sign",
            "app.o",
            "--key",
            "ours",
            "--version",
            "7",
            "--valid-days",
            "1",
        ],
    );
    let verify = [
        "verify",
        "app.o",
        "--key",
        "other.pub",
        "--key",
        "ours.pub=deploy,operate",
        "--json",
    ];
    let report: serde_json::Value = serde_json::from_str(&accepted(path, &verify)).unwrap();
    assert_eq!(report["name"], "app");
    assert_eq!(report["version"], 7);
    assert_eq!(report["length_bytes"], object.len());
    assert!(report["expires_s"].as_u64().unwrap() > 1_700_000_000);
    // The object itself stays what it is.
    assert!(fs::read(path.join("app.o")).unwrap() == object);
}

#[test]
fn each_reason_to_refuse_has_its_own_words() {
    let folder = folder();
    let path = folder.path();
    let sign = ["sign", "app.o", "--key", "ours", "--version", "7"];
    accepted(
        path,
        &[&sign[..], &["--not-before", "1000", "--expires", "2000"]].concat(),
    );
    let verify = |more: &[&'static str]| [&["verify", "app.o"], more].concat();
    let ours = ["--key", "ours.pub", "--at", "1500"];
    accepted(path, &verify(&ours));
    refused(
        path,
        &verify(&["--key", "other.pub", "--at", "1500"]),
        &["app.o", "wrong key"],
    );
    let operator = ["--key", "ours.pub=operate", "--at", "1500"];
    refused(
        path,
        &verify(&operator),
        &["wrong key", "may not be used to deploy"],
    );
    refused(
        path,
        &verify(&["--key", "ours.pub", "--at", "999"]),
        &["not yet valid", "1000 s"],
    );
    refused(
        path,
        &verify(&["--key", "ours.pub", "--at", "2000"]),
        &["expired", "2000 s"],
    );
    let installed = |version| [&verify(&ours)[..], &["--installed", version]].concat();
    accepted(path, &installed("6"));
    refused(path, &installed("7"), &["replayed", "version 7"]);
    refused(path, &installed("8"), &["older version", "7", "8"]);
    refused(
        path,
        &[&verify(&ours)[..], &["--max-bytes", "10"]].concat(),
        &["at most 10"],
    );
    let object = fs::read(path.join("app.o")).unwrap();
    let mut altered = object.clone();
    *altered.last_mut().unwrap() ^= 1;
    fs::write(path.join("app.o"), &altered).unwrap();
    refused(path, &verify(&ours), &["altered object", "SHA-256"]);
    altered.push(0);
    fs::write(path.join("app.o"), &altered).unwrap();
    refused(path, &verify(&ours), &["altered object", "bytes"]);
    fs::write(path.join("app.o"), &object).unwrap();
    let signature = fs::read(path.join("app.o.sig")).unwrap();
    let cases: [(Vec<u8>, &str); 5] = [
        (signature[..100].to_vec(), "malformed"),
        (Vec::new(), "malformed"),
        ([&signature[..], b"x"].concat(), "malformed"),
        (vec![0; 5000], "malformed"),
        (changed(&signature, 60), "was altered"),
    ];
    for (bytes, words) in cases {
        fs::write(path.join("app.o.sig"), bytes).unwrap();
        refused(path, &verify(&ours), &[words]);
    }
    fs::remove_file(path.join("app.o.sig")).unwrap();
    refused(path, &verify(&ours), &["app.o.sig"]);
}

fn changed(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn keys_are_kept() {
    let folder = folder();
    let path = folder.path();
    refused(
        path,
        &["keygen", "ours", "--public", "third.pub"],
        &["ours"],
    );
    refused(
        path,
        &["keygen", "third", "--public", "ours.pub"],
        &["ours.pub", "exists"],
    );
    assert!(!path.join("third").exists());
    let key: PathBuf = path.join("ours");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let sign = ["sign", "app.o", "--key", "ours"];
    refused(path, &sign, &["ours", "mode 0644", "chmod 600"]);
    assert!(!path.join("app.o.sig").exists());
    let public = ["sign", "app.o", "--key", "other.pub"];
    refused(path, &public, &["other.pub"]);
}

#[test]
fn what_cannot_be_deployed_is_not_signed() {
    let folder = folder();
    let path = folder.path();
    let sign = |more: &[&'static str]| [&["sign", "--key", "ours"], more].concat();
    fs::write(path.join("text.o"), "no object").unwrap();
    refused(path, &sign(&["text.o"]), &["text.o"]);
    refused(
        path,
        &sign(&["app.o", "--name", "a b"]),
        &["`a b`", "--name"],
    );
    fs::copy(path.join("app.o"), path.join("my app.o")).unwrap();
    refused(path, &sign(&["my app.o"]), &["`my app`", "--name"]);
    let never = ["app.o", "--not-before", "2000", "--expires", "2000"];
    refused(path, &sign(&never), &["expires before"]);
    refused(
        path,
        &["verify", "app.o", "--key", "ours.pub=root"],
        &["`root`", "roles"],
    );
}
