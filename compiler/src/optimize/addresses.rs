// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Addresses as sums of 64 bits.
//!
//! An index of 32 bits is a sum that may wrap, so it is computed in a register before it is
//! extended. Where it is proved that the sum does not wrap, or always wraps the same way, the
//! extension moves to its parts, and base, index, scale and constant become one addressing mode.
//! Induction variables that never wrap are kept in 64 bits, so that theirs is free.
//!
//! Beside ranges there is one more source of proofs: an access that has been passed. It has not
//! trapped, so its index is below the most that any memory of the module can have
//! ([`Memories::limit`]), which is less than 4 GiB. What is added to it afterwards, up to the
//! difference, does not wrap.

use super::affine::{Affine, Bounds, affine};
use super::displacement;
use super::loops::{Loops, offset, signed};
use super::range::{Range, constant, mask};
use super::widen::{Extension, widen};
use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, InstructionData, Opcode, Value};
use cranelift_codegen::ir::{ValueDef, types};
use std::collections::HashMap;
use wasm_aot_object::Machine;

/// What the module's memories have in common.
#[derive(Clone, Copy, Debug)]
pub struct Memories {
    pub machine: Machine,
    /// The alias region of accesses to them (`AliasRegionData::user_id`).
    pub region: u32,
    /// The most bytes that any of them can ever have, if it is less than 4 GiB.
    pub limit: Option<u64>,
}

/// Rewrites the addresses of a function.
pub fn rewrite(context: &mut Context, loops: &mut Loops, memories: Memories) {
    find_accessed(context, loops, memories);
    let mut walk = Walk {
        loops,
        memories,
        facts: HashMap::new(),
        extended: HashMap::new(),
        undo: Vec::new(),
        origins: HashMap::new(),
        extensions: Vec::new(),
    };
    let Some(entry) = context.func.layout.entry_block() else {
        return;
    };
    // What holds in a block holds in those that it dominates, and is forgotten afterwards.
    let mut stack = vec![(entry, 0)];
    while let Some((block, depth)) = stack.pop() {
        walk.forget(depth);
        walk.block(&mut context.func, block);
        let known = walk.undo.len();
        stack.extend(context.domtree.children(block).map(|child| (child, known)));
    }
    let extensions = walk.extensions;
    widen(&mut context.func, loops, extensions);
}

/// Tells which induction variables are the index of an access each time round.
fn find_accessed(context: &Context, loops: &mut Loops, memories: Memories) {
    let (func, Some(limit)) = (&context.func, memories.limit) else {
        return;
    };
    for block in func.layout.blocks() {
        if loops.innermost(block).is_none() {
            continue;
        }
        for inst in func.layout.block_insts(block) {
            let Some(address) = accessed(func, inst, memories) else {
                continue;
            };
            let index = indices(func, address).find_map(|value| extended(func, value));
            let Some(recurrence) = index.and_then(|index| loops.recurrence(index)) else {
                continue;
            };
            let latches = &loops.all[recurrence.of].latches;
            let each_time = |&latch: &Block| context.domtree.block_dominates(block, latch);
            if latches.iter().all(each_time) {
                loops.note_accessed(recurrence.param, limit);
            }
        }
    }
}

/// The address of an access to a linear memory.
pub fn accessed(func: &Function, inst: Inst, memories: Memories) -> Option<Value> {
    let data = &func.dfg.insts[inst];
    let address = match *data {
        InstructionData::Load { arg, .. } => arg,
        InstructionData::Store { args, .. } => args[1],
        _ => return None,
    };
    let region = data.alias_region(&func.dfg)?;
    let of_memories = func.dfg.alias_regions.get(memories.region) == Some(region);
    of_memories.then(|| func.dfg.resolve_aliases(address))
}

/// The values that may be the index in an address: itself, or a part of a sum with the base.
fn indices(func: &Function, address: Value) -> impl Iterator<Item = Value> {
    let mut found = [Some(address), None, None];
    if let Some(inst) = func.dfg.value_def(address).inst()
        && let InstructionData::Binary {
            opcode: Opcode::Iadd,
            args,
        } = func.dfg.insts[inst]
    {
        let is_base = |value: Value| {
            let inst = func.dfg.value_def(func.dfg.resolve_aliases(value)).inst();
            let opcode = inst.map(|inst| func.dfg.insts[inst].opcode());
            matches!(opcode, Some(Opcode::Iconst | Opcode::SymbolValue))
        };
        if is_base(args[0]) || is_base(args[1]) {
            let [a, b] = args.map(|arg| func.dfg.resolve_aliases(arg));
            found = [None, Some(a), Some(b)];
        }
    }
    found.into_iter().flatten()
}

/// The integer of 32 bits that a value is the zero extension of.
fn extended(func: &Function, value: Value) -> Option<Value> {
    let inst = func.dfg.value_def(value).inst()?;
    extension(func, inst)
}

