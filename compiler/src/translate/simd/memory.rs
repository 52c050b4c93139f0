// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Vectors from and to linear memory; addresses and bounds are those of every access.

use super::Translator;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Opcode, Type, Value};
use wasmparser::{MemArg, Operator};

/// Bytes that the widening loads read.
const HALF: u64 = 8;

impl Translator<'_, '_> {
    pub(super) fn vector_memory_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::V128Load { memarg } => self.load(memarg, I8X16),
            O::V128Store { memarg } => self.store(memarg, I8X16),
            O::V128Load8x8S { memarg } => self.load_widened(memarg, Opcode::Sload8x8),
            O::V128Load8x8U { memarg } => self.load_widened(memarg, Opcode::Uload8x8),
            O::V128Load16x4S { memarg } => self.load_widened(memarg, Opcode::Sload16x4),
            O::V128Load16x4U { memarg } => self.load_widened(memarg, Opcode::Uload16x4),
            O::V128Load32x2S { memarg } => self.load_widened(memarg, Opcode::Sload32x2),
            O::V128Load32x2U { memarg } => self.load_widened(memarg, Opcode::Uload32x2),
            O::V128Load8Splat { memarg } => self.load_splat(memarg, I8X16),
            O::V128Load16Splat { memarg } => self.load_splat(memarg, I16X8),
            O::V128Load32Splat { memarg } => self.load_splat(memarg, I32X4),
            O::V128Load64Splat { memarg } => self.load_splat(memarg, I64X2),
            O::V128Load32Zero { memarg } => self.load_zero(memarg, I32X4),
            O::V128Load64Zero { memarg } => self.load_zero(memarg, I64X2),
            O::V128Load8Lane { memarg, lane } => self.load_lane(memarg, I8X16, *lane),
            O::V128Load16Lane { memarg, lane } => self.load_lane(memarg, I16X8, *lane),
            O::V128Load32Lane { memarg, lane } => self.load_lane(memarg, I32X4, *lane),
            O::V128Load64Lane { memarg, lane } => self.load_lane(memarg, I64X2, *lane),
            O::V128Store8Lane { memarg, lane } => self.store_lane(memarg, I8X16, *lane),
            O::V128Store16Lane { memarg, lane } => self.store_lane(memarg, I16X8, *lane),
            O::V128Store32Lane { memarg, lane } => self.store_lane(memarg, I32X4, *lane),
            O::V128Store64Lane { memarg, lane } => self.store_lane(memarg, I64X2, *lane),
            _ => return false,
        }
        true
    }

    /// Eight bytes, each lane extended to double its width.
    fn load_widened(&mut self, argument: &MemArg, opcode: Opcode) {
        let (address, offset) = self.memory_address(argument, HALF);
        let flags = self.memory_flags();
        let builder = self.builder.ins();
        let value = match opcode {
            Opcode::Sload8x8 => builder.sload8x8(flags, address, offset),
            Opcode::Uload8x8 => builder.uload8x8(flags, address, offset),
            Opcode::Sload16x4 => builder.sload16x4(flags, address, offset),
            Opcode::Uload16x4 => builder.uload16x4(flags, address, offset),
            Opcode::Sload32x2 => builder.sload32x2(flags, address, offset),
            Opcode::Uload32x2 => builder.uload32x2(flags, address, offset),
            other => unreachable!("{other} is no widening load"),
        };
        self.push_vector(value);
    }

    /// One lane's worth of memory.
    fn load_one(&mut self, argument: &MemArg, ty: Type) -> Value {
        let lane = ty.lane_type();
        let (address, offset) = self.memory_address(argument, lane.bytes().into());
        let flags = self.memory_flags();
        self.builder.ins().load(lane, flags, address, offset)
    }

    fn load_splat(&mut self, argument: &MemArg, ty: Type) {
        let lane = self.load_one(argument, ty);
        let value = self.builder.ins().splat(ty, lane);
        self.push_vector(value);
    }

    fn load_zero(&mut self, argument: &MemArg, ty: Type) {
        let lane = self.load_one(argument, ty);
        let value = self.builder.ins().scalar_to_vector(ty, lane);
        self.push_vector(value);
    }

    fn load_lane(&mut self, argument: &MemArg, ty: Type, lane: u8) {
        let vector = self.pop_vector(ty);
        let value = self.load_one(argument, ty);
        let value = self.builder.ins().insertlane(vector, value, lane);
        self.push_vector(value);
    }

    fn store_lane(&mut self, argument: &MemArg, ty: Type, lane: u8) {
        let value = self.extract(ty, lane);
        let (address, offset) = self.memory_address(argument, ty.lane_type().bytes().into());
        let flags = self.memory_flags();
        self.builder.ins().store(flags, value, address, offset);
    }
}
