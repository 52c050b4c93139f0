// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The code of the vector version, in front of the original loop.

use super::Vectorizer;
use super::guard::{Front, Num, Reach};
use super::linear::Kind;
use super::pack::{Node, NodeId, Packed, Vector};
use super::shape::Shape;
use crate::plan::{Base, Symbol};
use crate::translate;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, ConstantData, Endianness, Function, InstBuilder, MemFlagsData, Opcode, Type,
    Value, types,
};
use std::collections::HashMap;
use wasm_aot_object::Machine;

/// Where an access is: an address, and bytes from it.
type Address = (Value, i32);

struct Emitter<'f, 'p> {
    front: Front<'f>,
    packed: &'p Packed,
    machine: Machine,
    reaches: Vec<Reach>,
    /// Of byte 0 of the memory, and what goes into displacements instead.
    base: Num,
    displaced: i64,
    /// Steps of streams, with the parameters of the vector loop that count them.
    counters: Vec<(i32, Value)>,
    /// Addresses of streams in the first round, plus so many bytes.
    starts: HashMap<(usize, i64), Num>,
    values: Vec<Option<Value>>,
    /// By how much is shifted, of 32 bits.
    amounts: HashMap<Value, Value>,
}

/// Puts the vector version in front of the loop.
pub fn emit(vectorizer: Vectorizer<'_>, func: &mut Function, shape: &Shape, packed: &Packed) {
    let entry = func.layout.inst_block(shape.entry).expect("it is there");
    let location = func.srcloc(shape.entry);
    func.layout.remove_inst(shape.entry);
    let mut at = FuncCursor::new(func).with_srcloc(location);
    at.goto_bottom(entry);
    let mut front = Front::new(at, shape, &packed.kinds);
    let original: Vec<BlockArg> = shape.inits.iter().map(|&value| value.into()).collect();
    let Some((rounds, enough)) = front.rounds(packed) else {
        front.at.ins().jump(shape.header, &original);
        return;
    };
    front.proceed_if(enough, &original);
    let (holds, reaches) = front.checks(vectorizer, packed, rounds);
    front.proceed_if(holds, &original);
    let mut emitter = Emitter {
        front,
        packed,
        machine: vectorizer.machine,
        reaches,
        base: Num::Constant(0),
        displaced: 0,
        counters: Vec::new(),
        starts: HashMap::new(),
        values: vec![None; packed.vectors.len()],
        amounts: HashMap::new(),
    };
    emitter.base(vectorizer);
    emitter.vector_loop(rounds);
}

impl Front<'_> {
    /// A new block in front of the loop.
    fn block(&mut self) -> Block {
        let block = self.at.func.dfg.make_block();
        self.at.layout_mut().insert_block(block, self.shape.header);
        block
    }

    /// What follows is done only if the condition holds; else the original loop is.
    fn proceed_if(&mut self, condition: Option<Value>, original: &[BlockArg]) {
        if let Some(condition) = condition {
            let next = self.block();
            let header = self.shape.header;
            self.at.ins().brif(condition, next, &[], header, original);
            self.at.goto_bottom(next);
        }
    }
}

impl Emitter<'_, '_> {
    fn base(&mut self, vectorizer: Vectorizer<'_>) {
        let memory = self.packed.accesses.memory;
        let constant = match vectorizer.plan.memories[memory as usize].base {
            Base::Constant(base) => base as i64,
            Base::Symbol => {
                let symbol = Symbol::MemoryBase(memory);
                let at = &mut self.front.at;
                self.base = Num::Value(translate::symbol_address(vectorizer.plan, at, symbol));
                return;
            }
        };
        // What fits is part of instructions.
        let small = self.machine == Machine::X86_64 && constant < 1 << 30;
        match small {
            true => self.displaced = constant,
            false => self.base = Num::Constant(constant),
        }
    }

