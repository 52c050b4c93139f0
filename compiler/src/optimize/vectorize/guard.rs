// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What is computed when a loop is entered: how many rounds the vector version may do, and whether
//! what it touches is inside of the memory and apart.
//!
//! All of it is in 64 bits and wraps nowhere: indices and rounds are below 2^32, steps at most
//! 2^16, offsets below 2^34. That an index itself does not wrap follows: it is never below 0, and
//! never past the length of the memory, which is at most 2^32.

use super::Vectorizer;
use super::access::Stream;
use super::linear::{self, Kind, Linear};
use super::pack::Packed;
use super::shape::{Shape, Trips};
use crate::plan::Symbol;
use crate::translate;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, ValueDef, types};
use std::collections::HashMap;
use wasm_aot_object::descriptor;

/// The vector version is entered for no fewer rounds, and for no fewer windows.
const MIN_ROUNDS: i64 = 8;
const MIN_WINDOWS: i64 = 2;

/// An integer of 64 bits that is computed when the loop is entered, or before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Num {
    Constant(i64),
    Value(Value),
}

/// Makes code in front of a loop.
pub struct Front<'f> {
    pub at: FuncCursor<'f>,
    pub shape: &'f Shape,
    pub kinds: &'f [Kind],
    /// Values of the body that have been computed in front of it.
    moved: HashMap<Value, Value>,
}

impl<'f> Front<'f> {
    pub fn new(at: FuncCursor<'f>, shape: &'f Shape, kinds: &'f [Kind]) -> Self {
        Self {
            at,
            shape,
            kinds,
            moved: HashMap::new(),
        }
    }

    pub fn value(&mut self, number: Num) -> Value {
        match number {
            Num::Constant(constant) => self.at.ins().iconst(types::I64, constant),
            Num::Value(value) => value,
        }
    }

    pub fn add(&mut self, a: Num, b: Num) -> Num {
        match (a, b) {
            (Num::Constant(a), Num::Constant(b)) => Num::Constant(a.wrapping_add(b)),
            (a, Num::Constant(0)) | (Num::Constant(0), a) => a,
            _ => {
                let (a, b) = (self.value(a), self.value(b));
                Num::Value(self.at.ins().iadd(a, b))
            }
        }
    }

    pub fn times(&mut self, a: Num, factor: i64) -> Num {
        match a {
            Num::Constant(a) => Num::Constant(a.wrapping_mul(factor)),
            Num::Value(a) if factor == 1 => Num::Value(a),
            Num::Value(a) => {
                let factor = self.at.ins().iconst(types::I64, factor);
                Num::Value(self.at.ins().imul(a, factor))
            }
        }
    }

    /// A value that does not change in the loop, in front of it.
    pub fn invariant(&mut self, value: Value) -> Value {
        if let Some(at) = self.shape.param(value) {
            debug_assert_eq!(self.kinds[at], Kind::Affine(0));
            return self.shape.inits[at];
        }
        let ValueDef::Result(inst, _) = self.at.func.dfg.value_def(value) else {
            return value;
        };
        if self.at.func.layout.inst_block(inst) != Some(self.shape.header) {
            return value;
        }
        if let Some(&moved) = self.moved.get(&value) {
            return moved;
        }
        let arguments = self.at.func.dfg.inst_args(inst).to_vec();
        let arguments: Vec<Value> = arguments
            .into_iter()
            .map(|argument| self.invariant(argument))
            .collect();
        let copy = self.at.func.dfg.clone_inst(inst);
        self.at
            .func
            .dfg
            .inst_args_mut(copy)
            .copy_from_slice(&arguments);
        self.at.insert_inst(copy);
        let moved = self.at.func.dfg.first_result(copy);
        self.moved.insert(value, moved);
        moved
    }

