// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! One app: made out of a bundle's entry, served, taken apart. When that happens
//! [`crate::system`] decides.
//!
//! | module | decides |
//! |---|---|
//! | [`compose`] | its address space, its capabilities, its thread |
//! | [`taken`] | what it has before it is made, and gives back |
//! | [`devices`] | the devices that it gets |
//! | [`instances`] | which objects are loaded, and how they are linked with each other |
//! | [`plan`] | where memories and tables are, and how large they may become |
//! | [`thunks`] | how a function of WASI knows which instance calls it |
//! | [`times`] | what making it takes |
//! | [`serve`] | what its calls get |
//! | [`fault`] | what a fault of it means |
//! | [`script`] | the steps of a test script, if that is what it runs |

mod compose;
mod devices;
mod fault;
mod instances;
mod plan;
mod script;
mod serve;
mod taken;
mod thunks;
mod times;

pub use compose::compose;
pub use fault::report;
pub use instances::Tools;
pub use serve::{End, OUTPUT_ROUND};
pub use taken::Taken;
pub use times::Times;

use crate::Loader;
use crate::executive::AppId;
use crate::executive::control::Purpose;
use crate::grants::Denied;
use crate::heap::Full;
use crate::memory::MemoryError;
use crate::vspace::PAGE;
use core::fmt;
use instances::Space;
use sel4::sys;
use sel4_boot::bundle::App;
use wasm_aot_contract::{Contract, ContractError, Misfit};
use wasm_aot_loader::stack::Unbounded;
use wasm_aot_loader::{LoadError, Object};
use wasm_aot_schedule::admission::Refusal;
use wasm_aot_script::ScriptError;

/// An app that has been made.
pub struct Running<'a> {
    /// Index in the bundle.
    pub index: u16,
    /// As the executive knows it.
    pub id: AppId,
    /// It has no contract: it runs in idle time, and nobody else without one beside it.
    pub is_batch: bool,
    /// It runs a test script.
    pub script: bool,
    /// What is in its directories is to be sent when it has ended.
    pub packs: bool,
    /// Standard input comes from the bundle, the host or the console; otherwise it is at its end.
    has_input: bool,
    /// What it waits for.
    wants: Option<Wants>,
    tcb: u64,
    /// Where it begins.
    beginning: sys::seL4_UserContext,
    /// The function that is its job; 0 where it has none.
    job: u64,
    space: Space<'a>,
    stack: Stack,
}

/// What an app wants of standard input: the number of its call, and bytes.
#[derive(Clone, Copy)]
enum Wants {
    Read { call: u32, most: usize },
    Poll { call: u32 },
}

impl<'a> Running<'a> {
    /// Lets it begin.
    pub fn start(&self, loader: &Loader) {
        let purpose = match self.script || self.job != 0 {
            true => Purpose::Call,
            false => Purpose::Run,
        };
        let control = &loader.control;
        control.enter(self.id, self.tcb, self.beginning, purpose);
    }

    /// Lets it have its jobs, from a moment on, at most so many.
    pub fn jobs(&self, loader: &Loader, first_ns: u64, most: u64) {
        let registers = serve::beginning(loader.runtime.call(), [0, self.job, 0]);
        loader.control.jobs(self.id, registers, first_ns, most);
    }

    /// Lets its runtime send what is in its directories.
    pub fn pack(&self, loader: &Loader) {
        let registers = serve::beginning(loader.runtime.pack(), [0; 3]);
        let control = &loader.control;
        control.enter(self.id, self.tcb, registers, Purpose::Pack);
    }

    /// What making it took.
    pub fn times(&self) -> &Times {
        &self.space.times
    }

    /// Does what an event asks for; tells whether the app has come to an end.
    pub fn handle(&mut self, loader: &mut Loader, event: &crate::executive::Event) -> Option<End> {
        serve::handle(loader, self, event)
    }

    /// Gives it the standard input that it waits for, if there is any.
    pub fn input(&mut self, loader: &mut Loader) {
        serve::input(loader, self);
    }

