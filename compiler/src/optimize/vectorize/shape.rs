// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Loops of one block that are entered from one place, and how often they go round at least.

use super::linear::{Linear, Values};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{Block, Function, Inst, InstructionData, Opcode, Value};

/// The most instructions of a body that is looked at.
const MAX_BODY: usize = 192;
/// And parameters of its block.
const MAX_PARAMS: usize = 24;

/// A loop.
pub struct Shape {
    pub header: Block,
    /// The jump from outside, and what it passes.
    pub entry: Inst,
    pub inits: Vec<Value>,
    pub params: Vec<Value>,
    /// What the loop passes to itself.
    pub nexts: Vec<Value>,
    /// Without the branch at the end.
    pub body: Vec<Inst>,
    /// What that branch tests, and whether it goes on if it is not zero.
    condition: Value,
    on_nonzero: bool,
}

/// A lower bound of how often a loop goes back: the number of values X, X + step, ... for which
/// a comparison with the bound holds. The loop runs once more.
pub struct Trips {
    /// In the first round; its step each round is not 0.
    pub tested: Linear,
    pub step: i32,
    pub bound: Option<Value>,
    /// How the tested value compares with the bound in rounds that go on: unequal, or below or
    /// above it.
    pub condition: IntCC,
}

/// All loops of one block, in the order of the blocks.
pub fn find(func: &Function) -> Vec<Shape> {
    let mut entries: SecondaryMap<Block, (u32, Option<Inst>)> = SecondaryMap::new();
    let mut loops = Vec::new();
    for block in func.layout.blocks() {
        let Some(last) = func.layout.last_inst(block) else {
            continue;
        };
        let data = &func.dfg.insts[last];
        let dfg = &func.dfg;
        let targets = data.branch_destination(&dfg.jump_tables, &dfg.exception_tables);
        for target in targets {
            let to = target.block(&dfg.value_lists);
            if to == block {
                loops.push((block, last));
            } else {
                let entry = &mut entries[to];
                *entry = (entry.0 + 1, Some(last));
            }
        }
    }
    let shapes = loops.into_iter().filter_map(|(header, branch)| {
        let (1, Some(entry)) = entries[header] else {
            return None;
        };
        shape(func, header, branch, entry)
    });
    shapes.collect()
}

fn shape(func: &Function, header: Block, branch: Inst, entry: Inst) -> Option<Shape> {
    let dfg = &func.dfg;
    let pool = &dfg.value_lists;
    let InstructionData::Jump { destination, .. } = dfg.insts[entry] else {
        return None;
    };
    let InstructionData::Brif { arg, blocks, .. } = dfg.insts[branch] else {
        return None;
    };
    let on_nonzero = blocks[0].block(pool) == header;
    let (back, exit) = match on_nonzero {
        true => (blocks[0], blocks[1]),
        false => (blocks[1], blocks[0]),
    };
    if exit.block(pool) == header || dfg.num_block_params(header) > MAX_PARAMS {
        return None;
    }
    let values = |mut args: Vec<_>| -> Option<Vec<Value>> {
        args.drain(..)
            .map(|arg: cranelift_codegen::ir::BlockArg| arg.as_value())
            .collect()
    };
    let body: Vec<Inst> = func
        .layout
        .block_insts(header)
        .take(MAX_BODY + 1)
        .take_while(|&inst| inst != branch)
        .collect();
    (body.len() <= MAX_BODY).then_some(())?;
    Some(Shape {
        header,
        entry,
        inits: values(destination.args(pool).collect())?,
        params: dfg.block_params(header).to_vec(),
        nexts: values(back.args(pool).collect())?,
        body,
        condition: arg,
        on_nonzero,
    })
}

/// How often the loop goes back at least; `None` where nothing is known.
pub fn trips(values: &mut Values<'_>) -> Option<Trips> {
    let shape = values.shape;
    let mut condition = shape.condition;
    while let Some(InstructionData::Unary {
        opcode: Opcode::Uextend,
        arg,
    }) = values.inside(condition)
    {
        condition = *arg;
    }
    let (mut cc, left, right) = match values.inside(condition) {
        Some(InstructionData::IntCompare { cond, args, .. }) => (*cond, args[0], Some(args[1])),
        _ => (IntCC::NotEqual, condition, None),
    };
    if !shape.on_nonzero {
        cc = cc.complement();
    }
    // The value that changes is on the left.
    let (tested, bound) = match right {
        Some(right) if values.invariant(left) => {
            cc = cc.swap_args();
            (right, Some(left))
        }
        other => (left, other),
    };
    if bound.is_some_and(|bound| !values.invariant(bound)) {
        return None;
    }
    let tested = values.linear(tested)?;
    let step = values.step(&tested)?;
    let up = step > 0;
    let known = match cc {
        IntCC::NotEqual => step != 0,
        IntCC::UnsignedLessThan
        | IntCC::UnsignedLessThanOrEqual
        | IntCC::SignedLessThan
        | IntCC::SignedLessThanOrEqual => up,
        IntCC::UnsignedGreaterThan
        | IntCC::UnsignedGreaterThanOrEqual
        | IntCC::SignedGreaterThan
        | IntCC::SignedGreaterThanOrEqual => step < 0,
        _ => false,
    };
    known.then_some(Trips {
        tested,
        step,
        bound,
        condition: cc,
    })
}

impl Shape {
    /// The position of a value among the parameters.
    pub fn param(&self, value: Value) -> Option<usize> {
        self.params.iter().position(|&param| param == value)
    }
}
