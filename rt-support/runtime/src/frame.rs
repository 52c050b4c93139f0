// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The frame pointer at the border between compiled code and the runtime: the one place that
//! differs between architectures.
//!
//! Compiled code keeps a chain of frame pointers (see `wasm_aot_gc::roots`); Rust need not. So
//! where compiled code calls a function that looks at its frames, a few instructions in front of
//! it pass on the caller's frame pointer and the return address ([`with_frame`]), and where a host
//! calls compiled code, [`enter`] ends the chain.

/// Defines a function for compiled code to call: its arguments, then the return address and the
/// caller's frame pointer, are passed to a Rust function. For one or two arguments.
macro_rules! with_frame {
    ($(#[$attribute:meta])* $name:ident, $symbol:literal, 1, $target:path) => {
        $crate::frame::with_frame!(
            @define [$(#[$attribute])*] $name, $symbol, $target,
            "rsi", "rdx", "x1", "x2", "a1", "a2"
        );
    };
    ($(#[$attribute:meta])* $name:ident, $symbol:literal, 2, $target:path) => {
        $crate::frame::with_frame!(
            @define [$(#[$attribute])*] $name, $symbol, $target,
            "rdx", "rcx", "x2", "x3", "a2", "a3"
        );
    };
    (@define [$(#[$attribute:meta])*] $name:ident, $symbol:literal, $target:path,
     $x86_pc:literal, $x86_fp:literal, $arm_pc:literal, $arm_fp:literal,
     $riscv_pc:literal, $riscv_fp:literal) => {
        $(#[$attribute])*
        #[cfg_attr(feature = "symbols", unsafe(export_name = $symbol))]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $name() {
            #[cfg(target_arch = "x86_64")]
            core::arch::naked_asm!(
                concat!("mov ", $x86_pc, ", [rsp]"),
                concat!("mov ", $x86_fp, ", rbp"),
                "jmp {target}",
                target = sym $target,
            );
            #[cfg(target_arch = "aarch64")]
            core::arch::naked_asm!(
                concat!("mov ", $arm_pc, ", x30"),
                concat!("mov ", $arm_fp, ", x29"),
                "b {target}",
                target = sym $target,
            );
            #[cfg(target_arch = "riscv64")]
            core::arch::naked_asm!(
                concat!("mv ", $riscv_pc, ", ra"),
                concat!("mv ", $riscv_fp, ", s0"),
                "tail {target}",
                target = sym $target,
            );
        }
    };
}
pub(crate) use with_frame;

/// Calls compiled code from a host: `code(first, second)`, with a frame pointer of 0, at which
/// the walk over its frames ends. `MODULE:instantiate`, exported functions without parameters, and
/// invoke trampolines are called so.
///
/// # Safety
/// `code` is the address of such a function, of an instance that is ready for it, and the
/// arguments are what it expects.
#[unsafe(naked)]
pub unsafe extern "C" fn enter(code: *const (), first: u64, second: u64) {
    #[cfg(target_arch = "x86_64")]
    core::arch::naked_asm!(
        "push rbp",
        "xor ebp, ebp",
        "mov rax, rdi",
        "mov rdi, rsi",
        "mov rsi, rdx",
        "call rax",
        "pop rbp",
        "ret",
    );
    #[cfg(target_arch = "aarch64")]
    core::arch::naked_asm!(
        "stp x29, x30, [sp, #-16]!",
        "mov x29, xzr",
        "mov x9, x0",
        "mov x0, x1",
        "mov x1, x2",
        "blr x9",
        "ldp x29, x30, [sp], #16",
        "ret",
    );
    #[cfg(target_arch = "riscv64")]
    core::arch::naked_asm!(
        "addi sp, sp, -16",
        "sd ra, 8(sp)",
        "sd s0, 0(sp)",
        "li s0, 0",
        "mv t0, a0",
        "mv a0, a1",
        "mv a1, a2",
        "jalr t0",
        "ld ra, 8(sp)",
        "ld s0, 0(sp)",
        "addi sp, sp, 16",
        "ret",
    );
}
