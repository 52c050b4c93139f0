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
//! | `has_feature` | whether the processor has a feature, as Cranelift names it |

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;

#[cfg(target_arch = "x86_64")]
pub use x86_64::has_feature;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("wasm-aot-linux does not know this architecture yet: add src/arch/<name>.rs");