    /// A sum in the first round: of 32 bits, or a constant.
    pub fn sum(&mut self, sum: &Linear) -> Num {
        let mut constant = sum.constant;
        let mut total: Option<Value> = None;
        for &(value, factor) in &sum.terms {
            let value = match self.shape.param(value) {
                Some(at) => self.shape.inits[at],
                None => self.invariant(value),
            };
            if let Some(known) = linear::constant(self.at.func, value) {
                constant = constant.wrapping_add((known as u32).wrapping_mul(factor));
                continue;
            }
            let term = match factor {
                1 => value,
                _ => {
                    let factor = self.at.ins().iconst(types::I32, i64::from(factor));
                    self.at.ins().imul(value, factor)
                }
            };
            total = Some(match total {
                Some(total) => self.at.ins().iadd(total, term),
                None => term,
            });
        }
        match (total, constant) {
            (None, _) => Num::Constant(constant.into()),
            (Some(total), 0) => Num::Value(total),
            (Some(total), _) => {
                let constant = self.at.ins().iconst(types::I32, i64::from(constant));
                Num::Value(self.at.ins().iadd(total, constant))
            }
        }
    }

    /// A number of 32 bits, zero-extended.
    pub fn extended(&mut self, number: Num) -> Num {
        match number {
            Num::Constant(constant) => Num::Constant(i64::from(constant as u32)),
            Num::Value(value) => Num::Value(self.at.ins().uextend(types::I64, value)),
        }
    }

    fn narrow(&mut self, number: Num) -> Value {
        match number {
            Num::Constant(constant) => {
                let constant = i64::from(constant as u32);
                self.at.ins().iconst(types::I32, constant)
            }
            Num::Value(value) => value,
        }
    }

    /// A lower bound of how often the loop goes back.
    fn trips(&mut self, trips: &Trips) -> Num {
        let start = self.sum(&trips.tested);
        let bound = match trips.bound {
            None => Num::Constant(0),
            Some(bound) => {
                let bound = self.invariant(bound);
                match linear::constant(self.at.func, bound) {
                    Some(constant) => Num::Constant(i64::from(constant as u32)),
                    None => Num::Value(bound),
                }
            }
        };
        let (from, to) = match trips.step > 0 {
            true => (start, bound),
            false => (bound, start),
        };
        let distance = match (from, to) {
            (Num::Constant(from), Num::Constant(to)) => {
                Num::Constant(i64::from((to as u32).wrapping_sub(from as u32)))
            }
            _ => {
                let (from, to) = (self.narrow(from), self.narrow(to));
                let distance = self.at.ins().isub(to, from);
                self.extended(Num::Value(distance))
            }
        };
        let by = i64::from(trips.step).abs();
        if trips.condition == IntCC::NotEqual {
            return self.divided(distance, by);
        }
        let strict = trips.condition.without_equal() == trips.condition;
        let before = self.add(distance, Num::Constant(-i64::from(strict)));
        let count = self.divided(before, by);
        let count = self.add(count, Num::Constant(1));
        let (start, bound) = (self.narrow(start), self.narrow(bound));
        let holds = self.at.ins().icmp(trips.condition, start, bound);
        let (count, none) = (self.value(count), self.value(Num::Constant(0)));
        Num::Value(self.at.ins().select(holds, count, none))
    }

    /// A number that is not negative (or of which the quotient is not used), by a positive one.
    fn divided(&mut self, number: Num, by: i64) -> Num {
        match number {
            Num::Constant(number) => Num::Constant(number / by),
            Num::Value(number) if by.count_ones() == 1 => {
                let by = self
                    .at
                    .ins()
                    .iconst(types::I64, i64::from(by.trailing_zeros()));
                Num::Value(self.at.ins().ushr(number, by))
            }
            Num::Value(number) => {
                let by = self.at.ins().iconst(types::I64, by);
                Num::Value(self.at.ins().udiv(number, by))
            }
        }
    }

    /// The rounds of the vector version, a multiple of the window, and whether they are enough.
    /// `None` where they never are.
    pub fn rounds(&mut self, packed: &Packed) -> Option<(Num, Option<Value>)> {
        let window = 1_i64 << packed.rounds_log2;
        let minimum = MIN_ROUNDS.max(MIN_WINDOWS * window);
        let trips = self.trips(&packed.trips);
        match trips {
            Num::Constant(trips) => {
                (trips >= minimum).then_some((Num::Constant(trips & -window), None))
            }
            Num::Value(trips) => {
                let mask = self.at.ins().iconst(types::I64, -window);
                let rounds = self.at.ins().band(trips, mask);
                let minimum = self.at.ins().iconst(types::I64, minimum);
                let enough = self
                    .at
                    .ins()
                    .icmp(IntCC::UnsignedGreaterThanOrEqual, trips, minimum);
                Some((Num::Value(rounds), Some(enough)))
            }
        }
    }

