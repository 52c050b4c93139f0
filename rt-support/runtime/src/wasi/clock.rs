// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Clocks.

use super::Call;
use crate::errno::{Errno, Result};
use crate::platform::Clock;

/// The clock with a number.
pub(super) fn clock(number: u32) -> Result<Clock> {
    Ok(match number {
        0 => Clock::Realtime,
        1 => Clock::Monotonic,
        2 => Clock::ProcessCpu,
        3 => Clock::ThreadCpu,
        _ => return Err(Errno::INVAL),
    })
}

impl Call<'_> {
    pub(super) fn clock_res_get(&mut self, number: u32, result: u32) -> Result<()> {
        let resolution = self.platform.clock_resolution(clock(number)?)?;
        self.memory.write_u64(result, resolution)
    }

    pub(super) fn clock_time_get(
        &mut self,
        number: u32,
        _precision: u64,
        result: u32,
    ) -> Result<()> {
        let time = self.platform.clock_time(clock(number)?)?;
        self.memory.write_u64(result, time)
    }
}
