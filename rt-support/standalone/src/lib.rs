// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Start-up code of executables that `wasm-aot link` makes.
//!
//! A linked executable is the object, this library and an entry record that the command
//! generates ([`entry`]), put together by `ld`: no C library, no dynamic linker, no loading. The
//! program gets the process's arguments, environment and standard streams; no directories.
//!
//! | module | decides |
//! |---|---|
//! | [`entry`] | what the linker hands over |
//! | [`space`] | the address space: memories, tables |
//! | [`platform`] | arguments and environment, as the kernel left them |
//!
//! Everything else is `wasm-aot-linux`.

#![no_std]
#![allow(
    clippy::result_large_err,
    reason = "trap reports carry what their text needs, and there is no allocator to box them"
)]

mod entry;
mod platform;
mod space;

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use platform::Process;
use wasm_aot_linux::calls::exit_group;
use wasm_aot_linux::platform::Claim;
use wasm_aot_linux::run::call;
use wasm_aot_linux::{Code, StackArea, Stopped};
use wasm_aot_loader::trap::Module;

/// Bytes of the program's stack.
const STACK: u64 = 1 << 20;

// The kernel starts the process here, with the arguments on the stack (System V psABI, x86-64,
// "Process Initialization").
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl _start",
    ".type _start, @function",
    "_start:",
    "xor %ebp, %ebp",
    "mov %rsp, %rdi",
    "and $-16, %rsp",
    "call {start}",
    "ud2",
    start = sym start,
    options(att_syntax)
);

/// Prepares everything, runs the program, ends the process.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: `_start` passes the initial stack.
    let process = unsafe { Process::new(stack) };
    match run(&process) {
        Ok(()) => exit_group(0),
        Err(Stopped::Exit(code)) => exit_group(code.cast_signed()),
        Err(Stopped::Trap(report)) => {
            let name = process.name();
            let _ = writeln!(Messages, "error: {name}: the program trapped\n{report}");
            exit_group(wasm_aot_trap::EXIT_STATUS)
        }
        Err(stopped) => fail(format_args!("{stopped}")),
    }
}

/// Runs the program on a stack of its own.
fn run(process: &Process) -> Result<(), Stopped<'static>> {
    if let Err(error) = space::prepare() {
        fail(format_args!("{error}"));
    }
    let mut stack = match StackArea::new(STACK) {
        Ok(stack) => stack,
        Err(errno) => fail(format_args!("no {STACK} bytes for the stack: {errno}")),
    };
    let Some(mut claim) = Claim::take() else {
        fail(format_args!("the process runs a program already"));
    };
    let meta = entry::module().map(|module| module.meta);
    claim.heap_wish(meta.map_or(0, |meta| meta.header().gc_heap.get()));
    let entry = entry::get();
    // SAFETY: the descriptor is null or one of the executable's data; nothing of the program has
    // run yet.
    unsafe { claim.begin(process, entry.memory) };
    for function in [entry.instantiate, entry.start] {
        // SAFETY: both are functions of the linked object, whose memories have been made.
        unsafe { call(&Linked, &mut stack, function as usize as u64, [0, 0]) }?;
    }
    Ok(())
}

/// The object that is linked into this executable.
struct Linked;

impl Code<'static> for Linked {
    fn module(&self, address: u64) -> Option<Module<'static>> {
        entry::module().filter(|module| module.offset(address).is_some())
    }

    fn unknown_import(&self, address: u64) -> Option<(&'static str, &'static str)> {
        entry::unknown_import(address)
    }
}

/// Standard error, for messages.
struct Messages;

impl Write for Messages {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut bytes = text.as_bytes();
        while !bytes.is_empty() {
            // SAFETY: descriptor 2 is only written to; where it is closed the write fails.
            let stderr = unsafe { rustix::stdio::stderr() };
            let written = rustix::io::write(stderr, bytes).map_err(|_| fmt::Error)?;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Says why the program cannot go on, and ends it.
fn fail(message: fmt::Arguments<'_>) -> ! {
    let _ = writeln!(Messages, "error: {message}");
    exit_group(1)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Messages, "wasm-aot-standalone: defect: {info}");
    exit_group(wasm_aot_trap::EXIT_STATUS)
}

/// C `strlen(3)`, which the compiler and rustix call. The volatile reads keep the compiler from
/// making this loop a call of itself.
///
/// # Safety
/// The string ends with a zero byte.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(string: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the caller's promise.
    while unsafe { string.add(length).read_volatile() } != 0 {
        length += 1;
    }
    length
}
