// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Lanes that are integers.

use super::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::Operator;

/// Which half of a vector is widened, and how: an instruction of one operand.
type Widen = fn(FuncInstBuilder<'_, '_>, Value) -> Value;

const LOW_S: Widen = |b, x| b.swiden_low(x);
const LOW_U: Widen = |b, x| b.uwiden_low(x);
const HIGH_S: Widen = |b, x| b.swiden_high(x);
const HIGH_U: Widen = |b, x| b.uwiden_high(x);

impl Translator<'_, '_> {
    pub(super) fn vector_integer_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::I8x16Add => self.vector2(I8X16, |b, x, y| b.iadd(x, y)),
            O::I16x8Add => self.vector2(I16X8, |b, x, y| b.iadd(x, y)),
            O::I32x4Add => self.vector2(I32X4, |b, x, y| b.iadd(x, y)),
            O::I64x2Add => self.vector2(I64X2, |b, x, y| b.iadd(x, y)),
            O::I8x16Sub => self.vector2(I8X16, |b, x, y| b.isub(x, y)),
            O::I16x8Sub => self.vector2(I16X8, |b, x, y| b.isub(x, y)),
            O::I32x4Sub => self.vector2(I32X4, |b, x, y| b.isub(x, y)),
            O::I64x2Sub => self.vector2(I64X2, |b, x, y| b.isub(x, y)),
            O::I16x8Mul => self.vector2(I16X8, |b, x, y| b.imul(x, y)),
            O::I32x4Mul => self.vector2(I32X4, |b, x, y| b.imul(x, y)),
            O::I64x2Mul => self.vector2(I64X2, |b, x, y| b.imul(x, y)),
            O::I8x16AddSatS => self.vector2(I8X16, |b, x, y| b.sadd_sat(x, y)),
            O::I16x8AddSatS => self.vector2(I16X8, |b, x, y| b.sadd_sat(x, y)),
            O::I8x16AddSatU => self.vector2(I8X16, |b, x, y| b.uadd_sat(x, y)),
            O::I16x8AddSatU => self.vector2(I16X8, |b, x, y| b.uadd_sat(x, y)),
            O::I8x16SubSatS => self.vector2(I8X16, |b, x, y| b.ssub_sat(x, y)),
            O::I16x8SubSatS => self.vector2(I16X8, |b, x, y| b.ssub_sat(x, y)),
            O::I8x16SubSatU => self.vector2(I8X16, |b, x, y| b.usub_sat(x, y)),
            O::I16x8SubSatU => self.vector2(I16X8, |b, x, y| b.usub_sat(x, y)),
            O::I8x16MinS => self.vector2(I8X16, |b, x, y| b.smin(x, y)),
            O::I16x8MinS => self.vector2(I16X8, |b, x, y| b.smin(x, y)),
            O::I32x4MinS => self.vector2(I32X4, |b, x, y| b.smin(x, y)),
            O::I8x16MinU => self.vector2(I8X16, |b, x, y| b.umin(x, y)),
            O::I16x8MinU => self.vector2(I16X8, |b, x, y| b.umin(x, y)),
            O::I32x4MinU => self.vector2(I32X4, |b, x, y| b.umin(x, y)),
            O::I8x16MaxS => self.vector2(I8X16, |b, x, y| b.smax(x, y)),
            O::I16x8MaxS => self.vector2(I16X8, |b, x, y| b.smax(x, y)),
            O::I32x4MaxS => self.vector2(I32X4, |b, x, y| b.smax(x, y)),
            O::I8x16MaxU => self.vector2(I8X16, |b, x, y| b.umax(x, y)),
            O::I16x8MaxU => self.vector2(I16X8, |b, x, y| b.umax(x, y)),
            O::I32x4MaxU => self.vector2(I32X4, |b, x, y| b.umax(x, y)),
            O::I8x16AvgrU => self.vector2(I8X16, |b, x, y| b.avg_round(x, y)),
            O::I16x8AvgrU => self.vector2(I16X8, |b, x, y| b.avg_round(x, y)),
            O::I16x8Q15MulrSatS => self.vector2(I16X8, |b, x, y| b.sqmul_round_sat(x, y)),
            O::I8x16Neg => self.vector1(I8X16, |b, x| b.ineg(x)),
            O::I16x8Neg => self.vector1(I16X8, |b, x| b.ineg(x)),
            O::I32x4Neg => self.vector1(I32X4, |b, x| b.ineg(x)),
            O::I64x2Neg => self.vector1(I64X2, |b, x| b.ineg(x)),
            O::I8x16Abs => self.vector1(I8X16, |b, x| b.iabs(x)),
            O::I16x8Abs => self.vector1(I16X8, |b, x| b.iabs(x)),
            O::I32x4Abs => self.vector1(I32X4, |b, x| b.iabs(x)),
            O::I64x2Abs => self.vector1(I64X2, |b, x| b.iabs(x)),
            O::I8x16Popcnt => self.vector1(I8X16, |b, x| b.popcnt(x)),
            _ => return self.shift_operator(operator) || self.vector_comparison(operator),
        }
        true
    }

    /// A vector of a vector and an `i32`, of which the code generator, like the specification,
    /// takes the remainder by the width of a lane.
    fn shift(
        &mut self,
        ty: Type,
        make: impl FnOnce(FuncInstBuilder<'_, '_>, Value, Value) -> Value,
    ) {
        let amount = self.pop();
        let a = self.pop_vector(ty);
        let value = make(self.builder.ins(), a, amount);
        self.push_vector(value);
    }

    fn shift_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::I8x16Shl => self.shift(I8X16, |b, x, n| b.ishl(x, n)),
            O::I16x8Shl => self.shift(I16X8, |b, x, n| b.ishl(x, n)),
            O::I32x4Shl => self.shift(I32X4, |b, x, n| b.ishl(x, n)),
            O::I64x2Shl => self.shift(I64X2, |b, x, n| b.ishl(x, n)),
            O::I8x16ShrS => self.shift(I8X16, |b, x, n| b.sshr(x, n)),
            O::I16x8ShrS => self.shift(I16X8, |b, x, n| b.sshr(x, n)),
            O::I32x4ShrS => self.shift(I32X4, |b, x, n| b.sshr(x, n)),
            O::I64x2ShrS => self.shift(I64X2, |b, x, n| b.sshr(x, n)),
            O::I8x16ShrU => self.shift(I8X16, |b, x, n| b.ushr(x, n)),
            O::I16x8ShrU => self.shift(I16X8, |b, x, n| b.ushr(x, n)),
            O::I32x4ShrU => self.shift(I32X4, |b, x, n| b.ushr(x, n)),
            O::I64x2ShrU => self.shift(I64X2, |b, x, n| b.ushr(x, n)),
            _ => return false,
        }
        true
    }

    fn vector_comparison(&mut self, operator: &Operator<'_>) -> bool {
        use IntCC as C;
        use Operator as O;
        let (ty, condition) = match operator {
            O::I8x16Eq => (I8X16, C::Equal),
            O::I16x8Eq => (I16X8, C::Equal),
            O::I32x4Eq => (I32X4, C::Equal),
            O::I64x2Eq => (I64X2, C::Equal),
            O::I8x16Ne => (I8X16, C::NotEqual),
            O::I16x8Ne => (I16X8, C::NotEqual),
            O::I32x4Ne => (I32X4, C::NotEqual),
            O::I64x2Ne => (I64X2, C::NotEqual),
            O::I8x16LtS => (I8X16, C::SignedLessThan),
            O::I16x8LtS => (I16X8, C::SignedLessThan),
            O::I32x4LtS => (I32X4, C::SignedLessThan),
            O::I64x2LtS => (I64X2, C::SignedLessThan),
            O::I8x16LtU => (I8X16, C::UnsignedLessThan),
            O::I16x8LtU => (I16X8, C::UnsignedLessThan),
            O::I32x4LtU => (I32X4, C::UnsignedLessThan),
            O::I8x16GtS => (I8X16, C::SignedGreaterThan),
            O::I16x8GtS => (I16X8, C::SignedGreaterThan),
            O::I32x4GtS => (I32X4, C::SignedGreaterThan),
            O::I64x2GtS => (I64X2, C::SignedGreaterThan),
            O::I8x16GtU => (I8X16, C::UnsignedGreaterThan),
            O::I16x8GtU => (I16X8, C::UnsignedGreaterThan),
            O::I32x4GtU => (I32X4, C::UnsignedGreaterThan),
            O::I8x16LeS => (I8X16, C::SignedLessThanOrEqual),
            O::I16x8LeS => (I16X8, C::SignedLessThanOrEqual),
            O::I32x4LeS => (I32X4, C::SignedLessThanOrEqual),
            O::I64x2LeS => (I64X2, C::SignedLessThanOrEqual),
            O::I8x16LeU => (I8X16, C::UnsignedLessThanOrEqual),
            O::I16x8LeU => (I16X8, C::UnsignedLessThanOrEqual),
            O::I32x4LeU => (I32X4, C::UnsignedLessThanOrEqual),
            O::I8x16GeS => (I8X16, C::SignedGreaterThanOrEqual),
            O::I16x8GeS => (I16X8, C::SignedGreaterThanOrEqual),
            O::I32x4GeS => (I32X4, C::SignedGreaterThanOrEqual),
            O::I64x2GeS => (I64X2, C::SignedGreaterThanOrEqual),
            O::I8x16GeU => (I8X16, C::UnsignedGreaterThanOrEqual),
            O::I16x8GeU => (I16X8, C::UnsignedGreaterThanOrEqual),
            O::I32x4GeU => (I32X4, C::UnsignedGreaterThanOrEqual),
            _ => return false,
        };
        self.vector2(ty, |b, x, y| b.icmp(condition, x, y));
        true
    }

    /// Operators between lanes of one width and of half or double that width.
    pub(super) fn widening_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::I8x16NarrowI16x8S => self.vector2(I16X8, |b, x, y| b.snarrow(x, y)),
            O::I8x16NarrowI16x8U => self.vector2(I16X8, |b, x, y| b.unarrow(x, y)),
            O::I16x8NarrowI32x4S => self.vector2(I32X4, |b, x, y| b.snarrow(x, y)),
            O::I16x8NarrowI32x4U => self.vector2(I32X4, |b, x, y| b.unarrow(x, y)),
            O::I16x8ExtendLowI8x16S => self.vector1(I8X16, LOW_S),
            O::I16x8ExtendHighI8x16S => self.vector1(I8X16, HIGH_S),
            O::I16x8ExtendLowI8x16U => self.vector1(I8X16, LOW_U),
            O::I16x8ExtendHighI8x16U => self.vector1(I8X16, HIGH_U),
            O::I32x4ExtendLowI16x8S => self.vector1(I16X8, LOW_S),
            O::I32x4ExtendHighI16x8S => self.vector1(I16X8, HIGH_S),
            O::I32x4ExtendLowI16x8U => self.vector1(I16X8, LOW_U),
            O::I32x4ExtendHighI16x8U => self.vector1(I16X8, HIGH_U),
            O::I64x2ExtendLowI32x4S => self.vector1(I32X4, LOW_S),
            O::I64x2ExtendHighI32x4S => self.vector1(I32X4, HIGH_S),
            O::I64x2ExtendLowI32x4U => self.vector1(I32X4, LOW_U),
            O::I64x2ExtendHighI32x4U => self.vector1(I32X4, HIGH_U),
            O::I16x8ExtMulLowI8x16S => self.multiply_widened(I8X16, LOW_S),
            O::I16x8ExtMulHighI8x16S => self.multiply_widened(I8X16, HIGH_S),
            O::I16x8ExtMulLowI8x16U => self.multiply_widened(I8X16, LOW_U),
            O::I16x8ExtMulHighI8x16U => self.multiply_widened(I8X16, HIGH_U),
            O::I32x4ExtMulLowI16x8S => self.multiply_widened(I16X8, LOW_S),
            O::I32x4ExtMulHighI16x8S => self.multiply_widened(I16X8, HIGH_S),
            O::I32x4ExtMulLowI16x8U => self.multiply_widened(I16X8, LOW_U),
            O::I32x4ExtMulHighI16x8U => self.multiply_widened(I16X8, HIGH_U),
            O::I64x2ExtMulLowI32x4S => self.multiply_widened(I32X4, LOW_S),
            O::I64x2ExtMulHighI32x4S => self.multiply_widened(I32X4, HIGH_S),
            O::I64x2ExtMulLowI32x4U => self.multiply_widened(I32X4, LOW_U),
            O::I64x2ExtMulHighI32x4U => self.multiply_widened(I32X4, HIGH_U),
            O::I16x8ExtAddPairwiseI8x16S => self.add_widened_pairs(I8X16, LOW_S, HIGH_S),
            O::I16x8ExtAddPairwiseI8x16U => self.add_widened_pairs(I8X16, LOW_U, HIGH_U),
            O::I32x4ExtAddPairwiseI16x8S => self.add_widened_pairs(I16X8, LOW_S, HIGH_S),
            O::I32x4ExtAddPairwiseI16x8U => self.add_widened_pairs(I16X8, LOW_U, HIGH_U),
            O::I32x4DotI16x8S => {
                let b = self.pop_vector(I16X8);
                let a = self.pop_vector(I16X8);
                let value = self.dot(a, b);
                self.push_vector(value);
            }
            _ => return false,
        }
        true
    }

    fn multiply_widened(&mut self, ty: Type, widen: Widen) {
        let b = self.pop_vector(ty);
        let a = self.pop_vector(ty);
        let a = widen(self.builder.ins(), a);
        let b = widen(self.builder.ins(), b);
        let value = self.builder.ins().imul(a, b);
        self.push_vector(value);
    }

    fn add_widened_pairs(&mut self, ty: Type, low: Widen, high: Widen) {
        let a = self.pop_vector(ty);
        let value = self.widened_pairs(a, low, high);
        self.push_vector(value);
    }

    fn widened_pairs(&mut self, a: Value, low: Widen, high: Widen) -> Value {
        let low = low(self.builder.ins(), a);
        let high = high(self.builder.ins(), a);
        self.builder.ins().iadd_pairwise(low, high)
    }

    /// Sums of neighbouring lanes, in lanes of double the width; signed.
    pub(super) fn signed_pairs(&mut self, a: Value) -> Value {
        self.widened_pairs(a, LOW_S, HIGH_S)
    }

    /// Sums of the products of neighbouring lanes, in lanes of double the width, wrapping; signed.
    pub(super) fn dot(&mut self, a: Value, b: Value) -> Value {
        let half = |translator: &mut Self, widen: Widen| {
            let a = widen(translator.builder.ins(), a);
            let b = widen(translator.builder.ins(), b);
            translator.builder.ins().imul(a, b)
        };
        let low = half(self, LOW_S);
        let high = half(self, HIGH_S);
        self.builder.ins().iadd_pairwise(low, high)
    }
}
