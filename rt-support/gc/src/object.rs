// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Objects as they stand in the heap: a header that points at the descriptor of their type, then
//! fields or length and elements; see `wasm_aot_object::descriptor`.

use wasm_aot_object::descriptor::{
    ARRAY_ELEMENTS_OFFSET, ARRAY_LENGTH_OFFSET, OBJECT_HEADER_OFFSET, TYPE_DISPLAY_OFFSET,
    TypeDescriptor, object_kind,
};

/// Bit of a header: the object has moved to the address in the other bits.
const MOVED: u64 = 1;

/// Reads a word of an object.
///
/// # Safety
/// There is a word, 8-aligned, at this address.
pub(crate) unsafe fn read(object: u64, offset: u64) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { ((object + offset) as *const u64).read() }
}

/// Writes a word of an object.
///
/// # Safety
/// There is a word, 8-aligned, at this address, that nobody else uses.
pub(crate) unsafe fn write(object: u64, offset: u64, value: u64) {
    // SAFETY: the caller's promise.
    unsafe { ((object + offset) as *mut u64).write(value) }
}

/// # Safety
/// The object is an array.
pub(crate) unsafe fn set_array_length(array: u64, length: u32) {
    // SAFETY: the caller's promise; the upper half of the word is padding.
    unsafe { write(array, ARRAY_LENGTH_OFFSET as u64, length.into()) }
}

/// # Safety
/// The object is an array.
pub(crate) unsafe fn array_length(array: u64) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { read(array, ARRAY_LENGTH_OFFSET as u64) as u32 }
}

/// What is known of an object's type.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor(*const TypeDescriptor);

impl Descriptor {
    /// # Safety
    /// It points at a descriptor, with its display and offsets behind it, that stays there.
    pub unsafe fn new(descriptor: *const TypeDescriptor) -> Self {
        Self(descriptor)
    }

    pub(crate) fn address(self) -> u64 {
        self.0 as u64
    }

    /// # Safety
    /// `self` was made as [`Descriptor::new`] demands.
    unsafe fn get(self) -> TypeDescriptor {
        // SAFETY: the caller's promise.
        unsafe { self.0.read() }
    }

    /// Bytes of a structure.
    ///
    /// # Safety
    /// `self` was made as [`Descriptor::new`] demands.
    pub(crate) unsafe fn structure_size(self) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { self.get() }.size.into()
    }

    /// Bytes of an array of so many elements. Below 2^37.
    ///
    /// # Safety
    /// `self` was made as [`Descriptor::new`] demands.
    pub(crate) unsafe fn array_size(self, length: u32) -> u64 {
        // SAFETY: the caller's promise.
        let element = u64::from(unsafe { self.get() }.size);
        (ARRAY_ELEMENTS_OFFSET as u64 + u64::from(length) * element).next_multiple_of(8)
    }

    /// Bytes of this object.
    ///
    /// # Safety
    /// `object` is one, of this type.
    pub(crate) unsafe fn size_of(self, object: u64) -> u64 {
        // SAFETY: the caller's promise.
        unsafe {
            match self.get().kind {
                object_kind::ARRAY => self.array_size(array_length(object)),
                _ => self.structure_size(),
            }
        }
    }

    /// Calls `visit` with the address of every word of the object that may be a reference.
    ///
    /// # Safety
    /// `object` is one, of this type.
    pub(crate) unsafe fn references(self, object: u64, visit: &mut dyn FnMut(u64)) {
        // SAFETY: the caller's promise; the offsets stand behind the display.
        unsafe {
            let ty = self.get();
            if ty.references == 0 {
                return;
            }
            if ty.kind == object_kind::ARRAY {
                let elements = object + ARRAY_ELEMENTS_OFFSET as u64;
                (0..u64::from(array_length(object))).for_each(|i| visit(elements + i * 8));
                return;
            }
            let display = self.address() + TYPE_DISPLAY_OFFSET as u64;
            let offsets = (display + u64::from(ty.display_length) * 4) as *const u32;
            for position in 0..ty.references as usize {
                visit(object + u64::from(offsets.add(position).read()));
            }
        }
    }
}

/// Where an object is: still here, with its descriptor, or moved.
pub(crate) enum State {
    Here(Descriptor),
    Moved(u64),
}

/// # Safety
/// `object` is one, or was before it moved.
pub(crate) unsafe fn state(object: u64) -> State {
    // SAFETY: the caller's promise.
    let header = unsafe { read(object, OBJECT_HEADER_OFFSET as u64) };
    if header & MOVED != 0 {
        State::Moved(header & !MOVED)
    } else {
        State::Here(Descriptor(header as *const TypeDescriptor))
    }
}

/// # Safety
/// `object` is one, and its contents have been copied to `to`.
pub(crate) unsafe fn set_moved(object: u64, to: u64) {
    // SAFETY: the caller's promise.
    unsafe { write(object, OBJECT_HEADER_OFFSET as u64, to | MOVED) }
}
