// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! One app: made out of a bundle's entry, served until it ends, taken apart.
//!
//! | module | decides |
//! |---|---|
//! | [`compose`] | its address space, its capabilities, its thread |
//! | [`instances`] | which objects are loaded, and how they are linked with each other |
//! | [`plan`] | where memories and tables are, and how large they may become |
//! | [`thunks`] | how a function of WASI knows which instance calls it |
//! | [`serve`] | what its calls get |
//! | [`fault`] | what a fault of it means |
//! | [`script`] | the steps of a test script, if that is what it runs |

mod compose;
mod fault;
mod instances;
mod plan;
mod script;
mod serve;
mod thunks;

pub use instances::Tools;

use crate::Loader;
use crate::heap::Full;
use crate::memory::{Account, MemoryError};
use crate::runtime::Copies;
use compose::compose;
use core::fmt;
use instances::Space;
use sel4_boot::bundle::App;
use wasm_aot_loader::LoadError;
use wasm_aot_script::ScriptError;

/// An app that runs.
pub struct Running<'a> {
    /// Index in the bundle.
    pub index: u16,
    /// It runs a test script.
    script: bool,
    /// What is in its directories is to be sent when it has ended.
    packs: bool,
    /// That is being sent.
    packing: bool,
    tcb: u64,
    space: Space<'a>,
    stack: Stack,
}

/// Runs an app to its end; gives its exit code.
///
/// # Errors
/// Where it cannot be made.
pub fn run<'a>(
    loader: &mut Loader,
    app: &App<'a>,
    index: u16,
    account: Account,
    borrowed: &mut Borrowed,
) -> Result<i32, AppError<'a>> {
    let mut running = compose(loader, app, index, account, borrowed)?;
    let code = if running.script {
        script::run(loader, app, &mut running)
    } else {
        Ok(serve::serve(loader, &mut running))
    };
    // The stack may be in view.
    loader.peek.get_mut().close();
    code
}

/// Names what memory was wanted for.
fn lacking<'a>(what: &'static str) -> impl Fn(MemoryError) -> AppError<'a> {
    move |error| AppError::Memory(what, error)
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
    archive: Option<Copies>,
}

impl Borrowed {
    /// Gives it back.
    pub fn give_back(self) -> Result<(), sel4::Error> {
        let lists = [self.copies, self.archive];
        lists.iter().flatten().try_for_each(Copies::delete)
    }
}

/// Why an app cannot be run.
#[derive(Clone, Copy, Debug)]
pub enum AppError<'a> {
    /// The object is refused.
    Load(LoadError<'a>),
    /// The object uses AVX, and the kernel does not keep its registers.
    Vector(&'a str),
    /// The script is refused.
    Script(ScriptError),
    /// The root task's own lists are full.
    Full,
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

impl From<Full> for AppError<'_> {
    fn from(Full: Full) -> Self {
        Self::Full
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
            Self::Script(error) => error.fmt(f),
            Self::Full => f.write_str(
                "the root task's heap is full: too many objects, memories and tables in one app",
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
