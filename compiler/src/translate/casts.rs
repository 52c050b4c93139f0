// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which type a reference has at run time: by the number of its type where that has no supertypes,
//! else by the display in its type's descriptor.

use super::Translator;
use super::env::trusted;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, Value, types};
use wasm_aot_object::descriptor::{
    self, FUNCREF_DESCRIPTOR_OFFSET, FUNCREF_EXTENDED, FUNCREF_INDEX_OFFSET, MIN_DISPLAY,
    object_kind,
};
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::{AbstractHeapType, HeapType, Operator};

/// The low bits by which references into the heap, `i31` and the host's words differ; see
/// ARCHITECTURE.md, "References".
const TAG_BITS: i64 = 3;
/// The low bits of a host's word.
const HOST_TAG: i64 = 2;

impl Translator<'_, '_> {
    pub fn cast_operator(&mut self, operator: &Operator<'_>) -> bool {
        match *operator {
            Operator::RefEq => {
                let (b, a) = (self.pop(), self.pop());
                let same = self.builder.ins().icmp(IntCC::Equal, a, b);
                self.push_truth(same);
            }
            Operator::RefTestNonNull { hty } => self.ref_test(hty, false),
            Operator::RefTestNullable { hty } => self.ref_test(hty, true),
            Operator::RefCastNonNull { hty } => self.ref_cast(hty, false),
            Operator::RefCastNullable { hty } => self.ref_cast(hty, true),
            Operator::BrOnCast {
                relative_depth,
                to_ref_type,
                ..
            } => {
                let is = self.top_has_type(to_ref_type.heap_type(), to_ref_type.is_nullable());
                self.branch_if(is, relative_depth);
            }
            Operator::BrOnCastFail {
                relative_depth,
                to_ref_type,
                ..
            } => {
                let is = self.top_has_type(to_ref_type.heap_type(), to_ref_type.is_nullable());
                let is_not = self.builder.ins().icmp_imm_u(IntCC::Equal, is, 0);
                self.branch_if(is_not, relative_depth);
            }
            Operator::RefAsNonNull => {
                let reference = self.top_value();
                self.env
                    .require(&mut self.builder, reference, Trap::NullReference);
            }
            Operator::BrOnNull { relative_depth } => {
                let reference = self.pop();
                let null = self.is_null(reference);
                self.branch_if(null, relative_depth);
                self.push(reference);
            }
            Operator::BrOnNonNull { relative_depth } => {
                let reference = self.top_value();
                self.branch_if(reference, relative_depth);
                self.pop();
            }
            _ => return false,
        }
        true
    }

    fn push_truth(&mut self, bit: Value) {
        let value = self.builder.ins().uextend(types::I32, bit);
        self.push(value);
    }

    fn ref_test(&mut self, heap: HeapType, nullable: bool) {
        let reference = self.pop();
        let is = self.has_type(reference, heap, nullable);
        self.push_truth(is);
    }

    fn ref_cast(&mut self, heap: HeapType, nullable: bool) {
        let is = self.top_has_type(heap, nullable);
        self.env.require(&mut self.builder, is, Trap::CastFailure);
    }

    /// Whether the topmost operand, which stays, has this type.
    fn top_has_type(&mut self, heap: HeapType, nullable: bool) -> Value {
        let reference = self.top_value();
        self.has_type(reference, heap, nullable)
    }

    /// Whether a reference has this type, as an `i8`.
    fn has_type(&mut self, reference: Value, heap: HeapType, nullable: bool) -> Value {
        let null = self.is_null(reference);
        match heap {
            HeapType::Abstract { ty, .. } => match ty {
                AbstractHeapType::Any
                | AbstractHeapType::Extern
                | AbstractHeapType::Func
                | AbstractHeapType::Exn
                | AbstractHeapType::Cont => match nullable {
                    true => self.builder.ins().iconst(types::I8, 1),
                    false => self.builder.ins().icmp_imm_u(IntCC::NotEqual, reference, 0),
                },
                AbstractHeapType::None
                | AbstractHeapType::NoExtern
                | AbstractHeapType::NoFunc
                | AbstractHeapType::NoExn
                | AbstractHeapType::NoCont => match nullable {
                    true => null,
                    false => self.builder.ins().iconst(types::I8, 0),
                },
                AbstractHeapType::I31 => {
                    let low = self.builder.ins().band_imm_u(reference, 1);
                    let is = self.builder.ins().ireduce(types::I8, low);
                    self.or_null(null, is, nullable)
                }
                AbstractHeapType::Eq => {
                    let low = self.builder.ins().band_imm_u(reference, TAG_BITS);
                    let is = self
                        .builder
                        .ins()
                        .icmp_imm_u(IntCC::NotEqual, low, HOST_TAG);
                    match nullable {
                        true => is,
                        false => {
                            let some = self.builder.ins().icmp_imm_u(IntCC::NotEqual, reference, 0);
                            self.builder.ins().band(some, is)
                        }
                    }
                }
                AbstractHeapType::Struct => {
                    self.is_object(reference, null, nullable, |this, descriptor| {
                        this.is_kind(descriptor, object_kind::STRUCT)
                    })
                }
                AbstractHeapType::Array => {
                    self.is_object(reference, null, nullable, |this, descriptor| {
                        this.is_kind(descriptor, object_kind::ARRAY)
                    })
                }
            },
            HeapType::Concrete(index) | HeapType::Exact(index) => {
                let ty = self.env.plan.type_of[crate::types::module_index(index) as usize];
                if self.env.plan.types[ty as usize].is_function() {
                    return self.is_function(reference, null, nullable, ty);
                }
                self.is_object(reference, null, nullable, |this, descriptor| {
                    this.is_described(descriptor, ty)
                })
            }
        }
    }

    fn or_null(&mut self, null: Value, is: Value, nullable: bool) -> Value {
        match nullable {
            true => self.builder.ins().bor(null, is),
            false => is,
        }
    }

    /// Whether a reference is to an object of the heap for whose descriptor `check` holds.
    fn is_object(
        &mut self,
        reference: Value,
        null: Value,
        nullable: bool,
        check: impl FnOnce(&mut Self, Value) -> Value,
    ) -> Value {
        let low = self.builder.ins().band_imm_u(reference, TAG_BITS);
        let address = self.builder.ins().icmp_imm_u(IntCC::Equal, low, 0);
        let some = self.builder.ins().icmp_imm_u(IntCC::NotEqual, reference, 0);
        let object = self.builder.ins().band(address, some);
        let is = self.and_then(object, |this| {
            let offset = descriptor::OBJECT_HEADER_OFFSET;
            let descriptor = this
                .builder
                .ins()
                .load(types::I64, trusted(), reference, offset);
            check(this, descriptor)
        });
        self.or_null(null, is, nullable)
    }

    fn is_kind(&mut self, descriptor: Value, kind: u32) -> Value {
        let offset = descriptor::TYPE_KIND_OFFSET;
        let found = self
            .builder
            .ins()
            .load(types::I32, trusted(), descriptor, offset);
        self.builder
            .ins()
            .icmp_imm_u(IntCC::Equal, found, i64::from(kind))
    }

    fn is_function(&mut self, reference: Value, null: Value, nullable: bool, ty: u32) -> Value {
        let some = self.builder.ins().icmp_imm_u(IntCC::NotEqual, reference, 0);
        let is = self.and_then(some, |this| {
            let offset = descriptor::FUNCREF_TYPE_OFFSET;
            let id = this
                .builder
                .ins()
                .load(types::I32, trusted(), reference, offset);
            this.is_function_of(reference, id, ty)
        });
        self.or_null(null, is, nullable)
    }

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
