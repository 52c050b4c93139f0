// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Vectors of 128 bits in innermost loops of one block.
//!
//! A loop that can be vectorized gets a second version in front: as many rounds as fill whole
//! vectors, but not the last one, run as vectors where checks at run time show that they may; the
//! original loop does the rest, or everything. So
//!
//! - what the loop leaves behind is left by the original loop, always;
//! - no trap happens in the vector version: before it is entered, all that it will touch is
//!   compared with the length of the memory as it is then (which does not change in the loop). If
//!   anything would be outside, the original loop runs, and traps where and when it always did;
//! - stores never overtake what they overlap: accesses whose addresses differ by constants are
//!   compared here ([`pack`]), all others when the loop is entered ([`guard`]).
//!
//! What is vectorized is a window of several rounds, as if the loop were unrolled: adjacent stores
//! and, from them upwards, what they store, as long as all lanes do the same. That covers both loops
//! of one element a round and those that somebody has unrolled already. Floating point is never
//! reassociated.
//!
//! - [`shape`](self::shape): which loops, their parameters, when they end;
//! - [`linear`](self::linear): integers as sums modulo 2^32;
//! - [`access`](self::access): what is read and written where, and in which order it must stay;
//! - [`pack`](self::pack): lanes that become vectors;
//! - [`guard`](self::guard): the checks before the vector version;
//! - [`emit`](self::emit): the vector version.
//!
//! A body has a bounded number of instructions, and everything here is bounded by it.

mod access;
mod emit;
mod guard;
mod linear;
mod pack;
mod shape;

use crate::isa;
use crate::options::{OptLevel, Options};
use crate::plan::Plan;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::TargetIsa;
use wasm_aot_object::Machine;

/// What the vectorizer has to know of the module.
#[derive(Clone, Copy)]
pub struct Vectorizer<'a> {
    plan: &'a Plan<'a>,
    machine: Machine,
}

impl<'a> Vectorizer<'a> {
    /// `None` where nothing is to be vectorized: not asked for, or not possible. Of a shared memory
    /// other threads see the order of accesses.
    pub fn new(plan: &'a Plan<'a>, options: &Options, isa: &dyn TargetIsa) -> Option<Self> {
        let possible = options.vectorize
            && options.opt_level == OptLevel::Speed
            && matches!(options.target, Machine::X86_64 | Machine::Aarch64)
            && isa::missing_for_vectors(isa).is_none()
            && plan.memories.iter().all(|memory| !memory.shared);
        possible.then_some(Self {
            plan,
            machine: options.target,
        })
    }

    /// Vectorizes the loops of a function in which there are no aliases of values. Whether there
    /// were any.
    pub fn function(self, func: &mut Function) -> bool {
        let mut changed = false;
        for shape in shape::find(func) {
            if let Some(plan) = self.plan_loop(func, &shape) {
                emit::emit(self, func, &shape, &plan);
                changed = true;
            }
        }
        changed
    }

    /// What the loop's vector version is to be, `None` where it shall have none.
    fn plan_loop(self, func: &Function, shape: &shape::Shape) -> Option<pack::Packed> {
        let mut values = linear::Values::new(func, shape)?;
        let trips = shape::trips(&mut values)?;
        let accesses = access::Accesses::find(&mut values, self.plan)?;
        pack::pack(&mut values, accesses, trips)
    }
}
