// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What of an object depends on the architecture: ELF header, relocations, padding; one file an
//! architecture.

mod aarch64;
mod riscv64;
mod x86_64;

use cranelift_codegen::binemit::Reloc;
use object::elf::{FileFlags, RelocationType};
use wasm_aot_object::Machine;

/// How an architecture is written.
#[derive(Clone, Copy)]
pub struct Arch {
    /// As the ELF writer names it.
    pub architecture: object::Architecture,
    /// The ELF header's flags (`e_flags`).
    pub flags: fn(features: &str) -> FileFlags,
    /// The most bytes of text: calls inside it must reach.
    pub max_text: u64,
    /// Between functions, never executed: (part of) an illegal instruction.
    pub padding: u8,
    /// A 64-bit address.
    pub address: RelocationType,
    /// A 64-bit distance from the field.
    pub distance: Distance,
    /// Whether an instruction's reference to a place in the same text can be resolved at once:
    /// it depends on the distance alone.
    pub resolvable: fn(kind: Reloc) -> bool,
    /// Resolves such a reference: writes the distance from the instruction to the target.
    pub resolve: fn(kind: Reloc, field: &mut [u8], distance: i32),
    /// The ELF relocation; of calls and of addresses, where the code generator has one kind.
    pub relocation: fn(kind: Reloc, callee: bool) -> RelocationType,
    /// Whether a kind refers to the place of another relocation, which linkers want to have a
    /// symbol of its own.
    pub refers_to_place: fn(kind: Reloc) -> bool,
}

/// How a 64-bit distance is expressed.
#[derive(Clone, Copy)]
pub enum Distance {
    /// By one relocation.
    Relative(RelocationType),
    /// By two: add the target, subtract the place.
    Difference(RelocationType, RelocationType),
}

impl Arch {
    /// That of a machine.
    pub fn of(machine: Machine) -> Self {
        match machine {
            Machine::X86_64 => x86_64::ARCH,
            Machine::Aarch64 => aarch64::ARCH,
            Machine::Riscv64 => riscv64::ARCH,
        }
    }
}

/// Replaces the bits `mask` of the 32-bit instruction at the start of `field`.
fn patch(field: &mut [u8], mask: u32, bits: u32) {
    let instruction: &mut [u8; 4] = field.first_chunk_mut().expect("an instruction is there");
    let old = u32::from_le_bytes(*instruction);
    *instruction = (old & !mask | bits & mask).to_le_bytes();
}
