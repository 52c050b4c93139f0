// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a loop reads and writes: streams of accesses whose addresses differ by constants.

use super::linear::{Linear, Values, is_harmless};
use crate::plan::{Base, Plan, Symbol};
use crate::translate;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    ExternalName, GlobalValue, GlobalValueData, InstructionData, MemFlags, Opcode, Type, Value,
    types,
};
use std::collections::HashMap;
use wasm_aot_trap::TrapCode as Trap;

/// The most streams of a loop.
const MAX_STREAMS: usize = 8;
/// How far apart, in bytes, accesses of a stream may be, and how far one may go in a round.
const MAX_STEP: i32 = 1 << 16;

/// An access of the loop.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// In the body.
    pub position: usize,
    pub stream: usize,
    /// Bytes from the beginning of the stream in the same round.
    pub at: i64,
    pub ty: Type,
    /// What is stored; `None` for a load.
    pub stored: Option<Value>,
}

impl Access {
    pub fn size(&self) -> i64 {
        i64::from(self.ty.bytes())
    }
}

/// Accesses whose indices differ by constants.
#[derive(Debug)]
pub struct Stream {
    /// The lowest index, in the first round.
    pub start: Linear,
    /// How much it grows each round.
    pub step: i32,
    /// Of the lowest byte of an access, and past the highest, in a round: bytes from the start.
    pub low: i64,
    pub high: i64,
    pub stored: bool,
}

/// All accesses, to one memory.
pub struct Accesses {
    pub memory: u32,
    pub all: Vec<Access>,
    /// Positions in `all` by that in the body.
    pub by_position: HashMap<usize, usize>,
    pub streams: Vec<Stream>,
}

/// An index as a sum, and bytes from it.
struct Place {
    index: Linear,
    offset: i64,
}

/// An address, an index or a length as it is found in the code: a constant, and an index of 32
/// bits that is zero-extended.
#[derive(Default)]
struct Wide {
    constant: i64,
    index: Option<Value>,
    symbol: Option<GlobalValue>,
}

struct Finder<'a, 'v, 'f> {
    values: &'v mut Values<'f>,
    plan: &'a Plan<'a>,
    memory: Option<u32>,
}

impl Accesses {
    /// `None` where the body has anything that the vector version cannot have, or leave out.
    pub fn find(values: &mut Values<'_>, plan: &Plan<'_>) -> Option<Self> {
        let mut finder = Finder {
            values,
            plan,
            memory: None,
        };
        let mut places = Vec::new();
        for position in 0..finder.values.shape.body.len() {
            finder.instruction(position, &mut places)?;
        }
        let memory = finder.memory?;
        let streams = streams(values, places)?;
        let (all, streams): (Vec<Access>, Vec<Stream>) = streams;
        Some(Self {
            memory,
            by_position: all
                .iter()
                .enumerate()
                .map(|(i, a)| (a.position, i))
                .collect(),
            all,
            streams,
        })
    }
}

/// What is to be inside of the memory in each round: a place, so many bytes, and the access.
struct Touched {
    place: Place,
    size: i64,
    access: Option<(usize, Type, Option<Value>)>,
}

