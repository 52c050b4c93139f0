// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Memories at constant addresses, of which several instances may have one: which of them are in
//! place, and which instances need which.
//!
//! An instance needs the memories of every instance whose code may run when it is invoked: those
//! that it imports from, and theirs. Where functions can be handed over (tables, references) that
//! goes both ways. A memory that is not needed is moved away when its place is.

use crate::list::List;
use crate::map;
use core::ops::Range;
use rustix::io::{Errno, Result};
use wasm_aot_object::descriptor::MemoryDescriptor;

/// A memory at a constant address.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The instance that defines it.
    pub owner: u32,
    /// Address of byte 0.
    pub base: u64,
    /// Bytes from there on that are its alone.
    pub reservation: u64,
    /// Address of its descriptor.
    pub descriptor: u64,
    /// Where it is while it is not in place.
    pub away: Option<u64>,
}

impl Memory {
    fn range(&self) -> Range<u64> {
        self.base..self.base + self.reservation
    }

    /// Whether two cannot be in place at the same time.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (one, other) = (self.range(), other.range());
        one.start < other.end && other.start < one.end
    }

    /// Its accessible bytes.
    pub fn bytes(&self) -> u64 {
        let descriptor: *const MemoryDescriptor =
            core::ptr::with_exposed_provenance(self.descriptor as usize);
        // SAFETY: the descriptor is in the data of a loaded image, and nothing runs now.
        unsafe { (*descriptor).byte_length }
    }
}

/// Code of `from` may have code of `to` run.
#[derive(Clone, Copy, Debug)]
struct Link {
    from: u32,
    to: u32,
}

/// All memories at constant addresses.
#[derive(Debug)]
pub struct Places {
    memories: List<Memory>,
    /// By ascending `from`.
    links: List<Link>,
    /// From instances to those that were loaded later.
    back_links: List<Link>,
    /// The instance for which the memories are in place.
    ready: Option<u32>,
    /// Instances found by `reach`, in the order in which they were.
    reached: List<u32>,
    /// Threads that may use what is in place.
    threads: u32,
}

impl Places {
    pub const fn new() -> Self {
        Self {
            memories: List::new(),
            links: List::new(),
            back_links: List::new(),
            ready: None,
            reached: List::new(),
            threads: 0,
        }
    }

    /// From now on nothing is moved, until [`Places::thaw`] has been called as often.
    pub fn freeze(&mut self) {
        self.threads += 1;
    }

    /// Whether it has been called more often than [`Places::thaw`].
    pub fn is_frozen(&self) -> bool {
        self.threads > 0
    }

    /// See [`Places::freeze`].
    pub fn thaw(&mut self) {
        self.threads = self.threads.saturating_sub(1);
    }

    /// Adds the memories that another thread's instances have, those from `own` on, which are the
    /// instances from `first` on here.
    pub fn take(&mut self, other: &Self, own: u32, first: u32) -> Result<()> {
        for memory in other.memories.iter() {
            let owner = memory.owner - own + first;
            self.add(Memory { owner, ..*memory })?;
        }
        Ok(())
    }

    /// Says that code of `new`, the instance loaded last, may have code of `other` run, and the
    /// reverse where that is `mutual`.
    pub fn link(&mut self, new: u32, other: u32, mutual: bool) -> Result<()> {
        if new == other {
            return Ok(());
        }
        let known = |link: &&Link| link.from == new && link.to == other;
        if self
            .links
            .iter()
            .rev()
            .take_while(|l| l.from == new)
            .find(known)
            .is_none()
        {
            self.links.push(Link {
                from: new,
                to: other,
            })?;
        }
        if mutual {
            self.back_links.push(Link {
                from: other,
                to: new,
            })?;
        }
        Ok(())
    }

    /// Forgets the links and memories of the last instance, which is not loaded after all.
    pub fn forget(&mut self, new: u32) {
        let memories = self.memories.partition_point(|memory| memory.owner < new);
        self.memories.truncate(memories);
        let links = self.links.partition_point(|link| link.from < new);
        self.links.truncate(links);
        let back = self.back_links.iter().position(|link| link.to == new);
        self.back_links.truncate(back.unwrap_or(usize::MAX));
        self.ready = None;
    }