    fn vector_loop(&mut self, rounds: Num) {
        let packed = self.packed;
        // In front.
        for (id, vector) in packed.vectors.iter().enumerate() {
            self.values[id] = self.constant_vector(vector);
            if let Node::Shift(_, _, by) = vector.node {
                let amount = self.front.invariant(by);
                let at = &mut self.front.at;
                let amount = match at.func.dfg.value_type(amount) {
                    types::I64 => at.ins().ireduce(types::I32, amount),
                    _ => amount,
                };
                self.amounts.insert(by, amount);
            }
        }
        let mut steps: Vec<i32> = packed.accesses.streams.iter().map(|s| s.step).collect();
        steps.retain(|&step| step != 0);
        steps.sort_unstable_by_key(|step| std::cmp::Reverse(*step));
        steps.dedup();
        let end = self.extent(steps[0]);
        let mut addresses = Vec::new();
        let touched = packed.stores.iter().map(|store| (store.0, store.1));
        let loaded = packed
            .vectors
            .iter()
            .filter_map(|vector| match vector.node {
                Node::Load { access, round, .. } => Some((access, round)),
                _ => None,
            });
        for (access, round) in loaded.chain(touched) {
            addresses.push(((access, round), self.start(access, round)));
        }
        let addresses: HashMap<(usize, u32), (Num, i32)> = addresses.into_iter().collect();
        let carried: Vec<(usize, NodeId)> = packed
            .carried
            .iter()
            .enumerate()
            .filter_map(|(param, node)| Some((param, (*node)?)))
            .collect();
        let counting: Vec<NodeId> = (0..packed.vectors.len())
            .filter(|&id| matches!(packed.vectors[id].node, Node::Counting { .. }))
            .collect();

        // Into the loop.
        let zero = self.front.value(Num::Constant(0));
        let mut initial: Vec<BlockArg> = vec![zero.into(); steps.len()];
        for &(param, node) in &carried {
            let value = self.front.shape.inits[param];
            let ty = vector_type(packed.vectors[node].lane);
            initial.push(self.front.at.ins().splat(ty, value).into());
        }
        for &id in &counting {
            initial.push(self.values[id].expect("made in front").into());
        }
        let grows: Vec<Value> = counting.iter().map(|&id| self.growth(id)).collect();
        let body = self.front.block();
        self.front.at.ins().jump(body, &initial);
        self.front.at.goto_bottom(body);
        for &step in &steps {
            let dfg = &mut self.front.at.func.dfg;
            let counter = dfg.append_block_param(body, types::I64);
            self.counters.push((step, counter));
        }
        let mut before = HashMap::new();
        for &(param, node) in &carried {
            let ty = vector_type(packed.vectors[node].lane);
            let dfg = &mut self.front.at.func.dfg;
            before.insert(param, dfg.append_block_param(body, ty));
        }
        for &id in &counting {
            let ty = vector_type(packed.vectors[id].lane);
            let dfg = &mut self.front.at.func.dfg;
            self.values[id] = Some(dfg.append_block_param(body, ty));
        }

        self.window(&addresses, &before);

        // Again, or the rest.
        let mut next: Vec<BlockArg> = Vec::new();
        for at in 0..self.counters.len() {
            let (step, counter) = self.counters[at];
            let by = i64::from(step) << packed.rounds_log2;
            let by = self.front.at.ins().iconst(types::I64, by);
            next.push(self.front.at.ins().iadd(counter, by).into());
        }
        for &(_, node) in &carried {
            next.push(self.vector(node).into());
        }
        for (&id, by) in counting.iter().zip(grows) {
            let value = self.vector(id);
            next.push(self.front.at.ins().iadd(value, by).into());
        }
        let counted = next[0].as_value().expect("a counter");
        let end = self.front.value(end);
        let more = self.front.at.ins().icmp(IntCC::NotEqual, counted, end);
        let rest = self.front.block();
        self.front.at.ins().brif(more, body, &next, rest, &[]);
        self.front.at.goto_bottom(rest);
        self.rest(rounds);
    }

    /// How far streams with this step go.
    fn extent(&self, step: i32) -> Num {
        let streams = self.packed.accesses.streams.iter();
        let found = streams.zip(&self.reaches).find(|(s, _)| s.step == step);
        found.expect("it is the step of a stream").1.extent
    }

    /// The parameters of the original loop after these rounds.
    fn rest(&mut self, rounds: Num) {
        let mut arguments: Vec<BlockArg> = Vec::new();
        for (at, kind) in self.packed.kinds.iter().enumerate() {
            let init = self.front.shape.inits[at];
            let value = match *kind {
                Kind::Affine(0) => init,
                Kind::Affine(step) => {
                    let grown = self.front.times(rounds, step);
                    let grown = self.front.value(grown);
                    let ty = self.front.at.func.dfg.value_type(init);
                    let grown = match ty == types::I64 {
                        true => grown,
                        false => self.front.at.ins().ireduce(ty, grown),
                    };
                    self.front.at.ins().iadd(init, grown)
                }
                Kind::Previous | Kind::Unknown => {
                    let node = self.packed.carried[at].expect("all are carried");
                    let lanes = 16 / self.packed.vectors[node].lane.bytes();
                    let vector = self.vector(node);
                    self.front.at.ins().extractlane(vector, (lanes - 1) as u8)
                }
            };
            arguments.push(value.into());
        }
        let header = self.front.shape.header;
        self.front.at.ins().jump(header, &arguments);
    }

