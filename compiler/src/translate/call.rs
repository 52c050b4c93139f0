// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Calls: direct, through tables and references, and tail calls of each.
//!
//! In a module with the convention of C every call is one of C. In a module with the tail
//! convention its own functions call each other in that; what other objects provide is called as
//! in C, unless the call is a tail call: then through the entry for tail calls that the callee
//! may have, so that no frame is left, or through an adapter that calls as in C and returns. The
//! same ways lead out of a `try_table`: only calls in the tail convention can catch.

use super::env::{trap_code, trusted};
use super::exception::Callee;
use super::{Translator, clif_type};
use crate::error::Error;
use crate::plan::{Convention, Symbol};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, FuncRef, InstBuilder, MemFlagsData, Type, Value, types,
};
use wasm_aot_object::descriptor;
use wasm_aot_trap::TrapCode as Trap;

impl Translator<'_, '_> {
    /// # Errors
    /// Where the function's body is put here, those of its translation.
    pub fn call(&mut self, function: u32) -> Result<(), Error> {
        if self.takes_inline(function) {
            return self.inline(function);
        }
        let ty = self.env.plan.function_type(self.env.module, function);
        let arguments = self.arguments(ty);
        let results = if self.is_in_try() {
            let callee = self.env.own_function(&mut self.builder, function);
            let results = self.result_types(ty);
            self.call_catching(Callee::Direct(callee), &arguments, &results)
        } else {
            let callee = self.env.function(&mut self.builder, function);
            let call = self.builder.ins().call(callee, &arguments);
            self.builder.inst_results(call).to_vec()
        };
        self.push_results(results, ty);
        Ok(())
    }

    /// # Errors
    /// As [`Self::call`].
    pub fn call_indirect(&mut self, table: u32, type_index: u32) -> Result<(), Error> {
        let ty = self.env.plan.type_of[type_index as usize];
        if self.call_known(table, ty)? {
            return Ok(());
        }
        let reference = self.table_function(table, type_index);
        if !self.has_tail_code(table) {
            self.call_reference(reference, ty, trusted());
            return Ok(());
        }
        let arguments = self.arguments(ty);
        let signature = self.env.own_signature(&mut self.builder, ty);
        let code = self.load_funcref(reference, descriptor::FUNCREF_TAIL_OFFSET);
        let results = self.result_types(ty);
        let results = self.call_catching(Callee::Indirect(signature, code), &arguments, &results);
        self.push_results(results, ty);
        Ok(())
    }

    /// Whether every function of a table has an entry for tail calls: all references of a module
    /// in the tail convention have one, those of others need not.
    fn has_tail_code(&self, table: u32) -> bool {
        let plan = self.env.plan;
        plan.convention == Convention::Tail && plan.tables[table as usize].fixed
    }

    /// Calls through a reference of the stack. Where nothing catches around it, reading the code's
    /// address through null faults.
    pub fn call_ref(&mut self, type_index: u32) {
        let reference = self.pop();
        let ty = self.env.plan.type_of[type_index as usize];
        if self.is_in_try() {
            self.env
                .require(&mut self.builder, reference, Trap::NullFunction);
        }
        let flags = MemFlagsData::new()
            .with_aligned()
            .with_trap_code(Some(trap_code(Trap::NullFunction)));
        self.call_reference(reference, ty, flags);
    }

    /// Calls what a reference to a function of this canonical type leads to; the flags are those
    /// of reading through it.
    fn call_reference(&mut self, reference: Value, ty: u32, flags: MemFlagsData) {
        let arguments = self.arguments(ty);
        if self.is_in_try() {
            return self.call_reference_catching(reference, ty, arguments);
        }
        let offset = descriptor::FUNCREF_CODE_OFFSET;
        let code = self
            .builder
            .ins()
            .load(types::I64, flags, reference, offset);
        let signature = self.env.signature(&mut self.builder, ty);
        let call = self
            .builder
            .ins()
            .call_indirect(signature, code, &arguments);
        let results = self.builder.inst_results(call).to_vec();
        self.push_results(results, ty);
    }

    /// Like [`Self::call_reference`], with exceptions going to the clauses around: by the entry for
    /// tail calls, or the adapter for C code.
    fn call_reference_catching(&mut self, reference: Value, ty: u32, arguments: Vec<Value>) {
        let results = self.result_types(ty);
        let join = self.builder.create_block();
        for &ty in &results {
            self.builder.append_block_param(join, ty);
        }
        let (with_tail, without) = self.branch_on_tail_code(reference);
        let signature = self.env.own_signature(&mut self.builder, ty);
        self.builder.switch_to_block(with_tail);
        let code = self.load_funcref(reference, descriptor::FUNCREF_TAIL_OFFSET);
        let values = self.call_catching(Callee::Indirect(signature, code), &arguments, &results);
        self.jump(join, values);
        self.builder.switch_to_block(without);
        let code = self.load_funcref(reference, descriptor::FUNCREF_CODE_OFFSET);
        let adapter = self.code_adapter(ty);
        let arguments: Vec<Value> = std::iter::once(code).chain(arguments).collect();
        let values = self.call_catching(Callee::Direct(adapter), &arguments, &results);
        self.jump(join, values);
        self.builder.seal_block(join);
        self.builder.switch_to_block(join);
        let results = self.builder.block_params(join).to_vec();
        self.push_results(results, ty);
    }

