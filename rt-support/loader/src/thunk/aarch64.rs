// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A thunk.

/// Bytes of a thunk.
pub const THUNK: usize = 48;

/// Code that stores `value` in the word at `cell` and goes on at `target`, with the arguments that
/// it was called with.
pub fn thunk(cell: u64, value: u64, target: u64) -> [u8; THUNK] {
    let mut thunk = [0; THUNK];
    let code = [
        0x5800_00d0,     // ldr x16, cell
        0x5800_00f1,     // ldr x17, value
        0xf900_0211,     // str x17, [x16]
        0x5800_00f0,     // ldr x16, target
        0xd61f_0200,     // br x16
        0xd503_201f_u32, // nop
    ];
    let code = code.into_iter().flat_map(u32::to_le_bytes);
    let words = [cell, value, target].into_iter().flat_map(u64::to_le_bytes);
    for (to, from) in thunk.iter_mut().zip(code.chain(words)) {
        *to = from;
    }
    thunk
}
