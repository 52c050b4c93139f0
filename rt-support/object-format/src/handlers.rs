// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Exception handlers: which calls are inside a `try_table`, and where its catch clauses are.
//!
//! A table of 32-bit words in the object's read-only data: its length in words and the number of
//! its calls; for each call the offset of its return address from the start of `.text`,
//! ascending; for each call three words: the bytes from the caller's stack pointer up to its frame
//! pointer, the position of its first handler, the number of its handlers; then the handlers, two
//! words each: the tag as its index in the module, or [`ANY`], and the offset of the code from the
//! start of `.text`. The handlers of a call are tried in their order.

/// The tag of a handler for every exception.
pub const ANY: u32 = u32::MAX;

/// Words before the calls.
const HEADER: usize = 2;
/// Words of a call, after its return address.
const CALL: usize = 3;

/// A call inside a `try_table`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call<'a> {
    /// The caller's stack pointer is so many bytes below its frame pointer.
    pub frame_size: u32,
    handlers: &'a [[u32; 2]],
}

impl Call<'_> {
    /// The offset from the start of `.text` of the first handler that `matches`, which gets each
    /// handler's tag: its index in the module, `None` for a handler of every exception.
    pub fn handler(&self, mut matches: impl FnMut(Option<u32>) -> bool) -> Option<u32> {
        let mut handlers = self.handlers.iter();
        let found = handlers.find(|[tag, _]| matches((*tag != ANY).then_some(*tag)));
        found.map(|[_, code]| *code)
    }
}

/// A table of exception handlers.
#[derive(Clone, Copy, Debug)]
pub struct Handlers<'a> {
    words: &'a [u32],
}

impl<'a> Handlers<'a> {
    /// The length in words of a table that begins with `first`.
    #[must_use]
    pub fn length(first: u32) -> usize {
        first as usize
    }

    /// The table in these words.
    #[must_use]
    pub fn new(words: &'a [u32]) -> Self {
        Self { words }
    }

    /// The call that returns to this offset from the start of `.text`.
    #[must_use]
    pub fn lookup(&self, return_offset: u32) -> Option<Call<'a>> {
        let count = *self.words.get(1)? as usize;
        let offsets = self.words.get(HEADER..)?.get(..count)?;
        let position = offsets.binary_search(&return_offset).ok()?;
        let (calls, handlers) = self
            .words
            .get(HEADER + count..)?
            .split_at_checked(count.checked_mul(CALL)?)?;
        let &[frame_size, first, number] = calls.get(position * CALL..)?.first_chunk::<CALL>()?;
        let (handlers, _) = handlers.as_chunks::<2>();
        let handlers = handlers.get(first as usize..)?.get(..number as usize)?;
        Some(Call {
            frame_size,
            handlers,
        })
    }
}

/// Writing (feature `write`).
#[cfg(feature = "write")]
mod write {
    use super::HEADER;
    use alloc::vec::Vec;

    /// A call as it is written: offset of its return address, size of the caller's frame, and the
    /// handlers as tag and offset of the code.
    pub type CallEntry = (u32, u32, Vec<[u32; 2]>);

    /// The words of a table. The calls ascend strictly by their return address.
    #[must_use]
    pub fn handlers(calls: &[CallEntry]) -> Vec<u32> {
        let mut words = Vec::from([0, calls.len() as u32]);
        words.extend(calls.iter().map(|call| call.0));
        let mut first = 0;
        for (_, frame_size, handlers) in calls {
            let number = handlers.len() as u32;
            words.extend([*frame_size, first, number]);
            first += number;
        }
        debug_assert_eq!(words.len(), HEADER + calls.len() * 4);
        words.extend(calls.iter().flat_map(|call| call.2.iter().flatten()));
        words[0] = words.len() as u32;
        words
    }
}
#[cfg(feature = "write")]
pub use write::{CallEntry, handlers};

#[cfg(all(test, feature = "write"))]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_first_handler_that_matches_is_found() {
        let table = handlers(&[
            (8, 32, vec![[3, 100], [ANY, 104]]),
            (20, 64, vec![[3, 200]]),
        ]);
        assert_eq!(Handlers::length(table[0]), table.len());
        let table = Handlers::new(&table);
        let call = table.lookup(8).unwrap();
        assert_eq!(call.frame_size, 32);
        assert_eq!(call.handler(|tag| tag == Some(3)), Some(100));
        assert_eq!(call.handler(|tag| tag.is_none()), Some(104));
        assert_eq!(call.handler(|tag| tag == Some(4)), None);
        assert_eq!(table.lookup(20).unwrap().handler(|_| true), Some(200));
        assert!(table.lookup(9).is_none());
    }

    #[test]
    fn damage_never_panics() {
        let words = handlers(&[
            (8, 32, vec![[3, 100], [ANY, 104]]),
            (20, 64, vec![[3, 200]]),
        ]);
        for length in 0..words.len() {
            let _ = Handlers::new(&words[..length]).lookup(20);
        }
        for position in 0..words.len() {
            for value in [0, 1, 1 << 16, u32::MAX] {
                let mut damaged = words.clone();
                damaged[position] = value;
                let table = Handlers::new(&damaged);
                for offset in [8, 20] {
                    let call = table.lookup(offset);
                    let _ = call.and_then(|call| call.handler(|_| false));
                }
            }
        }
    }
}
