// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Bodies in the place of calls.
//!
//! The callee's operators are translated once more, as a block of the caller: its parameters and
//! locals are variables of the caller, its `return` a branch to the block's end. Instructions keep
//! the place in the module that they come from, so traps are those of the callee, and reports
//! find its name by that place.
//!
//! [`crate::inline`] has decided which functions are worth it. Nothing is inlined inside a
//! `try_table`, where calls have edges to its clauses.

use super::{Translator, clif_type};
use crate::error::Error;
use crate::inline::{Inlining, MAX_DEPTH, budget};
use crate::limits::{MAX_ENTITIES, MAX_PAIRS};
use cranelift_codegen::ir::{SourceLoc, Type, Value};
use cranelift_frontend::Variable;
use std::collections::HashMap;
use wasmparser::ValType;

/// What a parameter or local is.
#[derive(Clone, Copy)]
pub enum Local {
    Variable(Variable),
    /// A parameter of an inlined function that never changes.
    Value(Value),
}

/// Where the instructions of inlined bodies come from. The code generator carries an index into
/// this list, marked, in the place of an offset.
#[derive(Default, Debug)]
pub struct Places {
    /// Byte offset of the operator in the module, and the inlined call.
    operators: Vec<(u32, u32)>,
    /// Inlined calls: byte offset, and the one around it, which is before it.
    pub calls: Vec<(u32, Option<u32>)>,
}

/// The mark of an index. (The offsets of a module are far smaller.)
const INLINED: u32 = 1 << 31;

impl Places {
    /// The offset in the module, and the inlined call, that a place of the code generator is.
    pub fn find(&self, place: SourceLoc) -> (u32, Option<u32>) {
        let bits = place.bits();
        if bits & INLINED == 0 || place.is_default() {
            return (bits, None);
        }
        let (offset, call) = self.operators[(bits & !INLINED) as usize];
        (offset, Some(call))
    }
}

/// What has been inlined into a function.
#[derive(Default)]
pub struct State {
    /// The function, and those whose bodies are open in it.
    open: Vec<u32>,
    /// What may still be added, in entities: by functions with several calls, and in all.
    budget: u64,
    entities: u64,
    /// Locals and blocks of all that has been inlined, and what their product may become.
    locals: u64,
    blocks: u64,
    pub places: Places,
    /// The inlined call whose body is open, and the offset of the present operator.
    call: Option<u32>,
    offset: u32,
    /// Variables of inlined bodies: of those that are open, and of those that have ended, by type
    /// and whether the collector sees them.
    taken: Vec<((Type, bool), Variable)>,
    spare: HashMap<(Type, bool), Vec<Variable>>,
}

impl State {
    /// For a function with a body.
    pub fn new(module: &crate::module::Module<'_>, function: u32) -> Self {
        let effort = module.effort(function);
        Self {
            open: vec![function],
            budget: budget(effort),
            entities: MAX_ENTITIES - effort.entities(),
            locals: effort.locals(),
            blocks: effort.blocks(),
            ..Self::default()
        }
    }
}

impl Translator<'_, '_> {
    /// Whether the body of a function takes the place of a call of it here; if so, what that
    /// costs has been taken off the budget.
    pub fn takes_inline(&mut self, function: u32) -> bool {
        let (module, plan) = (self.env.module, self.env.plan);
        let class = plan.inlining_of(module, function);
        let state = &mut self.inlining;
        if class == Inlining::Never || state.open.is_empty() || self.control.is_in_try() {
            return false;
        }
        let fits = match class {
            Inlining::Never => false,
            Inlining::Once | Inlining::Everywhere => true,
            Inlining::InLoops => self.control.is_in_loop(),
            Inlining::InItself => state.open == [function],
        };
        let recursive = class != Inlining::InItself && state.open.contains(&function);
        if !fits || recursive || state.open.len() > MAX_DEPTH {
            return false;
        }
        let effort = module.effort(function);
        let size = effort.entities();
        // The only call of a function is in the function at hand, unless a body that is there
        // several times has brought it along.
        let once = |function: &u32| plan.inlining_of(module, *function) == Inlining::Once;
        let free = class == Inlining::Once && state.open[1..].iter().all(once);
        let counted = if free { 0 } else { size };
        let locals = state.locals + effort.locals();
        let blocks = state.blocks + effort.blocks() + 1;
        if counted > state.budget || size > state.entities || locals * blocks > MAX_PAIRS {
            return false;
        }
        state.budget -= counted;
        state.entities -= size;
        (state.locals, state.blocks) = (locals, blocks);
        true
    }

