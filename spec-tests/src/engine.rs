// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs an engine: a process that takes a binary script on standard input and writes outcomes to
//! standard output (`wasm-aot-script`).

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use wasm_aot_compiler::{Cpu, Machine};

/// The program that runs scripts.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Its file.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// How long a script may take.
    pub timeout: Duration,
}

impl Engine {
    /// The engine that `cargo xtask engine` builds for an architecture, in the folder `share`; in
    /// the emulator of one program where it is not this machine's. RISC-V has vectors, and scripts
    /// are compiled for them ([`processor`]).
    #[must_use]
    pub fn built(share: &Path, machine: Machine, timeout: Duration) -> Self {
        let engine = share.join("engine").join(machine.name());
        let emulator: &[&str] = match machine {
            machine if Machine::HOST == Some(machine) => &[],
            Machine::X86_64 => &["qemu-x86_64"],
            Machine::Aarch64 => &["qemu-aarch64"],
            Machine::Riscv64 => &["qemu-riscv64", "-cpu", "rv64,v=true"],
        };
        let words = emulator.iter().map(OsString::from);
        let mut words = words.chain([engine.into_os_string()]);
        Self {
            program: words.next().unwrap_or_default().into(),
            arguments: words.collect(),
            timeout,
        }
    }
}

/// What scripts are compiled for: a processor that has vectors.
#[must_use]
pub fn processor(machine: Machine) -> Cpu {
    match machine {
        Machine::X86_64 | Machine::Aarch64 => Cpu::Baseline,
        Machine::Riscv64 => Cpu::parse("rv64gcv"),
    }
}

/// How an engine ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What it wrote.
    pub output: Vec<u8>,
    /// Whether it ended by itself and with status 0.
    pub well: bool,
    /// For people.
    pub how: String,
}

/// More than the outcomes of any script take.
const MAX_OUTPUT: u64 = 1 << 28;
/// What is kept of standard error.
const MAX_ERRORS: u64 = 4096;

/// Runs a script. Every end but the planned one is told in [`Ended::how`].
#[must_use]
pub fn run(engine: &Engine, script: &[u8]) -> Ended {
    let spawned = Command::new(&engine.program)
        .args(&engine.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    match spawned {
        Ok(child) => finish(child, script, engine.timeout),
        Err(error) => Ended {
            output: Vec::new(),
            well: false,
            how: format!("cannot run {}: {error}", engine.program.display()),
        },
    }
}

fn finish(mut child: Child, script: &[u8], timeout: Duration) -> Ended {
    let mut stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (done, ends) = mpsc::channel();
    let done_too = done.clone();
    thread::scope(|scope| {
        scope.spawn(move || {
            // An engine that dies before it has read all of it is noticed below.
            let _ = stdin.take().map(|mut pipe| pipe.write_all(script));
        });
        let output = scope.spawn(move || {
            let output = read(stdout, MAX_OUTPUT);
            let _ = done.send(());
            output
        });
        let errors = scope.spawn(move || {
            let errors = read(stderr, MAX_ERRORS);
            let _ = done_too.send(());
            errors
        });
        let in_time = (0..2).all(|_| ends.recv_timeout(timeout).is_ok());
        if !in_time {
            // Its pipes close with it, and the threads end.
            let _ = child.kill();
        }
        let status = child.wait();
        let output = output.join().unwrap_or_default();
        let errors = errors.join().unwrap_or_default();
        let mut how = match &status {
            _ if !in_time => format!("it was stopped after {} s", timeout.as_secs()),
            Ok(status) => describe(*status),
            Err(error) => format!("nobody knows how it ended: {error}"),
        };
        let errors = String::from_utf8_lossy(&errors);
        if !errors.trim().is_empty() {
            how = format!("{how}; it said: {}", errors.trim());
        }
        let well = in_time && status.is_ok_and(|status| status.success());
        Ended { output, well, how }
    })
}

fn read(pipe: Option<impl Read>, limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        let _ = (&mut pipe).take(limit).read_to_end(&mut bytes);
        // The rest is thrown away: a full pipe would hold the engine up.
        let _ = io::copy(&mut pipe, &mut io::sink());
    }
    bytes
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "it ended before the script did".into(),
        (Some(code), _) => format!("it ended with status {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it ended".into(),
    }
}
