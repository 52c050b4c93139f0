// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Zero extensions of 32-bit indices, made where they cost nothing.
//!
//! On x86-64 an instruction of 32 bits leaves the upper half of its register zero, and the code
//! generator takes that as the extension, for the result of one instruction. It cannot for a value
//! that comes from elsewhere: a block's parameter, a load, the argument of a function. There an
//! index costs a move at every access, and a second register where the 32 bits are used as well.
//! So what is extended somewhere is made with 64 bits in the first place, and the 32 bits are its
//! lower half, which costs nothing:
//!
//! - a load extends to 64 bits;
//! - a parameter of a block has 64 bits if every branch to it can pass them;
//! - a `select` selects from extended values;
//! - everything else is extended once, where it is made.
//!
//! This comes after Cranelift's optimizer, which would undo it.

use super::addresses::extension;
use super::edges::{Edge, Edges};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{
    Block, BlockArg, Function, Inst, InstBuilder, InstructionData, Opcode, Type, Value, ValueDef,
    types,
};
use cranelift_codegen::packed_option::PackedOption;
use std::collections::BTreeMap;

const NARROW: Type = types::I32;
const WIDE: Type = types::I64;

/// How the extended form of a value comes about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By an extension next to its use, for which no instruction is needed.
    Free,
    /// By the instruction that makes the value, with the wider type.
    Made(Inst),
    /// By a `select` of extended values.
    Selected(Inst),
    /// As the parameter of a block, with the wider type.
    Passed(Block, usize),
    /// By an extension behind the instruction that makes the value.
    After(Inst),
    /// By an extension at the beginning of the block whose parameter it is.
    Entering(Block),
}

#[derive(Default)]
struct Pass {
    ways: SecondaryMap<Value, Option<Way>>,
    /// What has a way, in the order in which that was found.
    wanted: Vec<Value>,
    /// The extended form, once it is there.
    wide: SecondaryMap<Value, PackedOption<Value>>,
    /// What is passed to the blocks that have been looked at.
    passed: BTreeMap<Block, Option<Passed>>,
}

/// Makes values with 64 bits that are extended from 32.
pub fn where_free(func: &mut Function) {
    let extensions = extensions(func);
    if extensions.is_empty() {
        return;
    }
    let edges = Edges::new(func);
    let mut pass = Pass::default();
    for &(_, narrow) in &extensions {
        pass.want(func, &edges, narrow);
    }
    pass.collect(func, &edges);
    for index in 0..pass.wanted.len() {
        pass.widen(func, pass.wanted[index]);
    }
    pass.pass_on(func);
    pass.forward(func, &extensions);
    func.dfg.resolve_all_aliases();
}

/// All extensions of 32 bits to 64, with what they extend.
fn extensions(func: &Function) -> Vec<(Inst, Value)> {
    let mut found = Vec::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            if let Some(narrow) = extension(func, inst) {
                found.push((inst, narrow));
            }
        }
    }
    found
}

/// The edges to a block, with what they pass.
type Passed = Vec<(Edge, Vec<Value>)>;

/// What the edges to a block pass; `None` if one passes anything but values, as the result of its
/// call.
fn passed(func: &Function, edges: &[Edge]) -> Option<Passed> {
    let dfg = &func.dfg;
    let value = |argument| match argument {
        BlockArg::Value(value) => Some(dfg.resolve_aliases(value)),
        _ => None,
    };
    let passed = edges.iter().map(|edge| {
        let arguments = edge.call(func).args(&dfg.value_lists).map(value);
        Some((*edge, arguments.collect::<Option<Vec<Value>>>()?))
    });
    passed.collect()
}

impl Pass {
    /// Decides how a value is extended, if that has not been decided.
    fn want(&mut self, func: &Function, edges: &Edges, value: Value) {
        if self.ways[value].is_none() {
            self.ways[value] = Some(self.way(func, edges, value));
            self.wanted.push(value);
        }
    }

