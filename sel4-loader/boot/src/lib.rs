// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What crosses a border between the host, the root task and an app on seL4, defined once.
//!
//! | border | what | here |
//! |---|---|---|
//! | host → root task | the boot bundle: which apps to run, and how | [`bundle`] |
//! | root task → host | frames on the second serial port: output, exit codes, traps | [`frame`] |
//! | root task → app | the start-up page: arguments, environment, entry addresses | [`startup`] |
//! | app → root task | service calls: write, exit, grow | [`service`] |
//! | root task → app | its devices, and which accesses to them there are | [`device`] |
//! | all | who lives where in an app's address space | [`space`] |
//!
//! Everything that is read here was written by somebody else: parsers check every count and
//! offset once, never panic and never allocate. Writing is behind the feature `write`.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "write"))]
extern crate alloc;

pub mod bundle;
pub mod device;
pub mod frame;
pub mod service;
pub mod space;
pub mod startup;
pub mod strings;
