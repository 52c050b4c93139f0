// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Adapters between the tail convention, in which functions of a module with tail calls or
//! exceptions call each other, and that of C, in which everything else calls and is called.
//!
//! | adapter | called by | calls |
//! |---|---|---|
//! | entry | C code, other objects | a function of the module |
//! | import | the module: tail calls, references | an imported function: its entry for tail calls if it has one, else as C |
//! | code | the module: tail calls through references | C code at an address |

use super::Translated;
use super::env::{self, Env, own_convention, signature};
use crate::module::Module;
use crate::plan::{Plan, Symbol};
use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, Signature, UserFuncName, Value, types,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

/// The signature of the adapter for C code of a canonical type: the code's address comes first.
pub fn code_signature(env: &Env<'_>, ty: u32) -> Signature {
    let ty = env.plan.types[ty as usize].function();
    let mut signature = signature(env.isa, ty, own_convention(env.plan));
    signature.params.insert(0, AbiParam::new(types::I64));
    signature
}

/// Makes an adapter.
pub fn adapter(
    module: &Module<'_>,
    plan: &Plan<'_>,
    isa: &dyn TargetIsa,
    context: &mut FunctionBuilderContext,
    symbol: Symbol,
) -> Translated {
    let mut env = Env::new(module, plan, isa);
    let of = |function| plan.function_type(module, function);
    let in_convention = |ty: u32, convention| {
        let ty = plan.types[ty as usize].function();
        signature(isa, ty, convention)
    };
    let signature = match symbol {
        Symbol::Entry(function) => in_convention(of(function), env::CALL_CONV),
        Symbol::ImportAdapter(function) => in_convention(of(function), own_convention(plan)),
        Symbol::CodeAdapter(ty) => code_signature(&env, ty),
        other => unreachable!("{other:?} is no adapter"),
    };
    let name = UserFuncName::User(symbol.to_user());
    let mut function = Function::with_name_signature(name, signature);
    let mut builder = FunctionBuilder::new(&mut function, context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let arguments = builder.block_params(entry).to_vec();
    match symbol {
        Symbol::ImportAdapter(function) => {
            import(&mut env, &mut builder, function, of(function), &arguments);
        }
        Symbol::CodeAdapter(ty) => {
            let signature = env.signature(&mut builder, ty);
            let call = builder
                .ins()
                .call_indirect(signature, arguments[0], &arguments[1..]);
            return_results(&mut builder, call);
        }
        Symbol::Entry(function) => {
            let callee = env.own_function(&mut builder, function);
            let call = builder.ins().call(callee, &arguments);
            return_results(&mut builder, call);
        }
        other => unreachable!("{other:?} is no adapter"),
    }
    builder.finalize(isa.frontend_config());
    Translated::new(function, env)
}

/// Calls an imported function: as a tail call where the exporter has an entry for that.
fn import(
    env: &mut Env<'_>,
    builder: &mut FunctionBuilder<'_>,
    function: u32,
    ty: u32,
    arguments: &[Value],
) {
    let cell = env.address(builder, Symbol::ImportTailCell(function));
    let tail = builder.ins().load(types::I64, env::trusted(), cell, 0);
    let (with_tail, without) = (builder.create_block(), builder.create_block());
    builder.ins().brif(tail, with_tail, &[], without, &[]);
    builder.seal_block(with_tail);
    builder.seal_block(without);
    builder.switch_to_block(with_tail);
    let signature = env.own_signature(builder, ty);
    builder
        .ins()
        .return_call_indirect(signature, tail, arguments);
    builder.switch_to_block(without);
    let callee = env.function(builder, function);
    let call = builder.ins().call(callee, arguments);
    return_results(builder, call);
}

fn return_results(builder: &mut FunctionBuilder<'_>, call: cranelift_codegen::ir::Inst) {
    let results = builder.inst_results(call).to_vec();
    builder.ins().return_(&results);
}
