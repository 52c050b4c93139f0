// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a loop's last branch compares: the new value of an induction variable, not the old one.
//!
//! Cranelift's optimizer turns `i + 16 != 3200` into `i != 3184`, which is as good by itself. But
//! `i + 16` is there anyway, for the next round, and so both are alive at the branch: that costs a
//! register, a move, and a jump around the move. This undoes it, after the optimizer: equality
//! modulo a power of two is the same on both sides of an addition.

use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, Function, Inst, InstBuilder, InstructionData, Opcode,
};
use cranelift_codegen::ir::{Value, ValueDef};

use super::range::{constant, mask};
use std::cmp::Ordering;

/// Rewrites the branches back to the headers of all loops.
pub fn compare_new_values(context: &mut Context) {
    let mut latches: Vec<(Block, Block)> = Vec::new();
    for of in context.loop_analysis.loops() {
        let header = context.loop_analysis.loop_header(of);
        let from = context.cfg.pred_iter(header).map(|pred| pred.block);
        let back = from.filter(|&block| context.domtree.block_dominates(header, block));
        latches.extend(back.map(|block| (header, block)));
    }
    for (header, latch) in latches {
        rewrite(&mut context.func, header, latch);
    }
}

fn rewrite(func: &mut Function, header: Block, latch: Block) -> Option<()> {
    let branch = func.layout.last_inst(latch)?;
    let InstructionData::Brif { arg, blocks, .. } = func.dfg.insts[branch] else {
        return None;
    };
    let compare = func.dfg.value_def(arg).inst()?;
    let InstructionData::IntCompare { cond, args, .. } = func.dfg.insts[compare] else {
        return None;
    };
    if !matches!(cond, IntCC::Equal | IntCC::NotEqual) {
        return None;
    }
    let (tested, bound) = (args[0], constant(func, args[1])?);
    let (param, reduced) = match unary(func, tested, Opcode::Ireduce) {
        Some(inner) => (inner, true),
        None => (tested, false),
    };
    let ValueDef::Param(block, index) = func.dfg.value_def(param) else {
        return None;
    };
    if block != header || func.layout.inst_block(compare) != Some(latch) {
        return None;
    }
    let mut back = blocks.iter();
    let back = back.find(|call| call.block(&func.dfg.value_lists) == header)?;
    let argument = back.args(&func.dfg.value_lists).nth(index)?;
    let BlockArg::Value(next) = argument else {
        return None;
    };
    let step = step(func, param, next)?;
    let ty = func.dfg.value_type(tested);
    let bound = bound.wrapping_add(step) & mask(ty);
    let sum = func.dfg.value_def(next).inst()?;
    if func.layout.inst_block(sum) != Some(latch) {
        return None;
    }
    // Where it stands before already, its uses may do so too.
    if func.layout.pp_cmp(sum, compare) == Ordering::Greater {
        move_before(func, sum, compare, param, step);
    }
    let mut cursor = FuncCursor::new(func).at_inst(compare);
    cursor.use_srcloc(compare);
    let tested = match reduced {
        true => cursor.ins().ireduce(ty, next),
        false => next,
    };
    let bound = cursor.ins().iconst(ty, super::loops::signed(bound, ty));
    func.dfg.insts[compare] = InstructionData::IntCompare {
        opcode: Opcode::Icmp,
        cond,
        args: [tested, bound],
    };
    Some(())
}

/// The operand of an instruction of this kind that makes the value.
fn unary(func: &Function, value: Value, wanted: Opcode) -> Option<Value> {
    let inst = func.dfg.value_def(value).inst()?;
    match func.dfg.insts[inst] {
        InstructionData::Unary { opcode, arg } if opcode == wanted => Some(arg),
        _ => None,
    }
}

/// The constant by which the next value is more than this one.
fn step(func: &Function, param: Value, next: Value) -> Option<u64> {
    let inst = func.dfg.value_def(next).inst()?;
    match func.dfg.insts[inst] {
        InstructionData::Binary {
            opcode: Opcode::Iadd,
            args,
        } if args[0] == param => constant(func, args[1]),
        _ => None,
    }
}

/// Puts the addition before the comparison, with a constant of its own: the other may come later.
fn move_before(func: &mut Function, sum: Inst, compare: Inst, param: Value, step: u64) {
    func.layout.remove_inst(sum);
    func.layout.insert_inst(sum, compare);
    let ty = func.dfg.value_type(param);
    let mut cursor = FuncCursor::new(func).at_inst(sum);
    cursor.use_srcloc(sum);
    let step = cursor.ins().iconst(ty, super::loops::signed(step, ty));
    func.dfg.insts[sum] = InstructionData::Binary {
        opcode: Opcode::Iadd,
        args: [param, step],
    };
}
