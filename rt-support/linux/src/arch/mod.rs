// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What depends on the architecture, one file each. Such a file has
//!
//! | item | what |
//! |---|---|
//! | `syscall` | a system call with up to four arguments, and in `number` the calls that are made |
//! | `Action` | the kernel's `struct sigaction`, with `Action::new`, `handler` and `flags` |
//! | `Context` | the kernel's `ucontext_t` as far as it is used: `pc`, `sp`, `fp`, `link`, `resume` |
//! | `enter`, `leave` | how compiled code is entered on a stack of its own, and left for good |
//! | `registers` | the present program counter, stack and frame pointer |
//! | `synchronize` | tells the instruction cache of new code |
//! | `has_feature` | whether the processor has a feature, as Cranelift names it |

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod auxv;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod generic;
#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as native;
#[cfg(target_arch = "riscv64")]
use riscv64 as native;
#[cfg(target_arch = "x86_64")]
use x86_64 as native;

#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
pub use auxv::read as auxiliary;
pub use native::has_feature;
pub(crate) use native::*;

#[cfg(not(any(
    target_arch = "aarch64",
    target_arch = "riscv64",
    target_arch = "x86_64"
)))]
compile_error!("wasm-aot-linux does not know this architecture yet: add src/arch/<name>.rs");

/// Where the registers are that a called function must keep: on the stack of whoever entered.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Saved {
    sp: u64,
}

/// Numbers of signals (signal(7)), the same on all of them.
pub(crate) mod signal {
    use core::ffi::c_int;
    pub const ILL: c_int = 4;
    pub const BUS: c_int = 7;
    pub const FPE: c_int = 8;
    pub const SEGV: c_int = 11;
}

/// Bytes that [`enter`] itself keeps at the top of the stack that it changes to, on every
/// architecture.
pub const ENTERED: u64 = 16;
