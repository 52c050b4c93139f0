// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Between what bounds an integer is, taken without sign.

use super::loops::Loops;
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{BlockArg, Function, Inst, InstructionData, Opcode, Type, Value};
use cranelift_codegen::ir::{ValueDef, types};

/// How deep expressions are followed. What is deeper may be anything.
const DEPTH: u32 = 24;

/// All integers from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub low: u64,
    pub high: u64,
}

impl Range {
    pub fn of_type(ty: Type) -> Self {
        Self {
            low: 0,
            high: mask(ty),
        }
    }

    pub fn constant(value: u64) -> Self {
        Self {
            low: value,
            high: value,
        }
    }

    fn up_to(high: u64) -> Self {
        Self { low: 0, high }
    }

    /// From the lower of the lower bounds to the higher of the higher ones.
    pub fn union(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
        }
    }

    /// What is in both; they have something in common.
    pub fn intersection(self, other: Self) -> Self {
        let both = Self {
            low: self.low.max(other.low),
            high: self.high.min(other.high),
        };
        // Nothing, where the code is never executed.
        if both.low <= both.high { both } else { self }
    }

    /// The range of these integers in a type, if all of them wrap the same number of times.
    pub fn wrapped(low: i128, high: i128, ty: Type) -> Option<Self> {
        let bits = ty.bits();
        (low >> bits == high >> bits).then_some(Self {
            low: low as u64 & mask(ty),
            high: high as u64 & mask(ty),
        })
    }
}

/// The highest integer of a type of at most 64 bits.
pub fn mask(ty: Type) -> u64 {
    u64::MAX >> (64 - ty.bits())
}

/// An integer constant, zero-extended.
pub fn constant(func: &Function, value: Value) -> Option<u64> {
    let inst = func.dfg.value_def(value).inst()?;
    match func.dfg.insts[inst] {
        InstructionData::UnaryImm {
            opcode: Opcode::Iconst,
            imm,
        } => Some(imm.bits() as u64 & mask(func.dfg.value_type(value))),
        _ => None,
    }
}

impl Loops {
    /// The range of an integer of at most 64 bits, anywhere the value is there.
    pub fn range(&mut self, func: &Function, value: Value) -> Range {
        let value = func.dfg.resolve_aliases(value);
        let ty = func.dfg.value_type(value);
        debug_assert!(ty.is_int() && ty.bits() <= 64);
        self.range_within(func, value, DEPTH)
    }

    fn range_within(&mut self, func: &Function, value: Value, depth: u32) -> Range {
        let value = func.dfg.resolve_aliases(value);
        let ty = func.dfg.value_type(value);
        if !ty.is_int() || ty.bits() > 64 {
            return Range::up_to(u64::MAX);
        }
        if let Some(&known) = self.ranges.get(&value) {
            return known;
        }
        // What depends on itself may be anything, and so may what is too deep.
        self.ranges.insert(value, Range::of_type(ty));
        if depth == 0 {
            return Range::of_type(ty);
        }
        let range = match func.dfg.value_def(value) {
            ValueDef::Result(inst, 0) => self.result(func, inst, ty, depth - 1),
            ValueDef::Param(..) => self.parameter(func, value, depth - 1),
            _ => None,
        };
        let range = range.unwrap_or(Range::of_type(ty));
        self.ranges.insert(value, range);
        range
    }

    /// A parameter: an induction variable, or one of the arguments.
    fn parameter(&mut self, func: &Function, param: Value, depth: u32) -> Option<Range> {
        if self.recurrence(param).is_some() {
            return self.recurrence_range(func, param);
        }
        let arguments = self.arguments(func, param)?;
        let mut all: Option<Range> = None;
        for argument in arguments {
            let BlockArg::Value(value) = argument else {
                return None;
            };
            let range = self.range_within(func, value, depth);
            all = Some(all.map_or(range, |all| all.union(range)));
        }
        all
    }

