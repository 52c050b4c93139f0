// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Compiles a WebAssembly module ahead of time to a relocatable native object.
//!
//! The phases, each in the module of its name, data flowing one way:
//!
//! | phase | takes | gives |
//! |---|---|---|
//! | [`module`] | bytes | the module's facts, everything validated |
//! | [`types`] | the type section | equal types as one, their texts and numbers |
//! | [`heap`] | fields | the layout of objects in the heap |
//! | [`inline`] | the shapes of all bodies | which bodies take the place of calls, which are never called |
//! | [`plan`] | facts, options | where each memory, table and global lives, and under which symbol |
//! | [`translate`] | a function body, the plan | Cranelift IR |
//! | [`codegen`] | Cranelift IR | machine code, relocations, traps, source positions; in parallel |
//! | [`emit`] | all of that | the bytes of an ELF object |
//!
//! [`progress`] tells how far it is; [`inspect`] reads an object back for people. The format is `wasm-aot-object`'s.

#![forbid(unsafe_code)]

mod codegen;
mod effort;
mod emit;
mod error;
pub mod features;
mod heap;
mod inline;
pub mod inspect;
mod isa;
mod limits;
mod module;
mod optimize;
mod options;
mod plan;
pub mod progress;
mod stack;
mod translate;
mod types;

pub use error::{Error, Place};
pub use features::{DEFAULT_FEATURES, SUPPORTED_FEATURES};
pub use isa::Cpu;
pub use options::{Bounds, MemoryBase, OptLevel, Options};
pub use progress::{Phase, Progress};
pub use wasm_aot_object::Machine;
pub use wasmparser::WasmFeatures;

/// Compiles a module, binary or text, to the bytes of an ELF64 `ET_REL` object.
///
/// The same input and options give the same bytes, whatever the number of threads.
///
/// # Errors
/// Where the module does not parse or validate, uses a feature that is not enabled, or the
/// options contradict each other or the module.
pub fn compile(wasm: &[u8], options: &Options) -> Result<Vec<u8>, Error> {
    compile_with(wasm, options, &())
}

/// [`compile`], with somebody who listens how far it is.
///
/// # Errors
/// As [`compile`].
pub fn compile_with(
    wasm: &[u8],
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<u8>, Error> {
    progress.begin(Phase::Validate);
    let is_text = !wasm.starts_with(b"\0");
    if is_text {
        let bytes = wasm.len() as u64;
        limits::check("bytes of text", bytes, limits::MAX_TEXT as u64)?;
    }
    let binary = wat::parse_bytes(wasm).map_err(Error::Text)?;
    let module = module::Module::parse(&binary, options.features)?;
    progress.begin(Phase::Plan);
    let plan = plan::Plan::new(&module, options)?;
    let isa = isa::build(options, plan.convention)?;
    isa::check(&*isa, &module)?;
    progress.begin(Phase::Functions);
    let functions = codegen::compile(&module, &plan, &*isa, progress)?;
    progress.begin(Phase::Emit);
    emit::object(&module, &plan, &*isa, &functions, &binary)
}

/// The instructions of a module's own functions, as the code generator writes them down: what
/// golden tests compare, and what to look at when code is slow. The text is not stable.
///
/// # Errors
/// As [`compile`].
pub fn listing(wasm: &[u8], options: &Options) -> Result<String, Error> {
    let binary = wat::parse_bytes(wasm).map_err(Error::Text)?;
    let module = module::Module::parse(&binary, options.features)?;
    let plan = plan::Plan::new(&module, options)?;
    let isa = isa::build(options, plan.convention)?;
    isa::check(&*isa, &module)?;
    codegen::listing(&module, &plan, &*isa)
}
