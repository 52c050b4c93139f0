// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Addresses of symbols, made again where they are needed.
//!
//! Cranelift's optimizer makes each address once for all that it dominates. The stack pointer of C,
//! a global, is used where a function begins and where it ends: in between its address occupied a
//! register that calls preserve, or was written to the frame and read back. Making it again is one
//! instruction without operands. Only in small loops is it worth its register.

use cranelift_codegen::Context;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Inst, Opcode, Value};
use cranelift_codegen::loop_analysis::Loop;
use std::collections::{BTreeMap, BTreeSet};

/// Blocks up to which a loop is a small one.
const SMALL: u32 = 8;

/// Makes addresses of symbols again in each block that uses them. The analysis of loops must be
/// there.
pub fn make_again(context: &mut Context) {
    let func = &context.func;
    let mut homes: SecondaryMap<Value, Option<Block>> = SecondaryMap::new();
    let mut any = false;
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            if func.dfg.insts[inst].opcode() == Opcode::SymbolValue {
                homes[func.dfg.first_result(inst)] = Some(block);
                any = true;
            }
        }
    }
    if !any {
        return;
    }
    let sizes = loop_sizes(context);
    for block in context.func.layout.blocks().collect::<Vec<_>>() {
        let worth_a_register = |home| is_in_small_loop(context, &sizes, block, home);
        let uses = uses(context, block, |value| {
            homes[value].is_some_and(|home| home != block && !worth_a_register(home))
        });
        make_in(context, &uses);
    }
}

/// How many blocks have each loop as their innermost.
fn loop_sizes(context: &Context) -> SecondaryMap<Loop, u32> {
    let mut sizes = SecondaryMap::new();
    for block in context.func.layout.blocks() {
        if let Some(innermost) = context.loop_analysis.innermost_loop(block) {
            sizes[innermost] += 1;
        }
    }
    sizes
}

/// Whether a block is in a small loop that is not that of the other block.
fn is_in_small_loop(
    context: &Context,
    sizes: &SecondaryMap<Loop, u32>,
    block: Block,
    other: Block,
) -> bool {
    let innermost = |block| context.loop_analysis.innermost_loop(block);
    let small = innermost(block).is_some_and(|innermost| sizes[innermost] <= SMALL);
    small && innermost(block) != innermost(other)
}

/// The instructions of a block that use certain values, with these.
fn uses(context: &Context, block: Block, of: impl Fn(Value) -> bool) -> Vec<(Inst, Value)> {
    let func = &context.func;
    let mut found = Vec::new();
    for inst in func.layout.block_insts(block) {
        let values = func.dfg.inst_values(inst).filter(|&value| of(value));
        let values: BTreeSet<Value> = values.collect();
        found.extend(values.into_iter().map(|value| (inst, value)));
    }
    found
}

/// Makes the values of these uses, all in one block, again before the first use of each.
fn make_in(context: &mut Context, uses: &[(Inst, Value)]) {
    let func = &mut context.func;
    let mut made: BTreeMap<Value, Value> = BTreeMap::new();
    for &(inst, value) in uses {
        let again = *made.entry(value).or_insert_with(|| {
            let definition = func.dfg.value_def(value).unwrap_inst();
            let copy = func.dfg.clone_inst(definition);
            func.layout.insert_inst(copy, inst);
            func.dfg.first_result(copy)
        });
        let renamed = |other| if other == value { again } else { other };
        func.dfg.map_inst_values(inst, renamed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::tests::{context, text};

    #[test]
    fn an_address_is_made_where_it_is_used_again() {
        let mut context = context(
            "function %f(i32) -> i32 {
                gv0 = symbol colocated %stack_pointer
            block0(v0: i32):
                v1 = symbol_value.i64 gv0
                v2 = load.i32 v1
                brif v0, block1, block2
            block1:
                store v0, v1
                store v2, v1
                jump block2
            block2:
                v3 = load.i32 v1
                v4 = iadd v3, v2
                brif v3, block2, block3
            block3:
                return v4
            }",
        );
        make_again(&mut context);
        let text = text(&context);
        // In block 1 once, in the loop not.
        assert_eq!(text.matches("symbol_value").count(), 2, "{text}");
        assert!(text.contains("v3 = load.i32 v1"), "{text}");
    }
}
