// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whose the kernel's untyped memory and capability slots are: many apps have some at once, come
//! and go in any order, and what they had comes back to the byte.
//!
//! | module | decides |
//! |---|---|
//! | [`pool`](Pool) | what an owner gets |
//! | `chunks` | how untypeds are halved and joined, and how all of an owner's come back |
//! | `account` | what one owner has |
//! | `buddy` | which untyped is used next |
//! | `slots` | which slots are used |
//!
//! The kernel is a [trait](Kernel) of four operations, so all of this runs on Linux as well,
//! against a model of the kernel (`tests`).
//!
//! # Memory
//!
//! An untyped is halved by retyping it into two untypeds; halves of which nothing is used are
//! joined by revoking what they were made of. Only an app's own chunks hold its objects, so
//! revoking those deletes all it has. Batches of objects get chunks that they fill; single small
//! objects of one app share chunks.
//!
//! The kernel clears an untyped before it makes the first object of it: all of it, if it came out
//! of the boot or was joined, as much as was used of it otherwise, and nothing where it is a fresh
//! half. So halves are joined only when somebody cannot be served otherwise; in
//! [`Free`] they count as joined all the time. What costs no clearing beyond what is asked for
//! goes first.
//!
//! # Refusals
//!
//! The kernel refuses nothing that is done here. If it does all the same, the caller gets an error,
//! what was made by then stays with its owner until its end, and what the kernel does not give
//! back stays out of use and is counted ([`Pool::lost`]).

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod account;
mod buddy;
mod chunks;
mod pool;
mod slots;

pub use account::{Account, Owner, Usage};
pub use pool::Pool;

use core::fmt;

/// What the kernel does for a pool. Slots are those of one CNode.
pub trait Kernel {
    /// A refusal.
    type Error;

    /// The type of untyped objects. Their size argument is log2 of their bytes.
    const UNTYPED: u64;

    /// Makes `count` objects out of the untyped in a slot; their capabilities go into `first` and
    /// the slots behind. All or nothing.
    ///
    /// # Errors
    /// Where the kernel refuses.
    fn retype(
        &mut self,
        untyped: u64,
        kind: u64,
        size: u64,
        first: u64,
        count: u64,
    ) -> Result<(), Self::Error>;

    /// Deletes everything that was made of what is in a slot.
    ///
    /// # Errors
    /// Where the kernel refuses.
    fn revoke(&mut self, slot: u64) -> Result<(), Self::Error>;

    /// Empties a slot. One that is empty is no error.
    ///
    /// # Errors
    /// Where the kernel refuses.
    fn delete(&mut self, slot: u64) -> Result<(), Self::Error>;

    /// Whether there is a capability in a slot.
    fn is_occupied(&mut self, slot: u64) -> bool;
}

/// A kind of object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// The kernel's number of the type.
    pub kind: u64,
    /// The size argument of the kernel's retype operation.
    pub size: u64,
    /// log2 of the bytes that an object takes, at most 63.
    pub bits: u8,
}

/// Why something cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error<E> {
    /// The app would exceed its limit.
    Limit {
        /// Bytes it may have.
        limit: u64,
    },
    /// No untyped has room.
    NoMemory {
        /// Bytes that are left, in pieces.
        free: u64,
    },
    /// There are not so many consecutive empty slots.
    NoSlots,
    /// The lists in which is noted what belongs to whom cannot grow.
    Full,
    /// The account has been closed.
    Closed,
    /// The kernel refused.
    Kernel(E),
}

impl<E> From<E> for Error<E> {
    fn from(error: E) -> Self {
        Self::Kernel(error)
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { limit } => write!(
                f,
                "it needs more than its memory limit of {limit} bytes; raise the limit"
            ),
            Self::NoMemory { free } => write!(
                f,
                "out of memory ({free} bytes are left); give the machine more"
            ),
            Self::NoSlots => f.write_str("the root task has no more capability slots"),
            Self::Full => f.write_str(
                "the root task's heap is full: it cannot note what belongs to whom; load fewer \
                 apps at once",
            ),
            Self::Closed => f.write_str("the app has been unloaded"),
            Self::Kernel(error) => error.fmt(f),
        }
    }
}

/// What is free, to be compared before and after an app.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Free {
    /// Empty slots, and those that joining free halves empties.
    pub slots: u64,
    /// Bytes of untyped memory.
    pub bytes: u64,
}

impl fmt::Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} slots and {} bytes free", self.slots, self.bytes)
    }
}

/// A list cannot grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

impl<E> Error<E> {
    /// For `map_err`.
    pub(crate) fn full(_: Full) -> Self {
        Self::Full
    }
}

/// Makes room in a list.
pub(crate) fn reserve<T>(list: &mut alloc::vec::Vec<T>, more: usize) -> Result<(), Full> {
    list.try_reserve(more).map_err(|_| Full)
}