    /// How a value of 32 bits is best extended.
    fn way(&mut self, func: &Function, edges: &Edges, value: Value) -> Way {
        match func.dfg.value_def(value) {
            ValueDef::Result(inst, _) => match func.dfg.insts[inst].opcode() {
                // What the code generator knows to leave the upper half zero
                // (`value32_zeros_upper32`), and constants.
                Opcode::Iadd
                | Opcode::Isub
                | Opcode::Imul
                | Opcode::Band
                | Opcode::Bor
                | Opcode::Bxor
                | Opcode::Ishl
                | Opcode::Ushr
                | Opcode::Iconst => Way::Free,
                Opcode::Load | Opcode::Uload8 | Opcode::Uload16 | Opcode::Uextend => {
                    Way::Made(inst)
                }
                Opcode::Select => Way::Selected(inst),
                _ => Way::After(inst),
            },
            ValueDef::Param(block, _) if func.layout.entry_block() == Some(block) => {
                Way::Entering(block)
            }
            ValueDef::Param(block, number) => {
                let known = self.passed.entry(block);
                match known.or_insert_with(|| passed(func, edges.to(block))) {
                    Some(_) => Way::Passed(block, number),
                    None => Way::Entering(block),
                }
            }
            ValueDef::Union(..) => unreachable!("the optimizer leaves none behind"),
        }
    }

    /// Decides for what is passed to parameters and selected from as well.
    fn collect(&mut self, func: &Function, edges: &Edges) {
        let dfg = &func.dfg;
        let mut next = 0;
        while let Some(&value) = self.wanted.get(next) {
            next += 1;
            let sources: Vec<Value> = match self.ways[value] {
                Some(Way::Passed(block, number)) => {
                    let passed = self.passed[&block].iter().flatten();
                    passed.map(|(_, arguments)| arguments[number]).collect()
                }
                Some(Way::Selected(select)) => {
                    let arguments = dfg.inst_args(select)[1..].iter();
                    arguments.map(|&value| dfg.resolve_aliases(value)).collect()
                }
                _ => continue,
            };
            for source in sources {
                self.want(func, edges, source);
            }
        }
    }

    /// Gives a value its extended form, of which it becomes the lower half.
    fn widen(&mut self, func: &mut Function, value: Value) {
        let way = self.ways[value].expect("it is wanted");
        let wide = match way {
            Way::Free => return,
            Way::Made(inst) => {
                let wide = func.dfg.replace_result(value, WIDE);
                if let InstructionData::Load { opcode, .. } = &mut func.dfg.insts[inst]
                    && *opcode == Opcode::Load
                {
                    *opcode = Opcode::Uload32;
                }
                self.reduce(&mut after(func, inst), wide, value)
            }
            Way::Selected(inst) => {
                let wide = func.dfg.replace_result(value, WIDE);
                self.reduce(&mut after(func, inst), wide, value)
            }
            Way::Passed(block, _) => {
                let wide = func.dfg.replace_block_param(value, WIDE);
                self.reduce(&mut beginning(func, block), wide, value)
            }
            Way::After(inst) => {
                let narrow = func.dfg.replace_result(value, NARROW);
                let mut cursor = after(func, inst);
                let wide = cursor.ins().uextend(WIDE, narrow);
                self.reduce(&mut cursor, wide, value)
            }
            Way::Entering(block) => {
                let narrow = func.dfg.replace_block_param(value, NARROW);
                let mut cursor = beginning(func, block);
                let wide = cursor.ins().uextend(WIDE, narrow);
                self.reduce(&mut cursor, wide, value)
            }
        };
        self.wide[value] = wide.into();
    }

    /// Makes a detached value the lower half of another.
    fn reduce(&self, cursor: &mut FuncCursor<'_>, wide: Value, value: Value) -> Value {
        cursor.ins().with_result(value).ireduce(NARROW, wide);
        wide
    }

    /// The extended form of a value before an instruction.
    fn wide_at(&self, func: &mut Function, value: Value, at: Inst) -> Value {
        let value = func.dfg.resolve_aliases(value);
        match self.wide[value].expand() {
            Some(wide) => wide,
            None => {
                let mut cursor = FuncCursor::new(func).at_inst(at);
                cursor.use_srcloc(at);
                cursor.ins().uextend(WIDE, value)
            }
        }
    }

