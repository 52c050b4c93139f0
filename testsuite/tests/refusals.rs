// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the command refuses: one clear error that names what and where, exit status 1, and no
//! output left behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use testsuite::tools;

fn wasm_aot(arguments: &[&str]) -> Output {
    let mut command: Command = tools::wasm_aot().unwrap();
    command.args(arguments).output().unwrap()
}

/// Runs, expects status 1 and one line `error: ...` that contains each of `parts`.
fn refused(arguments: &[&str], parts: &[&str]) {
    let output = wasm_aot(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert!(said.starts_with("error: "), "{arguments:?}: {said}");
    assert_eq!(said.matches("error: ").count(), 1, "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{arguments:?}: no `{part}` in: {said}");
    }
}

fn app(name: &str) -> String {
    testsuite::case::app(name).display().to_string()
}

/// An object of nbody, changed, in a file.
fn changed(folder: &Path, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let object = folder.join("object.o").display().to_string();
    let built = wasm_aot(&["build", &app("nbody-c.wasm"), "-o", &object]);
    assert!(built.status.success());
    let mut bytes = fs::read(&object).unwrap();
    change(&mut bytes);
    fs::write(&object, bytes).unwrap();
    object
}

/// Where the metadata begins: at its magic number.
fn metadata(bytes: &[u8]) -> usize {
    bytes
        .windows(8)
        .position(|window| window == b"wasm-aot")
        .unwrap()
}

#[test]
fn a_module_that_does_not_validate_leaves_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("bad.wat");
    fs::write(&module, "(module (func (result i32) (i64.const 1)))").unwrap();
    let output = folder.path().join("bad.o");
    let (module, out) = (module.display().to_string(), output.display().to_string());
    refused(
        &["build", &module, "-o", &out],
        &["bad.wat", "type mismatch", "byte offset 0x"],
    );
    assert!(!output.exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_truncated_module_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("short.wasm");
    let bytes = fs::read(app("nbody-c.wasm")).unwrap();
    fs::write(&module, &bytes[..bytes.len() / 2]).unwrap();
    refused(
        &["build", &module.display().to_string()],
        &["short.wasm", "byte offset 0x"],
    );
}

#[test]
fn a_missing_file_is_named() {
    refused(
        &["build", "no-such-file.wasm"],
        &["no-such-file.wasm", "No such file"],
    );
}

#[test]
fn a_truncated_object_is_refused_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let object = changed(folder.path(), |bytes| bytes.truncate(bytes.len() / 2));
    refused(&["inspect", &object], &["object.o"]);
    refused(&["run", &object], &["object.o"]);
    refused(&["run", "--on", "sel4", &object], &["object.o"]);
    let program = folder.path().join("program");
    refused(
        &["link", &object, "-o", &program.display().to_string()],
        &["object.o"],
    );
    assert!(!program.exists());
}

#[test]
fn another_format_version_says_both() {
    let folder = tempfile::tempdir().unwrap();
    let object = changed(folder.path(), |bytes| {
        let at = metadata(bytes) + 8;
        bytes[at] = 99;
    });
    let own = format!("version {}", wasm_aot_object::FORMAT_VERSION);
    for arguments in [&["run", &object][..], &["run", "--on", "sel4", &object]] {
        refused(arguments, &["version 99", &own]);
    }
}

#[test]
fn corrupted_metadata_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let object = changed(folder.path(), |bytes| {
        let at = metadata(bytes);
        bytes[at] ^= 0xff;
    });
    refused(&["run", "--on", "sel4", &object], &["object.o"]);
    refused(&["run", &object], &["object.o"]);
}

#[test]
fn an_object_for_another_architecture_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // e_machine: AArch64.
    let object = changed(folder.path(), |bytes| bytes[18] = 183);
    refused(&["run", "--on", "sel4", &object], &["aarch64"]);
}

#[test]
fn an_unknown_import_is_named() {
    let module = app("import-unknown.wat");
    refused(&["run", "--on", "sel4", &module], &["unknown import"]);
    refused(
        &["run", &module],
        &["unknown import `plant.open_valve`", "import-unknown.wat"],
    );
}

#[test]
fn the_bytes_do_not_depend_on_threads() {
    let folder = tempfile::tempdir().unwrap();
    let build = |threads: &str| {
        let output = folder.path().join(threads);
        let mut command = tools::wasm_aot().unwrap();
        command
            .env("RAYON_NUM_THREADS", threads)
            .args(["build", &app("hello.wasm"), "-o"]);
        assert!(command.arg(&output).status().unwrap().success());
        fs::read(output).unwrap()
    };
    let reference = build("1");
    assert!(build("2") == reference);
    assert!(build("8") == reference);
}

#[test]
fn readelf_and_ld_have_nothing_to_say() {
    let folder = tempfile::tempdir().unwrap();
    let object = changed(folder.path(), |_| {});
    let out = folder.path().join("r.o").display().to_string();
    for command in [
        &["readelf", "-aW", &object][..],
        &["ld", "-r", &object, "-o", &out],
    ] {
        let output = Command::new(command[0])
            .args(&command[1..])
            .output()
            .unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

#[test]
fn memories_and_tables_that_no_address_space_has_are_refused_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, sentence) in [
        (
            "memory.wat",
            "(module (memory i64 0x1_0000_0000_0000) (func (export \"_start\")))",
            "pages",
        ),
        (
            "large.wat",
            "(module (memory i64 0x100_0000_0000) (func (export \"_start\")))",
            "address",
        ),
        (
            "table.wat",
            "(module (table 0xffff_ffff funcref) (func (export \"_start\")))",
            "elements",
        ),
    ] {
        let module = folder.path().join(name);
        fs::write(&module, text).unwrap();
        let module = module.display().to_string();
        refused(&["run", &module], &[name, sentence]);
        refused(&["run", "--on", "sel4", &module], &[name, sentence]);
        let object = folder.path().join("object.o").display().to_string();
        let built = wasm_aot(&["build", &module, "-o", &object]);
        assert!(built.status.success(), "it is valid WebAssembly");
        let program = folder.path().join("program");
        refused(
            &["link", &object, "-o", &program.display().to_string()],
            &["object.o", sentence],
        );
        assert!(!program.exists());
    }
}
