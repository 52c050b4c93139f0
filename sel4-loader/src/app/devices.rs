// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The devices of an app: those that its contract names, as far as the image grants them.
//!
//! Registers in memory are mapped into the app's address space, without a cache; for I/O ports it
//! gets a capability for just these. Either way an access is the app's own, in its own time.

use super::{AppError, lacking};
use crate::Loader;
use crate::executive::AppId;
use crate::heap;
use crate::memory::{DEPTH, Memory, MemoryError, Owner, ROOT};
use crate::vspace::{self, Access, PAGE};
use alloc::vec::Vec;
use sel4::{rights, sys};
use sel4_boot::bundle::{Resource, grant_flags};
use sel4_boot::device::{Device, flags};
use sel4_boot::strings::Strings;
use sel4_boot::{service, space};
use wasm_aot_contract::Names;

/// The devices of an app.
pub struct Devices<'a> {
    pub list: Vec<Device>,
    pub names: Strings<'a>,
}

impl<'a> Devices<'a> {
    /// Gives an app its devices, and maps those that are in memory.
    pub fn new(
        loader: &mut Loader,
        (owner, vspace, id): (Owner, u64, AppId),
        names: Names<'a>,
    ) -> Result<Self, AppError<'a>> {
        let what = "its devices";
        let mut list = Vec::new();
        heap::reserve(&mut list, names.len())?;
        let mut next = space::DEVICES;
        for (name, number) in names.iter().zip(0..) {
            let taken = loader.grants.take(name, id);
            let held = taken.map_err(|denied| AppError::Device(name, denied))?;
            if let Some(line) = held.line {
                loader.control.bind(id, line, number);
            }
            let (start, length, bits) = match held.grant.resource {
                Resource::Ports { first, count } => (first.into(), count.into(), flags::PORTS),
                Resource::Memory { bytes, .. } => {
                    let read_only = held.grant.flags & grant_flags::READ_ONLY != 0;
                    let memory = &mut loader.memory;
                    let copies = memory.slots(owner, held.frames.len() as u64);
                    let first = copies.map_err(lacking(what))?;
                    let frames = (held.frames.as_slice(), first, read_only);
                    map(memory, owner, vspace, frames, next).map_err(lacking(what))?;
                    let start = next;
                    // A page apart: what goes beyond one device is no other's.
                    next += bytes + PAGE;
                    let bits = if read_only { flags::READ_ONLY } else { 0 };
                    (start, bytes, bits)
                }
            };
            list.push(Device {
                start: start.into(),
                length: length.into(),
                flags: bits.into(),
            });
        }
        // Names of a contract end with zero bytes, as those of a list do.
        let names = Strings::new(names.as_bytes()).unwrap_or(Strings::EMPTY);
        Ok(Self { list, names })
    }

    /// log2 of the slots that the app's CSpace needs.
    pub fn cspace_bits(&self) -> u64 {
        match self.list.is_empty() {
            true => service::CSPACE_BITS,
            false => service::DEVICE_CSPACE_BITS,
        }
    }

    /// Puts the capabilities for I/O ports into the app's CSpace.
    pub fn ports(&self, cspace: u64) -> Result<(), MemoryError> {
        let all = self.list.iter().zip(service::DEVICE_PORTS..);
        for (device, slot) in all.filter(|(device, _)| device.has_ports()) {
            let (first, count) = (device.start.get(), device.length.get());
            // A bundle's grants have been checked: all ports are below 2^16.
            let range = sel4::ports(first as u16, (first + count - 1) as u16);
            let bits = self.cspace_bits();
            let from = sys::seL4_CapIOPort;
            let all = rights::ALL;
            sys::seL4_CNode_Mint(cspace, slot, bits, ROOT, from, DEPTH, all, range)?;
        }
        Ok(())
    }
}

/// Maps copies of frames.
fn map(
    memory: &mut Memory,
    owner: Owner,
    vspace: u64,
    (frames, copies, read_only): (&[u64], u64, bool),
    address: u64,
) -> Result<(), MemoryError> {
    let (rights, access) = match read_only {
        true => (rights::READ, Access::DeviceReadOnly),
        false => (rights::READ_WRITE, Access::Device),
    };
    for (frame, number) in frames.iter().zip(0..) {
        let slot = copies + number;
        sys::seL4_CNode_Copy(ROOT, slot, DEPTH, ROOT, *frame, DEPTH, rights)?;
        vspace::map(memory, owner, vspace, slot, address + number * PAGE, access)?;
    }
    Ok(())
}
