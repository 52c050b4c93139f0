// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! RISC-V 64 (RISC-V ELF psABI, sections "File Header" and "Relocations").
//!
//! No relocation permits relaxation, so linkers leave the code as long as it is, and the offsets
//! in our tables stay right.

use super::{Arch, Distance, patch};
use cranelift_codegen::binemit::Reloc;
use object::elf;

pub const ARCH: Arch = Arch {
    architecture: object::Architecture::Riscv64,
    flags: |features| {
        let compressed = features.split_whitespace().any(|name| name == "has_zca");
        let compressed = if compressed { elf::EF_RISCV_RVC.0 } else { 0 };
        elf::FileFlags(elf::EF_RISCV_FLOAT_ABI_DOUBLE.0 | compressed)
    },
    max_text: 1 << 30,
    padding: 0, // unimp
    address: elf::R_RISCV_64,
    distance: Distance::Difference(elf::R_RISCV_ADD64, elf::R_RISCV_SUB64),
    resolvable: |kind| kind == Reloc::RiscvCallPlt,
    resolve: |_, field, distance| {
        // auipc takes the upper 20 bits, rounded because jalr's lower 12 are signed.
        patch(field, 0xffff_f000, distance.wrapping_add(0x800) as u32);
        patch(&mut field[4..], 0xfff0_0000, (distance as u32) << 20);
    },
    relocation,
    refers_to_place: |kind| kind == Reloc::RiscvPCRelLo12I,
};

fn relocation(kind: Reloc, _callee: bool) -> elf::RelocationType {
    match kind {
        Reloc::Abs8 => elf::R_RISCV_64,
        Reloc::RiscvCallPlt => elf::R_RISCV_CALL_PLT,
        Reloc::RiscvPCRelHi20 => elf::R_RISCV_PCREL_HI20,
        Reloc::RiscvPCRelLo12I => elf::R_RISCV_PCREL_LO12_I,
        other => unreachable!("the RISC-V back end makes no {other:?} for this code"),
    }
}
