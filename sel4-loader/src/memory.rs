// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Kernel objects: the [pool](sel4_pool) of untyped memory and slots over this kernel.
//!
//! Every object belongs to an [`Owner`]. The root task's own objects stay; what an app has comes
//! back when its account is closed, whatever others have meanwhile.

use sel4::bootinfo::BootInfo;
use sel4::sys;
use sel4_pool::{Pool, Shape};

pub use sel4_pool::{Account, Free, Owner, Usage};

/// The root CNode, and how many bits its slots' addresses have.
pub const ROOT: u64 = sys::seL4_CapInitThreadCNode;
/// Bits of a capability's address in the root CSpace.
pub const DEPTH: u64 = sys::seL4_WordBits;

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
    fn shape(self) -> Shape {
        let (kind, size, bits) = match self {
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
        };
        // Sizes are log2 of bytes.
        let bits = bits as u8;
        Shape { kind, size, bits }
    }
}

/// Why an object cannot be made.
pub type MemoryError = sel4_pool::Error<sel4::Error>;

/// This kernel, whose objects are all named in the root CNode.
pub struct Sel4;

impl sel4_pool::Kernel for Sel4 {
    type Error = sel4::Error;
    const UNTYPED: u64 = sys::seL4_UntypedObject;

    fn retype(
        &mut self,
        untyped: u64,
        kind: u64,
        size: u64,
        first: u64,
        count: u64,
    ) -> Result<(), sel4::Error> {
        let (node, depth) = (0, 0);
        sys::seL4_Untyped_Retype(untyped, kind, size, ROOT, node, depth, first, count)
    }

    fn revoke(&mut self, slot: u64) -> Result<(), sel4::Error> {
        sys::seL4_CNode_Revoke(ROOT, slot, DEPTH)
    }

    fn delete(&mut self, slot: u64) -> Result<(), sel4::Error> {
        sys::seL4_CNode_Delete(ROOT, slot, DEPTH)
    }

    /// Moving the null capability there is refused either way, but an occupied destination is
    /// found first.
    fn is_occupied(&mut self, slot: u64) -> bool {
        let null = sys::seL4_CapNull;
        let answer = sys::seL4_CNode_Move(ROOT, slot, DEPTH, ROOT, null, DEPTH);
        answer.is_err_and(|error| error.code == sel4::ErrorCode::DeleteFirst)
    }
}

/// All memory and slots, and who has them.
pub struct Memory {
    /// What is behind it.
    pub pool: Pool<Sel4>,
}

impl Memory {
    /// Takes over what the kernel hands to the first thread.
    pub fn new(info: &BootInfo) -> Result<Self, MemoryError> {
        let (start, end) = (info.empty.start, info.empty.end);
        let untypeds = info.untypeds().filter(|(_, d)| d.is_device == 0);
        let untypeds = untypeds.map(|(slot, description)| (slot, description.size_bits));
        let pool = Pool::new(Sel4, start..end, untypeds)?;
        Ok(Self { pool })
    }

    /// What is free now.
    pub fn free(&self) -> Free {
        self.pool.free()
    }

    /// Opens the account of an app, which may take up to `limit` bytes.
    pub fn begin(&mut self, limit: u64) -> Result<Account, MemoryError> {
        self.pool.begin(limit)
    }

    /// Closes an account and takes back everything that it has. Its thread is deleted first.
    ///
    /// Returns how many of its slots the kernel found still occupied: 0 unless something is
    /// wrong. They are emptied, so that the next app does not suffer.
    ///
    /// # Errors
    /// The first refusal of the kernel. What it refused to take back stays out of use.
    pub fn end(&mut self, account: Account) -> Result<u64, MemoryError> {
        self.pool.end(account)
    }

    /// What an account has and had at most; nothing once it is closed.
    pub fn usage(&self, account: Account) -> Option<Usage> {
        self.pool.usage(account)
    }

    /// Bytes that an app may still take.
    pub fn budget(&self, account: Account) -> u64 {
        self.pool.budget(account)
    }

    /// Whether there are this many bytes for an owner.
    ///
    /// # Errors
    /// Where there are not.
    pub fn afford(&self, owner: Owner, bytes: u64) -> Result<(), MemoryError> {
        self.pool.afford(owner, bytes)
    }

    /// Consecutive empty slots. Whatever is in them is deleted when the account is closed.
    pub fn slots(&mut self, owner: Owner, count: u64) -> Result<u64, MemoryError> {
        self.pool.loose(owner, count)
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
        let first = self.pool.objects(owner, object.shape(), count)?;
        // A thread holds its address space, and while that is there the kernel unmaps page by
        // page: they go first, the thread, which was made last, before all.
        if let Object::Tcb | Object::VSpace = object {
            for slot in first..first + count {
                self.pool.delete_first(owner, slot)?;
            }
        }
        Ok(first)
    }
}
