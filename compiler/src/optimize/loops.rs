// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Natural loops, their induction variables, and how often they go round.
//!
//! What is said about a value holds whenever the value is there, whatever has trapped or returned
//! before: a bound on how often a loop goes round is what its exits alone allow.

use super::edges::{Edge, Edges};
use super::range::{Comparison, Range, comparison, constant, mask};
use cranelift_codegen::Context;
use cranelift_codegen::entity::{PrimaryMap, SecondaryMap};
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{Block, BlockArg, Function, Inst, InstructionData, Opcode, Type};
use cranelift_codegen::ir::{Value, ValueDef};
use cranelift_codegen::loop_analysis::Loop;
use cranelift_codegen::packed_option::PackedOption;
use std::collections::HashMap;

/// A parameter of a loop's header that changes by the same constant each time round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrence {
    pub param: Value,
    pub of: Loop,
    /// What it is when the loop is entered.
    pub start: Value,
    /// With its sign; the addition wraps in the type.
    pub step: i64,
}

/// A branch, passed exactly once each time round, that leaves the loop unless a comparison holds
/// of an induction variable plus a constant and something that the loop does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    pub block: Block,
    pub branch: Inst,
    /// What holds of `tested` and `bound` where the loop goes on.
    pub condition: IntCC,
    /// `recurrence + offset`, wrapping.
    pub tested: Value,
    pub recurrence: Value,
    pub offset: u64,
    pub bound: Bound,
}

/// What an exit compares with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Constant(u64),
    Invariant(Value),
}

/// What is known of a loop.
#[derive(Debug)]
pub struct Natural {
    pub header: Block,
    pub parent: Option<Loop>,
    /// Blocks that branch back to the header.
    pub latches: Vec<Block>,
    /// The headers' parameters that are recurrences.
    pub recurrences: Vec<Value>,
    /// The branches out of it that [`Exit`] describes.
    pub exits: Vec<Exit>,
    /// All edges out of it, from inner loops too. Returns and traps are none.
    pub leaving: i32,
    /// How many loops it is in, itself included.
    level: u32,
    /// Its number, and one more than the highest of the loops inside.
    order: (u32, u32),
    /// How often it goes back at most, once somebody has asked.
    back_edges: Option<Option<u64>>,
}

/// All loops of a function, and the ranges of values as far as they have been asked for.
pub struct Loops {
    pub all: PrimaryMap<Loop, Natural>,
    /// The innermost loop of each block.
    of_block: SecondaryMap<Block, PackedOption<Loop>>,
    recurrences: HashMap<Value, Recurrence>,
    edges: Edges,
    /// Of those that are the index of an access each time round: what that is below.
    accessed: HashMap<Value, u64>,
    pub(super) ranges: HashMap<Value, Range>,
}

impl Loops {
    /// Finds the loops of a function whose control flow, dominator tree and loops the context has.
    pub fn new(context: &Context) -> Self {
        let (func, analysis) = (&context.func, &context.loop_analysis);
        let mut loops = Self {
            all: PrimaryMap::new(),
            of_block: SecondaryMap::new(),
            recurrences: HashMap::new(),
            edges: Edges::new(func),
            accessed: HashMap::new(),
            ranges: HashMap::new(),
        };
        for of in analysis.loops() {
            let header = analysis.loop_header(of);
            let latches = context.cfg.pred_iter(header).map(|pred| pred.block);
            let back = |&block: &Block| context.domtree.block_dominates(header, block);
            loops.all.push(Natural {
                header,
                parent: analysis.loop_parent(of),
                latches: latches.filter(back).collect(),
                recurrences: Vec::new(),
                exits: Vec::new(),
                leaving: 0,
                level: 1,
                order: (0, 1),
                back_edges: None,
            });
        }
        for block in func.layout.blocks() {
            loops.of_block[block] = analysis.innermost_loop(block).into();
        }
        loops.number();
        for of in analysis.loops() {
            loops.find_recurrences(func, of);
        }
        if !loops.all.is_empty() {
            for block in func.layout.blocks() {
                loops.look_for_exits(context, block);
            }
        }
        // What leaves a loop leaves the one around it, unless it has been taken off there.
        for of in analysis.loops().rev() {
            if let Some(parent) = loops.all[of].parent {
                let leaving = loops.all[of].leaving;
                loops.all[parent].leaving += leaving;
            }
        }
        loops
    }

