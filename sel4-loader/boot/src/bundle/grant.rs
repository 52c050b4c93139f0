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

/// A grant, as it stands in the bundle.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct GrantRecord {
    name: Range,
    kind: U32,
    interrupt: U32,
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

/// A device that apps may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant<'a> {
    /// What contracts call it.
    pub name: &'a str,
    /// What it is made of.
    pub resource: Resource,
    /// Its pin of the interrupt controller, if it has one.
    pub interrupt: Option<u32>,
}

#[cfg(any(test, feature = "write"))]
impl GrantRecord {
    pub(super) fn new(name: Range, resource: Resource, interrupt: Option<u32>) -> Self {
        let (kind, start, length) = match resource {
            Resource::Memory { address, bytes } => (MEMORY, address, bytes),
            Resource::Ports { first, count } => (PORTS, first.into(), count.into()),
        };
        Self {
            name,
            kind: kind.into(),
            interrupt: interrupt.unwrap_or(NO_INTERRUPT).into(),
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
        let interrupt = record.interrupt.get();
        Ok(Grant {
            name,
            resource,
            interrupt: (interrupt != NO_INTERRUPT).then_some(interrupt),
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
