// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Random sets of tasks, run by the executive itself under a virtual clock, against what the
//! analysis says of them.
//!
//! | module | what it decides |
//! |---|---|
//! | [`sets`] | which sets there are |
//! | [`world`] | how time passes: what tasks do, and what the executive costs |
//! | [`scenarios`] | what tasks do, and when they begin |
//! | [`campaign`] | which runs a set gets, and what they have to show |
//! | [`refusals`] | which refusals a run has to confirm, and whether one does |

pub mod campaign;
mod random;
mod refusals;
mod scenarios;
mod sets;
mod world;
