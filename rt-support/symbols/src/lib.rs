// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The symbol names by which an object, its runtime and other objects find each other.
//!
//! # Imports and exports
//!
//! The function `NAME` of the WebAssembly module `MODULE` is the ELF symbol `MODULE.NAME`: what a
//! module imports is undefined under that name, what an object exports is defined under its own
//! module name (`wasm-aot build --module-name`, by default [`DEFAULT_MODULE`]). A host function
//! is therefore any definition of that name, in C
//! `int32_t f(int32_t) __asm__("env.f");`, in Rust `#[unsafe(export_name = "env.f")]`.
//! Bytes outside `A-Z a-z 0-9 _ - $` are percent-encoded (RFC 3986, section 2.1) with upper-case
//! digits, so the dot always separates and every UTF-8 name has one spelling.
//!
//! Memories, tables and globals are data symbols under the same names; what they point at is the
//! descriptor (or, for a global, the value) that `wasm-aot-object` defines. A memory whose base
//! is not a constant has a second symbol for it, with the suffix [`BASE_SUFFIX`].
//!
//! # Names of the object itself
//!
//! What is neither import nor export has a colon, which no encoded name can contain:
//! `MODULE:instantiate`, `MODULE:memory.0`, `MODULE:table.0`, `MODULE:global.0`.
//!
//! # The runtime
//!
//! [`Runtime`] lists every function that compiled code calls by itself.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

/// The module name of an object that was not given one.
pub const DEFAULT_MODULE: &str = "main";

/// Appended to a memory's symbol: the address of byte 0 of a memory with a relocatable base.
pub const BASE_SUFFIX: &str = ":base";

/// The function that turns a loaded object into an instance: globals, element and data segments,
/// then the start function (WebAssembly core specification, "Instantiation"). `fn()`.
pub const INSTANTIATE_SUFFIX: &str = ":instantiate";

/// First part of the symbol of an invoke trampoline; the type follows, percent-encoded.
/// `unsafe extern "C" fn(callee: *const (), slots: *mut [u64; 2])`: arguments are read from the
/// slots (16 bytes each, little-endian, low bytes first), results are written over them.
pub const TRAMPOLINE_PREFIX: &str = ":invoke.";

/// Appended to a function's symbol: its entry for tail calls, for exporters that have one. Importers
/// refer to it weakly (ELF `STB_WEAK`): where nobody defines it, its address is 0.
pub const TAIL_SUFFIX: &str = ":tail";

/// Appended to a function's symbol: the descriptor of its type, for exporters whose function has a
/// type with a supertype. Importers whose import has a type that may have subtypes refer to it
/// weakly, to make references to the function of its own type.
pub const TYPE_SUFFIX: &str = ":type";

/// In the name of code that adapts one calling convention to another, after the module's name; a
/// backtrace does not show it.
pub const ADAPTER_PREFIX: &str = ":adapter.";

