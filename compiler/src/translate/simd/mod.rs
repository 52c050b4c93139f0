// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Vectors (core specification, "Vector Instructions").
//!
//! A `v128` has no lanes of its own; an instruction says how it divides its operands. Cranelift's
//! types do have lanes. On the operand stack, in locals, blocks and calls every vector is an
//! [`I8X16`]; each operator sees its operands, and leaves its results, as the type it needs, by
//! bitcasts that cost nothing ([`Translator::pop_vector`], [`Translator::push_vector`]).
//!
//! - this file: constants, bitwise operators, lanes;
//! - [`integer`], [`float`]: arithmetic and conversions;
//! - [`memory`]: loads and stores;
//! - [`relaxed`]: the operators whose results the processor may choose.

mod float;
mod integer;
mod memory;
mod relaxed;

use super::Translator;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32, I32X4, I64X2};
use cranelift_codegen::ir::{
    ConstantData, Endianness, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value,
    ValueDef,
};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::Operator;

/// How a vector becomes another type: lane 0 is the lowest bytes.
fn little() -> MemFlagsData {
    MemFlagsData::new().with_endianness(Endianness::Little)
}

impl Translator<'_, '_> {
    /// Translates a vector operator; `false` where it is none.
    pub fn simd_operator(&mut self, operator: &Operator<'_>) -> bool {
        self.vector_memory_operator(operator)
            || self.bitwise_operator(operator)
            || self.lane_operator(operator)
            || self.vector_integer_operator(operator)
            || self.widening_operator(operator)
            || self.vector_float_operator(operator)
            || self.vector_conversion_operator(operator)
            || self.relaxed_operator(operator)
    }

    /// The top operand, with its bits as a vector of this type.
    fn pop_vector(&mut self, ty: Type) -> Value {
        let value = self.pop();
        self.as_vector(value, ty)
    }

    /// A vector's bits as a vector of another type. What is itself a cast from that type is
    /// undone, so that patterns over several operators stay visible to the code generator.
    fn as_vector(&mut self, value: Value, ty: Type) -> Value {
        let dfg = &self.builder.func.dfg;
        if dfg.value_type(value) == ty {
            return value;
        }
        if let ValueDef::Result(inst, 0) = dfg.value_def(value)
            && let InstructionData::LoadNoOffset {
                opcode: Opcode::Bitcast,
                arg,
                ..
            } = dfg.insts[inst]
            && dfg.value_type(arg) == ty
        {
            return arg;
        }
        self.builder.ins().bitcast(ty, little(), value)
    }

    /// Pushes a vector of any type.
    fn push_vector(&mut self, value: Value) {
        let value = self.as_vector(value, I8X16);
        self.push(value);
    }

    /// A vector with these bytes.
    pub fn vector_constant(&mut self, ty: Type, bytes: [u8; 16]) -> Value {
        let constant = self
            .builder
            .func
            .dfg
            .constants
            .insert(ConstantData::from(&bytes[..]));
        self.builder.ins().vconst(ty, constant)
    }

    /// A vector of one vector.
    fn vector1(&mut self, ty: Type, make: impl FnOnce(FuncInstBuilder<'_, '_>, Value) -> Value) {
        let a = self.pop_vector(ty);
        let value = make(self.builder.ins(), a);
        self.push_vector(value);
    }

    /// A vector of two vectors.
    fn vector2(
        &mut self,
        ty: Type,
        make: impl FnOnce(FuncInstBuilder<'_, '_>, Value, Value) -> Value,
    ) {
        let b = self.pop_vector(ty);
        let a = self.pop_vector(ty);
        let value = make(self.builder.ins(), a, b);
        self.push_vector(value);
    }

    /// Three vectors, the lowest first.
    fn pop_vectors(&mut self, ty: Type) -> (Value, Value, Value) {
        let c = self.pop_vector(ty);
        let b = self.pop_vector(ty);
        let a = self.pop_vector(ty);
        (a, b, c)
    }

    /// An `i32` that says something about a vector, from a narrower number.
    fn test(&mut self, ty: Type, make: impl FnOnce(FuncInstBuilder<'_, '_>, Value) -> Value) {
        let a = self.pop_vector(ty);
        let bit = make(self.builder.ins(), a);
        let value = self.builder.ins().uextend(I32, bit);
        self.push(value);
    }

