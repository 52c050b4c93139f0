// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The system calls that rustix keeps to itself: signal handlers, the end of a thread and of the
//! process (rt_sigaction(2), sigaltstack(2), exit(2), exit_group(2)).

pub(crate) use crate::arch::Action;
use crate::arch::{number, syscall};
use core::ffi::c_int;
use core::ptr;

/// The kernel's `stack_t`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct AlternateStack {
    pub start: usize,
    pub flags: c_int,
    pub size: usize,
}

/// Installs a signal handler; gives what was there.
///
/// # Safety
/// The action's handler may run at any instruction from now on.
pub(crate) unsafe fn sigaction(signal: c_int, action: &Action) -> Action {
    const MASK_BYTES: usize = size_of::<u64>();
    let mut old = Action::EMPTY;
    let arguments = [
        signal as usize,
        ptr::from_ref(action) as usize,
        &raw mut old as usize,
        MASK_BYTES,
    ];
    // SAFETY: the kernel reads one action and writes the other; it fails only for signals that
    // cannot be handled.
    unsafe { syscall(number::RT_SIGACTION, arguments) };
    old
}

/// Says on which stack this thread's handlers run; gives the one of before.
///
/// # Safety
/// The memory is used for nothing else as long as it is the alternate stack.
pub(crate) unsafe fn sigaltstack(stack: &AlternateStack) -> AlternateStack {
    let mut old = AlternateStack {
        start: 0,
        flags: 0,
        size: 0,
    };
    let arguments = [ptr::from_ref(stack) as usize, &raw mut old as usize, 0, 0];
    // SAFETY: the kernel reads one structure and writes the other; it fails only for a stack that
    // is too small.
    unsafe { syscall(number::SIGALTSTACK, arguments) };
    old
}

/// Ends this thread.
pub fn exit_thread() -> ! {
    loop {
        // SAFETY: it does not return.
        unsafe { syscall(number::EXIT, [0, 0, 0, 0]) };
    }
}

/// Ends the process.
pub fn exit_group(status: c_int) -> ! {
    loop {
        // SAFETY: it does not return.
        unsafe { syscall(number::EXIT_GROUP, [status as usize, 0, 0, 0]) };
    }
}
