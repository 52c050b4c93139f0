// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Arguments and results, as engines carry them and as scripts spell them.

use crate::random::Random;
use spec_tests::value::{Argument, Number, Type};
use wasm_aot_script::outcome::host_reference;
use wasm_aot_script::{RefKind, Slot};
use wasmparser::types::TypesRef;
use wasmparser::{AbstractHeapType, CompositeInnerType, HeapType, UnpackedIndex, ValType};

/// The type of a value, as far as texts need it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A number.
    Number(Number),
    /// A vector.
    Vector,
    /// A reference, by its hierarchy, and what may be passed.
    Reference(&'static str, Accepts),
}

/// Which reference a script can pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accepts {
    /// A value of the host.
    Host,
    /// A null.
    Null,
    /// None that can be written.
    Nothing,
}

impl Kind {
    /// Of a type of the module.
    #[must_use]
    pub fn of(types: &TypesRef<'_>, ty: ValType) -> Self {
        match ty {
            ValType::I32 => Self::Number(Number::I32),
            ValType::I64 => Self::Number(Number::I64),
            ValType::F32 => Self::Number(Number::F32),
            ValType::F64 => Self::Number(Number::F64),
            ValType::V128 => Self::Vector,
            ValType::Ref(ty) => {
                let accepts = match ty.is_nullable() {
                    _ if ty.is_extern_ref() => Accepts::Host,
                    // The other side cannot be given a null of this hierarchy.
                    true if top(types, ty.heap_type()) == "exn" => Accepts::Nothing,
                    true => Accepts::Null,
                    false => Accepts::Nothing,
                };
                Self::Reference(top(types, ty.heap_type()), accepts)
            }
        }
    }
}

/// The top type of a heap type.
fn top(types: &TypesRef<'_>, ty: HeapType) -> &'static str {
    use AbstractHeapType as A;
    match ty {
        HeapType::Abstract { ty, .. } => match ty {
            A::Func | A::NoFunc => "func",
            A::Extern | A::NoExtern => "extern",
            A::Exn | A::NoExn => "exn",
            _ => "any",
        },
        HeapType::Concrete(UnpackedIndex::Id(id)) | HeapType::Exact(UnpackedIndex::Id(id)) => {
            match types[id].composite_type.inner {
                CompositeInnerType::Func(_) => "func",
                _ => "any",
            }
        }
        // A group's own index: the text of a null is all that depends on it.
        _ => "any",
    }
}

/// Numbers that tend to matter.
const INTERESTING: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
    0x3f80_0000,
    0x3ff0_0000_0000_0000,
    0x7f80_0000,
    0x7ff8_0000_0000_0000,
];

/// An argument of this type and its text; `None` where none can be made.
pub fn argument(kind: Kind, random: &mut Random) -> Option<(Argument, String)> {
    let mut word = || match random.below(3) {
        0 => random.word(),
        1 => random.below(1000),
        _ => random.choose(&INTERESTING),
    };
    let narrow = |bits: u64, number| match number {
        Number::I32 | Number::F32 => bits & 0xffff_ffff,
        _ => bits,
    };
    let (ty, slot) = match kind {
        Kind::Number(number) => (Some(Type::Number(number)), [narrow(word(), number), 0]),
        Kind::Vector => (Some(Type::Vector), [word(), word()]),
        Kind::Reference(_, Accepts::Host) => {
            let value = random.below(100) as u32;
            let slot = [host_reference(value), RefKind::Host as u64];
            let text = text(kind, slot)?;
            let slot = [slot[0], 0];
            return Some((Argument { ty: None, slot }, text));
        }
        Kind::Reference(_, Accepts::Null) => (None, [0, 0]),
        Kind::Reference(_, Accepts::Nothing) => return None,
    };
    Some((Argument { ty, slot }, text(kind, slot)?))
}

/// The text of a value in a script; `None` where there is none that says enough.
#[must_use]
pub fn text(kind: Kind, slot: Slot) -> Option<String> {
    Some(match kind {
        Kind::Number(Number::I32) => format!("(i32.const {})", slot[0] as i32),
        Kind::Number(Number::I64) => format!("(i64.const {})", slot[0] as i64),
        Kind::Number(Number::F32) => {
            let bits = slot[0] as u32;
            let float = f32::from_bits(bits);
            let payload = u64::from(bits & 0x7f_ffff);
            format!(
                "(f32.const {})",
                float_text(float.into(), float.is_sign_negative(), payload)
            )
        }
        Kind::Number(_) => {
            let float = f64::from_bits(slot[0]);
            let payload = slot[0] & 0xf_ffff_ffff_ffff;
            format!(
                "(f64.const {})",
                float_text(float, float.is_sign_negative(), payload)
            )
        }
        Kind::Vector => format!("(v128.const i64x2 {} {})", slot[0] as i64, slot[1] as i64),
        Kind::Reference(hierarchy, _) => {
            let host = slot[0] >> 2;
            match RefKind::ALL.get(slot[1] as usize)? {
                RefKind::Null => format!("(ref.null {hierarchy})"),
                RefKind::Function => "(ref.func)".into(),
                RefKind::Host if hierarchy == "extern" => format!("(ref.extern {host})"),
                RefKind::Host => format!("(ref.host {host})"),
                RefKind::I31 if hierarchy == "any" => "(ref.i31)".into(),
                RefKind::Struct if hierarchy == "any" => "(ref.struct)".into(),
                RefKind::Array if hierarchy == "any" => "(ref.array)".into(),
                _ => return None,
            }
        }
    })
}

fn float_text(value: f64, negative: bool, payload: u64) -> String {
    let sign = if negative { "-" } else { "" };
    if value.is_nan() {
        format!("{sign}nan:{payload:#x}")
    } else if value.is_infinite() {
        format!("{sign}inf")
    } else {
        // The shortest text that is read back as the same number, if it is read as a double; a
        // single is written with as many digits as its double has.
        format!("{sign}{:e}", value.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_scripts() {
        let f32 = |bits: u32| text(Kind::Number(Number::F32), [bits.into(), 0]).unwrap();
        assert_eq!(f32(0x3fc0_0000), "(f32.const 1.5e0)");
        assert_eq!(f32(0x8000_0000), "(f32.const -0e0)");
        assert_eq!(f32(0xffc0_0000), "(f32.const -nan:0x400000)");
        assert_eq!(f32(0xff80_0000), "(f32.const -inf)");
        let any = Kind::Reference("any", Accepts::Null);
        assert_eq!(text(any, [0, 0]).unwrap(), "(ref.null any)");
        assert_eq!(text(any, [3, RefKind::I31 as u64]).unwrap(), "(ref.i31)");
    }
}
