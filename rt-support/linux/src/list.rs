// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! An array that grows, in memory of its own mapping.

use crate::map;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use rustix::io::{Errno, Result};

/// Bytes of the first mapping.
const FIRST: u64 = 16 << 10;

/// An array that grows. Its elements need no destructor.
#[derive(Debug)]
pub(crate) struct List<T> {
    /// 0 while nothing is mapped.
    address: u64,
    mapped: u64,
    length: usize,
    elements: PhantomData<T>,
}

impl<T> List<T> {
    const ELEMENT: u64 = {
        assert!(!core::mem::needs_drop::<T>());
        assert!(size_of::<T>() > 0 && align_of::<T>() <= map::PAGE as usize);
        size_of::<T>() as u64
    };

    /// Nothing yet; nothing is mapped.
    pub const fn new() -> Self {
        Self {
            address: 0,
            mapped: 0,
            length: 0,
            elements: PhantomData,
        }
    }

    fn pointer(&self) -> *mut T {
        if self.address == 0 {
            return core::ptr::dangling_mut();
        }
        core::ptr::with_exposed_provenance_mut(self.address as usize)
    }

    /// Adds an element.
    ///
    /// # Errors
    /// `NOMEM` where the system gives no memory.
    pub fn push(&mut self, element: T) -> Result<()> {
        let end = (self.length as u64 + 1).checked_mul(Self::ELEMENT);
        let end = end.ok_or(Errno::NOMEM)?;
        if end > self.mapped {
            self.grow(end)?;
        }
        // SAFETY: inside the mapping, behind the last element.
        unsafe { self.pointer().add(self.length).write(element) };
        self.length += 1;
        Ok(())
    }

    /// Adds an element in front of the one at `position`.
    ///
    /// # Errors
    /// `NOMEM` where the system gives no memory.
    pub fn insert(&mut self, position: usize, element: T) -> Result<()> {
        self.push(element)?;
        if let Some(tail) = self.get_mut(position..) {
            tail.rotate_right(1);
        }
        Ok(())
    }

    /// Forgets the elements from this position on; keeps the memory.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Forgets every element; keeps the memory.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    fn grow(&mut self, needed: u64) -> Result<()> {
        let bytes = (self.mapped * 2).max(needed).max(FIRST);
        let bytes = bytes.next_multiple_of(map::PAGE);
        let address = map::reserve(0, bytes)?;
        // SAFETY: it has just been reserved, and is large enough for the elements there are.
        unsafe {
            if let Err(errno) = map::commit(address, bytes) {
                map::release(address, bytes);
                return Err(errno);
            }
            let to: *mut T = core::ptr::with_exposed_provenance_mut(address as usize);
            to.copy_from_nonoverlapping(self.pointer(), self.length);
        }
        self.release();
        (self.address, self.mapped) = (address, bytes);
        Ok(())
    }

    fn release(&mut self) {
        if self.mapped > 0 {
            // SAFETY: the mapping is this list's, and no reference into it is in use.
            unsafe { map::release(self.address, self.mapped) };
        }
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: that many elements have been written.
        unsafe { core::slice::from_raw_parts(self.pointer(), self.length) }
    }
}

impl<T> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: that many elements have been written, and `self` is borrowed for good.
        unsafe { core::slice::from_raw_parts_mut(self.pointer(), self.length) }
    }
}

impl<T> Drop for List<T> {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_keeps_its_order() {
        let mut list = List::new();
        for number in 0..100_000u32 {
            list.push(number).unwrap();
        }
        assert!(list.iter().copied().eq(0..100_000));
        list.insert(0, 7).unwrap();
        list.insert(3, 8).unwrap();
        assert_eq!(list[..5], [7, 0, 1, 8, 2]);
        assert_eq!(list.len(), 100_002);
        list.clear();
        assert!(list.is_empty());
    }
}
