// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Arguments, results, and patterns of results.

use std::fmt;
use wasm_aot_script::outcome::host_reference;
use wasm_aot_script::{RefKind, Shape, Slot};
use wast::core::{NanPattern, V128Const, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

/// A number's or lane's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "their names say all")]
pub enum Number {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Number {
    fn name(self) -> &'static str {
        match self {
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    fn show(self, bits: u64) -> String {
        let bits = bits & u64::MAX >> (64 - 8 * self.bytes());
        match self {
            Self::I8 => (bits as i8).to_string(),
            Self::I16 => (bits as i16).to_string(),
            Self::I32 => (bits as i32).to_string(),
            Self::I64 => (bits as i64).to_string(),
            Self::F32 => show_float(f32::from_bits(bits as u32), bits),
            Self::F64 => show_float(f64::from_bits(bits), bits),
        }
    }
}

fn show_float(value: impl fmt::Display + Into<f64> + Copy, bits: u64) -> String {
    let wide: f64 = value.into();
    if wide.is_nan() {
        format!("nan ({bits:#x})")
    } else {
        format!("{value} ({bits:#x})")
    }
}

/// The bits of a number, or which bits do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bits {
    /// These.
    Exactly(u64),
    /// A NaN whose payload is its most significant bit alone.
    CanonicalNan,
    /// A NaN whose payload has its most significant bit.
    ArithmeticNan,
}

impl Bits {
    fn matches(self, number: Number, bits: u64) -> bool {
        let (sign, canonical) = match number {
            Number::F32 => (1 << 31, 0x7fc0_0000),
            _ => (1 << 63, 0x7ff8_0000_0000_0000),
        };
        // What is above a number in its slot says nothing.
        let bits = bits & u64::MAX >> (64 - 8 * number.bytes());
        match self {
            Self::Exactly(expected) => bits == expected,
            Self::CanonicalNan => bits & !sign == canonical,
            Self::ArithmeticNan => bits & canonical == canonical,
        }
    }

    fn show(self, number: Number) -> String {
        match self {
            Self::Exactly(bits) => number.show(bits),
            Self::CanonicalNan => "nan:canonical".into(),
            Self::ArithmeticNan => "nan:arithmetic".into(),
        }
    }
}

/// Which references do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reference {
    /// A null.
    Null,
    /// Any but null, of the `func` hierarchy.
    Function,
    /// Any but null, of the `extern` hierarchy.
    Extern,
    /// This value of the host.
    Host(u32),
    /// Any but null, of the `any` hierarchy.
    Any,
    /// One that `ref.eq` takes.
    Eq,
    /// An array.
    Array,
    /// A structure.
    Struct,
    /// A small integer.
    I31,
}

/// Which results do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pattern {
    /// A number.
    Number(Number, Bits),
    /// A vector, lane by lane.
    Vector(Number, Vec<Bits>),
    /// A reference.
    Reference(Reference),
    /// One of several.
    Either(Vec<Pattern>),
}

impl Pattern {
    /// The pattern as a script has it.
    ///
    /// # Errors
    /// For what WebAssembly 3.0 and the proposals beside it do not have.
    pub fn of(pattern: &WastRet<'_>) -> Result<Self, String> {
        match pattern {
            WastRet::Core(pattern) => Self::core(pattern),
            other => Err(format!("a result that is not of a core module: {other:?}")),
        }
    }

    fn core(pattern: &WastRetCore<'_>) -> Result<Self, String> {
        let exactly = |number, bits| Self::Number(number, Bits::Exactly(bits));
        Ok(match pattern {
            WastRetCore::I32(value) => exactly(Number::I32, u64::from(*value as u32)),
            WastRetCore::I64(value) => exactly(Number::I64, *value as u64),
            WastRetCore::F32(value) => {
                Self::Number(Number::F32, nan(value, |value| u64::from(value.bits)))
            }
            WastRetCore::F64(value) => Self::Number(Number::F64, nan(value, |value| value.bits)),
            WastRetCore::V128(value) => vector(value),
            WastRetCore::RefNull(_) => Self::Reference(Reference::Null),
            WastRetCore::RefExtern(None) => Self::Reference(Reference::Extern),
            WastRetCore::RefExtern(Some(value)) | WastRetCore::RefHost(value) => {
                Self::Reference(Reference::Host(*value))
            }
            WastRetCore::RefFunc(_) => Self::Reference(Reference::Function),
            WastRetCore::RefAny => Self::Reference(Reference::Any),
            WastRetCore::RefEq => Self::Reference(Reference::Eq),
            WastRetCore::RefArray => Self::Reference(Reference::Array),
            WastRetCore::RefStruct => Self::Reference(Reference::Struct),
            WastRetCore::RefI31 => Self::Reference(Reference::I31),
            WastRetCore::Either(patterns) => {
                Self::Either(patterns.iter().map(Self::core).collect::<Result<_, _>>()?)
            }
            WastRetCore::RefI31Shared => return Err("shared references".into()),
        })
    }

