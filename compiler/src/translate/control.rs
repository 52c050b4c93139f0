// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Structured control flow: the stack of frames, the stack of operands, unreachable code.

use super::Translator;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, JumpTableData, Value};
use std::collections::BTreeSet;
use std::rc::Rc;
use wasmparser::{BlockType, BrTable, FuncType, ValType};

use super::clif_type;
use super::exception::{Clause, Reachable};
use crate::error::Error;

/// What a frame is.
enum Kind {
    Block,
    Loop {
        header: Block,
    },
    /// With its catch clauses.
    Try {
        clauses: Vec<Clause>,
        /// See [`Translator::reachable_clauses`].
        reachable: Option<Rc<[Reachable]>>,
    },
    /// With the block of its `else` branch, and that branch's parameters, until `else` is seen.
    If {
        otherwise: Option<(Block, Vec<Value>)>,
    },
}

/// A block, loop or if that has not ended.
struct Frame {
    kind: Kind,
    /// Where its end is; its parameters are the results.
    end: Block,
    params: usize,
    results: usize,
    /// Operands below its parameters.
    height: usize,
    /// Whether anything branches to `end`.
    end_reached: bool,
}

/// Frames and operands.
#[derive(Default)]
pub struct Control {
    frames: Vec<Frame>,
    /// Positions in `frames` of those that catch exceptions.
    tries: Vec<usize>,
    /// Pairs of a call or `throw` and a clause around it so far.
    pub exceptional_edges: usize,
    stack: Vec<Value>,
    /// In unreachable code: the number of frames opened in it. `None` where reachable.
    unreachable: Option<usize>,
    /// Loops around this place, those around an inlined body included.
    loops: usize,
    /// Whether this is a body in the place of a call: its results are operands of the caller.
    inlined: bool,
}

impl Control {
    /// For a body in the place of a call here.
    pub fn inside(&self) -> Self {
        Self {
            exceptional_edges: self.exceptional_edges,
            loops: self.loops,
            inlined: true,
            ..Self::default()
        }
    }

    /// Goes on after that body has ended.
    pub fn resume(&mut self, inner: Self) {
        self.exceptional_edges = inner.exceptional_edges;
        if inner.unreachable.is_some() {
            self.unreachable = Some(0);
        } else {
            self.stack.extend(inner.stack);
        }
    }

    /// Whether this is inside a frame that catches exceptions.
    pub fn is_in_try(&self) -> bool {
        !self.tries.is_empty()
    }

    pub fn is_in_loop(&self) -> bool {
        self.loops > 0
    }
}

impl Translator<'_, '_> {
    pub fn push(&mut self, value: Value) {
        self.control.stack.push(value);
    }

    pub fn pop(&mut self) -> Value {
        self.control.stack.pop().expect("the body is valid")
    }

    /// The top operand, which stays there.
    pub fn top_value(&self) -> Value {
        *self.control.stack.last().expect("the body is valid")
    }

    /// The top operands, the lowest first, taken off.
    pub fn pop_n(&mut self, count: usize) -> Vec<Value> {
        let at = self.control.stack.len() - count;
        self.control.stack.split_off(at)
    }

    fn top(&self, count: usize) -> Vec<BlockArg> {
        let stack = &self.control.stack;
        stack[stack.len() - count..]
            .iter()
            .map(|&value| value.into())
            .collect()
    }

    pub fn is_reachable(&self) -> bool {
        self.control.unreachable.is_none()
    }

    /// What follows, up to the end of the frame, is never executed.
    pub fn set_unreachable(&mut self) {
        self.control.unreachable = Some(0);
    }

    /// Keeps count of frames in unreachable code.
    pub fn open_unreachable(&mut self) {
        if let Some(depth) = &mut self.control.unreachable {
            *depth += 1;
        }
    }

    fn block_with(&mut self, types: &[ValType]) -> Block {
        let block = self.builder.create_block();
        for &ty in types {
            let param = self.builder.append_block_param(block, clif_type(ty));
            self.reference(param, ty);
        }
        block
    }

    /// Parameters and results of a block type.
    fn block_types(&self, ty: BlockType) -> (Vec<ValType>, Vec<ValType>) {
        match ty {
            BlockType::Empty => (vec![], vec![]),
            BlockType::Type(ty) => (vec![], vec![ty]),
            BlockType::FuncType(index) => {
                let ty = self.env.module.function_type(index);
                (ty.params().to_vec(), ty.results().to_vec())
            }
        }
    }

