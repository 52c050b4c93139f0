// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Block parameters that stand for one value, whichever way the block is reached.
//!
//! The SSA builder leaves many behind: a local that a nest of loops only carries through becomes a
//! parameter of each header. Cranelift's own pass removes those that get the result of one
//! instruction, but not those that get the parameter of another block, which is what a nest has.
//! Each one costs a register, and hides from the analysis of loops that its value is invariant.

use super::edges::{Edge, Edges};
use cranelift_codegen::Context;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, BlockArg, Function, Value};
use cranelift_codegen::packed_option::PackedOption;

/// How often all parameters are looked at. Innermost loops come first, so a nest takes one round;
/// what takes longer is left as it is.
const ROUNDS: usize = 3;

/// What stands for each value that has been found redundant.
#[derive(Default)]
struct Same(SecondaryMap<Value, PackedOption<Value>>);

impl Same {
    /// What stands for a value in the end.
    fn find(&mut self, func: &Function, value: Value) -> Value {
        let mut value = func.dfg.resolve_aliases(value);
        while let Some(next) = self.0[value].expand() {
            // Shortens the path for whoever comes next.
            if let Some(after) = self.0[next].expand() {
                self.0[value] = after.into();
            }
            value = next;
        }
        value
    }
}

/// Removes parameters that are always one other value. The dominator tree must be there, and stays
/// right; unreachable blocks are gone.
pub fn remove_redundant(context: &mut Context) {
    let edges = Edges::new(&context.func);
    let mut same = Same::default();
    let mut any = false;
    for _ in 0..ROUNDS {
        let mut changed = false;
        for &block in context.domtree.cfg_postorder() {
            changed |= look_at(&context.func, edges.to(block), block, &mut same);
        }
        any |= changed;
        if !changed {
            break;
        }
    }
    if any {
        rewrite(&mut context.func, &edges, &mut same);
    }
}

/// Looks for redundant parameters of a block that these edges reach.
fn look_at(func: &Function, edges: &[Edge], block: Block, same: &mut Same) -> bool {
    let params = func.dfg.block_params(block);
    // The one value so far, and whether there were more.
    let mut found: Vec<(Option<Value>, bool)> = vec![(None, false); params.len()];
    for edge in edges {
        let arguments = edge.call(func).args(&func.dfg.value_lists);
        for ((&param, argument), (only, many)) in params.iter().zip(arguments).zip(&mut found) {
            let BlockArg::Value(value) = argument else {
                *many = true;
                continue;
            };
            if !*many {
                let value = same.find(func, value);
                *many = value != param && *only.get_or_insert(value) != value;
            }
        }
    }
    let mut changed = false;
    for (&param, found) in params.iter().zip(found) {
        if let (Some(value), false) = found
            && same.0[param].is_none()
        {
            same.0[param] = value.into();
            changed = true;
        }
    }
    changed
}

fn rewrite(func: &mut Function, edges: &Edges, same: &mut Same) {
    for group in edges.by_target() {
        let block = group[0].to;
        let params = func.dfg.block_params(block).to_vec();
        let kept: Vec<bool> = params.iter().map(|&p| same.0[p].is_none()).collect();
        if kept.iter().all(|&kept| kept) {
            continue;
        }
        for edge in group {
            let arguments = edge.call(func).args(&func.dfg.value_lists).zip(&kept);
            let arguments: Vec<BlockArg> = arguments
                .filter_map(|(argument, &kept)| kept.then_some(argument))
                .collect();
            let mut pool = std::mem::take(&mut func.dfg.value_lists);
            let call = edge.call_mut(func);
            call.clear(&mut pool);
            call.extend(arguments, &mut pool);
            func.dfg.value_lists = pool;
        }
        func.dfg.detach_block_params(block);
        for (&param, kept) in params.iter().zip(kept) {
            if kept {
                func.dfg.attach_block_param(block, param);
            } else {
                let value = same.find(func, param);
                func.dfg.change_to_alias(param, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimize::tests::context;

    #[test]
    fn what_a_nest_only_carries_through_is_no_parameter() {
        let mut context = context(
            "function %f(i32, i32) -> i32 {
            block0(v0: i32, v1: i32):
                jump block1(v0, v0)
            block1(v2: i32, v3: i32):
                jump block2(v2, v3)
            block2(v4: i32, v5: i32):
                brif v5, block2(v4, v5), block3(v4, v5)
            block3(v6: i32, v7: i32):
                v8 = isub v6, v1
                brif v8, block1(v8, v7), block4(v6)
            block4(v9: i32):
                return v9
            }",
        );
        remove_redundant(&mut context);
        let text = context.func.display().to_string();
        assert!(text.contains("jump block1(v0)"), "{text}");
        assert!(text.contains("block1(v2: i32):"), "{text}");
        assert!(text.contains("block2:"), "{text}");
        assert!(text.contains("block3:"), "{text}");
        assert!(text.contains("block4:"), "{text}");
        context
            .verify(&cranelift_codegen::settings::Flags::new(
                cranelift_codegen::settings::builder(),
            ))
            .expect("valid");
    }
}
