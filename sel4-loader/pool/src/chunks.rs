// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Chunks: how untypeds are halved for them and joined, and how all of an account's come back.

use crate::account::{Account, Extent, Holder, Owner};
use crate::buddy::{NONE, State};
use crate::{Error, Kernel, Pool};
use alloc::vec::Vec;

type Result<T, K> = core::result::Result<T, Error<<K as Kernel>::Error>>;

impl<K: Kernel> Pool<K> {
    /// A chunk of 2^`bits` bytes for an account, or a smaller one, down to 2^`least`, where that
    /// spares clearing.
    pub(crate) fn chunk(&mut self, index: usize, bits: u8, least: u8) -> Result<u32, K> {
        let mut node = self.free_node(bits, least);
        if let Err(Error::NoMemory { .. } | Error::NoSlots) = node
            && self.join_all() > 0
        {
            node = self.free_node(bits, least);
        }
        let node = node?;
        self.buddy.claim(node);
        let holder = &mut self.holders[index];
        self.buddy.node_mut(node).next = holder.chunks;
        holder.chunks = node;
        Ok(node)
    }

    fn free_node(&mut self, bits: u8, least: u8) -> Result<u32, K> {
        let found = self.buddy.find(bits, least);
        let free = self.buddy.free();
        let (mut node, bits) = found.ok_or(Error::NoMemory { free })?;
        while self.buddy.node(node).bits > bits {
            node = self.halve(node)?;
        }
        Ok(node)
    }

    /// Makes two untypeds of one that is free; gives the first.
    fn halve(&mut self, node: u32) -> Result<u32, K> {
        let pair = self.buddy.pair().map_err(Error::full)?;
        let first = self.slots.take(2).ok_or(Error::NoSlots)?;
        let own = self.buddy.node(node);
        let (slot, bits) = (own.slot, u64::from(own.bits) - 1);
        match self.kernel.retype(slot, K::UNTYPED, bits, first, 2) {
            Ok(()) => {
                self.buddy.split(node, pair, first);
                Ok(pair)
            }
            Err(error) => {
                self.slots.give(first, 2);
                Err(Error::Kernel(error))
            }
        }
    }

    /// Joins all halves of which nothing is used; gives how many pairs. The kernel will clear
    /// them as a whole.
    pub fn join_all(&mut self) -> u64 {
        let mut joined = 0;
        for node in 0..self.buddy.count() {
            let mut half = node;
            while self.buddy.node(half).state == State::Free
                && let Some((parent, first)) = self.buddy.joinable(half)
            {
                let refused = self.kernel.revoke(self.buddy.node(parent).slot).is_err();
                self.buddy.join(parent, refused);
                if refused {
                    self.lost_slots += 2;
                } else {
                    self.slots.give(first, 2);
                    joined += 1;
                }
                half = parent;
            }
        }
        joined
    }

    /// Has the kernel clear one free untyped of more than 2^`bits` bytes, so that nobody waits
    /// for that later; gives how many bytes. Nothing where there is none any more.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn clear_ahead(&mut self, bits: u8) -> Result<Option<u64>, K> {
        let Some(node) = self.buddy.dirty_above(bits) else {
            return Ok(None);
        };
        let bytes = self.buddy.node(node).dirty;
        self.halve(node)?;
        Ok(Some(bytes))
    }

    /// Closes an account and takes back everything that it has. Its threads must not run any
    /// more, or be in [`Self::delete_first`].
    ///
    /// Gives how many slots of objects the kernel found still occupied: 0 unless something is
    /// wrong. They are emptied, so that whoever gets them does not suffer.
    ///
    /// # Errors
    /// A refusal of the kernel: what it refuses to take back stays out of use.
    pub fn end(&mut self, account: Account) -> Result<u64, K> {
        let index = self.index(Owner::App(account))?;
        let generation = self.holders[index].generation;
        let closed = Holder {
            generation,
            ..Holder::new()
        };
        let holder = core::mem::replace(&mut self.holders[index], closed);
        let mut refused = None;
        for &slot in holder.first.iter().rev() {
            // Whoever refuses this refuses it again, below.
            let _ = self.kernel.delete(slot);
        }
        for extent in &holder.loose {
            self.empty(*extent, &mut refused);
        }
        let mut stuck = NONE;
        let mut chunk = holder.chunks;
        while chunk != NONE {
            let next = self.buddy.node(chunk).next;
            if self.revoke(chunk).is_err() {
                self.buddy.node_mut(chunk).next = stuck;
                stuck = chunk;
            }
            chunk = next;
        }
        let all = self.thorough || stuck != NONE;
        let left = self.sweep(&holder.slots, all, &mut refused);
        while stuck != NONE {
            let next = self.buddy.node(stuck).next;
            // Its objects are gone now, if the kernel let them go one by one.
            if let Err(error) = self.revoke(stuck) {
                self.buddy.node_mut(stuck).state = State::Lost;
                refused = refused.or(Some(error));
            }
            stuck = next;
        }
        refused.map_or(Ok(left), |error| Err(Error::Kernel(error)))
    }

    /// Deletes all that was made of a chunk, which is free then.
    fn revoke(&mut self, chunk: u32) -> core::result::Result<(), K::Error> {
        let node = self.buddy.node(chunk);
        if node.used > 0 {
            self.kernel.revoke(node.slot)?;
        }
        self.buddy.release(chunk);
        Ok(())
    }

    /// Gives back the slots of objects, which are empty; counts those that are not. Looks at all
    /// of them, or only at the first and the last of each extent.
    fn sweep(&mut self, slots: &Vec<Extent>, all: bool, refused: &mut Option<K::Error>) -> u64 {
        let mut left = 0;
        for &extent in slots {
            let (first, last) = (extent.first, extent.first + extent.count - 1);
            let kernel = &mut self.kernel;
            let mut occupied = 0;
            if all || kernel.is_occupied(first) || kernel.is_occupied(last) {
                let slots = (first..=last).filter(|&slot| kernel.is_occupied(slot));
                occupied = slots.count() as u64;
            }
            if occupied > 0 {
                left += occupied;
                self.empty(extent, refused);
            } else {
                self.slots.give(first, extent.count);
            }
        }
        left
    }

    /// Empties slots and gives them back, but for those that the kernel does not empty.
    fn empty(&mut self, extent: Extent, refused: &mut Option<K::Error>) {
        for slot in extent.first..extent.first + extent.count {
            match self.kernel.delete(slot) {
                Ok(()) => self.slots.give(slot, 1),
                Err(error) => {
                    self.lost_slots += 1;
                    *refused = refused.take().or(Some(error));
                }
            }
        }
    }
}
