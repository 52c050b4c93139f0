// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Instructions on indices of either width, and on elements of any kind.

use super::{BOUND, COUNT, Condition, Element, INDEX};
use wasm_encoder::{InstructionSink, MemArg, MemArgTarget};

/// The body of a function.
pub struct Code<'a> {
    pub sink: InstructionSink<'a>,
    pub element: Element,
    /// Indices have 64 bits.
    pub wide: bool,
}

/// The instruction for either width of an index.
macro_rules! either {
    ($code:ident, $narrow:ident, $wide:ident) => {{
        match $code.wide {
            true => $code.sink.$wide(),
            false => $code.sink.$narrow(),
        };
        $code
    }};
}

impl Code<'_> {
    pub fn get(&mut self, local: u32) -> &mut Self {
        self.sink.local_get(local);
        self
    }

    pub fn set(&mut self, local: u32) -> &mut Self {
        self.sink.local_set(local);
        self
    }

    /// A constant index; of the narrow ones the low bits.
    pub fn index(&mut self, value: u64) -> &mut Self {
        match self.wide {
            true => self.sink.i64_const(value as i64),
            false => self.sink.i32_const(value as u32 as i32),
        };
        self
    }

    pub fn add(&mut self) -> &mut Self {
        either!(self, i32_add, i64_add)
    }

    pub fn mul(&mut self) -> &mut Self {
        either!(self, i32_mul, i64_mul)
    }

    pub fn and(&mut self) -> &mut Self {
        either!(self, i32_and, i64_and)
    }

    pub fn shl(&mut self) -> &mut Self {
        either!(self, i32_shl, i64_shl)
    }

    pub fn not_equal(&mut self) -> &mut Self {
        either!(self, i32_ne, i64_ne)
    }

    /// Adds a constant to an index.
    pub fn step(&mut self, local: u32, by: u64) -> &mut Self {
        self.get(local).index(by).add().set(local)
    }

    /// Whether there is another turn, as an `i32`.
    pub fn goes_on(&mut self, condition: Condition) -> &mut Self {
        match condition {
            Condition::Count => return self.get(COUNT).index(0).not_equal(),
            _ => self.get(INDEX).get(BOUND),
        };
        match condition {
            Condition::Below => either!(self, i32_lt_u, i64_lt_u),
            Condition::BelowSigned => either!(self, i32_lt_s, i64_lt_s),
            Condition::NotAbove => either!(self, i32_le_u, i64_le_u),
            Condition::Count | Condition::NotEqual => self.not_equal(),
        }
    }

    /// A constant element.
    pub fn value(&mut self, value: u64) -> &mut Self {
        match self.element {
            Element::I8 | Element::I16 | Element::I32 => self.sink.i32_const(value as i32),
            Element::I64 => self.sink.i64_const(value as i64),
            Element::F32 => self.sink.f32_const((value as f32).into()),
            Element::F64 => self.sink.f64_const((value as f64).into()),
        };
        self
    }

    fn argument(&self, offset: u64) -> MemArg {
        MemArg {
            offset,
            align: self.element.size_log2(),
            target: MemArgTarget::Memory(0),
            ordering: None,
        }
    }

    pub fn load(&mut self, offset: u64) -> &mut Self {
        let argument = self.argument(offset);
        match self.element {
            Element::I8 => self.sink.i32_load8_u(argument),
            Element::I16 => self.sink.i32_load16_s(argument),
            Element::I32 => self.sink.i32_load(argument),
            Element::I64 => self.sink.i64_load(argument),
            Element::F32 => self.sink.f32_load(argument),
            Element::F64 => self.sink.f64_load(argument),
        };
        self
    }

    pub fn store(&mut self, offset: u64) -> &mut Self {
        let argument = self.argument(offset);
        match self.element {
            Element::I8 => self.sink.i32_store8(argument),
            Element::I16 => self.sink.i32_store16(argument),
            Element::I32 => self.sink.i32_store(argument),
            Element::I64 => self.sink.i64_store(argument),
            Element::F32 => self.sink.f32_store(argument),
            Element::F64 => self.sink.f64_store(argument),
        };
        self
    }

    /// One of the operations on two elements; on floats the result is not larger than the larger
    /// of them.
    pub fn operation(&mut self, which: u64) -> &mut Self {
        match self.element {
            Element::F32 => match which % 4 {
                0 => self.sink.f32_add().f32_const(0.5.into()).f32_mul(),
                1 => self.sink.f32_sub().f32_const(0.5.into()).f32_mul(),
                2 => self.sink.f32_min(),
                _ => self.sink.f32_max(),
            },
            Element::F64 => match which % 4 {
                0 => self.sink.f64_add().f64_const(0.5.into()).f64_mul(),
                1 => self.sink.f64_sub().f64_const(0.5.into()).f64_mul(),
                2 => self.sink.f64_min(),
                _ => self.sink.f64_max(),
            },
            Element::I64 => match which % 7 {
                0 => self.sink.i64_add(),
                1 => self.sink.i64_sub(),
                2 => self.sink.i64_mul(),
                3 => self.sink.i64_xor(),
                4 => self.sink.i64_or(),
                5 => self.sink.i64_shr_u(),
                _ => self.sink.i64_shl(),
            },
            _ => match which % 8 {
                0 => self.sink.i32_add(),
                1 => self.sink.i32_sub(),
                2 => self.sink.i32_mul(),
                3 => self.sink.i32_xor(),
                4 => self.sink.i32_and(),
                5 => self.sink.i32_shr_u(),
                6 => self.sink.i32_shr_s(),
                _ => self.sink.i32_shl(),
            },
        };
        self
    }

    /// Whether one element is less (or more) than another.
    pub fn less(&mut self, which: u64) -> &mut Self {
        match self.element {
            Element::F32 if which.is_multiple_of(2) => self.sink.f32_lt(),
            Element::F32 => self.sink.f32_gt(),
            Element::F64 if which.is_multiple_of(2) => self.sink.f64_lt(),
            Element::F64 => self.sink.f64_ge(),
            Element::I64 if which.is_multiple_of(2) => self.sink.i64_lt_s(),
            Element::I64 => self.sink.i64_gt_u(),
            _ => match which % 4 {
                0 => self.sink.i32_lt_s(),
                1 => self.sink.i32_gt_s(),
                2 => self.sink.i32_lt_u(),
                _ => self.sink.i32_ge_u(),
            },
        };
        self
    }
}
