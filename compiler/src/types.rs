// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Types: which are equal, what they are called, which are references.
//!
//! Types are equal as the specification says (3.0, "Recursive Types"): where their recursion
//! groups are equal, and they stand at the same place in them. Equal types have equal texts, in
//! this module and in others; the number that compiled code compares is a hash of the text.
//!
//! A text refers to a type of its own group by its place (`.1`), to one of an earlier group by its
//! number (`#0123abcd`); numbers of linked objects agree, or their loader refuses them. A type of
//! a group of several says which group that is by a hash of all its texts.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;
use wasmparser::{
    AbstractHeapType, CompositeInnerType, FieldType, FuncType, HeapType, PackedIndex, RefType,
    StorageType, SubType, UnpackedIndex, ValType,
};

/// A type, canonical: equal types of the module are one of these.
#[derive(Debug)]
pub struct TypePlan {
    /// What it is made of; indices in it are those of the module's type section.
    pub composite: CompositeInnerType,
    /// Its supertype, by index in the same list: a smaller one.
    pub supertype: Option<u32>,
    /// Number of its supertypes.
    pub depth: u32,
    /// Whether it can have no subtypes.
    pub is_final: bool,
    pub text: String,
    /// What `call_indirect` and casts compare.
    pub id: u32,
    /// Whether the number is not the hash of its text: another type has that.
    pub moved: bool,
}

impl TypePlan {
    /// The function type that this is, as validation ensures where it is called.
    pub fn function(&self) -> &FuncType {
        match &self.composite {
            CompositeInnerType::Func(ty) => ty,
            other => unreachable!("the module is valid, but this is no function type: {other:?}"),
        }
    }

    /// Whether values of this type are functions, not objects of the heap.
    pub fn is_function(&self) -> bool {
        matches!(self.composite, CompositeInnerType::Func(_))
    }
}

/// Equal types become one, and each gets its number: 31 bits of a hash of its text, so that
/// objects made apart agree; where two types of one module collide, the later one moves on. (A
/// loader that links objects compares numbers and texts, and refuses those that disagree.)
///
/// Takes the type section and its recursion groups; gives the types, and for each index of the
/// section that of its type.
pub fn canonical(section: &[SubType], groups: &[Range<u32>]) -> (Vec<TypePlan>, Vec<u32>) {
    let mut types = Canonical::default();
    for group in groups {
        types.group(section, group.clone());
    }
    (types.unique, types.type_of)
}

#[derive(Default)]
struct Canonical {
    unique: Vec<TypePlan>,
    type_of: Vec<u32>,
    known: BTreeMap<String, u32>,
    taken: BTreeSet<u32>,
}

impl Canonical {
    fn group(&mut self, section: &[SubType], group: Range<u32>) {
        let name = |index: u32| match group.contains(&index) {
            true => format!(".{}", index - group.start),
            false => id_text(self.unique[self.type_of[index as usize] as usize].id),
        };
        let members = group.clone().map(|index| &section[index as usize]);
        let mut texts: Vec<String> = members.map(|ty| sub_type_text(ty, &name)).collect();
        if texts.len() > 1 {
            let digest = Sha256::digest(texts.join("; ").as_bytes());
            let digest = digest[..20].iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
            for (place, text) in texts.iter_mut().enumerate() {
                let _ = write!(text, " in {digest}.{place}");
            }
        }
        for (index, text) in group.zip(texts) {
            let canonical = match self.known.get(&text) {
                Some(&known) => known,
                None => self.add(&section[index as usize], text),
            };
            self.type_of.push(canonical);
        }
    }

    fn add(&mut self, ty: &SubType, text: String) -> u32 {
        let hash = Sha256::digest(text.as_bytes());
        let wanted = u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]) >> 1;
        let mut id = wanted;
        while id == 0 || !self.taken.insert(id) {
            id = (id + 1) & 0x7fff_ffff;
        }
        let supertype = ty.supertype_idxs.first();
        let supertype = supertype.map(|index| self.type_of[module_index(index.unpack()) as usize]);
        let index = self.unique.len() as u32;
        self.known.insert(text.clone(), index);
        self.unique.push(TypePlan {
            composite: ty.composite_type.inner.clone(),
            supertype,
            depth: supertype.map_or(0, |index| self.unique[index as usize].depth + 1),
            is_final: ty.is_final,
            text,
            id,
            moved: id != wanted,
        });
        index
    }
}