    /// `a <= b`: a constant where it is known.
    fn at_most(&mut self, a: Num, b: Num) -> Result<bool, Value> {
        if let (Num::Constant(a), Num::Constant(b)) = (a, b) {
            return Ok(a <= b);
        }
        let (a, b) = (self.value(a), self.value(b));
        Err(self.at.ins().icmp(IntCC::SignedLessThanOrEqual, a, b))
    }

    /// The length of the memory, now.
    fn length(&mut self, vectorizer: Vectorizer<'_>, memory: u32) -> Num {
        if let Some(length) = vectorizer.plan.memories[memory as usize].fixed_length {
            return Num::Constant(length as i64);
        }
        let symbol = Symbol::Memory(memory);
        let cell = translate::symbol_address(vectorizer.plan, &mut self.at, symbol);
        let offset = descriptor::MEMORY_LENGTH_OFFSET;
        let flags = MemFlagsData::trusted();
        Num::Value(self.at.ins().load(types::I64, flags, cell, offset))
    }

    /// Whether the vector version may run: what has to hold at run time, `None` where nothing.
    /// Also the index at which each stream starts, and how far it goes in all rounds.
    pub fn checks(
        &mut self,
        vectorizer: Vectorizer<'_>,
        packed: &Packed,
        rounds: Num,
    ) -> (Option<Value>, Vec<Reach>) {
        let accesses = &packed.accesses;
        let reaches: Vec<Reach> = accesses
            .streams
            .iter()
            .map(|stream| self.reach(stream, rounds))
            .collect();
        let minimum = vectorizer.plan.memories[accesses.memory as usize].min_bytes();
        let mut needed = Vec::new();
        let mut length = None;
        for (stream, reach) in accesses.streams.iter().zip(&reaches) {
            let certain = match reach.past {
                Num::Constant(past) => past as u64 <= minimum,
                Num::Value(_) => false,
            };
            if !certain {
                let length =
                    *length.get_or_insert_with(|| self.length(vectorizer, accesses.memory));
                needed.push(self.at_most(reach.past, length));
            }
            if stream.step < 0 {
                needed.push(self.at_most(Num::Constant(0), reach.lowest_index));
            }
        }
        for (one, a) in accesses.streams.iter().zip(&reaches).enumerate() {
            for b in accesses.streams.iter().zip(&reaches).skip(one + 1) {
                if a.0.stored || b.0.stored {
                    needed.push(self.apart(a.1, b.1));
                }
            }
        }
        let mut all: Option<Value> = None;
        for one in needed {
            let one = match one {
                Ok(true) => continue,
                Ok(false) => self.at.ins().iconst(types::I8, 0),
                Err(value) => value,
            };
            all = Some(match all {
                Some(all) => self.at.ins().band(all, one),
                None => one,
            });
        }
        (all, reaches)
    }

    fn apart(&mut self, a: &Reach, b: &Reach) -> Result<bool, Value> {
        match (self.at_most(a.past, b.first), self.at_most(b.past, a.first)) {
            (Ok(true), _) | (_, Ok(true)) => Ok(true),
            (Ok(false), other) | (other, Ok(false)) => other,
            (Err(a), Err(b)) => Err(self.at.ins().bor(a, b)),
        }
    }

    fn reach(&mut self, stream: &Stream, rounds: Num) -> Reach {
        let start = self.sum(&stream.start);
        let start = self.extended(start);
        let step = i64::from(stream.step);
        let extent = self.times(rounds, step);
        let last = self.add(extent, Num::Constant(-step));
        let (first, past) = match step {
            0 => (start, start),
            1.. => (start, self.add(start, last)),
            _ => (self.add(start, last), start),
        };
        Reach {
            start,
            lowest_index: first,
            extent,
            first: self.add(first, Num::Constant(stream.low)),
            past: self.add(past, Num::Constant(stream.high)),
        }
    }
}

/// What a stream touches in all rounds of the vector version.
#[derive(Clone, Copy)]
pub struct Reach {
    /// The index in the first round.
    pub start: Num,
    lowest_index: Num,
    /// How much an index grows in all rounds.
    pub extent: Num,
    /// From which byte, up to which.
    first: Num,
    past: Num,
}
