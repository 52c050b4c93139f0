// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The entries of a directory: found by name, listed in the order in which they were made.
//!
//! Each entry has a number that no other entry of its directory ever gets. The numbers are the
//! cookies of `fd_readdir`: whatever is made or removed meanwhile, reading goes on behind the
//! entry it came to.

use crate::budget::{Budget, Charge};
use alloc::vec::Vec;
use core::hash::BuildHasher;
use hashbrown::{DefaultHashBuilder, HashTable};
use wasm_aot_runtime::{Errno, Result};

/// The number of the first entry: 1 and 2 are those of `.` and `..`, 0 is the start.
const FIRST: u64 = 3;

/// The longest name (`NAME_MAX`).
pub(crate) const MAX_NAME: usize = 255;

/// Removed entries up to which their places are not worth the work of closing them.
const FEW: usize = 16;

#[derive(Debug)]
pub(crate) struct Entry {
    /// Ascending in the list.
    pub number: u64,
    /// Empty where the entry has been removed.
    pub name: Vec<u8>,
    pub node: u32,
}

#[derive(Debug)]
pub(crate) struct Directory {
    /// The directory that it is in; of a root, itself.
    pub parent: u32,
    /// Its number there.
    pub place: u64,
    entries: Vec<Entry>,
    removed: usize,
    /// Numbers of entries, by the hash of their names.
    index: HashTable<u64>,
    hash: DefaultHashBuilder,
    next: u64,
    names: usize,
    charge: Charge,
}

impl Directory {
    pub fn new(parent: u32) -> Self {
        Self {
            parent,
            place: 0,
            entries: Vec::new(),
            removed: 0,
            index: HashTable::new(),
            hash: DefaultHashBuilder::default(),
            next: FIRST,
            names: 0,
            charge: Charge::default(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.len() == self.removed
    }

    fn position(entries: &[Entry], number: u64) -> Option<usize> {
        let found = entries.binary_search_by_key(&number, |e| e.number);
        found.ok()
    }

    fn name_of(entries: &[Entry], number: u64) -> &[u8] {
        let position = Self::position(entries, number);
        position.map_or(&[], |position| &entries[position].name)
    }

    /// The entry with a name.
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        let entries = &self.entries;
        let hash = self.hash.hash_one(name);
        let same = |&number: &u64| Self::name_of(entries, number) == name;
        let number = self.index.find(hash, same)?;
        Self::position(entries, *number).map(|position| &entries[position])
    }

    /// The first entry whose number is greater.
    pub fn after(&self, number: u64) -> Option<&Entry> {
        let start = self.entries.partition_point(|e| e.number <= number);
        self.entries[start..].iter().find(|e| !e.name.is_empty())
    }

    /// The entries whose numbers are greater.
    pub fn all_after(&self, number: u64) -> impl Iterator<Item = &Entry> {
        let start = self.entries.partition_point(|e| e.number <= number);
        self.entries[start..].iter().filter(|e| !e.name.is_empty())
    }

    /// The name of the entry with a number.
    pub fn name(&self, number: u64) -> &[u8] {
        Self::name_of(&self.entries, number)
    }

    /// Adds an entry, whose name is new; gives its number.
    pub fn insert(&mut self, name: &[u8], node: u32, budget: &mut Budget) -> Result<u64> {
        let full = |_| Errno::NOSPC;
        let (entries, hash) = (&self.entries, &self.hash);
        let rehash = |&number: &u64| hash.hash_one(Self::name_of(entries, number));
        self.index.try_reserve(1, rehash).map_err(full)?;
        self.entries.try_reserve(1).map_err(|_| Errno::NOSPC)?;
        let mut copy = Vec::new();
        copy.try_reserve_exact(name.len())
            .map_err(|_| Errno::NOSPC)?;
        copy.extend_from_slice(name);
        self.settle(name.len(), budget)?;
        let number = self.next;
        self.next += 1;
        self.names += name.len();
        self.entries.push(Entry {
            number,
            name: copy,
            node,
        });
        let (entries, hash) = (&self.entries, &self.hash);
        let rehash = |&number: &u64| hash.hash_one(Self::name_of(entries, number));
        self.index
            .insert_unique(hash.hash_one(name), number, rehash);
        Ok(number)
    }

    /// Removes the entry with a number.
    pub fn remove(&mut self, number: u64, budget: &mut Budget) {
        let Some(position) = Self::position(&self.entries, number) else {
            return;
        };
        let hash = self.hash.hash_one(&self.entries[position].name[..]);
        if let Ok(found) = self.index.find_entry(hash, |&other| other == number) {
            found.remove();
        }
        let name = core::mem::take(&mut self.entries[position].name);
        self.names -= name.len();
        self.removed += 1;
        if self.is_empty() {
            (self.entries, self.index) = (Vec::new(), HashTable::new());
            self.removed = 0;
        } else if self.removed > FEW && self.removed > self.entries.len() / 2 {
            self.entries.retain(|e| !e.name.is_empty());
            self.removed = 0;
        }
        // It takes less than before.
        let _ = self.settle(0, budget);
    }

    /// Makes the entry with a number one of another node; gives the former one.
    pub fn replace(&mut self, number: u64, node: u32) -> Option<u32> {
        let position = Self::position(&self.entries, number)?;
        let entry = &mut self.entries[position];
        Some(core::mem::replace(&mut entry.node, node))
    }

    /// Charges for what there is and a name of so many bytes.
    fn settle(&mut self, name: usize, budget: &mut Budget) -> Result<()> {
        let lists = self.entries.capacity() * size_of::<Entry>() + self.index.allocation_size();
        self.charge.settle(budget, lists + self.names + name)
    }

    /// Gives everything back.
    pub fn release(&mut self, budget: &mut Budget) {
        self.charge.release(budget);
        (self.entries, self.index) = (Vec::new(), HashTable::new());
        (self.removed, self.names) = (0, 0);
    }
}