    /// Two memories that an instance would need in the same place: after `new` has been linked,
    /// with `own` memories (which are not in the list yet).
    pub fn conflict(&mut self, new: u32, own: &[Memory]) -> Result<Option<(Memory, Memory)>> {
        if self.memories.is_empty() || (own.is_empty() && self.memories.len() < 2) {
            return Ok(None);
        }
        let affected = match self.back_links.last() {
            Some(link) if link.to == new => 0,
            _ => new,
        };
        for instance in affected..=new {
            self.reach(instance)?;
            let needed = |memory: &&Memory| self.reached.contains(&memory.owner);
            let all = self.memories.iter().chain(own).filter(needed);
            for (position, one) in all.clone().enumerate() {
                if let Some(other) = all.clone().skip(position + 1).find(|m| m.overlaps(one)) {
                    return Ok(Some((*one, *other)));
                }
            }
        }
        Ok(None)
    }

    /// Whether an address is reserved for a memory of the list.
    pub fn is_place(&self, address: u64) -> bool {
        self.memories.iter().any(|m| m.range().contains(&address))
    }

    /// Adds a memory, which is in place and has taken it from others ([`Places::clear`]).
    pub fn add(&mut self, memory: Memory) -> Result<()> {
        self.ready = None;
        self.memories.push(memory)
    }

    /// Moves away whatever is in this range. While threads run this fails with `BUSY`.
    ///
    /// # Safety
    /// Nothing runs, and nobody refers to a memory.
    pub unsafe fn clear(&mut self, place: &Memory) -> Result<()> {
        self.ready = None;
        for memory in self.memories.iter_mut() {
            if memory.away.is_none() && memory.overlaps(place) {
                if self.threads > 0 {
                    return Err(Errno::BUSY);
                }
                // SAFETY: the caller's promise.
                unsafe { move_away(memory) }?;
            }
        }
        Ok(())
    }

    /// Puts in place what an instance needs.
    ///
    /// # Safety
    /// Nothing runs, and nobody refers to a memory.
    pub unsafe fn bring(&mut self, instance: u32) -> Result<()> {
        if self.memories.len() < 2 || self.ready == Some(instance) {
            return Ok(());
        }
        self.reach(instance)?;
        for position in 0..self.memories.len() {
            let memory = self.memories[position];
            if memory.away.is_some() && self.reached.contains(&memory.owner) {
                // SAFETY: the caller's promise. `conflict` has seen to it that nothing else that
                // is needed is there.
                unsafe {
                    self.clear(&memory)?;
                    move_back(&mut self.memories[position])?;
                }
            }
        }
        self.ready = Some(instance);
        Ok(())
    }

    /// Finds the instances whose code may run when this one is invoked.
    fn reach(&mut self, instance: u32) -> Result<()> {
        self.reached.clear();
        self.reached.push(instance)?;
        let mut next = 0;
        while let Some(&from) = self.reached.get(next) {
            next += 1;
            let first = self.links.partition_point(|link| link.from < from);
            let own = self.links[first..].iter().take_while(|l| l.from == from);
            let back = self.back_links.iter().filter(|l| l.from == from);
            for link in own.chain(back) {
                if !self.reached.contains(&link.to) {
                    self.reached.push(link.to)?;
                }
            }
        }
        Ok(())
    }
}

/// # Safety
/// The memory is in place, and nobody refers to it.
unsafe fn move_away(memory: &mut Memory) -> Result<()> {
    let bytes = memory.bytes();
    let away = match bytes {
        0 => 0,
        _ => map::reserve(0, bytes)?,
    };
    // SAFETY: both ranges are ours: the place is reserved for memories, the other one is new.
    if let Err(errno) = unsafe { map::relocate(memory.base, bytes, away) } {
        // SAFETY: nothing came of it.
        unsafe { map::release(away, bytes) };
        return Err(errno);
    }
    memory.away = Some(away);
    Ok(())
}

/// # Safety
/// Its place is free, and nobody refers to it.
unsafe fn move_back(memory: &mut Memory) -> Result<()> {
    let Some(away) = memory.away else {
        return Err(Errno::INVAL);
    };
    let bytes = memory.bytes();
    if bytes > 0 {
        // SAFETY: as `move_away` left it.
        unsafe {
            map::relocate(away, bytes, memory.base)?;
            map::release(away, bytes);
        }
    }
    memory.away = None;
    Ok(())
}
