// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a Linux guest and the seL4 loader say to each other, and how it gets across.
//!
//! | module | decides |
//! |---|---|
//! | [`message`] | requests, answers and their records, as bytes and back |
//! | [`error`] | the numbers of errors |
//! | [`frame`] | one frame: header, checksum |
//! | [`transport`] | frames over shared memory and over a serial line |
//! | [`link`] | sessions, order, acknowledgement, retransmission, flow control |
//! | [`loader`] | the loader's half: transfers, requests, who is answered when |
//! | `client` (feature `client`) | the agent's half: requests, retries, uploads that resume |
//! | `testing` (feature `testing`) | a store and apps that pretend, a link that fails |
//!
//! Both halves are state machines: they are given the time, bytes and memory, and never wait.
//! The loader's half has no heap and believes nothing that the guest says: `docs/protocol.md`
//! explains the layers and gives the layouts.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![allow(
    clippy::result_large_err,
    clippy::large_enum_variant,
    reason = "errors carry their text without a heap, and come once a request"
)]

#[cfg(any(test, feature = "client", feature = "testing"))]
extern crate alloc;

#[cfg(any(test, feature = "client"))]
pub mod client;
pub mod error;
pub mod frame;
pub mod link;
pub mod loader;
pub mod message;
#[cfg(test)]
mod simulation;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod transport;

pub use error::Code;
pub use wasm_aot_trust as trust;

/// The version of the messages. What is added to the end of a list of requests, answers or
/// operations leaves it as it is: who does not know it says [`Code::UNSUPPORTED`].
pub const VERSION: u16 = 1;

/// Nanoseconds of a millisecond.
pub(crate) const MS: u64 = 1_000_000;
