// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Comparisons with the length of a memory that follow from others.
//!
//! A length never shrinks, so an index that has been found inside up to some byte stays inside,
//! whatever is stored or called. Where a check is sure to come before another one of the same index
//! that goes no further, the second is left out. Where several follow each other in a block with
//! nothing between them that could be seen from outside (loads, arithmetic), the first compares
//! the furthest byte: a trap comes a few loads earlier, and is the same one.
//!
//! What is looked for is what `translate/memory.rs` makes for a length that can change:
//! `trapnz(index + past > load(length))`.

use super::range::constant;
use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, Function, GlobalValue, Inst, InstBuilder, InstructionData, Opcode, TrapCode, Value,
    types,
};
use std::collections::BTreeMap;
use wasm_aot_object::descriptor::MEMORY_LENGTH_OFFSET;

/// An index, before it is extended if it is, into the memory with a descriptor.
type Key = (Value, GlobalValue);

/// One comparison.
struct Check {
    key: Key,
    /// What is added to the index: the comparison holds if so many bytes from it are inside.
    past: u64,
    /// The index with 64 bits.
    index: Value,
    length: Value,
}

/// Removes checks that others imply. The dominator tree must be there; aliases are gone.
pub fn remove_implied(context: &mut Context) {
    let mut pass = Pass::default();
    let blocks: Vec<Block> = context.domtree.cfg_rpo().copied().collect();
    for block in blocks {
        let mut next = context.func.layout.first_inst(block);
        while let Some(inst) = next {
            next = context.func.layout.next_inst(inst);
            if let Some(check) = check(&context.func, inst) {
                pass.check(context, block, inst, check);
            } else if is_visible(&context.func, inst) {
                pass.close(&mut context.func);
            }
        }
        pass.close(&mut context.func);
    }
}

#[derive(Default)]
struct Pass {
    /// How far an index is inside, from a check in this block on; the last one first looked at.
    known: BTreeMap<Key, Vec<(Block, u64)>>,
    /// Checks in the present block behind which nothing visible has happened, with how far they
    /// are to go.
    open: BTreeMap<Key, (Inst, Check, u64)>,
}

impl Pass {
    fn check(&mut self, context: &mut Context, block: Block, inst: Inst, check: Check) {
        let known = self.known.entry(check.key).or_default();
        while known
            .last()
            .is_some_and(|&(from, _)| !context.domtree.block_dominates(from, block))
        {
            known.pop();
        }
        if known.last().is_some_and(|&(_, past)| past >= check.past) {
            context.func.layout.remove_inst(inst);
            return;
        }
        known.push((block, check.past));
        match self.open.get_mut(&check.key) {
            Some((_, _, past)) => {
                *past = check.past;
                context.func.layout.remove_inst(inst);
            }
            None => {
                let past = check.past;
                self.open.insert(check.key, (inst, check, past));
            }
        }
    }

    /// Lets the open checks go as far as they are to.
    fn close(&mut self, func: &mut Function) {
        for (_, (inst, check, past)) in std::mem::take(&mut self.open) {
            if past > check.past {
                let mut cursor = FuncCursor::new(func).at_inst(inst);
                cursor.use_srcloc(inst);
                let past = cursor.ins().iconst(types::I64, past as i64);
                let end = cursor.ins().iadd(check.index, past);
                let outside = cursor
                    .ins()
                    .icmp(IntCC::UnsignedGreaterThan, end, check.length);
                cursor.func.dfg.inst_args_mut(inst)[0] = outside;
            }
        }
    }
}

/// The check that an instruction is, if it is one.
fn check(func: &Function, inst: Inst) -> Option<Check> {
    let dfg = &func.dfg;
    let definition = |value| Some(&dfg.insts[dfg.value_def(value).inst()?]);
    let InstructionData::CondTrap {
        opcode: Opcode::Trapnz,
        arg,
        code: TrapCode::HEAP_OUT_OF_BOUNDS,
    } = dfg.insts[inst]
    else {
        return None;
    };
    let &InstructionData::IntCompare {
        cond: IntCC::UnsignedGreaterThan,
        args: [end, length],
        ..
    } = definition(arg)?
    else {
        return None;
    };
    let &InstructionData::Binary {
        opcode: Opcode::Iadd,
        args: [index, past],
    } = definition(end)?
    else {
        return None;
    };
    let past = constant(func, past)?;
    // Of an index of 64 bits, whose sum with a constant can wrap, nothing is concluded.
    let &InstructionData::Unary {
        opcode: Opcode::Uextend,
        arg: narrow,
    } = definition(index)?
    else {
        return None;
    };
    let in_memory = dfg.value_type(narrow) == types::I32 && (1..1 << 33).contains(&past);
    let key = (narrow, memory_of_length(func, length)?);
    in_memory.then_some(Check {
        key,
        past,
        index,
        length,
    })
}