    /// Selects from extended values, and passes them to parameters of 64 bits.
    fn pass_on(&mut self, func: &mut Function) {
        let mut widened: BTreeMap<Block, Vec<usize>> = BTreeMap::new();
        for &value in &self.wanted {
            match self.ways[value] {
                Some(Way::Selected(select)) => {
                    for argument in 1..=2 {
                        let narrow = func.dfg.inst_args(select)[argument];
                        let wide = self.wide_at(func, narrow, select);
                        func.dfg.inst_args_mut(select)[argument] = wide;
                    }
                }
                Some(Way::Passed(block, number)) => widened.entry(block).or_default().push(number),
                _ => {}
            }
        }
        for (block, numbers) in widened {
            let passed = self.passed.remove(&block).flatten();
            for (edge, mut arguments) in passed.expect("such a block gets values") {
                for &number in &numbers {
                    arguments[number] = self.wide_at(func, arguments[number], edge.branch);
                }
                let mut pool = std::mem::take(&mut func.dfg.value_lists);
                let mut arguments = arguments.into_iter();
                edge.call_mut(func).update_args(&mut pool, |argument| {
                    arguments.next().map_or(argument, BlockArg::Value)
                });
                func.dfg.value_lists = pool;
            }
        }
    }

    /// Lets the former extensions be what they have become.
    fn forward(&self, func: &mut Function, extensions: &[(Inst, Value)]) {
        for &(inst, narrow) in extensions {
            let Some(wide) = self.wide[narrow].expand() else {
                continue;
            };
            let result = func.dfg.first_result(inst);
            func.layout.remove_inst(inst);
            func.dfg.clear_results(inst);
            func.dfg.change_to_alias(result, wide);
        }
    }
}

fn after(func: &mut Function, inst: Inst) -> FuncCursor<'_> {
    let mut cursor = FuncCursor::new(func).after_inst(inst);
    cursor.use_srcloc(inst);
    cursor
}

fn beginning(func: &mut Function, block: Block) -> FuncCursor<'_> {
    FuncCursor::new(func).at_first_insertion_point(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::tests::{context, text};

    #[test]
    fn a_pointer_that_walks_has_64_bits() {
        let mut context = context(
            "function %f(i32) -> i32 {
            block0(v0: i32):
                jump block1(v0)
            block1(v1: i32):
                v2 = uextend.i64 v1
                v3 = uload8.i32 v2
                v4 = iconst.i32 1
                v5 = iadd v1, v4
                brif v3, block1(v5), block2(v5)
            block2(v6: i32):
                return v6
            }",
        );
        where_free(&mut context.func);
        let text = text(&context);
        // The argument is extended once, the sum for nothing, and the load is of the parameter.
        assert_eq!(text.matches("uextend").count(), 2, "{text}");
        assert!(text.contains("block1(v7: i64)"), "{text}");
        assert!(text.contains("uload8.i32 v7"), "{text}");
        assert!(text.contains("block2(v6: i32)"), "{text}");
    }

    #[test]
    fn what_is_loaded_as_an_index_is_extended_by_the_load() {
        let mut context = context(
            "function %f(i64, i32) -> i32 {
            block0(v0: i64, v1: i32):
                v2 = load.i32 v0
                v3 = uload8.i32 v0+4
                v4 = select v1, v2, v3
                v5 = uextend.i64 v4
                v6 = load.i32 v5
                v7 = iadd v6, v2
                return v7
            }",
        );
        where_free(&mut context.func);
        let text = text(&context);
        assert!(!text.contains("uextend"), "{text}");
        assert!(text.contains("uload32"), "{text}");
        assert!(text.contains("uload8.i64"), "{text}");
    }

    #[test]
    fn the_result_of_a_call_that_can_throw_is_extended_where_it_arrives() {
        let mut context = context(
            "function %f(i32) -> i32 tail {
                sig0 = (i32) -> i32 tail
                fn0 = %g(i32) -> i32 tail
            block0(v0: i32):
                try_call fn0(v0), sig0, block1(ret0), [ default: block2(v0) ]
            block1(v1: i32):
                v2 = uextend.i64 v1
                v3 = load.i32 v2
                return v3
            block2(v4: i32):
                return v4
            }",
        );
        where_free(&mut context.func);
        let text = text(&context);
        assert!(text.contains("block1(v5: i32)"), "{text}");
        assert_eq!(text.matches("uextend").count(), 1, "{text}");
    }
}
