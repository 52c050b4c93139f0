// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The architectures that objects are made for: their names and numbers, and what of an object's
//! layout depends on them.

use core::fmt;

/// An architecture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    /// x86-64.
    X86_64,
    /// AArch64, little-endian.
    Aarch64,
    /// RISC-V, 64 bits.
    Riscv64,
}

impl Machine {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::X86_64, Self::Aarch64, Self::Riscv64];

    /// The one that this code runs on, `None` where it is none of ours.
    pub const HOST: Option<Self> = if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
        Some(Self::Aarch64)
    } else if cfg!(target_arch = "riscv64") {
        Some(Self::Riscv64)
    } else {
        None
    };

    /// Its name, as `--target` spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Riscv64 => "riscv64",
        }
    }

    /// The one that a target triple, or an architecture alone, names. The rest of a triple does
    /// not matter: objects depend on no system.
    #[must_use]
    pub fn from_triple(triple: &str) -> Option<Self> {
        let architecture = triple.split_once('-').map_or(triple, |(first, _)| first);
        match architecture {
            "x86_64" => Some(Self::X86_64),
            "aarch64" | "arm64" => Some(Self::Aarch64),
            "riscv64" | "riscv64gc" => Some(Self::Riscv64),
            _ => None,
        }
    }

    /// Its number in an ELF header (`e_machine`; gABI, "ELF Header").
    #[must_use]
    pub const fn elf(self) -> u16 {
        match self {
            Self::X86_64 => 62,
            Self::Aarch64 => 183,
            Self::Riscv64 => 243,
        }
    }

    /// The one with this number in an ELF header.
    #[must_use]
    pub fn from_elf(number: u16) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|machine| machine.elf() == number)
    }

    /// Where byte 0 of a linear memory is put unless told otherwise: where one access takes the
    /// fewest instructions.
    ///
    /// On x86-64 low enough that base plus a static offset of up to 1.75 GiB is one 32-bit
    /// displacement, and high enough that a loader has 256 MiB below it for code, data and stack.
    /// The others add the base in a register, which this value of one bit is the cheapest to get
    /// into.
    #[must_use]
    pub const fn default_memory_base(self) -> u64 {
        match self {
            Self::X86_64 => 0x1000_0000,
            Self::Aarch64 | Self::Riscv64 => 0x1_0000_0000,
        }
    }

    /// Constant bases are below this: on x86-64 so that they fit an instruction, on the others
    /// so that every Linux maps it (RISC-V's Sv39 gives a process 256 GiB) with the guard.
    #[must_use]
    pub const fn memory_base_limit(self) -> u64 {
        match self {
            Self::X86_64 => 1 << 31,
            Self::Aarch64 | Self::Riscv64 => 1 << 37,
        }
    }

    /// Bytes on the stack of a function that has pushed nothing: its return address, where the
    /// processor's call instruction puts that on the stack.
    #[must_use]
    pub const fn frameless_bytes(self) -> u32 {
        match self {
            Self::X86_64 => 8,
            Self::Aarch64 | Self::Riscv64 => 0,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back() {
        for machine in Machine::ALL {
            assert_eq!(Machine::from_triple(machine.name()), Some(machine));
            assert_eq!(Machine::from_elf(machine.elf()), Some(machine));
            assert!(machine.default_memory_base() < machine.memory_base_limit());
        }
        let triple = Machine::from_triple("riscv64gc-unknown-linux-gnu");
        assert_eq!(triple, Some(Machine::Riscv64));
        assert_eq!(Machine::from_triple("aarch64_be-unknown-linux-gnu"), None);
        assert_eq!(Machine::from_elf(3), None);
        assert!(Machine::HOST.is_some());
    }
}
