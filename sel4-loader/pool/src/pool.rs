// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What an owner gets: slots, and objects in chunks.

use crate::account::{Account, CLASSES, Extent, Holder, Owner, Usage, note};
use crate::buddy::{Buddy, NONE, State};
use crate::slots::Slots;
use crate::{Error, Free, Kernel, Shape, reserve};
use alloc::vec::Vec;
use core::ops::Range;

/// Objects that one call of the kernel makes at most. It is not interrupted meanwhile, so this
/// bounds how long everybody else waits; docs/sel4.md has what was measured.
const BATCH: u64 = 8;

/// log2 of the bytes of a page: the classes of single objects are those below and the others.
const PAGE_BITS: u8 = 12;
/// log2 of the bytes of a chunk that single objects share, by class: the smallest, the largest.
/// In between it is an eighth of what its owner has.
const SHARED: [(u8, u8); CLASSES] = [(12, 12), (14, 18)];
/// log2 of the bytes of the largest chunk of a batch: a large page.
const LARGEST: u8 = 21;
/// Where that spares clearing, a chunk may be smaller than what is wanted by this power of two.
const SMALLER: u8 = 4;

/// Slots that an account takes at once for objects that come in ones and twos.
const RUN: u64 = 32;
/// As many objects get slots of their own.
const OWN_RUN: u64 = 8;

/// The account of the root task.
const ROOT: usize = 0;

/// Memory and slots, and who has them.
pub struct Pool<K> {
    pub(crate) kernel: K,
    pub(crate) buddy: Buddy,
    pub(crate) slots: Slots,
    pub(crate) holders: Vec<Holder>,
    pub(crate) lost_slots: u64,
    pub(crate) thorough: bool,
}

/// Chunks that were taken for a batch: the newest of their account.
#[derive(Clone, Copy, Default)]
struct Batch {
    /// Those that are filled.
    exact: u64,
    /// Behind them, one that is shared from now on.
    shared: Option<u32>,
}

type Result<T, K> = core::result::Result<T, Error<<K as Kernel>::Error>>;

impl<K: Kernel> Pool<K> {
    /// A pool of slots and of untypeds, of which each is named by its slot and log2 of its bytes.
    ///
    /// # Errors
    /// Where there is no room to note them.
    pub fn new(
        kernel: K,
        slots: Range<u64>,
        untypeds: impl Iterator<Item = (u64, u8)>,
    ) -> Result<Self, K> {
        let mut buddy = Buddy::new();
        for (slot, bits) in untypeds {
            buddy.add(slot, bits).map_err(Error::full)?;
        }
        let mut root = Holder::new();
        (root.open, root.limit) = (true, u64::MAX);
        let mut holders = Vec::new();
        reserve(&mut holders, 1).map_err(Error::full)?;
        holders.push(root);
        Ok(Self {
            kernel,
            buddy,
            slots: Slots::new(slots).map_err(Error::full)?,
            holders,
            lost_slots: 0,
            thorough: false,
        })
    }

    /// Whether [`Self::end`] asks the kernel about every slot; otherwise about those in which
    /// something may be left, and some more.
    pub fn set_thorough(&mut self, thorough: bool) {
        self.thorough = thorough;
    }

    /// The kernel.
    pub fn kernel(&self) -> &K {
        &self.kernel
    }

    /// The kernel, to be changed.
    pub fn kernel_mut(&mut self) -> &mut K {
        &mut self.kernel
    }

    /// What is free now.
    pub fn free(&self) -> Free {
        Free {
            slots: self.slots.free() + 2 * self.buddy.tally().joinable,
            bytes: self.buddy.free(),
        }
    }

    /// What the kernel did not give back: it stays out of use.
    pub fn lost(&self) -> Free {
        let tally = self.buddy.tally();
        Free {
            slots: self.lost_slots + 2 * tally.pinned,
            bytes: tally.lost,
        }
    }

    /// Opens an account that may have up to `limit` bytes of objects.
    ///
    /// # Errors
    /// Where there is no room for one more.
    pub fn begin(&mut self, limit: u64) -> Result<Account, K> {
        let closed = self.holders.iter().position(|holder| !holder.open);
        let index = closed.unwrap_or(self.holders.len());
        if closed.is_none() {
            reserve(&mut self.holders, 1).map_err(Error::full)?;
            self.holders.push(Holder::new());
        }
        let holder = &mut self.holders[index];
        holder.begin(limit);
        Ok(Account {
            index: index as u32,
            generation: holder.generation,
        })
    }

    /// What an account has and had; nothing once it is closed.
    pub fn usage(&self, account: Account) -> Option<Usage> {
        let index = self.index(Owner::App(account)).ok()?;
        Some(self.holders[index].usage())
    }

