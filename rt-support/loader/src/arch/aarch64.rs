// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! AArch64 ("ELF for the Arm 64-bit Architecture", section "Relocation"; instruction encodings:
//! Arm Architecture Reference Manual, C6.2).

use super::{Arch, Refused, Veneer, patch, veneer_of, word};
use elf::abi;
use wasm_aot_object::Machine;

pub(crate) const ARCH: Arch = Arch {
    machine: Machine::Aarch64,
    width,
    is_call: |kind| matches!(kind, abi::R_AARCH64_CALL26 | abi::R_AARCH64_JUMP26),
    high_part: |_| None,
    apply,
    veneer,
    // `udf #0`.
    trap: &[0, 0, 0, 0],
};

fn width(kind: u32) -> Option<usize> {
    match kind {
        abi::R_AARCH64_NONE => Some(0),
        abi::R_AARCH64_ABS64 | abi::R_AARCH64_PREL64 => Some(8),
        abi::R_AARCH64_ABS32
        | abi::R_AARCH64_PREL32
        | abi::R_AARCH64_ADR_PREL_PG_HI21
        | abi::R_AARCH64_ADD_ABS_LO12_NC
        | abi::R_AARCH64_CALL26
        | abi::R_AARCH64_JUMP26 => Some(4),
        _ => None,
    }
}

/// The page of an address, as `adrp` counts.
fn page(address: u64) -> u64 {
    address & !0xfff
}

fn apply(kind: u32, field: &mut [u8], symbol: u64, addend: i64, place: u64) -> Result<(), Refused> {
    let absolute = symbol.wrapping_add_signed(addend);
    let relative = absolute.wrapping_sub(place).cast_signed();
    match kind {
        abi::R_AARCH64_NONE => Ok(()),
        abi::R_AARCH64_ABS64 => word(field, &absolute.to_le_bytes()),
        abi::R_AARCH64_PREL64 => word(field, &relative.to_le_bytes()),
        abi::R_AARCH64_ABS32 => {
            let value = u32::try_from(absolute).map_err(|_| Refused::Overflow)?;
            word(field, &value.to_le_bytes())
        }
        abi::R_AARCH64_PREL32 => {
            let value = i32::try_from(relative).map_err(|_| Refused::Overflow)?;
            word(field, &value.to_le_bytes())
        }
        abi::R_AARCH64_ADR_PREL_PG_HI21 => {
            let pages = page(absolute).wrapping_sub(page(place)).cast_signed() >> 12;
            let value = field_value(pages, 21)?;
            // immlo in bits 29 and 30, immhi in bits 5 to 23.
            patch(
                field,
                0x60ff_ffe0,
                (value & 3) << 29 | (value >> 2 & 0x7_ffff) << 5,
            )
        }
        abi::R_AARCH64_ADD_ABS_LO12_NC => {
            patch(field, 0x003f_fc00, (absolute as u32 & 0xfff) << 10)
        }
        abi::R_AARCH64_CALL26 | abi::R_AARCH64_JUMP26 => {
            if relative & 3 != 0 {
                return Err(Refused::Overflow);
            }
            patch(field, 0x03ff_ffff, field_value(relative >> 2, 26)?)
        }
        _ => Err(Refused::Kind),
    }
}

/// A signed value as a field of so many bits.
fn field_value(value: i64, bits: u32) -> Result<u32, Refused> {
    let limit = 1i64 << (bits - 1);
    if (-limit..limit).contains(&value) {
        Ok(value as u32)
    } else {
        Err(Refused::Overflow)
    }
}

/// `ldr x16, .+16; br x16`: x16 is what veneers may use (AAPCS64, "Use of IP0 and IP1 by the
/// linker").
fn veneer(target: u64) -> Veneer {
    veneer_of(&[0x90, 0x00, 0x00, 0x58, 0x00, 0x02, 0x1f, 0xd6], target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(
        kind: u32,
        old: u32,
        symbol: u64,
        addend: i64,
        place: u64,
    ) -> Result<u32, Refused> {
        let mut field = old.to_le_bytes();
        apply(kind, &mut field, symbol, addend, place).map(|()| u32::from_le_bytes(field))
    }

    #[test]
    fn words_of_data() {
        let mut field = [0; 8];
        apply(abi::R_AARCH64_ABS64, &mut field, 0x1234_5678_9abc, 4, 9).unwrap();
        assert_eq!(u64::from_le_bytes(field), 0x1234_5678_9ac0);
        apply(abi::R_AARCH64_PREL64, &mut field, 0x1000, 0, 0x3000).unwrap();
        assert_eq!(i64::from_le_bytes(field), -0x2000);
        apply(abi::R_AARCH64_PREL32, &mut field, 0x1000, -8, 0x3000).unwrap();
        assert_eq!(&field[..4], &(-0x2008i32).to_le_bytes());
    }

    /// Expected values: what GNU as makes of `bl`, `b`, `adrp` and `add` with these operands.
    #[test]
    fn instructions_get_their_fields_and_keep_the_rest() {
        let bl = 0x9400_0000;
        assert_eq!(
            instruction(abi::R_AARCH64_CALL26, bl, 0x2000, 0, 0x1000),
            Ok(0x9400_0400)
        );
        assert_eq!(
            instruction(abi::R_AARCH64_CALL26, bl, 0x0ffc, 0, 0x1000),
            Ok(0x97ff_ffff)
        );
        assert_eq!(
            instruction(abi::R_AARCH64_JUMP26, 0x1400_0000, 0x1008, 0, 0x1000),
            Ok(0x1400_0002)
        );
        // adrp x0: three pages on, and one page back.
        let adrp = 0x9000_0000;
        assert_eq!(
            instruction(abi::R_AARCH64_ADR_PREL_PG_HI21, adrp, 0x4fff, 0, 0x1ffc),
            Ok(0xf000_0000)
        );
        assert_eq!(
            instruction(abi::R_AARCH64_ADR_PREL_PG_HI21, adrp, 0x0fff, 0, 0x1000),
            Ok(0xf0ff_ffe0)
        );
        // add x1, x1, #0xabc
        assert_eq!(
            instruction(abi::R_AARCH64_ADD_ABS_LO12_NC, 0x9100_0021, 0x7ab8, 4, 0),
            Ok(0x912a_f021)
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let far = 128 << 20;
        let call = |symbol, place| instruction(abi::R_AARCH64_CALL26, 0, symbol, 0, place);
        assert!(call(far - 4, 0).is_ok());
        assert_eq!(call(far, 0), Err(Refused::Overflow));
        assert!(call(0, far).is_ok());
        assert_eq!(call(0, far + 4), Err(Refused::Overflow));
        assert_eq!(call(2, 0), Err(Refused::Overflow));
        let page = |symbol| instruction(abi::R_AARCH64_ADR_PREL_PG_HI21, 0, symbol, 0, 0);
        assert!(page((1 << 32) - 1).is_ok());
        assert_eq!(page(1 << 32), Err(Refused::Overflow));
        assert_eq!(
            instruction(abi::R_AARCH64_ADR_GOT_PAGE, 0, 0, 0, 0),
            Err(Refused::Kind)
        );
        assert_eq!(width(abi::R_AARCH64_ADR_GOT_PAGE), None);
    }
}
