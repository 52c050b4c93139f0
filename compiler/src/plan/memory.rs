// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where each linear memory is, how much address space it gets, and what keeps accesses inside.
//!
//! Guards suffice where index plus offset cannot leave the reservation and every length is a
//! whole number of host pages: memories indexed by 32 bits with pages of 64 KiB. All others are
//! compared with the length before each access, whatever the options say.

use crate::module::Module;
use crate::options::{Bounds, Options};
use wasm_aot_object::{GUARD_RESERVATION, MEMORY64_RESERVATION, WASM_PAGE, memory_grows_to};
use wasmparser::MemoryType;

/// The most bytes that any of these memories can ever have, if it is less than 4 GiB.
pub fn limit(memories: &[MemoryPlan]) -> Option<u64> {
    let most = memories.iter().map(MemoryPlan::never_above).max();
    most.filter(|&most| most > 0 && most < 1 << 32)
}

/// Where a memory begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    Constant(u64),
    Symbol,
}

/// A linear memory.
#[derive(Debug)]
pub struct MemoryPlan {
    pub imported: bool,
    pub base: Base,
    /// Indexed by 64 bits.
    pub index64: bool,
    pub shared: bool,
    pub page_size_log2: u32,
    /// No comparisons: what is outside faults.
    pub guarded: bool,
    /// Its length in bytes where that can never change.
    pub fixed_length: Option<u64>,
    pub min_pages: u64,
    /// What it may grow to, declared or by its index type.
    pub max_pages: u64,
    pub declared_max: bool,
    /// Address space claimed from the base on, in bytes; of an imported memory, what this
    /// module's code relies on.
    pub reservation: u64,
}

impl MemoryPlan {
    /// Bytes at the start. What 64 bits cannot say is refused by every loader.
    pub fn min_bytes(&self) -> u64 {
        saturating_bytes(self.min_pages, self.page_size_log2)
    }

    /// Bytes up to which it may grow.
    pub fn limit_bytes(&self) -> u64 {
        let most = saturating_bytes(self.max_pages, self.page_size_log2);
        memory_grows_to(self.min_bytes(), most, self.reservation, self.index64)
    }

    /// Bytes that it never exceeds, whoever grows it.
    pub fn never_above(&self) -> u64 {
        match self.imported {
            // By the rules of linking, it has a maximum and that is no higher.
            true => saturating_bytes(self.max_pages, self.page_size_log2),
            false => self.limit_bytes(),
        }
    }
}

fn saturating_bytes(pages: u64, page_size_log2: u32) -> u64 {
    pages.saturating_mul(1 << page_size_log2)
}

/// Plans all memories of the module.
pub fn memories(module: &Module<'_>, options: &Options) -> Vec<MemoryPlan> {
    let items = module.memories.iter().enumerate();
    items
        .map(|(index, item)| plan(index, item.import.is_some(), &item.ty, options))
        .collect()
}

fn plan(index: usize, imported: bool, ty: &MemoryType, options: &Options) -> MemoryPlan {
    let page_size_log2 = ty.page_size_log2.unwrap_or(WASM_PAGE.trailing_zeros());
    let index_limit = if ty.memory64 {
        u64::MAX
    } else {
        u32::MAX.into()
    };
    // 2^48 or 2^16 pages of 64 KiB, but 2^64 - 1 or 2^32 - 1 bytes.
    let max_pages = ty.maximum.unwrap_or(match page_size_log2 {
        0 => index_limit,
        log2 => (index_limit >> log2) + 1,
    });
    let host_pages = page_size_log2 == WASM_PAGE.trailing_zeros();
    let guarded = options.bounds == Bounds::Guard && host_pages && !ty.memory64;
    let (min, max) = (
        saturating_bytes(ty.initial, page_size_log2),
        saturating_bytes(max_pages, page_size_log2),
    );
    let base = match options.constant_base() {
        Some(base) if index == 0 && !imported && min <= GUARD_RESERVATION => Base::Constant(base),
        _ => Base::Symbol,
    };
    let room = match base {
        Base::Constant(_) => GUARD_RESERVATION,
        Base::Symbol => MEMORY64_RESERVATION,
    };
    let reservation = match (guarded, imported) {
        (true, _) => GUARD_RESERVATION,
        (false, true) => 0,
        (false, false) => max.min(room).max(min),
    };
    let fixed = !imported && ty.maximum == Some(ty.initial);
    MemoryPlan {
        imported,
        base,
        index64: ty.memory64,
        shared: ty.shared,
        page_size_log2,
        guarded,
        fixed_length: fixed.then_some(min),
        min_pages: ty.initial,
        max_pages,
        declared_max: ty.maximum.is_some(),
        reservation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(ty: MemoryType, bounds: Bounds) -> MemoryPlan {
        let options = Options {
            bounds,
            ..Options::default()
        };
        plan(0, false, &ty, &options)
    }

    const PLAIN: MemoryType = MemoryType {
        memory64: false,
        shared: false,
        initial: 1,
        maximum: None,
        page_size_log2: None,
    };

    #[test]
    fn only_what_a_guard_can_hold_is_left_to_it() {
        assert!(memory(PLAIN, Bounds::Guard).guarded);
        assert!(!memory(PLAIN, Bounds::Explicit).guarded);
        let wide = MemoryType {
            memory64: true,
            ..PLAIN
        };
        assert!(!memory(wide, Bounds::Guard).guarded);
        let bytes = MemoryType {
            page_size_log2: Some(0),
            ..PLAIN
        };
        assert!(!memory(bytes, Bounds::Guard).guarded);
    }

    #[test]
    fn limits_are_those_of_the_index_type() {
        assert_eq!(memory(PLAIN, Bounds::Guard).max_pages, 1 << 16);
        let wide = MemoryType {
            memory64: true,
            ..PLAIN
        };
        let plan = memory(wide, Bounds::Guard);
        assert_eq!(plan.max_pages, 1 << 48);
        assert_eq!(plan.limit_bytes(), GUARD_RESERVATION);
        let bytes = MemoryType {
            page_size_log2: Some(0),
            ..wide
        };
        assert_eq!(memory(bytes, Bounds::Guard).max_pages, u64::MAX);
    }

    #[test]
    fn a_minimum_that_nobody_can_provide_is_stated_not_wrapped() {
        let vast = MemoryType {
            memory64: true,
            initial: 1 << 48,
            ..PLAIN
        };
        let plan = memory(vast, Bounds::Guard);
        assert_eq!(plan.base, Base::Symbol);
        assert_eq!(plan.min_bytes(), u64::MAX);
        assert_eq!(plan.reservation, u64::MAX);
    }
}
