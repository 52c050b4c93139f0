// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Arrays: every access is checked against the length that the array begins with, and reading
//! that through null faults.

use super::Translator;
use super::env::trusted;
use super::heap::{Extension, field_flags, trapping};
use crate::heap::storage_size;
use crate::plan::Symbol;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use wasm_aot_object::descriptor::{ARRAY_ELEMENTS_OFFSET, ARRAY_LENGTH_OFFSET};
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::{CompositeInnerType, Operator, StorageType, ValType};

impl Translator<'_, '_> {
    pub fn array_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match *operator {
            O::ArrayNew { array_type_index } => self.array_new(array_type_index),
            O::ArrayNewDefault { array_type_index } => {
                let length = self.pop_unsigned();
                let array = self.new_array(array_type_index, length);
                self.push(array);
            }
            O::ArrayNewFixed {
                array_type_index,
                array_size,
            } => self.array_new_fixed(array_type_index, array_size),
            O::ArrayNewData {
                array_type_index,
                array_data_index,
            } => self.array_new_data(array_type_index, array_data_index),
            O::ArrayNewElem {
                array_type_index,
                array_elem_index,
            } => self.array_new_elem(array_type_index, array_elem_index),
            O::ArrayGet { array_type_index } | O::ArrayGetU { array_type_index } => {
                self.array_get(array_type_index, Extension::Unsigned);
            }
            O::ArrayGetS { array_type_index } => {
                self.array_get(array_type_index, Extension::Signed);
            }
            O::ArraySet { array_type_index } => self.array_set(array_type_index),
            O::ArrayLen => {
                let array = self.pop();
                let length = self.array_length(array);
                self.push(length);
            }
            O::ArrayFill { array_type_index } => self.array_fill(array_type_index),
            O::ArrayCopy {
                array_type_index_dst,
                ..
            } => self.array_copy(array_type_index_dst),
            O::ArrayInitData {
                array_type_index,
                array_data_index,
            } => self.array_init_data(array_type_index, array_data_index),
            O::ArrayInitElem {
                array_elem_index, ..
            } => self.array_init_elem(array_elem_index),
            _ => return false,
        }
        true
    }

    fn element(&self, type_index: u32) -> StorageType {
        match &self.env.plan.type_at(type_index).composite {
            CompositeInnerType::Array(ty) => ty.0.element_type,
            other => unreachable!("the module is valid, but this is no array type: {other:?}"),
        }
    }

    /// A new array of zeroes; its length as an `i64`.
    fn new_array(&mut self, type_index: u32, length: Value) -> Value {
        let ty = self.env.plan.type_of[type_index as usize];
        let descriptor = self
            .env
            .address(&mut self.builder, Symbol::TypeDescriptor(ty));
        self.allocate(Runtime::ArrayNew, &[descriptor, length])
    }

    /// The length, as an `i32`. Traps for null.
    fn array_length(&mut self, array: Value) -> Value {
        let flags = trapping(StorageType::Val(ValType::I32), Trap::NullArray);
        self.builder
            .ins()
            .load(types::I32, flags, array, ARRAY_LENGTH_OFFSET)
    }

    /// So many elements in bytes; both as `i64`.
    fn scaled(&mut self, count: Value, storage: StorageType) -> Value {
        let shift = storage_size(storage).trailing_zeros();
        if shift == 0 {
            return count;
        }
        self.builder.ins().ishl_imm_u(count, i64::from(shift))
    }

    /// An element's address less [`ARRAY_ELEMENTS_OFFSET`]; the index as an `i64`.
    fn element_address(&mut self, array: Value, index: Value, storage: StorageType) -> Value {
        let offset = self.scaled(index, storage);
        self.builder.ins().iadd(array, offset)
    }

    /// The address of the first of several elements, all of which are certainly there.
    fn elements(&mut self, array: Value, start: Value, storage: StorageType) -> Value {
        let address = self.element_address(array, start, storage);
        let offset = i64::from(ARRAY_ELEMENTS_OFFSET);
        self.builder.ins().iadd_imm_u(address, offset)
    }

    /// Takes index and array off the stack and checks them; gives what [`Self::element_address`]
    /// does.
    fn checked_element(&mut self, storage: StorageType) -> Value {
        let index = self.pop();
        let array = self.pop();
        let length = self.array_length(array);
        let less = IntCC::UnsignedLessThan;
        let inside = self.builder.ins().icmp(less, index, length);
        self.env
            .require(&mut self.builder, inside, Trap::ArrayOutOfBounds);
        let index = self.builder.ins().uextend(types::I64, index);
        self.element_address(array, index, storage)
    }

    /// Traps unless `count` elements from `start` on are there (both `i64`, below 2^32).
    fn check_elements(&mut self, array: Value, start: Value, count: Value) {
        let length = self.array_length(array);
        let length = self.builder.ins().uextend(types::I64, length);
        self.check_range(start, count, length, Trap::ArrayOutOfBounds);
    }

    /// Traps unless start + count is at most a length; none of them large enough to overflow.
    fn check_range(&mut self, start: Value, count: Value, length: Value, trap: Trap) {
        let end = self.builder.ins().iadd(start, count);
        let at_most = IntCC::UnsignedLessThanOrEqual;
        let inside = self.builder.ins().icmp(at_most, end, length);
        self.env.require(&mut self.builder, inside, trap);
    }

    /// Traps unless `bytes` from `start` on are in a data segment.
    fn check_data(&mut self, segment: u32, start: Value, bytes: Value) {
        let length = self.segment_length(Symbol::DataLength(segment));
        self.check_range(start, bytes, length, Trap::MemoryOutOfBounds);
    }

    /// Traps unless `count` elements from `start` on are in an element segment.
    fn check_segment(&mut self, segment: u32, start: Value, count: Value) {
        let length = self.segment_length(Symbol::ElementLength(segment));
        self.check_range(start, count, length, Trap::TableOutOfBounds);
    }

    fn segment_length(&mut self, cell: Symbol) -> Value {
        let cell = self.env.address(&mut self.builder, cell);
        self.builder.ins().load(types::I64, trusted(), cell, 0)
    }

    fn copy(&mut self, function: Runtime, to: Value, from: Value, bytes: Value) {
        let arguments = [to, from, bytes];
        self.env
            .call_runtime(&mut self.builder, function, &arguments, Some(types::I64));
    }

    /// Stores a value in `count` elements, all of which are there.
    fn fill(&mut self, array: Value, start: Value, value: Value, count: Value, ty: StorageType) {
        let (some, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(count, some, &[], done, &[]);
        self.builder.seal_block(some);
        self.builder.switch_to_block(some);
        let first = self.elements(array, start, ty);
        self.store_storage(ty, field_flags(ty), value, first, 0);
        let size = i64::from(storage_size(ty));
        let size = self.builder.ins().iconst(types::I64, size);
        let arguments = [first, size, count];
        self.env
            .call_runtime(&mut self.builder, Runtime::ArrayFill, &arguments, None);
        self.builder.ins().jump(done, &[]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
    }

    fn array_new(&mut self, type_index: u32) {
        let length = self.pop_unsigned();
        let value = self.pop();
        let storage = self.element(type_index);
        let array = self.new_array(type_index, length);
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.fill(array, zero, value, length, storage);
        self.push(array);
    }

    fn array_new_fixed(&mut self, type_index: u32, count: u32) {
        let values = self.pop_n(count as usize);
        let storage = self.element(type_index);
        let length = self.builder.ins().iconst(types::I64, i64::from(count));
        let array = self.new_array(type_index, length);
        for (index, value) in values.into_iter().enumerate() {
            let offset = ARRAY_ELEMENTS_OFFSET + index as i32 * storage_size(storage) as i32;
            self.store_storage(storage, field_flags(storage), value, array, offset);
        }
        self.push(array);
    }

    fn array_new_data(&mut self, type_index: u32, segment: u32) {
        let length = self.pop_unsigned();
        let from = self.pop_unsigned();
        let storage = self.element(type_index);
        let bytes = self.scaled(length, storage);
        self.check_data(segment, from, bytes);
        let array = self.new_array(type_index, length);
        self.copy_data(segment, from, array, None, bytes, storage);
        self.push(array);
    }

    fn array_new_elem(&mut self, type_index: u32, segment: u32) {
        let length = self.pop_unsigned();
        let from = self.pop_unsigned();
        self.check_segment(segment, from, length);
        let array = self.new_array(type_index, length);
        self.copy_segment(segment, from, array, None, length);
        self.push(array);
    }

    /// Copies from a data segment to elements from `start` (or the first) on; all is checked.
    fn copy_data(
        &mut self,
        segment: u32,
        from: Value,
        array: Value,
        start: Option<Value>,
        bytes: Value,
        storage: StorageType,
    ) {
        let data = self.env.address(&mut self.builder, Symbol::Data(segment));
        let source = self.builder.ins().iadd(data, from);
        let start = start.unwrap_or_else(|| self.builder.ins().iconst(types::I64, 0));
        let to = self.elements(array, start, storage);
        self.copy(Runtime::Memcpy, to, source, bytes);
    }

    /// Likewise from an element segment.
    fn copy_segment(
        &mut self,
        segment: u32,
        from: Value,
        array: Value,
        start: Option<Value>,
        count: Value,
    ) {
        // A segment without an array is empty at run time: the check left only count 0.
        if !self.env.plan.element_arrays.contains(&segment) {
            return;
        }
        let start = start.unwrap_or_else(|| self.builder.ins().iconst(types::I64, 0));
        let reference = StorageType::Val(ValType::FUNCREF);
        let to = self.elements(array, start, reference);
        self.copy_elements(segment, from, to, count);
    }

    fn array_get(&mut self, type_index: u32, extension: Extension) {
        let storage = self.element(type_index);
        let address = self.checked_element(storage);
        let flags = field_flags(storage);
        let value = self.load_storage(storage, extension, flags, address, ARRAY_ELEMENTS_OFFSET);
        self.push(value);
    }

    fn array_set(&mut self, type_index: u32) {
        let value = self.pop();
        let storage = self.element(type_index);
        let address = self.checked_element(storage);
        let flags = field_flags(storage);
        self.store_storage(storage, flags, value, address, ARRAY_ELEMENTS_OFFSET);
    }

    fn array_fill(&mut self, type_index: u32) {
        let count = self.pop_unsigned();
        let value = self.pop();
        let start = self.pop_unsigned();
        let array = self.pop();
        self.check_elements(array, start, count);
        let storage = self.element(type_index);
        self.fill(array, start, value, count, storage);
    }

    fn array_copy(&mut self, to_type: u32) {
        let count = self.pop_unsigned();
        let from_start = self.pop_unsigned();
        let from = self.pop();
        let to_start = self.pop_unsigned();
        let to = self.pop();
        self.check_elements(to, to_start, count);
        self.check_elements(from, from_start, count);
        // Both arrays have elements of the same size.
        let storage = self.element(to_type);
        let source = self.elements(from, from_start, storage);
        let target = self.elements(to, to_start, storage);
        let bytes = self.scaled(count, storage);
        self.copy(Runtime::Memmove, target, source, bytes);
    }

    fn array_init_data(&mut self, type_index: u32, segment: u32) {
        let count = self.pop_unsigned();
        let from = self.pop_unsigned();
        let start = self.pop_unsigned();
        let array = self.pop();
        self.check_elements(array, start, count);
        let storage = self.element(type_index);
        let bytes = self.scaled(count, storage);
        self.check_data(segment, from, bytes);
        self.copy_data(segment, from, array, Some(start), bytes, storage);
    }

    fn array_init_elem(&mut self, segment: u32) {
        let count = self.pop_unsigned();
        let from = self.pop_unsigned();
        let start = self.pop_unsigned();
        let array = self.pop();
        self.check_elements(array, start, count);
        self.check_segment(segment, from, count);
        self.copy_segment(segment, from, array, Some(start), count);
    }
}
