// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `run --on sel4`: an image with one app, booted in QEMU, its output passed on as it comes.

use super::{Arguments, status};
use crate::{files, image, preload};
use anyhow::{Context, Result, bail};
use sel4_host::bundle::{AppSpec, SystemSpec, app_flags, flags};
use sel4_host::{Events, Qemu, directories};
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Bytes of an app's archive that are kept.
const MAX_ARCHIVE: usize = 2 << 30;

/// Passes the app's output on.
struct Passed<'a> {
    arguments: &'a Arguments,
    /// A reader of our output has gone away.
    closed: bool,
    begin: Instant,
    /// The app has said something.
    spoken: bool,
    /// What the app sent of its directories.
    archive: Vec<u8>,
}

impl Passed<'_> {
    /// Says on standard error, if it was asked for, what happened when.
    fn note(&mut self, text: &str) {
        if self.arguments.verbose {
            let seconds = self.begin.elapsed().as_secs_f64();
            let line = format!("[{seconds:.3} s] {}\n", text.trim_end());
            self.closed |= std::io::stderr().lock().write_all(line.as_bytes()).is_err();
        }
    }

    fn first_output(&mut self) {
        if !std::mem::replace(&mut self.spoken, true) {
            self.note("the first output");
        }
    }
}

impl Events for Passed<'_> {
    fn stdout(&mut self, _app: u16, bytes: &[u8]) {
        self.first_output();
        let mut out = std::io::stdout().lock();
        self.closed |= out.write_all(bytes).and_then(|()| out.flush()).is_err();
    }

    fn stderr(&mut self, _app: u16, bytes: &[u8]) {
        self.first_output();
        self.closed |= std::io::stderr().lock().write_all(bytes).is_err();
    }

    fn trap(&mut self, _app: u16, report: &str) {
        super::trapped(self.arguments.file(), report);
    }

    fn refused(&mut self, _app: u16, why: &str) {
        eprintln!("error: {}", why.trim_end());
    }

    fn archive(&mut self, _app: u16, bytes: &[u8]) {
        // More than that is no archive that an app's runtime makes, and refused as truncated.
        if self.archive.len() <= MAX_ARCHIVE {
            self.archive.extend_from_slice(bytes);
        }
    }

    fn input(&mut self) -> Option<Box<dyn Read + Send>> {
        // Unbuffered: what the program does not ask for is left to whoever comes after it.
        let stdin = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
        Some(Box::new(File::from(stdin)))
    }

    fn log(&mut self, text: &str) {
        self.note(text);
    }

    fn console(&mut self, bytes: &[u8]) {
        if self.arguments.verbose {
            self.closed |= std::io::stderr().lock().write_all(bytes).is_err();
        }
    }

    fn closed(&self) -> bool {
        self.closed
    }
}

/// The contents of standard input where that is a file: it goes into the image, since the serial
/// line that everything else comes over is slow. Not where the program itself was read from there.
fn input_file(program: &Path) -> Result<Option<Vec<u8>>> {
    let Ok(stdin) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return Ok(None);
    };
    let file = File::from(stdin);
    if program == Path::new("-") || !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    files::contents(file, Path::new("standard input")).map(Some)
}

/// Which standard streams are terminals.
fn terminals() -> u32 {
    let streams = [
        std::io::stdin().is_terminal(),
        std::io::stdout().is_terminal(),
        std::io::stderr().is_terminal(),
    ];
    let bits = (0..).zip(streams).map(|(fd, is)| u32::from(is) << fd);
    bits.sum::<u32>() * app_flags::TERMINAL
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.dir_out.is_some() && arguments.app.dirs.is_empty() {
        bail!("--dir-out: the program has no directories; give it some with --dir");
    }
    if arguments.listenfd || !arguments.tcp_listen.is_empty() {
        bail!("--listenfd, --tcplisten: there are no sockets on seL4");
    }
    let mut events = Passed {
        arguments,
        closed: false,
        begin: Instant::now(),
        spoken: false,
        archive: Vec::new(),
    };
    let modules = preload::modules(&arguments.compiler, &arguments.preloads, arguments.file())?;
    events.note("compiled");
    let mut app = arguments.app.spec(
        &arguments.file().to_owned().into(),
        modules,
        arguments.args(),
    )?;
    app.flags |= terminals();
    if arguments.dir_out.is_some() {
        app.flags |= app_flags::PACK;
    }
    if let Some(input) = input_file(arguments.file())? {
        app.input = input;
        app.flags |= app_flags::INPUT;
    }
    let app = [app];
    let bytes = image::make(&app, &SystemSpec::new(flags::HOSTED | flags::POWER_OFF))?;
    // The image has a name only while QEMU runs.
    let mut file = tempfile::Builder::new()
        .prefix("wasm-aot-")
        .suffix(".elf")
        .tempfile()?;
    file.write_all(&bytes).context("cannot write the image")?;
    events.note(&format!("the image has {} bytes; QEMU begins", bytes.len()));
    let qemu = Qemu {
        memory_mib: arguments.machine_memory,
        timeout: arguments.timeout.map(Duration::from_secs),
        ..Qemu::default()
    };
    let outcome = qemu.run(file.path(), &mut events)?;
    events.note(&outcome.summary);
    if let Some(path) = &arguments.dir_out {
        let [AppSpec { archive, dirs, .. }] = &app;
        let out = directories::left_behind(&events.archive, archive, dirs).context("--dir-out")?;
        files::write(path, &out, false)?;
    }
    Ok(status(outcome.exit_code()))
}
