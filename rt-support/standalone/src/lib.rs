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
//! | [`space`] | the address space: memories, tables, the stack |
//! | [`platform`] | Linux as the runtime sees it |
//! | [`calls`] | system calls that the library does not offer |
//! | [`signals`] | faults: the trap report, exit status 134 |

#![no_std]

mod calls;
mod entry;
mod platform;
mod signals;
mod space;

use core::fmt::{self, Write};
use core::panic::PanicInfo;

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

/// Prepares everything, then goes on on the program's stack.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: `_start` passes the initial stack, and nothing else has run yet.
    unsafe { platform::start(stack) };
    let top = match space::prepare() {
        Ok(stack) => {
            let top = stack.stack.end;
            signals::install(stack);
            top
        }
        Err(error) => fail(format_args!("{error}")),
    };
    // SAFETY: `top` is the end of a fresh stack, 16-aligned; nothing of the old one is needed.
    unsafe {
        core::arch::asm!(
            "mov {top}, %rsp",
            "xor %ebp, %ebp",
            "call {program}",
            "ud2",
            top = in(reg) top,
            program = sym program,
            options(att_syntax, noreturn)
        )
    }
}

/// Runs the program on its own stack.
extern "C" fn program() -> ! {
    let entry = entry::get();
    (entry.instantiate)();
    (entry.start)();
    crate::calls::exit_group(0)
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
    crate::calls::exit_group(1)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Messages, "wasm-aot-standalone: defect: {info}");
    crate::calls::exit_group(wasm_aot_trap::EXIT_STATUS)
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