    /// The first result of an instruction.
    fn result(&mut self, func: &Function, inst: Inst, ty: Type, depth: u32) -> Option<Range> {
        let data = &func.dfg.insts[inst];
        let args = func.dfg.inst_args(inst);
        let full = Range::of_type(ty);
        let mut arg = |n: usize| self.range_within(func, args[n], depth);
        let bits = ty.bits();
        let result = match data.opcode() {
            Opcode::Iconst => Range::constant(constant(func, func.dfg.first_result(inst))?),
            Opcode::Iadd => {
                let (a, b) = (arg(0), arg(1));
                let sum = |a: u64, b: u64| i128::from(a) + i128::from(b);
                Range::wrapped(sum(a.low, b.low), sum(a.high, b.high), ty)?
            }
            Opcode::Isub => {
                let (a, b) = (arg(0), arg(1));
                let difference = |a: u64, b: u64| i128::from(a) - i128::from(b);
                Range::wrapped(difference(a.low, b.high), difference(a.high, b.low), ty)?
            }
            Opcode::Imul => {
                let (a, b) = (arg(0), arg(1));
                Range {
                    low: a.low.checked_mul(b.low)?,
                    high: a
                        .high
                        .checked_mul(b.high)
                        .filter(|&high| high <= full.high)?,
                }
            }
            Opcode::Ishl => {
                let amount = constant(func, args[1])? as u32 % bits;
                let a = arg(0);
                if a.high <= full.high >> amount {
                    Range {
                        low: a.low << amount,
                        high: a.high << amount,
                    }
                } else {
                    Range::up_to(full.high >> amount << amount)
                }
            }
            Opcode::Ushr => match constant(func, args[1]) {
                Some(amount) => {
                    let (a, amount) = (arg(0), amount as u32 % bits);
                    Range {
                        low: a.low >> amount,
                        high: a.high >> amount,
                    }
                }
                None => Range::up_to(arg(0).high),
            },
            Opcode::Sshr => {
                let a = arg(0);
                if a.high > full.high >> 1 {
                    return None;
                }
                let amount = constant(func, args[1])? as u32 % bits;
                Range {
                    low: a.low >> amount,
                    high: a.high >> amount,
                }
            }
            Opcode::Band => Range::up_to(arg(0).high.min(arg(1).high)),
            Opcode::Bor => {
                let (a, b) = (arg(0), arg(1));
                Range {
                    low: a.low.max(b.low),
                    high: ones(a.high | b.high),
                }
            }
            Opcode::Bxor => Range::up_to(ones(arg(0).high | arg(1).high)),
            Opcode::Uextend => arg(0),
            Opcode::Sextend => {
                let half = mask(func.dfg.value_type(args[0])) >> 1;
                Some(arg(0)).filter(|a| a.high <= half)?
            }
            Opcode::Ireduce => Some(arg(0)).filter(|a| a.high <= full.high)?,
            Opcode::Select => arg(1).union(arg(2)),
            Opcode::Udiv => match constant(func, args[1]) {
                Some(by) if by > 0 => {
                    let a = arg(0);
                    Range {
                        low: a.low / by,
                        high: a.high / by,
                    }
                }
                _ => Range::up_to(arg(0).high),
            },
            Opcode::Urem => Range::up_to(arg(0).high.min(arg(1).high.saturating_sub(1))),
            Opcode::Umin => {
                let (a, b) = (arg(0), arg(1));
                Range {
                    low: a.low.min(b.low),
                    high: a.high.min(b.high),
                }
            }
            Opcode::Umax => {
                let (a, b) = (arg(0), arg(1));
                Range {
                    low: a.low.max(b.low),
                    high: a.high.max(b.high),
                }
            }
            Opcode::Uload8 => Range::up_to(0xff),
            Opcode::Uload16 => Range::up_to(0xffff),
            Opcode::Uload32 => Range::up_to(0xffff_ffff),
            Opcode::Icmp | Opcode::Fcmp => Range::up_to(1),
            Opcode::Clz | Opcode::Ctz | Opcode::Popcnt => Range::up_to(bits.into()),
            _ => return None,
        };
        Some(result)
    }
}

/// The least number of ones in a row that an integer fits under.
pub fn ones(value: u64) -> u64 {
    value
        .checked_ilog2()
        .map_or(0, |top| u64::MAX >> (63 - top))
}

/// A comparison as whoever branches on it sees it: with which sense, of what with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    pub condition: IntCC,
    pub left: Value,
    /// `None` is zero.
    pub right: Option<Value>,
}

/// What it means that this value is not zero (or is, if `negated`).
pub fn comparison(func: &Function, value: Value, mut negated: bool) -> Comparison {
    let mut value = func.dfg.resolve_aliases(value);
    // As often as a translation wraps one up.
    for _ in 0..8 {
        let Some(inst) = func.dfg.value_def(value).inst() else {
            break;
        };
        match func.dfg.insts[inst] {
            InstructionData::Unary {
                opcode: Opcode::Uextend,
                arg,
            } => value = func.dfg.resolve_aliases(arg),
            InstructionData::IntCompare { cond, args, .. } => {
                let [left, right] = args.map(|arg| func.dfg.resolve_aliases(arg));
                let with_zero = constant(func, right) == Some(0);
                match cond {
                    IntCC::Equal if with_zero && is_truth(func, left) => {
                        negated = !negated;
                        value = left;
                    }
                    IntCC::NotEqual if with_zero && is_truth(func, left) => value = left,
                    _ => {
                        let condition = if negated { cond.complement() } else { cond };
                        return Comparison {
                            condition,
                            left,
                            right: Some(right),
                        };
                    }
                }
            }
            _ => break,
        }
    }
    Comparison {
        condition: if negated {
            IntCC::Equal
        } else {
            IntCC::NotEqual
        },
        left: value,
        right: None,
    }
}

/// Whether a value is the outcome of a comparison of integers, extended or not.
fn is_truth(func: &Function, value: Value) -> bool {
    let Some(inst) = func.dfg.value_def(value).inst() else {
        return false;
    };
    match func.dfg.insts[inst] {
        InstructionData::Unary {
            opcode: Opcode::Uextend,
            arg,
        } => {
            func.dfg.value_type(arg) == types::I8 && {
                let inner = func.dfg.value_def(func.dfg.resolve_aliases(arg)).inst();
                inner.is_some_and(|inner| func.dfg.insts[inner].opcode() == Opcode::Icmp)
            }
        }
        InstructionData::IntCompare { .. } => true,
        _ => false,
    }
}
