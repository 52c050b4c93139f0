// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! x86-64 (System V ABI, AMD64 supplement, section 4.4 "Relocation").

use super::{Arch, Distance};
use cranelift_codegen::binemit::Reloc;
use object::elf;

pub const ARCH: Arch = Arch {
    architecture: object::Architecture::X86_64,
    flags: |_| elf::FileFlags(0),
    max_text: 1 << 30,
    padding: 0xcc, // int3
    address: elf::R_X86_64_64,
    distance: Distance::Relative(elf::R_X86_64_PC64),
    resolvable: |kind| {
        matches!(
            kind,
            Reloc::X86PCRel4 | Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4
        )
    },
    resolve: |_, field, distance| field[..4].copy_from_slice(&distance.to_le_bytes()),
    relocation,
    refers_to_place: |_| false,
};

/// Only a call may be led through a veneer.
fn relocation(kind: Reloc, callee: bool) -> elf::RelocationType {
    match kind {
        Reloc::Abs8 => elf::R_X86_64_64,
        Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 if callee => elf::R_X86_64_PLT32,
        Reloc::X86PCRel4 | Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 => elf::R_X86_64_PC32,
        other => unreachable!("the x86-64 back end makes no {other:?} for this code"),
    }
}
