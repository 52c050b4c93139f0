// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How structures, arrays and exceptions are laid out in the heap, and what the collector is told
//! about them.
//!
//! Fields follow each other in their order, each at a multiple of its size (a vector at one of 8):
//! so the fields of a supertype are where they are in its subtypes. References take 8 bytes,
//! packed fields one or two. The record that an object's header points at is
//! [`wasm_aot_object::descriptor::TypeDescriptor`].
//!
//! Exceptions are objects too: the translator lays one out with [`structure`], emits a
//! [`Descriptor`] of kind [`object_kind::EXCEPTION`] for its tag, and makes one with
//! `Translator::new_object`. A value of type `exnref` is a reference into the heap
//! ([`crate::types::is_heap_reference`]) and gets its stack maps like any other.

use wasm_aot_object::descriptor::{MIN_DISPLAY, STRUCT_FIELDS_OFFSET, object_kind};
use wasmparser::{StorageType, ValType};

/// Where the fields of a structure are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StructLayout {
    /// Bytes of an object, its header included; a multiple of 8.
    pub size: u32,
    /// Offset of each field from the start of the object.
    pub offsets: Vec<u32>,
    /// Offsets of the fields that are references into the heap.
    pub references: Vec<u32>,
}

/// Bytes of a field or element.
pub fn storage_size(ty: StorageType) -> u32 {
    match ty {
        StorageType::I8 => 1,
        StorageType::I16 => 2,
        StorageType::Val(ValType::I32 | ValType::F32) => 4,
        StorageType::Val(ValType::I64 | ValType::F64 | ValType::Ref(_)) => 8,
        StorageType::Val(ValType::V128) => 16,
    }
}

/// Lays out a structure. Validation allows few enough fields that its size is no concern.
pub fn structure(
    fields: impl Iterator<Item = StorageType>,
    is_heap_reference: &dyn Fn(ValType) -> bool,
) -> StructLayout {
    let mut layout = StructLayout {
        size: STRUCT_FIELDS_OFFSET,
        ..StructLayout::default()
    };
    for field in fields {
        let size = storage_size(field);
        let offset = layout.size.next_multiple_of(size.min(8));
        layout.offsets.push(offset);
        if matches!(field, StorageType::Val(ty) if is_heap_reference(ty)) {
            layout.references.push(offset);
        }
        layout.size = offset + size;
    }
    layout.size = layout.size.next_multiple_of(8);
    layout
}

/// A [`wasm_aot_object::descriptor::TypeDescriptor`] and what follows it.
#[derive(Debug, Default)]
pub struct Descriptor {
    /// [`object_kind`].
    pub kind: u32,
    /// The numbers of all supertypes, the outermost first, then its own; empty for an exception.
    pub display: Vec<u32>,
    /// Bytes of a structure, or of an element.
    pub size: u32,
    /// Offsets of a structure's references.
    pub references: Vec<u32>,
    /// Whether an array's elements are references into the heap.
    pub reference_elements: bool,
}

impl Descriptor {
    /// That of an exception whose payload has this layout.
    #[allow(dead_code, reason = "exceptions are not translated yet")]
    pub fn exception(layout: StructLayout) -> Self {
        Self {
            kind: object_kind::EXCEPTION,
            size: layout.size,
            references: layout.references,
            ..Self::default()
        }
    }

    /// As it stands in the object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let references = match self.kind {
            object_kind::ARRAY => u32::from(self.reference_elements),
            _ => self.references.len() as u32,
        };
        let display_length = (self.display.len() as u32).max(MIN_DISPLAY);
        let mut words = vec![
            self.display.last().copied().unwrap_or(0),
            (self.display.len() as u32).saturating_sub(1),
            self.kind,
            self.size,
            references,
            display_length,
        ];
        let start = words.len();
        words.extend(&self.display);
        words.resize(start + display_length as usize, 0);
        words.extend(&self.references);
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::RefType;

    #[test]
    fn fields_of_a_prefix_do_not_move() {
        let reference = StorageType::Val(ValType::Ref(RefType::ANYREF));
        let fields = [
            StorageType::I8,
            StorageType::I16,
            StorageType::Val(ValType::I32),
            reference,
            StorageType::I8,
            StorageType::Val(ValType::V128),
        ];
        let is_reference = |ty: ValType| ty.is_reference_type();
        let whole = structure(fields.into_iter(), &is_reference);
        assert_eq!(whole.offsets, [8, 10, 12, 16, 24, 32]);
        assert_eq!(whole.references, [16]);
        assert_eq!(whole.size, 48);
        for count in 0..fields.len() {
            let prefix = structure(fields[..count].iter().copied(), &is_reference);
            assert_eq!(prefix.offsets, whole.offsets[..count]);
        }
    }
}
