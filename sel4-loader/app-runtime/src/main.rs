// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The runtime inside an app's address space: what compiled code calls, over seL4 messages to the
//! root task.
//!
//! | module | decides |
//! |---|---|
//! | [`header`] | what the root task finds, and which functions objects may link with |
//! | [`call`] | service calls |
//! | [`platform`] | what `wasm-aot-runtime` needs: streams, clocks, memory, files |
//! | [`device`] | the host functions `wasm_aot_device`: registers and interrupts |
//! | [`heap`] | where files are kept |

#![no_std]
#![no_main]

extern crate alloc;

mod call;
mod device;
mod header;
mod heap;
mod platform;

use call::Stream;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use sel4_boot::space;
use sel4_boot::startup::{Startup, flags};
use wasm_aot_object::descriptor::OBJECT_HEADER_OFFSET;
use wasm_aot_object::signature::Signature;
use wasm_aot_runtime::enter;
use wasm_aot_runtime::values::{self, Results, ValueError};

/// Arguments and results of a function, at most.
const SLOTS: usize = 64;

/// Exit code where the arguments do not fit the function.
const USAGE: u32 = 1;

/// Where an app begins.
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    // SAFETY: the root task has mapped the IPC buffer of this only thread there.
    unsafe { sel4::syscall::set_ipc_buffer(space::IPC_BUFFER) };
    let Some(startup) = startup() else {
        fail(format_args!("the start-up page is damaged"));
    };
    // SAFETY: this is the only thread, and nothing of the runtime has run yet.
    if let Err(error) = unsafe { platform::start(startup) } {
        fail(format_args!("{error}"));
    }
    if startup.page.flags & flags::SCRIPT != 0 {
        call::returned();
    }
    run(&startup);
    if startup.page.flags & flags::RESIDENT != 0 {
        call::returned();
    }
    call::exit(0)
}

/// Where the root task puts the thread of a script.
extern "C" fn script_call(trampoline: u64, callee: u64, slots: *mut [u64; 2]) -> ! {
    // SAFETY: the root task took the addresses from the object: a `fn()`, or a function and the
    // trampoline for its type; the slots are as many as its arguments and results need.
    unsafe {
        match trampoline {
            0 => call_plain(callee),
            _ => call_through(trampoline, callee, slots),
        }
    }
    call::returned()
}

/// Where the root task puts the thread of an app that has ended, if it was asked for what is in
/// the app's directories.
extern "C" fn send_directories() -> ! {
    // A write that is refused is the root task's decision; there is nobody to tell.
    let _ = match platform::pack() {
        Ok(0) => Ok(()),
        Ok(left_out) => writeln!(
            Stream::Error,
            "warning: {left_out} files are not in the archive: too large, or too deep"
        ),
        Err(error) => writeln!(
            Stream::Error,
            "error: no archive of the directories: {error}"
        ),
    };
    call::returned()
}

/// Reads the header of an object for the root task.
unsafe extern "C" fn object_header(_: *const (), slots: *mut [u64; 2]) {
    // SAFETY: there is a slot; the root task has found in it what compiled code returned as a
    // reference to an object of this heap. Where that is wrong, the app faults and nobody else.
    unsafe {
        let object = ((*slots)[0] as *const u64).byte_offset(OBJECT_HEADER_OFFSET as isize);
        (*slots)[0] = object.read();
    }
}

fn startup() -> Option<Startup<'static>> {
    // SAFETY: the root task maps at least the first page, read-only and for ever; the page's own
    // numbers say how much follows, and the root task has mapped that much.
    let page = unsafe { &*(space::STARTUP as *const sel4_boot::startup::Page) };
    let ranges = [
        page.args,
        page.env,
        page.instantiate,
        page.signature,
        page.dirs,
        page.devices,
        page.device_names,
    ];
    let ends = ranges.map(|range| u64::from(range.offset) + u64::from(range.length));
    let length = ends.into_iter().max()?.max(size_of_val(page) as u64);
    if length > space::STARTUP_END - space::STARTUP {
        return None;
    }
    // SAFETY: as above.
    let bytes =
        unsafe { core::slice::from_raw_parts(space::STARTUP as *const u8, length as usize) };
    Startup::parse(bytes)
}

fn run(startup: &Startup<'_>) {
    let page = startup.page;
    for address in startup.instantiate {
        // SAFETY: the root task took the address of a `fn()` of an object.
        unsafe { call_plain(address.get()) };
    }
    if page.callee == 0 {
        return;
    }
    if page.trampoline == 0 {
        // SAFETY: the root task checked that the type of this export is `fn()`.
        unsafe { call_plain(page.callee) };
        return;
    }
    let invoked = page.flags & flags::INVOKE != 0;
    let mut slots = [[0u64; 2]; SLOTS];
    let Some(signature) = Signature::parse(startup.signature) else {
        fail(format_args!("the type of the function is damaged"));
    };
    // A function that the user did not name, `_start`, takes no arguments of its own.
    let arguments = startup.args.iter().skip(1);
    let parsed = match invoked {
        true => values::parse(&signature, arguments, &mut slots),
        false if signature.slots() > SLOTS => Err(ValueError::TooMany { slots: SLOTS }),
        false => Ok(()),
    };
    if let Err(error) = parsed {
        fail(format_args!("{error}"));
    }
    // SAFETY: the root task took the address of the trampoline that the object has for this type;
    // the slots are as many as its arguments and results need (checked by `parse`).
    unsafe { call_through(page.trampoline, page.callee, slots.as_mut_ptr()) };
    if invoked {
        // A refused write would have been the root task's decision; there is nobody to tell.
        let _ = write!(Stream::Out, "{}", Results::new(&signature, &slots));
    }
}

/// Calls a function through its trampoline.
///
/// # Safety
/// They belong together, and there are as many slots as the function has arguments and results.
unsafe fn call_through(trampoline: u64, callee: u64, slots: *mut [u64; 2]) {
    // SAFETY: the caller's promise; the addresses are not null.
    unsafe { enter(trampoline as *const (), callee, slots as u64) };
}

/// Calls the function at an address.
///
/// # Safety
/// There is a `fn()` of the System V convention.
unsafe fn call_plain(address: u64) {
    // SAFETY: the caller's promise; the address is not null.
    unsafe { enter(address as *const (), 0, 0) };
}

/// Says why the app cannot go on, and ends it.
fn fail(message: fmt::Arguments<'_>) -> ! {
    let _ = writeln!(Stream::Error, "error: {message}");
    call::exit(USAGE)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Stream::Error, "sel4-app-runtime: defect: {info}");
    call::exit(wasm_aot_trap::EXIT_STATUS as u32)
}
