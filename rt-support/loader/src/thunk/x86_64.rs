// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A thunk.

/// Bytes of a thunk.
pub const THUNK: usize = 36;

/// Code that stores `value` in the word at `cell` and goes on at `target`, with the arguments that
/// it was called with.
pub fn thunk(cell: u64, value: u64, target: u64) -> [u8; THUNK] {
    let mut code = [0; THUNK];
    let parts: [&[u8]; 7] = [
        &[0x49, 0xbb], // movabs $cell, %r11
        &cell.to_le_bytes(),
        &[0x48, 0xb8], // movabs $value, %rax
        &value.to_le_bytes(),
        &[0x49, 0x89, 0x03, 0x49, 0xbb], // mov %rax, (%r11); movabs $target, %r11
        &target.to_le_bytes(),
        &[0x41, 0xff, 0xe3], // jmp *%r11
    ];
    let bytes = parts.into_iter().flatten();
    for (to, from) in code.iter_mut().zip(bytes) {
        *to = *from;
    }
    code
}
