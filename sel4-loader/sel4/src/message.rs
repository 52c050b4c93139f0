// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Words with fields. Where a field is in its word is generated from the kernel's bitfield
//! descriptions; what is here only puts values there.

use crate::sys;

/// The place of a field in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its lowest bit.
    pub shift: u32,
    /// How many bits it has.
    pub bits: u32,
}

impl Field {
    const fn mask(self) -> u64 {
        (1 << self.bits) - 1
    }

    /// A word with a value in this field; what does not fit it is cut off.
    #[must_use]
    pub const fn put(self, value: u64) -> u64 {
        (value & self.mask()) << self.shift
    }

    /// The value of this field in a word.
    #[must_use]
    pub const fn get(self, word: u64) -> u64 {
        word >> self.shift & self.mask()
    }
}

/// The word that describes a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MessageInfo(pub u64);

impl MessageInfo {
    /// A message with a label, a number of extra capabilities (up to 3) and of registers (up to
    /// 120).
    #[must_use]
    pub const fn new(label: u64, extra_caps: usize, length: usize) -> Self {
        Self(
            sys::seL4_MessageInfo_label.put(label)
                | sys::seL4_MessageInfo_extraCaps.put(extra_caps as u64)
                | sys::seL4_MessageInfo_length.put(length as u64),
        )
    }

    /// The label.
    #[must_use]
    pub const fn label(self) -> u64 {
        sys::seL4_MessageInfo_label.get(self.0)
    }

    /// Message registers in use.
    #[must_use]
    pub const fn length(self) -> usize {
        sys::seL4_MessageInfo_length.get(self.0) as usize
    }
}

/// `seL4_CapRights_t`.
pub mod rights {
    use crate::sys;

    /// Write only.
    pub const WRITE: u64 = sys::seL4_CapRights_capAllowWrite.put(1);
    /// Read only.
    pub const READ: u64 = sys::seL4_CapRights_capAllowRead.put(1);
    /// Read and write.
    pub const READ_WRITE: u64 = READ | WRITE;
    /// Send and grant: what a call or a fault through an endpoint needs.
    pub const CALL: u64 = WRITE | sys::seL4_CapRights_capAllowGrant.put(1);
    /// Everything.
    pub const ALL: u64 = READ_WRITE | CALL;
}

/// `seL4_CapData_t` of an endpoint: a badge of up to 28 bits.
#[must_use]
pub const fn badge(value: u64) -> u64 {
    sys::Badge_CapDataType.put(sys::Badge_TAG) | sys::Badge_Badge.put(value)
}

/// What restricts a capability for I/O ports to those from the first to the last
/// (`io_port_capdata` in `include/arch/x86/arch/64/mode/object/structures.bf`).
#[must_use]
pub const fn ports(first: u16, last: u16) -> u64 {
    (first as u64) << 16 | last as u64
}

/// `seL4_CapData_t` of a CNode: a guard of zeroes this many bits long.
#[must_use]
pub const fn guard(bits: u64) -> u64 {
    sys::Guard_CapDataType.put(sys::Guard_TAG) | sys::Guard_GuardSize.put(bits)
}

/// `seL4_PrioProps_t`: priority, and the highest one that the thread may give to others.
#[must_use]
pub const fn priority(priority: u8, maximum_controlled: u8) -> u64 {
    sys::seL4_PrioProps_prio.put(priority as u64)
        | sys::seL4_PrioProps_mcp.put(maximum_controlled as u64)
}
