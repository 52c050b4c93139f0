// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A thunk.

/// Bytes of a thunk.
pub const THUNK: usize = 56;

/// Code that stores `value` in the word at `cell` and goes on at `target`, with the arguments that
/// it was called with.
pub fn thunk(cell: u64, value: u64, target: u64) -> [u8; THUNK] {
    let mut thunk = [0; THUNK];
    let code = [
        0x0000_0297,     // auipc t0, 0
        0x0202_b303,     // ld t1, 32(t0): cell
        0x0282_b383,     // ld t2, 40(t0): value
        0x0073_3023,     // sd t2, 0(t1)
        0x0302_b303,     // ld t1, 48(t0): target
        0x0003_0067,     // jr t1
        0x0000_0013,     // nop
        0x0000_0013_u32, // nop
    ];
    let code = code.into_iter().flat_map(u32::to_le_bytes);
    let words = [cell, value, target].into_iter().flat_map(u64::to_le_bytes);
    for (to, from) in thunk.iter_mut().zip(code.chain(words)) {
        *to = from;
    }
    thunk
}
