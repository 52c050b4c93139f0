// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A model of what the kernel does with untypeds and slots (seL4 5.0.0, `src/object/untyped.c` and
//! `cnode.c`). It panics where the kernel would refuse something, and where two objects overlap;
//! it refuses only what it is told to.

use sel4_pool::Kernel;
use std::collections::BTreeMap;
use std::ops::Range;

/// The type number of untypeds.
pub const UNTYPED: u64 = 0;
/// Objects in a call, at most: what the pool promises, less than the kernel's own limit.
const FAN_OUT: u64 = 8;

/// A refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused;

/// Numbers that look random (xorshift64*).
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

struct Cap {
    kind: u64,
    start: u64,
    bits: u64,
    /// Where the kernel goes on in an untyped.
    free_index: u64,
    parent: Option<u64>,
    children: Vec<u64>,
}

pub struct Model {
    caps: BTreeMap<u64, Cap>,
    slots: Range<u64>,
    /// Live objects that are no untypeds: start and end.
    objects: BTreeMap<u64, u64>,
    /// One operation in so many is refused; 0 for none.
    pub refuses: u64,
    random: Random,
    /// Bytes that were cleared.
    pub cleared: u64,
    /// Operations.
    pub calls: u64,
}

impl Model {
    /// A CNode of which `slots` are empty, and untypeds of these sizes somewhere, in the slots
    /// below.
    pub fn new(slots: Range<u64>, untypeds: &[u8], random: Random) -> (Self, Vec<(u64, u8)>) {
        let mut model = Self {
            caps: BTreeMap::new(),
            slots: slots.clone(),
            objects: BTreeMap::new(),
            refuses: 0,
            random,
            cleared: 0,
            calls: 0,
        };
        let mut start = 1u64 << 40;
        let mut list = Vec::new();
        for (slot, &bits) in (1..).zip(untypeds) {
            assert!(slot < slots.start);
            start = start.next_multiple_of(1 << bits);
            let mut cap = Cap::new(UNTYPED, start, bits.into(), None);
            // All of what comes out of the boot is cleared.
            cap.free_index = 1 << bits;
            model.caps.insert(slot, cap);
            list.push((slot, bits));
            start += 1 << bits;
        }
        (model, list)
    }

    /// Capabilities that exist.
    pub fn count(&self) -> usize {
        self.caps.len()
    }

    /// Copies a capability that is no untyped. The copy counts as made of the same untyped.
    pub fn copy(&mut self, from: u64, to: u64) {
        assert!(self.slots.contains(&to) && !self.caps.contains_key(&to));
        let cap = &self.caps[&from];
        assert_ne!(cap.kind, UNTYPED);
        let (kind, start, bits, parent) = (cap.kind, cap.start, cap.bits, cap.parent);
        let parent = parent.expect("an object is made of something");
        self.caps
            .insert(to, Cap::new(kind, start, bits, Some(parent)));
        self.caps.get_mut(&parent).unwrap().children.push(to);
    }

    fn refuse(&mut self) -> Result<(), Refused> {
        self.calls += 1;
        let refuse = self.refuses > 0 && self.random.below(self.refuses) == 0;
        if refuse { Err(Refused) } else { Ok(()) }
    }

    fn remove(&mut self, slot: u64) {
        let Some(cap) = self.caps.remove(&slot) else {
            return;
        };
        assert!(cap.children.is_empty(), "{slot} has children");
        if let Some(parent) = cap.parent.and_then(|parent| self.caps.get_mut(&parent)) {
            parent.children.retain(|&child| child != slot);
        }
        let same = |other: &Cap| other.kind != UNTYPED && other.start == cap.start;
        let parent = cap.parent.and_then(|parent| self.caps.get(&parent));
        let copies = parent.is_some_and(|p| p.children.iter().any(|c| same(&self.caps[c])));
        if cap.kind != UNTYPED && !copies {
            self.objects.remove(&cap.start);
        }
    }

    fn remove_below(&mut self, slot: u64) {
        let children = std::mem::take(&mut self.caps.get_mut(&slot).unwrap().children);
        for &child in &children {
            self.remove_below(child);
        }
        for child in children {
            self.remove(child);
        }
    }

    fn occupy(&mut self, start: u64, end: u64) {
        let before = self.objects.range(..end).next_back();
        assert!(before.is_none_or(|(_, &e)| e <= start), "objects overlap");
        self.objects.insert(start, end);
    }
}

impl Cap {
    fn new(kind: u64, start: u64, bits: u64, parent: Option<u64>) -> Self {
        Self {
            kind,
            start,
            bits,
            free_index: 0,
            parent,
            children: Vec::new(),
        }
    }
}

impl Kernel for Model {
    type Error = Refused;
    const UNTYPED: u64 = UNTYPED;

    /// `kind` is any number, `size` log2 of the bytes.
    fn retype(
        &mut self,
        untyped: u64,
        kind: u64,
        size: u64,
        first: u64,
        count: u64,
    ) -> Result<(), Refused> {
        assert!((1..=FAN_OUT).contains(&count), "{count} objects at once");
        assert!(size >= 4, "an untyped has 16 bytes at least");
        for slot in first..first + count {
            assert!(self.slots.contains(&slot), "slot {slot} is not ours");
            assert!(!self.caps.contains_key(&slot), "slot {slot} is occupied");
        }
        let cap = &self.caps[&untyped];
        assert_eq!(cap.kind, UNTYPED);
        let reset = cap.children.is_empty();
        let (free, end) = (if reset { 0 } else { cap.free_index }, 1 << cap.bits);
        assert!(size < 64 && (end - free) >> size >= count, "no room");
        self.refuse()?;
        let cap = self.caps.get_mut(&untyped).unwrap();
        if reset {
            self.cleared += cap.free_index;
        }
        let start = free.next_multiple_of(1 << size);
        cap.free_index = start + (count << size);
        assert!(cap.free_index <= end);
        let base = cap.start;
        for number in 0..count {
            let (slot, at) = (first + number, base + start + (number << size));
            assert!(at.is_multiple_of(1 << size));
            self.caps
                .insert(slot, Cap::new(kind, at, size, Some(untyped)));
            self.caps.get_mut(&untyped).unwrap().children.push(slot);
            if kind != UNTYPED {
                self.occupy(at, at + (1 << size));
            }
        }
        Ok(())
    }

    fn revoke(&mut self, slot: u64) -> Result<(), Refused> {
        assert!(self.caps.contains_key(&slot), "slot {slot} is empty");
        self.refuse()?;
        self.remove_below(slot);
        Ok(())
    }

    fn delete(&mut self, slot: u64) -> Result<(), Refused> {
        assert!(self.slots.contains(&slot), "slot {slot} is not ours");
        self.refuse()?;
        self.remove(slot);
        Ok(())
    }

    fn is_occupied(&mut self, slot: u64) -> bool {
        self.caps.contains_key(&slot)
    }
}