    /// Numbers loops such that those inside of one are a range. Outer ones come before inner ones.
    fn number(&mut self) {
        let keys: Vec<Loop> = self.all.keys().collect();
        let mut sizes: SecondaryMap<Loop, u32> = SecondaryMap::with_default(1);
        for &of in keys.iter().rev() {
            if let Some(parent) = self.all[of].parent {
                sizes[parent] += sizes[of];
            }
        }
        let mut next: SecondaryMap<Loop, u32> = SecondaryMap::new();
        let mut next_root = 0;
        for of in keys {
            let slot = match self.all[of].parent {
                Some(parent) => &mut next[parent],
                None => &mut next_root,
            };
            let first = *slot;
            *slot += sizes[of];
            next[of] = first + 1;
            self.all[of].order = (first, first + sizes[of]);
            if let Some(parent) = self.all[of].parent {
                self.all[of].level = self.all[parent].level + 1;
            }
        }
    }

    /// The innermost loop around a block.
    pub fn innermost(&self, block: Block) -> Option<Loop> {
        self.of_block[block].expand()
    }

    /// Whether a block is in a loop or in one inside of it.
    pub fn contains(&self, of: Loop, block: Block) -> bool {
        let (first, end) = self.all[of].order;
        let inner = self.innermost(block);
        inner.is_some_and(|inner| (first..end).contains(&self.all[inner].order.0))
    }

    /// In how many loops a block is.
    pub fn level(&self, block: Block) -> u32 {
        self.innermost(block).map_or(0, |of| self.all[of].level)
    }

    /// The recurrence that a parameter is.
    pub fn recurrence(&self, param: Value) -> Option<Recurrence> {
        self.recurrences.get(&param).copied()
    }

    /// Whether a value is made outside of a loop, and so the same each time round.
    pub fn is_invariant(&self, func: &Function, of: Loop, value: Value) -> bool {
        let block = match func.dfg.value_def(func.dfg.resolve_aliases(value)) {
            ValueDef::Result(inst, _) => func.layout.inst_block(inst),
            ValueDef::Param(block, _) => Some(block),
            ValueDef::Union(..) => None,
        };
        block.is_some_and(|block| !self.contains(of, block))
    }

    /// Notes that an induction variable is below a limit each time before the loop goes back. To be
    /// called before any ranges are asked for.
    pub fn note_accessed(&mut self, param: Value, limit: u64) {
        self.accessed.insert(param, limit);
    }

    /// The edges that pass arguments to a block.
    pub fn edges_to(&self, block: Block) -> &[Edge] {
        self.edges.to(block)
    }

    /// What all edges pass for a parameter; `None` for one of the function's.
    pub(super) fn arguments(&self, func: &Function, param: Value) -> Option<Vec<BlockArg>> {
        let ValueDef::Param(block, index) = func.dfg.value_def(param) else {
            return None;
        };
        let edges = self.edges.to(block);
        if edges.is_empty() || edges.len() > MANY_EDGES || index > MANY_EDGES {
            return None;
        }
        edges
            .iter()
            .map(|edge| argument(func, edge, index))
            .collect()
    }

    fn find_recurrences(&mut self, func: &Function, of: Loop) {
        let header = self.all[of].header;
        for (index, &param) in func.dfg.block_params(header).iter().enumerate() {
            if index > MANY_EDGES {
                break;
            }
            let ty = func.dfg.value_type(param);
            if !(ty.is_int() && ty.bits() <= 64) {
                continue;
            }
            let found = self.recurrence_of(func, of, index, param);
            if let Some(recurrence) = found {
                self.recurrences.insert(param, recurrence);
                self.all[of].recurrences.push(param);
            }
        }
    }

    fn recurrence_of(
        &self,
        func: &Function,
        of: Loop,
        index: usize,
        param: Value,
    ) -> Option<Recurrence> {
        let ty = func.dfg.value_type(param);
        let edges = self.edges.to(self.all[of].header);
        if edges.len() > MANY_EDGES {
            return None;
        }
        let (mut start, mut step) = (None, None);
        for edge in edges {
            let BlockArg::Value(value) = argument(func, edge, index)? else {
                return None;
            };
            let value = func.dfg.resolve_aliases(value);
            let from = func.layout.inst_block(edge.branch)?;
            if self.contains(of, from) {
                let (root, offset) = offset(func, value);
                let common = *step.get_or_insert(offset) == offset;
                if root != param || offset == 0 || !common {
                    return None;
                }
            } else if *start.get_or_insert(value) != value {
                return None;
            }
        }
        Some(Recurrence {
            param,
            of,
            start: start?,
            step: signed(step?, ty),
        })
    }

