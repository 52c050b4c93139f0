// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! One app: made out of a bundle's entry, served until it ends, taken apart.
//!
//! | module | decides |
//! |---|---|
//! | [`plan`] | where its memories and tables are, and how large they may become |
//! | [`compose`] | its address space, its capabilities, its thread |
//! | [`serve`] | what its calls get |
//! | [`fault`] | what a fault of it means |

mod compose;
mod fault;
mod plan;
mod serve;

pub use compose::compose;
pub use serve::serve;

use crate::memory::MemoryError;
use crate::runtime::Copies;
use core::fmt;
use plan::Growable;
use wasm_aot_loader::trap::Module;
use wasm_aot_loader::{LoadError, Object};

/// Growable regions of an app, at most: its memories and tables.
pub const MAX_REGIONS: usize = 32;

/// An app that runs.
pub struct Running<'a> {
    /// Index in the bundle.
    pub index: u16,
    tcb: u64,
    vspace: u64,
    object: Object<'a>,
    module: Module<'a>,
    stack: Stack,
    regions: [Option<Growable>; MAX_REGIONS],
}

/// The stack of an app.
#[derive(Clone, Copy)]
struct Stack {
    bottom: u64,
    first_frame: u64,
}

/// What must be given back by hand when an app ends; the rest is revoked.
#[derive(Default)]
pub struct Borrowed {
    copies: Option<Copies>,
}

impl Borrowed {
    /// Gives it back.
    pub fn give_back(self) -> Result<(), sel4::Error> {
        self.copies.map_or(Ok(()), |copies| copies.delete())
    }
}

/// Why an app cannot be run.
#[derive(Clone, Copy, Debug)]
pub enum AppError<'a> {
    /// The object is refused.
    Load(LoadError<'a>),
    /// The object uses AVX, and the kernel does not keep its registers.
    Vector(&'a str),
    /// A host function is imported with another type than it has.
    ImportType(&'a str, &'a str),
    /// There is no memory for something.
    Memory(&'static str, MemoryError),
    /// A memory or table cannot be placed.
    Place(&'static str),
    /// Something is larger than its part of the address space.
    TooLarge(&'static str, u64, u64),
    /// The function to run is not there.
    NoExport(&'a str),
    /// The function to run has a type for which the object has no trampoline.
    NoTrampoline(&'a str),
}

impl<'a> From<LoadError<'a>> for AppError<'a> {
    fn from(error: LoadError<'a>) -> Self {
        Self::Load(error)
    }
}

impl fmt::Display for AppError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Vector(feature) => write!(
                f,
                "the code needs `{feature}`, but this kernel keeps only the SSE registers apart \
                 (CONFIG_FXSAVE); build the object with `--cpu baseline`, or use a kernel with \
                 CONFIG_XSAVE"
            ),
            Self::ImportType(symbol, kind) => write!(
                f,
                "incompatible import type: `{symbol}` is imported as a function {kind}, which is \
                 not its type"
            ),
            Self::Memory(what, error) => write!(f, "{what}: {error}"),
            Self::Place(what) => f.write_str(what),
            Self::TooLarge(what, bytes, limit) => {
                write!(
                    f,
                    "{what} takes {bytes} bytes, and there is room for {limit}"
                )
            }
            Self::NoExport(name) => write!(f, "the module exports no function `{name}`"),
            Self::NoTrampoline(name) => write!(
                f,
                "the function `{name}` cannot be invoked: the object has no trampoline for its type"
            ),
        }
    }
}
