// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Linear memory: addresses and bounds, loads and stores, bulk operations.
//!
//! With guards and a constant base an access is one instruction: the base is part of the
//! displacement, the index is zero-extended, and what lies outside faults. With explicit bounds
//! the end of the access is compared with the memory's length first.

use super::Translator;
use super::env::{trap_code, trusted};
use crate::options::Bounds;
use crate::plan::{Base, Symbol};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Opcode, Type, Value, types};
use wasm_aot_object::{Machine, descriptor, table::NO_WASM_OFFSET};
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::{MemArg, MemArgTarget};

const _: () = assert!(NO_WASM_OFFSET == u32::MAX, "the default source location");

/// Accesses to linear memory: little-endian, of any alignment, trapping.
pub fn flags() -> MemFlagsData {
    MemFlagsData::new()
        .with_endianness(Endianness::Little)
        .with_trap_code(Some(trap_code(Trap::MemoryOutOfBounds)))
}

/// What of base and static offset goes into the instruction.
enum Displacement {
    /// Both, where the sum fits.
    WithBase,
    /// The offset; the base is added in a register, in the same instruction where that has room
    /// for it, or once for all accesses by the same index.
    Beside(i32),
    /// Neither: their sum is added.
    None,
}

/// Where an access of so many bytes at this static offset has its constants.
fn displacement(machine: Machine, offset: u64, size: u64) -> Displacement {
    let fits = match machine {
        Machine::X86_64 => return Displacement::WithBase,
        // Nine bits with a sign, or twelve in units of the access (Arm Architecture Reference
        // Manual, "Load/store addressing modes").
        Machine::Aarch64 => offset < 256 || offset.is_multiple_of(size) && offset / size < 4096,
        // Twelve bits with a sign.
        Machine::Riscv64 => offset < 2048,
    };
    match i32::try_from(offset) {
        Ok(offset) if fits => Displacement::Beside(offset),
        _ => Displacement::None,
    }
}

impl Translator<'_, '_> {
    /// The memory's length in bytes, now.
    pub fn memory_length(&mut self, memory: u32) -> Value {
        match self.env.plan.memories[memory as usize].fixed_length {
            Some(length) => self.builder.ins().iconst(types::I64, length as i64),
            None => {
                let descriptor = self.env.address(&mut self.builder, Symbol::Memory(memory));
                let offset = descriptor::MEMORY_LENGTH_OFFSET;
                self.builder
                    .ins()
                    .load(types::I64, trusted(), descriptor, offset)
            }
        }
    }

    /// The address of byte 0.
    fn memory_base(&mut self, memory: u32) -> Value {
        match self.env.plan.memories[memory as usize].base {
            Base::Constant(base) => self.builder.ins().iconst(types::I64, base as i64),
            Base::Symbol => self
                .env
                .address(&mut self.builder, Symbol::MemoryBase(memory)),
        }
    }

    /// Address and displacement of an access of so many bytes; the index is taken off the stack.
    pub fn memory_address(&mut self, argument: &MemArg, size: u64) -> (Value, i32) {
        let index = self.pop();
        let index = self.builder.ins().uextend(types::I64, index);
        if self.env.plan.options.bounds == Bounds::Explicit {
            self.check_access(argument, index, size);
        }
        let offset = argument.offset;
        match self.env.plan.memories[memory_of(argument) as usize].base {
            Base::Constant(base) => {
                let displacement = displacement(self.env.plan.options.target, offset, size);
                let (start, displacement) = match displacement {
                    Displacement::WithBase => match i32::try_from(base + offset) {
                        Ok(displacement) => return (index, displacement),
                        Err(_) => (base + offset, 0),
                    },
                    Displacement::Beside(displacement) => (base, displacement),
                    Displacement::None => (base + offset, 0),
                };
                let start = self.builder.ins().iconst(types::I64, start as i64);
                (self.builder.ins().iadd(start, index), displacement)
            }
            Base::Symbol => {
                let base = self.memory_base(memory_of(argument));
                let address = self.builder.ins().iadd(base, index);
                match i32::try_from(offset) {
                    Ok(displacement) => (address, displacement),
                    Err(_) => (self.builder.ins().iadd_imm_u(address, offset as i64), 0),
                }
            }
        }
    }

    /// Traps unless the access is within the memory. Index, offset and size are below 2^33 + 16,
    /// so nothing wraps.
    fn check_access(&mut self, argument: &MemArg, index: Value, size: u64) {
        let past = argument.offset + size;
        let fixed = self.env.plan.memories[memory_of(argument) as usize].fixed_length;
        let outside = match fixed {
            Some(length) if past > length => self.builder.ins().iconst(types::I8, 1),
            Some(length) => {
                let last = (length - past) as i64;
                self.builder
                    .ins()
                    .icmp_imm_u(IntCC::UnsignedGreaterThan, index, last)
            }
            None => {
                let length = self.memory_length(memory_of(argument));
                let end = self.builder.ins().iadd_imm_u(index, past as i64);
                self.builder
                    .ins()
                    .icmp(IntCC::UnsignedGreaterThan, end, length)
            }
        };
        self.builder
            .ins()
            .trapnz(outside, trap_code(Trap::MemoryOutOfBounds));
    }

    /// `t.load`: the whole value.
    pub fn load(&mut self, argument: &MemArg, ty: Type) {
        let (address, offset) = self.memory_address(argument, ty.bytes().into());
        let value = self.builder.ins().load(ty, flags(), address, offset);
        self.push(value);
    }

