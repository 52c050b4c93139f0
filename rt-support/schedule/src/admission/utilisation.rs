// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How much of the processor a set needs, between two bounds, and exactly where they leave it
//! open.

use super::{Entry, Overheads, Set};
use wasm_aot_contract::Class;

/// One, as a fixed-point share of the processor.
pub(super) const WHOLE: u128 = 1 << 64;

/// The share of the processor that a set needs, in units of 1 / [`WHOLE`]. It lies in between.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub lower: u128,
    pub upper: u128,
}

impl Set<'_, '_> {
    /// The share of all tasks, overheads included.
    pub(super) fn utilisation(&self) -> Bounds {
        let mut bounds = Bounds { lower: 0, upper: 0 };
        for task in self.timed() {
            let period = u128::from(task.parameters.period);
            // Below 2^44 * 2^64; at most TASKS_MAX of them fit.
            let need =
                u128::from(self.cost(&task.parameters) + self.overheads.interrupt_ns) * WHOLE;
            bounds.lower += need / period;
            bounds.upper += need.div_ceil(period);
        }
        bounds
    }

    /// Whether the share is at most one; `None` where that is too close to say.
    pub(super) fn fits_processor(&self) -> Option<bool> {
        let bounds = self.utilisation();
        if bounds.upper <= WHOLE {
            return Some(true);
        }
        if bounds.lower > WHOLE {
            return Some(false);
        }
        // Within 2^-52: by the least common multiple of the periods.
        let hyperperiod = self.timed().try_fold(1_u128, |multiple, task| {
            least_common_multiple(multiple, task.parameters.period.into())
        })?;
        let demand = self.timed().try_fold(0_u128, |sum, task| {
            let need = self.cost(&task.parameters) + self.overheads.interrupt_ns;
            let periods = hyperperiod / u128::from(task.parameters.period);
            sum.checked_add(periods.checked_mul(need.into())?)
        })?;
        Some(demand <= hyperperiod)
    }
}

fn least_common_multiple(a: u128, b: u128) -> Option<u128> {
    let (mut divisor, mut rest) = (a, b);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (a / divisor).checked_mul(b)
}

/// The share of the processor that the tasks need with the overheads, in thousand-millionths,
/// rounded to the nearest. Background tasks need nothing; times that fit nothing are left out.
#[must_use]
pub fn utilisation_ppb(overheads: &Overheads, tasks: &[Entry<'_>]) -> u64 {
    let per_period = u128::from(overheads.job_ns) + u128::from(overheads.interrupt_ns);
    let share = |task: &Entry<'_>| {
        let parameters = &task.parameters;
        if parameters.class == Class::Background || parameters.period == 0 {
            return 0;
        }
        // In units that are small enough for the sum of the rounding not to show.
        let need = (u128::from(parameters.budget) + per_period).min(u64::MAX.into());
        need * 1_000_000_000_000_000 / u128::from(parameters.period)
    };
    let sum = tasks.iter().map(share).fold(0_u128, u128::saturating_add);
    u64::try_from(sum.saturating_add(500_000) / 1_000_000).unwrap_or(u64::MAX)
}