/// The same of an instruction.
pub fn extension(func: &Function, inst: Inst) -> Option<Value> {
    match func.dfg.insts[inst] {
        InstructionData::Unary {
            opcode: Opcode::Uextend,
            arg,
        } => {
            let arg = func.dfg.resolve_aliases(arg);
            let wide = func.dfg.value_type(func.dfg.first_result(inst)) == types::I64;
            (wide && func.dfg.value_type(arg) == types::I32).then_some(arg)
        }
        _ => None,
    }
}

/// An index, the constant in it, and its extension.
#[derive(Clone, Copy)]
struct Index {
    constant: u64,
    value: Value,
    wide: Value,
}

/// What to forget on the way back.
enum Undo {
    Fact(Value, Option<Range>),
    Extended(Value),
}

/// On the way through the dominator tree.
struct Walk<'a> {
    loops: &'a mut Loops,
    memories: Memories,
    /// What accesses that have been passed say of values.
    facts: HashMap<Value, Range>,
    /// Of indices that are there already, by what they are a constant more than.
    extended: HashMap<Value, Index>,
    /// What was known before, in the order of the changes.
    undo: Vec<Undo>,
    /// Of values of 64 bits, the value of 32 bits that they are the extension of.
    origins: HashMap<Value, Value>,
    /// Extensions of induction variables.
    extensions: Vec<Extension>,
}

impl Bounds for Walk<'_> {
    fn range(&mut self, func: &Function, value: Value) -> Range {
        let range = self.loops.range(func, value);
        match self.facts.get(&value) {
            Some(fact) => range.intersection(*fact),
            None => range,
        }
    }
}

