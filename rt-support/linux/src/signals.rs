// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Faults: the hardware's exceptions arrive as signals, on a stack of their own. A fault of
//! compiled code ends the call in progress; any other goes to the handler that was there before.
//!
//! A file that is larger than the process may make one (setrlimit(2)) is an error number for a
//! program, as a full disk is, not the signal that would end the process.

use crate::arch::{Action, Context, signal};
use crate::calls::sigaction;
use crate::run;
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::sync::atomic::{AtomicU32, Ordering};
use wasm_aot_loader::trap::{Fault, FaultKind};

/// The signals of hardware faults.
const SIGNALS: [c_int; 4] = [signal::SEGV, signal::BUS, signal::ILL, signal::FPE];

/// A write beyond `RLIMIT_FSIZE` (signal(7)); the same number on every architecture here.
const FILE_SIZE: c_int = 25;

/// Flags of an action (`asm/signal.h`).
mod flag {
    pub const SIGINFO: u64 = 4;
    pub const ONSTACK: u64 = 0x0800_0000;
}

/// Handlers that are none (`asm/signal.h`).
mod special {
    pub const DEFAULT: usize = 0;
    pub const IGNORE: usize = 1;
}

/// `si_code` of a signal that the kernel sends without an address (`asm/siginfo.h`): on x86-64 a
/// general protection fault.
const SI_KERNEL: c_int = 0x80;

/// The actions that were there before ours.
struct Previous(UnsafeCell<[Action; SIGNALS.len()]>);

// SAFETY: written by `install` only, each element before a handler that reads it can run.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new([Action::EMPTY; SIGNALS.len()]));

/// How far `install` is: 0 not begun, 1 begun, 2 done.
static PROGRESS: AtomicU32 = AtomicU32::new(0);

/// Handles the signals of hardware faults from now on.
pub(crate) fn install() {
    if PROGRESS.load(Ordering::Acquire) == 2 {
        return;
    }
    if PROGRESS
        .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire)
        .is_err()
    {
        while PROGRESS.load(Ordering::Acquire) != 2 {
            rustix::thread::sched_yield();
        }
        return;
    }
    for (position, number) in SIGNALS.into_iter().enumerate() {
        let action = Action::new(handle as *const () as usize, flag::SIGINFO | flag::ONSTACK);
        // SAFETY: with SA_SIGINFO the kernel passes three arguments, as `handle` takes them.
        // Nobody but this thread writes the array; where the signal comes before the assignment
        // below, no compiled code runs yet and the default action is right.
        unsafe {
            let before = sigaction(number, &action);
            (*PREVIOUS.0.get())[position] = before;
        }
    }
    // SAFETY: neither of these actions runs any code; a handler of somebody else is put back.
    unsafe {
        let before = sigaction(FILE_SIZE, &Action::new(special::IGNORE, 0));
        if before.handler != special::DEFAULT {
            sigaction(FILE_SIZE, &before);
        }
    }
    PROGRESS.store(2, Ordering::Release);
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

unsafe extern "C" fn handle(number: c_int, info: *const SignalInfo, context: *mut Context) {
    // SAFETY: the kernel passes both, valid as long as the handler runs.
    let (known, registers) = unsafe { (&*info, &mut *context) };
    let kind = match number {
        signal::ILL => FaultKind::IllegalInstruction,
        signal::FPE => FaultKind::Divide,
        signal::BUS | signal::SEGV => FaultKind::Memory,
        _ => FaultKind::Other,
    };
    let located = kind == FaultKind::Memory && known.code != SI_KERNEL;
    let fault = Fault {
        pc: registers.pc(),
        address: located.then_some(known.address),
        kind,
        sp: registers.sp(),
        fp: registers.fp(),
        link: registers.link(),
    };
    // A signal that somebody sent (kill(2)) is no fault.
    let hardware = known.code > 0;
    match run::caught(&fault).filter(|_| hardware) {
        Some(saved) => registers.resume(saved),
        // SAFETY: as the kernel passed them.
        None => unsafe { pass_on(number, info, context) },
    }
}

/// Does what would have been done without this handler.
///
/// # Safety
/// The arguments are those of a signal handler.
unsafe fn pass_on(number: c_int, info: *const SignalInfo, context: *mut Context) {
    let position = SIGNALS.iter().position(|&signal| signal == number);
    let Some(position) = position else { return };
    // SAFETY: see `Previous`.
    let before = unsafe { (*PREVIOUS.0.get())[position] };
    match before.handler {
        special::DEFAULT | special::IGNORE => {
            // The instruction is repeated, and the default action ends the process. (A fault
            // cannot be ignored.)
            // SAFETY: the default action runs no code of ours.
            unsafe { sigaction(number, &Action::new(special::DEFAULT, 0)) };
        }
        handler if before.flags & flag::SIGINFO != 0 => {
            // SAFETY: with this flag the handler has these three parameters.
            unsafe {
                let handler: unsafe extern "C" fn(c_int, *const SignalInfo, *mut Context) =
                    core::mem::transmute(handler);
                handler(number, info, context);
            }
        }
        handler => {
            // SAFETY: without it there is one.
            unsafe {
                let handler: unsafe extern "C" fn(c_int) = core::mem::transmute(handler);
                handler(number);
            }
        }
    }
}