    /// Notes the edges from a block out of loops, and what its branch compares.
    fn look_for_exits(&mut self, context: &Context, block: Block) {
        let func = &context.func;
        let (Some(of), Some(branch)) = (self.innermost(block), func.layout.last_inst(block)) else {
            return;
        };
        let destinations = func.dfg.insts[branch]
            .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables);
        for call in destinations {
            let to = call.block(&func.dfg.value_lists);
            if self.contains(of, to) {
                continue;
            }
            // It leaves all loops up to the one that it stays in, where it may enter another one.
            let entered = self.innermost(to);
            let stays = entered.filter(|&entered| self.contains(entered, block));
            let stays = stays.or_else(|| self.all[entered?].parent);
            self.all[of].leaving += 1;
            if let Some(stays) = stays {
                self.all[stays].leaving -= 1;
            }
        }
        let InstructionData::Brif { arg, blocks, .. } = func.dfg.insts[branch] else {
            return;
        };
        let stays = blocks.map(|call| self.contains(of, call.block(&func.dfg.value_lists)));
        let dominates = |&latch: &Block| context.domtree.block_dominates(block, latch);
        if stays[0] == stays[1] || !self.all[of].latches.iter().all(dominates) {
            return;
        }
        let comparison = comparison(func, arg, stays[1]);
        let exits = self.all[of].exits.len();
        match self.exit(func, of, (block, branch), comparison) {
            Some(exit) if exits < MANY_EDGES => self.all[of].exits.push(exit),
            _ => {}
        }
    }

    fn exit(
        &self,
        func: &Function,
        of: Loop,
        (block, branch): (Block, Inst),
        comparison: Comparison,
    ) -> Option<Exit> {
        let Comparison {
            condition,
            left,
            right,
        } = comparison;
        let sides = match right {
            Some(right) => [
                (condition, left, Some(right)),
                (condition.swap_args(), right, Some(left)),
            ],
            None => [(condition, left, None); 2],
        };
        sides.into_iter().find_map(|(condition, tested, bound)| {
            let (root, offset) = offset(func, tested);
            let recurrence = self.recurrence(root).filter(|found| found.of == of)?;
            let bound = match bound {
                None => Bound::Constant(0),
                Some(value) => match constant(func, value) {
                    Some(value) => Bound::Constant(value),
                    None if self.is_invariant(func, of, value) => Bound::Invariant(value),
                    None => return None,
                },
            };
            Some(Exit {
                block,
                branch,
                condition,
                tested,
                recurrence: recurrence.param,
                offset,
                bound,
            })
        })
    }
}

/// How often a loop goes back to its header, and between what bounds induction variables are.
impl Loops {
    /// How often the loop goes back to its header at most, each time it is entered; `None` where
    /// that is not known to have an end. It may leave earlier by another exit than the one that
    /// says so, return or trap.
    pub fn back_edges(&mut self, func: &Function, of: Loop) -> Option<u64> {
        if let Some(known) = self.all[of].back_edges {
            return known;
        }
        // Not known while this is worked out.
        self.all[of].back_edges = Some(None);
        let exits = self.all[of].exits.clone();
        let counts = exits
            .iter()
            .filter_map(|exit| self.back_edges_by(func, exit));
        let least = counts.min();
        self.all[of].back_edges = Some(least);
        least
    }

    /// How often the branch can be passed without leaving.
    pub fn back_edges_by(&mut self, func: &Function, exit: &Exit) -> Option<u64> {
        let recurrence = self.recurrence(exit.recurrence)?;
        let ty = func.dfg.value_type(exit.recurrence);
        // A pointer, and where it ends: the same value plus constants.
        if let (Bound::Invariant(bound), IntCC::NotEqual) = (exit.bound, exit.condition) {
            let (bound, end) = offset(func, bound);
            let (start, begin) = offset(func, recurrence.start);
            if bound == start {
                let first = begin.wrapping_add(exit.offset) & mask(ty);
                return rounds_until_equal(first, recurrence.step, end, ty);
            }
        }
        let start = self.range(func, recurrence.start);
        let bound = self.bound_range(func, exit.bound);
        let first = Range::wrapped(
            i128::from(start.low) + i128::from(exit.offset),
            i128::from(start.high) + i128::from(exit.offset),
            ty,
        )?;
        rounds(exit.condition, first, recurrence.step, bound, ty)
    }

