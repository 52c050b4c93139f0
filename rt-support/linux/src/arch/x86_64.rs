// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! x86-64.

use super::Saved;
use core::arch::{asm, naked_asm};
use wasm_aot_loader::cpu::x86_64 as cpu;

/// Numbers of system calls (`asm/unistd_64.h`).
pub mod number {
    pub const RT_SIGACTION: usize = 13;
    pub const EXIT: usize = 60;
    pub const SIGALTSTACK: usize = 131;
    pub const EXIT_GROUP: usize = 231;
}

/// A system call; the result is negative for an error.
///
/// # Safety
/// As the call demands.
pub unsafe fn syscall(number: usize, arguments: [usize; 4]) -> isize {
    let [a, b, c, d] = arguments;
    let result;
    // SAFETY: the caller's promise; the kernel changes RCX and R11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number.cast_signed() => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            out("rcx") _,
            out("r11") _,
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

/// `asm/signal.h`: the action has a function that returns from the handler.
const SA_RESTORER: u64 = 0x0400_0000;

impl Action {
    /// An action that blocks no other signals while the handler runs.
    pub fn new(handler: usize, flags: u64) -> Self {
        Self {
            handler,
            flags: flags | SA_RESTORER,
            restorer: restore as *const () as usize,
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

/// Returns from a signal (sigreturn(2)): the kernel has no such code itself.
#[unsafe(naked)]
unsafe extern "C" fn restore() {
    naked_asm!("mov eax, 15", "syscall")
}

/// The first part of the kernel's `ucontext_t`.
#[repr(C)]
pub struct Context {
    flags: u64,
    link: u64,
    stack: [u64; 3],
    registers: [u64; 23],
}

/// Positions in [`Context::registers`] (`sys/ucontext.h`).
mod register {
    pub const RDI: usize = 8;
    pub const RBP: usize = 10;
    pub const RSP: usize = 15;
    pub const RIP: usize = 16;
    pub const EFL: usize = 17;
}

/// Direction, alignment check and trap flags: off in the C convention.
const FLAGS_OFF: u64 = 1 << 10 | 1 << 18 | 1 << 8;

impl Context {
    /// Program counter.
    pub fn pc(&self) -> u64 {
        self.registers[register::RIP]
    }

    /// Stack pointer.
    pub fn sp(&self) -> u64 {
        self.registers[register::RSP]
    }

    /// Frame pointer.
    pub fn fp(&self) -> u64 {
        self.registers[register::RBP]
    }

    /// Link register: there is none.
    pub fn link(&self) -> u64 {
        0
    }

    /// Makes the return from the handler go on with [`leave`].
    pub fn resume(&mut self, saved: *const Saved) {
        // `leave` takes nothing from the stack that is left; where it began is surely mapped.
        // SAFETY: `enter` has filled it, and waits for its end.
        self.registers[register::RSP] = unsafe { (*saved).sp };
        self.registers[register::RDI] = saved as u64;
        self.registers[register::RIP] = leave as *const () as u64;
        self.registers[register::EFL] &= !FLAGS_OFF;
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
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "push rdi",
        "push rdi",
        "xor ebp, ebp",
        "mov rax, rdx",
        "mov rdi, rcx",
        "mov rsi, r8",
        "call rax",
        "pop rdi",
        "jmp {leave}",
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
        "mov rsp, [rdi]",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
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
            "lea {pc}, [rip]",
            "mov {sp}, rsp",
            "mov {fp}, rbp",
            pc = out(reg) pc,
            sp = out(reg) sp,
            fp = out(reg) fp,
            options(nomem, nostack, preserves_flags)
        );
    }
    (pc, sp, fp)
}

/// Whether the processor has a feature, as Cranelift names it, and the system keeps its
/// registers apart between threads.
pub fn has_feature(name: &str) -> bool {
    cpu::has(name) && (!cpu::is_wide(name) || system_keeps(name))
}

/// What XCR0 says (Intel Software Developer's Manual, volume 1, "Managing State Using the XSAVE
/// Feature Set"): bits 1 and 2 for AVX, 5 to 7 as well for AVX-512.
fn system_keeps(name: &str) -> bool {
    const OSXSAVE: u32 = 1 << 27;
    if core::arch::x86_64::__cpuid(1).ecx & OSXSAVE == 0 {
        return false;
    }
    let (low, high): (u32, u32);
    // SAFETY: the instruction exists where OSXSAVE is set; it only reads.
    unsafe {
        asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack));
    }
    let _ = high;
    let needed = if name.contains("avx512") { 0xe6 } else { 0x06 };
    low & needed == needed
}

/// Lets the processor fetch the instructions that have been written to a range: it sees to that
/// itself.
pub fn synchronize(_address: u64, _bytes: u64) {}
