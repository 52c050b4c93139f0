// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How much work a function body will be for the code generator, measured while it is validated,
//! so that a body that would take too much is refused before any of it is translated.
//!
//! Two numbers decide. *Entities* are the instructions, values, blocks and arguments of branches
//! that the translation will make. *Pairs* are locals times blocks: a local may be alive in every
//! block, and both the construction of SSA form and the allocation of registers keep something for
//! each block that it is alive in.

use crate::error::Error;
use crate::limits::{self, MAX_BRANCH_TABLE, MAX_ENTITIES, MAX_NESTING, MAX_PAIRS};
use crate::module::Module;
use wasmparser::{BlockType, CompositeInnerType, FrameKind, FuncType, Operator};

/// Memory that the code generator takes for one entity, about, in bytes: measured.
const ENTITY_BYTES: u64 = 180;
/// And for a pair.
const PAIR_BYTES: u64 = 8;

/// What an operator comes to, in entities, where it makes a handful of instructions.
const PLAIN: u64 = 4;
/// Where it makes a longer sequence: checks, calls of the runtime, allocation.
const LONG: u64 = 24;

/// A block, with the parameters that locals make of it and the choices of registers at its edges.
const BLOCK: u64 = 8;
/// An argument or result of a call, which is moved to where the convention wants it.
const MOVE: u64 = 3;

/// A cast: blocks for null, for other kinds of references, and for supertypes. The code generator
/// takes time with the square of their number: 4 seconds for 8,000.
const CAST: u64 = 400;
const CAST_BLOCKS: u64 = 4;

/// The work that a body is.
#[derive(Clone, Copy, Default, Debug)]
pub struct Effort {
    entities: u64,
    pairs: u64,
    locals: u32,
    blocks: u64,
}

impl Effort {
    /// What the translation makes.
    pub fn entities(self) -> u64 {
        self.entities
    }

    pub fn blocks(self) -> u64 {
        self.blocks
    }

    /// Parameters, results and locals.
    pub fn locals(self) -> u64 {
        self.locals.into()
    }

    /// About how much memory the code generator will take, in bytes.
    pub fn memory(self) -> u64 {
        self.entities * ENTITY_BYTES + self.pairs * PAIR_BYTES
    }
}

/// Measures a body, operator by operator.
pub struct Meter<'m> {
    module: &'m Module<'m>,
    entities: u64,
    all_locals: u32,
    blocks: u64,
    /// Locals that the body touches, and how many.
    touched: Vec<bool>,
    locals: u64,
    /// For each open block, whether it is a loop; and the number of loops.
    open: Vec<bool>,
    loops: u64,
}

impl<'m> Meter<'m> {
    /// For a body with so many parameters and locals, and results.
    pub fn new(module: &'m Module<'m>, locals: u32, results: u32) -> Self {
        Self {
            module,
            entities: locals.into(),
            all_locals: locals.saturating_add(results),
            blocks: 1,
            touched: vec![false; locals as usize],
            locals: 0,
            open: Vec::new(),
            loops: 0,
        }
    }

