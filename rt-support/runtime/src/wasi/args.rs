// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Arguments, environment, random numbers, and what little there is of processes.

use super::Call;
use super::memory::element;
use crate::errno::{Errno, Result};
use crate::platform::Platform;

/// A list of strings of the platform.
type List = fn(&dyn Platform, usize) -> Option<&[u8]>;

const ARGS: List = |platform, index| platform.arg(index);
const ENV: List = |platform, index| platform.env(index);

impl Call<'_> {
    pub(super) fn args_get(&mut self, pointers: u32, buffer: u32) -> Result<()> {
        self.strings(ARGS, pointers, buffer)
    }

    pub(super) fn args_sizes_get(&mut self, count: u32, size: u32) -> Result<()> {
        self.sizes(ARGS, count, size)
    }

    pub(super) fn environ_get(&mut self, pointers: u32, buffer: u32) -> Result<()> {
        self.strings(ENV, pointers, buffer)
    }

    pub(super) fn environ_sizes_get(&mut self, count: u32, size: u32) -> Result<()> {
        self.sizes(ENV, count, size)
    }

    /// Writes the strings, each with a zero byte, and pointers to them.
    fn strings(&mut self, list: List, pointers: u32, buffer: u32) -> Result<()> {
        let mut at = buffer;
        for index in 0.. {
            let Some(string) = list(self.platform, index as usize) else {
                break;
            };
            self.memory.write_u32(element(pointers, index, 4)?, at)?;
            self.memory.write(at, string)?;
            let end = at.checked_add(string.len() as u32).ok_or(Errno::FAULT)?;
            self.memory.write(end, &[0])?;
            at = end.checked_add(1).ok_or(Errno::FAULT)?;
        }
        Ok(())
    }

    fn sizes(&mut self, list: List, count: u32, size: u32) -> Result<()> {
        let (mut strings, mut bytes) = (0usize, 0usize);
        while let Some(string) = list(self.platform, strings) {
            strings += 1;
            bytes += string.len() + 1;
        }
        let word = |value: usize| u32::try_from(value).map_err(|_| Errno::OVERFLOW);
        self.memory.write_u32(count, word(strings)?)?;
        self.memory.write_u32(size, word(bytes)?)
    }

    pub(super) fn random_get(&mut self, buffer: u32, length: u32) -> Result<()> {
        self.platform
            .random(self.memory.bytes_mut((buffer, length))?)
    }

    /// Signals are not part of what this runtime offers (wasmtime says the same).
    pub(super) fn proc_raise(&mut self, _signal: u32) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    pub(super) fn sched_yield(&mut self) -> Result<()> {
        self.platform.yield_now();
        Ok(())
    }
}
