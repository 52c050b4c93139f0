// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! RISC-V 64 (RISC-V ELF psABI, section "Relocations"; instruction formats: the unprivileged
//! specification, "Base Instruction Formats").

use super::{Arch, Refused, Veneer, patch, veneer_of, word};
use elf::abi;
use wasm_aot_object::Machine;

pub(crate) const ARCH: Arch = Arch {
    machine: Machine::Riscv64,
    width,
    is_call: |kind| matches!(kind, abi::R_RISCV_CALL | abi::R_RISCV_CALL_PLT),
    high_part: |kind| match kind {
        abi::R_RISCV_PCREL_LO12_I | abi::R_RISCV_PCREL_LO12_S => Some(abi::R_RISCV_PCREL_HI20),
        _ => None,
    },
    apply,
    veneer,
    // `unimp`, as the assembler of the compressed extension writes it, twice.
    trap: &[0, 0, 0, 0],
};

fn width(kind: u32) -> Option<usize> {
    match kind {
        // RELAX only permits a linker to shorten the code.
        abi::R_RISCV_NONE | abi::R_RISCV_RELAX => Some(0),
        abi::R_RISCV_64
        | abi::R_RISCV_CALL
        | abi::R_RISCV_CALL_PLT
        | abi::R_RISCV_ADD64
        | abi::R_RISCV_SUB64 => Some(8),
        abi::R_RISCV_32
        | abi::R_RISCV_32_PCREL
        | abi::R_RISCV_PCREL_HI20
        | abi::R_RISCV_PCREL_LO12_I
        | abi::R_RISCV_PCREL_LO12_S => Some(4),
        _ => None,
    }
}

/// Bits of the immediate of `auipc`, and of instructions like `addi` and like `sd`.
const UPPER: u32 = 0xffff_f000;
const IMMEDIATE: u32 = 0xfff0_0000;
const STORE: u32 = 0xfe00_0f80;

fn apply(kind: u32, field: &mut [u8], symbol: u64, addend: i64, place: u64) -> Result<(), Refused> {
    let absolute = symbol.wrapping_add_signed(addend);
    let relative = absolute.wrapping_sub(place).cast_signed();
    match kind {
        abi::R_RISCV_NONE | abi::R_RISCV_RELAX => Ok(()),
        abi::R_RISCV_64 => word(field, &absolute.to_le_bytes()),
        abi::R_RISCV_ADD64 => add(field, absolute),
        abi::R_RISCV_SUB64 => add(field, absolute.wrapping_neg()),
        abi::R_RISCV_32 => {
            let value = u32::try_from(absolute).map_err(|_| Refused::Overflow)?;
            word(field, &value.to_le_bytes())
        }
        abi::R_RISCV_32_PCREL => {
            let value = i32::try_from(relative).map_err(|_| Refused::Overflow)?;
            word(field, &value.to_le_bytes())
        }
        abi::R_RISCV_CALL | abi::R_RISCV_CALL_PLT => {
            let (high, low) = parts(relative)?;
            patch(field, UPPER, high)?;
            let (_, jalr) = field.split_at_mut_checked(4).ok_or(Refused::Kind)?;
            patch(jalr, IMMEDIATE, low << 20)
        }
        abi::R_RISCV_PCREL_HI20 => patch(field, UPPER, parts(relative)?.0),
        abi::R_RISCV_PCREL_LO12_I => patch(field, IMMEDIATE, parts(relative)?.1 << 20),
        abi::R_RISCV_PCREL_LO12_S => {
            let low = parts(relative)?.1;
            patch(field, STORE, (low >> 5) << 25 | (low & 0x1f) << 7)
        }
        _ => Err(Refused::Kind),
    }
}

fn add(field: &mut [u8], value: u64) -> Result<(), Refused> {
    let field: &mut [u8; 8] = field.first_chunk_mut().ok_or(Refused::Kind)?;
    *field = u64::from_le_bytes(*field).wrapping_add(value).to_le_bytes();
    Ok(())
}

