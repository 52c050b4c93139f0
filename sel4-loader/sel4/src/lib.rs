// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Bindings to seL4 for programs without a standard library.
//!
//! [`sys`] is generated from the kernel that the program will run on: its constants, and a
//! function for each invocation of its interface description. What is written by hand:
//!
//! | module | decides |
//! |---|---|
//! | [`syscall`] | how system calls pass registers: the one place that knows the architecture |
//! | [`bootinfo`] | the layout of what the kernel tells the first thread |
//! | [`error`] | the kernel's errors, one to one |
//! | [`message`] | message information words, capability rights, badges, guards |
//! | `mem` (feature) | memcpy and its like |
//!
//! A capability is a `u64`, its address in the CSpace of the caller: naming a wrong one is an
//! error of the kernel's, not undefined behaviour. What a program does to its own address space
//! through its capabilities (unmapping its own stack) is beyond the type system here.

#![no_std]

pub mod bootinfo;
pub mod error;
#[cfg(feature = "mem")]
pub mod mem;
pub mod message;
pub mod syscall;

pub use error::{Error, ErrorCode};
pub use message::{MessageInfo, badge, guard, ports, rights};

/// Generated: constants, structures and invocations under their names in C.
#[allow(
    missing_docs,
    non_upper_case_globals,
    non_camel_case_types,
    non_snake_case
)]
#[allow(
    clippy::too_many_arguments,
    clippy::unused_unit,
    clippy::let_unit_value
)]
pub mod sys {
    use crate::error::Error;
    use crate::message::Field;
    use crate::syscall::invoke;

    include!(concat!(env!("OUT_DIR"), "/sys.rs"));
}
