// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How deep the stack becomes: what the records of functions say about it, and the way down.
//!
//! The compiler finds, over all calls of a module, what a call of a function takes on the stack at
//! most, from the stack pointer of its caller: frames of the object's own code, and the depth at
//! which code outside the object is called. What that takes is the loader's to add: of functions
//! of the runtime and of a host [`HOST_STACK_BYTES`], of another object what its own records say.
//!
//! Each record names only the next function on the way to the deepest place ([`Next`]); following
//! it from record to record gives the whole way. Where calls go round, so that there is no bound,
//! the way leads into the circle and along it.

use crate::meta::{FunctionRecord, Meta, NONE};

/// Bytes that a function of the runtime or of a host takes on the stack of compiled code at most,
/// return address included. The runtimes of this project keep to it: `cargo xtask build` and tests
/// check that. An embedder whose functions take more has to add what they take.
pub const HOST_STACK_BYTES: u64 = 32 << 10;

/// Bytes that the runtime of an app has on the stack at most when it calls compiled code, which
/// come on top of a bound. What it does before and after that takes no more than this and
/// [`HOST_STACK_BYTES`]. Checked likewise.
pub const ENTRY_STACK_BYTES: u64 = 2 << 10;

/// How something is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Call {
    /// Through a reference or a table.
    pub indirect: bool,
    /// As a tail call: the frame of the caller is gone by then.
    pub tail: bool,
}

impl Call {
    /// By name, leaving the frame of the caller where it is.
    pub const DIRECT: Self = Self {
        indirect: false,
        tail: false,
    };
    /// Likewise through a reference or a table.
    pub const INDIRECT: Self = Self {
        indirect: true,
        tail: false,
    };
}

/// What is called next on a way down the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// A function of the object.
    Function {
        /// Index into [`Meta::functions`].
        index: u32,
        /// How.
        call: Call,
    },
    /// An imported function.
    Import {
        /// Index into [`Meta::imports`].
        index: u32,
        /// How.
        call: Call,
    },
    /// A function of the runtime.
    Runtime {
        /// Its position in `wasm_aot_symbols::Runtime::ALL`.
        index: u32,
    },
}

/// What is in the upper bits of a word, as the lower ones are an index.
const INDEX_BITS: u32 = 28;
const FUNCTION: u32 = 0;
const IMPORT: u32 = 1;
const RUNTIME: u32 = 2;
const INDIRECT: u32 = 1 << 30;
const TAIL: u32 = 1 << 31;

impl Next {
    /// As a record has it.
    ///
    /// # Panics
    /// Where the index is 2^28 or more, which no module's can be.
    #[must_use]
    pub fn word(self) -> u32 {
        let (kind, index, call) = match self {
            Self::Function { index, call } => (FUNCTION, index, call),
            Self::Import { index, call } => (IMPORT, index, call),
            Self::Runtime { index } => (RUNTIME, index, Call::DIRECT),
        };
        assert!(index < 1 << INDEX_BITS, "modules have fewer functions");
        let bit = |set, bit| if set { bit } else { 0 };
        index | (kind << INDEX_BITS) | bit(call.indirect, INDIRECT) | bit(call.tail, TAIL)
    }

    /// From a record; `None` for [`NONE`] and for what no writer produces.
    #[must_use]
    pub fn from_word(word: u32) -> Option<Self> {
        let index = word & ((1 << INDEX_BITS) - 1);
        let call = Call {
            indirect: word & INDIRECT != 0,
            tail: word & TAIL != 0,
        };
        match word >> INDEX_BITS & 3 {
            FUNCTION => Some(Self::Function { index, call }),
            IMPORT => Some(Self::Import { index, call }),
            RUNTIME if call == Call::DIRECT => Some(Self::Runtime { index }),
            _ => None,
        }
    }
}

/// What a call of a function takes on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Stack<'m, 'a> {
    meta: &'m Meta<'a>,
    function: &'a FunctionRecord,
}

impl<'m, 'a> Stack<'m, 'a> {
    /// Of the function with this index in [`Meta::functions`].
    #[must_use]
    pub fn of(meta: &'m Meta<'a>, index: u32) -> Option<Self> {
        let function = meta.functions().get(index as usize)?;
        Some(Self { meta, function })
    }

    /// Of a function of the metadata.
    #[must_use]
    pub fn of_record(meta: &'m Meta<'a>, function: &'a FunctionRecord) -> Self {
        Self { meta, function }
    }

    /// Bytes that the object's own code takes, `None` where there is no bound.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        some(self.function.stack.bytes.get())
    }

    /// Bytes in use at the deepest place where code outside the object is called, `None` where none
    /// ever is, or where there is no bound.
    #[must_use]
    pub fn outside(&self) -> Option<u64> {
        self.bytes()?;
        some(self.function.stack.outside.get())
    }

    /// Bytes on the whole, where code outside takes so many; `None` where there is no bound.
    #[must_use]
    pub fn bytes_with(&self, outside: u64) -> Option<u64> {
        let below = match self.outside() {
            Some(depth) => depth.checked_add(outside)?,
            None => 0,
        };
        Some(self.bytes()?.max(below))
    }

    /// The way from this function to its deepest place; without a bound, into the circle of calls
    /// that is the reason, and once along it.
    pub fn way(&self) -> impl Iterator<Item = Next> + use<'m, 'a> {
        self.follow(|function| function.stack.next.get())
    }

    /// The way to the deepest place where code outside the object is called, which comes last.
    pub fn way_outside(&self) -> impl Iterator<Item = Next> + use<'m, 'a> {
        self.follow(|function| function.stack.outside_next.get())
    }

    /// A function in the circle of calls that is the reason why there is no bound. `None` where
    /// there is a bound, or where calls are merely deeper than a record can say.
    #[must_use]
    pub fn recursion(&self) -> Option<u32> {
        if self.bytes().is_some() {
            return None;
        }
        // After as many steps as there are functions, a way that goes on is in the circle.
        let steps = self.meta.functions().len();
        match self.way().nth(steps)? {
            Next::Function { index, .. } => Some(index),
            _ => None,
        }
    }

    fn follow(&self, next: fn(&FunctionRecord) -> u32) -> impl Iterator<Item = Next> + use<'m, 'a> {
        let functions = self.meta.functions();
        let mut at = Some(self.function);
        let way = core::iter::from_fn(move || {
            let step = Next::from_word(next(at?))?;
            at = match step {
                Next::Function { index, .. } => functions.get(index as usize),
                _ => None,
            };
            Some(step)
        });
        way.take(functions.len() + 1)
    }
}

fn some(bytes: u32) -> Option<u64> {
    (bytes != NONE).then_some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        let index = (1 << INDEX_BITS) - 1;
        for (indirect, tail) in [(false, false), (false, true), (true, false), (true, true)] {
            let call = Call { indirect, tail };
            for next in [
                Next::Function { index, call },
                Next::Function { index: 0, call },
                Next::Import { index: 7, call },
            ] {
                assert_eq!(Next::from_word(next.word()), Some(next));
                assert_ne!(next.word(), NONE);
            }
        }
        let runtime = Next::Runtime { index: 21 };
        assert_eq!(Next::from_word(runtime.word()), Some(runtime));
        assert_eq!(Next::from_word(NONE), None);
    }
}
