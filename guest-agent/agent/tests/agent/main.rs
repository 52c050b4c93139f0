// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The agent's command line against the loader's half of the protocol, over a socket.

mod server;

use rustix::fs::OFlags;
use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use server::{KNOWN, Port, Server, signed};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use wasm_aot_protocol::transport::serial::Serial;
use wasm_aot_protocol::transport::shared::{Shared, Side};
use wasm_aot_schedule::{Class, Counters, Parameters, Reaction, Report, State, Supervision};

#[track_caller]
fn ended(output: &Output, status: i32, out: &str, error: &str) {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), out);
    assert_eq!(String::from_utf8_lossy(&output.stderr), error);
}

#[test]
fn a_run_is_as_if_the_program_ran_here() {
    let server = Server::start(true);
    server.file(
        "app.o",
        b"pretend\nout one\nwait 30\nerr two\narguments\nexit 42\n",
    );
    let output = server.run(&["deploy", "--run", "--arg", "first", "app.o", "10", "-x"]);
    ended(&output, 42, "one\nfirst\n10\n-x\n", "two\n");
    server.file("trap.o", b"pretend\nout one\ntrap 3\n");
    let output = server.run(&["deploy", "--run", "trap.o"]);
    ended(&output, 134, "one\n", "trap: unreachable executed\n");
    server.file(
        "long.o",
        format!("pretend\n{}exit 0\n", "out 0123456789\n".repeat(2000)).as_bytes(),
    );
    let output = server.run(&["deploy", "--run", "long.o"]);
    ended(&output, 0, &"0123456789\n".repeat(2000), "");
    // Nothing is left of what has run.
    assert_eq!(server.json(&["ps"]), serde_json::json!([]));
}

#[test]
fn an_app_is_started_watched_replaced_and_ended() {
    let server = Server::start(true);
    server.file("app.o", b"pretend\nout hello\nwait 1000000000\n");
    let app = server.json(&["deploy", "app.o", "--version", "1", "--name", "loop"]);
    assert_eq!(
        (&app["name"], &app["version"], &app["signed"]),
        (&"loop".into(), &1.into(), &false.into())
    );
    let listed = server.json(&["ps"]);
    assert_eq!(listed[0]["name"], "loop");
    assert_eq!(listed[0]["state"], "running");
    assert_eq!(listed[0]["sha256"], app["sha256"]);
    ended(&server.run(&["logs", "loop"]), 0, "hello\n", "");
    assert_eq!(server.refused(&["start", "loop"]), "wrong-state");
    server.json_less(&["suspend", "loop"]);
    assert_eq!(server.json(&["ps"])[0]["state"], "suspended");
    server.json_less(&["resume", "loop"]);
    let mut wait = server.agent(&["wait", "loop"]).spawn().unwrap();
    server.json_less(&["kill", app["app"].as_str().unwrap()]);
    // The one who waits has lost the line to the one who kills, and has it again.
    assert_eq!(wait.wait().unwrap().code(), Some(137));
    server.file("app.o", b"pretend\nexit 7\n");
    server.json_less(&["deploy", "app.o", "--version", "2", "--name", "loop"]);
    assert_eq!(server.run(&["wait", "loop"]).status.code(), Some(7));
    let history = server.json(&["history", "loop"]);
    assert_eq!(
        (&history[0]["version"], &history[1]["version"]),
        (&2.into(), &1.into())
    );
    assert_eq!(history[1]["outcome"], "replaced");
    server.json_less(&["rollback", "loop"]);
    assert_eq!(server.json(&["ps"])[0]["version"], 1);
    server.json_less(&["stop", "loop"]);
    assert_eq!(server.run(&["wait", "loop"]).status.code(), Some(143));
    server.json_less(&["rm", "loop"]);
    let gone = server.run(&["wait", "loop"]);
    ended(
        &gone,
        125,
        "",
        "error: no app is called `loop`: see `wasm-agent ps`\n",
    );
    let status = server.json(&["status"]);
    assert_eq!(
        (&status["apps"], &status["loader"]),
        (&0.into(), &"loopback".into())
    );
}

