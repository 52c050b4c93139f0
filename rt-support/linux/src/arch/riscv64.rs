// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! RISC-V 64, with double-precision floating point (the `lp64d` ABI).

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
            "ecall",
            in("a7") number,
            inlateout("a0") a.cast_signed() => result,
            in("a1") b,
            in("a2") c,
            in("a3") d,
            options(nostack)
        );
    }
    result
}

/// The kernel's `struct sigaction`, which has no restorer here.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Action {
    pub handler: usize,
    pub flags: u64,
    pub mask: u64,
}

impl Action {
    /// An action that blocks no other signals while the handler runs.
    pub fn new(handler: usize, flags: u64) -> Self {
        Self {
            handler,
            flags,
            mask: 0,
        }
    }

    /// An action to be overwritten.
    pub const EMPTY: Self = Self {
        handler: 0,
        flags: 0,
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

/// The first part of the kernel's `struct sigcontext` (`asm/ptrace.h`): the program counter, then
/// `x1` to `x31`.
#[repr(C, align(16))]
struct Machine {
    registers: [u64; 32],
}

/// Positions in [`Machine::registers`].
mod register {
    pub const PC: usize = 0;
    pub const RA: usize = 1;
    pub const SP: usize = 2;
    pub const S0: usize = 8;
    pub const A0: usize = 10;
}

impl Context {
    /// Program counter.
    pub fn pc(&self) -> u64 {
        self.machine.registers[register::PC]
    }

    /// Stack pointer.
    pub fn sp(&self) -> u64 {
        self.machine.registers[register::SP]
    }

    /// Frame pointer.
    pub fn fp(&self) -> u64 {
        self.machine.registers[register::S0]
    }

    /// Link register.
    pub fn link(&self) -> u64 {
        self.machine.registers[register::RA]
    }

    /// Makes the return from the handler go on with [`leave`].
    pub fn resume(&mut self, saved: *const Saved) {
        let registers = &mut self.machine.registers;
        // `leave` takes nothing from the stack that is left; where it began is surely mapped.
        // SAFETY: `enter` has filled it, and waits for its end.
        registers[register::SP] = unsafe { (*saved).sp };
        registers[register::A0] = saved as u64;
        registers[register::PC] = leave as *const () as u64;
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
    // The assembler is not told of the target's extensions where it runs last of all.
    naked_asm!(
        ".option push",
        ".option arch, +d",
        "addi sp, sp, -224",
        "sd ra, 0(sp)",
        "sd s0, 8(sp)",
        "sd s1, 16(sp)",
        "sd s2, 24(sp)",
        "sd s3, 32(sp)",
        "sd s4, 40(sp)",
        "sd s5, 48(sp)",
        "sd s6, 56(sp)",
        "sd s7, 64(sp)",
        "sd s8, 72(sp)",
        "sd s9, 80(sp)",
        "sd s10, 88(sp)",
        "sd s11, 96(sp)",
        "fsd fs0, 104(sp)",
        "fsd fs1, 112(sp)",
        "fsd fs2, 120(sp)",
        "fsd fs3, 128(sp)",
        "fsd fs4, 136(sp)",
        "fsd fs5, 144(sp)",
        "fsd fs6, 152(sp)",
        "fsd fs7, 160(sp)",
        "fsd fs8, 168(sp)",
        "fsd fs9, 176(sp)",
        "fsd fs10, 184(sp)",
        "fsd fs11, 192(sp)",
        "frcsr t0",
        "sd t0, 200(sp)",
        "sd sp, 0(a0)",
        "addi sp, a1, -16",
        "sd a0, 0(sp)",
        "mv s0, zero",
        "mv t1, a2",
        "mv a0, a3",
        "mv a1, a4",
        "jalr t1",
        "ld a0, 0(sp)",
        ".option pop",
        "tail {leave}",
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
        ".option push",
        ".option arch, +d",
        "ld sp, 0(a0)",
        "ld t0, 200(sp)",
        "fscsr t0",
        "ld ra, 0(sp)",
        "ld s0, 8(sp)",
        "ld s1, 16(sp)",
        "ld s2, 24(sp)",
        "ld s3, 32(sp)",
        "ld s4, 40(sp)",
        "ld s5, 48(sp)",
        "ld s6, 56(sp)",
        "ld s7, 64(sp)",
        "ld s8, 72(sp)",
        "ld s9, 80(sp)",
        "ld s10, 88(sp)",
        "ld s11, 96(sp)",
        "fld fs0, 104(sp)",
        "fld fs1, 112(sp)",
        "fld fs2, 120(sp)",
        "fld fs3, 128(sp)",
        "fld fs4, 136(sp)",
        "fld fs5, 144(sp)",
        "fld fs6, 152(sp)",
        "fld fs7, 160(sp)",
        "fld fs8, 168(sp)",
        "fld fs9, 176(sp)",
        "fld fs10, 184(sp)",
        "fld fs11, 192(sp)",
        "addi sp, sp, 224",
        "ret",
        ".option pop",
    )
}

/// The present program counter, stack pointer and frame pointer.
#[inline(always)]
pub fn registers() -> (u64, u64, u64) {
    let (pc, sp, fp);
    // SAFETY: registers are only read.
    unsafe {
        asm!(
            "auipc {pc}, 0",
            "mv {sp}, sp",
            "mv {fp}, s0",
            pc = out(reg) pc,
            sp = out(reg) sp,
            fp = out(reg) fp,
            options(nomem, nostack, preserves_flags)
        );
    }
    (pc, sp, fp)
}

/// Lets the processor, all of its harts, fetch the instructions that have been written to a range
/// (riscv_flush_icache, `asm/cacheflush.h`).
pub fn synchronize(address: u64, bytes: u64) {
    const FLUSH_ICACHE: usize = 259;
    let (start, end) = (address as usize, (address + bytes) as usize);
    // SAFETY: it changes no contents. A kernel with one hart may not have it: then the fence is
    // enough.
    unsafe {
        syscall(FLUSH_ICACHE, [start, end, 0, 0]);
        asm!("fence.i", options(nostack, preserves_flags));
    }
}

/// Whether the processor has a feature, as Cranelift names it: by the letters that every Linux
/// gives, and by riscv_hwprobe(2) (`asm/hwprobe.h`), where there is that call.
pub fn has_feature(name: &str) -> bool {
    let letters: &[u8] = match name {
        "has_m" => b"m",
        "has_a" => b"a",
        "has_f" => b"f",
        "has_d" => b"d",
        "has_v" => b"v",
        "has_zca" => b"c",
        "has_zcd" => b"cd",
        // Without these Linux does not run.
        "has_zicsr" | "has_zifencei" => b"i",
        _ => {
            let bit = match name {
                "has_zba" => 3,
                "has_zbb" => 4,
                "has_zbs" => 5,
                "has_zbc" => 7,
                "has_zbkb" => 8,
                "has_zvbb" => 17,
                "has_zfh" => 27,
                "has_zfhmin" => 28,
                "has_zvfh" => 30,
                "has_zfa" => 32,
                "has_zicond" => 35,
                "has_zcb" => 44,
                _ => return false,
            };
            return probe() >> bit & 1 != 0;
        }
    };
    let capabilities = auxv::read(auxv::HWCAP);
    letters
        .iter()
        .all(|letter| capabilities >> (letter - b'a') & 1 != 0)
}

/// The extensions that riscv_hwprobe(2) reports of all harts.
fn probe() -> u64 {
    const HWPROBE: usize = 258;
    const EXTENSIONS: u64 = 4; // RISCV_HWPROBE_KEY_IMA_EXT_0
    let mut pair = [EXTENSIONS, 0];
    let result: isize;
    // SAFETY: the kernel fills one pair.
    unsafe {
        asm!(
            "ecall",
            in("a7") HWPROBE,
            inlateout("a0") (&raw mut pair).expose_provenance().cast_signed() => result,
            in("a1") 1,
            in("a2") 0,
            in("a3") 0,
            in("a4") 0,
            options(nostack)
        );
    }
    // A key that it does not know becomes -1.
    match pair {
        [EXTENSIONS, extensions] if result == 0 => extensions,
        _ => 0,
    }
}
