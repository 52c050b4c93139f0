// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Masks that mask nothing: an `and` with a constant of a value that has no other bits.
//!
//! WebAssembly has no integers below 32 bits, so compilers mask a byte wherever they cannot tell
//! that it is one, as behind a loop whose variable is a byte each time round. Which bits a value
//! may have is found for all values together, so that what goes round a loop is seen as well.

use super::edges::Edges;
use super::range::{constant, mask, ones};
use cranelift_codegen::Context;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{
    Block, BlockArg, Function, Inst, InstructionData, Opcode, Type, Value,
};

/// How often the function is looked at. A value that goes round a loop is right after two; from
/// then on parameters that still grow may have any bits; what takes longer is left as it is.
const ROUNDS: usize = 6;
const PRECISE: usize = 3;

/// Which bits a value may have. Nothing is known of those above its type.
struct Bits {
    possible: SecondaryMap<Value, u64>,
    changed: bool,
}

/// Lets a masked value be the value itself where that is the same. The dominator tree must be
/// there; aliases are gone.
pub fn remove_masks(context: &mut Context) {
    let masks = masks(&context.func);
    if masks.is_empty() {
        return;
    }
    let Some(bits) = Bits::of(context) else {
        return;
    };
    let func = &mut context.func;
    for (inst, value, mask) in masks {
        if bits.possible[value] & !mask == 0 {
            let result = func.dfg.first_result(inst);
            func.layout.remove_inst(inst);
            func.dfg.clear_results(inst);
            func.dfg.change_to_alias(result, value);
        }
    }
}

/// Every `and` of a value with a constant.
fn masks(func: &Function) -> Vec<(Inst, Value, u64)> {
    let mut masks = Vec::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            if let InstructionData::Binary {
                opcode: Opcode::Band,
                args: [a, b],
            } = func.dfg.insts[inst]
            {
                match (constant(func, a), constant(func, b)) {
                    (None, Some(mask)) => masks.push((inst, a, mask)),
                    (Some(mask), None) => masks.push((inst, b, mask)),
                    _ => {}
                }
            }
        }
    }
    masks
}

/// All bits of a type; of what is no integer of at most 64 bits, more than are looked at.
fn all(ty: Type) -> u64 {
    match ty.bits() {
        1..=64 => mask(ty),
        _ => u64::MAX,
    }
}

impl Bits {
    /// `None` if it takes too long to find out.
    fn of(context: &Context) -> Option<Self> {
        let func = &context.func;
        let edges = Edges::new(func);
        let mut bits = Self {
            possible: SecondaryMap::new(),
            changed: false,
        };
        let entry = func.layout.entry_block()?;
        for &param in func.dfg.block_params(entry) {
            bits.possible[param] = u64::MAX;
        }
        for round in 0..ROUNDS {
            bits.changed = false;
            // In reverse postorder, what is used has been looked at before, but for loops.
            for &block in context.domtree.cfg_rpo() {
                if block != entry {
                    bits.parameters(func, &edges, block, round >= PRECISE);
                }
                for inst in func.layout.block_insts(block) {
                    bits.results(func, inst);
                }
            }
            if !bits.changed {
                return Some(bits);
            }
        }
        None
    }

    /// What all edges pass, or everything if that is more than the last time.
    fn parameters(&mut self, func: &Function, edges: &Edges, block: Block, coarse: bool) {
        let params = func.dfg.block_params(block);
        if params.is_empty() {
            return;
        }
        let mut passed = vec![0; params.len()];
        for edge in edges.to(block) {
            let arguments = edge.call(func).args(&func.dfg.value_lists);
            for (passed, argument) in passed.iter_mut().zip(arguments) {
                *passed |= match argument {
                    BlockArg::Value(value) => self.possible[value],
                    _ => u64::MAX,
                };
            }
        }
        for (&param, passed) in params.iter().zip(passed) {
            let grows = passed & !self.possible[param] != 0;
            self.set(param, if grows && coarse { u64::MAX } else { passed });
        }
    }

