// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The devices of an app, and which accesses to them there are: aligned ones of 1, 2, 4 or 8
//! bytes, wholly inside what was granted.

use core::fmt;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A device that the app has. Its number is its position.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct Device {
    /// Address of its registers in the app's address space, or its first I/O port.
    pub start: U64,
    /// Bytes of registers, or how many ports.
    pub length: U64,
    /// [`flags`].
    pub flags: U64,
}

/// Bits of [`Device::flags`].
pub mod flags {
    /// It is made of I/O ports.
    pub const PORTS: u64 = 1;
    /// Its registers can only be read.
    pub const READ_ONLY: u64 = 2;
}

/// An access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Bytes from the device's first.
    pub offset: u32,
    /// Bytes: 1, 2, 4 or 8.
    pub width: u32,
    /// It is written, not read.
    pub writes: bool,
}

/// Why there is no such access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessError {
    /// It is not wholly inside the device, which has this many bytes or ports.
    Outside(Access, u64),
    /// Its offset is not a multiple of its width.
    Misaligned(Access),
    /// Ports have at most 32 bits.
    Width,
    /// The device was granted for reading.
    ReadOnly,
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside(Access { offset, width, .. }, length) => write!(
                f,
                "offset {offset:#x} and {width} bytes, but the device has {length:#x}"
            ),
            Self::Misaligned(Access { offset, width, .. }) => {
                write!(f, "offset {offset:#x} is not a multiple of {width}")
            }
            Self::Width => f.write_str("I/O ports have no accesses of 64 bits"),
            Self::ReadOnly => f.write_str("the device is granted for reading only"),
        }
    }
}

impl Device {
    /// Whether it is made of I/O ports.
    #[must_use]
    pub fn has_ports(&self) -> bool {
        self.flags.get() & flags::PORTS != 0
    }

    /// The address, or the number of the port, of an access.
    ///
    /// # Errors
    /// Where there is no such access.
    pub fn address(&self, access: Access) -> Result<u64, AccessError> {
        let (offset, width) = (u64::from(access.offset), u64::from(access.width));
        if !offset.is_multiple_of(width) {
            return Err(AccessError::Misaligned(access));
        }
        let length = self.length.get();
        // Two numbers of 32 bits.
        if offset + width > length {
            return Err(AccessError::Outside(access, length));
        }
        if access.writes && self.flags.get() & flags::READ_ONLY != 0 {
            return Err(AccessError::ReadOnly);
        }
        if self.has_ports() && width > 4 {
            return Err(AccessError::Width);
        }
        Ok(self.start.get().wrapping_add(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(start: u64, length: u64, flags: u64) -> Device {
        Device {
            start: start.into(),
            length: length.into(),
            flags: flags.into(),
        }
    }

    const fn access(offset: u32, width: u32) -> Access {
        Access {
            offset,
            width,
            writes: false,
        }
    }

    #[test]
    fn what_is_inside_and_aligned_is_allowed() {
        let page = device(0x1_0000, 4096, 0);
        for width in [1, 2, 4, 8] {
            for offset in (0..4096).step_by(width as usize) {
                let at = page.address(access(offset, width));
                assert_eq!(at, Ok(0x1_0000 + u64::from(offset)));
            }
        }
    }

    #[test]
    fn every_other_offset_is_refused_for_its_reason() {
        let page = device(0x1_0000, 4096, 0);
        for width in [1, 2, 4, 8] {
            for offset in [4096, 4096 + width, 1 << 31, u32::MAX - width + 1] {
                let wanted = access(offset, width);
                let refused = Err(AccessError::Outside(wanted, 4096));
                assert_eq!(page.address(wanted), refused, "{wanted:?}");
            }
            for offset in [1, 4095, 4096 - width / 2, u32::MAX] {
                let wanted = access(offset, width);
                let misaligned = !offset.is_multiple_of(width);
                let is = page.address(wanted) == Err(AccessError::Misaligned(wanted));
                assert_eq!(is, misaligned, "{wanted:?}");
            }
        }
        // A device that ends within an access.
        let wanted = access(0, 4);
        let refused = Err(AccessError::Outside(wanted, 3));
        assert_eq!(device(0x3e8, 3, flags::PORTS).address(wanted), refused);
    }

    #[test]
    fn ports_have_32_bits_and_read_only_devices_no_writes() {
        let ports = device(0x3e8, 8, flags::PORTS);
        assert_eq!(ports.address(access(4, 4)), Ok(0x3ec));
        assert_eq!(ports.address(access(0, 8)), Err(AccessError::Width));
        let write = Access {
            writes: true,
            ..access(8, 4)
        };
        let frame = device(0x1_0000, 4096, flags::READ_ONLY);
        assert_eq!(frame.address(access(8, 4)), Ok(0x1_0008));
        assert_eq!(frame.address(write), Err(AccessError::ReadOnly));
    }
}
