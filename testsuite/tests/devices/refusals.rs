// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What is refused of grants and of accesses, and that nobody else suffers from it.

use crate::{shared, system};
use sel4_host::bundle::{AppSpec, GrantSpec, grant_flags};
use testsuite::realtime::{Run, run_with};
use testsuite::{case, devices, hostile, tools};
use wasm_aot_contract::Contract;

/// A place where the machine of the tests has no device: reading gives ones.
const NOWHERE: u64 = 0xfed4_0000;

/// Boots apps of which each is to end with a code and a text.
#[track_caller]
fn each_ends(apps: &[AppSpec], grants: Vec<GrantSpec>, expected: &[(i32, &str)]) -> Run {
    let run = run_with(apps, system(grants, 0), Vec::new()).unwrap();
    let mut wrong = Vec::new();
    for (app, (code, part)) in apps.iter().zip(expected) {
        let name = &app.name;
        let refusal = run.refusals.get(name).cloned().unwrap_or_default();
        let traps = run.traps.get(name).map(|list| list.concat());
        let output = run.output.get(name).cloned().unwrap_or_default();
        let said = refusal + &traps.unwrap_or_default() + &String::from_utf8_lossy(&output);
        if run.exit_codes.get(name) != Some(code) || !said.contains(part) {
            let exit = run.exit_codes.get(name);
            wrong.push(format!("{name}: {exit:?}, not {code}, `{part}`: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    run
}

#[test]
fn grants_of_what_is_no_device_are_refused_for_their_reasons() {
    let (memory, ports) = (devices::memory, devices::ports);
    let pin = |name: &str, first, pin| devices::with(ports(name, first, 1), Some(pin), 0);
    let cases: Vec<(GrantSpec, &str)> = vec![
        (memory("ram", 0x1000_0000, 4096), "in the machine's memory"),
        (memory("nowhere", 1 << 50, 4096), "no device has memory at"),
        (memory("hpet", 0xfed0_0000, 4096), "the timer's (HPET)"),
        (memory("around", 0xfecf_f000, 8192), "the timer's (HPET)"),
        (
            memory("ioapic", 0xfec0_0000, 4096),
            "(interrupt controller)",
        ),
        (memory("apic", 0xfee0_0000, 4096), "(local APIC)"),
        (memory("large", 0xe000_0000, 2 << 20), "at most 1048576"),
        (ports("console", 0x3f8, 8), "the console's (COM1)"),
        (ports("channel", 0x2ff, 1), "the host's channel (COM2)"),
        (ports("end", 0xf7, 1), "ends QEMU"),
        (ports("pit", 0x43, 1), "the timer's (8254)"),
        (ports("pci", 0xcfc, 4), "the configuration of PCI"),
        (ports("all", 0, 65536), "what it grants is"),
        (memory("one", NOWHERE, 8192), ""),
        (
            memory("two", NOWHERE + 4096, 4096),
            "addresses that `one` has",
        ),
        (pin("pin24", 0x300, 24), "no interrupt pin 24"),
        (pin("pin4", 0x301, 4), "interrupt pin 4 is the console's"),
        (pin("pin3", 0x302, 3), "interrupt pin 3 is the channel's"),
        (pin("pin23", 0x303, 23), "interrupt pin 23 is the timer's"),
        (pin("pin5", 0x304, 5), ""),
        (pin("again", 0x305, 5), "interrupt pin 5 is that of `pin5`"),
    ];
    // As many interrupts as there are, and one more.
    let pins = [6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21];
    let more = pins.map(|number| (format!("more{number}"), number));
    let mut grants: Vec<_> = cases.iter().map(|(grant, _)| grant.clone()).collect();
    for (name, number) in &more {
        grants.push(pin(name, 0x310 + *number as u16, *number));
    }
    let mut wanted: Vec<_> = cases
        .iter()
        .map(|(grant, part)| (grant.name.as_str(), *part))
        .collect();
    wanted.push(("more19", ""));
    wanted.push(("more21", "at most 14 interrupts"));
    wanted.push(("absent", "the image does not grant it"));
    let folder = tempfile::tempdir().unwrap();
    let object = devices::module(&[], "", folder.path()).unwrap();
    let contract = Contract::default();
    let apps: Vec<_> = wanted
        .iter()
        .map(|(name, _)| devices::app(name, object.clone(), &[name], contract).unwrap())
        .collect();
    let expected: Vec<_> = wanted
        .iter()
        .map(|(_, part)| (i32::from(!part.is_empty()), *part))
        .collect();
    let run = each_ends(&apps, grants, &expected);
    // The operator is told as well, whether somebody wants the device or not.
    for (name, part) in wanted.iter().filter(|(name, _)| *name != "absent") {
        let grant = format!("grant of device `{name}` refused");
        let line = run.log.lines().find(|line| line.contains(&grant));
        assert_eq!(line.is_some(), !part.is_empty(), "{name}: {}", run.log);
        assert!(line.is_none_or(|line| line.contains(part)), "{line:?}");
    }
}

#[test]
fn a_device_is_one_apps_unless_it_is_shared() {
    let folder = tempfile::tempdir().unwrap();
    let forever = "(loop $l (br $l))";
    let object = devices::module(&[], forever, folder.path()).unwrap();
    let app = |name: &str, list: &[&str]| {
        devices::app(name, object.clone(), list, Contract::default()).unwrap()
    };
    let apps = [
        app("first", &["own", "shared"]),
        app("second", &["shared", "own"]),
        app("third", &["shared"]),
    ];
    let grants = vec![
        devices::ports("own", 0x3e8, 8),
        shared(devices::memory("shared", NOWHERE, 4096), 0),
    ];
    let run = run_with(&apps, system(grants, 1), Vec::new()).unwrap();
    let names: Vec<_> = run.refusals.keys().map(String::as_str).collect();
    assert_eq!(names, ["second"], "{}", run.log);
    let why = &run.refusals["second"];
    assert!(why.contains("device `own`: another app has it"), "{why}");
}

#[test]
fn misuse_is_a_trap_of_its_app_with_the_reason() {
    let cases = [
        (
            "beyond",
            "(drop (call $read32 (i32.const 0) (i32.const 4096)))",
            "offset 0x1000 and 4 bytes, but the device has 0x1000",
        ),
        (
            "far",
            "(drop (call $read8 (i32.const 0) (i32.const -1)))",
            "offset 0xffffffff and 1 bytes",
        ),
        (
            "farther",
            "(drop (call $read64 (i32.const 0) (i32.const -8)))",
            "offset 0xfffffff8 and 8 bytes",
        ),
        (
            "write-beyond",
            "(call $write8 (i32.const 0) (i32.const 4096) (i32.const 0))",
            "write8: offset 0x1000",
        ),
        (
            "misaligned-2",
            "(drop (call $read16 (i32.const 0) (i32.const 1)))",
            "read16: offset 0x1 is not a multiple of 2",
        ),
        (
            "misaligned-4",
            "(call $write32 (i32.const 0) (i32.const 2) (i32.const 0))",
            "write32: offset 0x2 is not a multiple of 4",
        ),
        (
            "misaligned-8",
            "(drop (call $read64 (i32.const 0) (i32.const 4)))",
            "read64: offset 0x4 is not a multiple of 8",
        ),
        (
            "port-beyond",
            "(drop (call $read8 (i32.const 1) (i32.const 8)))",
            "offset 0x8 and 1 bytes, but the device has 0x8",
        ),
        (
            "port-wide",
            "(drop (call $read64 (i32.const 1) (i32.const 0)))",
            "no accesses of 64 bits",
        ),
        (
            "port-wide-write",
            "(call $write64 (i32.const 1) (i32.const 0) (i64.const 0))",
            "no accesses of 64 bits",
        ),
        (
            "read-only",
            "(call $write8 (i32.const 2) (i32.const 0) (i32.const 0))",
            "for reading only",
        ),
        (
            "handle",
            "(drop (call $read8 (i32.const 3) (i32.const 0)))",
            "no device with the number 3",
        ),
        (
            "handle-negative",
            "(call $write16 (i32.const -1) (i32.const 0) (i32.const 0))",
            "no device with the number 4294967295",
        ),
        (
            "size",
            "(drop (call $size (i32.const 3)))",
            "size: the app has no device with the number 3",
        ),
        (
            "count",
            "(drop (call $count (i32.const 4)))",
            "interrupt_count: the app has no device",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let build = |name: &str, body: &str, list: &[&str]| {
        let names = ["frame", "ports", "constant", "nobody"];
        let object = devices::module(&names, body, folder.path()).unwrap();
        devices::app(name, object, list, Contract::default()).unwrap()
    };
    let all = ["frame", "ports", "constant"];
    let mut apps: Vec<_> = cases
        .iter()
        .map(|(name, body, _)| build(name, body, &all))
        .collect();
    let mut expected: Vec<_> = cases.iter().map(|(_, _, part)| (134, *part)).collect();
    // What is answered with an error number, and what is allowed.
    let answered = "
        (call $is (call $open (i32.const 0) (i32.const 5)) (i32.const 0) (i32.const 1))
        (call $is (call $open (i32.const 16) (i32.const 5)) (i32.const 1) (i32.const 2))
        (call $is (call $open (i32.const 32) (i32.const 8)) (i32.const 2) (i32.const 3))
        (call $is (call $open (i32.const 48) (i32.const 6)) (i32.const -44) (i32.const 4))
        (call $is (call $open (i32.const 0) (i32.const 4)) (i32.const -44) (i32.const 5))
        (call $is (call $open (i32.const 0) (i32.const 0)) (i32.const -44) (i32.const 6))
        (call $is (call $open (i32.const 0) (i32.const 1000)) (i32.const -44) (i32.const 7))
        (call $is (call $open (i32.const 65535) (i32.const 2)) (i32.const -21) (i32.const 8))
        (call $is (call $open (i32.const -1) (i32.const -1)) (i32.const -21) (i32.const 9))
        (call $is (call $wait (i32.const 0) (i64.const 1000)) (i32.const 58) (i32.const 10))
        (call $is (call $acknowledge (i32.const 1)) (i32.const 58) (i32.const 11))
        (call $is (call $wait (i32.const 3) (i64.const -1)) (i32.const 8) (i32.const 12))
        (call $is (call $acknowledge (i32.const -1)) (i32.const 8) (i32.const 13))
        (call $expect (call $count (i32.const 0)) (i64.const 0) (i32.const 14))
        (call $expect (call $size (i32.const 1)) (i64.const 8) (i32.const 15))
        (call $is (call $read8 (i32.const 1) (i32.const 7)) (i32.const 0xff) (i32.const 16))
        (call $is (call $read32 (i32.const 1) (i32.const 4)) (i32.const -1) (i32.const 17))
        (call $write16 (i32.const 1) (i32.const 6) (i32.const 0))
        (drop (call $read64 (i32.const 0) (i32.const 4088)))
        (drop (call $read32 (i32.const 2) (i32.const 4092)))
        (call $write64 (i32.const 0) (i32.const 0) (i64.const 0))
        (call $exit (i32.const 77))";
    apps.push(build("answered", answered, &all));
    expected.push((77, ""));
    // A number is the app's own: the same one is another device to another app.
    let other = "(call $expect (call $size (i32.const 0)) (i64.const 8) (i32.const 1))
        (call $is (call $open (i32.const 0) (i32.const 5)) (i32.const -44) (i32.const 2))
        (drop (call $read8 (i32.const 1) (i32.const 0)))";
    apps.push(build("other", other, &["ports"]));
    expected.push((134, "no device with the number 1"));
    let constant = devices::memory("constant", NOWHERE + 0x4000, 4096);
    let grants = vec![
        shared(devices::memory("frame", NOWHERE, 4096), 0),
        shared(devices::ports("ports", 0x3e8, 8), 0),
        shared(constant, grant_flags::READ_ONLY),
    ];
    let run = each_ends(&apps, grants, &expected);
    for (name, ..) in cases {
        let report = run.traps[name].concat();
        assert!(report.contains("device access not allowed"), "{report}");
    }
}

/// Machine code that no compiler of ours makes, with the capabilities and mappings of devices.
#[test]
fn hostile_code_reaches_its_own_devices_alone() {
    let hostile = hostile::all_in("hostile-devices").unwrap();
    let wants = |name: &str| match name {
        "registers" | "registers-behind" => &["frame"][..],
        "registers-constant" => &["constant"],
        _ => &["ports"][..],
    };
    let contract = Contract::default();
    let apps: Vec<_> = hostile
        .iter()
        .map(|h| devices::app(&h.name, h.object.clone(), wants(&h.name), contract).unwrap())
        .collect();
    let expected: Vec<_> = hostile
        .iter()
        .map(|h| (h.exit, h.says.as_deref().unwrap_or_default()))
        .collect();
    let grants = vec![
        shared(devices::ports("ports", 0x3e8, 8), 0),
        shared(devices::memory("frame", NOWHERE, 4096), 0),
        shared(
            devices::memory("constant", NOWHERE + 0x4000, 4096),
            grant_flags::READ_ONLY,
        ),
    ];
    each_ends(&apps, grants, &expected);
}

#[test]
fn linux_has_no_devices() {
    let mut run = tools::wasm_aot().unwrap();
    let output = run.arg("run").arg(case::app("serial-port.wasm")).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("unknown import `wasm_aot_device.open`"),
        "{said}"
    );
}

#[test]
fn types_are_checked_as_those_of_wasi() {
    let folder = tempfile::tempdir().unwrap();
    let module = "(module
        (import \"wasm_aot_device\" \"read8\" (func (param i32) (result i32)))
        (func (export \"_start\")))";
    let object = hostile::object(folder.path(), module).unwrap();
    let app = devices::app("types", object, &[], Contract::default()).unwrap();
    each_ends(&[app], Vec::new(), &[(1, "wasm_aot_device.read8")]);
}
