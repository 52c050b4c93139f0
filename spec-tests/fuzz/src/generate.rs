// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A module from a seed: valid, without imports, ending soon, with all of its state exported.

use crate::digest;
use crate::loops;
use crate::random::Random;
use arbitrary::Unstructured;
use wasm_aot_compiler::{SUPPORTED_FEATURES, WasmFeatures};
use wasm_smith::{Config, Module};
use wasmparser::{Operator, Parser, Payload};

/// Bytes of randomness for a module: its size follows from that.
const ENTROPY: u64 = 30_000;
/// Calls and turns of loops that a module may make in all.
const FUEL: u32 = 3_000;
/// One module in so many is one of loops.
const LOOPS: u64 = 4;
/// Bytes that a memory has at most.
const MEMORY: u64 = 1 << 20;

/// The module of a seed; `None` where the generator makes none of it that can be compared.
#[must_use]
pub fn module(seed: u64, only_loops: bool) -> Option<Vec<u8>> {
    let mut random = Random::new(seed);
    if only_loops || seed.is_multiple_of(LOOPS) {
        return Some(digest::add(loops::module(seed)));
    }
    let size = 1000 + random.below(ENTROPY) as usize;
    let bytes = random.bytes(1000);
    let config = config(&mut Unstructured::new(&bytes), &mut random)?;
    let bytes = random.bytes(size);
    let mut module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    module.ensure_termination(FUEL).ok()?;
    let module = module.to_bytes();
    (!waits(&module)).then(|| digest::add(module))
}

/// Which features, and how much of everything: chosen per module, so that none hides the others.
fn config(choices: &mut Unstructured<'_>, random: &mut Random) -> Option<Config> {
    let mut config: Config = choices.arbitrary().ok()?;
    let with = |feature| SUPPORTED_FEATURES.contains(feature);
    let mut maybe = |feature| with(feature) && random.below(2) == 0;
    config.custom_page_sizes_enabled = maybe(WasmFeatures::CUSTOM_PAGE_SIZES);
    config.wide_arithmetic_enabled = maybe(WasmFeatures::WIDE_ARITHMETIC);
    config.threads_enabled &= with(WasmFeatures::THREADS);
    config.gc_enabled &= with(WasmFeatures::GC);
    config.exceptions_enabled &= with(WasmFeatures::EXCEPTIONS);
    config.tail_call_enabled &= with(WasmFeatures::TAIL_CALL);
    config.memory64_enabled &= with(WasmFeatures::MEMORY64);
    // What it gives is the processor's choice, and the two sides choose apart.
    config.relaxed_simd_enabled = false;
    config.compact_imports_enabled = false;
    config.canonicalize_nans = true;
    config.export_everything = true;
    config.max_imports = 0;
    config.min_funcs = 4;
    config.max_funcs = 4 + config.max_funcs % 12;
    config.max_instructions = 20 + config.max_instructions % 400;
    config.max_types = 1 + config.max_types % 30;
    config.max_globals %= 20;
    config.max_tags %= 5;
    config.max_memories = 1 + config.max_memories % 3;
    config.min_memories = u32::from(random.below(4) != 0);
    config.max_tables %= 4;
    config.max_data_segments %= 8;
    config.max_element_segments %= 8;
    config.max_elements %= 50;
    config.max_exports = 1000;
    // Growth must end where the module says, not where the machine does.
    config.memory_max_size_required = true;
    config.table_max_size_required = true;
    config.max_table_elements %= 1000;
    config.max_memory32_bytes = MEMORY;
    config.max_memory64_bytes = MEMORY.into();
    config.min_uleb_size = 1;
    Some(config)
}

/// Whether the module may wait for another thread, of which there is none.
fn waits(module: &[u8]) -> bool {
    let bodies = Parser::new(0).parse_all(module).filter_map(Result::ok);
    let mut bodies = bodies.filter_map(|payload| match payload {
        Payload::CodeSectionEntry(body) => body.get_operators_reader().ok(),
        _ => None,
    });
    bodies.any(|operators| {
        operators.into_iter().any(|operator| {
            let waits = |operator: &Operator<'_>| {
                matches!(
                    operator,
                    Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. }
                )
            };
            operator.is_ok_and(|operator| waits(&operator))
        })
    })
}
