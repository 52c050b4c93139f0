// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Lanes that are floating-point numbers, and conversions from and to them.

use super::Translator;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, F64X2, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use wasmparser::Operator;

impl Translator<'_, '_> {
    pub(super) fn vector_float_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::F32x4Add => self.vector2(F32X4, |b, x, y| b.fadd(x, y)),
            O::F64x2Add => self.vector2(F64X2, |b, x, y| b.fadd(x, y)),
            O::F32x4Sub => self.vector2(F32X4, |b, x, y| b.fsub(x, y)),
            O::F64x2Sub => self.vector2(F64X2, |b, x, y| b.fsub(x, y)),
            O::F32x4Mul => self.vector2(F32X4, |b, x, y| b.fmul(x, y)),
            O::F64x2Mul => self.vector2(F64X2, |b, x, y| b.fmul(x, y)),
            O::F32x4Div => self.vector2(F32X4, |b, x, y| b.fdiv(x, y)),
            O::F64x2Div => self.vector2(F64X2, |b, x, y| b.fdiv(x, y)),
            O::F32x4Min => self.vector2(F32X4, |b, x, y| b.fmin(x, y)),
            O::F64x2Min => self.vector2(F64X2, |b, x, y| b.fmin(x, y)),
            O::F32x4Max => self.vector2(F32X4, |b, x, y| b.fmax(x, y)),
            O::F64x2Max => self.vector2(F64X2, |b, x, y| b.fmax(x, y)),
            O::F32x4PMin => self.pseudo_minimum(F32X4),
            O::F64x2PMin => self.pseudo_minimum(F64X2),
            O::F32x4PMax => self.pseudo_maximum(F32X4),
            O::F64x2PMax => self.pseudo_maximum(F64X2),
            O::F32x4Abs => self.vector1(F32X4, |b, x| b.fabs(x)),
            O::F64x2Abs => self.vector1(F64X2, |b, x| b.fabs(x)),
            O::F32x4Neg => self.vector1(F32X4, |b, x| b.fneg(x)),
            O::F64x2Neg => self.vector1(F64X2, |b, x| b.fneg(x)),
            O::F32x4Sqrt => self.vector1(F32X4, |b, x| b.sqrt(x)),
            O::F64x2Sqrt => self.vector1(F64X2, |b, x| b.sqrt(x)),
            O::F32x4Ceil => self.vector1(F32X4, |b, x| b.ceil(x)),
            O::F64x2Ceil => self.vector1(F64X2, |b, x| b.ceil(x)),
            O::F32x4Floor => self.vector1(F32X4, |b, x| b.floor(x)),
            O::F64x2Floor => self.vector1(F64X2, |b, x| b.floor(x)),
            O::F32x4Trunc => self.vector1(F32X4, |b, x| b.trunc(x)),
            O::F64x2Trunc => self.vector1(F64X2, |b, x| b.trunc(x)),
            O::F32x4Nearest => self.vector1(F32X4, |b, x| b.nearest(x)),
            O::F64x2Nearest => self.vector1(F64X2, |b, x| b.nearest(x)),
            _ => return self.vector_float_comparison(operator),
        }
        true
    }

    /// `b < a ? b : a`, in the order of operands that the code generator knows.
    pub(super) fn pseudo_minimum(&mut self, ty: Type) {
        let b = self.pop_vector(ty);
        let a = self.pop_vector(ty);
        let less = self.builder.ins().fcmp(FloatCC::LessThan, b, a);
        self.choose(ty, less, b, a);
    }

    /// `a < b ? b : a`.
    pub(super) fn pseudo_maximum(&mut self, ty: Type) {
        let b = self.pop_vector(ty);
        let a = self.pop_vector(ty);
        let less = self.builder.ins().fcmp(FloatCC::LessThan, a, b);
        self.choose(ty, less, b, a);
    }

    fn choose(&mut self, ty: Type, condition: Value, yes: Value, no: Value) {
        let condition = self.as_vector(condition, ty);
        let value = self.builder.ins().bitselect(condition, yes, no);
        self.push_vector(value);
    }

    fn vector_float_comparison(&mut self, operator: &Operator<'_>) -> bool {
        use FloatCC as C;
        use Operator as O;
        let (ty, condition) = match operator {
            O::F32x4Eq => (F32X4, C::Equal),
            O::F64x2Eq => (F64X2, C::Equal),
            O::F32x4Ne => (F32X4, C::NotEqual),
            O::F64x2Ne => (F64X2, C::NotEqual),
            O::F32x4Lt => (F32X4, C::LessThan),
            O::F64x2Lt => (F64X2, C::LessThan),
            O::F32x4Gt => (F32X4, C::GreaterThan),
            O::F64x2Gt => (F64X2, C::GreaterThan),
            O::F32x4Le => (F32X4, C::LessThanOrEqual),
            O::F64x2Le => (F64X2, C::LessThanOrEqual),
            O::F32x4Ge => (F32X4, C::GreaterThanOrEqual),
            O::F64x2Ge => (F64X2, C::GreaterThanOrEqual),
            _ => return false,
        };
        self.vector2(ty, |b, x, y| b.fcmp(condition, x, y));
        true
    }

    pub(super) fn vector_conversion_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::F32x4ConvertI32x4S => self.vector1(I32X4, |b, x| b.fcvt_from_sint(F32X4, x)),
            O::F32x4ConvertI32x4U => self.vector1(I32X4, |b, x| b.fcvt_from_uint(F32X4, x)),
            O::F64x2ConvertLowI32x4S => {
                let a = self.pop_vector(I32X4);
                let wide = self.builder.ins().swiden_low(a);
                let value = self.builder.ins().fcvt_from_sint(F64X2, wide);
                self.push_vector(value);
            }
            O::F64x2ConvertLowI32x4U => {
                let a = self.pop_vector(I32X4);
                let wide = self.builder.ins().uwiden_low(a);
                let value = self.builder.ins().fcvt_from_uint(F64X2, wide);
                self.push_vector(value);
            }
            O::F64x2PromoteLowF32x4 => self.vector1(F32X4, |b, x| b.fvpromote_low(x)),
            O::F32x4DemoteF64x2Zero => self.vector1(F64X2, |b, x| b.fvdemote(x)),
            O::I32x4TruncSatF32x4S => self.vector1(F32X4, |b, x| b.fcvt_to_sint_sat(I32X4, x)),
            O::I32x4TruncSatF32x4U => self.truncate_unsigned_f32(),
            O::I32x4TruncSatF64x2SZero => {
                let a = self.pop_vector(F64X2);
                let wide = self.builder.ins().fcvt_to_sint_sat(I64X2, a);
                self.narrow_with_zero(wide, |t, wide, zero| t.builder.ins().snarrow(wide, zero));
            }
            O::I32x4TruncSatF64x2UZero => self.truncate_unsigned_f64(),
            _ => return false,
        }
        true
    }

    pub(super) fn truncate_unsigned_f32(&mut self) {
        self.vector1(F32X4, |b, x| b.fcvt_to_uint_sat(I32X4, x));
    }

    pub(super) fn truncate_unsigned_f64(&mut self) {
        let a = self.pop_vector(F64X2);
        let wide = self.builder.ins().fcvt_to_uint_sat(I64X2, a);
        self.narrow_with_zero(wide, |t, wide, zero| t.builder.ins().uunarrow(wide, zero));
    }

    /// Two 64-bit lanes to the lower two of four, the upper ones 0.
    pub(super) fn narrow_with_zero(
        &mut self,
        wide: Value,
        narrow: impl FnOnce(&mut Self, Value, Value) -> Value,
    ) {
        let zero = self.vector_constant(I64X2, [0; 16]);
        let value = narrow(self, wide, zero);
        self.push_vector(value);
    }
}