    /// Bytes of pages that an account may still take.
    pub fn budget(&self, account: Account) -> u64 {
        let Ok(index) = self.index(Owner::App(account)) else {
            return 0;
        };
        let holder = &self.holders[index];
        (holder.limit - holder.taken).min(self.available(index, PAGE_BITS))
    }

    /// Whether there are this many bytes of pages for an owner.
    ///
    /// # Errors
    /// Where there are not.
    pub fn afford(&self, owner: Owner, bytes: u64) -> Result<(), K> {
        self.check(self.index(owner)?, bytes, PAGE_BITS)
    }

    /// Consecutive empty slots. Whatever is in them when the account is closed is deleted.
    ///
    /// # Errors
    /// Where there are none.
    pub fn loose(&mut self, owner: Owner, count: u64) -> Result<u64, K> {
        let index = self.index(owner)?;
        self.holders[index].reserve().map_err(Error::full)?;
        let first = self.take_slots(count)?;
        note(&mut self.holders[index].loose, first, count);
        Ok(first)
    }

    /// Has a slot emptied before everything else when the account is closed; of several the
    /// last one first. Threads and address spaces are best dealt with like this: what is mapped
    /// in an address space that is gone needs no unmapping.
    ///
    /// # Errors
    /// Where it cannot be noted. It is deleted in any case.
    pub fn delete_first(&mut self, owner: Owner, slot: u64) -> Result<(), K> {
        let index = self.index(owner)?;
        let first = &mut self.holders[index].first;
        reserve(first, 1).map_err(Error::full)?;
        first.push(slot);
        Ok(())
    }

    /// Makes objects; gives the first of their slots, which are consecutive.
    ///
    /// # Errors
    /// Where there is no room for all of them; then nothing has been taken. Where the kernel
    /// refuses, what was made until then stays with the account.
    pub fn objects(&mut self, owner: Owner, shape: Shape, count: u64) -> Result<u64, K> {
        let index = self.index(owner)?;
        let free = self.buddy.free();
        let bytes = 1u64.checked_shl(shape.bits.into());
        let bytes = bytes.and_then(|bytes| bytes.checked_mul(count));
        let bytes = bytes.ok_or(Error::NoMemory { free })?;
        self.check(index, bytes, shape.bits)?;
        let mut batch = Batch::default();
        let first = self
            .gather(index, shape.bits, count, &mut batch)
            .and_then(|()| self.object_slots(index, count));
        if first.is_err() {
            let chunks = batch.exact + u64::from(batch.shared.is_some());
            (0..chunks).for_each(|_| self.put_back(index));
        }
        let first = first?;
        self.holders[index].charge(bytes);
        self.make(index, shape, first..first + count, batch)?;
        Ok(first)
    }

    pub(crate) fn index(&self, owner: Owner) -> Result<usize, K> {
        let Owner::App(account) = owner else {
            return Ok(ROOT);
        };
        let index = account.index as usize;
        let holder = self.holders.get(index);
        let holder = holder.filter(|h| h.open && h.generation == account.generation);
        holder.map(|_| index).ok_or(Error::Closed)
    }

    /// Bytes that objects of a size can be made of.
    fn available(&self, index: usize, bits: u8) -> u64 {
        let open = self.holders[index].shared[class(bits)];
        self.buddy.free() + (self.room(open, bits) << bits)
    }

    fn check(&self, index: usize, bytes: u64, bits: u8) -> Result<(), K> {
        let holder = &self.holders[index];
        if bytes > holder.limit - holder.taken {
            let limit = holder.limit;
            return Err(Error::Limit { limit });
        }
        if bytes > self.available(index, bits.min(LARGEST)) {
            let free = self.buddy.free();
            return Err(Error::NoMemory { free });
        }
        Ok(())
    }

    /// How many objects of a size there is room for in a chunk. The kernel aligns them to it.
    fn room(&self, chunk: u32, bits: u8) -> u64 {
        if chunk == NONE {
            return 0;
        }
        let chunk = self.buddy.node(chunk);
        let start = chunk.used.next_multiple_of(1 << bits);
        (1u64 << chunk.bits).saturating_sub(start) >> bits
    }

