// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Modules of loops over arrays, as compilers of C make them: what an optimizer of loops looks
//! for, and what it must not be misled by.
//!
//! Each function walks over up to three arrays in a loop, or in a loop in a loop, with one to five
//! elements a turn: arrays that overlap or are the same, that end where the memory ends or begin
//! just below 2^32, indices that wrap, steps that jump over their bound, statements out of order.
//! Every turn makes an access that depends on the turn, so whatever does not end traps. Arithmetic
//! on floats keeps values between the largest and the smallest of them: no NaN comes up, whose
//! bits would be the processor's choice.

mod code;

use crate::random::Random;
use code::Code;
use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function,
    FunctionSection, MemorySection, MemoryType, Module, TypeSection, ValType,
};

/// What the arrays of a module hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Element {
    fn size_log2(self) -> u32 {
        match self {
            Self::I8 => 0,
            Self::I16 => 1,
            Self::I32 | Self::F32 => 2,
            Self::I64 | Self::F64 => 3,
        }
    }

    fn value(self) -> ValType {
        match self {
            Self::I8 | Self::I16 | Self::I32 => ValType::I32,
            Self::I64 => ValType::I64,
            Self::F32 => ValType::F32,
            Self::F64 => ValType::F64,
        }
    }
}

/// How the address of an array's element is put together.
#[derive(Clone, Copy)]
enum Address {
    /// The pointer is a local that every turn moves.
    Pointer,
    /// `pointer + index`, the index in bytes.
    Sum,
    /// `pointer + (index << log2(size))`.
    Scaled,
    /// The index in bytes alone; the array's place is the static offset.
    Static(u64),
}

/// When the loop goes on.
#[derive(Clone, Copy)]
enum Condition {
    /// A counter that goes down to 0.
    Count,
    /// The index is not the bound.
    NotEqual,
    /// The index is below the bound, without a sign or with one.
    Below,
    BelowSigned,
    /// The index is not above the bound.
    NotAbove,
}

/// An expression, the same for every element of a turn.
enum Tree {
    /// Of an array, so many elements beside the current one.
    Load(usize, i64),
    /// What does not change in the loop.
    Invariant,
    Constant(u64),
    /// The accumulator.
    Accumulator,
    /// Which operation, and its operands.
    Operation(u64, Box<Tree>, Box<Tree>),
    /// The smaller or the larger by a comparison.
    Select(u64, Box<Tree>, Box<Tree>),
}

/// Locals: the three parameters, then these.
const POINTER: u32 = 3;
const INDEX: u32 = 6;
const COUNT: u32 = 7;
const OUTER: u32 = 8;
const BOUND: u32 = 9;
const INVARIANT: u32 = 10;
const ACCUMULATOR: u32 = 11;
const LEFT: u32 = 12;
const RIGHT: u32 = 13;
const PAGE: u64 = 1 << 16;

/// A module of one kind of element.
struct Kernels {
    random: Random,
    element: Element,
    memory: MemoryType,
}

/// What a function's loop is like.
struct Shape {
    arrays: [Address; 3],
    elements: i64,
    /// Elements from one turn to the next.
    step: i64,
    /// The index is in elements.
    scaled: bool,
    condition: Condition,
    /// The bound is compared with the index as it was before the step.
    compares_old: bool,
    tests_first: bool,
    tree: Tree,
    /// So many elements beside the current one.
    store_at: i64,
    /// Whether the turn adds to the accumulator.
    reduces: bool,
    /// The statements are not in the order of the elements.
    shuffled: bool,
    /// One of the statements is unlike the others.
    irregular: bool,
    /// The stores are under a condition.
    conditional: bool,
}

