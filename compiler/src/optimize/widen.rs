// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Induction variables of 32 bits that never wrap, kept in 64.

use super::loops::{Loops, signed};
use super::range::constant;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Function, Inst, InstBuilder, Opcode, Value, ValueDef, types};
use std::collections::{BTreeMap, HashMap};

/// An instruction that extends an induction variable that never wraps.
#[derive(Clone, Copy, Debug)]
pub struct Extension {
    pub inst: Inst,
    pub param: Value,
}

/// Keeps those that are extended in 64 bits, with or without their sign.
pub fn widen(func: &mut Function, loops: &Loops, extensions: Vec<Extension>) {
    let mut by_param: BTreeMap<Value, Vec<Inst>> = BTreeMap::new();
    for Extension { inst, param } in extensions {
        by_param.entry(param).or_default().push(inst);
    }
    let is = |func: &Function, inst: Inst, opcode| func.dfg.insts[inst].opcode() == opcode;
    let mut widened: HashMap<Value, (Value, Opcode)> = HashMap::new();
    let mut starts = Vec::new();
    for (&param, insts) in &by_param {
        // One that is extended with its sign has been found to be negative: that is the way that
        // saves something.
        let with_sign = |&inst: &Inst| is(func, inst, Opcode::Sextend);
        let opcode = match insts.iter().any(with_sign) {
            true => Opcode::Sextend,
            false => Opcode::Uextend,
        };
        if let Some(wide) = widen_one(func, loops, param, opcode, &mut starts) {
            widened.insert(param, (wide, opcode));
        }
    }
    // Where one begins with another, that is extended as well.
    let inner = by_param.into_iter();
    let inner = inner.flat_map(|(param, insts)| insts.into_iter().map(move |inst| (inst, param)));
    for (inst, param) in inner.chain(starts) {
        match widened.get(&param) {
            Some(&(wide, opcode)) if is(func, inst, opcode) => {
                let result = func.dfg.first_result(inst);
                func.dfg.clear_results(inst);
                func.dfg.change_to_alias(result, wide);
                func.layout.remove_inst(inst);
            }
            _ => {}
        }
    }
}

/// Makes the parameter one of 64 bits, which is returned; what is left of the old one are its low
/// bits. Notes the extensions of what it begins with.
fn widen_one(
    func: &mut Function,
    loops: &Loops,
    param: Value,
    opcode: Opcode,
    starts: &mut Vec<(Inst, Value)>,
) -> Option<Value> {
    let recurrence = loops.recurrence(param)?;
    let ValueDef::Param(header, index) = func.dfg.value_def(param) else {
        return None;
    };
    let first = func.layout.first_inst(header)?;
    let wide = func.dfg.replace_block_param(param, types::I64);
    let mut cursor = FuncCursor::new(func).at_inst(first);
    cursor.use_srcloc(first);
    let low = cursor.ins().ireduce(types::I32, wide);
    func.dfg.change_to_alias(param, low);
    for edge in loops.edges_to(header) {
        let from = func.layout.inst_block(edge.branch);
        let again = from.is_some_and(|from| loops.contains(recurrence.of, from));
        let known = constant(func, func.dfg.resolve_aliases(recurrence.start));
        let mut cursor = FuncCursor::new(func).at_inst(edge.branch);
        cursor.use_srcloc(edge.branch);
        let value = match (again, known, opcode) {
            (true, ..) => {
                let step = cursor.ins().iconst(types::I64, recurrence.step);
                cursor.ins().iadd(wide, step)
            }
            (false, Some(known), Opcode::Sextend) => {
                let known = signed(known, types::I32);
                cursor.ins().iconst(types::I64, known)
            }
            (false, Some(known), _) => cursor.ins().iconst(types::I64, known as i64),
            (false, None, Opcode::Sextend) => cursor.ins().sextend(types::I64, recurrence.start),
            (false, None, _) => cursor.ins().uextend(types::I64, recurrence.start),
        };
        if !again && known.is_none() {
            let made = func.dfg.value_def(value).unwrap_inst();
            starts.push((made, recurrence.start));
        }
        let mut pool = std::mem::take(&mut func.dfg.value_lists);
        let mut at = 0;
        edge.call_mut(func).update_args(&mut pool, |argument| {
            at += 1;
            if at == index + 1 {
                value.into()
            } else {
                argument
            }
        });
        func.dfg.value_lists = pool;
    }
    Some(wide)
}
