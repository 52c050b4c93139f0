// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The edges of a function that pass arguments, by the block that they lead to.

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, BlockCall, Function, Inst};
use std::ops::Range;

/// An edge that passes arguments.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    pub to: Block,
    pub branch: Inst,
    /// Among the destinations of the branch.
    position: usize,
}

impl Edge {
    pub fn call<'f>(&self, func: &'f Function) -> &'f BlockCall {
        let destinations = func.dfg.insts[self.branch]
            .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables);
        &destinations[self.position]
    }

    pub fn call_mut<'f>(&self, func: &'f mut Function) -> &'f mut BlockCall {
        let dfg = &mut func.dfg;
        let destinations = dfg.insts[self.branch]
            .branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
        &mut destinations[self.position]
    }
}

/// All of them.
pub struct Edges {
    sorted: Vec<Edge>,
    spans: SecondaryMap<Block, Range<usize>>,
}

impl Edges {
    pub fn new(func: &Function) -> Self {
        let mut sorted = Vec::new();
        for block in func.layout.blocks() {
            let Some(branch) = func.layout.last_inst(block) else {
                continue;
            };
            let destinations = func.dfg.insts[branch]
                .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables);
            for (position, call) in destinations.iter().enumerate() {
                if call.len(&func.dfg.value_lists) > 0 {
                    let to = call.block(&func.dfg.value_lists);
                    sorted.push(Edge {
                        to,
                        branch,
                        position,
                    });
                }
            }
        }
        sorted.sort_by_key(|edge| edge.to);
        let mut spans = SecondaryMap::with_default(0..0);
        let mut start = 0;
        for group in sorted.chunk_by(|a, b| a.to == b.to) {
            spans[group[0].to] = start..start + group.len();
            start += group.len();
        }
        Self { sorted, spans }
    }

    /// Those that lead to a block.
    pub fn to(&self, block: Block) -> &[Edge] {
        &self.sorted[self.spans[block].clone()]
    }

    /// All, those to the same block together.
    pub fn by_target(&self) -> impl Iterator<Item = &[Edge]> {
        self.sorted.chunk_by(|a, b| a.to == b.to)
    }
}