/// The module of a seed.
#[must_use]
pub fn module(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed ^ 0x6c6f_6f70);
    let element = random.choose(&[
        Element::I8,
        Element::I16,
        Element::I32,
        Element::I32,
        Element::I64,
        Element::F32,
        Element::F64,
        Element::F64,
    ]);
    let minimum = 1 + random.below(3);
    let memory = MemoryType {
        minimum,
        maximum: Some(minimum + random.below(3)),
        memory64: random.below(8) == 0,
        shared: false,
        page_size_log2: None,
    };
    let mut kernels = Kernels {
        random,
        element,
        memory,
    };
    kernels.module()
}

impl Kernels {
    fn chance(&mut self, one_in: u64) -> bool {
        self.random.below(one_in) == 0
    }

    fn size_log2(&self) -> u32 {
        self.element.size_log2()
    }

    fn module(&mut self) -> Vec<u8> {
        let mut module = Module::new();
        let index = match self.memory.memory64 {
            true => ValType::I64,
            false => ValType::I32,
        };
        let mut types = TypeSection::new();
        types.ty().function([index; 3], [self.element.value()]);
        let mut functions = FunctionSection::new();
        let mut exports = ExportSection::new();
        let mut bodies = CodeSection::new();
        for position in 0..2 + self.random.below(5) as u32 {
            functions.function(0);
            exports.export(&format!("f{position}"), ExportKind::Func, position);
            let mut function = Function::new([(7, index), (4, self.element.value())]);
            let mut code = Code {
                sink: function.instructions(),
                element: self.element,
                wide: self.memory.memory64,
            };
            self.function(&mut code);
            bodies.function(&function);
        }
        let mut memories = MemorySection::new();
        memories.memory(self.memory);
        module.section(&types).section(&functions);
        module.section(&memories).section(&exports);
        module.section(&bodies).section(&self.data());
        module.finish()
    }

    /// Small numbers at the beginning and at the end of the memory.
    fn data(&mut self) -> DataSection {
        let mut data = DataSection::new();
        for start in [0, self.memory.minimum * PAGE - 2048] {
            let mut bytes = Vec::new();
            while bytes.len() < 2048 {
                let number = self.random.below(2000) as i64 - 1000;
                match self.element {
                    Element::F32 => bytes.extend((number as f32 * -0.125).to_le_bytes()),
                    Element::F64 => bytes.extend((number as f64 * -0.125).to_le_bytes()),
                    _ => bytes.extend(self.random.word().to_le_bytes()),
                }
            }
            let offset = match self.memory.memory64 {
                true => ConstExpr::i64_const(start as i64),
                false => ConstExpr::i32_const(start as i32),
            };
            data.active(0, &offset, bytes);
        }
        data
    }

    fn function(&mut self, code: &mut Code<'_>) {
        let shape = self.shape();
        self.prologue(code);
        let nested = self.chance(3);
        if nested {
            code.index(1 + self.random.below(4)).set(OUTER);
            code.sink.loop_(BlockType::Empty);
        }
        self.inner(code, &shape);
        if nested {
            for array in 0..3 {
                let row = self.random.below(40) << self.size_log2();
                code.step(POINTER + array, row);
            }
            code.step(OUTER, u64::MAX);
            code.get(OUTER).index(0).not_equal();
            code.sink.br_if(0).end();
        }
        code.get(ACCUMULATOR).sink.end();
    }

    fn shape(&mut self) -> Shape {
        let scaled = self.chance(2);
        let log2 = self.size_log2();
        let mut array = || match (self.random.below(4), scaled) {
            (0, _) => Address::Pointer,
            // One index is either in bytes or in elements.
            (_, true) => Address::Scaled,
            (1, _) => Address::Static(self.random.below(256) << log2),
            _ => Address::Sum,
        };
        let arrays = [array(), array(), array()];
        let elements = 1 + self.random.below(5) as i64;
        let depth = self.random.below(3);
        let tree = self.tree(depth);
        Shape {
            arrays,
            elements,
            step: match self.random.below(8) {
                0 => -elements,
                1 => elements + 1,
                2 => 1,
                _ => elements,
            },
            scaled,
            condition: self.random.choose(&[
                Condition::Count,
                Condition::NotEqual,
                Condition::NotEqual,
                Condition::Below,
                Condition::BelowSigned,
                Condition::NotAbove,
            ]),
            compares_old: self.chance(2),
            tests_first: self.chance(3),
            tree,
            store_at: self.random.choose(&[0, 0, 0, 1, -1]),
            reduces: self.chance(3),
            shuffled: self.chance(6),
            irregular: self.chance(6),
            conditional: self.chance(8),
        }
    }