    /// Translates the body of a function in the place of a call of it.
    pub fn inline(&mut self, function: u32) -> Result<(), Error> {
        let (module, plan) = (self.env.module, self.env.plan);
        let defined = function as usize - module.imported_functions();
        let (body, shape) = (&module.bodies[defined], &module.shapes[defined]);
        let ty = plan.types[plan.function_type(module, function) as usize].function();
        let arguments = self.pop_n(ty.params().len());
        let place = self.builder.srcloc();
        let mark = self.inlining.taken.len();
        let (call, offset) = (self.inlining.call, self.inlining.offset);
        self.inlining.places.calls.push((offset, call));
        self.inlining.call = Some(self.inlining.places.calls.len() as u32 - 1);
        self.inlining.open.push(function);
        let mut locals = Vec::with_capacity(arguments.len());
        for (index, (&ty, value)) in ty.params().iter().zip(arguments).enumerate() {
            locals.push(match shape.is_constant(index) {
                true => Local::Value(value),
                false => self.defined(ty, value),
            });
        }
        let outer_locals = std::mem::replace(&mut self.locals, locals);
        let inside = self.control.inside();
        let outer_control = std::mem::replace(&mut self.control, inside);
        let done = self.rest_of_body(ty, body);
        done.map_err(|error| module.in_function(error, function))?;
        self.inlining.open.pop();
        let inner = std::mem::replace(&mut self.control, outer_control);
        self.locals = outer_locals;
        for (key, variable) in self.inlining.taken.drain(mark..) {
            self.inlining.spare.entry(key).or_default().push(variable);
        }
        self.control.resume(inner);
        (self.inlining.call, self.inlining.offset) = (call, offset);
        self.builder.set_srcloc(place);
        Ok(())
    }

    /// What is translated now comes from this byte offset in the module.
    pub fn set_place(&mut self, offset: u64) {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let state = &mut self.inlining;
        state.offset = offset;
        let place = match state.call {
            None => offset,
            Some(call) => {
                let operators = &mut state.places.operators;
                operators.push((offset, call));
                INLINED | (operators.len() as u32 - 1)
            }
        };
        self.builder.set_srcloc(SourceLoc::new(place));
    }

    /// A variable for a parameter or local of this type, with its first value.
    pub fn defined(&mut self, ty: ValType, value: Value) -> Local {
        let key = (clif_type(ty), self.env.plan.is_heap_reference(ty));
        let spare = self.inlining.spare.get_mut(&key).and_then(Vec::pop);
        let variable = spare.unwrap_or_else(|| {
            let variable = self.builder.declare_var(key.0);
            if key.1 {
                self.builder.declare_var_needs_stack_map(variable);
            }
            variable
        });
        if self.inlining.open.len() > 1 {
            self.inlining.taken.push((key, variable));
        }
        self.builder.def_var(variable, value);
        Local::Variable(variable)
    }

    pub fn local_get(&mut self, local: u32) {
        let value = match self.locals[local as usize] {
            Local::Variable(variable) => self.builder.use_var(variable),
            Local::Value(value) => value,
        };
        self.push(value);
    }

    pub fn local_set(&mut self, local: u32, value: Value) {
        match self.locals[local as usize] {
            Local::Variable(variable) => self.builder.def_var(variable, value),
            Local::Value(_) => unreachable!("only what is never written is a value"),
        }
    }
}