impl Walk<'_> {
    fn forget(&mut self, depth: usize) {
        while self.undo.len() > depth {
            match self.undo.pop().expect("it is longer") {
                Undo::Fact(value, Some(before)) => _ = self.facts.insert(value, before),
                Undo::Fact(value, None) => _ = self.facts.remove(&value),
                Undo::Extended(root) => _ = self.extended.remove(&root),
            }
        }
    }

    fn learn(&mut self, value: Value, range: Range) {
        let before = self.facts.get(&value).copied();
        let now = before.map_or(range, |before| before.intersection(range));
        if before != Some(now) {
            self.facts.insert(value, now);
            self.undo.push(Undo::Fact(value, before));
        }
    }

    fn block(&mut self, func: &mut Function, block: Block) {
        let mut next = func.layout.first_inst(block);
        while let Some(inst) = next {
            next = func.layout.next_inst(inst);
            if let Some(index) = extension(func, inst) {
                let result = func.dfg.first_result(inst);
                let sum = self.extend(func, inst, index);
                self.origins.insert(sum.unwrap_or(result), index);
            } else if let Some(address) = accessed(func, inst, self.memories) {
                self.passed(func, address);
                displacement::fold(func, self.memories.machine, inst, address);
            }
        }
    }

    /// An access at this address has not trapped.
    fn passed(&mut self, func: &Function, address: Value) {
        let Some(limit) = self.memories.limit else {
            return;
        };
        let index = indices(func, address).find_map(|value| self.origins.get(&value).copied());
        let Some(index) = index else {
            return;
        };
        self.learn(
            index,
            Range {
                low: 0,
                high: limit - 1,
            },
        );
        // Less a constant, it would have wrapped to above the limit.
        let (root, constant) = offset(func, index);
        let ty = func.dfg.value_type(index);
        let down = signed(constant, ty).unsigned_abs();
        if signed(constant, ty) < 0 && down <= mask(ty) - (limit - 1) {
            self.learn(
                root,
                Range {
                    low: down,
                    high: limit - 1 + down,
                },
            );
        }
    }

    /// Replaces the extension of an index by a sum, if that is proved; returns the sum.
    fn extend(&mut self, func: &mut Function, inst: Inst, index: Value) -> Option<Value> {
        if constant(func, index).is_some() {
            return None;
        }
        let result = func.dfg.first_result(inst);
        let (root, constant) = offset(func, index);
        let before = self.extended.get(&root).copied();
        let value = before.and_then(|before| self.beside(func, inst, before, constant));
        let value = value.or_else(|| self.sum(func, inst, index));
        let wide = value.unwrap_or(result);
        if before.is_none() {
            let value = index;
            let index = Index {
                constant,
                value,
                wide,
            };
            self.extended.insert(root, index);
            self.undo.push(Undo::Extended(root));
        }
        let value = value?;
        func.dfg.clear_results(inst);
        func.dfg.change_to_alias(result, value);
        func.layout.remove_inst(inst);
        Some(func.dfg.resolve_aliases(value))
    }

    /// The extension by one that is there already: the same, or a constant more. What is the same
    /// index stays the same address, which loads that follow stores are found by.
    fn beside(
        &mut self,
        func: &mut Function,
        inst: Inst,
        before: Index,
        constant: u64,
    ) -> Option<Value> {
        let more = constant.wrapping_sub(before.constant) & mask(types::I32);
        if more == 0 {
            return Some(before.wide);
        }
        let sum = self.root_and_constant(func, before.value, more)?;
        let mut cursor = FuncCursor::new(func).at_inst(inst);
        cursor.use_srcloc(inst);
        let by = cursor.ins().iconst(types::I64, sum.constant);
        Some(cursor.ins().iadd(before.wide, by))
    }

    /// The extension as a sum of its parts.
    fn sum(&mut self, func: &mut Function, inst: Inst, index: Value) -> Option<Value> {
        let mut sum = affine(func, self, index);
        if !self.is_better(func, inst, &sum) {
            let (root, constant) = offset(func, index);
            sum = self.root_and_constant(func, root, constant)?;
        }
        if sum == Affine::just(index) {
            self.note_extension(func, inst, index);
            return None;
        }
        self.build(func, inst, sum)
    }

    fn root_and_constant(&mut self, func: &Function, root: Value, by: u64) -> Option<Affine> {
        let by = i128::from(signed(by, types::I32));
        let range = self.range(func, root);
        let ends = [range.low, range.high].map(|end| i128::from(end) + by);
        let wraps = ends[0] >> 32;
        (wraps == ends[1] >> 32).then(|| Affine {
            terms: vec![(root, 1)],
            constant: (by - (wraps << 32)) as i64,
        })
    }

    /// Whether a sum is one addressing mode, but for what innermost loops do not change.
    fn is_better(&self, func: &Function, inst: Inst, sum: &Affine) -> bool {
        let block = func.layout.inst_block(inst);
        let innermost = block.and_then(|block| self.loops.innermost(block));
        let varies = |&&(value, _): &&(Value, i64)| {
            innermost.is_none_or(|of| !self.loops.is_invariant(func, of, value))
        };
        let (constants, variable) = (sum.terms.len(), sum.terms.iter().filter(varies).count());
        variable + usize::from(constants > variable) <= 2 && sum.terms.iter().all(|term| term.1 > 0)
    }

    /// Notes that an instruction extends an induction variable.
    fn note_extension(&mut self, func: &Function, inst: Inst, value: Value) {
        if self.loops.recurrence(value).is_some()
            && self.loops.recurrence_range(func, value).is_some()
        {
            self.extensions.push(Extension { inst, param: value });
        }
    }

    /// Whether a value is an induction variable with 1 as its highest bit all the time, from a
    /// constant on: with its sign, it makes small constants.
    fn is_negative(&mut self, func: &Function, value: Value) -> bool {
        let Some(recurrence) = self.loops.recurrence(value) else {
            return false;
        };
        let range = self.loops.recurrence_range(func, value);
        range.is_some_and(|range| range.low > i32::MAX as u64)
            && constant(func, recurrence.start).is_some()
    }

    /// Makes the sum before an instruction. What changes least is added first.
    fn build(&mut self, func: &mut Function, inst: Inst, mut sum: Affine) -> Option<Value> {
        sum.terms.sort_by_key(|term| {
            let block = match func.dfg.value_def(term.0) {
                ValueDef::Result(inst, _) => func.layout.inst_block(inst),
                ValueDef::Param(block, _) => Some(block),
                ValueDef::Union(..) => None,
            };
            block.map_or(0, |block| self.loops.level(block))
        });
        let mut total: Option<Value> = None;
        for (value, factor) in sum.terms {
            let wide = match func.dfg.value_type(value) {
                types::I64 => value,
                _ => {
                    let negative = self.is_negative(func, value);
                    let mut cursor = FuncCursor::new(func).at_inst(inst);
                    cursor.use_srcloc(inst);
                    let wide = match negative {
                        true => cursor.ins().sextend(types::I64, value),
                        false => cursor.ins().uextend(types::I64, value),
                    };
                    if negative {
                        let more = factor.checked_mul(1 << 32)?;
                        sum.constant = sum.constant.checked_add(more)?;
                    }
                    let made = func.dfg.value_def(wide).unwrap_inst();
                    self.note_extension(func, made, value);
                    wide
                }
            };
            let mut cursor = FuncCursor::new(func).at_inst(inst);
            cursor.use_srcloc(inst);
            let size = factor.unsigned_abs();
            let term = match size {
                1 => wide,
                size if size.is_power_of_two() => {
                    let by = cursor
                        .ins()
                        .iconst(types::I64, size.trailing_zeros() as i64);
                    cursor.ins().ishl(wide, by)
                }
                size => {
                    let by = cursor.ins().iconst(types::I64, size as i64);
                    cursor.ins().imul(wide, by)
                }
            };
            total = Some(match total {
                Some(total) => cursor.ins().iadd(total, term),
                None => term,
            });
        }
        let mut cursor = FuncCursor::new(func).at_inst(inst);
        cursor.use_srcloc(inst);
        let by = |cursor: &mut FuncCursor<'_>| cursor.ins().iconst(types::I64, sum.constant);
        Some(match total {
            Some(total) if sum.constant == 0 => total,
            Some(total) => {
                let by = by(&mut cursor);
                cursor.ins().iadd(total, by)
            }
            None => by(&mut cursor),
        })
    }
}
