// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The heap: making objects, structures, `i31`, and the references that the collector must see.
//!
//! A collection happens inside a call and moves objects. So every value that may be a reference
//! into the heap is declared to need a stack map where it is made ([`Translator::reference`]): the
//! code generator's front end then keeps it in the frame across calls, where the collector finds
//! and changes it. An address inside an object is never kept across a call.

use super::Translator;
use super::env::{trap_code, trusted};
use crate::plan::Symbol;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use wasm_aot_object::descriptor::{
    ALLOCATION_LIMIT_OFFSET, ALLOCATION_NEXT_OFFSET, OBJECT_HEADER_OFFSET,
    REGISTRATION_ALLOCATION_OFFSET, STRUCT_FIELDS_OFFSET,
};
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::{CompositeInnerType, FieldType, Operator, StorageType, ValType};

/// What lies below this offset from null faults in every address space that runs our code.
const UNMAPPED: u32 = 4096 - 16;

/// Larger structures are zeroed by the runtime.
const MOST_ZEROED_HERE: u32 = 128;

/// How a packed field becomes an `i32`. What is not packed is not extended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    Signed,
    Unsigned,
}

impl Translator<'_, '_> {
    /// Tells the runtime of the object, once, before anything else of it runs.
    pub fn register(&mut self) {
        let record = self.env.address(&mut self.builder, Symbol::Registration);
        self.env
            .call_runtime(&mut self.builder, Runtime::Register, &[record], None);
    }

    /// Declares a value of this type to the collector where it may be a reference into the heap.
    /// To be called where the value is made: loaded, received, returned.
    pub fn reference(&mut self, value: Value, ty: ValType) -> Value {
        if self.env.plan.is_heap_reference(ty) {
            self.builder.declare_value_needs_stack_map(value);
        }
        value
    }

    /// Pushes a value of this type that has just been made.
    pub fn push_made(&mut self, value: Value, ty: ValType) {
        let value = self.reference(value, ty);
        self.push(value);
    }

    /// Pushes the results of a call of this canonical type.
    pub fn push_results(&mut self, results: Vec<Value>, ty: u32) {
        let plan = self.env.plan;
        let types = plan.types[ty as usize].function().results();
        for (result, &ty) in results.into_iter().zip(types) {
            self.push_made(result, ty);
        }
    }

