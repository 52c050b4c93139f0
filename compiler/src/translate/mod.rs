// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! WebAssembly to Cranelift IR: one function at a time, nothing shared between functions but the
//! module's facts and the plan.
//!
//! - [`env`](self::env): how code names and reaches what is outside the function;
//! - [`control`](self::control): blocks, branches, the operand stack, unreachable code;
//! - [`bulk`](self::bulk): small `memory.copy` and `memory.fill`;
//! - [`memory`](self::memory), [`table`](self::table): linear memory and tables;
//! - [`simd`](self::simd), [`wide`](self::wide): vectors, 128-bit arithmetic;
//! - [`heap`](self::heap), [`array`](self::array), [`casts`](self::casts): objects, run-time
//!   types;
//! - [`atomic`](self::atomic): atomic accesses, wait and notify;
//! - [`operators`](self::operators): everything else, operator by operator;
//! - [`call`](self::call): calls of every kind, tail calls;
//! - [`dispatch`](self::dispatch): calls through tables that never change;
//! - [`inline`](self::inline): bodies in the place of calls;
//! - [`exception`](self::exception): throwing and catching;
//! - [`support`](self::support): code without a Wasm body: instantiation and trampolines;
//! - [`adapter`](self::adapter): code between the module's convention and that of C.

mod adapter;
mod array;
mod atomic;
mod bulk;
mod call;
mod casts;
mod control;
mod dispatch;
mod env;
mod exception;
mod heap;
mod inline;
mod memory;
mod operators;
mod simd;
mod support;
mod table;
mod wide;

pub use adapter::adapter;
pub use env::{Leads, Signatures, from_trap_code as trap, symbol_address};
pub use inline::Places;
pub use memory::{Displacement, MEMORIES, displacement, extended_bytes};
pub use support::{STUBS, instantiate, trampoline, trap_stub};

use crate::error::Error;
use crate::module::Module;
use crate::plan::{Plan, Symbol};
use control::Control;
use cranelift_codegen::ir::{Function, InstBuilder, Signature, Type, UserFuncName, types};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use env::Env;
use inline::Local;
use wasmparser::{FuncType, FunctionBody, ValType};

/// The signature of a Wasm function type in the module's own convention.
pub fn own_signature(isa: &dyn TargetIsa, plan: &Plan<'_>, ty: &FuncType) -> Signature {
    env::signature(isa, ty, env::own_convention(plan))
}

/// The Cranelift type of a Wasm value. References are addresses.
pub(crate) fn clif_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 | ValType::Ref(_) => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => types::I8X16,
    }
}

/// A function in Cranelift's IR.
pub struct Translated {
    pub function: Function,
    /// Where what has been inlined comes from.
    pub places: Places,
    /// Where calls through references and tables lead.
    pub signatures: Signatures,
}

impl Translated {
    /// Of code without a place in the module.
    fn new(function: Function, env: Env<'_>) -> Self {
        Self {
            function,
            places: Places::default(),
            signatures: env.into_signatures(),
        }
    }
}

/// The state of translating one function.
struct Translator<'a, 'f> {
    env: Env<'a>,
    builder: FunctionBuilder<'f>,
    control: Control,
    locals: Vec<Local>,
    inlining: inline::State,
}

/// Translates the body of the function with this index.
///
/// # Errors
/// For an operator that this compiler does not know; the body itself has been validated.
pub fn function(
    module: &Module<'_>,
    plan: &Plan<'_>,
    isa: &dyn TargetIsa,
    context: &mut FunctionBuilderContext,
    index: u32,
    body: &FunctionBody<'_>,
) -> Result<Translated, Error> {
    let ty = plan.types[plan.function_type(module, index) as usize].function();
    let signature = own_signature(isa, plan, ty);
    let name = UserFuncName::User(Symbol::Function(index).to_user());
    let mut function = Function::with_name_signature(name, signature);
    let mut translator = Translator {
        env: Env::new(module, plan, isa),
        builder: FunctionBuilder::new(&mut function, context),
        control: Control::default(),
        locals: Vec::new(),
        inlining: inline::State::new(module, index),
    };
    translator.body(ty, body)?;
    let Translator {
        env,
        builder,
        inlining,
        ..
    } = translator;
    builder.finalize(isa.frontend_config());
    Ok(Translated {
        places: inlining.places,
        ..Translated::new(function, env)
    })
}

impl Translator<'_, '_> {
    fn body(&mut self, ty: &wasmparser::FuncType, body: &FunctionBody<'_>) -> Result<(), Error> {
        let entry = self.builder.create_block();
        self.builder.append_block_params_for_function_params(entry);
        self.builder.switch_to_block(entry);
        self.builder.seal_block(entry);
        self.set_place(body.range().start);
        for (position, &param) in ty.params().iter().enumerate() {
            let value = self.builder.block_params(entry)[position];
            let local = self.defined(param, value);
            self.locals.push(local);
        }
        self.rest_of_body(ty, body)
    }

    /// Translates a body whose parameters are there: its own locals, then its operators.
    fn rest_of_body(
        &mut self,
        ty: &wasmparser::FuncType,
        body: &FunctionBody<'_>,
    ) -> Result<(), Error> {
        let mut reader = body.get_locals_reader()?;
        for _ in 0..reader.get_count() {
            let offset = reader.original_position();
            let (count, ty) = reader.read()?;
            if ty == ValType::V128 {
                self.env.require_vectors(offset)?;
            }
            let zero = self.zero(ty);
            for _ in 0..count {
                let local = self.defined(ty, zero);
                self.locals.push(local);
            }
        }
        self.push_function_frame(ty);
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            self.set_place(offset);
            self.operator(&operator, offset)?;
            if self.control.exceptional_edges > exception::MAX_EXCEPTIONAL_EDGES {
                let what = format!(
                    "more than {} pairs of a call and a catch clause around it in one function",
                    exception::MAX_EXCEPTIONAL_EDGES
                );
                return Err(Error::unsupported(what, offset));
            }
        }
        Ok(())
    }

    /// The value that a local of this type begins with.
    fn zero(&mut self, ty: ValType) -> cranelift_codegen::ir::Value {
        match ty {
            ValType::F32 => self.builder.ins().f32const(0.0),
            ValType::F64 => self.builder.ins().f64const(0.0),
            ValType::V128 => self.vector_constant(types::I8X16, [0; 16]),
            other => self.builder.ins().iconst(clif_type(other), 0),
        }
    }
}
