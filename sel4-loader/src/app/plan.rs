// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where an app's memories and growable tables are, and how large they may become.
//!
//! A memory with a constant base goes there, if its reservation overlaps nothing; everything else
//! gets a place in the dynamic space, a large page apart from its neighbours.

use super::AppError;
use crate::heap;
use crate::vspace::{LARGE, PAGE};
use alloc::vec::Vec;
use sel4_boot::space;
use wasm_aot_loader::Object;
use wasm_aot_object::meta::{MemoryRecord, TableRecord, entity};

/// A region that may become larger.
#[derive(Clone, Copy, Debug)]
pub struct Growable {
    /// First byte.
    pub base: u64,
    /// Bytes from the base that are mapped, a multiple of the page size.
    pub mapped: u64,
    /// Bytes up to which it may be mapped.
    pub limit: u64,
    /// Bytes at the start.
    pub initial: u64,
    /// Which memory or table of its object it is.
    pub origin: Origin,
    /// Pages become real when they are touched: `Some` bytes from the base may be, and `mapped` is
    /// 0.
    pub touchable: Option<u64>,
}

/// What a region is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// `Meta::memories`.
    Memory(usize),
    /// `Meta::tables`.
    Table(usize),
    /// Half the heap, of no object.
    Heap,
    /// What the app's files take, of no object.
    Files,
}

/// All regions of an app.
pub struct Plan {
    regions: Vec<Growable>,
    next_dynamic: u64,
    /// A memory has a constant base.
    constant: bool,
    /// Bytes of the heap, the most that an object asks for.
    heap: u64,
    /// Pages of memories become real when they are touched.
    lazy: bool,
}

impl Plan {
    pub fn new(lazy: bool) -> Self {
        Self {
            regions: Vec::new(),
            next_dynamic: space::DYNAMIC,
            constant: false,
            heap: 0,
            lazy,
        }
    }

    /// Places the memories and growable tables that an object defines; gives the index of the
    /// first one. `budget` is what the app may still take: nothing may grow beyond.
    pub fn add<'a>(&mut self, object: &Object<'a>, budget: u64) -> Result<usize, AppError<'a>> {
        let first = self.regions.len();
        self.heap = self.heap.max(object.meta().header().gc_heap.get());
        let own = |flags: u32| flags & entity::IMPORTED == 0;
        for (index, record) in object.meta().memories().iter().enumerate() {
            if own(record.flags.get()) {
                self.memory(index, record, budget)?;
            }
        }
        for (index, record) in object.meta().tables().iter().enumerate() {
            if own(record.flags.get()) && record.flags.get() & entity::GROWABLE != 0 {
                self.table(index, record, budget)?;
            }
        }
        Ok(first)
    }

    /// Places the heap, of `least` bytes or what an object so far asks for; gives its bytes. What
    /// of it is used is mapped then, as far as there is memory.
    pub fn heap<'a>(&mut self, least: u64) -> Result<u64, AppError<'a>> {
        let half = (self.heap.max(least).min(space::HEAP_LIMIT) / 2).next_multiple_of(PAGE);
        for base in [space::HEAP, space::HEAP + half] {
            let region = Growable {
                base,
                mapped: 0,
                limit: half,
                initial: 0,
                origin: Origin::Heap,
                touchable: None,
            };
            heap::push(&mut self.regions, region)?;
        }
        Ok(2 * half)
    }

    /// Places what the app's files take, at most `budget` bytes; gives how many.
    pub fn files<'a>(&mut self, budget: u64) -> Result<u64, AppError<'a>> {
        let limit = budget.min(space::FILES_LIMIT).next_multiple_of(PAGE);
        let region = Growable {
            base: space::FILES,
            mapped: 0,
            limit,
            initial: 0,
            origin: Origin::Files,
            touchable: None,
        };
        heap::push(&mut self.regions, region)?;
        Ok(limit)
    }

    /// The regions from an index on.
    pub fn since(&self, first: usize) -> &[Growable] {
        self.regions.get(first..).unwrap_or_default()
    }

    /// The same, to be changed.
    pub fn since_mut(&mut self, first: usize) -> &mut [Growable] {
        self.regions.get_mut(first..).unwrap_or_default()
    }

    fn memory<'a>(
        &mut self,
        index: usize,
        record: &MemoryRecord,
        budget: u64,
    ) -> Result<(), AppError<'a>> {
        let reservation = record.reservation.get();
        // `Meta::parse` has checked that the reservation holds the minimum.
        let initial = record.min_bytes().ok_or(AppError::Place(
            "a memory begins with more pages than an address space has",
        ))?;
        let base = if record.flags.get() & entity::CONSTANT_BASE != 0 {
            self.constant(record.base.get(), reservation)?
        } else {
            self.dynamic(reservation)?
        };
        let region = Growable {
            base,
            mapped: 0,
            limit: record.limit_bytes().min(budget.max(initial)),
            initial,
            origin: Origin::Memory(index),
            touchable: self.lazy.then_some(initial),
        };
        Ok(heap::push(&mut self.regions, region)?)
    }

    fn table<'a>(
        &mut self,
        index: usize,
        record: &TableRecord,
        budget: u64,
    ) -> Result<(), AppError<'a>> {
        let room = record.room().ok_or(AppError::Place(
            "a table begins with more elements than any loader provides",
        ))?;
        let initial = record.min.get() * 8;
        let limit = (room * 8).min(budget.max(initial));
        let region = Growable {
            base: self.dynamic(limit)?,
            mapped: 0,
            limit,
            initial,
            origin: Origin::Table(index),
            touchable: None,
        };
        Ok(heap::push(&mut self.regions, region)?)
    }

    /// Checks a constant base: above the stack, below the dynamic space, and the only one: code
    /// relies on faults in all of a memory's reservation, which is longer than half this space.
    fn constant<'a>(&mut self, base: u64, reservation: u64) -> Result<u64, AppError<'a>> {
        let end = base.checked_add(reservation);
        let inside = base >= space::STACK_TOP && end.is_some_and(|end| end <= space::DYNAMIC);
        if !inside || !base.is_multiple_of(PAGE) {
            return Err(AppError::Place(
                "the constant base of a memory is outside the part of the address space for it; \
                 build the object with the default --memory-base, or with `relocate`",
            ));
        }
        if self.constant {
            return Err(AppError::Place(
                "two memories have a constant base; build all objects but one with \
                 `--memory-base relocate`",
            ));
        }
        self.constant = true;
        Ok(base)
    }

    fn dynamic<'a>(&mut self, bytes: u64) -> Result<u64, AppError<'a>> {
        let base = self.next_dynamic;
        let end = bytes
            .checked_add(LARGE)
            .and_then(|bytes| base.checked_add(bytes)?.checked_next_multiple_of(LARGE))
            .filter(|&end| end <= space::DYNAMIC_END);
        self.next_dynamic = end.ok_or(AppError::Place(
            "memories and tables are larger than the address space",
        ))?;
        Ok(base)
    }
}
