// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `run --on sel4`: an image with one app, booted in QEMU, its output passed on as it comes.

use super::{Arguments, status};
use crate::{image, preload};
use anyhow::{Context, Result, bail};
use sel4_host::bundle::flags;
use sel4_host::{Events, Qemu};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Passes the app's output on.
struct Passed<'a> {
    arguments: &'a Arguments,
    /// A reader of our output has gone away.
    closed: bool,
}

impl Events for Passed<'_> {
    fn stdout(&mut self, _app: u16, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        self.closed |= out.write_all(bytes).and_then(|()| out.flush()).is_err();
    }

    fn stderr(&mut self, _app: u16, bytes: &[u8]) {
        self.closed |= std::io::stderr().lock().write_all(bytes).is_err();
    }

    fn trap(&mut self, _app: u16, report: &str) {
        super::trapped(self.arguments.file(), report);
    }

    fn refused(&mut self, _app: u16, why: &str) {
        eprintln!("error: {}", why.trim_end());
    }

    fn log(&mut self, text: &str) {
        if self.arguments.verbose {
            eprintln!("{}", text.trim_end());
        }
    }

    fn console(&mut self, bytes: &[u8]) {
        if self.arguments.verbose {
            self.closed |= std::io::stderr().lock().write_all(bytes).is_err();
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if !arguments.dirs.is_empty() {
        bail!("--dir: there is no file system on seL4 yet");
    }
    let modules = preload::modules(&arguments.compiler, &arguments.preloads, arguments.file())?;
    let app = arguments
        .app
        .spec(arguments.file(), modules, arguments.args());
    let bytes = image::make(&[app], flags::HOSTED | flags::POWER_OFF)?;
    // The image has a name only while QEMU runs.
    let mut file = tempfile::Builder::new()
        .prefix("wasm-aot-")
        .suffix(".elf")
        .tempfile()?;
    file.write_all(&bytes).context("cannot write the image")?;
    let qemu = Qemu {
        memory_mib: arguments.machine_memory,
        timeout: arguments.timeout.map(Duration::from_secs),
        ..Qemu::default()
    };
    let mut events = Passed {
        arguments,
        closed: false,
    };
    let outcome = qemu.run(file.path(), &mut events)?;
    if arguments.verbose {
        eprintln!("{}", outcome.summary.trim_end());
    }
    Ok(status(outcome.exit_code()))
}
