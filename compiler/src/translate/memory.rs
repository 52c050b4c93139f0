// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Linear memory: addresses and bounds, loads and stores, bulk operations.
//!
//! With guards and a constant base an access is one instruction: the base is part of the
//! displacement, the index is zero-extended, and what lies outside faults. Where guards cannot
//! hold a memory ([`MemoryPlan::guarded`]) the end of the access is compared with the memory's
//! length first. "Why an access cannot leave its memory" in `docs/object-format.md` has the
//! argument for each case; whoever changes this file changes that too.

use super::Translator;
use super::env::{trap_code, trusted};
use crate::plan::{Base, MemoryPlan, Symbol};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AliasRegionData, Endianness, InstBuilder, MemFlagsData, Opcode, Type, Value, types,
};
use wasm_aot_object::{Machine, descriptor, table::NO_WASM_OFFSET};
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::{MemArg, MemArgTarget};

const _: () = assert!(NO_WASM_OFFSET == u32::MAX, "the default source location");

/// The alias region of all linear memories (two of them may be the same one, imported twice).
/// The instance's own data has none: no access to a memory changes it.
pub const MEMORIES: u32 = 1;

/// What of base and static offset goes into the instruction.
pub enum Displacement {
    /// Both, where the sum fits.
    WithBase,
    /// The offset; the base is added in a register, in the same instruction where that has room
    /// for it, or once for all accesses by the same index.
    Beside(i32),
    /// Neither: their sum is added.
    None,
}

