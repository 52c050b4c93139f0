// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which values of a window of rounds become the lanes of which vectors.
//!
//! The window is as if the loop had been unrolled. All vectors are computed, all loads among them,
//! before the first is stored; whether that changes what a load reads is decided here for accesses
//! of one stream, and at run time for all others.

use super::access::{Access, Accesses};
use super::linear::{Kind, Linear, Values};
use super::shape::Trips;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstructionData, Opcode, Type, Value, types};
use std::collections::HashMap;

/// The most vectors of a window, and the most that it stores.
const MAX_NODES: usize = 64;
const MAX_STORES: usize = 8;
/// Windows of no more vectors than this are made twice as large, so that there is less to count.
const SMALL: usize = 12;

/// A value of the loop, in a round of the window. What is the same in all rounds is of round 0.
pub type Lane = (Value, u32);

/// A vector, by its position among all of the window. Operands stand before what uses them.
pub type NodeId = usize;

/// How a vector is made.
#[derive(Clone, Debug)]
pub enum Node {
    /// The same value in all lanes.
    Splat(Value),
    /// Values that do not change.
    Gather(Vec<Value>),
    /// One that is read at an address that does not change.
    LoadSplat(usize),
    /// Adjacent in memory, from this access in this round on; lanes in the opposite order.
    Load {
        access: usize,
        round: u32,
        reversed: bool,
    },
    /// The instruction that makes this value, of operands that are vectors.
    Unary(Value, NodeId),
    Binary(Value, NodeId, NodeId),
    /// By the same amount.
    Shift(Value, NodeId, Value),
    IntCompare(IntCC, NodeId, NodeId),
    FloatCompare(FloatCC, NodeId, NodeId),
    /// Mask, and what is taken where it is set, and where not.
    Select(NodeId, NodeId, NodeId),
    /// The last lane of a vector in the window before, and all but its last lane in this one.
    Previous {
        param: usize,
        of: NodeId,
    },
    /// Integers that grow: in the first round, and by how much in a window.
    Counting {
        lanes: Vec<Linear>,
        step: u32,
    },
}

/// A node and the type of its lanes.
#[derive(Clone, Debug)]
pub struct Vector {
    pub node: Node,
    pub lane: Type,
}

/// The vector version of a loop.
pub struct Packed {
    pub accesses: Accesses,
    pub trips: Trips,
    pub kinds: Vec<Kind>,
    /// log2 of how many rounds the window has.
    pub rounds_log2: u32,
    pub vectors: Vec<Vector>,
    /// The access and round of its lowest lane, and what is stored, in the order of the loop.
    pub stores: Vec<(usize, u32, NodeId)>,
    /// For each parameter that is a value of the round before, the vector whose last lane it is.
    pub carried: Vec<Option<NodeId>>,
}

struct Packer<'v, 'f, 'a> {
    values: &'v mut Values<'f>,
    accesses: &'a Accesses,
    rounds: u32,
    lanes: usize,
    /// Bytes of a lane.
    width: u32,
    vectors: Vec<Vector>,
    known: HashMap<Vec<Lane>, Option<NodeId>>,
    carried: Vec<Option<NodeId>>,
}

