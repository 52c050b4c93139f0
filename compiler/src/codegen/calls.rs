// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a function calls, and what tail calls do to the area of its stack arguments: what its
//! machine code alone does not tell.

use crate::plan::Symbol;
use crate::translate::{Leads, Signatures};
use cranelift_codegen::ir::{
    AbiParam, ExternalName, FuncRef, Function, InstructionData, Opcode, SigRef, Signature,
};
use cranelift_codegen::isa::CallConv;
use std::collections::BTreeSet;
use wasm_aot_object::Machine;

/// Calls of a function, beside those that its relocations show.
#[derive(Debug, Default)]
pub struct Calls {
    /// Functions to which all calls by name are tail calls, ascending.
    pub tail: Box<[Symbol]>,
    /// Where its other calls may lead, and whether they are tail calls.
    pub indirect: Box<[(Leads, bool)]>,
    /// Bytes of its own stack arguments, where tail calls can change their area.
    pub area: u32,
    /// By how many bytes its tail calls need that area to be larger.
    pub grows: u32,
}

/// What a function calls that is about to become machine code.
pub fn calls(function: &Function, signatures: &Signatures, machine: Machine) -> Calls {
    let dfg = &function.dfg;
    let (mut by_name, mut tail) = (BTreeSet::new(), BTreeSet::new());
    let mut indirect = BTreeSet::new();
    let mut area = 0;
    let mut indirectly = |signature: SigRef, is_tail: bool| {
        let leads = signatures.get(&signature);
        let leads = leads.expect("where calls with a signature lead has been noted");
        indirect.insert((*leads, is_tail));
    };
    let mut replaced = |signature: SigRef| {
        area = area.max(stack_arguments(&dfg.signatures[signature], machine));
    };
    for block in function.layout.blocks() {
        for inst in function.layout.block_insts(block) {
            match dfg.insts[inst] {
                InstructionData::Call {
                    opcode, func_ref, ..
                } => {
                    if opcode == Opcode::ReturnCall {
                        tail.insert(func_ref);
                        replaced(dfg.ext_funcs[func_ref].signature);
                    } else {
                        by_name.insert(func_ref);
                    }
                }
                InstructionData::TryCall { func_ref, .. } => {
                    by_name.insert(func_ref);
                }
                InstructionData::CallIndirect {
                    opcode, sig_ref, ..
                } => {
                    let is_tail = opcode == Opcode::ReturnCallIndirect;
                    indirectly(sig_ref, is_tail);
                    if is_tail {
                        replaced(sig_ref);
                    }
                }
                InstructionData::TryCallIndirect { exception, .. } => {
                    indirectly(dfg.exception_tables[exception].signature(), false);
                }
                _ => {}
            }
        }
    }
    let own = stack_arguments(&function.signature, machine);
    let tail = tail.difference(&by_name).map(|&f| name(function, f));
    let tail: BTreeSet<Symbol> = tail.collect();
    Calls {
        tail: tail.into_iter().collect(),
        indirect: indirect.into_iter().collect(),
        area: own,
        grows: area.saturating_sub(own),
    }
}

fn name(function: &Function, callee: FuncRef) -> Symbol {
    match &function.dfg.ext_funcs[callee].name {
        ExternalName::User(name) => Symbol::from_user(&function.params.user_named_funcs()[*name]),
        other => unreachable!("no translation calls {other:?}"),
    }
}

/// How many parameters and results the tail convention has room for in registers, as
/// `compute_arg_locs` of Cranelift's architectures has it.
struct Registers {
    /// Integers: parameters, results.
    integers: (u32, u32),
    /// Floating point.
    floats: (u32, u32),
    /// Whether vectors are passed as floating point is, and not on the stack.
    vectors: bool,
    /// Whether the address where results beyond the registers go takes the place of a parameter.
    area: bool,
}

const fn registers(machine: Machine) -> Registers {
    let (integers, floats, vectors, area) = match machine {
        Machine::X86_64 => ((6, 8), (8, 8), true, true),
        Machine::Aarch64 => ((6, 6), (8, 8), true, false),
        Machine::Riscv64 => ((8, 2), (8, 2), false, true),
    };
    Registers {
        integers,
        floats,
        vectors,
        area,
    }
}

/// Bytes of stack arguments of a function whose callers can be left by tail calls: 0 in other
/// conventions, where the area belongs to the caller's frame for good.
pub fn stack_arguments(signature: &Signature, machine: Machine) -> u32 {
    if signature.call_conv != CallConv::Tail {
        return 0;
    }
    let Registers {
        integers,
        floats,
        vectors,
        area,
    } = registers(machine);
    let results = on_stack(&signature.returns, integers.1, floats.1, vectors);
    let address = u32::from(area && results > 0);
    on_stack(&signature.params, integers.0 - address, floats.0, vectors)
}

fn on_stack(params: &[AbiParam], mut integers: u32, mut floats: u32, vectors: bool) -> u32 {
    let mut bytes = 0u32;
    for param in params {
        let ty = param.value_type;
        let room = match ty {
            _ if ty.is_int() => Some(&mut integers),
            _ if ty.is_float() || vectors => Some(&mut floats),
            _ => None,
        };
        match room {
            Some(room) if *room > 0 => *room -= 1,
            _ => {
                let size = ty.bytes().max(8);
                bytes = bytes.next_multiple_of(size) + size;
            }
        }
    }
    bytes.next_multiple_of(16)
}