    /// A new structure or exception of `size` bytes, with the descriptor of this symbol. Its fields
    /// lie where [`crate::heap::structure`] put them; they may hold anything and must be stored,
    /// with [`field_flags`], before anything is called. Traps where there is no room.
    ///
    /// This may move all objects. Operands that are references survive it because they have been
    /// declared to need stack maps where they were made; an address computed from a reference
    /// does not.
    pub fn new_object(&mut self, descriptor: Symbol, size: u32) -> Value {
        let descriptor = self.env.address(&mut self.builder, descriptor);
        let record = self.env.address(&mut self.builder, Symbol::Registration);
        let open = self.word(record, REGISTRATION_ALLOCATION_OFFSET);
        let next = self.word(open, ALLOCATION_NEXT_OFFSET);
        let limit = self.word(open, ALLOCATION_LIMIT_OFFSET);
        let end = self.builder.ins().iadd_imm_u(next, i64::from(size));
        let fits = IntCC::UnsignedLessThanOrEqual;
        let fits = self.builder.ins().icmp(fits, end, limit);
        let (here, call) = (self.builder.create_block(), self.builder.create_block());
        let done = self.builder.create_block();
        let object = self.builder.append_block_param(done, types::I64);
        self.builder.declare_value_needs_stack_map(object);
        self.builder.set_cold_block(call);
        self.builder.ins().brif(fits, here, &[], call, &[]);
        self.builder.seal_block(here);
        self.builder.seal_block(call);
        self.builder.switch_to_block(here);
        let builder = self.builder.ins();
        builder.store(trusted(), end, open, ALLOCATION_NEXT_OFFSET);
        let builder = self.builder.ins();
        builder.store(trusted(), descriptor, next, OBJECT_HEADER_OFFSET);
        self.builder.ins().jump(done, &[next.into()]);
        self.builder.switch_to_block(call);
        let made = self.allocate(Runtime::StructNew, &[descriptor]);
        self.builder.ins().jump(done, &[made.into()]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        object
    }

    /// A word of the instance's data.
    fn word(&mut self, address: Value, offset: i32) -> Value {
        let builder = self.builder.ins();
        builder.load(types::I64, trusted(), address, offset)
    }

    /// A new structure whose fields are zero.
    fn new_default(&mut self, type_index: u32) -> Value {
        let ty = self.env.plan.type_of[type_index as usize];
        let size = self.env.plan.struct_layout(ty).size;
        if size > MOST_ZEROED_HERE {
            let descriptor = Symbol::TypeDescriptor(ty);
            let descriptor = self.env.address(&mut self.builder, descriptor);
            return self.allocate(Runtime::StructNew, &[descriptor]);
        }
        let object = self.new_object(Symbol::TypeDescriptor(ty), size);
        let zero = self.builder.ins().iconst(types::I64, 0);
        for offset in (STRUCT_FIELDS_OFFSET..size).step_by(8) {
            let builder = self.builder.ins();
            builder.store(trusted(), zero, object, offset as i32);
        }
        object
    }

    /// A new object by a function of the runtime that gives 0 where there is no room.
    pub fn allocate(&mut self, function: Runtime, arguments: &[Value]) -> Value {
        let object =
            self.env
                .call_runtime(&mut self.builder, function, arguments, Some(types::I64));
        let object = object.expect("it has a result");
        self.env
            .require(&mut self.builder, object, Trap::GcHeapExhausted);
        self.builder.declare_value_needs_stack_map(object);
        object
    }

    /// Structures and `i31`.
    pub fn heap_operator(&mut self, operator: &Operator<'_>) -> bool {
        match *operator {
            Operator::StructNew { struct_type_index } => self.struct_new(struct_type_index),
            Operator::StructNewDefault { struct_type_index } => {
                let object = self.new_default(struct_type_index);
                self.push(object);
            }
            Operator::StructGet {
                struct_type_index,
                field_index,
            } => self.struct_get(struct_type_index, field_index, Extension::Unsigned),
            Operator::StructGetS {
                struct_type_index,
                field_index,
            } => self.struct_get(struct_type_index, field_index, Extension::Signed),
            Operator::StructGetU {
                struct_type_index,
                field_index,
            } => self.struct_get(struct_type_index, field_index, Extension::Unsigned),
            Operator::StructSet {
                struct_type_index,
                field_index,
            } => self.struct_set(struct_type_index, field_index),
            Operator::RefI31 => {
                let value = self.pop();
                let shifted = self.builder.ins().ishl_imm_u(value, 1);
                let tagged = self.builder.ins().bor_imm_u(shifted, 1);
                let reference = self.builder.ins().uextend(types::I64, tagged);
                self.push(reference);
            }
            Operator::I31GetS => self.i31_get(Extension::Signed),
            Operator::I31GetU => self.i31_get(Extension::Unsigned),
            // Both hierarchies have the same words.
            Operator::AnyConvertExtern | Operator::ExternConvertAny => {}
            _ => return false,
        }
        true
    }

    fn i31_get(&mut self, extension: Extension) {
        let reference = self.pop();
        self.env
            .require(&mut self.builder, reference, Trap::NullI31);
        let tagged = self.builder.ins().ireduce(types::I32, reference);
        let value = match extension {
            Extension::Signed => self.builder.ins().sshr_imm_u(tagged, 1),
            Extension::Unsigned => self.builder.ins().ushr_imm_u(tagged, 1),
        };
        self.push(value);
    }

    fn struct_fields(&self, type_index: u32) -> &[FieldType] {
        match &self.env.plan.type_at(type_index).composite {
            CompositeInnerType::Struct(ty) => &ty.fields,
            other => unreachable!("the module is valid, but this is no structure type: {other:?}"),
        }
    }

    /// The type of a field, and its offset.
    fn field(&self, type_index: u32, field: u32) -> (StorageType, u32) {
        let storage = self.struct_fields(type_index)[field as usize].element_type;
        let ty = self.env.plan.type_of[type_index as usize];
        (
            storage,
            self.env.plan.struct_layout(ty).offsets[field as usize],
        )
    }

    fn struct_new(&mut self, type_index: u32) {
        let fields: Vec<StorageType> = self
            .struct_fields(type_index)
            .iter()
            .map(|field| field.element_type)
            .collect();
        let values = self.pop_n(fields.len());
        let ty = self.env.plan.type_of[type_index as usize];
        let size = self.env.plan.struct_layout(ty).size;
        let object = self.new_object(Symbol::TypeDescriptor(ty), size);
        for (index, (&storage, value)) in fields.iter().zip(values).enumerate() {
            let offset = self.env.plan.struct_layout(ty).offsets[index];
            let flags = field_flags(storage);
            self.store_storage(storage, flags, value, object, offset as i32);
        }
        self.push(object);
    }

    /// The flags of an access to a field of what may be null: the hardware finds that out.
    fn nullable_field_flags(
        &mut self,
        reference: Value,
        storage: StorageType,
        offset: u32,
    ) -> MemFlagsData {
        if offset < UNMAPPED {
            return trapping(storage, Trap::NullStructure);
        }
        self.env
            .require(&mut self.builder, reference, Trap::NullStructure);
        field_flags(storage)
    }

    fn struct_get(&mut self, type_index: u32, field: u32, extension: Extension) {
        let reference = self.pop();
        let (storage, offset) = self.field(type_index, field);
        let flags = self.nullable_field_flags(reference, storage, offset);
        let value = self.load_storage(storage, extension, flags, reference, offset as i32);
        self.push(value);
    }

    fn struct_set(&mut self, type_index: u32, field: u32) {
        let value = self.pop();
        let reference = self.pop();
        let (storage, offset) = self.field(type_index, field);
        let flags = self.nullable_field_flags(reference, storage, offset);
        self.store_storage(storage, flags, value, reference, offset as i32);
    }

    /// Loads a field or element.
    pub fn load_storage(
        &mut self,
        storage: StorageType,
        extension: Extension,
        flags: MemFlagsData,
        address: Value,
        offset: i32,
    ) -> Value {
        let signed = extension == Extension::Signed;
        let i32 = types::I32;
        let builder = self.builder.ins();
        match storage {
            StorageType::I8 if signed => builder.sload8(i32, flags, address, offset),
            StorageType::I8 => builder.uload8(i32, flags, address, offset),
            StorageType::I16 if signed => builder.sload16(i32, flags, address, offset),
            StorageType::I16 => builder.uload16(i32, flags, address, offset),
            StorageType::Val(ty) => {
                let value = builder.load(clif_type(ty), flags, address, offset);
                self.reference(value, ty)
            }
        }
    }

    /// Stores a field or element.
    pub fn store_storage(
        &mut self,
        storage: StorageType,
        flags: MemFlagsData,
        value: Value,
        address: Value,
        offset: i32,
    ) {
        let builder = self.builder.ins();
        match storage {
            StorageType::I8 => builder.istore8(flags, value, address, offset),
            StorageType::I16 => builder.istore16(flags, value, address, offset),
            StorageType::Val(_) => builder.store(flags, value, address, offset),
        };
    }

    /// Whether a reference is null, as an `i8`.
    pub fn is_null(&mut self, reference: Value) -> Value {
        self.builder.ins().icmp_imm_u(IntCC::Equal, reference, 0)
    }
}

fn clif_type(ty: ValType) -> Type {
    super::clif_type(ty)
}

/// The flags of an access to an object that is certainly there. Objects are 8-aligned, vectors in
/// them no better.
pub fn field_flags(storage: StorageType) -> MemFlagsData {
    match storage {
        StorageType::Val(ValType::V128) => MemFlagsData::new().with_notrap(),
        _ => trusted(),
    }
}

/// The flags of an access through what may be null.
pub fn trapping(storage: StorageType, trap: Trap) -> MemFlagsData {
    let flags = MemFlagsData::new().with_trap_code(Some(trap_code(trap)));
    match storage {
        StorageType::Val(ValType::V128) => flags,
        _ => flags.with_aligned(),
    }
}
