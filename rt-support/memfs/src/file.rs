// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The contents of a file: those of the archive, where nobody has changed them, and blocks.
//!
//! A block that was never written is a hole, which reads as zeroes and takes nothing. What an
//! archive brings is read where it lies; a write copies the blocks it touches.

use crate::budget::{Budget, Charge};
use alloc::vec::Vec;
use hashbrown::HashMap;
use wasm_aot_runtime::{Errno, Result};

/// Bytes of a block.
pub(crate) const BLOCK: u64 = 4096;

/// The largest size of a file: that of ext4 with blocks of 4 KiB.
pub(crate) const MAX_SIZE: u64 = 1 << 44;

#[derive(Debug, Default)]
pub(crate) struct File<'a> {
    /// What lies below the blocks, from the start of the file on; never longer than the file.
    base: &'a [u8],
    size: u64,
    /// Blocks by their number. Bytes behind the end of the file are zero.
    blocks: HashMap<u64, Vec<u8>>,
    charge: Charge,
}

/// The part of block `number` that `at..end` covers.
fn part(number: u64, at: u64, end: u64) -> core::ops::Range<usize> {
    let start = number * BLOCK;
    let from = at.max(start) - start;
    let to = end.min(start + BLOCK) - start;
    from as usize..to as usize
}

/// The numbers of the blocks that `at..end`, which is not empty, touches.
fn numbers(at: u64, end: u64) -> core::ops::Range<u64> {
    at / BLOCK..end.div_ceil(BLOCK)
}

impl<'a> File<'a> {
    /// A file with contents that stay where they are.
    pub fn from_archive(base: &'a [u8]) -> Self {
        Self {
            base,
            size: base.len() as u64,
            ..Self::default()
        }
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// The archive's bytes that are the file's contents, where that is all there is to it.
    pub fn unchanged(&self) -> Option<&'a [u8]> {
        (self.blocks.is_empty() && self.size == self.base.len() as u64).then_some(self.base)
    }

    /// Bytes of the archive below block `number`.
    fn below(&self, number: u64) -> &'a [u8] {
        let start = usize::try_from(number * BLOCK).unwrap_or(usize::MAX);
        let rest = self.base.get(start..).unwrap_or_default();
        &rest[..rest.len().min(BLOCK as usize)]
    }

    /// Reads from an offset on; 0 at the end.
    pub fn read(&self, at: u64, bytes: &mut [u8]) -> usize {
        let end = self.size.min(at.saturating_add(bytes.len() as u64));
        if at >= end {
            return 0;
        }
        let mut rest = &mut bytes[..(end - at) as usize];
        for number in numbers(at, end) {
            let part = part(number, at, end);
            let (now, later) = rest.split_at_mut(part.len());
            match self.blocks.get(&number) {
                Some(block) => now.copy_from_slice(&block[part]),
                None => {
                    let below = self.below(number).get(part.start..).unwrap_or_default();
                    let there = below.len().min(now.len());
                    now[..there].copy_from_slice(&below[..there]);
                    now[there..].fill(0);
                }
            }
            rest = later;
        }
        (end - at) as usize
    }

    /// Writes at an offset; gives how much there was room for.
    pub fn write(&mut self, at: u64, bytes: &[u8], budget: &mut Budget) -> Result<usize> {
        if at >= MAX_SIZE {
            return Err(Errno::FBIG);
        }
        let end = MAX_SIZE.min(at.saturating_add(bytes.len() as u64));
        let mut written = 0;
        for number in numbers(at, end) {
            let part = part(number, at, end);
            let block = match self.block(number, budget) {
                Ok(block) => block,
                Err(errno) if written == 0 => return Err(errno),
                Err(_) => break,
            };
            let length = part.len();
            block[part].copy_from_slice(&bytes[written..written + length]);
            written += length;
        }
        self.size = self.size.max(at + written as u64);
        Ok(written)
    }

    /// A block to write to, made where there is none.
    fn block(&mut self, number: u64, budget: &mut Budget) -> Result<&mut [u8]> {
        if !self.blocks.contains_key(&number) {
            let below = self.below(number);
            self.blocks.try_reserve(1).map_err(|_| Errno::NOSPC)?;
            let blocks = (self.blocks.len() + 1) * BLOCK as usize;
            let taken = self.blocks.allocation_size() + blocks;
            self.charge.settle(budget, taken)?;
            let mut block = Vec::new();
            if block.try_reserve_exact(BLOCK as usize).is_err() {
                self.recount(budget);
                return Err(Errno::NOSPC);
            }
            block.extend_from_slice(below);
            block.resize(BLOCK as usize, 0);
            self.blocks.insert(number, block);
        }
        let block = self.blocks.get_mut(&number);
        Ok(block.ok_or(Errno::IO)?)
    }

    /// Charges what there is, which is less than before.
    fn recount(&mut self, budget: &mut Budget) {
        if self.blocks.is_empty() {
            self.blocks = HashMap::new();
        }
        let blocks = self.blocks.len() * BLOCK as usize;
        // Less than before: it cannot be refused.
        let _ = self
            .charge
            .settle(budget, self.blocks.allocation_size() + blocks);
    }

    /// Changes the size; what is added is zero.
    pub fn resize(&mut self, size: u64, budget: &mut Budget) -> Result<()> {
        if size > MAX_SIZE {
            return Err(Errno::FBIG);
        }
        if size < self.size {
            let keep = usize::try_from(size).unwrap_or(usize::MAX);
            self.base = self.base.get(..keep).unwrap_or(self.base);
            let end = size.div_ceil(BLOCK);
            self.blocks.retain(|&number, _| number < end);
            let within = (size % BLOCK) as usize;
            if let Some(last) = self.blocks.get_mut(&(size / BLOCK)) {
                last[within..].fill(0);
            }
            self.recount(budget);
        }
        self.size = size;
        Ok(())
    }

    /// Makes every block of a range, and the file at least as long.
    pub fn allocate(&mut self, at: u64, length: u64, budget: &mut Budget) -> Result<()> {
        let end = at.checked_add(length).filter(|&end| end <= MAX_SIZE);
        let end = end.ok_or(Errno::FBIG)?;
        let count = numbers(at, end).end - numbers(at, end).start;
        // Those that are there already make it possible although there is less room.
        let there = self.blocks.len() as u64;
        if count.saturating_sub(there) > budget.left() / BLOCK {
            return Err(Errno::NOSPC);
        }
        for number in numbers(at, end) {
            self.block(number, budget)?;
        }
        self.size = self.size.max(end);
        Ok(())
    }

    /// Gives everything back.
    pub fn release(&mut self, budget: &mut Budget) {
        self.charge.release(budget);
        *self = Self::default();
    }
}
