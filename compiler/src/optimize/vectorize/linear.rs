// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Values of a loop: which are the same in every round, which are sums modulo 2^32 of such values
//! and of parameters that grow by a constant each round.

use super::shape::Shape;
use cranelift_codegen::ir::{Function, InstructionData, MemFlags, Opcode, Value, types};
use std::collections::HashMap;

/// The most different values in a sum.
const MAX_TERMS: usize = 4;
/// How deep expressions are looked into.
const MAX_DEPTH: u32 = 24;

/// A sum modulo 2^32: a constant, and values (parameters of the loop, values that do not change)
/// times factors, by the numbers of the values.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Linear {
    pub constant: u32,
    pub terms: Vec<(Value, u32)>,
}

impl Linear {
    fn value(value: Value) -> Self {
        Self {
            constant: 0,
            terms: vec![(value, 1)],
        }
    }

    fn times(mut self, factor: u32) -> Self {
        self.constant = self.constant.wrapping_mul(factor);
        for term in &mut self.terms {
            term.1 = term.1.wrapping_mul(factor);
        }
        self.terms.retain(|term| term.1 != 0);
        self
    }

    fn plus(mut self, other: &Self) -> Option<Self> {
        self.constant = self.constant.wrapping_add(other.constant);
        for &(value, factor) in &other.terms {
            match self.terms.binary_search_by_key(&value, |term| term.0) {
                Ok(at) => self.terms[at].1 = self.terms[at].1.wrapping_add(factor),
                Err(at) => self.terms.insert(at, (value, factor)),
            }
        }
        self.terms.retain(|term| term.1 != 0);
        (self.terms.len() <= MAX_TERMS).then_some(self)
    }
}

/// What a parameter of the loop is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// More by a constant each round; 0: always the same.
    Affine(i64),
    /// A value of the round before.
    Previous,
    Unknown,
}

/// The value of an integer constant as the instruction has it.
pub fn constant(func: &Function, value: Value) -> Option<i64> {
    match func.dfg.insts[func.dfg.value_def(value).inst()?] {
        InstructionData::UnaryImm { imm, .. } => Some(imm.bits()),
        _ => None,
    }
}

/// The values of a loop.
pub struct Values<'f> {
    pub func: &'f Function,
    pub shape: &'f Shape,
    pub kinds: Vec<Kind>,
    /// Values made in the body, with the position of the instruction.
    positions: HashMap<Value, usize>,
    linear: HashMap<(Value, u32), Option<Linear>>,
    invariant: HashMap<Value, bool>,
}

impl<'f> Values<'f> {
    /// `None` where a parameter is of a kind that cannot be computed for a later round.
    pub fn new(func: &'f Function, shape: &'f Shape) -> Option<Self> {
        let mut positions = HashMap::new();
        for (position, &inst) in shape.body.iter().enumerate() {
            for &result in func.dfg.inst_results(inst) {
                positions.insert(result, position);
            }
        }
        let mut values = Self {
            func,
            shape,
            kinds: vec![Kind::Unknown; shape.params.len()],
            positions,
            linear: HashMap::new(),
            invariant: HashMap::new(),
        };
        for at in 0..shape.params.len() {
            values.kinds[at] = values.kind(at);
            if values.kinds[at] == Kind::Unknown {
                return None;
            }
        }
        // What was found to change or not before all kinds were known.
        values.invariant.clear();
        values.linear.clear();
        Some(values)
    }

    fn kind(&mut self, at: usize) -> Kind {
        let (param, next) = (self.shape.params[at], self.shape.nexts[at]);
        if next == param {
            return Kind::Affine(0);
        }
        let ty = self.func.dfg.value_type(param);
        if ty == types::I32
            && let Some(sum) = self.linear(next)
            && sum.terms == [(param, 1)]
        {
            return Kind::Affine(i64::from(sum.constant.cast_signed()));
        }
        if ty == types::I64
            && let Some(&InstructionData::Binary {
                opcode: Opcode::Iadd,
                args,
            }) = self.inside(next)
            && args[0] == param
            && let Some(step) = self.constant(args[1])
        {
            return Kind::Affine(step);
        }
        match self.positions.contains_key(&next) {
            true => Kind::Previous,
            false => Kind::Unknown,
        }
    }