/// Finds the vectors of the smallest window that has any, or of a larger one that is still small.
pub fn pack(values: &mut Values<'_>, accesses: Accesses, trips: Trips) -> Option<Packed> {
    let mut stored = accesses.all.iter().filter(|access| access.stored.is_some());
    let width = stored.next()?.ty.bytes();
    if stored.any(|access| access.ty.bytes() != width) || !matches!(width, 4 | 8) {
        return None;
    }
    let lanes = 16 / width;
    let mut best = None;
    for rounds_log2 in 0..=lanes.trailing_zeros() + 1 {
        let rounds = 1 << rounds_log2;
        let mut packer = Packer {
            values,
            accesses: &accesses,
            rounds,
            lanes: lanes as usize,
            width,
            vectors: Vec::new(),
            known: HashMap::new(),
            carried: Vec::new(),
        };
        let found = packer.window();
        let Some(stores) = found else {
            if best.is_some() {
                break;
            }
            continue;
        };
        let last = best.is_some() || packer.vectors.len() > SMALL;
        best = Some((rounds_log2, packer.vectors, stores, packer.carried));
        if last {
            break;
        }
    }
    let (rounds_log2, vectors, stores, carried) = best?;
    // Something has to count.
    accesses
        .streams
        .iter()
        .any(|stream| stream.step != 0)
        .then_some(())?;
    Some(Packed {
        kinds: values.kinds.clone(),
        accesses,
        trips,
        rounds_log2,
        vectors,
        stores,
        carried,
    })
}

