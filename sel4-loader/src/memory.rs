// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Kernel objects: which untyped memory they are carved from, which slots their capabilities get,
//! and that all of it comes back.
//!
//! Every object belongs to an [`Owner`]. The root task's own objects stay; those of an app are
//! given back together: its untypeds are revoked, its slots are empty again. As apps run one
//! after the other, slots are handed out like a stack.
//!
//! The first object carved from an untyped makes the kernel clear all of it. So untypeds that are
//! in use already come first, then the smallest that fit.

use core::fmt;
use sel4::bootinfo::BootInfo;
use sel4::sys::{self, CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS, CONFIG_RETYPE_FAN_OUT_LIMIT};

/// The root CNode, and how many bits its slots' addresses have.
pub const ROOT: u64 = sys::seL4_CapInitThreadCNode;
/// Bits of a capability's address in the root CSpace.
pub const DEPTH: u64 = sys::seL4_WordBits;

/// Who an untyped belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The root task: for ever.
    Root,
    /// The app that is being run.
    App,
}

/// Kinds of objects: what they are for the kernel and log2 of their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Object {
    /// A page of 4 KiB.
    Frame,
    /// A page of 2 MiB.
    LargeFrame,
    /// A page table (21), page directory (30), PDPT (39): log2 of the bytes it maps.
    Paging(u64),
    /// The root of an address space.
    VSpace,
    /// A thread.
    Tcb,
    /// An endpoint.
    Endpoint,
    /// A CNode with this many bits of slots.
    CNode(u64),
}

impl Object {
    /// (type, size argument of Retype, log2 of the bytes it takes).
    fn shape(self) -> (u64, u64, u64) {
        match self {
            Self::Frame => (sys::seL4_X86_4K, 0, sys::seL4_PageBits),
            Self::LargeFrame => (sys::seL4_X86_LargePageObject, 0, sys::seL4_LargePageBits),
            Self::Paging(39) => (sys::seL4_X86_PDPTObject, 0, sys::seL4_PDPTBits),
            Self::Paging(30) => (sys::seL4_X86_PageDirectoryObject, 0, sys::seL4_PageDirBits),
            Self::Paging(_) => (sys::seL4_X86_PageTableObject, 0, sys::seL4_PageTableBits),
            Self::VSpace => (sys::seL4_X64_PML4Object, 0, sys::seL4_PML4Bits),
            Self::Tcb => (sys::seL4_TCBObject, 0, sys::seL4_TCBBits),
            Self::Endpoint => (sys::seL4_EndpointObject, 0, sys::seL4_EndpointBits),
            Self::CNode(bits) => (sys::seL4_CapTableObject, bits, bits + sys::seL4_SlotBits),
        }
    }
}

/// Why an object cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryError {
    /// The app would exceed its limit.
    Limit {
        /// Bytes it may have.
        limit: u64,
    },
    /// No untyped has room.
    NoMemory {
        /// Bytes that are left, in pieces.
        free: u64,
    },
    /// No slots.
    NoSlots,
    /// The kernel refused.
    Kernel(sel4::Error),
}

impl From<sel4::Error> for MemoryError {
    fn from(error: sel4::Error) -> Self {
        Self::Kernel(error)
    }
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { limit } => write!(
                f,
                "it needs more than its memory limit of {limit} bytes; raise the limit"
            ),
            Self::NoMemory { free } => write!(
                f,
                "out of memory ({free} bytes are left); give the machine more"
            ),
            Self::NoSlots => f.write_str("the root task has no more capability slots"),
            Self::Kernel(error) => error.fmt(f),
        }
    }
}

#[derive(Clone, Copy)]
struct Untyped {
    slot: u64,
    bits: u64,
    /// Bytes from its start that are taken.
    used: u64,
    owner: Option<Owner>,
}

/// What is free, to be compared before and after an app.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Free {
    /// Empty slots.
    pub slots: u64,
    /// Bytes of untyped memory.
    pub bytes: u64,
}

impl fmt::Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} slots and {} bytes free", self.slots, self.bytes)
    }
}

/// All memory and slots that nobody has.
pub struct Memory {
    untypeds: [Untyped; CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS],
    count: usize,
    next_slot: u64,
    end_slot: u64,
    /// First slot of the app that is being run.
    app_slots: u64,
    app_taken: u64,
    app_limit: u64,
}

