// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Earliest deadline first: what is due by any time fits until then.
//!
//! ```text
//! h(t) = blocking + sum over periodic j of (floor((t - deadline_j) / period_j) + 1) * cost_j
//!                 + sum over servers j of t * budget_j / period_j + (floor(t / period_j) + 1) * job
//!                 + sum over all j of ceil((t + jitter) / period_j) * interrupt
//! ```
//!
//! has to be at most `t` at every absolute deadline after a release of all at once (Baruah,
//! Rosier, Howell 1990), up to a length from which on the utilisation alone decides. QPA (Zhang,
//! Burns 2009) visits few of them: it goes backwards, and from `t` at once to `h(t)`, since
//! between these two nothing can be wrong.
//!
//! A server's deadlines can fall anywhere. Where there are servers, the times just after each step
//! of the sum are looked at as well.

use super::utilisation::WHOLE;
use super::{Entry, Refusal, Set, Steps, utilisation_ppb};
use wasm_aot_contract::Class;

pub(super) fn admit<'a>(set: &Set<'_, 'a>, steps: &mut Steps) -> Result<(), Refusal<'a>> {
    let undecided = Refusal::Undecided { name: None };
    match set.fits_processor() {
        Some(true) => {}
        Some(false) => {
            // However little too much it is, the message shows it.
            let utilisation_ppb = utilisation_ppb(set.overheads, set.tasks).max(1_000_000_001);
            return Err(Refusal::Overload { utilisation_ppb });
        }
        None => return Err(undecided),
    }
    let test = Test {
        set,
        shortest_server: set
            .timed()
            .filter(|task| task.parameters.class == Class::Server)
            .map(|task| task.parameters.period)
            .min(),
    };
    let Some(mut limit) = test.limit(steps) else {
        return Err(undecided);
    };
    loop {
        let Some(point) = test.point_before(limit, steps) else {
            return Err(undecided);
        };
        if point == 0 {
            return Ok(());
        }
        let Some(demand) = test.demand(point, steps) else {
            return Err(undecided);
        };
        if demand > point {
            return Err(Refusal::Demand {
                name: test.due_at(point).map_or("a server", |task| task.name),
                interval_ns: point,
                demand_ns: demand,
            });
        }
        limit = point.min(demand + 1);
    }
}

struct Test<'s, 't, 'a> {
    set: &'s Set<'t, 'a>,
    /// The shortest period of a server.
    shortest_server: Option<u64>,
}

impl<'t, 'a> Test<'_, 't, 'a> {
    /// A time from which on the demand fits, because the utilisation does. `None` where it takes
    /// too long to find.
    fn limit(&self, steps: &mut Steps) -> Option<u64> {
        let constant = self.constant()?;
        if constant == 0 {
            // At most the utilisation times the interval, everywhere.
            return Some(0);
        }
        let left = WHOLE.saturating_sub(self.set.utilisation().upper);
        if left > 0 {
            let limit = constant.checked_mul(WHOLE)?.div_ceil(left);
            if let Ok(limit) = u64::try_from(limit + 1) {
                return Some(limit);
            }
        }
        match self.shortest_server {
            None => self.busy_period(steps),
            Some(_) => None,
        }
    }

    /// How much the demand exceeds the utilisation times the interval at the most.
    fn constant(&self) -> Option<u128> {
        let overheads = self.set.overheads;
        let mut sum = u128::from(overheads.blocking_ns);
        for task in self.set.timed() {
            let task = &task.parameters;
            let early =
                u128::from(self.set.interrupt_jitter()) * u128::from(overheads.interrupt_ns);
            sum += u128::from(overheads.interrupt_ns) + early.div_ceil(task.period.into());
            sum += match task.class {
                Class::Periodic => {
                    let early = u128::from(task.period - task.deadline);
                    (early * u128::from(self.set.cost(task))).div_ceil(task.period.into())
                }
                // Of which a nanosecond is for rounding.
                _ => u128::from(overheads.job_ns) + 1,
            };
        }
        // All servers without overheads, or all deadlines at the periods: no constant but
        // rounding, which is nobody's work.
        let rounding = self
            .set
            .timed()
            .filter(|task| task.parameters.class == Class::Server)
            .count();
        Some(if sum == rounding as u128 { 0 } else { sum })
    }

    /// The time that the processor is busy for after a release of all: what comes then has been
    /// looked at.
    fn busy_period(&self, steps: &mut Steps) -> Option<u64> {
        let mut length = 1_u64;
        loop {
            let mut next = self.set.overheads.blocking_ns;
            next = next.checked_add(self.set.interrupts(length, steps)?)?;
            for task in self.set.timed() {
                steps.count()?;
                let jobs = length.div_ceil(task.parameters.period);
                let work = jobs.checked_mul(self.set.cost(&task.parameters))?;
                next = next.checked_add(work)?;
            }
            if next <= length {
                return length.checked_add(1);
            }
            length = next;
        }
    }

    /// What is due in an interval.
    fn demand(&self, length: u64, steps: &mut Steps) -> Option<u64> {
        let overheads = self.set.overheads;
        let mut sum = overheads
            .blocking_ns
            .checked_add(self.set.interrupts(length, steps)?)?;
        for task in self.set.timed() {
            steps.count()?;
            let task = &task.parameters;
            let work = match task.class {
                Class::Periodic => match length.checked_sub(task.deadline) {
                    Some(rest) => (rest / task.period + 1).checked_mul(self.set.cost(task))?,
                    None => 0,
                },
                _ => {
                    let share = u128::from(length) * u128::from(task.budget);
                    let share = u64::try_from(share.div_ceil(task.period.into())).ok()?;
                    let ends = length / task.period + 1;
                    share.checked_add(ends.checked_mul(overheads.job_ns)?)?
                }
            };
            sum = sum.checked_add(work)?;
        }
        Some(sum)
    }

    /// The last time before the limit that has to be looked at; 0 where there is none. `None`
    /// where there were too many.
    fn point_before(&self, limit: u64, steps: &mut Steps) -> Option<u64> {
        let last = |first: u64, period: u64| match limit.checked_sub(first + 1) {
            Some(rest) => first + rest / period * period,
            None => 0,
        };
        let mut point = 0;
        for task in self.set.timed() {
            steps.count()?;
            let task = &task.parameters;
            if task.class == Class::Periodic {
                point = point.max(last(task.deadline, task.period));
            }
            if let Some(shortest) = self.shortest_server {
                // Interrupts come earlier by their jitter, at most a period of them.
                let early = self.set.interrupt_jitter() % task.period;
                let step =
                    last(task.period + 1 - early, task.period).max(last(task.period, task.period));
                point = point.max(if step >= shortest { step } else { 0 });
                point = point.max(last(shortest, u64::MAX));
            }
        }
        Some(point)
    }

    /// A task that is due at that time: a periodic one, or else any server.
    fn due_at(&self, time: u64) -> Option<&'t Entry<'a>> {
        let due = |task: &&Entry<'_>| {
            let task = &task.parameters;
            let rest = time.checked_sub(task.deadline);
            task.class == Class::Periodic
                && rest.is_some_and(|rest| rest.is_multiple_of(task.period))
        };
        let server = |task: &&Entry<'_>| task.parameters.class == Class::Server;
        self.set
            .timed()
            .find(due)
            .or_else(|| self.set.timed().find(server))
    }
}