impl Packer<'_, '_, '_> {
    fn window(&mut self) -> Option<Vec<(usize, u32, NodeId)>> {
        self.carried = vec![None; self.values.shape.params.len()];
        let stores = self.store_packs()?;
        self.is_in_order()?;
        let mut packed = Vec::new();
        for lanes in stores {
            let values: Option<Vec<Lane>> = lanes
                .iter()
                .map(|&(access, round)| {
                    let stored = self.accesses.all[access].stored?;
                    Some(self.lane(stored, round))
                })
                .collect();
            let node = self.vector(values?)?;
            let (access, round) = lanes[0];
            if self.vectors[node].lane != self.accesses.all[access].ty {
                return None;
            }
            packed.push((access, round, node));
        }
        // What the original loop needs afterwards.
        for (kind, carried) in self.values.kinds.iter().zip(&self.carried) {
            if *kind == Kind::Previous && carried.is_none() {
                return None;
            }
        }
        Some(packed)
    }

    /// Bytes from the start of its stream in the window's first round.
    fn place(&self, access: &Access, round: u32) -> i64 {
        access.at + i64::from(round) * i64::from(self.accesses.streams[access.stream].step)
    }

    /// All stores of the window, divided into adjacent ones, the lowest address first.
    fn store_packs(&self) -> Option<Vec<Vec<(usize, u32)>>> {
        let mut stores = Vec::new();
        for (at, access) in self.accesses.all.iter().enumerate() {
            if access.stored.is_some() {
                stores.extend((0..self.rounds).map(|round| {
                    let place = self.place(access, round);
                    (access.stream, place, at, round)
                }));
            }
        }
        if stores.len() > MAX_STORES * self.lanes || !stores.len().is_multiple_of(self.lanes) {
            return None;
        }
        stores.sort_unstable();
        let mut packs = Vec::new();
        for pack in stores.chunks(self.lanes) {
            let adjacent = pack.windows(2).all(|pair| {
                pair[0].0 == pair[1].0 && pair[0].1 + i64::from(self.width) == pair[1].1
            });
            if !adjacent {
                return None;
            }
            packs.push(pack.iter().map(|store| (store.2, store.3)).collect());
        }
        Some(packs)
    }

    /// Whether, in one stream, no load of the window reads what a store before it has stored, and no
    /// two stores overlap.
    fn is_in_order(&self) -> Option<()> {
        let all = &self.accesses.all;
        for store in all.iter().filter(|access| access.stored.is_some()) {
            for other in all.iter().filter(|other| other.stream == store.stream) {
                for first in 0..self.rounds {
                    for second in 0..self.rounds {
                        let (is, before) = ((second, other.position), (first, store.position));
                        let later = before < is;
                        if is == before || other.stored.is_none() && !later {
                            continue;
                        }
                        let (a, b) = (self.place(store, first), self.place(other, second));
                        if a < b + other.size() && b < a + store.size() {
                            return None;
                        }
                    }
                }
            }
        }
        Some(())
    }

    /// The lane that has a value in a round: what is passed from round to round is followed back
    /// into the window.
    fn lane(&mut self, value: Value, round: u32) -> Lane {
        let (mut value, mut round) = (value, round);
        while let Some(at) = self.values.shape.param(value) {
            match self.values.kinds[at] {
                Kind::Previous if round > 0 => {
                    value = self.values.shape.nexts[at];
                    round -= 1;
                }
                _ => break,
            }
        }
        match self.values.invariant(value) {
            true => (value, 0),
            false => (value, round),
        }
    }

    fn push(&mut self, node: Node, lane: Type) -> Option<NodeId> {
        if self.vectors.len() == MAX_NODES {
            return None;
        }
        self.vectors.push(Vector { node, lane });
        Some(self.vectors.len() - 1)
    }

    /// The vector of these lanes.
    fn vector(&mut self, lanes: Vec<Lane>) -> Option<NodeId> {
        if let Some(known) = self.known.get(&lanes) {
            return *known;
        }
        // Whoever needs it to make it finds that it cannot be made.
        self.known.insert(lanes.clone(), None);
        if self.known.len() > 4 * MAX_NODES {
            return None;
        }
        let node = self.make(&lanes);
        self.known.insert(lanes, node);
        node
    }

    fn make(&mut self, lanes: &[Lane]) -> Option<NodeId> {
        let (first, _) = lanes[0];
        let dfg = &self.values.func.dfg;
        let ty = dfg.value_type(first);
        let known = matches!(ty, types::I32 | types::I64 | types::F32 | types::F64);
        let same = lanes.iter().all(|lane| dfg.value_type(lane.0) == ty);
        if !known || !same || ty.bytes() != self.width {
            return None;
        }
        if lanes.iter().all(|lane| self.values.invariant(lane.0)) {
            let node = match lanes.iter().all(|lane| lane.0 == first) {
                true => Node::Splat(first),
                false => Node::Gather(lanes.iter().map(|lane| lane.0).collect()),
            };
            return self.push(node, ty);
        }
        if self
            .values
            .shape
            .param(first)
            .map(|at| self.values.kinds[at])
            == Some(Kind::Previous)
        {
            return self.previous(lanes, ty);
        }
        if let Some(node) = self.counting(lanes, ty) {
            return self.push(node, ty);
        }
        let all: Option<Vec<(&InstructionData, u32)>> = lanes
            .iter()
            .map(|&(value, round)| Some((self.values.inside(value)?, round)))
            .collect();
        let all = all?;
        let data = all[0].0;
        let alike = all.iter().all(|other| other.0.opcode() == data.opcode());
        if !alike {
            return None;
        }
        match *data {
            InstructionData::Load { .. } => {
                let node = self.load(lanes)?;
                self.push(node, ty)
            }
            InstructionData::Unary { opcode, .. } if is_unary(opcode, ty) => {
                let operand = self.operands(lanes, 0)?;
                let from = self.vectors[operand].lane;
                let matches = match opcode {
                    Opcode::FcvtFromSint | Opcode::FcvtFromUint => from == types::I32,
                    _ => from == ty,
                };
                matches.then_some(())?;
                self.push(Node::Unary(first, operand), ty)
            }
            InstructionData::Binary { opcode, args } if is_shift(opcode, ty) => {
                let by = args[1];
                let same = all.iter().all(|(data, _)| match data {
                    InstructionData::Binary { args, .. } => {
                        args[1] == by || {
                            let (a, b) = (self.values.constant(args[1]), self.values.constant(by));
                            a.is_some() && a == b
                        }
                    }
                    _ => false,
                });
                if !same || !self.values.invariant(by) {
                    return None;
                }
                let operand = self.operands(lanes, 0)?;
                self.push(Node::Shift(first, operand, by), ty)
            }
            InstructionData::Binary { opcode, .. } if is_binary(opcode, ty) => {
                let left = self.operands(lanes, 0)?;
                let right = self.operands(lanes, 1)?;
                self.push(Node::Binary(first, left, right), ty)
            }
            InstructionData::Ternary {
                opcode: Opcode::Select,
                ..
            } => {
                let mask = self.mask(lanes)?;
                let yes = self.operands(lanes, 1)?;
                let no = self.operands(lanes, 2)?;
                self.push(Node::Select(mask, yes, no), ty)
            }
            _ => None,
        }
    }

    /// The vector of an operand of all lanes.
    fn operands(&mut self, lanes: &[Lane], operand: usize) -> Option<NodeId> {
        let func = self.values.func;
        let operands: Option<Vec<Lane>> = lanes
            .iter()
            .map(|&(value, round)| {
                let inst = func.dfg.value_def(value).inst()?;
                let value = *func.dfg.inst_args(inst).get(operand)?;
                Some(self.lane(value, round))
            })
            .collect();
        self.vector(self.same_constants(operands?))
    }

    /// Constants that are equal become one value, so that lanes of them are found equal.
    fn same_constants(&self, mut lanes: Vec<Lane>) -> Vec<Lane> {
        let first = lanes[0].0;
        let data = |value| {
            let inst = self.values.func.dfg.value_def(value).inst()?;
            let data = &self.values.func.dfg.insts[inst];
            let constant = matches!(
                data.opcode(),
                Opcode::Iconst | Opcode::F32const | Opcode::F64const
            );
            constant.then_some(data)
        };
        let ty = |value| self.values.func.dfg.value_type(value);
        if let Some(constant) = data(first) {
            for lane in &mut lanes[1..] {
                if data(lane.0) == Some(constant) && ty(lane.0) == ty(first) {
                    lane.0 = first;
                }
            }
        }
        lanes
    }

    /// The mask of selects whose conditions are comparisons of one kind, of values as wide as what
    /// is selected.
    fn mask(&mut self, lanes: &[Lane]) -> Option<NodeId> {
        let func = self.values.func;
        let mut conditions = Vec::new();
        for &(value, round) in lanes {
            let inst = func.dfg.value_def(value).inst()?;
            let mut condition = *func.dfg.inst_args(inst).first()?;
            while let Some(InstructionData::Unary {
                opcode: Opcode::Uextend,
                arg,
            }) = self.values.inside(condition)
            {
                condition = *arg;
            }
            conditions.push((condition, round));
        }
        let first = self.values.inside(conditions[0].0)?;
        for (condition, _) in &conditions {
            let same = match (first, self.values.inside(*condition)?) {
                (
                    InstructionData::IntCompare { cond: a, .. },
                    InstructionData::IntCompare { cond: b, .. },
                ) => a == b,
                (
                    InstructionData::FloatCompare { cond: a, .. },
                    InstructionData::FloatCompare { cond: b, .. },
                ) => a == b,
                _ => false,
            };
            same.then_some(())?;
        }
        let left = self.operands(&conditions, 0)?;
        let right = self.operands(&conditions, 1)?;
        let lane = self.vectors[left].lane;
        match *first {
            InstructionData::IntCompare { cond, .. } => {
                let wide = lane == types::I32
                    || matches!(
                        cond,
                        IntCC::Equal
                            | IntCC::NotEqual
                            | IntCC::SignedLessThan
                            | IntCC::SignedLessThanOrEqual
                            | IntCC::SignedGreaterThan
                            | IntCC::SignedGreaterThanOrEqual
                    );
                wide.then_some(())?;
                self.push(Node::IntCompare(cond, left, right), lane)
            }
            InstructionData::FloatCompare { cond, .. } => {
                let simple = matches!(
                    cond,
                    FloatCC::Equal
                        | FloatCC::NotEqual
                        | FloatCC::LessThan
                        | FloatCC::LessThanOrEqual
                        | FloatCC::GreaterThan
                        | FloatCC::GreaterThanOrEqual
                );
                simple.then_some(())?;
                let integer = lane.as_int();
                self.push(Node::FloatCompare(cond, left, right), integer)
            }
            _ => None,
        }
    }

    /// Loads that are adjacent, in either order, or all the same one of an address that does not
    /// change.
    fn load(&mut self, lanes: &[Lane]) -> Option<Node> {
        let mut places = Vec::new();
        for &(value, round) in lanes {
            let position = self.values.position(value)?;
            let access = *self.accesses.by_position.get(&position)?;
            let one = &self.accesses.all[access];
            places.push((one.stream, self.place(one, round), access, round));
        }
        let (stream, start, access, round) = places[0];
        if places.iter().any(|place| place.0 != stream) {
            return None;
        }
        let width = i64::from(self.width);
        let apart = |by: i64| places.windows(2).all(|pair| pair[0].1 + by == pair[1].1);
        if apart(width) {
            return Some(Node::Load {
                access,
                round,
                reversed: false,
            });
        }
        if apart(-width) {
            let last = places[places.len() - 1];
            return Some(Node::Load {
                access: last.2,
                round: last.3,
                reversed: true,
            });
        }
        let of = &self.accesses.streams[stream];
        let fixed = of.step == 0 && !of.stored && places.iter().all(|place| place.1 == start);
        fixed.then_some(Node::LoadSplat(access))
    }

    /// A value of the last round of the window before, and then the values that follow it.
    fn previous(&mut self, lanes: &[Lane], ty: Type) -> Option<NodeId> {
        let (param, _) = lanes[0];
        let at = self.values.shape.param(param)?;
        let last = self.lane(self.values.shape.nexts[at], self.rounds - 1);
        let mut following = lanes[1..].to_vec();
        following.push(last);
        let of = self.vector(following)?;
        if self.vectors[of].lane != ty || self.carried[at].is_some() {
            return None;
        }
        self.carried[at] = Some(of);
        self.push(Node::Previous { param: at, of }, ty)
    }

    /// Integers that grow by constants.
    fn counting(&mut self, lanes: &[Lane], ty: Type) -> Option<Node> {
        if ty != types::I32 {
            return None;
        }
        let mut sums = Vec::new();
        for &(value, round) in lanes {
            let mut sum = self.values.linear(value)?;
            let step = self.values.step(&sum)?;
            sum.constant = sum.constant.wrapping_add((step as u32).wrapping_mul(round));
            sums.push((sum, step as u32));
        }
        let step = sums[0].1;
        let alike = sums
            .iter()
            .all(|sum| sum.1 == step && sum.0.terms == sums[0].0.terms);
        alike.then(|| Node::Counting {
            lanes: sums.into_iter().map(|sum| sum.0).collect(),
            step: step.wrapping_mul(self.rounds),
        })
    }
}

/// Instructions that exist for vectors with the same meaning, lane by lane, on all targets.
fn is_unary(opcode: Opcode, ty: Type) -> bool {
    use Opcode as O;
    match opcode {
        O::Fneg | O::Fabs | O::Sqrt | O::Ceil | O::Floor | O::Trunc | O::Nearest => ty.is_float(),
        O::FcvtFromSint | O::FcvtFromUint => ty == types::F32,
        _ => false,
    }
}

fn is_binary(opcode: Opcode, ty: Type) -> bool {
    use Opcode as O;
    match opcode {
        O::Fadd | O::Fsub | O::Fmul | O::Fdiv | O::Fmin | O::Fmax => ty.is_float(),
        O::Iadd | O::Isub | O::Band | O::Bor | O::Bxor => ty.is_int(),
        // Of 64 bits it is many instructions.
        O::Imul => ty == types::I32,
        _ => false,
    }
}

fn is_shift(opcode: Opcode, ty: Type) -> bool {
    match opcode {
        Opcode::Ishl | Opcode::Ushr => ty.is_int(),
        Opcode::Sshr => ty == types::I32,
        _ => false,
    }
}
