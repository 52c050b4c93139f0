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
    /// Accessible bytes from `base` on; a multiple of the page size. Grows, never shrinks.
    pub byte_length: u64,
    /// The bytes up to which it may grow. The loader lowers it to what it can provide.
    pub max_byte_length: u64,
    /// log2 of the page size in bytes: 16.
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
    /// The elements up to which it may grow.
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
    /// Index of the function in the module that made the reference (for people), and
    /// [`FUNCREF_EXTENDED`].
    pub function_index: u32,
}

/// Bit of [`FuncRef::function_index`]: a [`FuncRefExtension`] follows the record.
pub const FUNCREF_EXTENDED: u32 = 1 << 31;

/// What follows a [`FuncRef`] in objects that need it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FuncRefExtension {
    /// Address of the function's entry for tail calls, 0 where it has none.
    pub tail_code: u64,
    /// Address of the type's record, 0 where it has none.
    pub type_record: u64,
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
/// Offset of [`FuncRef::function_index`].
pub const FUNCREF_INDEX_OFFSET: i32 = 12;
/// Offset of [`FuncRefExtension::tail_code`], from the start of the [`FuncRef`].
pub const FUNCREF_TAIL_OFFSET: i32 = 16;

const _: () = {
    assert!(offset_of!(MemoryDescriptor, base) == MEMORY_BASE_OFFSET as usize);
    assert!(offset_of!(MemoryDescriptor, byte_length) == MEMORY_LENGTH_OFFSET as usize);
    assert!(offset_of!(TableDescriptor, base) == TABLE_BASE_OFFSET as usize);
    assert!(offset_of!(TableDescriptor, length) == TABLE_LENGTH_OFFSET as usize);
    assert!(offset_of!(FuncRef, code) == FUNCREF_CODE_OFFSET as usize);
    assert!(offset_of!(FuncRef, type_id) == FUNCREF_TYPE_OFFSET as usize);
    assert!(size_of::<MemoryDescriptor>() == 32);
    assert!(size_of::<TableDescriptor>() == 24);
    assert!(offset_of!(FuncRef, function_index) == FUNCREF_INDEX_OFFSET as usize);
    assert!(size_of::<FuncRef>() == 16);
    assert!(size_of::<Tag>() == 16);
    assert!(
        size_of::<FuncRef>() + offset_of!(FuncRefExtension, tail_code)
            == FUNCREF_TAIL_OFFSET as usize
    );
};
