// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What relocations mean, one file an architecture.

mod aarch64;
mod riscv64;
mod x86_64;

use crate::layout::VENEER;
use wasm_aot_object::Machine;

/// Why a relocation was not applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// The value does not fit the field.
    Overflow,
    /// The kind is not known.
    Kind,
}

/// A veneer: code, and in its last eight bytes the target.
pub(crate) type Veneer = [u8; VENEER as usize];

/// How an architecture relocates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arch {
    /// Its name and number.
    pub machine: Machine,
    /// Bytes that a kind of relocation writes; `None` where the kind is not known.
    pub width: fn(kind: u32) -> Option<usize>,
    /// Whether a kind of relocation is that of a direct call, which may be led through a veneer.
    pub is_call: fn(kind: u32) -> bool,
    /// For a kind that writes the low part of an address: the kind that writes the high part. Its
    /// symbol is then the place of that other relocation, which has symbol and addend.
    pub high_part: fn(kind: u32) -> Option<u32>,
    /// Writes `field` (of the kind's width) at `place` for `symbol + addend`; for the low part
    /// of an address, `place` is that of the high part.
    #[allow(clippy::type_complexity, reason = "it is named by its field")]
    pub apply: fn(
        kind: u32,
        field: &mut [u8],
        symbol: u64,
        addend: i64,
        place: u64,
    ) -> Result<(), Refused>,
    /// A jump to `target`, position-independent.
    pub veneer: fn(target: u64) -> Veneer,
    /// Code that is an illegal instruction.
    pub trap: &'static [u8],
}

impl Arch {
    /// What stands in the place of a veneer whose symbol nobody defines: it traps, and its target
    /// is its own address, `here`.
    pub fn stub(&self, here: u64) -> Veneer {
        veneer_of(self.trap, here)
    }
}

/// A veneer of this code, which jumps to the address in the last eight bytes.
fn veneer_of(code: &[u8], target: u64) -> Veneer {
    let mut veneer = [0; VENEER as usize];
    if let Some((head, tail)) = veneer.split_last_chunk_mut::<8>() {
        *tail = target.to_le_bytes();
        for (to, from) in head.iter_mut().zip(code) {
            *to = *from;
        }
    }
    veneer
}

/// The target that a veneer of any architecture holds in its last eight bytes.
pub(crate) fn veneer_target(veneer: &[u8]) -> Option<u64> {
    veneer
        .last_chunk()
        .map(|bytes: &[u8; 8]| u64::from_le_bytes(*bytes))
}

/// Replaces the bits `mask` of a 32-bit instruction at the start of `field`.
fn patch(field: &mut [u8], mask: u32, bits: u32) -> Result<(), Refused> {
    let instruction: &mut [u8; 4] = field.first_chunk_mut().ok_or(Refused::Kind)?;
    let old = u32::from_le_bytes(*instruction);
    *instruction = (old & !mask | bits & mask).to_le_bytes();
    Ok(())
}

/// Writes a word of data.
fn word(field: &mut [u8], bytes: &[u8]) -> Result<(), Refused> {
    field
        .get_mut(..bytes.len())
        .ok_or(Refused::Kind)?
        .copy_from_slice(bytes);
    Ok(())
}

/// The architecture that this loader was built for.
pub(crate) const HOST: Machine = match Machine::HOST {
    Some(machine) => machine,
    None => panic!("no relocations for this architecture yet: add src/arch/<name>.rs"),
};

/// How objects of this architecture are relocated.
pub(crate) fn of(machine: Machine) -> Arch {
    match machine {
        Machine::X86_64 => x86_64::ARCH,
        Machine::Aarch64 => aarch64::ARCH,
        Machine::Riscv64 => riscv64::ARCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_veneer_holds_its_target() {
        for machine in Machine::ALL {
            let veneer = (of(machine).veneer)(0x1122_3344_5566_7788);
            assert_eq!(veneer_target(&veneer), Some(0x1122_3344_5566_7788));
        }
    }
}