    /// Whether a result of this type does.
    #[must_use]
    pub fn matches(&self, ty: Type, value: Slot) -> bool {
        match self {
            Self::Number(number, bits) => {
                ty == Type::Number(*number) && bits.matches(*number, value[0])
            }
            Self::Vector(number, lanes) => {
                let found = lanes_of(*number, value);
                ty == Type::Vector
                    && lanes
                        .iter()
                        .zip(found)
                        .all(|(bits, found)| bits.matches(*number, found))
            }
            Self::Reference(reference) => match ty {
                Type::Reference(shape) => reference.matches(shape, value),
                _ => false,
            },
            Self::Either(patterns) => patterns.iter().any(|pattern| pattern.matches(ty, value)),
        }
    }
}

impl Reference {
    fn matches(self, shape: Shape, value: Slot) -> bool {
        let Some(&kind) = RefKind::ALL.get(value[1] as usize) else {
            return false;
        };
        match self {
            Self::Null => kind == RefKind::Null,
            Self::Function => kind == RefKind::Function,
            Self::Extern | Self::Any => shape == Shape::Any && kind != RefKind::Null,
            Self::Host(expected) => kind == RefKind::Host && value[0] == host_reference(expected),
            Self::Eq => matches!(kind, RefKind::I31 | RefKind::Struct | RefKind::Array),
            Self::Array => kind == RefKind::Array,
            Self::Struct => kind == RefKind::Struct,
            Self::I31 => kind == RefKind::I31,
        }
    }
}

fn nan<T>(pattern: &NanPattern<T>, bits: impl Fn(&T) -> u64) -> Bits {
    match pattern {
        NanPattern::CanonicalNan => Bits::CanonicalNan,
        NanPattern::ArithmeticNan => Bits::ArithmeticNan,
        NanPattern::Value(value) => Bits::Exactly(bits(value)),
    }
}

fn vector(pattern: &V128Pattern) -> Pattern {
    fn exact<T: Copy>(number: Number, lanes: &[T], bits: impl Fn(T) -> u64) -> Pattern {
        let lanes = lanes.iter().map(|&lane| Bits::Exactly(bits(lane)));
        Pattern::Vector(number, lanes.collect())
    }
    match pattern {
        V128Pattern::I8x16(lanes) => exact(Number::I8, lanes, |lane| u64::from(lane as u8)),
        V128Pattern::I16x8(lanes) => exact(Number::I16, lanes, |lane| u64::from(lane as u16)),
        V128Pattern::I32x4(lanes) => exact(Number::I32, lanes, |lane| u64::from(lane as u32)),
        V128Pattern::I64x2(lanes) => exact(Number::I64, lanes, |lane| lane as u64),
        V128Pattern::F32x4(lanes) => {
            let lane = |lane| nan(lane, |value: &F32| u64::from(value.bits));
            Pattern::Vector(Number::F32, lanes.iter().map(lane).collect())
        }
        V128Pattern::F64x2(lanes) => {
            let lane = |lane| nan(lane, |value: &F64| value.bits);
            Pattern::Vector(Number::F64, lanes.iter().map(lane).collect())
        }
    }
}

fn lanes_of(number: Number, value: Slot) -> Vec<u64> {
    let bits = u128::from(value[0]) | u128::from(value[1]) << 64;
    let lane = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let bytes = bits.to_le_bytes();
    bytes.chunks(number.bytes()).map(lane).collect()
}

/// An argument and its type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Argument {
    /// The type, `None` for a reference: a null may be of many.
    pub ty: Option<Type>,
    /// Its bits.
    pub slot: Slot,
}

