// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4: apps that drive devices, and that nobody else suffers from them. What is refused is in
//! [`refusals`].

mod refusals;

use sel4_host::bundle::{GrantSpec, SystemSpec, grant_flags};
use testsuite::realtime::{Run, run_with, sample, spec};
use testsuite::{case, devices, tools};
use wasm_aot_contract::{Class, Contract, Reaction};

fn system(grants: Vec<GrantSpec>, seconds: u64) -> SystemSpec {
    SystemSpec {
        grants,
        duration_us: seconds * 1_000_000,
        ..SystemSpec::default()
    }
}

fn options(list: &[&str]) -> Vec<String> {
    list.iter().map(|&option| option.to_owned()).collect()
}

/// As several apps have it at a time.
fn shared(grant: GrantSpec, flags: u32) -> GrantSpec {
    devices::with(grant, None, grant_flags::SHARED | flags)
}

/// A tenth of the processor, and what nobody else wants.
fn server() -> Contract<'static> {
    Contract {
        class: Class::Server,
        period_us: 10_000,
        deadline_us: 10_000,
        budget_us: 1_000,
        memory_max_bytes: 2 << 20,
        ..Contract::default()
    }
}

/// The sample of a control loop has had all its releases and missed none.
#[track_caller]
fn control_is_unharmed(run: &Run, least: u64) {
    let report = run.reports["control"];
    let counts = [report.misses(), report.skipped(), report.overruns()];
    let maxima = [report.response(), report.jitter(), report.execution()].map(|h| h.max_ns());
    let said = format!("{counts:?}, {maxima:?} ns: {}", run.log);
    assert!(
        report.releases() >= least,
        "{} releases, {said}",
        report.releases()
    );
    assert_eq!(counts[..2], [0, 0], "{said}");
}

#[test]
fn a_serial_port_is_served_beside_a_control_loop() {
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("serial-port.o");
    let mut build = tools::wasm_aot().unwrap();
    build
        .arg("build")
        .arg(case::app("serial-port.wasm"))
        .arg("--manifest")
        .arg(case::app("serial-port.toml"))
        .arg("-o")
        .arg(&object);
    assert!(build.status().unwrap().success());
    let apps = [
        spec("serial-port", std::fs::read(object).unwrap()),
        sample("control", "control", folder.path()).unwrap(),
    ];
    let socket = folder.path().join("port");
    let chardev = format!(
        "socket,id=port,path={},server=on,wait=off",
        socket.display()
    );
    let device = "isa-serial,chardev=port,iobase=0x3e8,irq=5";
    let options = options(&["-chardev", &chardev, "-device", device]);
    let long = "x".repeat(200);
    let mut lines = vec![String::new(), "hello".to_owned(), long.clone()];
    lines.extend((0..20).map(|number| format!("line {number}")));
    lines.push("quit".to_owned());
    let conversation = devices::converse(socket, lines.clone());
    let port = devices::with(devices::ports("port", 0x3e8, 8), Some(5), 0);
    let run = run_with(&apps, system(vec![port], 60), options).unwrap();
    let answers = conversation.join().unwrap().unwrap();
    lines[2].truncate(128);
    let expected = lines.iter().zip(1..);
    let mut expected: Vec<_> = expected.map(|(line, n)| format!("{n}: {line}")).collect();
    expected.insert(0, "ready".to_owned());
    assert_eq!(answers, expected, "{}", run.log);
    assert_eq!(run.output["serial-port"], b"served by interrupts\n");
    assert_eq!(run.exit_codes["serial-port"], 0, "{}", run.log);
    control_is_unharmed(&run, 59_000);
}

/// One that grants the device `edu`, with its interrupt.
fn edu_system(seconds: u64) -> SystemSpec {
    let level = grant_flags::LEVEL | grant_flags::ACTIVE_LOW;
    let edu = devices::memory("edu", devices::edu_address().unwrap(), 4096);
    let edu = devices::with(edu, Some(devices::EDU_PIN), level);
    system(vec![edu], seconds)
}

/// `edu` (QEMU's docs/specs/edu.txt): its identity, an arithmetic unit, and an interrupt that
/// stays until it is cleared.
#[test]
fn registers_in_memory_are_those_of_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let body = "
        (call $is (call $open (i32.const 0) (i32.const 3)) (i32.const 0) (i32.const 1))
        (call $expect (call $size (i32.const 0)) (i64.const 4096) (i32.const 2))
        (call $is (call $read32 (i32.const 0) (i32.const 0)) (i32.const 0x010000ed) (i32.const 3))
        (call $write32 (i32.const 0) (i32.const 4) (i32.const 0x12345678))
        (call $is (call $read32 (i32.const 0) (i32.const 4)) (i32.const 0xedcba987) (i32.const 4))
        ;; No interrupt has come.
        (call $is (call $wait (i32.const 0) (i64.const 1000000)) (i32.const 73) (i32.const 5))
        ;; The factorial of 10, with an interrupt when it is done.
        (call $write32 (i32.const 0) (i32.const 0x20) (i32.const 0x80))
        (call $write32 (i32.const 0) (i32.const 8) (i32.const 10))
        (call $is (call $wait (i32.const 0) (i64.const -1)) (i32.const 0) (i32.const 6))
        (call $is (call $read32 (i32.const 0) (i32.const 8)) (i32.const 3628800) (i32.const 7))
        (call $is (call $read32 (i32.const 0) (i32.const 0x24)) (i32.const 1) (i32.const 8))
        ;; Until it is acknowledged it has come.
        (call $is (call $wait (i32.const 0) (i64.const 0)) (i32.const 0) (i32.const 9))
        (call $write32 (i32.const 0) (i32.const 0x64) (i32.const 1))
        (call $is (call $acknowledge (i32.const 0)) (i32.const 0) (i32.const 10))
        (call $is (call $wait (i32.const 0) (i64.const 5000000)) (i32.const 73) (i32.const 11))
        (call $expect (call $count (i32.const 0)) (i64.const 1) (i32.const 12))";
    let object = devices::module(&["edu"], body, folder.path()).unwrap();
    let apps = [
        devices::app("edu", object, &["edu"], server()).unwrap(),
        sample("control", "control", folder.path()).unwrap(),
    ];
    let run = run_with(&apps, edu_system(2), options(&devices::EDU)).unwrap();
    assert_eq!(run.exit_codes["edu"], 0, "{}", run.log);
    control_is_unharmed(&run, 1_900);
}

