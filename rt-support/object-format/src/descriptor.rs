// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The records in an object's data that compiled code reads and the runtime changes.
//!
//! Compiled code addresses the fields by the `*_OFFSET` constants, the runtime by the structs;
//! the assertions below hold the two together.

use core::mem::offset_of;

/// A linear memory. Symbol `MODULE:memory.N`, and `MODULE.NAME` where exported.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MemoryDescriptor {
    /// Address of byte 0. Never changes once the object is loaded.
    pub base: u64,
    /// Accessible bytes from `base` on; a multiple of the page size. Grows, never shrinks. Of a
    /// shared memory it is read and written atomically.
    pub byte_length: u64,
    /// The bytes up to which it may grow, at most the memory's reservation. The loader lowers it
    /// to what it can provide.
    pub max_byte_length: u64,
    /// log2 of the page size in bytes: 16, or 0.
    pub page_size_log2: u64,
}

/// A table. Symbol `MODULE:table.N`, and `MODULE.NAME` where exported. An element is one `u64`:
/// 0 for null, the address of a [`FuncRef`] in a table of functions, the host's word otherwise.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TableDescriptor {
    /// Address of element 0. Never changes once the object is loaded.
    pub base: u64,
    /// Elements that exist. Grows, never shrinks.
    pub length: u64,
    /// The elements up to which it may grow, at most [`crate::MAX_TABLE_ELEMENTS`].
    pub max_length: u64,
}

/// What a function reference points at: in the object's read-only data, one a function whose
/// reference is taken.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FuncRef {
    /// Address of the function, System V C convention.
    pub code: u64,
    /// The number of its type ([`crate::meta::TypeRecord::id`]), compared by `call_indirect`.
    pub type_id: u32,
    /// Index of the function in the module that made the reference (for people); with
    /// [`FUNCREF_EXTENDED`] where a [`FuncRefExtension`] follows.
    pub function_index: u32,
}

/// Bit of [`FuncRef::function_index`]: a [`FuncRefExtension`] follows the record.
pub const FUNCREF_EXTENDED: u32 = 1 << 31;

/// What follows a [`FuncRef`] with [`FUNCREF_EXTENDED`].
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FuncRefExtension {
    /// Address of the function with the convention of tail calls, 0 without.
    pub tail_code: u64,
    /// Address of the [`TypeDescriptor`] of its type, 0 where the type has no supertype: then it
    /// is a subtype of nothing but itself.
    pub type_descriptor: u64,
}

/// A tag of exceptions, in the data of the object that defines it; other objects know it by its
/// symbol `MODULE.NAME`. Two tags are the same where their addresses are.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Tag {
    /// An address in the text of the object that defines the tag.
    pub text: u64,
    /// Its index in that object's [`crate::meta::Meta::tags`].
    pub index: u64,
}

/// What is known at run time of a type that may have subtypes or supertypes, or of whose values
/// there are objects: in the object's read-only data, 8-aligned.
///
/// It is followed by the display, [`TypeDescriptor::display_length`] words of 32 bits: the
/// numbers of all supertypes, the outermost first, then its own, then zeroes. A type `T` of depth
/// `d` is a supertype of this one where word `d` is `T`'s number. Behind the display, for a
/// structure, follow the [`TypeDescriptor::references`] offsets of those of its fields that are
/// references, from the start of the object.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TypeDescriptor {
    /// The number of the type ([`crate::meta::TypeRecord::id`]); 0 for an exception's.
    pub id: u32,
    /// Number of its supertypes.
    pub depth: u32,
    /// [`object_kind`].
    pub kind: u32,
    /// A structure: bytes of an object, its header included. An array: bytes of an element.
    pub size: u32,
    /// A structure: the number of its fields that are references. An array: 1 if its elements
    /// are, else 0.
    pub references: u32,
    /// Words of the display: more than its depth, and at least [`MIN_DISPLAY`].
    pub display_length: u32,
}

/// Values of [`TypeDescriptor::kind`].
pub mod object_kind {
    /// Not an object of the heap: a function.
    pub const FUNCTION: u32 = 0;
    /// A structure.
    pub const STRUCT: u32 = 1;
    /// An array.
    pub const ARRAY: u32 = 2;
    /// An exception, laid out as a structure.
    pub const EXCEPTION: u32 = 3;
}

/// Every display has so many words, so that a check against a type of less depth need not look
/// at the length.
pub const MIN_DISPLAY: u32 = 4;

/// Offset of [`TypeDescriptor::depth`].
pub const TYPE_DEPTH_OFFSET: i32 = 4;
/// Offset of [`TypeDescriptor::kind`].
pub const TYPE_KIND_OFFSET: i32 = 8;
/// Offset of [`TypeDescriptor::display_length`].
pub const TYPE_DISPLAY_LENGTH_OFFSET: i32 = 20;
/// Offset of word 0 of the display.
pub const TYPE_DISPLAY_OFFSET: i32 = 24;
/// Offset of [`FuncRefExtension::tail_code`] from the start of the [`FuncRef`].
pub const FUNCREF_TAIL_OFFSET: i32 = 16;
/// Offset of [`FuncRefExtension::type_descriptor`] from the start of the [`FuncRef`].
pub const FUNCREF_DESCRIPTOR_OFFSET: i32 = 24;
/// Offset of [`FuncRef::function_index`].
pub const FUNCREF_INDEX_OFFSET: i32 = 12;

