// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The three system calls that rustix keeps to itself: signal handlers and the end of the process
//! (rt_sigaction(2), sigaltstack(2), exit_group(2)).

use core::arch::asm;
use core::ffi::c_int;

/// Numbers of the calls on x86-64 (`asm/unistd_64.h`).
mod number {
    pub const RT_SIGACTION: usize = 13;
    pub const SIGALTSTACK: usize = 131;
    pub const EXIT_GROUP: usize = 231;
}

/// The kernel's `struct kernel_sigaction`.
#[repr(C)]
pub struct Action {
    pub handler: usize,
    pub flags: u64,
    pub restorer: usize,
    pub mask: u64,
}

/// The kernel's `stack_t`.
#[repr(C)]
pub struct AlternateStack {
    pub start: usize,
    pub flags: c_int,
    pub size: usize,
}

/// Installs a signal handler.
///
/// # Safety
/// The action's handler and restorer may run at any instruction from now on.
pub unsafe fn sigaction(signal: c_int, action: &Action) {
    const MASK_BYTES: usize = size_of::<u64>();
    // SAFETY: the kernel reads the action; it fails only for signals that cannot be handled.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number::RT_SIGACTION => _,
            in("rdi") signal as usize,
            in("rsi") action,
            in("rdx") 0,
            in("r10") MASK_BYTES,
            out("rcx") _,
            out("r11") _,
            options(nostack)
        );
    }
}

/// Says on which stack handlers run.
///
/// # Safety
/// The memory is used for nothing else from now on.
pub unsafe fn sigaltstack(stack: &AlternateStack) {
    // SAFETY: the kernel reads the structure; it fails only for a stack that is too small.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number::SIGALTSTACK => _,
            in("rdi") stack,
            in("rsi") 0,
            out("rcx") _,
            out("r11") _,
            options(nostack)
        );
    }
}

/// Ends the process.
pub fn exit_group(status: c_int) -> ! {
    // SAFETY: it does not return.
    unsafe {
        asm!(
            "syscall",
            in("rax") number::EXIT_GROUP,
            in("rdi") status as usize,
            options(noreturn, nostack)
        );
    }
}
