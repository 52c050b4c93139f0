// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The loader of wasm-aot objects: the same code in a Linux process and in seL4's root task.
//!
//! It takes the bytes of an object that nobody vouches for, and
//!
//! 1. checks everything about them ([`Object::parse`]),
//! 2. says how much memory with which rights the image needs ([`Object::layout`]),
//! 3. writes the image into memory that the caller provides, for the address at which it will
//!    run, with the undefined symbols that the caller resolves ([`Object::load`]),
//! 4. explains a hardware fault in that code ([`trap::explain`]).
//!
//! Mapping memory, choosing addresses and providing host functions is the caller's part. Nothing
//! here allocates, panics on any input, or is `unsafe`.
//!
//! | module | decides |
//! |---|---|
//! | [`object`] | what is a well-formed object, which sections are loaded |
//! | [`layout`] | where each section is in the image |
//! | [`load`] | how symbols and relocations become addresses |
//! | `arch` | what the relocations of an architecture mean |
//! | [`link`] | whether an export fits an import |
//! | [`instances`] | which instance provides an import, where several share an address space |
//! | [`thunk`] | how a host function is told which instance calls it |
//! | [`stack`] | how much stack a program needs |
//! | [`cpu`] | whether this processor can run the code |
//! | [`trap`] | which trap a fault is, and the backtrace |

#![no_std]
#![forbid(unsafe_code)]
#![allow(
    clippy::result_large_err,
    reason = "errors carry what their message needs, and there is no allocator to box it"
)]

#[cfg(test)]
extern crate std;

mod arch;
pub mod cpu;
mod error;
pub mod instances;
pub mod layout;
pub mod link;
pub mod load;
pub mod object;
pub mod stack;
mod symbol;
pub mod thunk;
pub mod trap;

pub use error::{LoadError, Unresolved};
pub use layout::{Layout, PAGE};
pub use load::Loaded;
pub use object::Object;
pub use stack::Unbounded;
pub use symbol::{Definition, Resolution, UndefinedKind, UndefinedSymbol};
