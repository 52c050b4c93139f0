// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `memory.copy` and `memory.fill` of a small constant length: by loads and stores.
//!
//! Everything is loaded before anything is stored, so ranges may overlap. Where a guard catches
//! accesses outside, the last bytes are accessed first: what is accessible begins at byte 0, so if
//! they are inside, all are, and if not, nothing has been written.

use super::Translator;
use super::memory::memory_of;
use crate::isa;
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Type, Value, ValueDef, types};
use wasmparser::{MemArg, MemArgTarget};

/// The most bytes: four vectors, or as many words.
const MAX_VECTORS: u64 = 64;
const MAX_WORDS: u64 = 32;

impl Translator<'_, '_> {
    /// The length of a bulk operation, where it is constant and small enough for this.
    pub fn small_length(&self, count: Value) -> Option<u64> {
        let most = match isa::missing_for_vectors(self.env.isa) {
            None => MAX_VECTORS,
            Some(_) => MAX_WORDS,
        };
        self.constant_value(count)
            .filter(|count| (1..=most).contains(count))
    }

    /// The number that a value is.
    pub fn constant_value(&self, value: Value) -> Option<u64> {
        match self.instruction(value)? {
            InstructionData::UnaryImm {
                opcode: Opcode::Iconst,
                imm,
            } => Some(imm.bits() as u64),
            _ => None,
        }
    }

    /// What makes a value.
    pub fn instruction(&self, value: Value) -> Option<&InstructionData> {
        let dfg = &self.builder.func.dfg;
        match dfg.value_def(value) {
            ValueDef::Result(instruction, 0) => Some(&dfg.insts[instruction]),
            _ => None,
        }
    }

    /// Copies so many bytes; the indices are zero-extended.
    pub fn copy_small(&mut self, to: (u32, Value), from: (u32, Value), count: u64) {
        self.check_small(from, count);
        self.check_small(to, count);
        let pieces = self.pieces(count);
        let load = |this: &mut Self, &(ty, offset): &(Type, u64)| {
            let (address, displacement) = this.piece(from, ty, offset);
            let flags = this.memory_flags();
            let value = this.builder.ins().load(ty, flags, address, displacement);
            (ty, offset, value)
        };
        let values: Vec<_> = pieces.iter().map(|piece| load(self, piece)).collect();
        for (ty, offset, value) in values {
            let (address, displacement) = self.piece(to, ty, offset);
            let flags = self.memory_flags();
            self.builder
                .ins()
                .store(flags, value, address, displacement);
        }
    }

    /// Fills so many bytes with the lowest of an `i32`.
    pub fn fill_small(&mut self, to: (u32, Value), byte: Value, count: u64) {
        self.check_small(to, count);
        for (ty, offset) in self.pieces(count) {
            let value = self.repeated(byte, ty);
            let (address, displacement) = self.piece(to, ty, offset);
            let flags = self.memory_flags();
            self.builder
                .ins()
                .store(flags, value, address, displacement);
        }
    }

    /// A value of this type whose bytes are all the lowest of an `i32`.
    fn repeated(&mut self, byte: Value, ty: Type) -> Value {
        let narrow = self.builder.ins().ireduce(types::I8, byte);
        if ty.is_vector() {
            return self.builder.ins().splat(ty, narrow);
        }
        if ty == types::I8 {
            return narrow;
        }
        let wide = self.builder.ins().uextend(types::I64, narrow);
        let ones = self.builder.ins().iconst(types::I64, 0x0101_0101_0101_0101);
        let all = self.builder.ins().imul(wide, ones);
        match ty {
            types::I64 => all,
            _ => self.builder.ins().ireduce(ty, all),
        }
    }

    /// Traps unless the range is inside, where no guard does.
    fn check_small(&mut self, (memory, index): (u32, Value), count: u64) {
        if !self.memory_plan(memory).guarded {
            self.check_access(&argument(memory, 0), index, count);
        }
    }

    fn piece(&mut self, (memory, index): (u32, Value), ty: Type, offset: u64) -> (Value, i32) {
        let argument = argument(memory, offset);
        debug_assert_eq!(memory_of(&argument), memory);
        self.address_of(&argument, index, ty.bytes().into())
    }

    /// Accesses that cover so many bytes, the last bytes first. The last one and the one before it
    /// may overlap.
    fn pieces(&self, count: u64) -> Vec<(Type, u64)> {
        let vectors = isa::missing_for_vectors(self.env.isa).is_none();
        let sizes = [types::I8X16, types::I64, types::I32, types::I16, types::I8];
        let fits = |ty: &Type| u64::from(ty.bytes()) <= count && (vectors || !ty.is_vector());
        let ty = sizes.into_iter().find(fits).expect("there is a byte");
        let size = u64::from(ty.bytes());
        let mut pieces = vec![(ty, count - size)];
        let whole = (0..(count - 1) / size).map(|number| (ty, number * size));
        pieces.extend(whole);
        pieces
    }
}

/// An access at a static offset.
fn argument(memory: u32, offset: u64) -> MemArg {
    MemArg {
        align: 0,
        max_align: 0,
        ordering: None,
        offset,
        target: MemArgTarget::Memory(memory),
    }
}