impl Server {
    #[track_caller]
    fn json_less(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn what_the_loader_refuses_is_said_with_its_name() {
    let server = Server::start(false);
    let object = b"pretend\nwait 1000000000\n";
    server.file("app.o", object);
    assert_eq!(server.refused(&["deploy", "app.o"]), "unsigned");
    server.file("app.o.sig", &signed("app", 5, object, [9; 32]));
    assert_eq!(server.refused(&["deploy", "app.o"]), "wrong-key");
    server.file("app.o.sig", &signed("app", 5, object, KNOWN));
    let app = server.json(&["deploy", "app.o"]);
    assert_eq!(
        (&app["name"], &app["version"], &app["signed"]),
        (&"app".into(), &5.into(), &true.into())
    );
    assert_eq!(server.refused(&["deploy", "app.o"]), "replayed");
    server.file("app.o.sig", &signed("app", 4, object, KNOWN));
    assert_eq!(server.refused(&["deploy", "app.o"]), "older-version");
    server.file("app.o.sig", &signed("app", 6, object, KNOWN));
    let mut altered = object.to_vec();
    altered[10] ^= 1;
    server.file("app.o", &altered);
    assert_eq!(server.refused(&["deploy", "app.o"]), "altered");
    let refuse = b"pretend\nrefuse 43 app `app` would miss its deadline by 12 us\n";
    server.file("app.o", refuse);
    server.file("app.o.sig", &signed("app", 6, refuse, KNOWN));
    let output = server.run(&["deploy", "app.o"]);
    let text = "error: the loader refuses this: app `app` would miss its deadline by 12 us \
                (not-schedulable)\n";
    ended(&output, 3, "", text);
    assert_eq!(
        server.run(&["deploy", "--run", "app.o"]).status.code(),
        Some(125)
    );
    // The one that was there is untouched.
    let listed = server.json(&["ps"]);
    assert_eq!(
        (&listed[0]["version"], &listed[0]["state"]),
        (&5.into(), &"running".into())
    );
}

#[test]
fn what_is_wrong_here_is_not_sent() {
    let server = Server::start(true);
    let object = b"pretend\nexit 0\n";
    server.file("app.o", object);
    let error = |arguments: &[&str], status, words: &str| {
        let output = server.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    };
    error(&["deploy", "missing.o"], 1, "missing.o");
    error(&["deploy", "--run", "missing.o"], 125, "missing.o");
    error(&["deploy", "app.o", "--name", "a b"], 1, "a b");
    error(&["deploy", "app.o", "--env", "A"], 1, "NAME=VALUE");
    error(
        &["deploy", "app.o", &"x".repeat(3000)],
        1,
        "more than 2048 bytes",
    );
    error(&["deploy", "app.o", "--period", "1 ms"], 2, "--budget");
    error(
        &["deploy", "app.o", "--period", "1 ms", "--budget", "2 ms"],
        1,
        "--budget",
    );
    error(
        &["deploy", "app.o", "--period", "1\n", "--budget", "1"],
        1,
        "--period",
    );
    server.file("app.o.sig", &signed("app", 5, object, KNOWN));
    error(&["deploy", "app.o", "--version", "6"], 1, "wasm-aot sign");
    error(
        &["deploy", "app.o", "--name", "other"],
        1,
        "is for an app `app`",
    );
    server.file("app.o.sig", b"no signature");
    error(&["deploy", "app.o"], 1, "app.o.sig");
    for (address, status, words) in [("tcp:1", 2, "no address"), ("unix:/nowhere", 1, "/nowhere")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wasm-agent"));
        let output = command.args(["--connect", address, "ps"]).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(words),
            "{output:?}"
        );
    }
    error(
        &[
            "deploy",
            "app.o",
            "--unsigned",
            "--period",
            "1 ms",
            "--budget",
            "100",
        ],
        0,
        "",
    );
}

#[test]
fn a_loader_that_does_not_answer_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasm-agent"));
    let address = format!("unix:{}", path.display());
    let output = command
        .args(["--connect", &address, "--timeout", "1", "ps"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not answer"));
}

#[test]
fn a_transfer_goes_on_after_cuts_and_starts() {
    let server = Server::start(true);
    let object: Vec<u8> = (0..12_000_000u32)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    server.file("big.o", &object);
    let mut deploy = server.agent(&["deploy", "big.o", "--json"]);
    let child = deploy.stdout(Stdio::piped()).spawn().unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    for (megabytes, restart) in [(1, false), (3, true), (6, false)] {
        while server.received() < megabytes << 20 {
            assert!(
                Instant::now() < limit,
                "{} bytes have arrived",
                server.received()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        match restart {
            true => server.restart(),
            false => server.cut(),
        }
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // A cut alone is the link's affair; after a start the object is announced again.
    assert!(said["interruptions"].as_u64().unwrap() >= 1, "{said}");
    assert!(server.world.lock().unwrap().object("big") == Some(&object));
    // What was there before a cut was not sent again; what was before the start was.
    let most = object.len() as u64 + (6 << 20);
    assert!(
        server.received() < most,
        "{} bytes were sent",
        server.received()
    );
}

#[test]
fn ctrl_c_ends_the_program() {
    let server = Server::start(true);
    server.file("app.o", b"pretend\nout begun\nwait 1000000000\n");
    let mut run = server.agent(&["deploy", "--run", "app.o"]);
    let child = run
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let limit = Instant::now() + Duration::from_secs(20);
    while server.world.lock().unwrap().object("app").is_none() {
        assert!(Instant::now() < limit);
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(200));
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    ended(&child.wait_with_output().unwrap(), 130, "begun\n", "");
    assert_eq!(server.json(&["ps"]), serde_json::json!([]));
}

/// What is deployed and run over any line.
fn works(server: &Server) {
    server.file("app.o", b"pretend\nout one\nerr two\nexit 42\n");
    ended(
        &server.run(&["deploy", "--run", "app.o"]),
        42,
        "one\n",
        "two\n",
    );
    let object: Vec<u8> = (0..300_000u32)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    server.file("big.o", &object);
    server.json_less(&["deploy", "big.o"]);
    assert!(server.world.lock().unwrap().object("big") == Some(&object));
}

#[test]
fn shared_memory_is_a_line() {
    const BYTES: usize = 1 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("window");
    std::fs::write(&path, vec![0x5a; BYTES]).unwrap();
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let (read_write, shared) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: the kernel chooses a place that nothing else has; it is never taken away.
    let start = unsafe { mmap(std::ptr::null_mut(), BYTES, read_write, shared, &file, 0) };
    // SAFETY: the memory begins at a page, is there for good, and is accessed by atomic
    // operations only.
    let words: &'static [AtomicU64] =
        unsafe { std::slice::from_raw_parts(start.unwrap().cast(), BYTES / 8) };
    let address = format!("shared:{}", path.display());
    let server = Server::on(folder, address, true, move |_| {
        Box::new(Shared::new(words, Side::Loader, 1, ()).unwrap())
    });
    works(&server);
}

#[test]
fn a_terminal_is_a_line() {
    let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&main).unwrap();
    unlockpt(&main).unwrap();
    let name = ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
    rustix::fs::fcntl_setfl(&main, OFlags::RDWR | OFlags::NONBLOCK).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on(folder, format!("serial:{name}"), true, move |_| {
        Box::new(Serial::new(Port(main)))
    });
    works(&server);
    // Two agents do not share a port.
    server.file("loop.o", b"pretend\nout begun\nwait 1000000000\n");
    let mut first = server.agent(&["deploy", "--run", "loop.o"]);
    let mut first = first.stdout(Stdio::piped()).spawn().unwrap();
    let mut begun = [0; 6];
    std::io::Read::read_exact(first.stdout.as_mut().unwrap(), &mut begun).unwrap();
    let second = server.run(&["ps"]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains("another program has it"));
    first.kill().unwrap();
    first.wait().unwrap();
}

/// A daemon, which ends with the test.
struct Daemon(std::process::Child, std::path::PathBuf);

impl Daemon {
    fn start(server: &Server) -> Self {
        let socket = server.path().join("daemon");
        let path = socket.display().to_string();
        let daemon = server
            .agent(&["daemon", "--socket", &path])
            .spawn()
            .unwrap();
        let limit = Instant::now() + Duration::from_secs(20);
        while !socket.exists() {
            assert!(Instant::now() < limit, "the daemon does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self(daemon, socket)
    }

    fn agent(&self, server: &Server, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wasm-agent"));
        let address = format!("unix:{}", self.1.display());
        command.current_dir(server.path());
        command.args(["--connect", &address]).args(arguments);
        command
    }

    fn run(&self, server: &Server, arguments: &[&str]) -> Output {
        self.agent(server, arguments).output().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_daemon_serves_several_at_once() {
    let server = Server::start(true);
    let mut daemon = Daemon::start(&server);
    server.file("loop.o", b"pretend\nout begun\nwait 1000000000\n");
    server.file("quick.o", b"pretend\nout quick\nexit 5\n");
    let mut loops = daemon.agent(&server, &["deploy", "--run", "loop.o"]);
    let loops = loops
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let waits: Vec<_> = (0..5)
        .map(|number| {
            let name = format!("quick-{number}");
            let arguments = ["deploy", "--run", "quick.o", "--name", &name];
            let mut run = daemon.agent(&server, &arguments);
            run.stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for wait in waits {
        ended(&wait.wait_with_output().unwrap(), 5, "quick\n", "");
    }
    let limit = Instant::now() + Duration::from_secs(20);
    while !daemon.run(&server, &["kill", "loop"]).status.success() {
        assert!(Instant::now() < limit, "the app is not there");
    }
    ended(&loops.wait_with_output().unwrap(), 137, "begun\n", "");
    let refused = daemon.run(&server, &["deploy", "loop.o", "--version", "1", "--json"]);
    assert!(
        String::from_utf8_lossy(&refused.stdout).contains("older-version"),
        "{refused:?}"
    );
    // A second daemon on the same socket is refused; this one ends when it is told to.
    let path = daemon.1.display().to_string();
    let second = daemon.run(&server, &["daemon", "--socket", &path]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let id = daemon.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(daemon.0.wait().unwrap().code(), Some(0));
    assert!(!daemon.1.exists());
}

#[test]
fn a_transfer_through_a_daemon_goes_on_after_a_start() {
    let server = Server::start(true);
    let daemon = Daemon::start(&server);
    let object: Vec<u8> = (0..12_000_000u32)
        .map(|i| (i.wrapping_mul(i) >> 7) as u8)
        .collect();
    server.file("big.o", &object);
    let mut deploy = daemon.agent(&server, &["deploy", "big.o", "--json"]);
    let child = deploy.stdout(Stdio::piped()).spawn().unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    while server.received() < 3 << 20 {
        assert!(
            Instant::now() < limit,
            "{} bytes have arrived",
            server.received()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    server.restart();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(server.world.lock().unwrap().object("big") == Some(&object));
}

#[test]
fn top_shows_reports() {
    let server = Server::start(true);
    server.file("app.o", b"pretend\nwait 1000000000\n");
    server.json_less(&["deploy", "app.o"]);
    let parameters = Parameters {
        class: Class::Periodic,
        priority: 0,
        period: 1_000_000,
        deadline: 1_000_000,
        budget: 100_000,
        on_miss: Reaction::Log,
        on_overrun: Reaction::Log,
        slack: false,
    };
    let mut counters = Counters::EMPTY;
    (counters.releases, counters.completions, counters.misses) = (100, 100, 3);
    for microseconds in 1..=100 {
        counters.response.record(microseconds * 1000);
        counters.jitter.record(microseconds * 10);
        counters.execution.record(microseconds * 100);
    }
    let supervision = Supervision::default();
    let report = Report::new(0, 1, &parameters, State::Ready, &counters, &supervision);
    server.world.lock().unwrap().report = report.as_bytes().to_vec();
    let top = server.json(&["top", "--period", "20", "--times", "1"]);
    assert_eq!(
        (&top[0]["name"], &top[0]["misses"]),
        (&"app".into(), &3.into())
    );
    assert_eq!(top[0]["response_max_us"], 100.0);
    let median = top[0]["response_median_us"].as_f64().unwrap();
    assert!((45.0..60.0).contains(&median), "{median}");
    let output = server.run(&["top", "--period", "20", "--times", "3"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("jitter us").count(), 3, "{text}");
}