/// Where an access of so many bytes at this static offset has its constants.
pub fn displacement(machine: Machine, offset: u64, size: u64) -> Displacement {
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
    /// Accesses to linear memory: little-endian, of any alignment, trapping.
    pub fn memory_flags(&mut self) -> MemFlagsData {
        let region = self.builder.func.dfg.alias_regions.insert(AliasRegionData {
            user_id: MEMORIES,
            description: "linear memories".into(),
        });
        MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_alias_region(Some(region))
            .with_trap_code(Some(trap_code(Trap::MemoryOutOfBounds)))
    }

    pub fn memory_plan(&self, memory: u32) -> &MemoryPlan {
        &self.env.plan.memories[memory as usize]
    }

    /// The memory's length in bytes, now. Of a shared memory it may be one that another thread
    /// has just outgrown: lengths only grow, so whoever relies on it stays inside.
    pub fn memory_length(&mut self, memory: u32) -> Value {
        match self.memory_plan(memory).fixed_length {
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
        match self.memory_plan(memory).base {
            Base::Constant(base) => self.builder.ins().iconst(types::I64, base as i64),
            Base::Symbol => self
                .env
                .address(&mut self.builder, Symbol::MemoryBase(memory)),
        }
    }

    /// An operand of 64 bits, or of 32 that are zero-extended: an index, or a number of pages,
    /// bytes or elements.
    pub fn pop_index(&mut self, index64: bool) -> Value {
        if index64 {
            self.pop()
        } else {
            self.pop_unsigned()
        }
    }

    /// Pushes a size or old size in pages or elements; -1 is -1 in either type.
    pub fn push_index(&mut self, value: Value, index64: bool) {
        let value = if index64 {
            value
        } else {
            self.builder.ins().ireduce(types::I32, value)
        };
        self.push(value);
    }

    /// Address and displacement of an access of so many bytes; the index is taken off the stack.
    pub fn memory_address(&mut self, argument: &MemArg, size: u64) -> (Value, i32) {
        let memory = memory_of(argument);
        let index = self.pop_index(self.memory_plan(memory).index64);
        if !self.memory_plan(memory).guarded {
            self.check_access(argument, index, size);
        }
        self.address_of(argument, index, size)
    }

    /// Address and displacement of an index that has been checked, or that a guard catches.
    pub fn address_of(&mut self, argument: &MemArg, index: Value, size: u64) -> (Value, i32) {
        let offset = argument.offset;
        let narrow = |sum: Option<u64>| sum.and_then(|sum| i32::try_from(sum).ok());
        match self.memory_plan(memory_of(argument)).base {
            Base::Constant(base) => {
                // An offset with which the sum wraps has trapped before.
                let sum = base.wrapping_add(offset);
                let (start, displacement) =
                    match displacement(self.env.plan.options.target, offset, size) {
                        Displacement::WithBase => match narrow(base.checked_add(offset)) {
                            Some(displacement) => return (index, displacement),
                            None => (sum, 0),
                        },
                        Displacement::Beside(displacement) => (base, displacement),
                        Displacement::None => (sum, 0),
                    };
                let start = self.builder.ins().iconst(types::I64, start as i64);
                (self.builder.ins().iadd(start, index), displacement)
            }
            Base::Symbol => {
                let base = self.memory_base(memory_of(argument));
                let address = self.builder.ins().iadd(base, index);
                match narrow(Some(offset)) {
                    Some(displacement) => (address, displacement),
                    None => {
                        let offset = self.builder.ins().iconst(types::I64, offset as i64);
                        (self.builder.ins().iadd(address, offset), 0)
                    }
                }
            }
        }
    }

    /// Traps unless the access is within the memory: `index + offset + size <= length` without
    /// wrapping. An index of 32 bits, an offset of 32 and a size do not wrap; of 64 bits the
    /// addition traps where it would.
    pub fn check_access(&mut self, argument: &MemArg, index: Value, size: u64) {
        let memory = memory_of(argument);
        let (index64, fixed) = {
            let plan = self.memory_plan(memory);
            (plan.index64, plan.fixed_length)
        };
        let trap = trap_code(Trap::MemoryOutOfBounds);
        let Some(past) = argument.offset.checked_add(size) else {
            self.trap_always();
            return;
        };
        let outside = match fixed {
            Some(length) if past > length => {
                self.trap_always();
                return;
            }
            Some(length) => {
                let last = self
                    .builder
                    .ins()
                    .iconst(types::I64, (length - past) as i64);
                self.builder
                    .ins()
                    .icmp(IntCC::UnsignedGreaterThan, index, last)
            }
            None => {
                let length = self.memory_length(memory);
                let past = self.builder.ins().iconst(types::I64, past as i64);
                let end = if index64 {
                    self.builder.ins().uadd_overflow_trap(index, past, trap)
                } else {
                    self.builder.ins().iadd(index, past)
                };
                self.builder
                    .ins()
                    .icmp(IntCC::UnsignedGreaterThan, end, length)
            }
        };
        self.builder.ins().trapnz(outside, trap);
    }

    /// An access that no index brings inside. What follows is translated all the same, and never
    /// executed.
    fn trap_always(&mut self) {
        let always = self.builder.ins().iconst(types::I8, 1);
        self.builder
            .ins()
            .trapnz(always, trap_code(Trap::MemoryOutOfBounds));
    }

    /// `t.load`: the whole value.
    pub fn load(&mut self, argument: &MemArg, ty: Type) {
        let (address, offset) = self.memory_address(argument, ty.bytes().into());
        let flags = self.memory_flags();
        let value = self.builder.ins().load(ty, flags, address, offset);
        self.push(value);
    }

    /// `t.loadN_sx`: a narrower value, extended.
    pub fn load_extended(&mut self, argument: &MemArg, ty: Type, opcode: Opcode) {
        let (address, offset) = self.memory_address(argument, extended_bytes(opcode));
        let flags = self.memory_flags();
        let builder = self.builder.ins();
        let value = match opcode {
            Opcode::Uload8 => builder.uload8(ty, flags, address, offset),
            Opcode::Sload8 => builder.sload8(ty, flags, address, offset),
            Opcode::Uload16 => builder.uload16(ty, flags, address, offset),
            Opcode::Sload16 => builder.sload16(ty, flags, address, offset),
            Opcode::Uload32 => builder.uload32(flags, address, offset),
            Opcode::Sload32 => builder.sload32(flags, address, offset),
            other => unreachable!("{other} is no extending load"),
        };
        self.push(value);
    }

    /// `t.store`: the whole value.
    pub fn store(&mut self, argument: &MemArg, ty: Type) {
        let value = self.pop();
        let (address, offset) = self.memory_address(argument, ty.bytes().into());
        let flags = self.memory_flags();
        self.builder.ins().store(flags, value, address, offset);
    }

    /// `t.storeN`: the low bits. (Stores of a narrower value: those of constants are instructions
    /// with an immediate, which `istoreN` are not.)
    pub fn store_narrow(&mut self, argument: &MemArg, narrow: Type) {
        let value = self.pop();
        let (address, offset) = self.memory_address(argument, narrow.bytes().into());
        let value = self.builder.ins().ireduce(narrow, value);
        let flags = self.memory_flags();
        self.builder.ins().store(flags, value, address, offset);
    }

    pub fn memory_size(&mut self, memory: u32) {
        let plan = self.memory_plan(memory);
        let (index64, shift) = (plan.index64, plan.page_size_log2);
        let bytes = if plan.shared && plan.fixed_length.is_none() {
            // Ordered after whatever other threads have done, their growth included.
            let descriptor = self.env.address(&mut self.builder, Symbol::Memory(memory));
            let offset = i64::from(descriptor::MEMORY_LENGTH_OFFSET);
            let cell = self.builder.ins().iadd_imm_u(descriptor, offset);
            self.builder
                .ins()
                .atomic_load(types::I64, MemFlagsData::trusted(), cell)
        } else {
            self.memory_length(memory)
        };
        let pages = self.builder.ins().ushr_imm_u(bytes, i64::from(shift));
        self.push_index(pages, index64);
    }

    pub fn memory_grow(&mut self, memory: u32) {
        let index64 = self.memory_plan(memory).index64;
        let delta = self.pop_index(index64);
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
        self.push_index(old, index64);
    }

    /// Start and length of a range whose end does not wrap: 32-bit operands cannot, 64-bit ones
    /// trap.
    pub fn range_end(&mut self, start: Value, count: Value, index64: bool, trap: Trap) -> Value {
        if index64 {
            let trap = trap_code(trap);
            self.builder.ins().uadd_overflow_trap(start, count, trap)
        } else {
            self.builder.ins().iadd(start, count)
        }
    }

    /// The host address of a range of memory, after checking that it is inside. `start` and
    /// `count` are of the memory's index type, zero-extended; `count` may be of a narrower one.
    pub fn memory_range(&mut self, memory: u32, start: Value, count: Value) -> Value {
        let index64 = self.memory_plan(memory).index64;
        let length = self.memory_length(memory);
        let end = self.range_end(start, count, index64, Trap::MemoryOutOfBounds);
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
        let index64 = self.memory_plan(memory).index64;
        let small = self.small_length(self.top_value());
        let count = self.pop_index(index64);
        let value = self.pop();
        let start = self.pop_index(index64);
        if let Some(count) = small {
            return self.fill_small((memory, start), value, count);
        }
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
        let from64 = self.memory_plan(from).index64;
        let to64 = self.memory_plan(to).index64;
        // The smaller of the two index types is that of the length.
        let small = self.small_length(self.top_value());
        let count = self.pop_index(from64 && to64);
        let source = self.pop_index(from64);
        let destination = self.pop_index(to64);
        if let Some(count) = small {
            return self.copy_small((to, destination), (from, source), count);
        }
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
        let destination = self.pop_index(self.memory_plan(memory).index64);
        self.segment_range(
            Symbol::DataLength(segment),
            source,
            count,
            Trap::MemoryOutOfBounds,
        );
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

    /// Traps unless a part of a segment (two zero-extended `i32`) is within what is left of it.
    pub fn segment_range(&mut self, length: Symbol, start: Value, count: Value, trap: Trap) {
        let cell = self.env.address(&mut self.builder, length);
        let length = self.builder.ins().load(types::I64, trusted(), cell, 0);
        let end = self.builder.ins().iadd(start, count);
        let inside = self
            .builder
            .ins()
            .icmp(IntCC::UnsignedLessThanOrEqual, end, length);
        self.env.require(&mut self.builder, inside, trap);
    }

    /// `data.drop` and `elem.drop`: the segment has no more contents.
    pub fn drop_segment(&mut self, length: Symbol) {
        let cell = self.env.address(&mut self.builder, length);
        let zero = self.builder.ins().iconst(types::I64, 0);
        self.builder.ins().store(trusted(), zero, cell, 0);
    }
}

/// The memory that an access is to.
pub fn memory_of(argument: &MemArg) -> u32 {
    match argument.target {
        MemArgTarget::Memory(memory) => memory,
        MemArgTarget::Array(_) => unreachable!("validated without that feature"),
    }
}

/// The bytes that an extending load reads.
pub fn extended_bytes(opcode: Opcode) -> u64 {
    match opcode {
        Opcode::Uload8 | Opcode::Sload8 => 1,
        Opcode::Uload16 | Opcode::Sload16 => 2,
        Opcode::Uload32 | Opcode::Sload32 => 4,
        // Half a vector.
        _ => 8,
    }
}