    pub fn push_function_frame(&mut self, ty: &FuncType) {
        let end = self.block_with(ty.results());
        self.control.frames.push(Frame {
            kind: Kind::Block,
            end,
            params: 0,
            results: ty.results().len(),
            height: 0,
            end_reached: false,
        });
    }

    fn push_frame(&mut self, kind: Kind, end: Block, params: usize, results: usize) {
        let height = self.control.stack.len() - params;
        let frame = Frame {
            kind,
            end,
            params,
            results,
            height,
            end_reached: false,
        };
        self.control.frames.push(frame);
    }

    pub fn block(&mut self, ty: BlockType) {
        let (params, results) = self.block_types(ty);
        let end = self.block_with(&results);
        self.push_frame(Kind::Block, end, params.len(), results.len());
    }

    /// Opens a block with catch clauses.
    pub fn open_try(&mut self, ty: BlockType, clauses: Vec<Clause>) {
        let (params, results) = self.block_types(ty);
        let end = self.block_with(&results);
        self.control.tries.push(self.control.frames.len());
        let kind = Kind::Try {
            clauses,
            reachable: None,
        };
        self.push_frame(kind, end, params.len(), results.len());
    }

    /// Whether this is inside a frame that catches exceptions.
    pub fn is_in_try(&self) -> bool {
        self.control.is_in_try()
    }

    /// The clauses that an exception can reach from here, the innermost first: of several for one
    /// tag the first, and none behind one for every tag. Worked out once for each frame that
    /// catches, from the next one around it that is known.
    pub fn reachable_clauses(&mut self) -> Rc<[Reachable]> {
        let (mut list, mut seen) = (Vec::new(), BTreeSet::new());
        let mut add = |clause: Reachable| {
            if seen.insert(clause.tag) {
                list.push(clause);
            }
            clause.tag.is_none()
        };
        for &frame in self.control.tries.iter().rev() {
            let Kind::Try { clauses, reachable } = &self.control.frames[frame].kind else {
                continue;
            };
            if let Some(known) = reachable {
                known.iter().any(|&clause| add(clause));
                break;
            }
            let tags = clauses.iter().map(|clause| clause.tag).enumerate();
            let mut own = tags.map(|(clause, tag)| Reachable { frame, clause, tag });
            if own.any(&mut add) {
                break;
            }
        }
        let list: Rc<[Reachable]> = list.into();
        if let Some(&innermost) = self.control.tries.last()
            && let Kind::Try { reachable, .. } = &mut self.control.frames[innermost].kind
        {
            *reachable = Some(list.clone());
        }
        list
    }

    /// Where the exceptions of a clause arrive, once something leads there.
    pub fn landing_of(&mut self, clause: Reachable) -> Option<&mut Option<Block>> {
        match &mut self.control.frames[clause.frame].kind {
            Kind::Try { clauses, .. } => Some(&mut clauses[clause.clause].landing),
            _ => None,
        }
    }

    pub fn loop_(&mut self, ty: BlockType) {
        let (params, results) = self.block_types(ty);
        let header = self.block_with(&params);
        let end = self.block_with(&results);
        let arguments = self.top(params.len());
        self.control.loops += 1;
        self.builder.ins().jump(header, &arguments);
        self.push_frame(Kind::Loop { header }, end, params.len(), results.len());
        self.builder.switch_to_block(header);
        let height = self.control.stack.len() - params.len();
        self.control.stack.truncate(height);
        self.control
            .stack
            .extend_from_slice(self.builder.block_params(header));
    }

    pub fn if_(&mut self, ty: BlockType) {
        let condition = self.pop();
        let (params, results) = self.block_types(ty);
        let end = self.block_with(&results);
        let then = self.builder.create_block();
        let otherwise = self.builder.create_block();
        self.builder
            .ins()
            .brif(condition, then, &[], otherwise, &[]);
        self.builder.seal_block(then);
        self.builder.seal_block(otherwise);
        self.builder.switch_to_block(then);
        let at = self.control.stack.len() - params.len();
        let arguments = self.control.stack[at..].to_vec();
        let kind = Kind::If {
            otherwise: Some((otherwise, arguments)),
        };
        self.push_frame(kind, end, params.len(), results.len());
    }

    pub fn else_(&mut self) {
        match self.control.unreachable {
            None => self.fall_through(),
            Some(0) => {}
            Some(_) => return,
        }
        let frame = self.control.frames.last_mut().expect("else has an if");
        let Kind::If { otherwise } = &mut frame.kind else {
            unreachable!("the body is valid")
        };
        let (block, arguments) = otherwise.take().expect("an if has one else");
        self.control.stack.truncate(frame.height);
        self.control.stack.extend(arguments);
        self.control.unreachable = None;
        self.builder.switch_to_block(block);
    }

