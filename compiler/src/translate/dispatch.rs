// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Calls through tables whose elements are known: [`crate::plan::Dispatch`].

use super::Translator;
use super::env::{trap_code, trusted};
use super::exception::Callee;
use crate::error::Error;
use crate::plan::{Dispatch, Symbol, TableElement};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Value, types};
use wasm_aot_trap::TrapCode as Trap;

impl Translator<'_, '_> {
    /// Makes a `call_indirect` of a canonical type where what it leads to is known; says whether.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn call_known(&mut self, table: u32, ty: u32) -> Result<bool, Error> {
        let plan = self.env.plan;
        if !plan.known_tables.contains(&table) {
            return Ok(false);
        }
        let index = self.top_value();
        if let Some(index) = self.constant_value(index) {
            self.pop();
            self.call_element(table, ty, index)?;
            return Ok(true);
        }
        match plan.dispatch.get(&(table, ty)) {
            Some(&Dispatch::One { index, function }) => self.call_only(table, index, function)?,
            Some(&Dispatch::Table(number)) => self.call_by_table(table, ty, number),
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Calls the element with this index.
    fn call_element(&mut self, table: u32, ty: u32, index: u64) -> Result<(), Error> {
        let element = self.env.plan.element(self.env.module, table, ty, index);
        let trap = match element {
            Some(TableElement::Function(function)) => return self.call(function),
            Some(TableElement::Null) => Trap::UninitializedElement,
            Some(TableElement::OtherType) => Trap::IndirectCallTypeMismatch,
            None => Trap::UndefinedElement,
        };
        self.builder.ins().trap(trap_code(trap));
        self.set_unreachable();
        Ok(())
    }

    /// Calls the one function that has the type; other indices trap, in a block of their own.
    fn call_only(&mut self, table: u32, only: u64, function: u32) -> Result<(), Error> {
        let index = self.pop_index(self.table_index64(table));
        let only = self.builder.ins().iconst(types::I64, only as i64);
        let found = self.builder.ins().icmp(IntCC::Equal, index, only);
        let (known, other) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(found, known, &[], other, &[]);
        self.builder.seal_block(known);
        self.builder.seal_block(other);
        self.builder.set_cold_block(other);
        self.builder.switch_to_block(other);
        self.table_element(table, index);
        let mismatch = trap_code(Trap::IndirectCallTypeMismatch);
        self.builder.ins().trap(mismatch);
        self.builder.switch_to_block(known);
        self.call(function)
    }

    /// Calls what the table of code addresses says.
    fn call_by_table(&mut self, table: u32, ty: u32, number: u32) {
        let operand = self.top_value();
        let index = self.pop_index(self.table_index64(table));
        let length = self.env.plan.tables[table as usize].min;
        if !self.is_below(operand, length) {
            let length = self.table_length(table);
            let inside = self
                .builder
                .ins()
                .icmp(IntCC::UnsignedLessThan, index, length);
            let trap = Trap::UndefinedElement;
            self.env.require(&mut self.builder, inside, trap);
        }
        let symbol = Symbol::Dispatch(number);
        let base = self.env.address(&mut self.builder, symbol);
        let offset = self.builder.ins().ishl_imm_u(index, 3);
        let slot = self.builder.ins().iadd(base, offset);
        let flags = trusted().with_readonly();
        let code = self.builder.ins().load(types::I64, flags, slot, 0);
        let arguments = self.arguments(ty);
        let signature = self.env.table_signature(&mut self.builder, ty, number);
        let results = self.result_types(ty);
        let results = self.call_catching(Callee::Indirect(signature, code), &arguments, &results);
        self.push_results(results, ty);
    }

    /// Whether an index is below a bound whatever the program does: it is masked, or read from
    /// memory by a narrow access.
    fn is_below(&self, value: Value, bound: u64) -> bool {
        let greatest = match self.instruction(value) {
            Some(InstructionData::Binary {
                opcode: Opcode::Band,
                args,
            }) => {
                let masks = args.iter().filter_map(|&arg| self.constant_value(arg));
                masks.min()
            }
            Some(InstructionData::Load { opcode, .. }) => match opcode {
                Opcode::Uload8 => Some(u8::MAX.into()),
                Opcode::Uload16 => Some(u16::MAX.into()),
                _ => None,
            },
            _ => None,
        };
        greatest.is_some_and(|greatest| greatest < bound)
    }
}
