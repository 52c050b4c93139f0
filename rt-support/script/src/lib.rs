// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Test scripts: what is left of a `.wast` file once the host has compiled its modules.
//!
//! A host turns every module of a script into an object and the rest into [`Step`]s, and packs
//! both into one [`Script`]. Whatever can load objects (a Linux process, an emulated machine, a
//! kernel's root task) is a [`World`]; [`run()`] takes it through the steps and says after each
//! what came of it ([`outcome`]). The host judges. No step depends on the outcome of another, so
//! a script is a batch: one stream in, one stream out.
//!
//! | module | decides |
//! |---|---|
//! | [`format`] | the bytes of a script, and which are refused |
//! | [`mod@write`] | the same, written (feature `write`) |
//! | [`outcome`] | the bytes of outcomes |
//! | [`mod@run`] | in which order a world is asked for what |
//!
//! # An engine
//!
//! A program that runs scripts by themselves, an *engine*, reads one script from standard input up
//! to its end, writes the frames of [`outcome`] to standard output as they come about, and ends
//! with status 0. Another status, or an end without [`outcome::Kind::End`], is a crash.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "write")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod format;
pub mod outcome;
pub mod run;
#[cfg(feature = "write")]
pub mod write;

pub use format::{Script, ScriptError, Shape, Step};
pub use outcome::RefKind;
pub use run::{Sink, Stop, World, run};

/// The version of scripts and outcomes. An engine refuses any other.
pub const VERSION: u32 = 1;

/// An argument or a result: 16 bytes, the low ones first; references and smaller numbers at the
/// front, the rest of an argument zero and the rest of a result undefined. The slots of invoke trampolines (`wasm-aot-symbols`).
pub type Slot = [u64; 2];
