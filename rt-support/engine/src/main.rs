// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The script engine (`wasm-aot-script`, "An engine") as a static program for any architecture
//! that objects are made for: one script on standard input, outcomes on standard output.
//!
//! It is `wasm-aot script-engine` without the compiler and without a C library, so that it is
//! built from source for every target and runs there by itself: in an emulator of one program
//! (`qemu-aarch64`), or on such a machine.

#![no_std]
#![no_main]

mod start;
mod threads;

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::slice;
use core::sync::atomic::{AtomicBool, Ordering};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use threads::Cloned;
use wasm_aot_linux::{StackCheck, WorldOptions, calls::exit_group, map, script};
use wasm_aot_script::Sink;
use wasm_aot_script::run::Closed;

/// The most bytes of a script.
const MAX_SCRIPT: u64 = 1 << 30;

/// Bytes that are made accessible, and asked for, at once.
const STEP: u64 = 1 << 20;

/// Runs the script, then ends the process.
fn main(arguments: impl Iterator<Item = &'static [u8]>) -> ! {
    let mut options = WorldOptions::default();
    for argument in arguments {
        match argument {
            b"--gc-stress" => options.heap.stress = true,
            b"--check-stack" => options.check_stack = StackCheck::AtMost,
            b"--check-stack=exactly" => options.check_stack = StackCheck::Exactly,
            other => fail(&format_args!(
                "unknown argument `{}`; there are `--gc-stress`: collect at every allocation, and \
                 `--check-stack[=exactly]`: compare what calls take of the stack with their bounds",
                other.escape_ascii()
            )),
        }
    }
    let bytes = match read_script() {
        Ok(Some(bytes)) => bytes,
        Ok(None) => fail(&format_args!(
            "the script is longer than {MAX_SCRIPT} bytes"
        )),
        Err(errno) => fail(&format_args!("cannot read the script: {errno}")),
    };
    match script::engine_with(bytes, &options, &Output, &mut Cloned::new()) {
        Ok(()) => exit_group(0),
        Err(error) => fail(&error),
    }
}

/// Everything on standard input; `None` where that is too much.
fn read_script() -> Result<Option<&'static [u8]>, Errno> {
    let address = map::reserve(0, MAX_SCRIPT)?;
    // SAFETY: nothing closes it.
    let input = unsafe { rustix::stdio::stdin() };
    let mut length = 0;
    let mut accessible = 0;
    loop {
        if length == accessible {
            if accessible == MAX_SCRIPT {
                return Ok(None);
            }
            // SAFETY: inside the reservation.
            unsafe { map::commit(address + accessible, STEP) }?;
            accessible += STEP;
        }
        let start: *mut u8 = core::ptr::with_exposed_provenance_mut((address + length) as usize);
        // SAFETY: accessible, zero, and nobody else's.
        let room = unsafe { slice::from_raw_parts_mut(start, (accessible - length) as usize) };
        match rustix::io::read(input, room) {
            Ok(0) => break,
            Ok(count) => length += count as u64,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    let start: *const u8 = core::ptr::with_exposed_provenance(address as usize);
    // SAFETY: these bytes have been written, and stay as they are.
    Ok(Some(unsafe {
        slice::from_raw_parts(start, length as usize)
    }))
}

/// Writes all of it.
fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Standard output, for outcomes; one thread at a time.
#[derive(Clone)]
struct Output;

/// Whether a thread writes.
static WRITING: AtomicBool = AtomicBool::new(false);

impl Sink for Output {
    fn put(&mut self, parts: &[&[u8]]) -> Result<(), Closed> {
        while WRITING.swap(true, Ordering::Acquire) {
            rustix::thread::sched_yield();
        }
        // SAFETY: nothing closes it.
        let output = unsafe { rustix::stdio::stdout() };
        let mut parts = parts.iter();
        let result = parts.try_for_each(|part| write_all(output, part).map_err(|_| Closed));
        WRITING.store(false, Ordering::Release);
        result
    }
}

/// Standard error, for messages.
struct Messages;

impl Write for Messages {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: where it is closed the write fails.
        let stderr = unsafe { rustix::stdio::stderr() };
        write_all(stderr, text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Says why the script cannot be run, and ends the process.
fn fail(message: &dyn fmt::Display) -> ! {
    let _ = writeln!(Messages, "error: {message}");
    exit_group(1)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Messages, "wasm-aot-engine: defect: {info}");
    exit_group(wasm_aot_trap::EXIT_STATUS)
}