    /// Adds an operator; `label` gives kind and type of the block that a branch of some depth
    /// leaves.
    ///
    /// # Errors
    /// Where a limit is exceeded.
    pub fn operator(
        &mut self,
        operator: &Operator<'_>,
        label: impl Fn(u32) -> Option<(FrameKind, BlockType)>,
    ) -> Result<(), Error> {
        use Operator as O;
        let module = self.module;
        let values = |depth| label(depth).map_or(0, |(kind, ty)| carried(module, kind, ty));
        self.entities += match *operator {
            O::Nop | O::Drop | O::I32Const { .. } | O::I64Const { .. } => 1,
            O::LocalGet { local_index }
            | O::LocalSet { local_index }
            | O::LocalTee { local_index } => {
                if !std::mem::replace(&mut self.touched[local_index as usize], true) {
                    self.locals += 1;
                }
                // In each loop around it the local may become a parameter.
                1 + self.loops
            }
            O::Block { blockty } => self.open(false, 1, blockty)?,
            O::Loop { blockty } => self.open(true, 2, blockty)?,
            O::If { blockty } => self.open(false, 3, blockty)?,
            O::TryTable { ref try_table } => {
                let catches = try_table.catches.len() as u64;
                self.open(false, 1 + 2 * catches, try_table.ty)? + catches * LONG
            }
            O::End => {
                self.loops -= u64::from(self.open.pop() == Some(true));
                1
            }
            O::Br { relative_depth } => 1 + values(relative_depth),
            O::BrIf { relative_depth }
            | O::BrOnNull { relative_depth }
            | O::BrOnNonNull { relative_depth } => {
                self.blocks += 1;
                BLOCK + values(relative_depth)
            }
            O::BrOnCast { relative_depth, .. } | O::BrOnCastFail { relative_depth, .. } => {
                self.blocks += CAST_BLOCKS + 1;
                CAST + values(relative_depth)
            }
            O::RefTestNonNull { .. }
            | O::RefTestNullable { .. }
            | O::RefCastNonNull { .. }
            | O::RefCastNullable { .. } => {
                self.blocks += CAST_BLOCKS;
                CAST
            }
            O::BrTable { ref targets } => {
                let count = targets.len();
                let what = "targets of a br_table";
                limits::check(what, count.into(), MAX_BRANCH_TABLE.into())?;
                let mut sum = PLAIN + values(targets.default());
                for target in targets.targets() {
                    sum += 1 + values(target?);
                }
                sum
            }
            O::Call { function_index } | O::ReturnCall { function_index } => {
                let ty = self.module.functions[function_index as usize].ty;
                PLAIN + MOVE * arity(self.module.function_type(ty))
            }
            O::CallIndirect { type_index, .. }
            | O::ReturnCallIndirect { type_index, .. }
            | O::CallRef { type_index }
            | O::ReturnCallRef { type_index } => {
                LONG + MOVE * arity(self.module.function_type(type_index))
            }
            O::Throw { tag_index } => {
                let ty = self.module.tags[tag_index as usize].ty;
                LONG + PLAIN * arity(self.module.function_type(ty))
            }
            O::StructNew { struct_type_index } => LONG + PLAIN * self.fields(struct_type_index),
            O::StructNewDefault { struct_type_index } => {
                LONG + PLAIN * self.fields(struct_type_index)
            }
            O::ArrayNewFixed { array_size, .. } => LONG + PLAIN * u64::from(array_size),
            O::MemoryGrow { .. }
            | O::MemoryCopy { .. }
            | O::MemoryFill { .. }
            | O::MemoryInit { .. }
            | O::TableGet { .. }
            | O::TableSet { .. }
            | O::TableGrow { .. }
            | O::TableCopy { .. }
            | O::TableFill { .. }
            | O::TableInit { .. }
            | O::StructGet { .. }
            | O::StructSet { .. }
            | O::ArrayNew { .. }
            | O::ArrayNewDefault { .. }
            | O::ArrayNewData { .. }
            | O::ArrayNewElem { .. }
            | O::ArrayGet { .. }
            | O::ArrayGetS { .. }
            | O::ArrayGetU { .. }
            | O::ArraySet { .. }
            | O::ArrayFill { .. }
            | O::ArrayCopy { .. }
            | O::ArrayInitData { .. }
            | O::ArrayInitElem { .. } => LONG,
            _ => PLAIN,
        };
        Ok(())
    }

    /// The entities of a block that opens.
    fn open(&mut self, is_loop: bool, blocks: u64, ty: BlockType) -> Result<u64, Error> {
        self.open.push(is_loop);
        let depth = self.open.len();
        limits::check("blocks inside each other", depth as u64, MAX_NESTING as u64)?;
        self.loops += u64::from(is_loop);
        self.blocks += blocks;
        let values = match ty {
            BlockType::Empty => 0,
            BlockType::Type(_) => 1,
            BlockType::FuncType(index) => 2 * arity(self.module.function_type(index)),
        };
        Ok(BLOCK * blocks + values)
    }

    fn fields(&self, ty: u32) -> u64 {
        match &self.module.types[ty as usize].composite_type.inner {
            CompositeInnerType::Struct(ty) => ty.fields.len() as u64,
            _ => 0,
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// Where it is too much.
    pub fn finish(self) -> Result<Effort, Error> {
        let effort = Effort {
            entities: self.entities,
            pairs: self.blocks * self.locals,
            locals: self.all_locals,
            blocks: self.blocks,
        };
        let what = "instructions, values and blocks in one function, as the code generator counts";
        limits::check(what, effort.entities, MAX_ENTITIES)?;
        limits::check(
            "locals times blocks in one function",
            effort.pairs,
            MAX_PAIRS,
        )?;
        Ok(effort)
    }
}

fn arity(ty: &FuncType) -> u64 {
    (ty.params().len() + ty.results().len()) as u64
}

/// Values that a branch to a block carries.
fn carried(module: &Module<'_>, kind: FrameKind, ty: BlockType) -> u64 {
    match (ty, kind) {
        (BlockType::Empty, _) | (BlockType::Type(_), FrameKind::Loop) => 0,
        (BlockType::Type(_), _) => 1,
        (BlockType::FuncType(index), FrameKind::Loop) => {
            module.function_type(index).params().len() as u64
        }
        (BlockType::FuncType(index), _) => module.function_type(index).results().len() as u64,
    }
}
