// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A Linux process as a world in which compiled WebAssembly runs.
//!
//! [`World`] loads objects beside each other, links them by their WebAssembly names, and runs
//! their functions; a trap or the program's exit comes back as a value. The same code serves the
//! `wasm-aot` command, which has the standard library, and freestanding programs, which have no
//! C library: nothing here uses more than system calls, and no memory but what it maps.
//!
//! | module | decides |
//! |---|---|
//! | [`world`] | which instances there are, how they are linked, which memories are in place |
//! | [`script`] | a world as an engine for test scripts |
//! | [`run`] | how compiled code is entered and left, on which stack |
//! | [`signals`] | what becomes of a hardware fault |
//! | [`platform`] | Linux as the runtime sees it: streams, clocks, memory, the program's end |
//! | [`files`] | the file system below the directories that a program was given |
//! | [`sockets`] | the sockets that it was given, and waiting for descriptors |
//! | [`map`] | address space: reserved, accessible, protected |
//! | [`calls`] | system calls that the library does not offer |
//! | [`list`] | arrays that grow, without an allocator |
//! | [`arch`] | registers, system calls and stacks of an architecture: one file each |

#![no_std]
#![allow(
    clippy::result_large_err,
    clippy::large_enum_variant,
    reason = "errors and trap reports carry what their text needs, and there is no allocator to box them"
)]

#[cfg(test)]
extern crate std;

mod arch;
pub mod calls;
mod errno;
pub mod files;
mod list;
pub mod map;
pub mod platform;
pub mod run;
pub mod script;
mod signals;
pub mod sockets;
pub mod world;

#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
pub use arch::auxiliary;
pub use arch::has_feature;
pub use run::{Code, StackArea, Stopped};
pub use rustix::io::Errno;
pub use world::{Error, Function, InstanceId, LoadOptions, StackCheck, World, WorldOptions};
