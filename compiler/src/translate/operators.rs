// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! One Wasm operator after the other (core specification, "Instructions").

use super::{Translator, clif_type};
use crate::error::Error;
use crate::plan::{Const, Symbol};
use crate::translate::env::{trap_code, trusted};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Opcode, Type, Value, types};
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::Operator;

impl Translator<'_, '_> {
    /// Translates one operator. Unreachable code is only kept track of.
    pub fn operator(&mut self, operator: &Operator<'_>, offset: u64) -> Result<(), Error> {
        if !self.is_reachable() {
            match operator {
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. } => self.open_unreachable(),
                Operator::Else => self.else_(),
                Operator::End => self.end(),
                _ => {}
            }
            return Ok(());
        }
        if self.control_operator(operator)?
            || self.variable_operator(operator)
            || self.memory_operator(operator)
            || self.table_operator(operator)
            || self.integer_operator(operator)
            || self.float_operator(operator)
            || self.conversion_operator(operator)
            || self.wide_operator(operator)
            || self.atomic_operator(operator)
            || self.heap_operator(operator)
            || self.array_operator(operator)
            || self.cast_operator(operator)
        {
            return Ok(());
        }
        if self.simd_operator(operator) {
            self.env.require_vectors(offset)?;
            return Ok(());
        }
        // Validation lets no operator of a disabled feature through; this names what it did.
        Err(Error::unsupported(
            format!("the operator {operator:?}"),
            offset,
        ))
    }

    fn control_operator(&mut self, operator: &Operator<'_>) -> Result<bool, Error> {
        match *operator {
            Operator::Nop => {}
            Operator::Unreachable => {
                self.builder.ins().trap(trap_code(Trap::Unreachable));
                self.set_unreachable();
            }
            Operator::Block { blockty } => self.block(blockty),
            Operator::Loop { blockty } => self.loop_(blockty),
            Operator::If { blockty } => self.if_(blockty),
            Operator::TryTable { ref try_table } => self.try_table(try_table),
            Operator::Throw { tag_index } => self.throw(tag_index),
            Operator::ThrowRef => self.throw_ref(),
            Operator::Else => self.else_(),
            Operator::End => self.end(),
            Operator::Br { relative_depth } => self.br(relative_depth),
            Operator::BrIf { relative_depth } => self.br_if(relative_depth),
            Operator::BrTable { ref targets } => self.br_table(targets)?,
            Operator::Return => self.return_(),
            Operator::Call { function_index } => self.call(function_index)?,
            Operator::CallIndirect {
                type_index,
                table_index,
            } => {
                self.call_indirect(table_index, type_index)?;
            }
            Operator::CallRef { type_index } => self.call_ref(type_index),
            Operator::ReturnCallRef { type_index } => self.return_call_ref(type_index),
            Operator::ReturnCall { function_index } => self.return_call(function_index),
            Operator::ReturnCallIndirect {
                type_index,
                table_index,
            } => {
                self.return_call_indirect(table_index, type_index);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn variable_operator(&mut self, operator: &Operator<'_>) -> bool {
        match *operator {
            Operator::Drop => drop(self.pop()),
            Operator::Select => {
                let value = self.select();
                self.push(value);
            }
            Operator::TypedSelect { ty } => {
                let value = self.select();
                self.push_made(value, ty);
            }
            Operator::LocalGet { local_index } => {
                self.local_get(local_index);
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop();
                self.local_set(local_index, value);
            }
            Operator::LocalTee { local_index } => {
                let value = self.pop();
                self.local_set(local_index, value);
                self.push(value);
            }
            Operator::GlobalGet { global_index } => {
                let value = self.global(global_index);
                self.push(value);
            }
            Operator::GlobalSet { global_index } => {
                let value = self.pop();
                let address = self
                    .env
                    .address(&mut self.builder, Symbol::Global(global_index));
                self.builder.ins().store(trusted(), value, address, 0);
            }
            Operator::I32Const { value } => self.integer(types::I32, i64::from(value)),
            Operator::I64Const { value } => self.integer(types::I64, value),
            Operator::F32Const { value } => {
                let value = self.constant(Const::F32(value.bits()));
                self.push(value);
            }
            Operator::F64Const { value } => {
                let value = self.constant(Const::F64(value.bits()));
                self.push(value);
            }
            _ => return false,
        }
        true
    }

    fn select(&mut self) -> Value {
        let condition = self.pop();
        let (b, a) = (self.pop(), self.pop());
        self.builder.ins().select(condition, a, b)
    }

    fn integer(&mut self, ty: Type, value: i64) {
        // Cranelift wants the bits above a narrow type to be zero.
        let value = if ty == types::I32 {
            i64::from(value as u32)
        } else {
            value
        };
        let value = self.builder.ins().iconst(ty, value);
        self.push(value);
    }

    /// A value known now.
    pub fn constant(&mut self, value: Const) -> Value {
        use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
        match value {
            Const::I32(v) => self.builder.ins().iconst(types::I32, i64::from(v as u32)),
            Const::I64(v) => self.builder.ins().iconst(types::I64, v),
            Const::F32(bits) => self.builder.ins().f32const(Ieee32::with_bits(bits)),
            Const::F64(bits) => self.builder.ins().f64const(Ieee64::with_bits(bits)),
            Const::V128(bytes) => self.vector_constant(types::I8X16, bytes),
            Const::Null => self.builder.ins().iconst(types::I64, 0),
            Const::Function(f) => self.env.address(&mut self.builder, Symbol::FuncRef(f)),
        }
    }

    /// The value of a global, now.
    pub fn global(&mut self, index: u32) -> Value {
        if let Some(value) = self.env.plan.globals[index as usize].constant() {
            return self.constant(value);
        }
        let ty = self.env.module.globals[index as usize].ty.content_type;
        let address = self.env.address(&mut self.builder, Symbol::Global(index));
        let value = self
            .builder
            .ins()
            .load(clif_type(ty), trusted(), address, 0);
        self.reference(value, ty)
    }

    fn memory_operator(&mut self, operator: &Operator<'_>) -> bool {
        use types::{F32, F64, I32, I64};
        match operator {
            Operator::I32Load { memarg } => self.load(memarg, I32),
            Operator::I64Load { memarg } => self.load(memarg, I64),
            Operator::F32Load { memarg } => self.load(memarg, F32),
            Operator::F64Load { memarg } => self.load(memarg, F64),
            Operator::I32Load8S { memarg } => self.load_extended(memarg, I32, Opcode::Sload8),
            Operator::I32Load8U { memarg } => self.load_extended(memarg, I32, Opcode::Uload8),
            Operator::I32Load16S { memarg } => self.load_extended(memarg, I32, Opcode::Sload16),
            Operator::I32Load16U { memarg } => self.load_extended(memarg, I32, Opcode::Uload16),
            Operator::I64Load8S { memarg } => self.load_extended(memarg, I64, Opcode::Sload8),
            Operator::I64Load8U { memarg } => self.load_extended(memarg, I64, Opcode::Uload8),
            Operator::I64Load16S { memarg } => self.load_extended(memarg, I64, Opcode::Sload16),
            Operator::I64Load16U { memarg } => self.load_extended(memarg, I64, Opcode::Uload16),
            Operator::I64Load32S { memarg } => self.load_extended(memarg, I64, Opcode::Sload32),
            Operator::I64Load32U { memarg } => self.load_extended(memarg, I64, Opcode::Uload32),
            Operator::I32Store { memarg } => self.store(memarg, I32),
            Operator::I64Store { memarg } => self.store(memarg, I64),
            Operator::F32Store { memarg } => self.store(memarg, F32),
            Operator::F64Store { memarg } => self.store(memarg, F64),
            Operator::I32Store8 { memarg } | Operator::I64Store8 { memarg } => {
                self.store_narrow(memarg, types::I8);
            }
            Operator::I32Store16 { memarg } | Operator::I64Store16 { memarg } => {
                self.store_narrow(memarg, types::I16);
            }
            Operator::I64Store32 { memarg } => self.store_narrow(memarg, I32),
            Operator::MemorySize { mem } => self.memory_size(*mem),
            Operator::MemoryGrow { mem } => self.memory_grow(*mem),
            Operator::MemoryFill { mem } => self.memory_fill(*mem),
            Operator::MemoryCopy { dst_mem, src_mem } => self.memory_copy(*dst_mem, *src_mem),
            Operator::MemoryInit { mem, data_index } => self.memory_init(*mem, *data_index),
            Operator::DataDrop { data_index } => {
                self.drop_segment(Symbol::DataLength(*data_index));
            }
            _ => return false,
        }
        true
    }

    fn table_operator(&mut self, operator: &Operator<'_>) -> bool {
        match *operator {
            Operator::TableGet { table } => self.table_get(table),
            Operator::TableSet { table } => self.table_set(table),
            Operator::TableSize { table } => self.table_size(table),
            Operator::TableGrow { table } => self.table_grow(table),
            Operator::TableFill { table } => self.table_fill(table),
            Operator::TableCopy {
                dst_table,
                src_table,
            } => self.table_copy(dst_table, src_table),
            Operator::TableInit { elem_index, table } => self.table_init(table, elem_index),
            Operator::ElemDrop { elem_index } => {
                self.drop_segment(Symbol::ElementLength(elem_index));
            }
            Operator::RefNull { .. } => self.integer(types::I64, 0),
            Operator::RefIsNull => self.ref_is_null(),
            Operator::RefFunc { function_index } => self.ref_func(function_index),
            _ => return false,
        }
        true
    }

    fn compare(&mut self, condition: IntCC) {
        let (b, a) = (self.pop(), self.pop());
        let bit = self.builder.ins().icmp(condition, a, b);
        self.push_bit(bit);
    }

    fn compare_float(&mut self, condition: FloatCC) {
        let (b, a) = (self.pop(), self.pop());
        let bit = self.builder.ins().fcmp(condition, a, b);
        self.push_bit(bit);
    }

    fn push_bit(&mut self, bit: Value) {
        let value = self.builder.ins().uextend(types::I32, bit);
        self.push(value);
    }

    fn eqz(&mut self) {
        let a = self.pop();
        let bit = self.builder.ins().icmp_imm_u(IntCC::Equal, a, 0);
        self.push_bit(bit);
    }

    /// A value of one operand.
    fn unary(&mut self, make: impl FnOnce(&mut Self, Value) -> Value) {
        let a = self.pop();
        let value = make(self, a);
        self.push(value);
    }

    /// A value of two operands.
    fn binary(&mut self, make: impl FnOnce(&mut Self, Value, Value) -> Value) {
        let (b, a) = (self.pop(), self.pop());
        let value = make(self, a, b);
        self.push(value);
    }

    fn integer_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::I32Eqz | O::I64Eqz => self.eqz(),
            O::I32Eq | O::I64Eq => self.compare(IntCC::Equal),
            O::I32Ne | O::I64Ne => self.compare(IntCC::NotEqual),
            O::I32LtS | O::I64LtS => self.compare(IntCC::SignedLessThan),
            O::I32LtU | O::I64LtU => self.compare(IntCC::UnsignedLessThan),
            O::I32GtS | O::I64GtS => self.compare(IntCC::SignedGreaterThan),
            O::I32GtU | O::I64GtU => self.compare(IntCC::UnsignedGreaterThan),
            O::I32LeS | O::I64LeS => self.compare(IntCC::SignedLessThanOrEqual),
            O::I32LeU | O::I64LeU => self.compare(IntCC::UnsignedLessThanOrEqual),
            O::I32GeS | O::I64GeS => self.compare(IntCC::SignedGreaterThanOrEqual),
            O::I32GeU | O::I64GeU => self.compare(IntCC::UnsignedGreaterThanOrEqual),
            O::I32Clz | O::I64Clz => self.unary(|t, a| t.builder.ins().clz(a)),
            O::I32Ctz | O::I64Ctz => self.unary(|t, a| t.builder.ins().ctz(a)),
            O::I32Popcnt | O::I64Popcnt => self.unary(|t, a| t.builder.ins().popcnt(a)),
            O::I32Add | O::I64Add => self.binary(|t, a, b| t.builder.ins().iadd(a, b)),
            O::I32Sub | O::I64Sub => self.binary(Self::subtract),
            O::I32Mul | O::I64Mul => self.binary(|t, a, b| t.builder.ins().imul(a, b)),
            O::I32DivS | O::I64DivS => self.binary(|t, a, b| t.builder.ins().sdiv(a, b)),
            O::I32DivU | O::I64DivU => self.binary(|t, a, b| t.builder.ins().udiv(a, b)),
            O::I32RemS | O::I64RemS => self.binary(|t, a, b| t.builder.ins().srem(a, b)),
            O::I32RemU | O::I64RemU => self.binary(|t, a, b| t.builder.ins().urem(a, b)),
            O::I32And | O::I64And => self.binary(|t, a, b| t.builder.ins().band(a, b)),
            O::I32Or | O::I64Or => self.binary(|t, a, b| t.builder.ins().bor(a, b)),
            O::I32Xor | O::I64Xor => self.binary(|t, a, b| t.builder.ins().bxor(a, b)),
            O::I32Shl | O::I64Shl => self.binary(|t, a, b| t.builder.ins().ishl(a, b)),
            O::I32ShrS | O::I64ShrS => self.binary(|t, a, b| t.builder.ins().sshr(a, b)),
            O::I32ShrU | O::I64ShrU => self.binary(|t, a, b| t.builder.ins().ushr(a, b)),
            O::I32Rotl | O::I64Rotl => self.binary(|t, a, b| t.builder.ins().rotl(a, b)),
            O::I32Rotr | O::I64Rotr => self.binary(|t, a, b| t.builder.ins().rotr(a, b)),
            O::I32Extend8S => self.sign_extend(types::I8, types::I32),
            O::I32Extend16S => self.sign_extend(types::I16, types::I32),
            O::I64Extend8S => self.sign_extend(types::I8, types::I64),
            O::I64Extend16S => self.sign_extend(types::I16, types::I64),
            O::I64Extend32S => self.sign_extend(types::I32, types::I64),
            _ => return false,
        }
        true
    }

    /// A constant is added, negated: additions have more forms, one with a third register.
    fn subtract(&mut self, a: Value, b: Value) -> Value {
        let Some(constant) = self.constant_value(b) else {
            return self.builder.ins().isub(a, b);
        };
        let ty = self.builder.func.dfg.value_type(b);
        let negated = match constant.wrapping_neg() {
            negated if ty == types::I32 => i64::from(negated as u32),
            negated => negated as i64,
        };
        let negated = self.builder.ins().iconst(ty, negated);
        self.builder.ins().iadd(a, negated)
    }

    fn sign_extend(&mut self, narrow: Type, wide: Type) {
        self.unary(|t, a| {
            let low = t.builder.ins().ireduce(narrow, a);
            t.builder.ins().sextend(wide, low)
        });
    }

    fn float_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        match operator {
            O::F32Eq | O::F64Eq => self.compare_float(FloatCC::Equal),
            O::F32Ne | O::F64Ne => self.compare_float(FloatCC::NotEqual),
            O::F32Lt | O::F64Lt => self.compare_float(FloatCC::LessThan),
            O::F32Gt | O::F64Gt => self.compare_float(FloatCC::GreaterThan),
            O::F32Le | O::F64Le => self.compare_float(FloatCC::LessThanOrEqual),
            O::F32Ge | O::F64Ge => self.compare_float(FloatCC::GreaterThanOrEqual),
            O::F32Abs | O::F64Abs => self.unary(|t, a| t.builder.ins().fabs(a)),
            O::F32Neg | O::F64Neg => self.unary(|t, a| t.builder.ins().fneg(a)),
            O::F32Ceil | O::F64Ceil => self.unary(|t, a| t.builder.ins().ceil(a)),
            O::F32Floor | O::F64Floor => self.unary(|t, a| t.builder.ins().floor(a)),
            O::F32Trunc | O::F64Trunc => self.unary(|t, a| t.builder.ins().trunc(a)),
            O::F32Nearest | O::F64Nearest => self.unary(|t, a| t.builder.ins().nearest(a)),
            O::F32Sqrt | O::F64Sqrt => self.unary(|t, a| t.builder.ins().sqrt(a)),
            O::F32Add | O::F64Add => self.binary(|t, a, b| t.builder.ins().fadd(a, b)),
            O::F32Sub | O::F64Sub => self.binary(|t, a, b| t.builder.ins().fsub(a, b)),
            O::F32Mul | O::F64Mul => self.binary(|t, a, b| t.builder.ins().fmul(a, b)),
            O::F32Div | O::F64Div => self.binary(|t, a, b| t.builder.ins().fdiv(a, b)),
            O::F32Min | O::F64Min => self.binary(|t, a, b| t.builder.ins().fmin(a, b)),
            O::F32Max | O::F64Max => self.binary(|t, a, b| t.builder.ins().fmax(a, b)),
            O::F32Copysign | O::F64Copysign => {
                self.binary(|t, a, b| t.builder.ins().fcopysign(a, b));
            }
            _ => return false,
        }
        true
    }

    fn conversion_operator(&mut self, operator: &Operator<'_>) -> bool {
        use Operator as O;
        use types::{F32, F64, I32, I64};
        match operator {
            O::I32WrapI64 => self.unary(|t, a| t.builder.ins().ireduce(I32, a)),
            O::I64ExtendI32S => self.unary(|t, a| t.builder.ins().sextend(I64, a)),
            O::I64ExtendI32U => self.unary(|t, a| t.builder.ins().uextend(I64, a)),
            O::I32TruncF32S | O::I32TruncF64S => {
                self.unary(|t, a| t.builder.ins().fcvt_to_sint(I32, a));
            }
            O::I32TruncF32U | O::I32TruncF64U => {
                self.unary(|t, a| t.builder.ins().fcvt_to_uint(I32, a));
            }
            O::I64TruncF32S | O::I64TruncF64S => {
                self.unary(|t, a| t.builder.ins().fcvt_to_sint(I64, a));
            }
            O::I64TruncF32U | O::I64TruncF64U => {
                self.unary(|t, a| t.builder.ins().fcvt_to_uint(I64, a));
            }
            O::I32TruncSatF32S | O::I32TruncSatF64S => {
                self.unary(|t, a| t.builder.ins().fcvt_to_sint_sat(I32, a));
            }
            O::I32TruncSatF32U | O::I32TruncSatF64U => {
                self.unary(|t, a| t.builder.ins().fcvt_to_uint_sat(I32, a));
            }
            O::I64TruncSatF32S | O::I64TruncSatF64S => {
                self.unary(|t, a| t.builder.ins().fcvt_to_sint_sat(I64, a));
            }
            O::I64TruncSatF32U | O::I64TruncSatF64U => {
                self.unary(|t, a| t.builder.ins().fcvt_to_uint_sat(I64, a));
            }
            O::F32ConvertI32S | O::F32ConvertI64S => {
                self.unary(|t, a| t.builder.ins().fcvt_from_sint(F32, a));
            }
            O::F32ConvertI32U | O::F32ConvertI64U => {
                self.unary(|t, a| t.builder.ins().fcvt_from_uint(F32, a));
            }
            O::F64ConvertI32S | O::F64ConvertI64S => {
                self.unary(|t, a| t.builder.ins().fcvt_from_sint(F64, a));
            }
            O::F64ConvertI32U | O::F64ConvertI64U => {
                self.unary(|t, a| t.builder.ins().fcvt_from_uint(F64, a));
            }
            O::F32DemoteF64 => self.unary(|t, a| t.builder.ins().fdemote(F32, a)),
            O::F64PromoteF32 => self.unary(|t, a| t.builder.ins().fpromote(F64, a)),
            O::I32ReinterpretF32 => self.reinterpret(I32),
            O::I64ReinterpretF64 => self.reinterpret(I64),
            O::F32ReinterpretI32 => self.reinterpret(F32),
            O::F64ReinterpretI64 => self.reinterpret(F64),
            _ => return false,
        }
        true
    }

    fn reinterpret(&mut self, ty: Type) {
        self.unary(|t, a| t.builder.ins().bitcast(ty, MemFlagsData::new(), a));
    }
}