    fn bitwise_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::V128Const { value } => {
                let value = self.vector_constant(I8X16, *value.bytes());
                self.push(value);
            }
            O::V128Not => self.vector1(I8X16, |b, x| b.bnot(x)),
            O::V128And => self.vector2(I8X16, |b, x, y| b.band(x, y)),
            O::V128AndNot => self.vector2(I8X16, |b, x, y| b.band_not(x, y)),
            O::V128Or => self.vector2(I8X16, |b, x, y| b.bor(x, y)),
            O::V128Xor => self.vector2(I8X16, |b, x, y| b.bxor(x, y)),
            O::V128Bitselect => {
                let (a, b, mask) = self.pop_vectors(I8X16);
                let value = self.builder.ins().bitselect(mask, a, b);
                self.push(value);
            }
            O::V128AnyTrue => self.test(I8X16, |b, x| b.vany_true(x)),
            O::I8x16AllTrue => self.test(I8X16, |b, x| b.vall_true(x)),
            O::I16x8AllTrue => self.test(I16X8, |b, x| b.vall_true(x)),
            O::I32x4AllTrue => self.test(I32X4, |b, x| b.vall_true(x)),
            O::I64x2AllTrue => self.test(I64X2, |b, x| b.vall_true(x)),
            O::I8x16Bitmask => self.bitmask(I8X16),
            O::I16x8Bitmask => self.bitmask(I16X8),
            O::I32x4Bitmask => self.bitmask(I32X4),
            O::I64x2Bitmask => self.bitmask(I64X2),
            _ => return false,
        }
        true
    }

    /// The highest bit of each lane.
    fn bitmask(&mut self, ty: Type) {
        let a = self.pop_vector(ty);
        let value = self.builder.ins().vhigh_bits(I32, a);
        self.push(value);
    }

    fn lane_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match *operator {
            O::I8x16Splat => self.splat(I8X16),
            O::I16x8Splat => self.splat(I16X8),
            O::I32x4Splat => self.splat(I32X4),
            O::I64x2Splat => self.splat(I64X2),
            O::F32x4Splat => self.splat(F32X4),
            O::F64x2Splat => self.splat(F64X2),
            O::I8x16ExtractLaneS { lane } => {
                let value = self.extract(I8X16, lane);
                let value = self.builder.ins().sextend(I32, value);
                self.push(value);
            }
            O::I8x16ExtractLaneU { lane } => {
                let value = self.extract(I8X16, lane);
                let value = self.builder.ins().uextend(I32, value);
                self.push(value);
            }
            O::I16x8ExtractLaneS { lane } => {
                let value = self.extract(I16X8, lane);
                let value = self.builder.ins().sextend(I32, value);
                self.push(value);
            }
            O::I16x8ExtractLaneU { lane } => {
                let value = self.extract(I16X8, lane);
                let value = self.builder.ins().uextend(I32, value);
                self.push(value);
            }
            O::I32x4ExtractLane { lane } => self.extract_whole(I32X4, lane),
            O::I64x2ExtractLane { lane } => self.extract_whole(I64X2, lane),
            O::F32x4ExtractLane { lane } => self.extract_whole(F32X4, lane),
            O::F64x2ExtractLane { lane } => self.extract_whole(F64X2, lane),
            O::I8x16ReplaceLane { lane } => self.replace(I8X16, lane),
            O::I16x8ReplaceLane { lane } => self.replace(I16X8, lane),
            O::I32x4ReplaceLane { lane } => self.replace(I32X4, lane),
            O::I64x2ReplaceLane { lane } => self.replace(I64X2, lane),
            O::F32x4ReplaceLane { lane } => self.replace(F32X4, lane),
            O::F64x2ReplaceLane { lane } => self.replace(F64X2, lane),
            O::I8x16Shuffle { lanes } => {
                let dfg = &mut self.builder.func.dfg;
                let lanes = dfg.immediates.push(ConstantData::from(&lanes[..]));
                self.vector2(I8X16, |b, x, y| b.shuffle(x, y, lanes));
            }
            O::I8x16Swizzle => self.vector2(I8X16, |b, x, y| b.swizzle(x, y)),
            _ => return false,
        }
        true
    }

    /// The top operand as a lane: its low bits where lanes are narrower than `i32`.
    fn pop_lane(&mut self, ty: Type) -> Value {
        let value = self.pop();
        let lane = ty.lane_type();
        if lane.bits() < 32 {
            self.builder.ins().ireduce(lane, value)
        } else {
            value
        }
    }

    fn splat(&mut self, ty: Type) {
        let lane = self.pop_lane(ty);
        let value = self.builder.ins().splat(ty, lane);
        self.push_vector(value);
    }

    fn extract(&mut self, ty: Type, lane: u8) -> Value {
        let a = self.pop_vector(ty);
        self.builder.ins().extractlane(a, lane)
    }

    fn extract_whole(&mut self, ty: Type, lane: u8) {
        let value = self.extract(ty, lane);
        self.push(value);
    }

    fn replace(&mut self, ty: Type, lane: u8) {
        let value = self.pop_lane(ty);
        let a = self.pop_vector(ty);
        let value = self.builder.ins().insertlane(a, value, lane);
        self.push_vector(value);
    }
}