    fn jump(&mut self, block: Block, values: Vec<Value>) {
        let arguments: Vec<BlockArg> = values.into_iter().map(BlockArg::from).collect();
        self.builder.ins().jump(block, &arguments);
    }

    pub fn result_types(&self, ty: u32) -> Vec<Type> {
        let ty = self.env.plan.types[ty as usize].function();
        ty.results().iter().map(|&ty| clif_type(ty)).collect()
    }

    pub fn return_call(&mut self, function: u32) {
        let ty = self.env.plan.function_type(self.env.module, function);
        let arguments = self.arguments(ty);
        let callee = self.env.own_function(&mut self.builder, function);
        self.builder.ins().return_call(callee, &arguments);
        self.set_unreachable();
    }

    pub fn return_call_indirect(&mut self, table: u32, type_index: u32) {
        let reference = self.table_function(table, type_index);
        let ty = self.env.plan.type_of[type_index as usize];
        if !self.has_tail_code(table) {
            return self.return_call_reference(reference, ty);
        }
        let arguments = self.arguments(ty);
        let signature = self.env.own_signature(&mut self.builder, ty);
        let code = self.load_funcref(reference, descriptor::FUNCREF_TAIL_OFFSET);
        self.builder
            .ins()
            .return_call_indirect(signature, code, &arguments);
        self.set_unreachable();
    }

    /// Tail-calls through a reference of the stack.
    pub fn return_call_ref(&mut self, type_index: u32) {
        let reference = self.pop();
        self.env
            .require(&mut self.builder, reference, Trap::NullFunction);
        let ty = self.env.plan.type_of[type_index as usize];
        self.return_call_reference(reference, ty);
    }

    /// Tail-calls what a reference to a function of this canonical type leads to.
    pub fn return_call_reference(&mut self, reference: Value, ty: u32) {
        let arguments = self.arguments(ty);
        let (with_tail, without) = self.branch_on_tail_code(reference);
        let signature = self.env.own_signature(&mut self.builder, ty);
        self.builder.switch_to_block(with_tail);
        let code = self.load_funcref(reference, descriptor::FUNCREF_TAIL_OFFSET);
        self.builder
            .ins()
            .return_call_indirect(signature, code, &arguments);
        self.builder.switch_to_block(without);
        let code = self.load_funcref(reference, descriptor::FUNCREF_CODE_OFFSET);
        let adapter = self.code_adapter(ty);
        let arguments: Vec<Value> = std::iter::once(code).chain(arguments).collect();
        self.builder.ins().return_call(adapter, &arguments);
        self.set_unreachable();
    }

    /// The operands that a call of this canonical type takes.
    pub fn arguments(&mut self, ty: u32) -> Vec<Value> {
        self.pop_n(self.env.plan.types[ty as usize].function().params().len())
    }

    fn load_funcref(&mut self, reference: Value, offset: i32) -> Value {
        self.builder
            .ins()
            .load(types::I64, trusted(), reference, offset)
    }

    /// Two blocks: one where the function of a reference has an entry for tail calls, and one
    /// where it has not.
    fn branch_on_tail_code(&mut self, reference: Value) -> (Block, Block) {
        let (with_tail, without) = (self.builder.create_block(), self.builder.create_block());
        let extended = self.builder.create_block();
        let offset = descriptor::FUNCREF_INDEX_OFFSET;
        let index = self
            .builder
            .ins()
            .load(types::I32, trusted(), reference, offset);
        // The flag is the sign.
        let flag = self
            .builder
            .ins()
            .icmp_imm_s(IntCC::SignedLessThan, index, 0);
        self.builder.ins().brif(flag, extended, &[], without, &[]);
        self.builder.switch_to_block(extended);
        self.builder.seal_block(extended);
        let code = self.load_funcref(reference, descriptor::FUNCREF_TAIL_OFFSET);
        self.builder.ins().brif(code, with_tail, &[], without, &[]);
        self.builder.seal_block(with_tail);
        self.builder.seal_block(without);
        (with_tail, without)
    }

    /// The adapter that calls C code of this canonical type; the code's address comes first.
    fn code_adapter(&mut self, ty: u32) -> FuncRef {
        let signature = super::adapter::code_signature(&self.env, ty);
        let signature = self.builder.import_signature(signature);
        let symbol = Symbol::CodeAdapter(ty);
        self.env.callee(&mut self.builder, symbol, signature)
    }

    /// The reference in a table element, after checking index and type.
    fn table_function(&mut self, table: u32, type_index: u32) -> Value {
        let index = self.pop_index(self.table_index64(table));
        let (reference, found) = self.table_element(table, index);
        let ty = self.env.plan.type_of[type_index as usize];
        let same = self.is_function_of(reference, found, ty);
        self.env
            .require(&mut self.builder, same, Trap::IndirectCallTypeMismatch);
        reference
    }

    /// The reference in a table element and the number of its type, after checking the index. A
    /// null element is caught by the hardware: reading its type faults near address 0.
    pub fn table_element(&mut self, table: u32, index: Value) -> (Value, Value) {
        let slot = self.table_slot(table, index, Trap::UndefinedElement);
        let reference = self.builder.ins().load(types::I64, trusted(), slot, 0);
        let flags = MemFlagsData::new()
            .with_aligned()
            .with_trap_code(Some(trap_code(Trap::UninitializedElement)));
        let offset = descriptor::FUNCREF_TYPE_OFFSET;
        let found = self
            .builder
            .ins()
            .load(types::I32, flags, reference, offset);
        (reference, found)
    }
}
