// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the executive counts of each task.

use crate::histogram::Histogram;

/// What happened to a task since it was added. All bytes of an empty one are zero.
#[derive(Clone, Copy)]
pub struct Counters {
    /// Jobs released: of a server, pieces of work that it was woken for.
    pub releases: u64,
    /// Jobs completed.
    pub completions: u64,
    /// Releases that found the previous job not done, or that were more than a period late.
    pub skipped: u64,
    /// Jobs that were not done at their deadline.
    pub misses: u64,
    /// Jobs whose budget ended before they did. A server that may only be throttled
    /// (`on_overrun` is [`Log`](crate::Reaction::Log)) has none.
    pub overruns: u64,
    /// How often a task with work had to wait for its next budget.
    pub throttled: u64,
    /// Jobs that were given up: by a reaction, or by [`abort`](crate::Executive::abort).
    pub abandoned: u64,
    /// Processor time of the task in all, in nanoseconds, initialisation and idle time included.
    pub processor_ns: u64,
    /// The longest time from the end of a budget to when the executive saw it, in nanoseconds.
    pub cut_lateness_max_ns: u64,
    /// From the nominal release of a job to its completion.
    pub response: Histogram,
    /// From the nominal release of a job to when the executive made it.
    pub jitter: Histogram,
    /// Processor time of each completed job.
    pub execution: Histogram,
}

impl Counters {
    /// Of nothing yet.
    pub const EMPTY: Self = Self {
        releases: 0,
        completions: 0,
        skipped: 0,
        misses: 0,
        overruns: 0,
        throttled: 0,
        abandoned: 0,
        processor_ns: 0,
        cut_lateness_max_ns: 0,
        response: Histogram::EMPTY,
        jitter: Histogram::EMPTY,
        execution: Histogram::EMPTY,
    };
}
