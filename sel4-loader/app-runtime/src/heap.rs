// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where the app's files are kept: a heap in a region of its own, which the root task makes
//! accessible piece by piece, as long as the app's memory limit allows.
//!
//! Only the file system allocates, and only in ways that can fail.

use crate::call;
use core::alloc::Layout;
use sel4_boot::space::{FILES, PAGE};
use talc::locking::AssumeUnlockable;
use talc::{OomHandler, Span, Talc, Talck};

/// The least that the heap grows by, so that it is not asked for page by page.
const STEP: u64 = 64 << 10;
/// The most that it grows by where less would do.
const LARGEST_STEP: u64 = 4 << 20;
/// Bytes that the allocator may need besides what was asked for: the lists that it keeps at the
/// start of a heap, and words around an allocation.
const OVERHEAD: u64 = 4096;

/// Asks the root task for memory.
struct Grow {
    /// Bytes from the start of the region that are accessible.
    bytes: u64,
    /// The part of them that the allocator uses.
    heap: Span,
}

impl OomHandler for Grow {
    fn handle_oom(talc: &mut Talc<Self>, layout: Layout) -> Result<(), ()> {
        let have = talc.oom_handler.bytes;
        let size = u64::try_from(layout.size()).map_err(drop)?;
        let least = size
            .checked_add(layout.align() as u64 + OVERHEAD)
            .and_then(|bytes| bytes.checked_next_multiple_of(PAGE))
            .ok_or(())?;
        // In proportion, so that large files are not made of many small growths.
        let more = least.max((have / 4).next_multiple_of(PAGE).clamp(STEP, LARGEST_STEP));
        let grown = [more, least]
            .into_iter()
            .find(|&bytes| call::grow(FILES + have, bytes));
        let bytes = have + grown.ok_or(())?;
        talc.oom_handler.bytes = bytes;
        let all = Span::new(FILES as *mut u8, (FILES + bytes) as *mut u8);
        let heap = talc.oom_handler.heap;
        // SAFETY: the root task has made all of it accessible, for the app's runtime alone; the
        // span that is extended is the one that claiming or extending gave last.
        talc.oom_handler.heap = unsafe {
            match heap.is_empty() {
                true => talc.claim(all)?,
                false => talc.extend(heap, all),
            }
        };
        Ok(())
    }
}

#[global_allocator]
static HEAP: Talck<AssumeUnlockable, Grow> = Talc::new(Grow {
    bytes: 0,
    heap: Span::empty(),
})
.lock();
