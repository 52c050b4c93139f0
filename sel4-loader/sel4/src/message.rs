// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Words with fields (`libsel4/include/sel4/shared_types_64.bf`, `types_64.bf`).

/// The word that describes a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MessageInfo(pub u64);

impl MessageInfo {
    /// A message with a label, a number of extra capabilities (up to 3) and of registers (up to
    /// 120).
    #[must_use]
    pub const fn new(label: u64, extra_caps: usize, length: usize) -> Self {
        Self(label << 12 | (extra_caps as u64 & 3) << 7 | (length as u64 & 0x7f))
    }

    /// The label.
    #[must_use]
    pub const fn label(self) -> u64 {
        self.0 << 32 >> 44
    }

    /// Message registers in use.
    #[must_use]
    pub const fn length(self) -> usize {
        (self.0 & 0x7f) as usize
    }
}

/// `seL4_CapRights_t`.
pub mod rights {
    /// Write only.
    pub const WRITE: u64 = 1;
    /// Read only.
    pub const READ: u64 = 2;
    /// Read and write.
    pub const READ_WRITE: u64 = 3;
    /// Send and grant: what a call or a fault through an endpoint needs.
    pub const CALL: u64 = 5;
    /// Everything.
    pub const ALL: u64 = 7;
}

/// `seL4_CapData_t` of an endpoint: a badge of up to 28 bits.
#[must_use]
pub const fn badge(value: u64) -> u64 {
    value & 0x0fff_ffff
}

/// `seL4_CapData_t` of a CNode: a guard of zeroes this many bits long.
#[must_use]
pub const fn guard(bits: u64) -> u64 {
    1 << 31 | (bits & 0x3f) << 2
}

/// `seL4_PrioProps_t`: priority, and the highest one that the thread may give to others.
#[must_use]
pub const fn priority(priority: u8, maximum_controlled: u8) -> u64 {
    priority as u64 | (maximum_controlled as u64) << 8
}