impl Argument {
    /// The argument as a script has it.
    ///
    /// # Errors
    /// For what WebAssembly 3.0 and the proposals beside it do not have.
    pub fn of(argument: &WastArg<'_>) -> Result<Self, String> {
        let WastArg::Core(argument) = argument else {
            return Err(format!(
                "an argument that is not for a core module: {argument:?}"
            ));
        };
        let number = |number| Some(Type::Number(number));
        let (ty, slot) = match argument {
            WastArgCore::I32(value) => (number(Number::I32), [u64::from(*value as u32), 0]),
            WastArgCore::I64(value) => (number(Number::I64), [*value as u64, 0]),
            WastArgCore::F32(value) => (number(Number::F32), [u64::from(value.bits), 0]),
            WastArgCore::F64(value) => (number(Number::F64), [value.bits, 0]),
            WastArgCore::V128(value) => (Some(Type::Vector), vector_slot(value)),
            WastArgCore::RefNull(_) => (None, [0, 0]),
            WastArgCore::RefExtern(value) | WastArgCore::RefHost(value) => {
                (None, [host_reference(*value), 0])
            }
        };
        Ok(Self { ty, slot })
    }

    /// Whether a parameter of this type takes it.
    #[must_use]
    pub fn fits(&self, ty: Type) -> bool {
        match self.ty {
            Some(own) => own == ty,
            None => matches!(ty, Type::Reference(_)),
        }
    }
}

fn vector_slot(value: &V128Const) -> Slot {
    let bits = u128::from_le_bytes(value.to_le_bytes());
    [bits as u64, (bits >> 64) as u64]
}

/// The type of an argument or a result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// A number.
    Number(Number),
    /// A vector.
    Vector,
    /// A reference of this hierarchy.
    Reference(Shape),
}

impl Type {
    /// What a value of this type is, as far as an engine must know.
    #[must_use]
    pub fn shape(self) -> Shape {
        match self {
            Self::Reference(shape) => shape,
            _ => Shape::Number,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number(number) => number.name(),
            Self::Vector => "v128",
            Self::Reference(Shape::Function) => "a function reference",
            Self::Reference(Shape::Exception) => "an exception reference",
            Self::Reference(_) => "a reference",
        })
    }
}

/// Results for people.
pub struct Shown<'a>(pub &'a [Type], pub &'a [Slot]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.0.iter().zip(self.1);
        list(f, values, |(&ty, &value)| show(ty, value))
    }
}

fn show(ty: Type, value: Slot) -> String {
    match ty {
        Type::Number(number) => format!("{}:{}", number.name(), number.show(value[0])),
        Type::Vector => {
            let lanes = lanes_of(Number::I32, value);
            let lanes: Vec<String> = lanes.iter().map(|lane| format!("{lane:#010x}")).collect();
            format!("v128:i32x4 {}", lanes.join(" "))
        }
        Type::Reference(_) => show_reference(value),
    }
}

fn show_reference(value: Slot) -> String {
    let word = value[0];
    match RefKind::ALL.get(value[1] as usize) {
        Some(RefKind::Null) => "ref.null".into(),
        Some(RefKind::Function) => "ref.func".into(),
        Some(RefKind::Host) => format!("ref.host {}", word >> 2),
        Some(RefKind::I31) => format!("ref.i31 {}", (word >> 1) as u32 & 0x7fff_ffff),
        Some(RefKind::Struct) => "ref.struct".into(),
        Some(RefKind::Array) => "ref.array".into(),
        Some(RefKind::Exception) => "ref.exn".into(),
        Some(RefKind::Object) | None => format!("an unknown reference ({word:#x})"),
    }
}

/// Patterns for people.
pub struct Expected<'a>(pub &'a [Pattern]);

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        list(f, self.0.iter(), show_pattern)
    }
}

fn show_pattern(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Number(number, bits) => format!("{}:{}", number.name(), bits.show(*number)),
        Pattern::Vector(number, lanes) => {
            let shown: Vec<String> = lanes.iter().map(|bits| bits.show(*number)).collect();
            let (name, count) = (number.name(), lanes.len());
            format!("v128:{name}x{count} {}", shown.join(" "))
        }
        Pattern::Reference(Reference::Host(value)) => format!("ref.host {value}"),
        Pattern::Reference(reference) => {
            format!("ref.{}", format!("{reference:?}").to_lowercase())
        }
        Pattern::Either(patterns) => {
            let shown: Vec<String> = patterns.iter().map(show_pattern).collect();
            format!("either of {}", shown.join(" | "))
        }
    }
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    values: impl Iterator<Item = T>,
    show: impl Fn(T) -> String,
) -> fmt::Result {
    let shown: Vec<String> = values.map(show).collect();
    match shown.is_empty() {
        true => f.write_str("nothing"),
        false => f.write_str(&shown.join(", ")),
    }
}