    fn tree(&mut self, depth: u64) -> Tree {
        if depth == 0 {
            return match self.random.below(6) {
                0 => Tree::Invariant,
                1 => Tree::Constant(self.random.below(100)),
                2 if self.chance(3) => Tree::Accumulator,
                _ => {
                    let beside = self.random.choose(&[0, 0, 0, 0, 1, -1, 2, 4, -8]);
                    Tree::Load(self.random.below(3) as usize, beside)
                }
            };
        }
        let which = self.random.below(1 << 16);
        let left = Box::new(self.tree(depth - 1));
        let below = self.random.below(depth);
        let right = Box::new(self.tree(below));
        match self.chance(4) {
            true => Tree::Select(which, left, right),
            false => Tree::Operation(which, left, right),
        }
    }

    /// Pointers, the counter, the invariant.
    fn prologue(&mut self, code: &mut Code<'_>) {
        let log2 = self.size_log2();
        let end = self.memory.minimum * PAGE;
        for array in 0..3 {
            let some = (1 + self.random.below(40)) << log2;
            let place = match self.random.below(12) {
                0 => end - some,
                1 => (1 << 32) - some,
                2 => end + some,
                3 => 0,
                _ => self.random.below(128) << log2,
            };
            code.index(place);
            if self.chance(2) {
                let mask = self.random.choose(&[0x78, 0x3f8, 0xfff8, 0xffff_fff8]);
                code.get(self.random.below(3) as u32).index(mask).and();
                code.add();
            }
            code.set(POINTER + array);
        }
        let turns = self.random.below(36);
        match self.random.below(3) {
            0 => code.index(turns),
            1 => code.get(2).index(31).and(),
            _ => code.get(2).index(31).and().index(1).add(),
        };
        code.set(COUNT);
        match self.chance(2) {
            true => code.get(POINTER).index(0xff8).and().load(0),
            false => code.value(3),
        };
        code.set(INVARIANT);
    }

    /// The loop: its index, its bound, its turns.
    fn inner(&mut self, code: &mut Code<'_>, shape: &Shape) {
        let unit = self.unit(shape);
        let some = self.random.below(20) * unit;
        let start = match self.random.below(10) {
            0 => (1 << 32) - some - unit,
            1 | 2 => some,
            _ => 0,
        };
        let step = (shape.step as u64).wrapping_mul(unit);
        // The bound is so many turns away, now and then not exactly.
        let inexact = match self.random.below(8) {
            0 => self.random.below(9),
            1 => step.wrapping_neg(),
            _ => 0,
        };
        code.index(start).set(INDEX);
        match self.chance(2) {
            true => code.index(1 + self.random.below(36)),
            false => code.get(COUNT),
        };
        code.index(step).mul();
        code.index(start.wrapping_add(inexact)).add().set(BOUND);
        if shape.tests_first {
            code.sink.block(BlockType::Empty).loop_(BlockType::Empty);
            code.goes_on(shape.condition);
            code.sink.i32_eqz().br_if(1);
            self.body(code, shape);
            advance(code, shape, step);
            code.sink.br(0).end().end();
            return;
        }
        code.sink.loop_(BlockType::Empty);
        self.body(code, shape);
        if shape.compares_old {
            code.goes_on(shape.condition);
            advance(code, shape, step);
        } else {
            advance(code, shape, step);
            code.goes_on(shape.condition);
        }
        code.sink.br_if(0).end();
    }