    /// Bytes of its stack that it may use.
    pub fn stack_bound(&self) -> u64 {
        sel4_boot::space::STACK_TOP - self.stack.bottom
    }

    /// The deepest that its stack was: frames are zero when they are new, so whatever is not was
    /// written. A word of the deepest call that is zero is not seen.
    pub fn stack_high(&self, loader: &Loader) -> u64 {
        let Ok(mut peek) = loader.peek.try_borrow_mut() else {
            return 0;
        };
        let (size, frame) = (self.stack_bound(), self.stack.first_frame);
        let mut words = (0..size).step_by(8);
        let used = |at: &u64| {
            let word = peek.word(frame + at / PAGE, at % PAGE);
            word.is_none_or(|word| word != 0)
        };
        let lowest = words.find(used);
        peek.close();
        lowest.map_or(0, |lowest| size - lowest)
    }

    /// Runs the script that it is; gives the exit code.
    ///
    /// # Errors
    /// Where the script cannot be read or has no room.
    pub fn script(&mut self, loader: &mut Loader, app: &App<'a>) -> Result<i32, AppError<'a>> {
        script::run(loader, app, self)
    }
}

/// The contract of an entry of the bundle: the one beside it, or that of its program's object.
/// `None` where there is none, or where the object cannot be read, which loading it will tell.
pub fn contract<'a>(app: &App<'a>) -> Result<Option<Contract<'a>>, ContractError> {
    if !app.contract.is_empty() {
        return Ok(Some(Contract::parse(app.contract)?));
    }
    let Some(program) = app.modules().last() else {
        return Ok(None);
    };
    let object = Object::parse(program.object).ok();
    Ok(object.and_then(|object| object.contract().copied()))
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

/// Why an app cannot be run.
#[derive(Clone, Copy, Debug)]
pub enum AppError<'a> {
    /// The object is refused.
    Load(LoadError<'a>),
    /// The contract is.
    Contract(ContractError),
    /// The object uses AVX, and the kernel does not keep its registers.
    Vector(&'a str),
    /// The script is refused.
    Script(ScriptError),
    /// Together with the others it would break promises.
    Admission(Refusal<'a>),
    /// Its stack has no bound, and its contract gives none.
    Stack(Unbounded<'a>),
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
    /// The function that is to be called every period is not there.
    NoJob,
    /// An object does not keep to the contract.
    Misfit(Misfit<'a>),
    /// A device that its contract names is not for it.
    Device(&'a str, Denied),
    /// The executive knows as many apps as it can.
    TooMany,
    /// The function to run has a type for which the object has no trampoline.
    NoTrampoline(&'a str),
}

impl<'a> From<LoadError<'a>> for AppError<'a> {
    fn from(error: LoadError<'a>) -> Self {
        Self::Load(error)
    }
}

impl From<ContractError> for AppError<'_> {
    fn from(error: ContractError) -> Self {
        Self::Contract(error)
    }
}

impl<'a> From<Misfit<'a>> for AppError<'a> {
    fn from(misfit: Misfit<'a>) -> Self {
        Self::Misfit(misfit)
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
            Self::Contract(error) => error.fmt(f),
            Self::Vector(feature) => write!(
                f,
                "the code needs `{feature}`, but this kernel keeps only the SSE registers apart \
                 (CONFIG_FXSAVE); build the object with `--cpu baseline`, or use a kernel with \
                 CONFIG_XSAVE"
            ),
            Self::Admission(refusal) => refusal.fmt(f),
            Self::Stack(why) => write!(
                f,
                "its stack has no bound: {why}; give it one with `stack_bytes` in its contract"
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
            Self::NoJob => f.write_str(
                "the module does not export the function that its contract names as `entry`",
            ),
            Self::Misfit(misfit) => misfit.fmt(f),
            Self::Device(name, denied) => write!(f, "device `{name}`: {denied}"),
            Self::TooMany => write!(
                f,
                "there are {} apps already, as many as there can be",
                crate::executive::TASKS - 1
            ),
            Self::NoTrampoline(name) => write!(
                f,
                "the function `{name}` cannot be invoked: the object has no trampoline for its type"
            ),
        }
    }
}