impl Finder<'_, '_, '_> {
    fn instruction(&mut self, position: usize, places: &mut Vec<Touched>) -> Option<()> {
        let func = self.values.func;
        let inst = self.values.shape.body[position];
        let data = &func.dfg.insts[inst];
        match *data {
            InstructionData::Load {
                opcode: Opcode::Load,
                arg,
                flags,
                offset,
            } => {
                if self.values.is_trusted(flags) {
                    return Some(());
                }
                let ty = func.dfg.value_type(func.dfg.first_result(inst));
                let place = self.memory_place(flags, arg, offset.into())?;
                places.push(Touched {
                    place,
                    size: ty.bytes().into(),
                    access: Some((position, ty, None)),
                });
            }
            InstructionData::Store {
                opcode: Opcode::Store,
                args,
                flags,
                offset,
            } => {
                let ty = func.dfg.value_type(args[0]);
                let place = self.memory_place(flags, args[1], offset.into())?;
                places.push(Touched {
                    place,
                    size: ty.bytes().into(),
                    access: Some((position, ty, Some(args[0]))),
                });
            }
            InstructionData::CondTrap {
                opcode: Opcode::Trapnz,
                arg,
                code,
            } if translate::trap(code) == Some(Trap::MemoryOutOfBounds) => {
                let (place, size) = self.check(arg)?;
                places.push(Touched {
                    place,
                    size,
                    access: None,
                });
            }
            _ if is_harmless(data.opcode()) => {}
            _ => return None,
        }
        Some(())
    }

    /// A sum of 64 bits that does not wrap: an index of 32 bits, constants, a symbol.
    fn wide(&self, value: Value, sum: &mut Wide, depth: u32) -> Option<()> {
        let func = self.values.func;
        if let Some(constant) = self.values.constant(value) {
            sum.constant = sum.constant.checked_add(constant)?;
            return (sum.constant.unsigned_abs() < 1 << 48).then_some(());
        }
        let inst = func.dfg.value_def(value).inst()?;
        match func.dfg.insts[inst] {
            InstructionData::Unary {
                opcode: Opcode::Uextend,
                arg,
            } if func.dfg.value_type(arg) == types::I32 => {
                sum.index.is_none().then(|| sum.index = Some(arg))
            }
            InstructionData::UnaryGlobalValue { global_value, .. } => sum
                .symbol
                .is_none()
                .then(|| sum.symbol = Some(global_value)),
            InstructionData::Binary {
                opcode: Opcode::Iadd,
                args,
            } if depth > 0 => {
                self.wide(args[0], sum, depth - 1)?;
                self.wide(args[1], sum, depth - 1)
            }
            _ => None,
        }
    }

    fn is_memory(&mut self, memory: u32) -> Option<()> {
        let known = *self.memory.get_or_insert(memory);
        let plan = &self.plan.memories[memory as usize];
        (known == memory && !plan.index64 && !plan.shared).then_some(())
    }

    fn symbol(&self, global: GlobalValue) -> Option<Symbol> {
        let func = self.values.func;
        match &func.global_values[global] {
            GlobalValueData::Symbol {
                name: ExternalName::User(name),
                offset,
                ..
            } if offset.bits() == 0 => {
                Some(Symbol::from_user(&func.params.user_named_funcs()[*name]))
            }
            _ => None,
        }
    }

    /// Where an access to a linear memory is.
    fn memory_place(&mut self, flags: MemFlags, address: Value, offset: i64) -> Option<Place> {
        let flags = self.values.func.dfg.mem_flags[flags];
        flags.alias_region()?;
        let mut sum = Wide::default();
        self.wide(address, &mut sum, 4)?;
        let (memory, base) = match sum.symbol {
            Some(symbol) => match self.symbol(symbol)? {
                Symbol::MemoryBase(memory) => (memory, 0),
                _ => return None,
            },
            None => match self.plan.memories.first()?.base {
                Base::Constant(base) => (0, i64::try_from(base).ok()?),
                Base::Symbol => return None,
            },
        };
        self.is_memory(memory)?;
        let offset = sum.constant + offset - base;
        if !(0..=1 << 33).contains(&offset) {
            return None;
        }
        let index = self.index(sum.index)?;
        Some(Place { index, offset })
    }

    fn index(&mut self, index: Option<Value>) -> Option<Linear> {
        match index {
            Some(index) => self.values.linear(index),
            None => Some(Linear::default()),
        }
    }

    /// A check of bounds that traps if `condition` holds: the place, and how many bytes from it
    /// have to be inside.
    fn check(&mut self, condition: Value) -> Option<(Place, i64)> {
        let &InstructionData::IntCompare {
            cond: IntCC::UnsignedGreaterThan,
            args,
            ..
        } = self.values.inside(condition)?
        else {
            return None;
        };
        let mut sum = Wide::default();
        self.wide(args[0], &mut sum, 4)?;
        if sum.symbol.is_some() || !(0..=1 << 33).contains(&sum.constant) {
            return None;
        }
        let past = match self.values.constant(args[1]) {
            // Of a memory whose length never changes, what is left after some bytes.
            Some(last) => {
                let memory = self.memory.unwrap_or(0);
                self.is_memory(memory)?;
                let length = self.plan.memories[memory as usize].fixed_length?;
                i64::try_from(length).ok()?.checked_sub(last)?
            }
            None => {
                let memory = self.length_of(args[1])?;
                self.is_memory(memory)?;
                0
            }
        };
        let index = self.index(sum.index)?;
        let size = sum.constant.checked_add(past)?;
        (0..=1 << 34).contains(&size).then_some(())?;
        Some((Place { index, offset: 0 }, size))
    }

    /// The memory of which a value is the length.
    fn length_of(&self, value: Value) -> Option<u32> {
        let func = self.values.func;
        let inst = func.dfg.value_def(value).inst()?;
        let InstructionData::Load {
            opcode: Opcode::Load,
            arg,
            flags,
            offset,
        } = func.dfg.insts[inst]
        else {
            return None;
        };
        let is_length = i32::from(offset) == wasm_aot_object::descriptor::MEMORY_LENGTH_OFFSET;
        if !is_length || !self.values.is_trusted(flags) || self.values.inside(value).is_none() {
            return None;
        }
        let symbol = func.dfg.value_def(arg).inst()?;
        match func.dfg.insts[symbol] {
            InstructionData::UnaryGlobalValue { global_value, .. } => {
                match self.symbol(global_value)? {
                    Symbol::Memory(memory) => Some(memory),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// Divides what is touched into streams.
fn streams(values: &Values<'_>, touched: Vec<Touched>) -> Option<(Vec<Access>, Vec<Stream>)> {
    let mut streams: Vec<Stream> = Vec::new();
    // Of each what is touched: its stream, and the index from the start of that.
    let mut indices: Vec<(usize, i64)> = Vec::new();
    for one in &touched {
        let index = &one.place.index;
        let known = streams
            .iter()
            .position(|stream| stream.start.terms == index.terms);
        let stream = match known {
            Some(stream) => stream,
            None => {
                let step = values.step(index)?;
                if streams.len() == MAX_STREAMS || !(-MAX_STEP..=MAX_STEP).contains(&step) {
                    return None;
                }
                streams.push(Stream {
                    start: index.clone(),
                    step,
                    low: i64::MAX,
                    high: 0,
                    stored: false,
                });
                streams.len() - 1
            }
        };
        let start = streams[stream].start.constant;
        let distance = index.constant.wrapping_sub(start).cast_signed();
        indices.push((stream, distance.into()));
    }
    // The lowest index of all is where the stream starts; none is 2^31 from it.
    for (at, stream) in streams.iter_mut().enumerate() {
        let own = indices.iter().filter(|index| index.0 == at);
        let (lowest, highest) = own.fold((0, 0), |(lowest, highest), index| {
            (index.1.min(lowest), index.1.max(highest))
        });
        (highest - lowest < 1 << 31).then_some(())?;
        let constant = stream.start.constant.wrapping_add(lowest as u32);
        stream.start.constant = constant;
        for index in indices.iter_mut().filter(|index| index.0 == at) {
            index.1 -= lowest;
        }
    }
    let mut all = Vec::new();
    for (one, (stream, index)) in touched.iter().zip(indices) {
        let at = index + one.place.offset;
        let of = &mut streams[stream];
        of.low = of.low.min(at);
        of.high = of.high.max(at + one.size);
        if let Some((position, ty, stored)) = one.access {
            of.stored |= stored.is_some();
            all.push(Access {
                position,
                stream,
                at,
                ty,
                stored,
            });
        }
    }
    Some((all, streams))
}
