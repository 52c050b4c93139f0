// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Mapping pages, with the paging structures they need.

use crate::memory::{Memory, MemoryError, Object, Owner};
use sel4::{rights, sys};

/// The root task's own address space.
pub const OWN: u64 = sys::seL4_CapInitThreadVSpace;

/// Bytes of a large page.
pub const LARGE: u64 = 1 << sys::seL4_LargePageBits;
/// Bytes of a page.
pub const PAGE: u64 = 1 << sys::seL4_PageBits;

/// Rights of a mapping. The processor mode that seL4 sets up has no "no execute".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Code and constants.
    ReadOnly,
    /// Data.
    ReadWrite,
    /// Registers of a device: data that no cache keeps.
    Device,
    /// The same, to be read only.
    DeviceReadOnly,
}

/// `seL4_X86_Uncacheable` (`libsel4/arch_include/x86/sel4/arch/types.h`).
const UNCACHEABLE: u64 = 3;

/// Maps a paging structure: structure, address space, address, attributes.
type MapStructure = fn(u64, u64, u64, u64) -> Result<(), sel4::Error>;

/// Maps a frame. Missing paging structures are made, for the same owner.
pub fn map(
    memory: &mut Memory,
    owner: Owner,
    vspace: u64,
    frame: u64,
    address: u64,
    access: Access,
) -> Result<(), MemoryError> {
    let rights = match access {
        Access::ReadOnly | Access::DeviceReadOnly => rights::READ,
        Access::ReadWrite | Access::Device => rights::READ_WRITE,
    };
    let caching = match access {
        Access::Device | Access::DeviceReadOnly => UNCACHEABLE,
        Access::ReadOnly | Access::ReadWrite => 0,
    };
    let attributes = 0;
    loop {
        let refused = match sys::seL4_X86_Page_Map(frame, vspace, address, rights, caching) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // The kernel names the highest level that is missing; one after the other, at most three.
        let (object, map_structure): (_, MapStructure) = match refused.missing_level() {
            Some(sys::SEL4_MAPPING_LOOKUP_NO_PDPT) => (Object::Pdpt, sys::seL4_X86_PDPT_Map),
            Some(sys::SEL4_MAPPING_LOOKUP_NO_PD) => {
                (Object::PageDirectory, sys::seL4_X86_PageDirectory_Map)
            }
            Some(sys::SEL4_MAPPING_LOOKUP_NO_PT) => {
                (Object::PageTable, sys::seL4_X86_PageTable_Map)
            }
            _ => return Err(refused.into()),
        };
        let structure = memory.object(owner, object)?;
        map_structure(structure, vspace, address, attributes)?;
    }
}

/// Maps consecutive frames at consecutive addresses.
pub fn map_range(
    memory: &mut Memory,
    owner: Owner,
    vspace: u64,
    first_frame: u64,
    count: u64,
    address: u64,
    access: Access,
) -> Result<(), MemoryError> {
    for number in 0..count {
        let at = address + number * PAGE;
        map(memory, owner, vspace, first_frame + number, at, access)?;
    }
    Ok(())
}