    fn bound_range(&mut self, func: &Function, bound: Bound) -> Range {
        match bound {
            Bound::Constant(value) => Range::constant(value),
            Bound::Invariant(value) => self.range(func, value),
        }
    }

    /// All values of an induction variable in the header, where it is known never to wrap:
    /// as integers they are its start plus a multiple of its step.
    pub fn recurrence_range(&mut self, func: &Function, param: Value) -> Option<Range> {
        let recurrence = self.recurrence(param)?;
        let ty = func.dfg.value_type(param);
        let start = self.range(func, recurrence.start);
        let counted = self.back_edges(func, recurrence.of).and_then(|count| {
            let way = i128::from(count).checked_mul(recurrence.step.into())?;
            let low = i128::from(start.low).checked_add(way.min(0))?;
            let high = i128::from(start.high).checked_add(way.max(0))?;
            (low >= 0 && high <= mask(ty).into()).then_some(Range {
                low: low as u64,
                high: high as u64,
            })
        });
        if counted.is_some() {
            return counted;
        }
        let exits = self.all[recurrence.of].exits.clone();
        let by_exit = exits
            .iter()
            .find_map(|exit| self.range_by(func, recurrence, start, exit));
        if by_exit.is_some() || recurrence.step < 0 {
            return by_exit;
        }
        let limit = *self.accessed.get(&param)?;
        let next = (limit - 1).checked_add(recurrence.step as u64)?;
        (next <= mask(ty)).then_some(Range {
            low: start.low,
            high: start.high.max(next),
        })
    }

    /// The same by one exit that tests this variable, where what it compares with is not known.
    fn range_by(
        &mut self,
        func: &Function,
        recurrence: Recurrence,
        start: Range,
        exit: &Exit,
    ) -> Option<Range> {
        let ty = func.dfg.value_type(recurrence.param);
        let (most, step) = (mask(ty), recurrence.step);
        let size = step.unsigned_abs();
        let tests_old = exit.offset == 0;
        let tests_new = exit.offset == step as u64 & most;
        if exit.recurrence != recurrence.param || !(tests_old || tests_new) {
            return None;
        }
        let bound = self.bound_range(func, exit.bound);
        let half = most >> 1;
        // What the tested value is at most, or at least, where the loop goes on; and from where
        // on a step would wrap.
        let (limit, end) = match (exit.condition, step > 0) {
            (IntCC::UnsignedLessThan, true) => (bound.high.checked_sub(1)?, most),
            (IntCC::UnsignedLessThanOrEqual, true) => (bound.high, most),
            (IntCC::SignedLessThan, true) if start.high <= half => {
                (bound.high.min(half).checked_sub(1)?, half)
            }
            (IntCC::SignedLessThanOrEqual, true) if start.high <= half => {
                (bound.high.min(half), half)
            }
            (IntCC::UnsignedGreaterThan, false) => (bound.low.checked_add(1)?, 0),
            (IntCC::UnsignedGreaterThanOrEqual, false) => (bound.low, 0),
            (IntCC::NotEqual, false) if bound == Range::constant(0) => (1, 0),
            // From 0 by ones there is no way past anything.
            (IntCC::NotEqual, true) if step == 1 && start.high == 0 => {
                let last = if tests_old { 0 } else { 1 };
                let high = match bound.low >= last {
                    true => bound.high - last,
                    false => most,
                };
                return Some(Range { low: 0, high });
            }
            _ => return None,
        };
        if step > 0 {
            // Going on from the limit, by a test before the step, or by one after it.
            let next = if tests_old {
                limit.checked_add(size)?
            } else {
                limit
            };
            let high = start.high.max(next);
            let stays_below = if tests_old {
                next
            } else {
                high.checked_add(size)?
            };
            (high <= end && stays_below <= end).then_some(Range {
                low: start.low,
                high,
            })
        } else {
            let next = if tests_old {
                limit.checked_sub(size)?
            } else {
                limit
            };
            let low = start.low.min(next);
            let stays_above = tests_old || low >= size;
            stays_above.then_some(Range {
                low,
                high: start.high,
            })
        }
    }
}

/// More edges, parameters or exits than this are not looked at: the work stays linear.
const MANY_EDGES: usize = 64;

/// What an edge passes for the parameter of this number.
pub fn argument(func: &Function, edge: &Edge, index: usize) -> Option<BlockArg> {
    edge.call(func).args(&func.dfg.value_lists).nth(index)
}

/// A constant of a type with its sign.
pub fn signed(value: u64, ty: Type) -> i64 {
    let unused = 64 - ty.bits();
    (value as i64) << unused >> unused
}

