// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What relocations mean, one file an architecture.

mod x86_64;

/// Why a relocation was not applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// The value does not fit the field.
    Overflow,
    /// The kind is not known.
    Kind,
}

/// How an architecture relocates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arch {
    /// `e_machine`.
    pub machine: u16,
    /// Bytes that a kind of relocation writes; `None` where the kind is not known.
    pub width: fn(kind: u32) -> Option<usize>,
    /// Whether a kind of relocation is that of a direct call, which may be led through a veneer.
    pub is_call: fn(kind: u32) -> bool,
    /// Writes `field` (of the kind's width) at `place` for `symbol + addend`.
    #[allow(clippy::type_complexity, reason = "it is named by its field")]
    pub apply: fn(
        kind: u32,
        field: &mut [u8],
        symbol: u64,
        addend: i64,
        place: u64,
    ) -> Result<(), Refused>,
    /// A jump to `target`, position-independent.
    pub veneer: fn(target: u64) -> [u8; crate::layout::VENEER as usize],
}

/// The target that a veneer of any architecture holds in its last eight bytes.
pub(crate) fn veneer_target(veneer: &[u8]) -> Option<u64> {
    veneer
        .last_chunk()
        .map(|bytes: &[u8; 8]| u64::from_le_bytes(*bytes))
}

/// The architecture that this loader was built for.
#[cfg(target_arch = "x86_64")]
pub(crate) const HOST: Arch = x86_64::ARCH;

#[cfg(not(target_arch = "x86_64"))]
compile_error!(
    "wasm-aot-loader has no relocations for this architecture yet: add src/arch/<name>.rs"
);
