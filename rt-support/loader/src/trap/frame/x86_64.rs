// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! x86-64: `call` pushes the return address; `push %rbp; mov %rsp, %rbp` makes the frame.

use super::{Convention, Return};
use wasm_aot_object::Machine;

pub(super) const CONVENTION: Convention = Convention {
    machine: Machine::X86_64,
    called: Return::Stack(0),
    within: |inside, _| match inside {
        0 => Return::Stack(0),
        1 => Return::Stack(8),
        _ => Return::Frame,
    },
};
