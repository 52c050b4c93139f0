// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Relaxed operators: of the results that the specification allows, the one that the processor
//! gives fastest. The choice is one for the whole object, made by the target and `--cpu`:
//!
//! | operator | x86-64 | others |
//! |---|---|---|
//! | `relaxed_swizzle` | `pshufb`: an index above 127 gives 0, else its low 4 bits | 0 for every index above 15 |
//! | `relaxed_trunc_*_s` | `cvttps2dq`, `cvttpd2dq`: 0x80000000 for what does not fit | saturating |
//! | `relaxed_trunc_*_u` | saturating | saturating |
//! | `relaxed_madd`, `nmadd` | fused with `has_fma`, else rounded twice | fused |
//! | `relaxed_laneselect` | by the highest bit of each lane | bit by bit |
//! | `relaxed_min`, `max` | `minps`: the first operand where they do not compare | as `min`, `max` |
//! | `relaxed_q15mulr_s` | `pmulhrsw`: -32768 * -32768 is -32768 | saturating |
//! | `relaxed_dot_i8x16_i7x16_s` | `pmaddubsw`: the second operand unsigned, sums saturate | signed, sums wrap |

use super::Translator;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use target_lexicon::Architecture;
use wasmparser::Operator;

impl Translator<'_, '_> {
    fn is_x86(&self) -> bool {
        self.env.isa.triple().architecture == Architecture::X86_64
    }

    pub(super) fn relaxed_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::I8x16RelaxedSwizzle if self.env.isa.has_x86_pshufb_lowering() => {
                self.vector2(I8X16, |b, x, y| b.x86_pshufb(x, y));
            }
            O::I8x16RelaxedSwizzle => self.vector2(I8X16, |b, x, y| b.swizzle(x, y)),
            O::I32x4RelaxedTruncF32x4S if self.is_x86() => {
                self.vector1(F32X4, |b, x| b.x86_cvtt2dq(I32X4, x));
            }
            O::I32x4RelaxedTruncF32x4S => {
                self.vector1(F32X4, |b, x| b.fcvt_to_sint_sat(I32X4, x));
            }
            O::I32x4RelaxedTruncF32x4U => self.truncate_unsigned_f32(),
            O::I32x4RelaxedTruncF64x2SZero => {
                let a = self.pop_vector(F64X2);
                let wide = match self.is_x86() {
                    true => self.builder.ins().x86_cvtt2dq(I64X2, a),
                    false => self.builder.ins().fcvt_to_sint_sat(I64X2, a),
                };
                self.narrow_with_zero(wide, |t, wide, zero| t.builder.ins().snarrow(wide, zero));
            }
            O::I32x4RelaxedTruncF64x2UZero => self.truncate_unsigned_f64(),
            O::F32x4RelaxedMadd => self.multiply_add(F32X4, false),
            O::F64x2RelaxedMadd => self.multiply_add(F64X2, false),
            O::F32x4RelaxedNmadd => self.multiply_add(F32X4, true),
            O::F64x2RelaxedNmadd => self.multiply_add(F64X2, true),
            O::I8x16RelaxedLaneselect => self.lane_select(I8X16),
            O::I16x8RelaxedLaneselect => self.lane_select(I16X8),
            O::I32x4RelaxedLaneselect => self.lane_select(I32X4),
            O::I64x2RelaxedLaneselect => self.lane_select(I64X2),
            O::F32x4RelaxedMin => self.relaxed_minimum(F32X4),
            O::F64x2RelaxedMin => self.relaxed_minimum(F64X2),
            O::F32x4RelaxedMax => self.relaxed_maximum(F32X4),
            O::F64x2RelaxedMax => self.relaxed_maximum(F64X2),
            O::I16x8RelaxedQ15mulrS if self.env.isa.has_x86_pmulhrsw_lowering() => {
                self.vector2(I16X8, |b, x, y| b.x86_pmulhrsw(x, y));
            }
            O::I16x8RelaxedQ15mulrS => self.vector2(I16X8, |b, x, y| b.sqmul_round_sat(x, y)),
            O::I16x8RelaxedDotI8x16I7x16S => {
                let value = self.relaxed_dot();
                self.push_vector(value);
            }
            O::I32x4RelaxedDotI8x16I7x16AddS => {
                let sum = self.pop_vector(I32X4);
                let products = self.relaxed_dot();
                let pairs = self.signed_pairs(products);
                let value = self.builder.ins().iadd(pairs, sum);
                self.push_vector(value);
            }
            _ => return false,
        }
        true
    }

    /// `a * b + c`, or `-(a * b) + c`.
    fn multiply_add(&mut self, ty: Type, negate: bool) {
        let (mut a, b, c) = self.pop_vectors(ty);
        if negate {
            a = self.builder.ins().fneg(a);
        }
        let value = if self.env.isa.has_native_fma() {
            self.builder.ins().fma(a, b, c)
        } else {
            let product = self.builder.ins().fmul(a, b);
            self.builder.ins().fadd(product, c)
        };
        self.push_vector(value);
    }

    fn lane_select(&mut self, ty: Type) {
        let (a, b, mask) = self.pop_vectors(ty);
        let value = if !self.env.isa.has_blendv_lowering(I8X16) {
            self.builder.ins().bitselect(mask, a, b)
        } else if self.env.isa.has_blendv_lowering(ty) {
            self.builder.ins().blendv(mask, a, b)
        } else {
            // There is no instruction for these lanes: the one for bytes, with the highest bit of
            // each lane spread over it, so that all types of lanes are selected alike.
            let last = i64::from(ty.lane_type().bits()) - 1;
            let spread = self.builder.ins().sshr_imm_u(mask, last);
            let operands = [spread, a, b].map(|value| self.as_vector(value, I8X16));
            let [spread, a, b] = operands;
            self.builder.ins().blendv(spread, a, b)
        };
        self.push_vector(value);
    }

    fn relaxed_minimum(&mut self, ty: Type) {
        match self.is_x86() {
            true => self.pseudo_minimum(ty),
            false => self.vector2(ty, |b, x, y| b.fmin(x, y)),
        }
    }

    fn relaxed_maximum(&mut self, ty: Type) {
        match self.is_x86() {
            true => self.pseudo_maximum(ty),
            false => self.vector2(ty, |b, x, y| b.fmax(x, y)),
        }
    }

    /// Sums of two products, in 16-bit lanes.
    fn relaxed_dot(&mut self) -> Value {
        let b = self.pop_vector(I8X16);
        let a = self.pop_vector(I8X16);
        if self.env.isa.has_x86_pmaddubsw_lowering() {
            self.builder.ins().x86_pmaddubsw(a, b)
        } else {
            self.dot(a, b)
        }
    }
}