    fn vector(&self, id: NodeId) -> Value {
        self.values[id].expect("operands stand before what uses them")
    }

    /// A vector that does not change, or as it is in the first window.
    fn constant_vector(&mut self, vector: &Vector) -> Option<Value> {
        let ty = vector_type(vector.lane);
        match &vector.node {
            Node::Splat(value) => {
                let value = self.front.invariant(*value);
                Some(self.front.at.ins().splat(ty, value))
            }
            Node::Gather(values) => {
                let first = self.front.invariant(values[0]);
                let mut gathered = self.front.at.ins().splat(ty, first);
                for (lane, &value) in values.iter().enumerate().skip(1) {
                    let value = self.front.invariant(value);
                    gathered = self.front.at.ins().insertlane(gathered, value, lane as u8);
                }
                Some(gathered)
            }
            Node::LoadSplat(access) => {
                let (address, offset) = self.start(*access, 0);
                let address = self.front.value(address);
                let flags = self.flags(*access);
                let at = &mut self.front.at;
                let value = at.ins().load(vector.lane, flags, address, offset);
                Some(at.ins().splat(ty, value))
            }
            Node::Counting { lanes, .. } => {
                let first = self.front.sum(&lanes[0]);
                let at = &mut self.front.at;
                let first = match first {
                    Num::Constant(first) => at.ins().iconst(types::I32, first),
                    Num::Value(first) => first,
                };
                let first = at.ins().splat(ty, first);
                let from = lanes[0].constant;
                let bytes: Vec<u8> = lanes
                    .iter()
                    .flat_map(|lane| lane.constant.wrapping_sub(from).to_le_bytes())
                    .collect();
                let constants = &mut at.func.dfg.constants;
                let constant = constants.insert(ConstantData::from(&bytes[..]));
                let apart = at.ins().vconst(ty, constant);
                Some(at.ins().iadd(first, apart))
            }
            _ => None,
        }
    }

    /// What is added to a vector that counts, for each window.
    fn growth(&mut self, id: NodeId) -> Value {
        let Node::Counting { step, .. } = self.packed.vectors[id].node else {
            unreachable!("only these grow");
        };
        let at = &mut self.front.at;
        let step = at.ins().iconst(types::I32, i64::from(step));
        at.ins().splat(types::I32X4, step)
    }

    fn flags(&self, access: usize) -> MemFlagsData {
        let position = self.packed.accesses.all[access].position;
        let inst = self.front.shape.body[position];
        let dfg = &self.front.at.func.dfg;
        let flags = dfg.insts[inst].memflags_data(dfg);
        flags.expect("a load or store has flags")
    }

    /// The address of an access in a round of the first window, computed in front as far as it is
    /// not part of an instruction.
    fn start(&mut self, access: usize, round: u32) -> (Num, i32) {
        let accesses = &self.packed.accesses;
        let one = accesses.all[access];
        let step = i64::from(accesses.streams[one.stream].step);
        let at = one.at + i64::from(round) * step;
        let displacement = i32::try_from(at + self.displaced);
        let (apart, displacement) = match displacement {
            Ok(displacement) if self.machine == Machine::X86_64 => (0, displacement),
            // No addition for each access, but one in front.
            _ => (at + self.displaced, 0),
        };
        let key = (one.stream, apart);
        if let Some(&known) = self.starts.get(&key) {
            return (known, displacement);
        }
        let (start, base) = (self.reaches[one.stream].start, self.base);
        let address = self.front.add(base, start);
        let address = self.front.add(address, Num::Constant(apart));
        self.starts.insert(key, address);
        (address, displacement)
    }

    /// The address of an access in this window.
    fn address(&mut self, start: (Num, i32), access: usize) -> Address {
        let stream = self.packed.accesses.all[access].stream;
        let step = self.packed.accesses.streams[stream].step;
        let counter = self.counters.iter().find(|counter| counter.0 == step);
        let counter = counter.map_or(Num::Constant(0), |counter| Num::Value(counter.1));
        if let Num::Constant(constant) = start.0
            && let Ok(sum) = i32::try_from(constant + i64::from(start.1))
            && self.machine == Machine::X86_64
            && let Num::Value(counter) = counter
        {
            return (counter, sum);
        }
        let address = self.front.add(start.0, counter);
        (self.front.value(address), start.1)
    }

