// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The address space of an app on x86-64: who lives where.
//!
//! `linker-scripts/app-runtime.ld` places the app runtime at [`RUNTIME`]; the compiler's default
//! base of linear memory is at [`MEMORY_BASE`]; the rest is the root task's choice.

/// The app runtime: text and read-only data shared by all apps, data private.
pub const RUNTIME: u64 = 0x0020_0000;
/// End of the space for the app runtime.
pub const RUNTIME_END: u64 = 0x00d0_0000;
/// Arguments and results of what a test script calls, shared with the root task.
pub const SLOTS: u64 = 0x00d0_0000;
/// End of the space for arguments and results.
pub const SLOTS_END: u64 = 0x00d1_0000;
/// The start-up page and what it points at ([`crate::startup`]).
pub const STARTUP: u64 = 0x00e0_0000;
/// End of the space for the start-up page, its strings included.
pub const STARTUP_END: u64 = 0x00ef_0000;
/// The IPC buffer, one page.
pub const IPC_BUFFER: u64 = 0x00ef_f000;
/// The object: text, read-only data, data, bss.
pub const OBJECT: u64 = 0x0100_0000;
/// End of the space for the object and for its stack's guard.
pub const OBJECT_END: u64 = 0x0e00_0000;
/// The stack grows down from here.
pub const STACK_TOP: u64 = 0x0ff0_0000;
/// Unmapped bytes below the stack, at least.
pub const STACK_GUARD: u64 = 0x0001_0000;
/// The largest stack that leaves the guard above [`OBJECT_END`].
pub const STACK_LIMIT: u64 = STACK_TOP - OBJECT_END - STACK_GUARD;
/// Byte 0 of a linear memory with the default constant base.
pub const MEMORY_BASE: u64 = 0x1000_0000;
/// Growable tables and memories with a relocated base, upwards from here.
pub const DYNAMIC: u64 = 0x4_0000_0000;
/// End of what the root task hands out of the dynamic space; far below the end of user space.
pub const DYNAMIC_END: u64 = 0x4000_0000_0000;
/// The heap of structures, arrays and exceptions, two halves of the same size.
pub const HEAP: u64 = DYNAMIC_END;
/// The largest heap.
pub const HEAP_LIMIT: u64 = 0x1000_0000_0000;
/// The archive of the app's directories, shared read-only with the boot bundle.
pub const ARCHIVE: u64 = HEAP + HEAP_LIMIT;
/// The largest archive: a bundle has 32-bit offsets.
pub const ARCHIVE_LIMIT: u64 = 1 << 32;
/// What the app's files take.
pub const FILES: u64 = 0x6000_0000_0000;
/// The most that files take.
pub const FILES_LIMIT: u64 = 1 << 40;
/// Registers of devices, one behind the other, a page apart.
pub const DEVICES: u64 = 0x6200_0000_0000;

/// Bytes of a page, the unit in which the root task maps.
pub const PAGE: u64 = 4096;
