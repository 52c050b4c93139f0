// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Integers as sums: multiples of other values plus a constant, proved not to wrap.

use super::loops::{Loops, offset, signed};
use super::range::{Range, constant};
use cranelift_codegen::ir::{Function, InstructionData, Opcode, Type, Value};

/// How many values a sum has at most.
const TERMS: usize = 6;
/// How many instructions are looked through for one sum.
const LOOKED_THROUGH: u32 = 32;

/// `sum of factor * value, plus constant`, over the integers: each value without sign, whatever
/// its type.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Affine {
    pub terms: Vec<(Value, i64)>,
    pub constant: i64,
}

impl Affine {
    /// The value itself.
    pub fn just(value: Value) -> Self {
        Self {
            terms: vec![(value, 1)],
            constant: 0,
        }
    }

    /// With what factor a value is in it.
    #[cfg(test)]
    pub fn factor(&self, value: Value) -> i64 {
        let term = self.terms.iter().find(|term| term.0 == value);
        term.map_or(0, |term| term.1)
    }

    fn add(&mut self, value: Value, factor: i64) {
        match self.terms.iter_mut().find(|term| term.0 == value) {
            Some(term) => term.1 = term.1.wrapping_add(factor),
            None => self.terms.push((value, factor)),
        }
    }
}

/// What is known of the bounds of a value at some place.
pub trait Bounds {
    fn range(&mut self, func: &Function, value: Value) -> Range;
}

impl Bounds for Loops {
    fn range(&mut self, func: &Function, value: Value) -> Range {
        Loops::range(self, func, value)
    }
}

impl Loops {
    /// An integer of at most 64 bits as a sum. Where nothing better is proved, the value is its own
    /// only term.
    #[cfg(test)]
    pub fn affine(&mut self, func: &Function, value: Value) -> Affine {
        affine(func, self, value)
    }
}

/// The same by what is known of bounds at some place: it holds there.
pub fn affine(func: &Function, bounds: &mut impl Bounds, value: Value) -> Affine {
    let value = func.dfg.resolve_aliases(value);
    let ty = func.dfg.value_type(value);
    if let Some(inner) = extended(func, value) {
        return affine(func, bounds, inner);
    }
    let mut sum = Affine::default();
    let mut left = LOOKED_THROUGH;
    collect(func, bounds, value, 1, &mut sum, &mut left);
    if let Some(exact) = exact(func, bounds, sum, ty) {
        return exact;
    }
    // The parts are not known well enough; their sum without the constant may be.
    let (root, constant) = offset(func, value);
    let sum = Affine {
        terms: vec![(root, 1)],
        constant: signed(constant, ty),
    };
    exact(func, bounds, sum, ty).unwrap_or_else(|| Affine::just(value))
}

/// What this value is the zero extension of.
fn extended(func: &Function, value: Value) -> Option<Value> {
    let inst = func.dfg.value_def(value).inst()?;
    match func.dfg.insts[inst] {
        InstructionData::Unary {
            opcode: Opcode::Uextend,
            arg,
        } => Some(func.dfg.resolve_aliases(arg)),
        _ => None,
    }
}

/// Adds `factor * value` to a sum modulo the size of the type.
fn collect(
    func: &Function,
    bounds: &mut impl Bounds,
    value: Value,
    factor: i64,
    sum: &mut Affine,
    left: &mut u32,
) {
    let value = func.dfg.resolve_aliases(value);
    let ty = func.dfg.value_type(value);
    if let Some(known) = constant(func, value) {
        let product = factor.wrapping_mul(known as i64);
        sum.constant = sum.constant.wrapping_add(product);
        return;
    }
    let inst = func.dfg.value_def(value).inst();
    let (Some(inst), true) = (inst, *left > 0) else {
        return sum.add(value, factor);
    };
    *left -= 1;
    if let Some(inner) = extended(func, value) {
        let inner = affine(func, bounds, inner);
        for (value, inner) in inner.terms {
            sum.add(value, factor.wrapping_mul(inner));
        }
        let product = factor.wrapping_mul(inner.constant);
        sum.constant = sum.constant.wrapping_add(product);
        return;
    }
    let InstructionData::Binary { opcode, args } = func.dfg.insts[inst] else {
        return sum.add(value, factor);
    };
    let constants = args.map(|arg| constant(func, func.dfg.resolve_aliases(arg)));
    let mut part = |value, factor| collect(func, bounds, value, factor, sum, left);
    match (opcode, constants) {
        (Opcode::Iadd, _) => {
            part(args[0], factor);
            part(args[1], factor);
        }
        (Opcode::Isub, _) => {
            part(args[0], factor);
            part(args[1], factor.wrapping_neg());
        }
        (Opcode::Imul, [_, Some(by)]) => part(args[0], factor.wrapping_mul(by as i64)),
        (Opcode::Imul, [Some(by), _]) => part(args[1], factor.wrapping_mul(by as i64)),
        (Opcode::Ishl, [_, Some(by)]) => {
            part(args[0], factor.wrapping_shl(by as u32 % ty.bits()));
        }
        _ => sum.add(value, factor),
    }
}

/// A sum modulo the size of a type as one over the integers, if it always wraps equally often.
fn exact(func: &Function, bounds: &mut impl Bounds, mut sum: Affine, ty: Type) -> Option<Affine> {
    for term in &mut sum.terms {
        term.1 = signed(term.1 as u64, ty);
    }
    sum.terms.retain(|term| term.1 != 0);
    // Larger factors make no address, and these products and sums fit.
    let large = |term: &(Value, i64)| term.1.unsigned_abs() > u32::MAX.into();
    if sum.terms.len() > TERMS || sum.terms.iter().any(large) {
        return None;
    }
    let constant = i128::from(signed(sum.constant as u64, ty));
    let (mut low, mut high) = (constant, constant);
    for &(value, factor) in &sum.terms {
        let range = bounds.range(func, value);
        let (a, b) = (
            i128::from(range.low) * i128::from(factor),
            i128::from(range.high) * i128::from(factor),
        );
        low += a.min(b);
        high += a.max(b);
    }
    let wraps = low >> ty.bits();
    if wraps != high >> ty.bits() {
        return None;
    }
    sum.constant = i64::try_from(constant - (wraps << ty.bits())).ok()?;
    Some(sum)
}
