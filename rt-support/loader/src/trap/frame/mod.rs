// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where the return address is while a function sets up its frame, one file an architecture.
//!
//! Once the frame is set up all architectures agree, because the compiler makes it so: the frame
//! pointer leads to the caller's frame pointer, and the return address is behind that.

mod aarch64;
mod riscv64;
mod x86_64;

use wasm_aot_object::Machine;

/// Where the return address out of the innermost function is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Return {
    /// On the stack, so many bytes above the stack pointer.
    Stack(u64),
    /// In the link register.
    Link,
    /// In the function's frame.
    Frame,
}

/// How functions of an architecture begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convention {
    pub machine: Machine,
    /// In a function that has just been called.
    pub called: Return,
    /// In a function with a frame, so many bytes after its start; `features` are those of the
    /// processor that the code was made for.
    pub within: fn(inside: u32, features: &str) -> Return,
}

/// How functions of this architecture begin.
pub(super) fn of(machine: Machine) -> Convention {
    match machine {
        Machine::X86_64 => x86_64::CONVENTION,
        Machine::Aarch64 => aarch64::CONVENTION,
        Machine::Riscv64 => riscv64::CONVENTION,
    }
}