/// Offset of an object's header: the address of its [`TypeDescriptor`].
pub const OBJECT_HEADER_OFFSET: i32 = 0;
/// Offset of the first field of a structure.
pub const STRUCT_FIELDS_OFFSET: u32 = 8;
/// Offset of an exception's tag, the address of a [`Tag`]; what it carries follows.
pub const EXCEPTION_TAG_OFFSET: u32 = STRUCT_FIELDS_OFFSET;
/// Offset of an array's length, an `u32`. Not 0: reading it through null faults at this address.
pub const ARRAY_LENGTH_OFFSET: i32 = 8;
/// Offset of an array's element 0.
pub const ARRAY_ELEMENTS_OFFSET: i32 = 16;

/// Offset of [`MemoryDescriptor::base`].
pub const MEMORY_BASE_OFFSET: i32 = 0;
/// Offset of [`MemoryDescriptor::byte_length`].
pub const MEMORY_LENGTH_OFFSET: i32 = 8;
/// Offset of [`TableDescriptor::base`].
pub const TABLE_BASE_OFFSET: i32 = 0;
/// Offset of [`TableDescriptor::length`].
pub const TABLE_LENGTH_OFFSET: i32 = 8;
/// Offset of [`FuncRef::code`].
pub const FUNCREF_CODE_OFFSET: i32 = 0;
/// Offset of [`FuncRef::type_id`]. Not 0: reading it through null faults at this address.
pub const FUNCREF_TYPE_OFFSET: i32 = 8;

/// How the collector and the unwinder of exceptions find an object's frames and references: in
/// the data of an object that has references into the heap, or exceptions. `MODULE:instantiate`
/// hands it to the runtime before it does anything else.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Registration {
    /// The runtime's: the record that was registered before.
    pub next: u64,
    /// Address of the first byte of the object's text.
    pub text_start: u64,
    /// Address of the first byte behind it.
    pub text_end: u64,
    /// Address of the stack maps, see [`crate::stackmap`].
    pub stack_maps: u64,
    /// Address of the [`RootRange`]s.
    pub roots: u64,
    /// Number of the [`RootRange`]s.
    pub root_count: u64,
    /// Address of the table of exception handlers, 0 without.
    pub exceptions: u64,
    /// Address of the addresses of the module's tags, one a tag in the order of their indices,
    /// which the table counts by; 0 without.
    pub tags: u64,
    /// Address of the heap's [`Allocation`]: the runtime writes it when the record is registered.
    pub allocation: u64,
}

/// Where compiled code makes structures by itself, as long as there is room.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Allocation {
    /// Where the next object goes.
    pub next: u64,
    /// What ends here or before needs nobody's help. Its bytes may hold anything.
    pub limit: u64,
}

/// Offset of [`Registration::allocation`].
pub const REGISTRATION_ALLOCATION_OFFSET: i32 = 64;
/// Offset of [`Allocation::next`].
pub const ALLOCATION_NEXT_OFFSET: i32 = 0;
/// Offset of [`Allocation::limit`].
pub const ALLOCATION_LIMIT_OFFSET: i32 = 8;

/// Words outside frames and heap that may be references into the heap.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RootRange {
    /// Address of the first word, or of a [`TableDescriptor`].
    pub address: u64,
    /// Number of words, or [`ROOT_TABLE`].
    pub count: u64,
}

/// [`RootRange::count`]: all elements that the table has now.
pub const ROOT_TABLE: u64 = u64::MAX;

const _: () = {
    assert!(offset_of!(MemoryDescriptor, base) == MEMORY_BASE_OFFSET as usize);
    assert!(offset_of!(MemoryDescriptor, byte_length) == MEMORY_LENGTH_OFFSET as usize);
    assert!(offset_of!(TableDescriptor, base) == TABLE_BASE_OFFSET as usize);
    assert!(offset_of!(TableDescriptor, length) == TABLE_LENGTH_OFFSET as usize);
    assert!(offset_of!(FuncRef, code) == FUNCREF_CODE_OFFSET as usize);
    assert!(offset_of!(FuncRef, type_id) == FUNCREF_TYPE_OFFSET as usize);
    assert!(size_of::<MemoryDescriptor>() == 32);
    assert!(size_of::<TableDescriptor>() == 24);
    assert!(size_of::<FuncRef>() == 16);
    assert!(size_of::<Tag>() == 16);
    assert!(offset_of!(FuncRef, function_index) == FUNCREF_INDEX_OFFSET as usize);
    let extension = size_of::<FuncRef>();
    assert!(extension + offset_of!(FuncRefExtension, tail_code) == FUNCREF_TAIL_OFFSET as usize);
    assert!(
        extension + offset_of!(FuncRefExtension, type_descriptor)
            == FUNCREF_DESCRIPTOR_OFFSET as usize
    );
    assert!(offset_of!(TypeDescriptor, depth) == TYPE_DEPTH_OFFSET as usize);
    assert!(offset_of!(TypeDescriptor, kind) == TYPE_KIND_OFFSET as usize);
    assert!(offset_of!(TypeDescriptor, display_length) == TYPE_DISPLAY_LENGTH_OFFSET as usize);
    assert!(size_of::<TypeDescriptor>() == TYPE_DISPLAY_OFFSET as usize);
    assert!(offset_of!(Registration, allocation) == REGISTRATION_ALLOCATION_OFFSET as usize);
    assert!(offset_of!(Allocation, next) == ALLOCATION_NEXT_OFFSET as usize);
    assert!(offset_of!(Allocation, limit) == ALLOCATION_LIMIT_OFFSET as usize);
};
