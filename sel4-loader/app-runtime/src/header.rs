// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the root task reads of this program: `sel4_boot::startup::exports`, with pointers.

use crate::device;
use sel4_boot::startup::exports::{self, Entry as Raw, Header as RawHeader};
use wasm_aot_runtime::{COMPILED, Export, Signature, Value, wasi};

/// [`Raw`], as the linker fills it.
#[derive(Clone, Copy)]
#[repr(C)]
struct Entry {
    name: *const u8,
    length: usize,
    address: *const (),
    signature: u64,
}

/// [`RawHeader`], as the linker fills it.
#[repr(C)]
struct Header {
    magic: u64,
    entry: *const (),
    call: *const (),
    object_header: *const (),
    pack: *const (),
    caller: *const (),
    entries: *const Entry,
    count: usize,
}

const _: () = {
    assert!(size_of::<Entry>() == size_of::<Raw>());
    assert!(size_of::<Header>() == size_of::<RawHeader>());
};

// SAFETY: constants, in read-only memory.
unsafe impl Sync for Entry {}
// SAFETY: constants, in read-only memory.
unsafe impl Sync for Header {}

/// A type as a number.
const fn number(signature: &Signature) -> u64 {
    let mut number = 0;
    let mut position = 0;
    assert!(signature.params.len() <= exports::PARAMETERS as usize);
    while position < signature.params.len() {
        let is_i64 = matches!(signature.params[position], Value::I64);
        number = exports::with(number, position as u32, is_i64);
        position += 1;
    }
    match signature.results {
        [] => number,
        [Value::I32] => exports::with(number, exports::RESULT, false),
        [Value::I64] => exports::with(number, exports::RESULT, true),
        _ => panic!("no host function has two results"),
    }
}

const fn entry(export: &Export) -> Entry {
    Entry {
        name: export.symbol.as_ptr(),
        length: export.symbol.len(),
        address: export.address,
        signature: match &export.signature {
            None => exports::UNTYPED,
            Some(signature) => number(signature),
        },
    }
}

/// Where the functions of WASI begin, and those of devices.
const WASI: usize = COMPILED.len();
const DEVICE: usize = WASI + wasi::EXPORTS.len();
const COUNT: usize = DEVICE + device::EXPORTS.len();

/// Every function that an object may import.
static ENTRIES: [Entry; COUNT] = {
    let mut entries = [const { entry(&COMPILED[0]) }; COUNT];
    let mut position = 0;
    while position < COUNT {
        entries[position] = if position < WASI {
            entry(&COMPILED[position])
        } else if position < DEVICE {
            entry(&wasi::EXPORTS[position - WASI])
        } else {
            entry(&device::EXPORTS[position - DEVICE])
        };
        position += 1;
    }
    entries
};

#[used]
#[unsafe(link_section = ".app_runtime.header")]
static HEADER: Header = Header {
    magic: exports::MAGIC,
    entry: crate::_start as *const (),
    call: crate::script_call as *const (),
    object_header: crate::object_header as *const (),
    pack: crate::send_directories as *const (),
    caller: (&raw const crate::platform::CALLER).cast(),
    entries: ENTRIES.as_ptr(),
    count: ENTRIES.len(),
};
