// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! RISC-V: `jalr` leaves the return address in ra; `addi sp, sp, -16; sd ra, 8(sp); sd s0, 0(sp);
//! mv s0, sp` makes the frame. (That is not where C compilers point s0, but where the other
//! architectures point their frame pointers.)

use super::{Convention, Return};
use wasm_aot_object::Machine;

pub(super) const CONVENTION: Convention = Convention {
    machine: Machine::Riscv64,
    called: Return::Link,
    within: |inside, features| {
        // Two bytes an instruction where the code is compressed.
        let compressed = features.split_ascii_whitespace().any(|f| f == "has_zca");
        let prologue = if compressed { 8 } else { 16 };
        if inside < prologue {
            Return::Link
        } else {
            Return::Frame
        }
    },
};