    fn window(
        &mut self,
        addresses: &HashMap<(usize, u32), (Num, i32)>,
        before: &HashMap<usize, Value>,
    ) {
        let packed = self.packed;
        for (id, vector) in packed.vectors.iter().enumerate() {
            if self.values[id].is_none() {
                self.values[id] = Some(self.make(vector, addresses, before));
            }
        }
        for &(access, round, node) in &packed.stores {
            self.locate(packed.accesses.all[access].position);
            let (address, offset) = self.address(addresses[&(access, round)], access);
            let flags = self.flags(access);
            let value = self.vector(node);
            self.front.at.ins().store(flags, value, address, offset);
        }
    }

    /// What follows belongs to this instruction of the body.
    fn locate(&mut self, position: usize) {
        let inst = self.front.shape.body[position];
        let location = self.front.at.func.srcloc(inst);
        self.front.at.set_srcloc(location);
    }

    fn make(
        &mut self,
        vector: &Vector,
        addresses: &HashMap<(usize, u32), (Num, i32)>,
        before: &HashMap<usize, Value>,
    ) -> Value {
        let ty = vector_type(vector.lane);
        match vector.node {
            Node::Load {
                access,
                round,
                reversed,
            } => {
                self.locate(self.packed.accesses.all[access].position);
                let (address, offset) = self.address(addresses[&(access, round)], access);
                let flags = self.flags(access);
                let value = self.front.at.ins().load(ty, flags, address, offset);
                match reversed {
                    true => self.shuffle(ty, value, value, |lane, lanes| lanes - 1 - lane),
                    false => value,
                }
            }
            Node::Previous { param, of } => {
                let of = self.vector(of);
                self.shuffle(ty, before[&param], of, |lane, lanes| lanes - 1 + lane)
            }
            Node::Unary(model, operand) => {
                let opcode = self.opcode(model);
                let operand = self.vector(operand);
                let (inst, dfg) = self.front.at.ins().Unary(opcode, ty, operand);
                dfg.first_result(inst)
            }
            Node::Binary(model, left, right) => {
                let opcode = self.opcode(model);
                let (left, right) = (self.vector(left), self.vector(right));
                let (inst, dfg) = self.front.at.ins().Binary(opcode, ty, left, right);
                dfg.first_result(inst)
            }
            Node::Shift(model, operand, by) => {
                let opcode = self.opcode(model);
                let by = self.amounts[&by];
                let operand = self.vector(operand);
                let (inst, dfg) = self.front.at.ins().Binary(opcode, ty, operand, by);
                dfg.first_result(inst)
            }
            Node::IntCompare(condition, left, right) => {
                let (left, right) = (self.vector(left), self.vector(right));
                self.front.at.ins().icmp(condition, left, right)
            }
            Node::FloatCompare(condition, left, right) => {
                let (left, right) = (self.vector(left), self.vector(right));
                self.front.at.ins().fcmp(condition, left, right)
            }
            Node::Select(mask, yes, no) => {
                let (mut mask, yes, no) = (self.vector(mask), self.vector(yes), self.vector(no));
                if vector.lane.is_float() {
                    mask = self.front.at.ins().bitcast(ty, little(), mask);
                }
                self.front.at.ins().bitselect(mask, yes, no)
            }
            Node::Splat(_) | Node::Gather(_) | Node::LoadSplat(_) | Node::Counting { .. } => {
                unreachable!("made in front")
            }
        }
    }

    /// Lanes of two vectors one after the other, by their numbers there.
    fn shuffle(&mut self, ty: Type, a: Value, b: Value, from: fn(u32, u32) -> u32) -> Value {
        let width = ty.lane_type().bytes();
        let lanes = 16 / width;
        let bytes: Vec<u8> = (0..lanes)
            .flat_map(|lane| (0..width).map(move |byte| (from(lane, lanes) * width + byte) as u8))
            .collect();
        let at = &mut self.front.at;
        let mask = at.func.dfg.immediates.push(ConstantData::from(&bytes[..]));
        let a = at.ins().bitcast(types::I8X16, little(), a);
        let b = at.ins().bitcast(types::I8X16, little(), b);
        let shuffled = at.ins().shuffle(a, b, mask);
        at.ins().bitcast(ty, little(), shuffled)
    }

    fn opcode(&self, model: Value) -> Opcode {
        let dfg = &self.front.at.func.dfg;
        let inst = dfg.value_def(model).inst();
        dfg.insts[inst.expect("vectors are made as values of instructions")].opcode()
    }
}

/// The vector of 128 bits with these lanes.
fn vector_type(lane: Type) -> Type {
    match lane {
        types::I32 => types::I32X4,
        types::F32 => types::F32X4,
        types::I64 => types::I64X2,
        _ => types::F64X2,
    }
}

/// How a vector becomes another type: lane 0 is the lowest bytes.
fn little() -> MemFlagsData {
    MemFlagsData::new().with_endianness(Endianness::Little)
}
