// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Grants: the devices that the integrator lets apps have. An app gets one only if its contract
//! names it as well.

use super::{Bundle, BundleError, Range};
use crate::space::PAGE;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Grants of a bundle, at most.
pub const MAX_GRANTS: usize = 64;

/// [`GrantRecord::interrupt`] of a device without one.
const NO_INTERRUPT: u32 = u32::MAX;

const MEMORY: u32 = 0;
const PORTS: u32 = 1;

/// Bits of [`Grant::flags`].
pub mod grant_flags {
    /// Several apps may have it at a time.
    pub const SHARED: u32 = 1;
    /// Its registers can only be read.
    pub const READ_ONLY: u32 = 2;
    /// Its pin interrupts as long as it is active; without this bit, when it becomes so.
    pub const LEVEL: u32 = 4;
    /// Its pin is active when it is low.
    pub const ACTIVE_LOW: u32 = 8;
    /// Every bit that this version knows.
    pub const ALL: u32 = 15;
}

/// A grant, as it stands in the bundle.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct GrantRecord {
    name: Range,
    kind: U32,
    interrupt: U32,
    flags: U32,
    reserved: U32,
    start: U64,
    length: U64,
}

/// What a device is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// Registers in memory: whole pages.
    Memory {
        /// Physical address of the first page.
        address: u64,
        /// Bytes, a multiple of the page.
        bytes: u64,
    },
    /// I/O ports.
    Ports {
        /// The first.
        first: u16,
        /// How many.
        count: u32,
    },
}

impl Resource {
    /// Its kind, the first of its addresses and how many they are.
    fn range(self) -> (u32, u64, u64) {
        match self {
            Self::Memory { address, bytes } => (MEMORY, address, bytes),
            Self::Ports { first, count } => (PORTS, first.into(), count.into()),
        }
    }

    /// Whether something belongs to both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let ((kind, start, length), (other_kind, other_start, other_length)) =
            (self.range(), other.range());
        let end = start.saturating_add(length);
        let other_end = other_start.saturating_add(other_length);
        kind == other_kind && start < other_end && other_start < end
    }
}

/// A device that apps may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant<'a> {
    /// What contracts call it.
    pub name: &'a str,
    /// What it is made of.
    pub resource: Resource,
    /// Its pin of the interrupt controller, if it has one.
    pub interrupt: Option<u32>,
    /// [`grant_flags`].
    pub flags: u32,
}

#[cfg(any(test, feature = "write"))]
impl GrantRecord {
    pub(super) fn new(name: Range, grant: &super::GrantSpec) -> Self {
        let (kind, start, length) = grant.resource.range();
        Self {
            name,
            kind: kind.into(),
            interrupt: grant.interrupt.unwrap_or(NO_INTERRUPT).into(),
            flags: grant.flags.into(),
            reserved: 0.into(),
            start: start.into(),
            length: length.into(),
        }
    }
}

impl<'a> Bundle<'a> {
    pub(super) fn grant(&self, record: &GrantRecord) -> Result<Grant<'a>, BundleError> {
        let wrong = |what| Err(BundleError::Invalid(what));
        let name = self.text(record.name)?;
        if name.is_empty() {
            return wrong("a grant without a name");
        }
        let (start, length) = (record.start.get(), record.length.get());
        let Some(end) = start.checked_add(length).filter(|_| length > 0) else {
            return wrong("a grant of nothing, or beyond all addresses");
        };
        let resource = match record.kind.get() {
            MEMORY if start % PAGE != 0 || length % PAGE != 0 => {
                return wrong("a grant of memory that is not whole pages");
            }
            MEMORY => Resource::Memory {
                address: start,
                bytes: length,
            },
            PORTS if end > 1 << 16 => return wrong("a grant of ports above 0xffff"),
            PORTS => Resource::Ports {
                first: start as u16,
                count: length as u32,
            },
            _ => return wrong("a grant of an unknown kind"),
        };
        let (interrupt, flags) = (record.interrupt.get(), record.flags.get());
        if flags & !grant_flags::ALL != 0 {
            return wrong("unknown flags of a grant");
        }
        if flags & grant_flags::SHARED != 0 && interrupt != NO_INTERRUPT {
            return wrong("a grant that is shared and has an interrupt, which is one app's");
        }
        Ok(Grant {
            name,
            resource,
            interrupt: (interrupt != NO_INTERRUPT).then_some(interrupt),
            flags,
        })
    }
}

/// Reads all grants once.
pub(super) fn check(bundle: &Bundle<'_>) -> Result<(), BundleError> {
    if bundle.grants.len() > MAX_GRANTS {
        return Err(BundleError::Invalid("too many grants"));
    }
    for (index, record) in bundle.grants.iter().enumerate() {
        let grant = bundle.grant(record)?;
        let before = bundle.grants().take(index);
        if before.into_iter().any(|other| other.name == grant.name) {
            return Err(BundleError::Invalid("two grants of the same name"));
        }
    }
    Ok(())
}