/// An interrupt that is always there, and an app that does nothing but ask for the next.
#[test]
fn a_storm_of_interrupts_costs_its_app_alone() {
    let folder = tempfile::tempdir().unwrap();
    let body = "
        (drop (call $open (i32.const 0) (i32.const 3)))
        (call $write32 (i32.const 0) (i32.const 0x60) (i32.const 1))
        (loop $storm
            (call $is (call $wait (i32.const 0) (i64.const -1)) (i32.const 0) (i32.const 1))
            (call $is (call $acknowledge (i32.const 0)) (i32.const 0) (i32.const 2))
            (br_if $storm (i64.lt_u (call $count (i32.const 0)) (i64.const 1000))))
        (call $exit (i32.const 3))";
    let object = devices::module(&["edu"], body, folder.path()).unwrap();
    let apps = [
        devices::app("storm", object, &["edu"], server()).unwrap(),
        sample("control", "control", folder.path()).unwrap(),
    ];
    let run = run_with(&apps, edu_system(5), options(&devices::EDU)).unwrap();
    assert_eq!(run.exit_codes["storm"], 3, "{}", run.log);
    control_is_unharmed(&run, 4_900);
}

/// A job may wait for its device as well; its deadline goes on.
#[test]
fn a_job_waits_for_its_device() {
    let folder = tempfile::tempdir().unwrap();
    let body = "
        (call $write32 (i32.const 0) (i32.const 0x60) (i32.const 1))
        (call $is (call $wait (i32.const 0) (i64.const -1)) (i32.const 0) (i32.const 1))
        (call $write32 (i32.const 0) (i32.const 0x64) (i32.const 1))
        (call $is (call $acknowledge (i32.const 0)) (i32.const 0) (i32.const 2))
        (call $is (call $wait (i32.const 0) (i64.const 100000)) (i32.const 73) (i32.const 3))";
    let object = devices::module(&["edu"], body, folder.path()).unwrap();
    let contract = Contract {
        class: Class::Periodic,
        entry: "_start",
        jobs_max: 100,
        ..server()
    };
    let app = devices::app("job", object, &["edu"], contract).unwrap();
    let run = run_with(&[app], edu_system(0), options(&devices::EDU)).unwrap();
    assert_eq!(run.exit_codes["job"], 0, "{}", run.log);
    let report = run.reports["job"];
    let counts = [report.completions(), report.misses(), report.skipped()];
    assert_eq!(counts, [100, 0, 0], "{}", run.log);
    // The time that it waits is in there.
    assert!(report.response().min_ns() > 100_000, "{}", run.log);
}

/// An app that is loaded again has its device again, and its interrupt.
#[test]
fn a_device_comes_back_with_its_app() {
    let folder = tempfile::tempdir().unwrap();
    let body = "
        (drop (call $open (i32.const 0) (i32.const 3)))
        (call $expect (call $count (i32.const 0)) (i64.const 0) (i32.const 1))
        (call $write32 (i32.const 0) (i32.const 0x60) (i32.const 1))
        (call $is (call $wait (i32.const 0) (i64.const -1)) (i32.const 0) (i32.const 2))
        (call $expect (call $count (i32.const 0)) (i64.const 1) (i32.const 3))
        (call $write32 (i32.const 0) (i32.const 0x64) (i32.const 1))
        unreachable";
    let object = devices::module(&["edu"], body, folder.path()).unwrap();
    let contract = Contract {
        on_trap: Reaction::Restart,
        restart_backoff_us: 1000,
        restarts_max: 3,
        ..server()
    };
    let app = devices::app("phoenix", object, &["edu"], contract).unwrap();
    let run = run_with(&[app], edu_system(0), options(&devices::EDU)).unwrap();
    assert_eq!(run.exit_codes["phoenix"], 134, "{}", run.log);
    let traps = &run.traps["phoenix"];
    assert_eq!(traps.len(), 4, "{traps:?}");
    let expected = |report: &String| report.contains("unreachable");
    assert!(traps.iter().all(expected), "{traps:?}");
}