    /// The instruction of the body that makes a value.
    pub fn inside(&self, value: Value) -> Option<&'f InstructionData> {
        let position = *self.positions.get(&value)?;
        Some(&self.func.dfg.insts[self.shape.body[position]])
    }

    /// Its position.
    pub fn position(&self, value: Value) -> Option<usize> {
        self.positions.get(&value).copied()
    }

    /// The value of an integer constant, in or outside of the loop.
    pub fn constant(&self, value: Value) -> Option<i64> {
        constant(self.func, value)
    }

    /// Whether a value is the same in every round, and can be computed before the loop.
    pub fn invariant(&mut self, value: Value) -> bool {
        self.invariant_at(value, MAX_DEPTH)
    }

    fn invariant_at(&mut self, value: Value, depth: u32) -> bool {
        if let Some(at) = self.shape.param(value) {
            return self.kinds[at] == Kind::Affine(0);
        }
        let Some(data) = self.inside(value) else {
            return true;
        };
        if let Some(&known) = self.invariant.get(&value) {
            return known;
        }
        let inst = self.shape.body[self.positions[&value]];
        let simple = depth > 0
            && self.func.dfg.inst_results(inst).len() == 1
            && match *data {
                InstructionData::Load { flags, .. } => self.is_trusted(flags),
                _ => is_pure(data.opcode()),
            };
        let arguments = self.func.dfg.inst_args(inst);
        let known = simple
            && arguments
                .iter()
                .all(|&arg| self.invariant_at(arg, depth - 1));
        self.invariant.insert(value, known);
        known
    }

    /// Whether an access is to the instance's own data, which no store of a loop that is
    /// vectorized is to.
    pub fn is_trusted(&self, flags: MemFlags) -> bool {
        let flags = self.func.dfg.mem_flags[flags];
        flags.alias_region().is_none() && flags.trap_code().is_none()
    }

    /// How much a sum grows each round.
    pub fn step(&self, sum: &Linear) -> Option<i32> {
        let mut step = 0_u32;
        for &(value, factor) in &sum.terms {
            if let Some(at) = self.shape.param(value) {
                let Kind::Affine(by) = self.kinds[at] else {
                    return None;
                };
                step = step.wrapping_add(factor.wrapping_mul(by as u32));
            }
        }
        Some(step.cast_signed())
    }

    /// An `i32` as a sum; at worst of itself, where it does not change.
    pub fn linear(&mut self, value: Value) -> Option<Linear> {
        self.linear_low(value, 32, MAX_DEPTH)
    }

    /// The same where only the low bits matter: the sum has those bits.
    fn linear_low(&mut self, value: Value, bits: u32, depth: u32) -> Option<Linear> {
        if self.func.dfg.value_type(value) != types::I32 || depth == 0 {
            return None;
        }
        if let Some(known) = self.linear.get(&(value, bits)) {
            return known.clone();
        }
        let sum = self.linear_of(value, bits, depth - 1);
        self.linear.insert((value, bits), sum.clone());
        sum
    }

    fn linear_of(&mut self, value: Value, bits: u32, depth: u32) -> Option<Linear> {
        if let Some(constant) = self.constant(value) {
            return Some(Linear {
                constant: constant as u32,
                terms: Vec::new(),
            });
        }
        if let Some(&InstructionData::Binary { opcode, args }) = self.inside(value) {
            let low = |this: &mut Self, at: usize, bits| this.linear_low(args[at], bits, depth);
            let right = self.constant(args[1]).map(|constant| constant as u32);
            let sum = match (opcode, right) {
                (Opcode::Iadd, _) => {
                    let right = low(self, 1, bits);
                    low(self, 0, bits).zip(right).and_then(|(a, b)| a.plus(&b))
                }
                (Opcode::Isub, _) => {
                    let right = low(self, 1, bits);
                    low(self, 0, bits)
                        .zip(right)
                        .and_then(|(a, b)| a.plus(&b.times(u32::MAX)))
                }
                (Opcode::Imul, Some(factor)) => low(self, 0, bits).map(|a| a.times(factor)),
                (Opcode::Ishl, Some(by)) => {
                    let by = by % 32;
                    low(self, 0, bits.saturating_sub(by)).map(|a| a.times(1 << by))
                }
                (Opcode::Bxor, Some(mask)) => {
                    low(self, 0, bits).and_then(|a| self.flipped(a, mask, bits))
                }
                _ => None,
            };
            if sum.is_some() {
                return sum;
            }
        }
        let leaf = self.shape.param(value).is_some() || self.invariant(value);
        leaf.then(|| Linear::value(value))
    }

    /// `sum ^ mask`, where the mask is ones above the bits of the sum that are always zero, as
    /// far as bits matter: -1 - sum has all ones in these zero bits and is flipped above them.
    fn flipped(&self, sum: Linear, mask: u32, bits: u32) -> Option<Linear> {
        let zeros = self.low_zeros(&sum).min(31);
        let matters = ((1_u64 << bits.min(32)) - 1) as u32;
        let low = (1_u32 << zeros) - 1;
        let above = matters & !low;
        if mask & above != above {
            return None;
        }
        let constant = (mask & low).wrapping_sub(low).wrapping_sub(1);
        sum.times(u32::MAX).plus(&Linear {
            constant,
            terms: Vec::new(),
        })
    }

    /// How many low bits of a sum are zero in every round.
    fn low_zeros(&self, sum: &Linear) -> u32 {
        let terms = sum.terms.iter().map(|&(value, factor)| {
            let own = match self.shape.param(value).map(|at| (at, self.kinds[at])) {
                Some((at, Kind::Affine(step))) => self
                    .constant(self.shape.inits[at])
                    .map_or(0, |init| init.trailing_zeros().min(step.trailing_zeros())),
                _ => 0,
            };
            own + factor.trailing_zeros()
        });
        terms
            .chain([sum.constant.trailing_zeros()])
            .min()
            .unwrap_or(0)
    }
}

/// Whether an instruction can be computed anywhere its operands are known, and costs little.
fn is_pure(opcode: Opcode) -> bool {
    use Opcode as O;
    matches!(
        opcode,
        O::Iconst
            | O::F32const
            | O::F64const
            | O::SymbolValue
            | O::Iadd
            | O::Isub
            | O::Imul
            | O::Ishl
            | O::Ushr
            | O::Sshr
            | O::Band
            | O::Bor
            | O::Bxor
            | O::Uextend
            | O::Sextend
            | O::Ireduce
            | O::Icmp
            | O::Select
            | O::Fadd
            | O::Fsub
            | O::Fmul
            | O::Fdiv
            | O::Fneg
            | O::Fabs
            | O::FcvtFromSint
            | O::FcvtFromUint
    )
}

/// Whether an instruction of the body that nobody needs in the vector version may be left out:
/// it neither traps nor changes anything.
pub fn is_harmless(opcode: Opcode) -> bool {
    !opcode.can_trap()
        && !opcode.other_side_effects()
        && !opcode.can_store()
        && !opcode.can_load()
        && !opcode.is_call()
        && !opcode.is_branch()
        && !opcode.is_terminator()
}