macro_rules! runtime_functions {
    ($($(#[$doc:meta])* $variant:ident = $symbol:literal;)*) => {
        /// A function that compiled code calls without importing it; the System V C convention.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        pub enum Runtime {
            $($(#[$doc])* $variant,)*
        }

        impl Runtime {
            /// Every runtime function.
            pub const ALL: &'static [Runtime] = &[$(Runtime::$variant,)*];

            /// The ELF symbol.
            #[must_use]
            pub const fn symbol(self) -> &'static str {
                match self { $(Runtime::$variant => $symbol,)* }
            }

            /// The function behind an ELF symbol.
            #[must_use]
            pub fn from_symbol(symbol: &str) -> Option<Runtime> {
                match symbol { $($symbol => Some(Runtime::$variant),)* _ => None }
            }
        }
    };
}

runtime_functions! {
    /// `fn(memory: *mut MemoryDescriptor, delta_pages: u64) -> i64`: the old size in pages, -1 on
    /// failure.
    MemoryGrow = "wasm_aot_memory_grow";
    /// `fn(table: *mut TableDescriptor, delta: u64, init: u64) -> i64`: the old size in elements,
    /// -1 on failure.
    TableGrow = "wasm_aot_table_grow";
    /// `fn(table_slot: *mut u64, value: u64, count: u64)`: fills elements; the bounds have been
    /// checked.
    TableFill = "wasm_aot_table_fill";
    /// `fn(record: *mut Registration)`: `MODULE:instantiate` tells the collector and the unwinder
    /// of the object's frames and references.
    Register = "wasm_aot_register";
    /// `fn(type: *const TypeDescriptor) -> u64`: a new structure or exception whose fields are
    /// zero; 0 where there is no room. May move every object: its caller has a stack map.
    StructNew = "wasm_aot_struct_new";
    /// `fn(exception: u64)`, in Cranelift's `tail` convention, not that of C: goes on at the catch
    /// clause that takes the exception; returns where there is none, with the two words of the
    /// exception's tag below the stack pointer.
    Throw = "wasm_aot_throw";
    /// `fn(type: *const TypeDescriptor, length: u64) -> u64`: a new array whose elements are
    /// zero; 0 where there is no room. May move every object.
    ArrayNew = "wasm_aot_array_new";
    /// `fn(first: *mut u8, element_bytes: u64, count: u64)`: copies the first element to the
    /// `count - 1` behind it; `count` is not 0.
    ArrayFill = "wasm_aot_array_fill";
    /// `fn(address: *const u32, expected: u32, timeout_ns: i64) -> u32`: `memory.atomic.wait32`;
    /// alignment and bounds have been checked. 0 woken, 1 not equal, 2 timed out, 3 nobody could
    /// ever wake it.
    MemoryWait32 = "wasm_aot_memory_wait32";
    /// `fn(address: *const u64, expected: u64, timeout_ns: i64) -> u32`: `memory.atomic.wait64`,
    /// likewise.
    MemoryWait64 = "wasm_aot_memory_wait64";
    /// `fn(address: *const u8, count: u32) -> u32`: `memory.atomic.notify`, gives the number of
    /// threads woken; alignment and bounds have been checked.
    MemoryNotify = "wasm_aot_memory_notify";
    /// C `memcpy(3)`.
    Memcpy = "memcpy";
    /// C `memmove(3)`.
    Memmove = "memmove";
    /// C `memset(3)`.
    Memset = "memset";
    /// C `ceilf(3)`, for processors without SSE4.1.
    CeilF32 = "ceilf";
    /// C `ceil(3)`.
    CeilF64 = "ceil";
    /// C `floorf(3)`.
    FloorF32 = "floorf";
    /// C `floor(3)`.
    FloorF64 = "floor";
    /// C `truncf(3)`.
    TruncF32 = "truncf";
    /// C `trunc(3)`.
    TruncF64 = "trunc";
    /// C `rintf(3)` in the default rounding mode (ties to even).
    NearestF32 = "rintf";
    /// C `rint(3)` in the default rounding mode (ties to even).
    NearestF64 = "rint";
}

/// Whether a byte stands for itself in an encoded name.
#[cfg(feature = "alloc")]
const fn verbatim(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'$')
}

/// The symbol `MODULE.NAME` of an import or export.
#[cfg(feature = "alloc")]
#[must_use]
pub fn member(module: &str, name: &str) -> alloc::string::String {
    let mut symbol = encode(module);
    symbol.push('.');
    symbol.push_str(&encode(name));
    symbol
}

/// A name percent-encoded as the crate's documentation says.
#[cfg(feature = "alloc")]
#[must_use]
pub fn encode(name: &str) -> alloc::string::String {
    use core::fmt::Write;
    let mut out = alloc::string::String::with_capacity(name.len());
    for byte in name.bytes() {
        if verbatim(byte) {
            out.push(byte as char);
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String cannot fail");
        }
    }
    out
}

/// Splits `MODULE.NAME` and decodes both, or `None` where the symbol is not of that form.
#[cfg(feature = "alloc")]
#[must_use]
pub fn split(symbol: &str) -> Option<(alloc::string::String, alloc::string::String)> {
    let (module, name) = symbol.split_once('.')?;
    Some((decode(module)?, decode(name)?))
}

#[cfg(feature = "alloc")]
fn decode(encoded: &str) -> Option<alloc::string::String> {
    let mut bytes = alloc::vec::Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        if verbatim(byte) {
            bytes.push(byte);
            continue;
        }
        let (high, low) = (rest.next()?, rest.next()?);
        if byte != b'%' || high.is_ascii_lowercase() || low.is_ascii_lowercase() {
            return None;
        }
        let digit = |b: u8| (b as char).to_digit(16);
        bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
    }
    alloc::string::String::from_utf8(bytes).ok()
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for (module, name) in [("env", "f"), ("a.b", "x%y"), ("", ""), ("ü\0", "a:b c.d")] {
            let symbol = member(module, name);
            assert!(
                symbol
                    .bytes()
                    .all(|b| verbatim(b) || b == b'%' || b == b'.'),
                "{symbol}"
            );
            assert_eq!(split(&symbol), Some((module.into(), name.into())));
        }
        assert_eq!(
            member("wasi_snapshot_preview1", "fd_write"),
            "wasi_snapshot_preview1.fd_write"
        );
        assert_eq!(member("a.b", "c"), "a%2Eb.c");
    }

    #[test]
    fn what_is_not_a_member_is_refused() {
        for symbol in [
            "memcpy",
            "main:instantiate",
            "a.b:base",
            "a.%2e",
            "a.%2",
            "a.%FF",
            "a.b.c",
        ] {
            assert_eq!(split(symbol), None, "{symbol}");
        }
    }

    #[test]
    fn runtime_symbols_are_no_members() {
        for &function in Runtime::ALL {
            assert_eq!(Runtime::from_symbol(function.symbol()), Some(function));
            assert_eq!(split(function.symbol()), None);
        }
    }
}