/// The index in the type section; nothing else is left of a module's types after reading.
pub fn module_index(index: UnpackedIndex) -> u32 {
    match index {
        UnpackedIndex::Module(index) => index,
        other => unreachable!("read from a module, but {other:?}"),
    }
}

/// The types of all values in a type: parameters and results, fields, elements. (Packed fields
/// hold no value types.)
pub fn value_types(ty: &CompositeInnerType) -> Vec<ValType> {
    let field = |field: &FieldType| match field.element_type {
        StorageType::Val(ty) => Some(ty),
        StorageType::I8 | StorageType::I16 => None,
    };
    match ty {
        CompositeInnerType::Func(ty) => [ty.params(), ty.results()].concat(),
        CompositeInnerType::Array(ty) => field(&ty.0).into_iter().collect(),
        CompositeInnerType::Struct(ty) => ty.fields.iter().filter_map(field).collect(),
        CompositeInnerType::Cont(_) => Vec::new(),
    }
}

/// How texts refer to a type by its number.
pub fn id_text(id: u32) -> String {
    format!("#{id:08x}")
}

fn sub_type_text(ty: &SubType, name: &dyn Fn(u32) -> String) -> String {
    let mut text = String::new();
    let named = |index: &PackedIndex| name(module_index(index.unpack()));
    if !ty.is_final || !ty.supertype_idxs.is_empty() {
        text.push_str(if ty.is_final { "sub final " } else { "sub " });
        for supertype in &ty.supertype_idxs {
            text.push_str(&named(supertype));
            text.push(' ');
        }
    }
    let field = |field: &FieldType| {
        let mutable = if field.mutable { "mut " } else { "" };
        let storage = match field.element_type {
            StorageType::I8 => "i8".into(),
            StorageType::I16 => "i16".into(),
            StorageType::Val(ty) => value_type_text(ty, name),
        };
        format!("{mutable}{storage}")
    };
    match &ty.composite_type.inner {
        CompositeInnerType::Func(ty) => text.push_str(&function_type_text(ty, name)),
        CompositeInnerType::Array(ty) => {
            let _ = write!(text, "array ({})", field(&ty.0));
        }
        CompositeInnerType::Struct(ty) => {
            let fields: Vec<String> = ty.fields.iter().map(field).collect();
            let _ = write!(text, "struct ({})", fields.join(", "));
        }
        CompositeInnerType::Cont(_) => unreachable!("validated without that feature"),
    }
    text
}

fn function_type_text(ty: &FuncType, name: &dyn Fn(u32) -> String) -> String {
    let list = |types: &[ValType]| {
        let texts: Vec<String> = types.iter().map(|&ty| value_type_text(ty, name)).collect();
        texts.join(" ")
    };
    format!("({}) -> ({})", list(ty.params()), list(ty.results()))
}

/// The text of a value type. `name` gives what a type of the type section is called.
pub fn value_type_text(ty: ValType, name: &dyn Fn(u32) -> String) -> String {
    match ty {
        ValType::I32 => "i32".into(),
        ValType::I64 => "i64".into(),
        ValType::F32 => "f32".into(),
        ValType::F64 => "f64".into(),
        ValType::V128 => "v128".into(),
        ValType::Ref(ty) => ref_type_text(ty, name),
    }
}

/// The text of a reference type: the text format's abbreviation where there is one.
pub fn ref_type_text(ty: RefType, name: &dyn Fn(u32) -> String) -> String {
    let heap = match ty.heap_type() {
        HeapType::Abstract { ty: heap, .. } => {
            let (heap, nullable) = abstract_names(heap);
            if ty.is_nullable() {
                return nullable.into();
            }
            heap.into()
        }
        HeapType::Concrete(index) | HeapType::Exact(index) => name(module_index(index)),
    };
    let null = if ty.is_nullable() { "null " } else { "" };
    format!("(ref {null}{heap})")
}