    pub fn end(&mut self) {
        if self.ends_in_line() {
            self.control.frames.pop();
            return;
        }
        match &mut self.control.unreachable {
            None => self.fall_through(),
            Some(0) => {}
            Some(depth) => {
                *depth -= 1;
                return;
            }
        }
        let frame = self.control.frames.last_mut().expect("end has a frame");
        // An if without else: its parameters are its results.
        if let Kind::If { otherwise } = &mut frame.kind
            && let Some((block, arguments)) = otherwise.take()
        {
            frame.end_reached = true;
            let end = frame.end;
            let arguments: Vec<BlockArg> = arguments.into_iter().map(BlockArg::from).collect();
            self.builder.switch_to_block(block);
            self.builder.ins().jump(end, &arguments);
        }
        let frame = self.control.frames.pop().expect("end has a frame");
        self.control.stack.truncate(frame.height);
        match frame.kind {
            Kind::Loop { header } => {
                self.control.loops -= 1;
                self.builder.seal_block(header);
            }
            Kind::Try { clauses, .. } => {
                self.control.tries.pop();
                self.land(&clauses);
            }
            _ => {}
        }
        if !frame.end_reached {
            self.control.unreachable = Some(0);
            return;
        }
        self.control.unreachable = None;
        self.builder.switch_to_block(frame.end);
        self.builder.seal_block(frame.end);
        self.control
            .stack
            .extend_from_slice(self.builder.block_params(frame.end));
        if self.control.frames.is_empty() && !self.control.inlined {
            let results = self.pop_n(frame.results);
            self.builder.ins().return_(&results);
        }
    }

    /// Whether this is the end of an inlined body that is reached from above alone: then its
    /// results stay where they are.
    fn ends_in_line(&self) -> bool {
        let frames = &self.control.frames;
        self.control.inlined && self.is_reachable() && frames.len() == 1 && !frames[0].end_reached
    }

    /// Where a branch of this depth goes, and with how many operands.
    pub fn target(&mut self, depth: u32) -> (Block, usize) {
        let index = self.control.frames.len() - 1 - depth as usize;
        let frame = &mut self.control.frames[index];
        match frame.kind {
            Kind::Loop { header } => (header, frame.params),
            _ => {
                frame.end_reached = true;
                (frame.end, frame.results)
            }
        }
    }

    /// Falls through to the end of the innermost frame (of a loop: out of it).
    fn fall_through(&mut self) {
        let frame = self.control.frames.last_mut().expect("there is a frame");
        frame.end_reached = true;
        let (end, results) = (frame.end, frame.results);
        let arguments = self.top(results);
        self.builder.ins().jump(end, &arguments);
    }

    pub fn br(&mut self, depth: u32) {
        let (block, count) = self.target(depth);
        let arguments = self.top(count);
        self.builder.ins().jump(block, &arguments);
        self.set_unreachable();
    }

    pub fn br_if(&mut self, depth: u32) {
        let condition = self.pop();
        self.branch_if(condition, depth);
    }

    /// Branches with the operands that are on the stack where the condition is not zero.
    pub fn branch_if(&mut self, condition: Value, depth: u32) {
        let (block, count) = self.target(depth);
        let arguments = self.top(count);
        let next = self.builder.create_block();
        self.builder
            .ins()
            .brif(condition, block, &arguments, next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    pub fn br_table(&mut self, table: &BrTable<'_>) -> Result<(), Error> {
        let index = self.pop();
        let call = |translator: &mut Self, depth: u32| {
            let (block, count) = translator.target(depth);
            let arguments = translator.top(count);
            translator.builder.func.dfg.block_call(block, &arguments)
        };
        let default = call(self, table.default());
        let mut targets = Vec::new();
        for depth in table.targets() {
            targets.push(call(self, depth?));
        }
        let table = self
            .builder
            .create_jump_table(JumpTableData::new(default, &targets));
        self.builder.ins().br_table(index, table);
        self.set_unreachable();
        Ok(())
    }

    pub fn return_(&mut self) {
        if self.control.inlined {
            return self.br(self.control.frames.len() as u32 - 1);
        }
        let count = self.control.frames[0].results;
        let results = self.pop_n(count);
        self.builder.ins().return_(&results);
        self.set_unreachable();
    }
}
