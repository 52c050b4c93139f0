// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Memory that belongs to devices: single frames, by their physical address.
//!
//! The kernel hands out device memory as untypeds that are far larger than a frame. They are split
//! in halves down to the frame that is wanted; the other halves are kept for later.

use crate::heap;
use crate::memory::{Memory, MemoryError, Owner, ROOT};
use alloc::vec::Vec;
use core::fmt;
use sel4::bootinfo::BootInfo;
use sel4::sys;

/// Why there is no frame.
#[derive(Clone, Copy, Debug)]
pub enum DeviceError {
    /// No device has memory at this physical address.
    NoDevice(u64),
    /// This physical address is one of the machine's memory.
    Ram(u64),
    Memory(MemoryError),
}

impl<E: Into<MemoryError>> From<E> for DeviceError {
    fn from(error: E) -> Self {
        Self::Memory(error.into())
    }
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice(address) => {
                write!(
                    f,
                    "no device has memory at physical address {address:#x}: the kernel has it, \
                     or nobody"
                )
            }
            Self::Ram(address) => write!(
                f,
                "physical address {address:#x} is in the machine's memory: that is no device"
            ),
            Self::Memory(error) => error.fmt(f),
        }
    }
}

/// A piece of device memory that is not in use.
#[derive(Clone, Copy)]
struct Piece {
    slot: u64,
    address: u64,
    bits: u64,
}

/// All of them.
pub struct Devices {
    pieces: Vec<Piece>,
    /// Memory that is no device's: first address and end.
    ram: Vec<(u64, u64)>,
    /// Frames that were made, by address.
    frames: Vec<(u64, u64)>,
}

impl Devices {
    /// Takes over what the kernel hands to the first thread.
    pub fn new(info: &BootInfo) -> Self {
        let (mut pieces, mut ram) = (Vec::new(), Vec::new());
        for (_, description) in info.untypeds().filter(|(_, d)| d.is_device == 0) {
            let end = description.paddr + (1 << description.size_bits);
            // Where it is missing, such an address is just none of a device.
            let _ = heap::push(&mut ram, (description.paddr, end));
        }
        for (slot, description) in info.untypeds().filter(|(_, d)| d.is_device != 0) {
            let piece = Piece {
                slot,
                address: description.paddr,
                bits: u64::from(description.size_bits),
            };
            // Where the heap is full at the very start, devices are missing, and say so.
            let _ = heap::push(&mut pieces, piece);
        }
        Self {
            pieces,
            ram,
            frames: Vec::new(),
        }
    }

    /// The frame at a physical address; it stays the root task's, who uses it copies it.
    ///
    /// # Errors
    /// Where no device's memory is there, or slots are missing.
    pub fn frame(&mut self, memory: &mut Memory, address: u64) -> Result<u64, DeviceError> {
        let known = self.frames.iter().find(|(at, _)| *at == address);
        if let Some((_, slot)) = known {
            return Ok(*slot);
        }
        let inside = |p: &Piece| address >= p.address && address - p.address < 1 << p.bits;
        let index = self.pieces.iter().position(inside);
        let index = index.ok_or_else(|| {
            let is_ram = |(start, end): &(u64, u64)| (*start..*end).contains(&address);
            match self.ram.iter().any(is_ram) {
                true => DeviceError::Ram(address),
                false => DeviceError::NoDevice(address),
            }
        })?;
        let mut piece = self.pieces[index];
        // One more piece a level, and one slot for the frame.
        let levels = (piece.bits.saturating_sub(sys::seL4_PageBits)) as usize;
        heap::reserve(&mut self.pieces, levels).map_err(|_| MemoryError::Full)?;
        heap::reserve(&mut self.frames, 1).map_err(|_| MemoryError::Full)?;
        self.pieces.swap_remove(index);
        while piece.bits > sys::seL4_PageBits {
            let halves = memory.slots(Owner::Root, 2)?;
            let bits = piece.bits - 1;
            let kind = sys::seL4_UntypedObject;
            sys::seL4_Untyped_Retype(piece.slot, kind, bits, ROOT, 0, 0, halves, 2)?;
            let low = Piece {
                slot: halves,
                address: piece.address,
                bits,
            };
            let high = Piece {
                slot: halves + 1,
                address: piece.address + (1 << bits),
                bits,
            };
            let (with, without) = match inside(&low) {
                true => (low, high),
                false => (high, low),
            };
            self.pieces.push(without);
            piece = with;
        }
        let frame = memory.slots(Owner::Root, 1)?;
        sys::seL4_Untyped_Retype(piece.slot, sys::seL4_X86_4K, 0, ROOT, 0, 0, frame, 1)?;
        self.frames.push((address, frame));
        Ok(frame)
    }
}