    /// `t.loadN_sx`: a narrower value, extended.
    pub fn load_extended(&mut self, argument: &MemArg, ty: Type, opcode: Opcode) {
        let (address, offset) = self.memory_address(argument, narrow_bytes(opcode));
        let builder = self.builder.ins();
        let value = match opcode {
            Opcode::Uload8 => builder.uload8(ty, flags(), address, offset),
            Opcode::Sload8 => builder.sload8(ty, flags(), address, offset),
            Opcode::Uload16 => builder.uload16(ty, flags(), address, offset),
            Opcode::Sload16 => builder.sload16(ty, flags(), address, offset),
            Opcode::Uload32 => builder.uload32(flags(), address, offset),
            Opcode::Sload32 => builder.sload32(flags(), address, offset),
            other => unreachable!("{other} is no extending load"),
        };
        self.push(value);
    }

    /// `t.store`: the whole value.
    pub fn store(&mut self, argument: &MemArg, ty: Type) {
        let value = self.pop();
        let (address, offset) = self.memory_address(argument, ty.bytes().into());
        self.builder.ins().store(flags(), value, address, offset);
    }

    /// `t.storeN`: the low bits.
    pub fn store_narrow(&mut self, argument: &MemArg, opcode: Opcode) {
        let value = self.pop();
        let (address, offset) = self.memory_address(argument, narrow_bytes(opcode));
        let builder = self.builder.ins();
        match opcode {
            Opcode::Istore8 => builder.istore8(flags(), value, address, offset),
            Opcode::Istore16 => builder.istore16(flags(), value, address, offset),
            Opcode::Istore32 => builder.istore32(flags(), value, address, offset),
            other => unreachable!("{other} is no narrowing store"),
        };
    }

    pub fn memory_size(&mut self, memory: u32) {
        let bytes = self.memory_length(memory);
        let pages = self.builder.ins().ushr_imm_u(bytes, 16);
        let pages = self.builder.ins().ireduce(types::I32, pages);
        self.push(pages);
    }

    pub fn memory_grow(&mut self, memory: u32) {
        let delta = self.pop();
        let delta = self.builder.ins().uextend(types::I64, delta);
        let descriptor = self.env.address(&mut self.builder, Symbol::Memory(memory));
        let arguments = [descriptor, delta];
        let old = self
            .env
            .call_runtime(
                &mut self.builder,
                Runtime::MemoryGrow,
                &arguments,
                Some(types::I64),
            )
            .expect("it has a result");
        let old = self.builder.ins().ireduce(types::I32, old);
        self.push(old);
    }

    /// The host address of a range of memory, after checking that it is inside.
    pub fn memory_range(&mut self, memory: u32, start: Value, count: Value) -> Value {
        let length = self.memory_length(memory);
        let end = self.builder.ins().iadd(start, count);
        let inside = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedLessThanOrEqual, end, length);
        self.env
            .require(&mut self.builder, inside, Trap::MemoryOutOfBounds);
        let base = self.memory_base(memory);
        self.builder.ins().iadd(base, start)
    }

    /// An `i32` operand, zero-extended.
    pub fn pop_unsigned(&mut self) -> Value {
        let value = self.pop();
        self.builder.ins().uextend(types::I64, value)
    }

    pub fn memory_fill(&mut self, memory: u32) {
        let count = self.pop_unsigned();
        let value = self.pop();
        let start = self.pop_unsigned();
        let address = self.memory_range(memory, start, count);
        let arguments = [address, value, count];
        self.env.call_runtime(
            &mut self.builder,
            Runtime::Memset,
            &arguments,
            Some(types::I64),
        );
    }

    pub fn memory_copy(&mut self, to: u32, from: u32) {
        let count = self.pop_unsigned();
        let source = self.pop_unsigned();
        let destination = self.pop_unsigned();
        let source = self.memory_range(from, source, count);
        let destination = self.memory_range(to, destination, count);
        let arguments = [destination, source, count];
        self.env.call_runtime(
            &mut self.builder,
            Runtime::Memmove,
            &arguments,
            Some(types::I64),
        );
    }

    pub fn memory_init(&mut self, memory: u32, segment: u32) {
        let count = self.pop_unsigned();
        let source = self.pop_unsigned();
        let destination = self.pop_unsigned();
        let cell = self
            .env
            .address(&mut self.builder, Symbol::DataLength(segment));
        let length = self.builder.ins().load(types::I64, trusted(), cell, 0);
        let end = self.builder.ins().iadd(source, count);
        let inside = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedLessThanOrEqual, end, length);
        self.env
            .require(&mut self.builder, inside, Trap::MemoryOutOfBounds);
        let destination = self.memory_range(memory, destination, count);
        let bytes = self.env.address(&mut self.builder, Symbol::Data(segment));
        let source = self.builder.ins().iadd(bytes, source);
        let arguments = [destination, source, count];
        self.env.call_runtime(
            &mut self.builder,
            Runtime::Memcpy,
            &arguments,
            Some(types::I64),
        );
    }

    /// `data.drop` and `elem.drop`: the segment has no more contents.
    pub fn drop_segment(&mut self, length: Symbol) {
        let cell = self.env.address(&mut self.builder, length);
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.builder.ins().store(trusted(), zero, cell, 0);
    }
}

/// The memory that an access is to.
fn memory_of(argument: &MemArg) -> u32 {
    match argument.target {
        MemArgTarget::Memory(memory) => memory,
        MemArgTarget::Array(_) => unreachable!("validated without that feature"),
    }
}

fn narrow_bytes(opcode: Opcode) -> u64 {
    match opcode {
        Opcode::Uload8 | Opcode::Sload8 | Opcode::Istore8 => 1,
        Opcode::Uload16 | Opcode::Sload16 | Opcode::Istore16 => 2,
        _ => 4,
    }
}
