// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Who runs when: the real-time executive without a clock and without a kernel.
//!
//! | module | what it decides |
//! |---|---|
//! | [`executive`] | releases, deadlines, budgets, priorities: which task runs now, and until when |
//! | [`admission`] | whether a set of tasks keeps its deadlines |
//! | [`histogram`], [`counters`] | what happened, in numbers |
//! | [`report`] | those numbers as a record for the host |
//!
//! The root task on seL4 drives [`Executive`] with its clock and its timer; the tests drive the
//! same code with a virtual clock. All times are `u64` nanoseconds since the root task began.
//! Nothing here allocates, and nothing panics, whatever the order of the calls.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod admission;
pub mod counters;
pub mod executive;
mod heap;
pub mod histogram;
pub mod report;
mod ring;
mod task;

pub use counters::Counters;
pub use executive::{Decision, Executive, Notice};
pub use histogram::Histogram;
pub use report::{Report, Supervision};
pub use task::{Parameters, Policy, State, TaskId};
pub use wasm_aot_contract::{Class, Reaction};

/// A time that never comes.
pub const NEVER: u64 = u64::MAX;
