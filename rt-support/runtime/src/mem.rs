// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `memcpy`, `memmove`, `memset`, `memcmp` and `bcmp` for programs without a C library; one file an
//! architecture.
//!
//! In assembly, because a compiler turns such a loop written in Rust into a call of the very
//! function.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_arch = "x86_64")]
mod x86_64;
