// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which calls code stands in the place of: for trap reports, where the compiler has put the body
//! of a function in the place of a call of it.
//!
//! Stretches of code name a call; calls form chains, from the innermost inlined call outwards.

use crate::FormatError;
use crate::meta::NONE;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A stretch of code that comes from an inlined body, in ascending order of `text_offset`.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct StretchRecord {
    /// First byte, from the start of `.text`.
    pub text_offset: U32,
    /// Bytes of code.
    pub text_size: U32,
    /// Index of the inlined call in the list of calls.
    pub call: U32,
}

/// A call whose place a body has taken.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct CallRecord {
    /// Byte offset of the call in the Wasm module.
    pub wasm_offset: U32,
    /// Index of the inlined call around it, below its own; [`NONE`] where there is none.
    pub outer: U32,
}

/// Both lists, checked.
#[derive(Clone, Copy, Debug)]
pub struct Inlined<'a> {
    stretches: &'a [StretchRecord],
    calls: &'a [CallRecord],
}

impl<'a> Inlined<'a> {
    /// Checks that the chains of calls are chains that end.
    pub(crate) fn new(
        stretches: &'a [StretchRecord],
        calls: &'a [CallRecord],
    ) -> Result<Self, FormatError> {
        let named = stretches.iter().map(|s| s.call.get() as usize);
        let outside = |(index, call): (usize, &CallRecord)| {
            let outer = call.outer.get();
            outer == NONE || (outer as usize) < index
        };
        let chains = calls.iter().enumerate().all(outside);
        let ordered = stretches.is_sorted_by_key(|s| s.text_offset.get());
        if !chains || !ordered || named.max().is_some_and(|call| call >= calls.len()) {
            return Err(FormatError::Invalid {
                what: "a list of inlined calls out of order",
            });
        }
        Ok(Self { stretches, calls })
    }

    /// The byte offsets in the Wasm module of the calls in whose places the code at this offset
    /// from the start of `.text` stands, innermost first.
    pub fn calls_at(&self, text_offset: u32) -> impl Iterator<Item = u32> + use<'a> {
        let calls = self.calls;
        let after = self
            .stretches
            .partition_point(|s| s.text_offset.get() <= text_offset);
        let stretch = after.checked_sub(1).and_then(|at| self.stretches.get(at));
        let stretch = stretch.filter(|s| text_offset - s.text_offset.get() < s.text_size.get());
        let find = move |index: u32| calls.get(usize::try_from(index).ok()?);
        let first = stretch.and_then(|stretch| find(stretch.call.get()));
        core::iter::successors(first, move |call| find(call.outer.get()))
            .map(|call| call.wasm_offset.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(text_offset: u32, text_size: u32, call: u32) -> StretchRecord {
        StretchRecord {
            text_offset: text_offset.into(),
            text_size: text_size.into(),
            call: call.into(),
        }
    }

    fn call(wasm_offset: u32, outer: u32) -> CallRecord {
        CallRecord {
            wasm_offset: wasm_offset.into(),
            outer: outer.into(),
        }
    }

    #[test]
    fn calls_come_innermost_first() {
        let stretches = [stretch(8, 4, 1), stretch(12, 2, 0)];
        let calls = [call(100, NONE), call(200, 0)];
        let inlined = Inlined::new(&stretches, &calls).unwrap();
        let at = |offset| inlined.calls_at(offset).collect::<alloc::vec::Vec<_>>();
        assert_eq!(at(7), []);
        assert_eq!(at(8), [200, 100]);
        assert_eq!(at(13), [100]);
        assert_eq!(at(14), []);
    }

    #[test]
    fn chains_that_do_not_end_are_refused() {
        assert!(Inlined::new(&[], &[call(1, 0)]).is_err());
        assert!(Inlined::new(&[], &[call(1, 1), call(1, NONE)]).is_err());
        assert!(Inlined::new(&[stretch(0, 1, 1)], &[call(1, NONE)]).is_err());
    }
}