    /// Bits are only ever added.
    fn set(&mut self, value: Value, bits: u64) {
        let before = self.possible[value];
        self.possible[value] |= bits;
        self.changed |= self.possible[value] != before;
    }

    fn results(&mut self, func: &Function, inst: Inst) {
        for &result in func.dfg.inst_results(inst) {
            let ty = func.dfg.value_type(result);
            let bits = match ty.is_int() && ty.bits() <= 64 {
                true => self.result(func, inst, ty).unwrap_or(all(ty)) & all(ty),
                false => u64::MAX,
            };
            self.set(result, bits);
        }
    }

    /// The bits of the first result, an integer of this type; `None` if that may be anything.
    fn result(&self, func: &Function, inst: Inst, ty: Type) -> Option<u64> {
        let dfg = &func.dfg;
        let args = dfg.inst_args(inst);
        let arg = |n: usize| self.possible[args[n]] & all(dfg.value_type(args[n]));
        let shift = || Some(constant(func, args[1])? as u32 % ty.bits());
        let unsigned = |bits: u64| bits <= all(ty) >> 1;
        Some(match dfg.insts[inst].opcode() {
            Opcode::Iconst => constant(func, dfg.first_result(inst))?,
            Opcode::Uload8 => 0xff,
            Opcode::Uload16 => 0xffff,
            Opcode::Uload32 => 0xffff_ffff,
            Opcode::Icmp | Opcode::Fcmp => 1,
            Opcode::Clz | Opcode::Ctz | Opcode::Popcnt => 0x7f,
            Opcode::Uextend | Opcode::Ireduce => arg(0),
            Opcode::Select => arg(1) | arg(2),
            Opcode::Band => arg(0) & arg(1),
            Opcode::Bor | Opcode::Bxor => arg(0) | arg(1),
            Opcode::Ishl => arg(0) << shift()?,
            Opcode::Ushr => arg(0) >> shift()?,
            Opcode::Sshr => Some(arg(0)).filter(|&bits| unsigned(bits))? >> shift()?,
            Opcode::Iadd => ones(arg(0).checked_add(arg(1)).filter(|&sum| sum <= all(ty))?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::tests::{context, text};

    #[test]
    fn a_byte_that_goes_round_a_loop_needs_no_mask() {
        let mut context = context(
            "function %f(i64, i32) -> i32 {
            block0(v0: i64, v1: i32):
                v2 = uload8.i32 v0
                v3 = iconst.i32 255
                jump block1(v0, v2, v1)
            block1(v4: i64, v5: i32, v6: i32):
                v7 = band v5, v3
                v8 = band v6, v3
                v9 = iadd v7, v8
                v10 = iconst.i64 1
                v11 = iadd v4, v10
                v12 = uload8.i32 v11
                brif v12, block1(v11, v12, v9), block2(v9)
            block2(v13: i32):
                v14 = iconst.i32 1023
                v15 = band v13, v14
                v16 = iconst.i32 254
                v17 = band v15, v16
                v18 = iconst.i32 4094
                v19 = band v15, v18
                v20 = iadd v17, v19
                return v20
            }",
        );
        remove_masks(&mut context);
        let text = text(&context);
        assert!(!text.contains("band v5"), "{text}");
        assert!(text.contains("band v6"), "{text}");
        // The sum of two bytes has nine bits, of which one that the mask takes is possible.
        assert!(!text.contains("v15 = band"), "{text}");
        assert!(text.contains("v17 = band"), "{text}");
        assert!(text.contains("v19 = band"), "{text}");
    }

    #[test]
    fn what_grows_each_time_round_may_be_anything() {
        let mut context = context(
            "function %f(i32) -> i32 {
            block0(v0: i32):
                v1 = iconst.i32 1
                jump block1(v1)
            block1(v2: i32):
                v3 = iadd v2, v1
                v4 = iconst.i32 255
                v5 = band v3, v4
                brif v0, block1(v3), block2(v5)
            block2(v6: i32):
                return v6
            }",
        );
        remove_masks(&mut context);
        assert!(text(&context).contains("band"), "{}", text(&context));
    }
}
