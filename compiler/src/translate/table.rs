// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Tables and references.
//!
//! An element is one 64-bit word: 0, or the address of a `FuncRef` (or the host's word for
//! `externref`). Elements of a table that cannot grow stand in the object's data under a symbol
//! of their own; its length is then a constant of the code.

use super::Translator;
use super::env::trusted;
use crate::plan::{Symbol, TableStorage};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasm_aot_object::descriptor;
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::ValType;

impl Translator<'_, '_> {
    /// The table's length in elements, now.
    pub fn table_length(&mut self, table: u32) -> Value {
        let plan = &self.env.plan.tables[table as usize];
        match plan.storage {
            TableStorage::Inline => self.builder.ins().iconst(types::I64, plan.min as i64),
            TableStorage::Dynamic => {
                let descriptor = self.env.address(&mut self.builder, Symbol::Table(table));
                let offset = descriptor::TABLE_LENGTH_OFFSET;
                self.builder
                    .ins()
                    .load(types::I64, trusted(), descriptor, offset)
            }
        }
    }

    fn table_base(&mut self, table: u32) -> Value {
        match self.env.plan.tables[table as usize].storage {
            TableStorage::Inline => self
                .env
                .address(&mut self.builder, Symbol::TableElements(table)),
            TableStorage::Dynamic => {
                let descriptor = self.env.address(&mut self.builder, Symbol::Table(table));
                let offset = descriptor::TABLE_BASE_OFFSET;
                self.builder
                    .ins()
                    .load(types::I64, trusted(), descriptor, offset)
            }
        }
    }

    pub fn table_index64(&self, table: u32) -> bool {
        self.env.plan.tables[table as usize].index64
    }

    /// The address of an element, after checking the index (zero-extended). What is below the
    /// length is far below 2^61, so the multiplication does not wrap.
    pub fn table_slot(&mut self, table: u32, index: Value, trap: Trap) -> Value {
        let length = self.table_length(table);
        let inside = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedLessThan, index, length);
        self.env.require(&mut self.builder, inside, trap);
        let base = self.table_base(table);
        let offset = self.builder.ins().ishl_imm_u(index, 3);
        self.builder.ins().iadd(base, offset)
    }

    /// The address of the first of several elements, after checking that all are inside.
    pub fn table_range(&mut self, table: u32, start: Value, count: Value) -> Value {
        let length = self.table_length(table);
        let index64 = self.table_index64(table);
        let end = self.range_end(start, count, index64, Trap::TableOutOfBounds);
        let inside = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedLessThanOrEqual, end, length);
        self.env
            .require(&mut self.builder, inside, Trap::TableOutOfBounds);
        let base = self.table_base(table);
        let offset = self.builder.ins().ishl_imm_u(start, 3);
        self.builder.ins().iadd(base, offset)
    }

    pub fn table_get(&mut self, table: u32) {
        let index = self.pop_index(self.table_index64(table));
        let slot = self.table_slot(table, index, Trap::TableOutOfBounds);
        let value = self.builder.ins().load(types::I64, trusted(), slot, 0);
        let ty = self.env.module.tables[table as usize].ty.element_type;
        self.push_made(value, ValType::Ref(ty));
    }

    pub fn table_set(&mut self, table: u32) {
        let value = self.pop();
        let index = self.pop_index(self.table_index64(table));
        let slot = self.table_slot(table, index, Trap::TableOutOfBounds);
        self.builder.ins().store(trusted(), value, slot, 0);
    }

    pub fn table_size(&mut self, table: u32) {
        let length = self.table_length(table);
        self.push_index(length, self.table_index64(table));
    }

    pub fn table_grow(&mut self, table: u32) {
        let index64 = self.table_index64(table);
        let delta = self.pop_index(index64);
        let init = self.pop();
        let descriptor = self.env.address(&mut self.builder, Symbol::Table(table));
        let arguments = [descriptor, delta, init];
        let old = self
            .env
            .call_runtime(
                &mut self.builder,
                Runtime::TableGrow,
                &arguments,
                Some(types::I64),
            )
            .expect("it has a result");
        self.push_index(old, index64);
    }

    pub fn table_fill(&mut self, table: u32) {
        let index64 = self.table_index64(table);
        let count = self.pop_index(index64);
        let value = self.pop();
        let start = self.pop_index(index64);
        let slot = self.table_range(table, start, count);
        let arguments = [slot, value, count];
        self.env
            .call_runtime(&mut self.builder, Runtime::TableFill, &arguments, None);
    }

    pub fn table_copy(&mut self, to: u32, from: u32) {
        let (to64, from64) = (self.table_index64(to), self.table_index64(from));
        // The smaller of the two index types is that of the length.
        let count = self.pop_index(to64 && from64);
        let source = self.pop_index(from64);
        let destination = self.pop_index(to64);
        let source = self.table_range(from, source, count);
        let destination = self.table_range(to, destination, count);
        let bytes = self.builder.ins().ishl_imm_u(count, 3);
        let arguments = [destination, source, bytes];
        self.env.call_runtime(
            &mut self.builder,
            Runtime::Memmove,
            &arguments,
            Some(types::I64),
        );
    }

    pub fn table_init(&mut self, table: u32, segment: u32) {
        let count = self.pop_unsigned();
        let source = self.pop_unsigned();
        let destination = self.pop_index(self.table_index64(table));
        self.segment_range(
            Symbol::ElementLength(segment),
            source,
            count,
            Trap::TableOutOfBounds,
        );
        let destination = self.table_range(table, destination, count);
        // A segment without an array is empty at run time: the check above left only count 0.
        if !self.env.plan.element_arrays.contains(&segment) {
            return;
        }
        self.copy_elements(segment, source, destination, count);
    }

    /// Copies from an element segment to a table; everything has been checked.
    pub fn copy_elements(&mut self, segment: u32, from: Value, slot: Value, count: Value) {
        let array = self
            .env
            .address(&mut self.builder, Symbol::Element(segment));
        let offset = self.builder.ins().ishl_imm_u(from, 3);
        let source = self.builder.ins().iadd(array, offset);
        let bytes = self.builder.ins().ishl_imm_u(count, 3);
        let arguments = [slot, source, bytes];
        self.env.call_runtime(
            &mut self.builder,
            Runtime::Memcpy,
            &arguments,
            Some(types::I64),
        );
    }

    pub fn ref_func(&mut self, function: u32) {
        let reference = self
            .env
            .address(&mut self.builder, Symbol::FuncRef(function));
        self.push(reference);
    }

    pub fn ref_is_null(&mut self) {
        let reference = self.pop();
        let null = self.builder.ins().icmp_imm_u(IntCC::Equal, reference, 0);
        let null = self.builder.ins().uextend(types::I32, null);
        self.push(null);
    }
}
