// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the user chooses.

use crate::features::DEFAULT_FEATURES;
use crate::isa::Cpu;
use wasm_aot_object::{DEFAULT_GC_HEAP, Machine};
use wasmparser::WasmFeatures;

/// How an access outside a linear memory is caught.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Bounds {
    /// By the address-space layout that the metadata states: the rest of the reservation faults.
    #[default]
    Guard,
    /// By a comparison with the memory's length before each access.
    Explicit,
}

/// Where byte 0 of a linear memory is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MemoryBase {
    /// At the address that suits the target best ([`Machine::default_memory_base`]).
    #[default]
    Default,
    /// At this address, known to the code. For memory 0; further ones are relocatable.
    Constant(u64),
    /// At the address of a symbol that the loader defines.
    Relocatable,
}

/// How much work the code generator puts into the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OptLevel {
    /// None.
    None,
    /// For speed.
    #[default]
    Speed,
    /// For speed and size.
    SpeedAndSize,
}

/// The options of [`crate::compile`].
#[derive(Clone, Debug)]
pub struct Options {
    /// First part of the object's symbols.
    pub module_name: String,
    /// The features with which the module is validated; see [`crate::SUPPORTED_FEATURES`].
    pub features: WasmFeatures,
    /// How accesses are checked.
    pub bounds: Bounds,
    /// Where linear memory is.
    pub memory_base: MemoryBase,
    /// The architecture.
    pub target: Machine,
    /// What the code may use of the processor.
    pub cpu: Cpu,
    /// How much to optimise.
    pub opt_level: OptLevel,
    /// Put small bodies in the place of calls.
    pub inline: bool,
    /// Let loops run as vectors, where the target has them and `opt_level` is for speed.
    pub vectorize: bool,
    /// Bytes of the heap that a module with structures, arrays or exceptions asks for. Half of
    /// it is in use at a time.
    pub gc_heap: u64,
    /// The record of the app's contract (`wasm-aot-contract`), kept in the object as it is; empty
    /// for none.
    pub contract: Vec<u8>,
    /// Let the code generator check its own intermediate results (slow).
    pub verify: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            module_name: wasm_aot_symbols::DEFAULT_MODULE.into(),
            features: DEFAULT_FEATURES,
            bounds: Bounds::default(),
            memory_base: MemoryBase::default(),
            target: Machine::HOST.unwrap_or(Machine::X86_64),
            cpu: Cpu::Baseline,
            opt_level: OptLevel::default(),
            inline: true,
            vectorize: true,
            gc_heap: DEFAULT_GC_HEAP,
            contract: Vec::new(),
            verify: cfg!(debug_assertions),
        }
    }
}

impl Options {
    /// The address of byte 0 of memory 0, `None` where the loader chooses.
    pub(crate) fn constant_base(&self) -> Option<u64> {
        match self.memory_base {
            MemoryBase::Default => Some(self.target.default_memory_base()),
            MemoryBase::Constant(base) => Some(base),
            MemoryBase::Relocatable => None,
        }
    }
}