/// A value as another one plus a constant, wrapping in its type.
pub fn offset(func: &Function, value: Value) -> (Value, u64) {
    let mut value = func.dfg.resolve_aliases(value);
    let ty = func.dfg.value_type(value);
    let mut sum = 0_u64;
    for _ in 0..MANY_EDGES {
        let Some(inst) = func.dfg.value_def(value).inst() else {
            break;
        };
        let InstructionData::Binary { opcode, args } = func.dfg.insts[inst] else {
            break;
        };
        let [left, right] = args.map(|arg| func.dfg.resolve_aliases(arg));
        if !ty.is_int() || ty.bits() > 64 {
            break;
        }
        let constants = [left, right].map(|side| constant(func, side));
        (value, sum) = match (opcode, constants) {
            (Opcode::Iadd, [_, Some(constant)]) => (left, sum.wrapping_add(constant)),
            (Opcode::Iadd, [Some(constant), _]) => (right, sum.wrapping_add(constant)),
            (Opcode::Isub, [_, Some(constant)]) => (left, sum.wrapping_sub(constant)),
            _ => break,
        };
    }
    let sum = if ty.is_int() && ty.bits() <= 64 {
        sum & mask(ty)
    } else {
        0
    };
    (value, sum)
}

/// How often a value that begins at `first` and changes by `step`, wrapping, differs from `end`
/// before it equals it; `None` where it never does.
fn rounds_until_equal(first: u64, step: i64, end: u64, ty: Type) -> Option<u64> {
    let distance = end.wrapping_sub(first) & mask(ty);
    let twos = step.trailing_zeros();
    if distance == 0 {
        return Some(0);
    }
    if twos >= ty.bits() || distance.trailing_zeros() < twos {
        return None;
    }
    let odd = (step >> twos) as u64;
    let count = (distance >> twos).wrapping_mul(inverse(odd));
    Some(count & mask(ty) >> twos)
}

/// The inverse of an odd number modulo 2^64, by Newton's iteration: each step doubles the bits that
/// are right, and an odd number is its own inverse modulo 8.
fn inverse(odd: u64) -> u64 {
    (0..5).fold(odd, |x, _| {
        x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x)))
    })
}

/// How often at most the comparison of a value that begins in `first` and changes by `step` holds
/// with a bound before it first does not, the value not wrapping meanwhile.
fn rounds(condition: IntCC, first: Range, step: i64, bound: Range, ty: Type) -> Option<u64> {
    use IntCC::*;
    let most = mask(ty);
    let single = first.low == first.high && bound.low == bound.high;
    match condition {
        NotEqual if single => return rounds_until_equal(first.low, step, bound.low, ty),
        // Equal once at most.
        Equal => return Some(1),
        NotEqual => return None,
        _ => {}
    }
    // Signed order is that of unsigned integers from the least one on.
    let is_signed = condition != condition.unsigned();
    let shifted = |range: Range| match is_signed {
        false => Some(range),
        true => {
            let half = (most >> 1) as i128 + 1;
            Range::wrapped(range.low as i128 + half, range.high as i128 + half, ty)
        }
    };
    let (first, bound) = (shifted(first)?, shifted(bound)?);
    // The value goes on while it is at most `last` (or at least, going down).
    let (last, down) = match condition.unsigned() {
        UnsignedLessThan => (bound.high.checked_sub(1), false),
        UnsignedLessThanOrEqual => (Some(bound.high), false),
        UnsignedGreaterThan => (bound.low.checked_add(1).filter(|&last| last <= most), true),
        UnsignedGreaterThanOrEqual => (Some(bound.low), true),
        _ => return None,
    };
    // A comparison that never holds.
    let Some(last) = last else {
        return Some(0);
    };
    let size = step.unsigned_abs();
    if (step < 0) != down {
        return None;
    }
    let farthest = if down {
        first.high.checked_sub(last)
    } else {
        last.checked_sub(first.low)
    };
    let Some(distance) = farthest else {
        return Some(0);
    };
    let count = distance / size + 1;
    // The first value beyond must be there, whatever the start: it lies less than a step away
    // from the last.
    let reached = if down {
        last >= size
    } else {
        last.checked_add(size).is_some_and(|beyond| beyond <= most)
    };
    let exactly = |from: u64| {
        let way = i128::from(count) * i128::from(step);
        (0..=i128::from(most)).contains(&(i128::from(from) + way))
    };
    (reached || single && exactly(first.low)).then_some(count)
}
