// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What one owner has.

use crate::buddy::NONE;
use crate::{Full, reserve};
use alloc::vec::Vec;

/// An app's account. Once it has been closed, nothing is taken through it any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Account {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// Who something belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Owner {
    /// The root task: for ever.
    Root,
    /// An app.
    App(Account),
}

/// What an account shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Bytes that it may have.
    pub limit: u64,
    /// Bytes that its objects take.
    pub taken: u64,
    /// Bytes that they have taken at most.
    pub high_water: u64,
    /// Slots that are kept for it.
    pub slots: u64,
}

/// Consecutive slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    pub first: u64,
    pub count: u64,
}

/// Chunks that are shared by single objects: one for those below a page, one for pages.
pub(crate) const CLASSES: usize = 2;

/// The state of an account.
pub(crate) struct Holder {
    pub generation: u32,
    pub open: bool,
    pub limit: u64,
    pub taken: u64,
    pub high_water: u64,
    /// Its chunks, the newest first.
    pub chunks: u32,
    /// Of each class the chunk that may have room.
    pub shared: [u32; CLASSES],
    /// Slots of objects, which are emptied when its chunks are revoked.
    pub slots: Vec<Extent>,
    /// Slots that hold whatever they were asked for.
    pub loose: Vec<Extent>,
    /// The part of the last extent of `slots` that is not used yet.
    pub spare: Extent,
    /// Slots that are emptied before everything else, the last one first.
    pub first: Vec<u64>,
}

impl Holder {
    /// An account that is closed.
    pub const fn new() -> Self {
        Self {
            generation: 0,
            open: false,
            limit: 0,
            taken: 0,
            high_water: 0,
            chunks: NONE,
            shared: [NONE; CLASSES],
            slots: Vec::new(),
            loose: Vec::new(),
            spare: Extent { first: 0, count: 0 },
            first: Vec::new(),
        }
    }

    /// Opens it, with nothing in it.
    pub fn begin(&mut self, limit: u64) {
        let generation = self.generation.wrapping_add(1);
        *self = Self::new();
        (self.generation, self.open, self.limit) = (generation, true, limit);
    }

    /// Notes bytes that objects take.
    pub fn charge(&mut self, bytes: u64) {
        self.taken += bytes;
        self.high_water = self.high_water.max(self.taken);
    }

    pub fn usage(&self) -> Usage {
        let slots = [&self.slots, &self.loose];
        Usage {
            limit: self.limit,
            taken: self.taken,
            high_water: self.high_water,
            slots: slots.into_iter().flatten().map(|extent| extent.count).sum(),
        }
    }

    /// Makes room for one more extent in each list.
    pub fn reserve(&mut self) -> Result<(), Full> {
        reserve(&mut self.slots, 1)?;
        reserve(&mut self.loose, 1)
    }
}

/// Adds slots to a list that has room.
pub(crate) fn note(list: &mut Vec<Extent>, first: u64, count: u64) {
    match list.last_mut() {
        Some(last) if last.first + last.count == first => last.count += count,
        _ => list.push(Extent { first, count }),
    }
}
