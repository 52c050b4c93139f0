// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where the kernel starts the process: with the arguments on the stack. The frame pointer becomes
//! 0, so that walks over frames end.

use core::arch::naked_asm;
use core::ffi::{CStr, c_char};

/// The entry point of the program.
///
/// # Safety
/// For the kernel only.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn _start() -> ! {
    #[cfg(target_arch = "x86_64")]
    naked_asm!(
        "xor ebp, ebp",
        "mov rdi, rsp",
        "and rsp, -16",
        "call {start}",
        "ud2",
        start = sym start,
    );
    #[cfg(target_arch = "aarch64")]
    naked_asm!(
        "mov x29, xzr",
        "mov x30, xzr",
        "mov x0, sp",
        "b {start}",
        start = sym start,
    );
    // The linker may address data relative to gp.
    #[cfg(target_arch = "riscv64")]
    naked_asm!(
        ".option push",
        ".option norelax",
        "lla gp, __global_pointer$",
        ".option pop",
        "mv s0, zero",
        "mv ra, zero",
        "mv a0, sp",
        "tail {start}",
        start = sym start,
    );
}

/// # Safety
/// The words are those that the kernel puts on the stack: `argc`, then `argv`.
unsafe extern "C" fn start(words: *const usize) -> ! {
    // SAFETY: the caller's promise; the arguments stay where they are as long as the process runs.
    let argument = move |index: usize| unsafe {
        let pointer = words.add(1 + index).cast::<*const c_char>().read();
        CStr::from_ptr(pointer).to_bytes()
    };
    // SAFETY: the caller's promise.
    let count = unsafe { words.read() };
    crate::main((1..count).map(argument))
}

/// C `strlen(3)`, which the compiler makes calls of. The volatile reads keep it from making this
/// loop one.
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

/// C `getauxval(3)`: the functions for atomic operations that come with the compiler ask for it.
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
extern "C" fn getauxval(key: u64) -> u64 {
    wasm_aot_linux::auxiliary(key)
}
