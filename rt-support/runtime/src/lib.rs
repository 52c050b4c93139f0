// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What compiled WebAssembly calls: growth of memories and tables, float rounding, objects in the
//! heap, and WASI preview 1, over the small trait [`Platform`].
//!
//! The rules (which pointer is refused, what a descriptor may do, what a structure looks like)
//! are here once for all systems; a system provides [`Platform`], and [`Files`] where it has
//! files. Compiled code finds the functions by their symbols: a loader looks them up in
//! [`exports`], a linker finds them with the features `symbols` and `mem`.
//!
//! Several threads may run compiled code: growth of a memory is one step to all of them, and
//! [`wait`] is how they wait for each other. The WASI state is not for several
//! ([`Platform::wasi`]). Nothing allocates.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod compiled;
mod errno;
pub mod exception;
mod export;
pub mod float;
mod frame;
pub mod heap;
#[cfg(feature = "mem")]
mod mem;
pub mod platform;
#[cfg(test)]
mod testing;
pub mod values;
pub mod wait;
pub mod wasi;

pub use errno::{Errno, Result};
pub use export::{COMPILED, Export, Signature, Value, exports, lookup};
pub use frame::enter;
pub use platform::{Files, Platform, install};
pub use wasi::Wasi;
