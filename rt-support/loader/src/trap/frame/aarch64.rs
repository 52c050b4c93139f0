// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! AArch64: `bl` leaves the return address in x30; `stp x29, x30, [sp, #-16]!; mov x29, sp` makes
//! the frame.

use super::{Convention, Return};
use wasm_aot_object::Machine;

pub(super) const CONVENTION: Convention = Convention {
    machine: Machine::Aarch64,
    called: Return::Link,
    within: |inside, _| match inside {
        0..8 => Return::Link,
        _ => Return::Frame,
    },
};
