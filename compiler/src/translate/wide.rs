// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Wide arithmetic: 128-bit sums, differences and products in pairs of `i64`, the low half first.

use super::Translator;
use cranelift_codegen::ir::types::I128;
use cranelift_codegen::ir::{InstBuilder, Value};
use wasmparser::Operator;

impl Translator<'_, '_> {
    /// Translates an operator of the wide-arithmetic proposal; `false` where it is none.
    pub fn wide_operator(&mut self, operator: &Operator<'_>) -> bool {
        let value = match operator {
            Operator::I64Add128 => {
                let (a, b) = self.pop_pairs();
                self.builder.ins().iadd(a, b)
            }
            Operator::I64Sub128 => {
                let (a, b) = self.pop_pairs();
                self.builder.ins().isub(a, b)
            }
            Operator::I64MulWideS => {
                let (b, a) = (self.pop(), self.pop());
                let a = self.builder.ins().sextend(I128, a);
                let b = self.builder.ins().sextend(I128, b);
                self.builder.ins().imul(a, b)
            }
            Operator::I64MulWideU => {
                let (b, a) = (self.pop(), self.pop());
                let a = self.builder.ins().uextend(I128, a);
                let b = self.builder.ins().uextend(I128, b);
                self.builder.ins().imul(a, b)
            }
            _ => return false,
        };
        let (low, high) = self.builder.ins().isplit(value);
        self.push(low);
        self.push(high);
        true
    }

    fn pop_pairs(&mut self) -> (Value, Value) {
        let (high, low) = (self.pop(), self.pop());
        let b = self.builder.ins().iconcat(low, high);
        let (high, low) = (self.pop(), self.pop());
        let a = self.builder.ins().iconcat(low, high);
        (a, b)
    }
}
