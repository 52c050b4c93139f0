// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Faults: the hardware's exceptions arrive as signals, on a stack of their own; the handler
//! writes the trap report and ends the process.

use crate::calls::{Action, AlternateStack, exit_group, sigaction, sigaltstack};
use crate::{Messages, entry};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::fmt::Write;
use wasm_aot_loader::trap::{Fault, FaultKind, Stack, explain};
use wasm_aot_trap::EXIT_STATUS;

/// Bytes of the handler's stack: the report is made there.
const HANDLER_STACK: usize = 64 << 10;

/// The program's stack, and the handler's.
struct State {
    stack: UnsafeCell<Option<Stack>>,
    handler: UnsafeCell<[u8; HANDLER_STACK]>,
}

// SAFETY: there is one thread; `install` writes before a handler can run.
unsafe impl Sync for State {}

static STATE: State = State {
    stack: UnsafeCell::new(None),
    handler: UnsafeCell::new([0; HANDLER_STACK]),
};

// Returning from a signal (signal(7)). The kernel demands it, though our handler never returns.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".type wasm_aot_restore, @function",
    "wasm_aot_restore:",
    "mov $15, %eax",
    "syscall",
    options(att_syntax)
);

unsafe extern "C" {
    fn wasm_aot_restore();
}

/// The first part of the kernel's `siginfo_t` (sigaction(2)).
#[repr(C)]
struct SignalInfo {
    signal: c_int,
    errno: c_int,
    code: c_int,
    padding: c_int,
    address: u64,
}

/// The first part of the kernel's `ucontext_t` on x86-64.
#[repr(C)]
struct Context {
    flags: u64,
    link: u64,
    stack: [u64; 3],
    registers: [u64; 23],
}

/// Positions in [`Context::registers`] (`sys/ucontext.h`).
mod register {
    pub const RBP: usize = 10;
    pub const RSP: usize = 15;
    pub const RIP: usize = 16;
}

/// Numbers of signals (signal(7)).
mod signal {
    use core::ffi::c_int;
    pub const ILL: c_int = 4;
    pub const BUS: c_int = 7;
    pub const FPE: c_int = 8;
    pub const SEGV: c_int = 11;
}

/// Flags of an action (`asm/signal.h`).
mod flag {
    pub const SIGINFO: u64 = 4;
    pub const RESTORER: u64 = 0x0400_0000;
    pub const ONSTACK: u64 = 0x0800_0000;
}

/// Handles the signals of hardware faults from now on.
pub fn install(stack: Stack) {
    // SAFETY: no handler is installed yet, so nothing else refers to the state.
    unsafe { *STATE.stack.get() = Some(stack) };
    let alternate = AlternateStack {
        start: STATE.handler.get() as usize,
        flags: 0,
        size: HANDLER_STACK,
    };
    // SAFETY: the memory is static and used for nothing else.
    unsafe { sigaltstack(&alternate) };
    for signal in [signal::SEGV, signal::BUS, signal::ILL, signal::FPE] {
        let action = Action {
            handler: handle as *const () as usize,
            flags: flag::SIGINFO | flag::ONSTACK | flag::RESTORER,
            restorer: wasm_aot_restore as *const () as usize,
            mask: 0,
        };
        // SAFETY: with SA_SIGINFO the kernel passes three arguments, as `handle` takes them; it
        // touches nothing but its own stack and constant data, and never returns.
        unsafe { sigaction(signal, &action) };
    }
}

unsafe extern "C" fn handle(signal: c_int, info: *const SignalInfo, context: *const Context) -> ! {
    // SAFETY: the kernel passes both, valid as long as the handler runs.
    let (info, context) = unsafe { (&*info, &*context) };
    let kind = match signal {
        signal::ILL => FaultKind::IllegalInstruction,
        signal::FPE => FaultKind::Divide,
        signal::BUS | signal::SEGV => FaultKind::Memory,
        _ => FaultKind::Other,
    };
    let fault = Fault {
        pc: context.registers[register::RIP],
        address: (kind == FaultKind::Memory).then_some(info.address),
        kind,
        sp: context.registers[register::RSP],
        fp: context.registers[register::RBP],
        link: 0,
    };
    // SAFETY: written once, by `install`.
    let stack = unsafe { (*STATE.stack.get()).clone() };
    let module = entry::module();
    let find = |address: u64| module.filter(|module| module.offset(address).is_some());
    if let Some(stack) = stack {
        let usable = stack.stack.clone();
        let mut read = |address: u64| {
            let inside =
                usable.contains(&address) && usable.end - address >= 8 && address.is_multiple_of(8);
            // SAFETY: an aligned word of the program's stack, all of which is mapped.
            inside.then(|| unsafe { (address as *const u64).read_volatile() })
        };
        let report = explain(&fault, &stack, &find, &mut read);
        let program = crate::platform::name();
        let _ = writeln!(Messages, "error: {program}: the program trapped\n{report}");
    }
    exit_group(EXIT_STATUS)
}
