// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which types of one object are subtypes of which of another.
//!
//! Texts are those of the metadata. Equal text means equal type as long as both objects number
//! their types alike, which [`super::check_types`] ensures.

use wasm_aot_object::meta::{Meta, NONE, TypeRecord, type_kind};

/// Whether type `sub` of one object is `sup` of another, or declares it as a supertype.
pub fn is_subtype(
    sub_meta: &Meta<'_>,
    sub: &TypeRecord,
    sup_meta: &Meta<'_>,
    sup: &TypeRecord,
) -> bool {
    let wanted = sup_meta.str(sup.text);
    let mut sub = sub;
    loop {
        if sub.id == sup.id && sub_meta.str(sub.text) == wanted {
            return true;
        }
        // Supertypes are before their subtypes in the list, so this ends.
        let supertype = sub.supertype.get();
        match sub_meta.types().get(supertype as usize) {
            Some(record) if supertype != NONE => sub = record,
            _ => return false,
        }
    }
}

/// Whether a value type of one object is a subtype of one of another.
pub fn is_value_subtype(sub_meta: &Meta<'_>, sub: &str, sup_meta: &Meta<'_>, sup: &str) -> bool {
    let (Some(sub), Some(sup)) = (Reference::read(sub), Reference::read(sup)) else {
        return sub == sup;
    };
    (sup.nullable || !sub.nullable) && is_heap_subtype(sub_meta, sub.heap, sup_meta, sup.heap)
}

/// A reference type, taken apart.
struct Reference<'a> {
    nullable: bool,
    heap: &'a str,
}

impl<'a> Reference<'a> {
    fn read(text: &'a str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix("(ref ") {
            let inner = inner.strip_suffix(')')?;
            return Some(match inner.strip_prefix("null ") {
                Some(heap) => Reference {
                    nullable: true,
                    heap,
                },
                None => Reference {
                    nullable: false,
                    heap: inner,
                },
            });
        }
        let heap = match text {
            "nullref" => "none",
            "nullexternref" => "noextern",
            "nullfuncref" => "nofunc",
            "nullexnref" => "noexn",
            _ => text.strip_suffix("ref")?,
        };
        Some(Reference {
            nullable: true,
            heap,
        })
    }
}

/// The type with the number in `#0123abcd`.
fn find<'a>(meta: &Meta<'a>, heap: &str) -> Option<&'a TypeRecord> {
    let id = u32::from_str_radix(heap.strip_prefix('#')?, 16).ok()?;
    meta.types().iter().find(|ty| ty.id.get() == id)
}

/// The abstract type above all types of this kind, and the one below.
fn bounds(kind: u32) -> (&'static str, &'static str) {
    match kind {
        type_kind::STRUCT => ("struct", "none"),
        type_kind::ARRAY => ("array", "none"),
        _ => ("func", "nofunc"),
    }
}

fn is_heap_subtype(sub_meta: &Meta<'_>, sub: &str, sup_meta: &Meta<'_>, sup: &str) -> bool {
    match (find(sub_meta, sub), find(sup_meta, sup)) {
        (Some(a), Some(b)) => is_subtype(sub_meta, a, sup_meta, b),
        (Some(a), None) => is_abstract_subtype(bounds(a.kind.get()).0, sup),
        (None, Some(b)) => sub == bounds(b.kind.get()).1,
        (None, None) => is_abstract_subtype(sub, sup),
    }
}