/// A distance as the upper 20 bits that `auipc` adds (in place) and the lower 12, which are
/// signed: so the upper are rounded.
fn parts(distance: i64) -> Result<(u32, u32), Refused> {
    let high = distance.checked_add(0x800).ok_or(Refused::Overflow)?;
    let high = i32::try_from(high)
        .map_err(|_| Refused::Overflow)?
        .cast_unsigned();
    Ok((high & UPPER, distance as u32 & 0xfff))
}

/// `auipc t3, 0; ld t3, 16(t3); jr t3`: t3 is what the psABI's own stubs use.
fn veneer(target: u64) -> Veneer {
    let code = [
        0x17, 0x0e, 0x00, 0x00, 0x03, 0x3e, 0x0e, 0x01, 0x67, 0x00, 0x0e, 0x00,
    ];
    veneer_of(&code, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(kind: u32, symbol: u64, addend: i64, place: u64) -> Result<(u32, u32), Refused> {
        // auipc ra, 0; jalr ra
        let mut field = (0x0000_80e7_u64 << 32 | 0x0000_0097).to_le_bytes();
        apply(kind, &mut field, symbol, addend, place)?;
        let word = u64::from_le_bytes(field);
        Ok((word as u32, (word >> 32) as u32))
    }

    #[test]
    fn words_of_data() {
        let mut field = [0; 8];
        apply(abi::R_RISCV_64, &mut field, 0x1234_5678_9abc, 4, 9).unwrap();
        assert_eq!(u64::from_le_bytes(field), 0x1234_5678_9ac0);
        apply(abi::R_RISCV_32_PCREL, &mut field, 0x1000, -8, 0x3000).unwrap();
        assert_eq!(&field[..4], &(-0x2008i32).to_le_bytes());
        // The difference of two symbols, as a 64-bit distance is expressed.
        let mut field = [0; 8];
        apply(abi::R_RISCV_ADD64, &mut field, 0x1000, 0, 0).unwrap();
        apply(abi::R_RISCV_SUB64, &mut field, 0x3000, 8, 0).unwrap();
        assert_eq!(i64::from_le_bytes(field), -0x2008);
    }

    /// Expected values: what GNU as makes of `auipc` and `jalr` with these operands.
    #[test]
    fn a_distance_is_split_with_rounding() {
        let call = |symbol, place| pair(abi::R_RISCV_CALL_PLT, symbol, 0, place);
        // auipc ra, 0x1; jalr 0x234(ra)
        assert_eq!(call(0x1234, 0), Ok((0x0000_1097, 0x2340_80e7)));
        // auipc ra, 0x2; jalr -0x800(ra)
        assert_eq!(call(0x1800, 0), Ok((0x0000_2097, 0x8000_80e7)));
        // auipc ra, 0; jalr -4(ra)
        assert_eq!(call(0xffc, 0x1000), Ok((0x0000_0097, 0xffc0_80e7)));
        assert_eq!(
            pair(abi::R_RISCV_PCREL_HI20, 0x1800, 0, 0),
            Ok((0x0000_2097, 0x0000_80e7))
        );
        // addi a0, a0, -0x800
        let mut field = 0x0005_0513u32.to_le_bytes();
        apply(abi::R_RISCV_PCREL_LO12_I, &mut field, 0x1800, 0, 0).unwrap();
        assert_eq!(u32::from_le_bytes(field), 0x8005_0513);
        // sd a0, -0x7fc(a1)
        let mut field = 0x00a5_b023u32.to_le_bytes();
        apply(abi::R_RISCV_PCREL_LO12_S, &mut field, 0x1804, 0, 0).unwrap();
        assert_eq!(u32::from_le_bytes(field), 0x80a5_b223);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let call = |symbol, place| pair(abi::R_RISCV_CALL_PLT, symbol, 0, place);
        assert!(call(0x7fff_f7ff, 0).is_ok());
        assert_eq!(call(0x7fff_f800, 0), Err(Refused::Overflow));
        assert!(call(0, 0x8000_0000).is_ok());
        assert_eq!(call(0, 0x8000_0801), Err(Refused::Overflow));
        assert_eq!(pair(abi::R_RISCV_GOT_HI20, 0, 0, 0), Err(Refused::Kind));
        assert_eq!(width(abi::R_RISCV_GOT_HI20), None);
    }
}
