// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Runs `.wast` scripts (the format of the official testsuite) through the real path: every module
//! is compiled to an object, loaded with the shared loader and called natively. Nothing is
//! interpreted and no assertion is left out; a directive that this runner does not know is a
//! failure.

mod engine;
mod script;
mod values;

pub use script::{Outcome, run};
