// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Constants of addresses, moved into the displacement of the access where it has room.
//!
//! The code generator does so by itself where it selects an addressing mode, but not where a load
//! becomes an operand of another instruction.

use super::range::constant;
use crate::translate::{Displacement, displacement, extended_bytes};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Function, Inst, InstBuilder, InstructionData, Opcode, Value};
use wasm_aot_object::Machine;

/// Moves what can be moved of the address of an access to a linear memory.
pub fn fold(func: &mut Function, machine: Machine, inst: Inst, address: Value) -> Option<()> {
    let offset = i64::from(func.dfg.insts[inst].load_store_offset()?);
    // The sum is the address, or stands beside a base.
    let (base, (rest, by)) = match (sum(func, address), addends(func, address)) {
        (Some(sum), _) => (None, sum),
        (None, Some([left, right])) => match (sum(func, left), sum(func, right)) {
            (_, Some(sum)) => (Some(left), sum),
            (Some(sum), None) => (Some(right), sum),
            _ => return None,
        },
        _ => return None,
    };
    let total = offset.checked_add(by)?;
    let fits = match machine {
        Machine::X86_64 => true,
        _ => {
            let total = u64::try_from(total).ok()?;
            matches!(
                displacement(machine, total, bytes(func, inst)),
                Displacement::Beside(_)
            )
        }
    };
    let total = i32::try_from(total).ok().filter(|_| fits)?;
    let address = match base {
        None => rest,
        Some(base) => {
            let mut cursor = FuncCursor::new(func).at_inst(inst);
            cursor.use_srcloc(inst);
            cursor.ins().iadd(base, rest)
        }
    };
    match &mut func.dfg.insts[inst] {
        InstructionData::Load { arg, offset, .. } => {
            *arg = address;
            *offset = total.into();
        }
        InstructionData::Store { args, offset, .. } => {
            args[1] = address;
            *offset = total.into();
        }
        _ => return None,
    }
    Some(())
}

/// The two sides of an addition.
fn addends(func: &Function, value: Value) -> Option<[Value; 2]> {
    let inst = func.dfg.value_def(value).inst()?;
    match func.dfg.insts[inst] {
        InstructionData::Binary {
            opcode: Opcode::Iadd,
            args,
        } => Some(args.map(|arg| func.dfg.resolve_aliases(arg))),
        _ => None,
    }
}

/// A value plus a constant of 32 bits.
fn sum(func: &Function, value: Value) -> Option<(Value, i64)> {
    let [left, right] = addends(func, value)?;
    let by = constant(func, right)? as i64;
    i32::try_from(by).is_ok().then_some((left, by))
}

/// How wide an access is.
fn bytes(func: &Function, inst: Inst) -> u64 {
    match func.dfg.insts[inst].opcode() {
        Opcode::Load => {
            let result = func.dfg.first_result(inst);
            func.dfg.value_type(result).bytes().into()
        }
        Opcode::Store => {
            let stored = func.dfg.inst_args(inst)[0];
            func.dfg.value_type(stored).bytes().into()
        }
        narrow => extended_bytes(narrow),
    }
}
