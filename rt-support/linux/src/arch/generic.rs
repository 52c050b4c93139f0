// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the newer architectures of Linux have in common (`asm-generic`).

/// Numbers of system calls (`asm-generic/unistd.h`).
pub mod number {
    pub const EXIT: usize = 93;
    pub const EXIT_GROUP: usize = 94;
    pub const SIGALTSTACK: usize = 132;
    pub const RT_SIGACTION: usize = 134;
}
