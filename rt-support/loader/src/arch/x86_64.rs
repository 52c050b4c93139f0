// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! x86-64 (System V ABI, AMD64 supplement, section 4.4 "Relocation").

use super::{Arch, Refused, Veneer, veneer_of, word};
use elf::abi;
use wasm_aot_object::Machine;

pub(crate) const ARCH: Arch = Arch {
    machine: Machine::X86_64,
    width,
    is_call: |kind| kind == abi::R_X86_64_PLT32,
    high_part: |_| None,
    apply,
    veneer,
    // `ud2`.
    trap: &[0x0f, 0x0b],
};

fn width(kind: u32) -> Option<usize> {
    match kind {
        abi::R_X86_64_NONE => Some(0),
        abi::R_X86_64_64 | abi::R_X86_64_PC64 => Some(8),
        abi::R_X86_64_PC32 | abi::R_X86_64_PLT32 | abi::R_X86_64_32 | abi::R_X86_64_32S => Some(4),
        _ => None,
    }
}

fn apply(kind: u32, field: &mut [u8], symbol: u64, addend: i64, place: u64) -> Result<(), Refused> {
    let absolute = symbol.wrapping_add_signed(addend);
    let relative = absolute.wrapping_sub(place).cast_signed();
    let (value, width) = match kind {
        abi::R_X86_64_NONE => return Ok(()),
        abi::R_X86_64_64 => (absolute, 8),
        abi::R_X86_64_PC64 => (relative.cast_unsigned(), 8),
        abi::R_X86_64_32 => (u32::try_from(absolute).map_err(overflow)?.into(), 4),
        abi::R_X86_64_32S => (signed(absolute.cast_signed())?, 4),
        abi::R_X86_64_PC32 | abi::R_X86_64_PLT32 => (signed(relative)?, 4),
        _ => return Err(Refused::Kind),
    };
    let bytes = value.to_le_bytes();
    word(field, bytes.get(..width).unwrap_or_default())
}

fn signed(value: i64) -> Result<u64, Refused> {
    let value = i32::try_from(value).map_err(overflow)?;
    Ok(i64::from(value).cast_unsigned())
}

fn overflow(_: core::num::TryFromIntError) -> Refused {
    Refused::Overflow
}

/// `jmp *10(%rip)`.
fn veneer(target: u64) -> Veneer {
    veneer_of(&[0xff, 0x25, 10, 0, 0, 0], target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: u32, symbol: u64, addend: i64, place: u64) -> Result<[u8; 8], Refused> {
        let mut field = [0xaa; 8];
        apply(kind, &mut field, symbol, addend, place).map(|()| field)
    }

    #[test]
    fn each_kind_writes_its_value_and_no_more() {
        let tail = |bytes: [u8; 4]| {
            let [a, b, c, d] = bytes;
            Ok([a, b, c, d, 0xaa, 0xaa, 0xaa, 0xaa])
        };
        let far = 0x1234_5678_9abc_def0u64;
        assert_eq!(
            field(abi::R_X86_64_64, far, 8, 77),
            Ok((far + 8).to_le_bytes())
        );
        assert_eq!(
            field(abi::R_X86_64_PC64, 0x10, 0, 0x30),
            Ok((-0x20i64).to_le_bytes())
        );
        assert_eq!(
            field(abi::R_X86_64_PC32, 0x10, -4, 0x30),
            tail((-0x24i32).to_le_bytes())
        );
        assert_eq!(
            field(abi::R_X86_64_PLT32, 0x4000_0000, 0, 0),
            tail(0x4000_0000i32.to_le_bytes())
        );
        assert_eq!(
            field(abi::R_X86_64_32, 0xffff_fff0, 1, 9),
            tail(0xffff_fff1u32.to_le_bytes())
        );
        assert_eq!(
            field(abi::R_X86_64_32S, 0, -1, 9),
            tail((-1i32).to_le_bytes())
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (kind, symbol, place) in [
            (abi::R_X86_64_PC32, 0x8000_0000, 0),
            (abi::R_X86_64_PLT32, 0, 0x8000_0001),
            (abi::R_X86_64_32, 1 << 32, 0),
            (abi::R_X86_64_32S, 0x8000_0000, 0),
        ] {
            assert_eq!(
                field(kind, symbol, 0, place),
                Err(Refused::Overflow),
                "{kind}"
            );
        }
        assert_eq!(field(abi::R_X86_64_GOTPCREL, 0, 0, 0), Err(Refused::Kind));
        assert_eq!(width(abi::R_X86_64_GOTPCREL), None);
    }
}
