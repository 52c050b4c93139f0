// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The list of everything that the runtime defines, for loaders.

use crate::{compiled, exception, float, heap, wait, wasi};
use core::fmt::{self, Write};
use wasm_aot_symbols::Runtime;

/// A value type of a host function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// `i32`.
    I32,
    /// `i64`.
    I64,
}

/// The WebAssembly type of a host function. `Display` writes it as the metadata does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature {
    /// Types of the parameters.
    pub params: &'static [Value],
    /// Types of the results.
    pub results: &'static [Value],
}

impl Signature {
    /// Whether this is the type with that text in the metadata.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let mut rest = Rest(text);
        write!(rest, "{self}").is_ok() && rest.0.is_empty()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, values: &[Value]| {
            f.write_char('(')?;
            for (position, value) in values.iter().enumerate() {
                let blank = if position > 0 { " " } else { "" };
                let name = match value {
                    Value::I32 => "i32",
                    Value::I64 => "i64",
                };
                write!(f, "{blank}{name}")?;
            }
            f.write_char(')')
        };
        list(f, self.params)?;
        f.write_str(" -> ")?;
        list(f, self.results)
    }
}

/// What is left of a text of which every written piece is taken off.
struct Rest<'a>(&'a str);

impl Write for Rest<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(piece).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// A function of the runtime.
#[derive(Clone, Copy, Debug)]
pub struct Export {
    /// Its ELF symbol.
    pub symbol: &'static str,
    /// Its WebAssembly type; `None` for those that no module imports.
    pub signature: Option<Signature>,
    /// Its code.
    pub address: *const (),
}

// SAFETY: the address of code; nobody writes there.
unsafe impl Sync for Export {}

unsafe extern "C" {
    fn memcpy(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    fn memmove(to: *mut u8, from: *const u8, bytes: usize) -> *mut u8;
    fn memset(to: *mut u8, byte: i32, bytes: usize) -> *mut u8;
}

const fn runtime(function: Runtime, address: *const ()) -> Export {
    Export {
        symbol: function.symbol(),
        signature: None,
        address,
    }
}

/// The functions that compiled code calls by itself.
pub static COMPILED: [Export; Runtime::ALL.len()] = [
    runtime(Runtime::MemoryGrow, compiled::memory_grow as *const ()),
    runtime(Runtime::TableGrow, compiled::table_grow as *const ()),
    runtime(Runtime::TableFill, compiled::table_fill as *const ()),
    runtime(Runtime::Register, heap::register as *const ()),
    runtime(Runtime::StructNew, heap::struct_new as *const ()),
    runtime(Runtime::Throw, exception::throw as *const ()),
    runtime(Runtime::ArrayNew, heap::array_new as *const ()),
    runtime(Runtime::ArrayFill, heap::array_fill as *const ()),
    runtime(Runtime::MemoryWait32, wait::memory_wait32 as *const ()),
    runtime(Runtime::MemoryWait64, wait::memory_wait64 as *const ()),
    runtime(Runtime::MemoryNotify, wait::memory_notify as *const ()),
    runtime(Runtime::Memcpy, memcpy as *const ()),
    runtime(Runtime::Memmove, memmove as *const ()),
    runtime(Runtime::Memset, memset as *const ()),
    runtime(Runtime::CeilF32, float::ceilf as *const ()),
    runtime(Runtime::CeilF64, float::ceil as *const ()),
    runtime(Runtime::FloorF32, float::floorf as *const ()),
    runtime(Runtime::FloorF64, float::floor as *const ()),
    runtime(Runtime::TruncF32, float::truncf as *const ()),
    runtime(Runtime::TruncF64, float::trunc as *const ()),
    runtime(Runtime::NearestF32, float::rintf as *const ()),
    runtime(Runtime::NearestF64, float::rint as *const ()),
];

/// Every function of the runtime, by its symbol.
pub fn exports() -> impl Iterator<Item = &'static Export> {
    COMPILED.iter().chain(wasi::EXPORTS)
}

/// The function with this symbol.
#[must_use]
pub fn lookup(symbol: &str) -> Option<&'static Export> {
    exports().find(|export| export.symbol == symbol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::string::ToString;

    #[test]
    fn every_runtime_function_is_there_once() {
        let symbols: BTreeSet<&str> = exports().map(|export| export.symbol).collect();
        assert_eq!(symbols.len(), exports().count());
        for function in Runtime::ALL {
            assert!(lookup(function.symbol()).is_some(), "{function:?}");
        }
    }

    #[test]
    fn preview_1_is_complete_with_its_types() {
        let prefix = "wasi_snapshot_preview1.";
        let all = exports().filter(|export| export.symbol.starts_with(prefix));
        assert_eq!(all.count(), 46);
        let text = |name: &str| {
            let export = lookup(&std::format!("{prefix}{name}")).unwrap();
            export.signature.unwrap().to_string()
        };
        assert_eq!(text("fd_write"), "(i32 i32 i32 i32) -> (i32)");
        assert_eq!(text("proc_exit"), "(i32) -> ()");
        assert_eq!(text("sched_yield"), "() -> (i32)");
        assert_eq!(text("clock_time_get"), "(i32 i64 i32) -> (i32)");
        assert_eq!(
            text("path_open"),
            "(i32 i32 i32 i32 i32 i64 i64 i32 i32) -> (i32)"
        );
        let export = lookup("wasi_snapshot_preview1.fd_seek").unwrap();
        let signature = export.signature.unwrap();
        assert!(signature.is("(i32 i64 i32 i32) -> (i32)"));
        assert!(!signature.is("(i32 i64 i32 i32) -> ()"));
        assert!(!signature.is("(i32 i64 i32 i32) -> (i32) "));
    }
}
