// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The four functions of C's library that compiled Rust code calls, for programs that link none.

use core::arch::asm;

/// C `memcpy(3)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // Words first: a processor may take a step for each, an emulator that counts instructions does.
    // SAFETY: by the caller, `count` bytes can be read and written; the direction flag is clear
    // on function entry (System V ABI).
    unsafe {
        asm!("rep movsq", "mov rcx, {rest}", "rep movsb", rest = in(reg) count % 8,
             inout("rcx") count / 8 => _, inout("rdi") to => _, inout("rsi") from => _,
             options(nostack, preserves_flags));
    }
    to
}

/// C `memmove(3)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= count {
        // SAFETY: copying upwards never overwrites a byte before it is read.
        return unsafe { memcpy(to, from, count) };
    }
    // SAFETY: by the caller, `count` bytes can be read and written, here from the last one
    // downwards; the direction flag is cleared again.
    unsafe {
        asm!("std", "rep movsb", "cld", inout("rcx") count => _,
             inout("rdi") to.wrapping_add(count).wrapping_sub(1) => _,
             inout("rsi") from.wrapping_add(count).wrapping_sub(1) => _, options(nostack));
    }
    to
}

/// C `memset(3)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    // SAFETY: as for `memcpy`.
    unsafe {
        asm!("rep stosq", "mov rcx, {rest}", "rep stosb", rest = in(reg) count % 8,
             inout("rcx") count / 8 => _, inout("rdi") to => _,
             in("rax") u64::from(byte as u8) * 0x0101_0101_0101_0101,
             options(nostack, preserves_flags));
    }
    to
}

/// C `memcmp(3)`.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    let mut position = 0;
    // Words as long as they are equal.
    while count - position >= 8 {
        let word = |of: *const u8| {
            // SAFETY: by the caller, `count` bytes can be read of both.
            unsafe { of.add(position).cast::<u64>().read_unaligned() }
        };
        if word(one) != word(other) {
            break;
        }
        position += 8;
    }
    for position in position..count {
        // SAFETY: by the caller, `count` bytes can be read of both.
        let (a, b) = unsafe { (one.add(position).read(), other.add(position).read()) };
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    0
}

/// `bcmp(3)`, of which LLVM makes use for equality.
///
/// # Safety
/// As in C.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, count: usize) -> i32 {
    // SAFETY: the same contract.
    unsafe { memcmp(one, other, count) }
}
