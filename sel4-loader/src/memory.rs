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
    /// A page table.
    PageTable,
    /// A page directory, which holds page tables.
    PageDirectory,
    /// A page directory pointer table, which holds page directories.
    Pdpt,
    /// The root of an address space.
    VSpace,
    /// A thread.
    Tcb,
    /// An endpoint.
    Endpoint,
    /// A notification.
    Notification,
    /// A CNode with this many bits of slots.
    CNode(u64),
}

impl Object {
    /// (type, size argument of Retype, log2 of the bytes it takes).
    fn shape(self) -> (u64, u64, u64) {
        match self {
            Self::Frame => (sys::seL4_X86_4K, 0, sys::seL4_PageBits),
            Self::LargeFrame => (sys::seL4_X86_LargePageObject, 0, sys::seL4_LargePageBits),
            Self::PageTable => (sys::seL4_X86_PageTableObject, 0, sys::seL4_PageTableBits),
            Self::PageDirectory => (sys::seL4_X86_PageDirectoryObject, 0, sys::seL4_PageDirBits),
            Self::Pdpt => (sys::seL4_X86_PDPTObject, 0, sys::seL4_PDPTBits),
            Self::VSpace => (sys::seL4_X64_PML4Object, 0, sys::seL4_PML4Bits),
            Self::Tcb => (sys::seL4_TCBObject, 0, sys::seL4_TCBBits),
            Self::Endpoint => (sys::seL4_EndpointObject, 0, sys::seL4_EndpointBits),
            Self::Notification => (sys::seL4_NotificationObject, 0, sys::seL4_NotificationBits),
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

impl Untyped {
    /// Where the next object with this size would be: the kernel aligns objects to their size.
    fn start(&self, bits: u64) -> u64 {
        self.used.next_multiple_of(1 << bits)
    }

    /// How many objects of this size there is room for.
    fn room(&self, bits: u64) -> u64 {
        (1u64 << self.bits).saturating_sub(self.start(bits)) >> bits
    }
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

    /// Whether there are this many bytes for an owner.
    ///
    /// # Errors
    /// Where there are not.
    pub fn afford(&self, owner: Owner, bytes: u64) -> Result<(), MemoryError> {
        let (limit, free) = (self.app_limit, self.free().bytes);
        if owner == Owner::App && bytes > limit - self.app_taken {
            return Err(MemoryError::Limit { limit });
        }
        if bytes > free {
            return Err(MemoryError::NoMemory { free });
        }
        Ok(())
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
    /// wrong. They are emptied, so that the next app does not suffer.
    ///
    /// # Errors
    /// The first refusal of the kernel. What it refused to take back stays out of use.
    pub fn end_app(&mut self) -> Result<u64, sel4::Error> {
        let mut refused = None;
        for untyped in self.untypeds[..self.count].iter_mut() {
            if untyped.owner != Some(Owner::App) {
                continue;
            }
            match sys::seL4_CNode_Revoke(ROOT, untyped.slot, DEPTH) {
                Ok(()) => (untyped.used, untyped.owner) = (0, None),
                Err(error) => {
                    untyped.owner = Some(Owner::Root);
                    refused = refused.or(Some(error));
                }
            }
        }
        let mut left = 0;
        for slot in (self.app_slots..self.next_slot).filter(|&slot| occupied(slot)) {
            left += 1;
            if let Err(error) = sys::seL4_CNode_Delete(ROOT, slot, DEPTH) {
                refused = refused.or(Some(error));
            }
        }
        self.next_slot = self.app_slots;
        refused.map_or(Ok(left), Err)
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
    ///
    /// # Errors
    /// Where there is no room for all of them; then nothing has been taken.
    pub fn objects(
        &mut self,
        owner: Owner,
        object: Object,
        count: u64,
    ) -> Result<u64, MemoryError> {
        let (kind, size, bits) = object.shape();
        let free = self.free().bytes;
        let bytes = count.checked_mul(1 << bits);
        let bytes = bytes.ok_or(MemoryError::NoMemory { free })?;
        self.afford(owner, bytes)?;
        // The pieces may be too small although there are enough bytes.
        let places = self.usable(owner).map(|u| u.room(bits)).sum::<u64>();
        if places < count {
            return Err(MemoryError::NoMemory { free });
        }
        let first = self.slots(count)?;
        if owner == Owner::App {
            self.app_taken += bytes;
        }
        let mut made = 0;
        while made < count {
            let Some(index) = self.choose(owner, bits) else {
                return Err(MemoryError::NoMemory { free });
            };
            let untyped = &mut self.untypeds[index];
            let start = untyped.start(bits);
            let batch = untyped
                .room(bits)
                .min(count - made)
                .min(CONFIG_RETYPE_FAN_OUT_LIMIT as u64);
            untyped.owner = Some(owner);
            sys::seL4_Untyped_Retype(untyped.slot, kind, size, ROOT, 0, 0, first + made, batch)?;
            untyped.used = start + (batch << bits);
            made += batch;
        }
        Ok(first)
    }

    /// The untypeds that an owner's objects may come from.
    fn usable(&self, owner: Owner) -> impl Iterator<Item = &Untyped> {
        let untypeds = self.untypeds[..self.count].iter();
        untypeds.filter(move |u| u.owner.is_none_or(|o| o == owner))
    }

    /// The untyped for an object of this size: one in use before a fresh one, a small one before
    /// a large one. The list is sorted by size.
    fn choose(&self, owner: Owner, bits: u64) -> Option<usize> {
        let untypeds = &self.untypeds[..self.count];
        let first = |owner| {
            untypeds
                .iter()
                .position(|u| u.owner == owner && u.room(bits) > 0)
        };
        first(Some(owner)).or_else(|| first(None))
    }
}

/// Asks the kernel whether a slot holds a capability: moving the null capability there is refused
/// either way, but an occupied destination is found first.
fn occupied(slot: u64) -> bool {
    let null = sys::seL4_CapNull;
    let answer = sys::seL4_CNode_Move(ROOT, slot, DEPTH, ROOT, null, DEPTH);
    answer.is_err_and(|error| error.code == sel4::ErrorCode::DeleteFirst)
}
