// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The root task's heap, for lists whose length an app or a script decides.
//!
//! It has a fixed size. Whoever makes a list asks with [`push`] or [`reserve`], and an app that
//! would need more than there is gets an error: nobody else suffers.

use alloc::vec::Vec;
use talc::locking::AssumeUnlockable;
use talc::{ClaimOnOom, Span, Talc, Talck};

/// Bytes of the heap: an instance takes about 4 KiB of it.
const SIZE: usize = 4 << 20;

static mut ARENA: [u8; SIZE] = [0; SIZE];

#[global_allocator]
static HEAP: Talck<AssumeUnlockable, ClaimOnOom> =
    // SAFETY: nobody else refers to the array, and there is one thread.
    Talc::new(unsafe { ClaimOnOom::new(Span::from_array((&raw const ARENA).cast_mut())) })
            .lock();

/// The heap is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Adds to a list.
pub fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), Full> {
    reserve(list, 1)?;
    list.push(item);
    Ok(())
}

/// Makes room in a list.
pub fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<(), Full> {
    list.try_reserve(more).map_err(|_| Full)
}

/// A list of this length.
pub fn filled<T: Clone>(length: usize, value: T) -> Result<Vec<T>, Full> {
    let mut list = Vec::new();
    list.try_reserve_exact(length).map_err(|_| Full)?;
    list.resize(length, value);
    Ok(list)
}
