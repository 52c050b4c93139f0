// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Thunks behind an object's image: by them a function of WASI knows which instance calls it
//! (`wasm_aot_loader::thunk`).

use crate::runtime::Runtime;
use crate::vspace::PAGE;
use wasm_aot_loader::thunk::{STRIDE, THUNK, thunk};
use wasm_aot_loader::{Object, UndefinedKind, UndefinedSymbol};
use wasm_aot_object::meta::Kind;

/// Whether a symbol is a function of the runtime that the module imports.
pub fn wants(symbol: &UndefinedSymbol<'_>, runtime: &Runtime) -> bool {
    let UndefinedKind::Import(import) = symbol.kind else {
        return false;
    };
    import.kind() == Kind::Function && runtime.export(symbol.name).is_some()
}

/// Bytes of the pages that an object's thunks take.
pub fn size(object: &Object<'_>, runtime: &Runtime) -> u64 {
    let count = object.undefined().filter(|symbol| wants(symbol, runtime));
    ((count.count() * STRIDE) as u64).next_multiple_of(PAGE)
}

/// The thunks of an object, as they are made.
pub struct Thunks<'i> {
    code: &'i mut [u8],
    /// Where the code will be.
    address: u64,
    /// The word that they write to.
    cell: u64,
    /// What they write there.
    memory: u64,
    used: usize,
}

impl<'i> Thunks<'i> {
    pub fn new(code: &'i mut [u8], address: u64, cell: u64, memory: u64) -> Self {
        Self {
            code,
            address,
            cell,
            memory,
            used: 0,
        }
    }

    /// A thunk that leads to a function, or the one there is.
    pub fn to(&mut self, function: u64) -> Option<u64> {
        let wanted = thunk(self.cell, self.memory, function);
        let made = self.code[..self.used].chunks_exact(STRIDE);
        let same = made.enumerate().find(|(_, code)| code[..THUNK] == wanted);
        if let Some((number, _)) = same {
            return Some(self.address + (number * STRIDE) as u64);
        }
        let place = self.code.get_mut(self.used..self.used + STRIDE)?;
        place[..THUNK].copy_from_slice(&wanted);
        let at = self.address + self.used as u64;
        self.used += STRIDE;
        Some(at)
    }
}