/// The descriptor of the memory of which this is the length.
fn memory_of_length(func: &Function, length: Value) -> Option<GlobalValue> {
    let dfg = &func.dfg;
    let InstructionData::Load {
        opcode: Opcode::Load,
        arg: descriptor,
        offset,
        ..
    } = dfg.insts[dfg.value_def(length).inst()?]
    else {
        return None;
    };
    match dfg.insts[dfg.value_def(descriptor).inst()?] {
        InstructionData::UnaryGlobalValue {
            opcode: Opcode::SymbolValue,
            global_value,
        } if i32::from(offset) == MEMORY_LENGTH_OFFSET => Some(global_value),
        _ => None,
    }
}

/// Whether what an instruction does, or its trap, can be told from a trap of a memory.
fn is_visible(func: &Function, inst: Inst) -> bool {
    let data = &func.dfg.insts[inst];
    let opcode = data.opcode();
    let trap = match data {
        InstructionData::Load { .. } => data.memflags_trap_code(&func.dfg),
        _ if opcode.can_load() => return true,
        _ => data.trap_code(),
    };
    match trap {
        Some(code) => code != TrapCode::HEAP_OUT_OF_BOUNDS || opcode.can_store(),
        None => {
            opcode.can_store()
                || opcode.is_call()
                || opcode.is_terminator()
                || opcode.other_side_effects()
                || opcode.can_trap() && !opcode.can_load()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::tests::{context, text};

    /// A function with these instructions and two memories, `v0` being the index.
    fn optimized(body: &str) -> String {
        let mut context = context(&format!(
            "function %f(i32, i32) -> i32 {{
                gv0 = symbol colocated %memory0
                gv1 = symbol colocated %memory1
            block0(v0: i32, v1: i32):
                v2 = uextend.i64 v0
                v3 = symbol_value.i64 gv0
                v4 = symbol_value.i64 gv1
                v5 = iconst.i64 4
                v6 = iconst.i64 8
                {body}
            }}"
        ));
        remove_implied(&mut context);
        text(&context)
    }

    fn check(first: u32, past: &str, memory: &str) -> String {
        format!(
            "v{first} = load.i64 notrap aligned {memory}+8
             v{} = iadd v2, {past}
             v{} = icmp ugt v{}, v{first}
             trapnz v{}, heap_oob\n",
            first + 1,
            first + 2,
            first + 1,
            first + 2,
        )
    }

    fn checks(text: &str) -> usize {
        text.matches("trapnz").count()
    }

    #[test]
    fn loads_share_the_check_of_the_furthest() {
        let (near, far) = (check(10, "v5", "v3"), check(20, "v6", "v3"));
        let text = optimized(&format!("{near} v30 = load.i32 v2\n {far} return v30"));
        assert_eq!(checks(&text), 1, "{text}");
        // With a comparison of its own in front, 8 bytes from the index.
        let before = text.split("trapnz").next().expect("some text");
        assert_eq!(before.matches("icmp").count(), 2, "{text}");
        assert_eq!(before.matches("iconst.i64 8").count(), 2, "{text}");
    }

    #[test]
    fn a_store_is_not_overtaken_by_the_trap_behind_it() {
        let (near, far) = (check(10, "v5", "v3"), check(20, "v6", "v3"));
        let text = optimized(&format!("{near} store v1, v2\n {far} return v1"));
        assert_eq!(checks(&text), 2, "{text}");
        let text = optimized(&format!("{near} v30 = sdiv v0, v1\n {far} return v30"));
        assert_eq!(checks(&text), 2, "{text}");
    }

    #[test]
    fn what_is_inside_stays_inside() {
        let (far, near) = (check(10, "v6", "v3"), check(20, "v5", "v3"));
        let text = optimized(&format!(
            "{far} store v1, v2
                brif v1, block1, block2
            block1:
                {near} jump block2
            block2:
                return v1"
        ));
        assert_eq!(checks(&text), 1, "{text}");
    }

    #[test]
    fn another_memory_and_another_path_prove_nothing() {
        let (far, near) = (check(10, "v6", "v4"), check(20, "v5", "v3"));
        let text = optimized(&format!("{far} {near} return v1"));
        assert_eq!(checks(&text), 2, "{text}");
        let (far, near) = (check(10, "v6", "v3"), check(20, "v5", "v3"));
        let text = optimized(&format!(
            "brif v1, block1, block2
            block1:
                {far} jump block2
            block2:
                {near} return v1"
        ));
        assert_eq!(checks(&text), 2, "{text}");
    }
}
