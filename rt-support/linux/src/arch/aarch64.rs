// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! AArch64.

use super::Saved;
use super::auxv;
pub use super::generic::number;
use core::arch::{asm, naked_asm};

/// A system call; the result is negative for an error.
///
/// # Safety
/// As the call demands.
pub unsafe fn syscall(number: usize, arguments: [usize; 4]) -> isize {
    let [a, b, c, d] = arguments;
    let result;
    // SAFETY: the caller's promise.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a.cast_signed() => result,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            options(nostack)
        );
    }
    result
}

/// The kernel's `struct sigaction`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Action {
    pub handler: usize,
    pub flags: u64,
    restorer: usize,
    pub mask: u64,
}

impl Action {
    /// An action that blocks no other signals while the handler runs. The kernel has code of its
    /// own to return from handlers.
    pub fn new(handler: usize, flags: u64) -> Self {
        Self {
            handler,
            flags,
            restorer: 0,
            mask: 0,
        }
    }

    /// An action to be overwritten.
    pub const EMPTY: Self = Self {
        handler: 0,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
}

/// The first part of the kernel's `ucontext_t` (`asm/ucontext.h`).
#[repr(C)]
pub struct Context {
    flags: u64,
    link: u64,
    stack: [u64; 3],
    mask: u64,
    unused: [u64; 15],
    machine: Machine,
}

/// The first part of the kernel's `struct sigcontext` (`asm/sigcontext.h`).
#[repr(C, align(16))]
struct Machine {
    fault_address: u64,
    x: [u64; 31],
    sp: u64,
    pc: u64,
    pstate: u64,
}

/// What kind of branch led to the present instruction (Arm Architecture Reference Manual,
/// "PSTATE.BTYPE").
const BTYPE: u64 = 3 << 10;

impl Context {
    /// Program counter.
    pub fn pc(&self) -> u64 {
        self.machine.pc
    }

    /// Stack pointer.
    pub fn sp(&self) -> u64 {
        self.machine.sp
    }

    /// Frame pointer.
    pub fn fp(&self) -> u64 {
        self.machine.x[29]
    }

    /// Link register.
    pub fn link(&self) -> u64 {
        self.machine.x[30]
    }

    /// Makes the return from the handler go on with [`leave`].
    pub fn resume(&mut self, saved: *const Saved) {
        // `leave` takes nothing from the stack that is left; where it began is surely mapped.
        // SAFETY: `enter` has filled it, and waits for its end.
        self.machine.sp = unsafe { (*saved).sp };
        self.machine.x[0] = saved as u64;
        self.machine.pc = leave as *const () as u64;
        self.machine.pstate &= !BTYPE;
    }
}

/// Calls `function(first, second)` on the stack that ends at `top` (16-aligned), with frame
/// pointer 0. Comes back when the function returns, or when somebody calls [`leave`].
///
/// # Safety
/// The stack is nobody else's; the function takes such arguments. What is left behind by `leave`
/// is never run again.
#[unsafe(naked)]
pub unsafe extern "C" fn enter(
    saved: *mut Saved,
    top: u64,
    function: u64,
    first: u64,
    second: u64,
) {
    naked_asm!(
        "stp x29, x30, [sp, #-176]!",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "mrs x9, fpcr",
        "str x9, [sp, #160]",
        "mov x9, sp",
        "str x9, [x0]",
        "mov sp, x1",
        "str x0, [sp, #-16]!",
        "mov x29, xzr",
        "mov x9, x2",
        "mov x0, x3",
        "mov x1, x4",
        "blr x9",
        "ldr x0, [sp]",
        "b {leave}",
        leave = sym leave,
    )
}

/// Goes back to where [`enter`] was called.
///
/// # Safety
/// That call has not come back yet, and it was made on this thread.
#[unsafe(naked)]
pub unsafe extern "C" fn leave(saved: *const Saved) -> ! {
    naked_asm!(
        "ldr x9, [x0]",
        "mov sp, x9",
        "ldr x9, [sp, #160]",
        "msr fpcr, x9",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "ldp x29, x30, [sp], #176",
        "ret",
    )
}

/// The present program counter, stack pointer and frame pointer.
#[inline(always)]
pub fn registers() -> (u64, u64, u64) {
    let (pc, sp, fp);
    // SAFETY: registers are only read.
    unsafe {
        asm!(
            "adr {pc}, .",
            "mov {sp}, sp",
            "mov {fp}, x29",
            pc = out(reg) pc,
            sp = out(reg) sp,
            fp = out(reg) fp,
            options(nomem, nostack, preserves_flags)
        );
    }
    (pc, sp, fp)
}

/// Lets the processor fetch the instructions that have been written to a range (Arm Architecture
/// Reference Manual, "Ordering and completion of data and instruction cache instructions").
pub fn synchronize(address: u64, bytes: u64) {
    let sizes: u64;
    // SAFETY: Linux lets programs read this register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack)) };
    // Bytes of the smallest line: 4 << the field (CTR_EL0.DminLine, IminLine).
    let data = 4u64 << (sizes >> 16 & 15);
    let instruction = 4u64 << (sizes & 15);
    let end = address + bytes;
    // SAFETY: cache maintenance of memory that is mapped changes no contents.
    unsafe {
        for line in (address & !(data - 1)..end).step_by(data as usize) {
            asm!("dc cvau, {}", in(reg) line, options(nostack, preserves_flags));
        }
        asm!("dsb ish", options(nostack, preserves_flags));
        for line in (address & !(instruction - 1)..end).step_by(instruction as usize) {
            asm!("ic ivau, {}", in(reg) line, options(nostack, preserves_flags));
        }
        asm!("dsb ish", "isb", options(nostack, preserves_flags));
    }
}

/// Whether the processor has a feature, as Cranelift names it, by what Linux says of it
/// (`asm/hwcap.h`).
pub fn has_feature(name: &str) -> bool {
    let (key, bits) = match name {
        "has_lse" => (auxv::HWCAP, 1 << 8),
        "has_fp16" => (auxv::HWCAP, 1 << 9 | 1 << 10),
        "has_dotprod" => (auxv::HWCAP, 1 << 20),
        "has_pauth" => (auxv::HWCAP, 1 << 30),
        "has_i8mm" => (auxv::HWCAP2, 1 << 13),
        _ => return false,
    };
    auxv::read(key) & bits == bits
}
