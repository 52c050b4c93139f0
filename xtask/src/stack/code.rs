// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! One function of a program for x86-64: how deep the stack is at each of its instructions.
//!
//! Every instruction that can be reached is followed with the distance of the stack pointer from
//! where it was on entry. What changes the stack pointer in a way that is not known here is an
//! error, so nothing is missed.

use super::program::Program;
use anyhow::{Result, bail, ensure};
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};
use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of a word of the stack: a return address, a pushed register.
const WORD: i64 = 8;

/// Whom a function calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Callee {
    /// Code at an address.
    At(u64),
    /// A method: what a table has at this offset.
    Method(u64),
    /// Through a word that has come from somewhere.
    Unknown,
}

/// What a function does with the stack.
#[derive(Default, Debug)]
pub struct Function {
    /// Bytes that it takes itself, return address included.
    pub frame: u64,
    /// Its calls, and the bytes in use then: for a tail call without the return address, which is
    /// the callee's.
    pub calls: BTreeMap<Callee, u64>,
    /// Offsets in tables from which it reads words, and functions of which it takes the address:
    /// where a call through a register may lead.
    pub words: Vec<u64>,
    pub taken: Vec<u64>,
}

/// The stack pointer at an instruction, and registers that hold what it was: distances from its
/// value on entry.
#[derive(Clone, PartialEq, Eq)]
struct State {
    sp: i64,
    copies: BTreeMap<Register, i64>,
}

/// Follows the code of a function.
///
/// # Errors
/// Where it does something with the stack pointer that is not known.
pub fn follow(program: &Program<'_>, range: &Range<u64>) -> Result<Function> {
    let mut found = Function::default();
    let mut states: BTreeMap<u64, State> = BTreeMap::new();
    let entry = State {
        sp: 0,
        copies: BTreeMap::new(),
    };
    let mut open = vec![(range.start, entry)];
    let mut steps = 0;
    while let Some((at, state)) = open.pop() {
        if at == range.end {
            // Behind a call that does not come back.
            continue;
        }
        let Some(state) = merged(&mut states, at, state) else {
            continue;
        };
        steps += 1;
        ensure!(steps < 1_000_000, "the stack grows in a loop at {at:#x}");
        let code = program.code(at, range.end)?;
        let instruction = Decoder::with_ip(64, code, at, DecoderOptions::NONE).decode();
        ensure!(!instruction.is_invalid(), "no instruction at {at:#x}");
        let next = step(&instruction, state)?;
        found.frame = found.frame.max((WORD - next.sp) as u64);
        for target in targets(program, range, &instruction, next.sp, &mut found)? {
            open.push((target, next.clone()));
        }
    }
    Ok(found)
}

/// The state at an instruction where ways meet: the deeper one. `None` where nothing is new.
fn merged(states: &mut BTreeMap<u64, State>, at: u64, state: State) -> Option<State> {
    let Some(known) = states.get_mut(&at) else {
        states.insert(at, state.clone());
        return Some(state);
    };
    let mut both = known.clone();
    both.sp = both.sp.min(state.sp);
    both.copies
        .retain(|register, value| state.copies.get(register) == Some(value));
    if *known == both {
        return None;
    }
    *known = both.clone();
    Some(both)
}

/// The state after an instruction.
fn step(instruction: &Instruction, mut state: State) -> Result<State> {
    let at = instruction.ip();
    let immediate = || instruction.immediate(1) as i64;
    let to_sp = instruction.op_count() > 0
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register() == Register::RSP;
    let value = |register: Register, state: &State| match register {
        Register::RSP => Some(state.sp),
        other => state.copies.get(&other).copied(),
    };
    // What is written without being known is no copy any more.
    let copied = (instruction.mnemonic() == Mnemonic::Mov
        && instruction.op1_kind() == OpKind::Register)
        .then(|| value(instruction.op1_register(), &state))
        .flatten();
    match instruction.mnemonic() {
        Mnemonic::Sub if to_sp && instruction.op1_kind() != OpKind::Register => {
            state.sp -= immediate();
        }
        Mnemonic::Add if to_sp && instruction.op1_kind() != OpKind::Register => {
            state.sp += immediate();
        }
        // Aligning may take that much.
        Mnemonic::And if to_sp => state.sp += immediate() + 1,
        Mnemonic::Mov if to_sp => match copied {
            Some(sp) => state.sp = sp,
            None => bail!("the stack pointer is set from somewhere at {at:#x}"),
        },
        Mnemonic::Lea if to_sp => {
            let base = value(instruction.memory_base(), &state);
            match base.filter(|_| instruction.memory_index() == Register::None) {
                Some(base) => state.sp = base + instruction.memory_displacement64() as i64,
                None => bail!("the stack pointer is computed at {at:#x}"),
            }
        }
        Mnemonic::Leave => match state.copies.get(&Register::RBP) {
            Some(frame) => state.sp = frame + WORD,
            None => bail!("a frame is left that is not known at {at:#x}"),
        },
        // A call gives back what it takes.
        Mnemonic::Call | Mnemonic::Ret | Mnemonic::Syscall => {}
        _ if instruction.is_stack_instruction() => {
            state.sp += i64::from(instruction.stack_pointer_increment());
        }
        _ if writes(instruction, Register::RSP) => {
            bail!("the stack pointer is changed at {at:#x}");
        }
        _ => {}
    }
    // System calls of the kernel lose the stack pointer; what keeps it sets it again.
    let changed: Vec<Register> = state
        .copies
        .keys()
        .copied()
        .filter(|&register| writes(instruction, register))
        .collect();
    for register in changed {
        state.copies.remove(&register);
    }
    if let Some(copied) = copied
        && !to_sp
        && instruction.op0_kind() == OpKind::Register
    {
        state.copies.insert(instruction.op0_register(), copied);
    }
    Ok(state)
}

