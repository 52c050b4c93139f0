// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Code that notes a word before it goes on elsewhere, for the architecture that this loader was
//! built for.
//!
//! A function of WASI has no argument that says which instance calls it, and so on whose memory
//! it works. Where several instances share an address space, every import of one leads through a
//! thunk of the importing instance, which notes the descriptor of its memory.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::{THUNK, thunk};
#[cfg(target_arch = "riscv64")]
pub use riscv64::{THUNK, thunk};
#[cfg(target_arch = "x86_64")]
pub use x86_64::{THUNK, thunk};

/// Bytes from one thunk to the next.
pub const STRIDE: usize = THUNK.next_multiple_of(16);
