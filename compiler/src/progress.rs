// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a compilation tells while it goes on: phases that begin, functions that are done and
//! what they took. For progress bars and timings; nothing depends on who listens.

use std::time::Duration;

/// A phase of [`crate::compile_with`], one after the other in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Parsing and validating the module, function bodies on all cores.
    Validate,
    /// Deciding where everything lives.
    Plan,
    /// Compiling the functions, on all cores.
    Functions,
    /// Laying out the object.
    Emit,
}

/// What one function took, in the time of the thread that compiled it.
#[derive(Clone, Copy, Default, Debug)]
pub struct FunctionTimes {
    /// From WebAssembly to the code generator's intermediate representation.
    pub translate: Duration,
    /// The optimizer, ours and the code generator's.
    pub optimize: Duration,
    /// Selecting instructions, allocating registers, encoding.
    pub generate: Duration,
}

/// Who listens.
pub trait Progress: Sync {
    /// A phase begins, and the one before it has ended.
    fn begin(&self, phase: Phase);

    /// So many functions will be compiled (more may follow).
    fn expect(&self, functions: usize);

    /// A function has been compiled. Called by many threads at once.
    fn compiled(&self, times: FunctionTimes);
}

/// Nobody listens.
impl Progress for () {
    fn begin(&self, _: Phase) {}
    fn expect(&self, _: usize) {}
    fn compiled(&self, _: FunctionTimes) {}
}