    /// What the index goes up by with an element.
    fn unit(&self, shape: &Shape) -> u64 {
        match shape.scaled {
            true => 1,
            false => 1 << self.size_log2(),
        }
    }

    /// One turn: a statement for each of its elements.
    fn body(&mut self, code: &mut Code<'_>, shape: &Shape) {
        let mut elements: Vec<i64> = (0..shape.elements).collect();
        if shape.shuffled {
            let other = self.random.below(shape.elements as u64) as usize;
            elements.swap(0, other);
        }
        let odd = self.random.below(shape.elements as u64) as i64;
        let other = self.tree(1);
        // The lowest bit of the step changes with every turn.
        let step = shape.step * self.unit(shape) as i64;
        let every_other = (step & -step) as u64;
        for element in elements {
            let tree = match shape.irregular && element == odd {
                true => &other,
                false => &shape.tree,
            };
            if shape.conditional {
                code.get(INDEX).index(every_other).and();
                code.index(0).not_equal();
                code.sink.if_(BlockType::Empty);
            }
            let store_at = element + shape.store_at;
            let offset = self.address(code, shape, 0, store_at);
            self.expression(code, shape, tree, element);
            code.store(offset);
            if shape.conditional {
                code.sink.end();
            }
            if shape.reduces {
                code.get(ACCUMULATOR);
                self.expression(code, shape, &Tree::Load(1, 0), element);
                code.operation(0).set(ACCUMULATOR);
            }
        }
    }

    fn expression(&mut self, code: &mut Code<'_>, shape: &Shape, tree: &Tree, element: i64) {
        match tree {
            Tree::Load(array, beside) => {
                let offset = self.address(code, shape, *array, element + beside);
                code.load(offset);
            }
            Tree::Invariant => drop(code.get(INVARIANT)),
            Tree::Constant(value) => drop(code.value(*value)),
            Tree::Accumulator => drop(code.get(ACCUMULATOR)),
            Tree::Operation(which, left, right) => {
                self.expression(code, shape, left, element);
                self.expression(code, shape, right, element);
                code.operation(*which);
            }
            Tree::Select(which, left, right) => {
                self.expression(code, shape, left, element);
                code.set(LEFT);
                self.expression(code, shape, right, element);
                code.set(RIGHT);
                code.get(LEFT).get(RIGHT);
                code.get(LEFT).get(RIGHT).less(*which);
                code.sink.select();
            }
        }
    }

    /// Pushes the index of an element of an array; the static offset is the result.
    fn address(&mut self, code: &mut Code<'_>, shape: &Shape, array: usize, element: i64) -> u64 {
        let log2 = self.size_log2();
        let pointer = POINTER + array as u32;
        let mut offset = match shape.arrays[array] {
            Address::Pointer => {
                code.get(pointer);
                0
            }
            Address::Sum => {
                code.get(pointer).get(INDEX).add();
                0
            }
            Address::Scaled => {
                code.get(pointer).get(INDEX).index(log2.into()).shl().add();
                0
            }
            Address::Static(offset) => {
                code.get(INDEX);
                offset
            }
        };
        let bytes = element << log2;
        match u64::try_from(bytes) {
            Ok(bytes) if !self.chance(4) => offset += bytes,
            _ => drop(code.index(bytes as u64).add()),
        }
        offset
    }
}

/// Moves what moves with a turn.
fn advance(code: &mut Code<'_>, shape: &Shape, step: u64) {
    for (array, address) in shape.arrays.iter().enumerate() {
        if matches!(address, Address::Pointer) {
            let bytes = (shape.step as u64) << code.element.size_log2();
            code.step(POINTER + array as u32, bytes);
        }
    }
    code.step(INDEX, step);
    if matches!(shape.condition, Condition::Count) {
        code.step(COUNT, u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Validator, WasmFeatures};

    #[test]
    fn modules_are_valid() {
        for seed in 0..500 {
            Validator::new_with_features(WasmFeatures::WASM3)
                .validate_all(&module(seed))
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
    }
}
