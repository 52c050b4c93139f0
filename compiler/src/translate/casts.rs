// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which type a reference has at run time: by the number of its type where that has no supertypes,
//! else by the display in its type's descriptor.

use super::Translator;
use super::env::trusted;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types};
use wasm_aot_object::descriptor::{
    self, FUNCREF_DESCRIPTOR_OFFSET, FUNCREF_EXTENDED, FUNCREF_INDEX_OFFSET, MIN_DISPLAY,
};

impl Translator<'_, '_> {
    /// `condition ? value() : 0`, as an `i8`: `value` is made where the condition holds.
    pub fn and_then(&mut self, condition: Value, value: impl FnOnce(&mut Self) -> Value) -> Value {
        let (then, done) = (self.builder.create_block(), self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I8);
        let no = self.builder.ins().iconst(types::I8, 0);
        self.builder
            .ins()
            .brif(condition, then, &[], done, &[BlockArg::from(no)]);
        self.builder.seal_block(then);
        self.builder.switch_to_block(then);
        let value = value(self);
        self.builder.ins().jump(done, &[BlockArg::from(value)]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        result
    }

    /// `condition ? 1 : value()`, as an `i8`.
    pub fn or_else(&mut self, condition: Value, value: impl FnOnce(&mut Self) -> Value) -> Value {
        let (otherwise, done) = (self.builder.create_block(), self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I8);
        let yes = self.builder.ins().iconst(types::I8, 1);
        self.builder
            .ins()
            .brif(condition, done, &[BlockArg::from(yes)], otherwise, &[]);
        self.builder.seal_block(otherwise);
        self.builder.switch_to_block(otherwise);
        let value = value(self);
        self.builder.ins().jump(done, &[BlockArg::from(value)]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        result
    }

    /// Whether the type with this descriptor is `ty` (an index in the plan) or a subtype of it.
    pub fn is_described(&mut self, descriptor: Value, ty: u32) -> Value {
        let plan = &self.env.plan.types[ty as usize];
        let (id, depth) = (i64::from(plan.id), plan.depth);
        let check = move |this: &mut Self| {
            let offset = descriptor::TYPE_DISPLAY_OFFSET + depth as i32 * 4;
            let found = this
                .builder
                .ins()
                .load(types::I32, trusted(), descriptor, offset);
            this.builder.ins().icmp_imm_u(IntCC::Equal, found, id)
        };
        if depth < MIN_DISPLAY {
            return check(self);
        }
        let offset = descriptor::TYPE_DISPLAY_LENGTH_OFFSET;
        let length = self
            .builder
            .ins()
            .load(types::I32, trusted(), descriptor, offset);
        let deep = IntCC::UnsignedGreaterThan;
        let deep = self
            .builder
            .ins()
            .icmp_imm_u(deep, length, i64::from(depth));
        self.and_then(deep, check)
    }

    /// Whether the function of a reference, whose type's number has been read, has type `ty` or a
    /// subtype of it.
    pub fn is_function_of(&mut self, reference: Value, id: Value, ty: u32) -> Value {
        let plan = &self.env.plan.types[ty as usize];
        let expected = i64::from(plan.id);
        let is_final = plan.is_final;
        let same = self.builder.ins().icmp_imm_u(IntCC::Equal, id, expected);
        if is_final {
            return same;
        }
        self.or_else(same, |this| {
            let index =
                this.builder
                    .ins()
                    .load(types::I32, trusted(), reference, FUNCREF_INDEX_OFFSET);
            let extended = this
                .builder
                .ins()
                .band_imm_u(index, i64::from(FUNCREF_EXTENDED));
            this.and_then(extended, |this| {
                let offset = FUNCREF_DESCRIPTOR_OFFSET;
                let descriptor = this
                    .builder
                    .ins()
                    .load(types::I64, trusted(), reference, offset);
                this.and_then(descriptor, |this| this.is_described(descriptor, ty))
            })
        })
    }
}