/// An abstract heap type's name, and that of its nullable reference.
fn abstract_names(ty: AbstractHeapType) -> (&'static str, &'static str) {
    match ty {
        AbstractHeapType::Func => ("func", "funcref"),
        AbstractHeapType::Extern => ("extern", "externref"),
        AbstractHeapType::Any => ("any", "anyref"),
        AbstractHeapType::None => ("none", "nullref"),
        AbstractHeapType::NoExtern => ("noextern", "nullexternref"),
        AbstractHeapType::NoFunc => ("nofunc", "nullfuncref"),
        AbstractHeapType::Eq => ("eq", "eqref"),
        AbstractHeapType::Struct => ("struct", "structref"),
        AbstractHeapType::Array => ("array", "arrayref"),
        AbstractHeapType::I31 => ("i31", "i31ref"),
        AbstractHeapType::Exn => ("exn", "exnref"),
        AbstractHeapType::NoExn => ("noexn", "nullexnref"),
        AbstractHeapType::Cont => ("cont", "contref"),
        AbstractHeapType::NoCont => ("nocont", "nullcontref"),
    }
}

/// Whether a value of this type may point into the heap, so that the collector must see it.
///
/// True for every reference but those to functions, and those that can only be null or an `i31`:
/// an `externref` may be an object that `extern.convert_any` made one, an `exnref` is an
/// exception, which lives in the heap too.
pub fn is_heap_reference(ty: ValType, is_function: &dyn Fn(u32) -> bool) -> bool {
    let ValType::Ref(ty) = ty else { return false };
    match ty.heap_type() {
        HeapType::Abstract { ty, .. } => match ty {
            AbstractHeapType::Extern
            | AbstractHeapType::Any
            | AbstractHeapType::Eq
            | AbstractHeapType::Struct
            | AbstractHeapType::Array
            | AbstractHeapType::Exn => true,
            AbstractHeapType::Func
            | AbstractHeapType::NoFunc
            | AbstractHeapType::None
            | AbstractHeapType::NoExtern
            | AbstractHeapType::NoExn
            | AbstractHeapType::I31
            | AbstractHeapType::Cont
            | AbstractHeapType::NoCont => false,
        },
        HeapType::Concrete(index) | HeapType::Exact(index) => !is_function(module_index(index)),
    }
}

#[cfg(test)]
mod tests {
    use crate::module::Module;
    use crate::options::Options;
    use crate::plan::Plan;
    use wasmparser::WasmFeatures;

    /// The texts and numbers of a module's types, by their index in the type section.
    fn texts(types: &str) -> Vec<(String, u32)> {
        let binary = wat::parse_str(format!("(module {types})")).unwrap();
        let features = WasmFeatures::WASM2 | WasmFeatures::FUNCTION_REFERENCES | WasmFeatures::GC;
        let module = Module::parse(&binary, features.difference(WasmFeatures::SIMD)).unwrap();
        let options = Options::default();
        let plan = Plan::new(&module, &options).unwrap();
        let text = |&index: &u32| {
            let ty = &plan.types[index as usize];
            (ty.text.clone(), ty.id)
        };
        plan.type_of.iter().map(text).collect()
    }

    #[test]
    fn plain_function_types_keep_their_text() {
        let types = texts("(type (func (param i32 i64) (result funcref externref)))");
        assert_eq!(types[0].0, "(i32 i64) -> (funcref externref)");
    }

    #[test]
    fn equal_groups_are_equal_and_others_are_not() {
        let types = texts(
            "(rec (type $a (struct (field (ref null $b)))) (type $b (struct)))
             (rec (type $c (struct (field (ref null $d)))) (type $d (struct)))
             (rec (type $e (struct (field (ref null $e)))) (type $f (struct)))
             (type (struct))
             (type (sub (struct)))
             (type (array (mut i8)))",
        );
        assert_eq!(types[0], types[2]);
        assert_eq!(types[1], types[3]);
        assert_ne!(types[0], types[4]);
        assert_ne!(types[1], types[5], "another group");
        assert_ne!(types[1], types[6], "not in a group");
        assert_eq!(types[6].0, "struct ()");
        assert_eq!(types[7].0, "sub struct ()");
        assert_eq!(types[8].0, "array (mut i8)");
        assert!(types[0].0.starts_with("struct ((ref null .1)) in "));
        assert!(types[0].0.ends_with(".0"));
    }

    #[test]
    fn a_text_names_earlier_types_by_number() {
        let types = texts("(type $a (sub (struct))) (type (sub final $a (struct (field i32))))");
        assert_eq!(
            types[1].0,
            format!("sub final #{:08x} struct (i32)", types[0].1)
        );
    }
}