impl Memory {
    /// Takes over what the kernel hands to the first thread.
    pub fn new(info: &BootInfo) -> Self {
        let nothing = Untyped {
            slot: 0,
            bits: 0,
            used: 0,
            owner: None,
        };
        let mut memory = Self {
            untypeds: [nothing; CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS],
            count: 0,
            next_slot: info.empty.start,
            end_slot: info.empty.end,
            app_slots: info.empty.start,
            app_taken: 0,
            app_limit: u64::MAX,
        };
        for (slot, description) in info.untypeds().filter(|(_, d)| d.is_device == 0) {
            memory.untypeds[memory.count] = Untyped {
                slot,
                bits: u64::from(description.size_bits),
                ..nothing
            };
            memory.count += 1;
        }
        memory.untypeds[..memory.count].sort_unstable_by_key(|u| u.bits);
        memory
    }

    /// What is free now.
    pub fn free(&self) -> Free {
        let untypeds = &self.untypeds[..self.count];
        Free {
            slots: self.end_slot - self.next_slot,
            bytes: untypeds.iter().map(|u| (1 << u.bits) - u.used).sum(),
        }
    }

    /// Bytes that the app may still take.
    pub fn app_budget(&self) -> u64 {
        (self.app_limit - self.app_taken).min(self.free().bytes)
    }

    /// From here on objects belong to an app, which may take up to `limit` bytes.
    pub fn begin_app(&mut self, limit: u64) {
        self.app_slots = self.next_slot;
        self.app_taken = 0;
        self.app_limit = limit;
    }

    /// Takes back everything that the app has. The thread must not run any more.
    ///
    /// Returns how many of its slots the kernel found still occupied: 0 unless something is
    /// wrong.
    pub fn end_app(&mut self) -> Result<u64, sel4::Error> {
        for untyped in self.untypeds[..self.count].iter_mut() {
            if untyped.owner == Some(Owner::App) {
                sys::seL4_CNode_Revoke(ROOT, untyped.slot, DEPTH)?;
                untyped.used = 0;
                untyped.owner = None;
            }
        }
        let occupied = (self.app_slots..self.next_slot).filter(|&slot| occupied(slot));
        let occupied = occupied.count() as u64;
        self.next_slot = self.app_slots;
        Ok(occupied)
    }

    /// Consecutive empty slots.
    pub fn slots(&mut self, count: u64) -> Result<u64, MemoryError> {
        if self.end_slot - self.next_slot < count {
            return Err(MemoryError::NoSlots);
        }
        let first = self.next_slot;
        self.next_slot += count;
        Ok(first)
    }

    /// Makes one object; gives the slot of its capability.
    pub fn object(&mut self, owner: Owner, object: Object) -> Result<u64, MemoryError> {
        self.objects(owner, object, 1)
    }

    /// Makes objects; gives the first of their slots, which are consecutive.
    pub fn objects(
        &mut self,
        owner: Owner,
        object: Object,
        count: u64,
    ) -> Result<u64, MemoryError> {
        let (kind, size, bits) = object.shape();
        let bytes = count << bits;
        if owner == Owner::App {
            if bytes > self.app_limit - self.app_taken {
                let limit = self.app_limit;
                return Err(MemoryError::Limit { limit });
            }
            self.app_taken += bytes;
        }
        let first = self.slots(count)?;
        let mut made = 0;
        while made < count {
            let Some(index) = self.choose(owner, bits) else {
                let free = self.free().bytes;
                return Err(MemoryError::NoMemory { free });
            };
            let untyped = &mut self.untypeds[index];
            let start = untyped.used.next_multiple_of(1 << bits);
            let room = ((1 << untyped.bits) - start) >> bits;
            let batch = room
                .min(count - made)
                .min(CONFIG_RETYPE_FAN_OUT_LIMIT as u64);
            untyped.owner = Some(owner);
            sys::seL4_Untyped_Retype(untyped.slot, kind, size, ROOT, 0, 0, first + made, batch)?;
            untyped.used = start + (batch << bits);
            made += batch;
        }
        Ok(first)
    }

    /// The untyped for an object of this size: one in use before a fresh one, a small one before
    /// a large one. The list is sorted by size.
    fn choose(&self, owner: Owner, bits: u64) -> Option<usize> {
        let fits = |u: &Untyped| {
            let start = u.used.next_multiple_of(1 << bits);
            start + (1 << bits) <= 1 << u.bits
        };
        let untypeds = &self.untypeds[..self.count];
        let in_use = untypeds
            .iter()
            .position(|u| u.owner == Some(owner) && fits(u));
        in_use.or_else(|| untypeds.iter().position(|u| u.owner.is_none() && fits(u)))
    }
}

/// Asks the kernel whether a slot holds a capability: moving the null capability there is refused
/// either way, but an occupied destination is found first.
fn occupied(slot: u64) -> bool {
    let null = sys::seL4_CapNull;
    let answer = sys::seL4_CNode_Move(ROOT, slot, DEPTH, ROOT, null, DEPTH);
    answer.is_err_and(|error| error.code == sel4::ErrorCode::DeleteFirst)
}
