// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! AArch64 ("ELF for the Arm 64-bit Architecture", section "Relocation").

use super::{Arch, Distance, patch};
use cranelift_codegen::binemit::Reloc;
use object::elf;

pub const ARCH: Arch = Arch {
    architecture: object::Architecture::Aarch64,
    flags: |_| elf::FileFlags(0),
    // A call reaches 128 MiB; the veneers behind the text must be within reach as well.
    max_text: 120 << 20,
    padding: 0, // udf #0
    address: elf::R_AARCH64_ABS64,
    distance: Distance::Relative(elf::R_AARCH64_PREL64),
    // Addresses are made of pages, so they depend on where the text is.
    resolvable: |kind| kind == Reloc::Arm64Call,
    resolve: |_, field, distance| patch(field, 0x03ff_ffff, (distance >> 2) as u32),
    relocation,
    refers_to_place: |_| false,
};

fn relocation(kind: Reloc, _callee: bool) -> elf::RelocationType {
    match kind {
        Reloc::Abs8 => elf::R_AARCH64_ABS64,
        Reloc::Arm64Call => elf::R_AARCH64_CALL26,
        Reloc::Aarch64AdrPrelPgHi21 => elf::R_AARCH64_ADR_PREL_PG_HI21,
        Reloc::Aarch64AddAbsLo12Nc => elf::R_AARCH64_ADD_ABS_LO12_NC,
        other => unreachable!("the AArch64 back end makes no {other:?} for this code"),
    }
}
