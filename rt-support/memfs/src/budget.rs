// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a file system may take: every allocation is charged before it is used.

use wasm_aot_runtime::{Errno, Result};

/// Bytes that are taken, and the most that may be.
#[derive(Debug)]
pub(crate) struct Budget {
    used: u64,
    limit: u64,
}

impl Budget {
    pub fn new(limit: u64) -> Self {
        Self { used: 0, limit }
    }

    pub fn used(&self) -> u64 {
        self.used
    }

    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    pub fn take(&mut self, bytes: u64) -> Result<()> {
        if bytes > self.left() {
            return Err(Errno::NOSPC);
        }
        self.used += bytes;
        Ok(())
    }

    pub fn give(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }
}

/// What one structure has been charged. What it takes changes by jumps, when a list is moved to a
/// larger place; [`Charge::settle`] charges the difference.
#[derive(Debug, Default)]
pub(crate) struct Charge(u64);

impl Charge {
    /// Charges up to `bytes` in all, or gives back down to it.
    ///
    /// # Errors
    /// Where that is too much. What is charged is then as before, and whoever asked takes no more.
    pub fn settle(&mut self, budget: &mut Budget, bytes: usize) -> Result<()> {
        let bytes = bytes as u64;
        match bytes.checked_sub(self.0) {
            Some(more) => budget.take(more)?,
            None => budget.give(self.0 - bytes),
        }
        self.0 = bytes;
        Ok(())
    }

    /// Gives everything back.
    pub fn release(&mut self, budget: &mut Budget) {
        budget.give(self.0);
        self.0 = 0;
    }
}