    /// Takes the chunks for a batch of objects.
    fn gather(&mut self, index: usize, bits: u8, count: u64, batch: &mut Batch) -> Result<(), K> {
        let class = class(bits);
        // What fills no chunk of the smallest shared size.
        let rest = count & ((1 << SHARED[class].0.saturating_sub(bits)) - 1);
        let mut room = self.room(self.holders[index].shared[class], bits);
        if rest > room {
            match self.shared(index, class) {
                Ok(chunk) => {
                    batch.shared = Some(chunk);
                    room += self.room(chunk, bits);
                }
                Err(Error::NoMemory { .. } | Error::NoSlots) => {}
                Err(error) => return Err(error),
            }
        }
        let mut left = count - rest.min(room);
        let spare = room - rest.min(room);
        while left > 0 {
            let want = bits.saturating_add(left.ilog2() as u8);
            match self.some_chunk(index, want.min(bits.max(LARGEST)), bits) {
                Ok(chunk) => left -= 1 << (self.buddy.node(chunk).bits - bits),
                // The last of it may fit where single objects go.
                Err(Error::NoMemory { .. }) if left <= spare => break,
                Err(error) => return Err(error),
            }
            batch.exact += 1;
        }
        Ok(())
    }

    /// A chunk of 2^`bits` bytes, or of as many as there are, down to 2^`least`.
    fn some_chunk(&mut self, index: usize, bits: u8, least: u8) -> Result<u32, K> {
        let mut want = bits;
        loop {
            let smaller = want.saturating_sub(SMALLER).max(least);
            match self.chunk(index, want, smaller) {
                Err(Error::NoMemory { .. }) if smaller > least => want = smaller - 1,
                other => return other,
            }
        }
    }

    /// A chunk that single objects of a class share from now on.
    fn shared(&mut self, index: usize, class: usize) -> Result<u32, K> {
        let (least, most) = SHARED[class];
        let holder = &self.holders[index];
        let eighth = (holder.taken / 8).min(holder.limit - holder.taken);
        let bits = eighth.checked_ilog2().map_or(0, |bits| bits as u8);
        self.chunk(index, bits.clamp(least, most), least)
    }

    /// Makes the objects of a batch.
    fn make(
        &mut self,
        index: usize,
        shape: Shape,
        slots: Range<u64>,
        batch: Batch,
    ) -> Result<(), K> {
        let class = class(shape.bits);
        let mut next = slots.start;
        let mut chunk = self.holders[index].chunks;
        for _ in 0..batch.exact {
            next = self.fill(chunk, shape, next..slots.end)?;
            chunk = self.buddy.node(chunk).next;
        }
        let open = self.holders[index].shared[class];
        if next < slots.end && open != NONE {
            next = self.fill(open, shape, next..slots.end)?;
        }
        if let Some(chunk) = batch.shared {
            self.holders[index].shared[class] = chunk;
            next = self.fill(chunk, shape, next..slots.end)?;
        }
        debug_assert_eq!(next, slots.end);
        Ok(())
    }

    /// Makes objects in a chunk, as many as there are slots, or as there is room; gives the next
    /// slot.
    fn fill(&mut self, chunk: u32, shape: Shape, slots: Range<u64>) -> Result<u64, K> {
        let mut first = slots.start;
        loop {
            let room = self.room(chunk, shape.bits);
            let count = room.min(slots.end - first).min(BATCH);
            if count == 0 {
                return Ok(first);
            }
            let node = self.buddy.node(chunk);
            let start = node.used.next_multiple_of(1 << shape.bits);
            self.kernel
                .retype(node.slot, shape.kind, shape.size, first, count)?;
            self.buddy.node_mut(chunk).used = start + (count << shape.bits);
            first += count;
        }
    }

    /// Slots for objects of an account.
    fn object_slots(&mut self, index: usize, count: u64) -> Result<u64, K> {
        self.holders[index].reserve().map_err(Error::full)?;
        let spare = self.holders[index].spare;
        if count > spare.count {
            let run = match count {
                OWN_RUN.. => None,
                _ => self.take_slots(RUN).ok(),
            };
            let Some(first) = run else {
                let first = self.take_slots(count)?;
                note(&mut self.holders[index].slots, first, count);
                return Ok(first);
            };
            let holder = &mut self.holders[index];
            note(&mut holder.slots, first, RUN);
            holder.spare = Extent { first, count: RUN };
        }
        let spare = &mut self.holders[index].spare;
        let first = spare.first;
        spare.first += count;
        spare.count -= count;
        Ok(first)
    }

    fn take_slots(&mut self, count: u64) -> Result<u64, K> {
        let first = self.slots.take(count);
        let first = match first {
            None if self.join_all() > 0 => self.slots.take(count),
            first => first,
        };
        first.ok_or(Error::NoSlots)
    }

    /// Gives back the newest chunk of an account, in which nothing was made.
    fn put_back(&mut self, index: usize) {
        let chunk = self.holders[index].chunks;
        debug_assert_eq!(self.buddy.node(chunk).state, State::Chunk);
        self.holders[index].chunks = self.buddy.node(chunk).next;
        self.buddy.release(chunk);
    }
}

fn class(bits: u8) -> usize {
    usize::from(bits >= PAGE_BITS)
}