/// Specification 3.0, "Heap Types" under "Matching". A number that neither object knows matches
/// nothing.
fn is_abstract_subtype(sub: &str, sup: &str) -> bool {
    if sub.starts_with('#') || sup.starts_with('#') {
        return false;
    }
    sub == sup
        || match sub {
            "none" => matches!(sup, "any" | "eq" | "i31" | "struct" | "array"),
            "i31" | "struct" | "array" => matches!(sup, "any" | "eq"),
            "eq" => sup == "any",
            "nofunc" => sup == "func",
            "noextern" => sup == "extern",
            "noexn" => sup == "exn",
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::check_types;
    use std::vec::Vec;
    use wasm_aot_object::meta::MetaBuilder;

    /// Types 1 (open) <- 2, an array 3, a function 4.
    fn sample() -> Vec<u8> {
        let mut builder = MetaBuilder::default();
        for (id, text, kind, supertype) in [
            (1, "sub struct ()", type_kind::STRUCT, NONE),
            (2, "sub final #00000001 struct (i32)", type_kind::STRUCT, 0),
            (3, "array (i8)", type_kind::ARRAY, NONE),
            (4, "() -> ()", type_kind::FUNCTION, NONE),
        ] {
            let (text, trampoline) = (builder.intern(text), builder.intern(""));
            builder.types.push(TypeRecord {
                id: u32::into(id),
                text,
                trampoline,
                kind: kind.into(),
                supertype: supertype.into(),
                moved: 0.into(),
            });
        }
        builder.finish()
    }

    #[test]
    fn value_types_match_as_the_specification_says() {
        let bytes = sample();
        let meta = Meta::parse(&bytes).unwrap();
        let matches = |sub, sup| is_value_subtype(&meta, sub, &meta, sup);
        for (sub, sup) in [
            ("i32", "i32"),
            ("(ref #00000002)", "(ref null #00000001)"),
            ("(ref #00000002)", "(ref #00000002)"),
            ("(ref null #00000001)", "structref"),
            ("(ref #00000003)", "(ref array)"),
            ("(ref null #00000003)", "anyref"),
            ("(ref #00000004)", "funcref"),
            ("nullref", "(ref null #00000003)"),
            ("nullfuncref", "(ref null #00000004)"),
            ("i31ref", "eqref"),
            ("(ref i31)", "i31ref"),
            ("nullexternref", "externref"),
        ] {
            assert!(matches(sub, sup), "{sub} is no subtype of {sup}");
        }
        for (sub, sup) in [
            ("i32", "i64"),
            ("i32", "anyref"),
            ("(ref null #00000002)", "(ref #00000001)"),
            ("(ref #00000001)", "(ref #00000002)"),
            ("(ref #00000003)", "structref"),
            ("(ref #00000004)", "anyref"),
            ("nullref", "(ref null #00000004)"),
            ("externref", "anyref"),
            ("anyref", "eqref"),
            ("(ref #00000009)", "anyref"),
        ] {
            assert!(!matches(sub, sup), "{sub} is a subtype of {sup}");
        }
    }

    /// Types by number, text, and whether they have moved on.
    fn numbered(types: &[(u32, &str, u32)]) -> Vec<u8> {
        let mut builder = MetaBuilder::default();
        for &(id, text, moved) in types {
            let (text, trampoline) = (builder.intern(text), builder.intern(""));
            builder.types.push(TypeRecord {
                id: id.into(),
                text,
                trampoline,
                kind: type_kind::STRUCT.into(),
                supertype: NONE.into(),
                moved: moved.into(),
            });
        }
        builder.finish()
    }

    #[test]
    fn objects_must_number_types_alike() {
        let one = [(9, "a", 0), (3, "b", 0), (5, "c", 0)];
        for (other, agree) in [
            (&[][..], true),
            (&[(3, "b", 0), (7, "d", 0)], true),
            (&[(7, "d", 0), (5, "c", 0), (9, "a", 0), (1, "e", 0)], true),
            (&[(5, "x", 0)], false),
            (&[(1, "e", 0), (9, "b", 0)], false),
            (&[(4, "b", 1), (3, "z", 0)], false),
            (&[(4, "b", 1)], false),
            (&[(10, "y", 1)], true),
        ] {
            let (one, other) = (numbered(&one), numbered(other));
            let (one, other) = (Meta::parse(&one).unwrap(), Meta::parse(&other).unwrap());
            assert_eq!(check_types(&one, &other).is_ok(), agree);
            assert_eq!(check_types(&other, &one).is_ok(), agree);
        }
        let twice = numbered(&[(3, "a", 0), (3, "b", 0)]);
        assert!(Meta::parse(&twice).is_err(), "one number, two types");
    }
}