fn writes(instruction: &Instruction, register: Register) -> bool {
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(instruction);
    info.used_registers().iter().any(|used| {
        let write = matches!(
            used.access(),
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        );
        write && used.register().full_register() == register
    })
}

/// Where the function goes on after an instruction; notes whom it calls there.
fn targets(
    program: &Program<'_>,
    range: &Range<u64>,
    instruction: &Instruction,
    sp: i64,
    found: &mut Function,
) -> Result<Vec<u64>> {
    let after = instruction.next_ip();
    let mut call = |callee: Callee, bytes: i64| {
        let depth = found.calls.entry(callee).or_default();
        *depth = (*depth).max(bytes.max(0) as u64);
    };
    let inside = |target: u64| range.contains(&target);
    Ok(match instruction.flow_control() {
        FlowControl::Next => {
            words(program, instruction, found);
            vec![after]
        }
        FlowControl::Return | FlowControl::Exception => Vec::new(),
        FlowControl::Call if instruction.mnemonic() == Mnemonic::Syscall => vec![after],
        FlowControl::Call => {
            call(Callee::At(instruction.near_branch_target()), WORD - sp);
            vec![after]
        }
        FlowControl::IndirectCall => {
            call(callee(program, instruction)?, WORD - sp);
            vec![after]
        }
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
            let target = instruction.near_branch_target();
            let goes_on = instruction.flow_control() == FlowControl::ConditionalBranch;
            let mut targets: Vec<u64> = goes_on.then_some(after).into_iter().collect();
            match inside(target) {
                true => targets.push(target),
                false => call(Callee::At(target), -sp),
            }
            targets
        }
        FlowControl::IndirectBranch => {
            let table = program.jump_table(instruction, range);
            if table.is_empty() {
                call(callee(program, instruction)?, -sp);
            }
            table
        }
        other => bail!("{other:?} at {:#x}", instruction.ip()),
    })
}

/// Whom an instruction calls that does not say it itself.
fn callee(program: &Program<'_>, instruction: &Instruction) -> Result<Callee> {
    let at = instruction.ip();
    if instruction.op0_kind() == OpKind::Register {
        return Ok(Callee::Unknown);
    }
    if instruction.is_ip_rel_memory_operand() {
        let place = instruction.ip_rel_memory_address();
        return match program.constant(place) {
            Some(target) => Ok(Callee::At(target)),
            None => bail!("a call at {at:#x} goes by a word that may change"),
        };
    }
    let plain = instruction.memory_index() == Register::None
        && !matches!(
            instruction.memory_base(),
            Register::RSP | Register::RBP | Register::None
        );
    Ok(match plain {
        true => Callee::Method(instruction.memory_displacement64()),
        false => Callee::Unknown,
    })
}

/// Notes words and functions that an instruction takes up.
fn words(program: &Program<'_>, instruction: &Instruction, found: &mut Function) {
    let memory = (0..instruction.op_count()).any(|op| instruction.op_kind(op) == OpKind::Memory);
    let address = match instruction.mnemonic() {
        Mnemonic::Lea if instruction.is_ip_rel_memory_operand() => {
            Some(instruction.ip_rel_memory_address())
        }
        Mnemonic::Mov if instruction.is_ip_rel_memory_operand() => {
            program.constant(instruction.ip_rel_memory_address())
        }
        Mnemonic::Mov
            if matches!(
                instruction.op1_kind(),
                OpKind::Immediate32 | OpKind::Immediate64 | OpKind::Immediate32to64
            ) =>
        {
            Some(instruction.immediate(1))
        }
        Mnemonic::Mov if memory && instruction.memory_index() == Register::None => {
            found.words.push(instruction.memory_displacement64());
            None
        }
        _ => None,
    };
    found
        .taken
        .extend(address.filter(|&address| program.is_function(address)));
}
