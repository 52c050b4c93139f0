// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Why a set of tasks is refused, in sentences for whoever wrote the contracts.

use super::response::LONGEST;
use super::{STEPS_MAX, TASKS_MAX, TIME_MAX};
use core::fmt;

/// Why a set is refused. Times are in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal<'a> {
    /// A task's times do not fit each other, or are longer than [`TIME_MAX`].
    Invalid {
        /// Its name.
        name: &'a str,
    },
    /// An overhead is longer than [`TIME_MAX`].
    Overheads,
    /// More than [`TASKS_MAX`] tasks.
    TooMany {
        /// How many.
        tasks: usize,
    },
    /// All together need more than the whole processor.
    Overload {
        /// What they need, in thousand-millionths of the processor.
        utilisation_ppb: u64,
    },
    /// A task can be late, with fixed priorities.
    Late {
        /// Its name.
        name: &'a str,
        /// Its longest response; `None` where that is more than [`LONGEST`] deadlines.
        response_ns: Option<u64>,
        /// Its deadline.
        deadline_ns: u64,
    },
    /// More has to be done in an interval than fits, with earliest deadline first.
    Demand {
        /// A task that is due at its end.
        name: &'a str,
        /// The interval, from when all tasks are released at once.
        interval_ns: u64,
        /// What is due in it.
        demand_ns: u64,
    },
    /// The answer takes too long to compute.
    Undecided {
        /// The task that it was about; `None` for all together.
        name: Option<&'a str>,
    },
}

impl Refusal<'_> {
    /// By how much too late, or too much, in nanoseconds, where that is known.
    #[must_use]
    pub fn excess_ns(&self) -> Option<u64> {
        match *self {
            Refusal::Late {
                response_ns: Some(response),
                deadline_ns,
                ..
            } => response.checked_sub(deadline_ns),
            Refusal::Demand {
                interval_ns,
                demand_ns,
                ..
            } => demand_ns.checked_sub(interval_ns),
            _ => None,
        }
    }
}

/// Microseconds, with as many decimals as there are.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1000 {
            0 => write!(f, "{} us", self.0 / 1000),
            rest => write!(f, "{}.{rest:03} us", self.0 / 1000),
        }
    }
}

/// Hundredths of the processor, with as many decimals as the smallest share has.
struct Percent(u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:07} %", self.0 / 10_000_000, self.0 % 10_000_000)
    }
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Refusal::Invalid { name } => write!(
                f,
                "{name}: budget, deadline and period do not fit each other: 0 < budget <= deadline \
                 <= period <= {}",
                Micros(TIME_MAX)
            ),
            Refusal::Overheads => write!(f, "an overhead is longer than {}", Micros(TIME_MAX)),
            Refusal::TooMany { tasks } => {
                write!(f, "{tasks} tasks: the analysis takes {TASKS_MAX} at most")
            }
            Refusal::Overload { utilisation_ppb } => write!(
                f,
                "the processor is too small: budgets and overheads need {}, {} more than there is; \
                 lower budgets, or lengthen periods",
                Percent(utilisation_ppb),
                Percent(utilisation_ppb.saturating_sub(1_000_000_000))
            ),
            Refusal::Late {
                name,
                response_ns: Some(response),
                deadline_ns,
            } => write!(
                f,
                "{name} can miss its deadline of {} by {}: its longest response is {}",
                Micros(deadline_ns),
                Micros(response.saturating_sub(deadline_ns)),
                Micros(response)
            ),
            Refusal::Late {
                name,
                response_ns: None,
                deadline_ns,
            } => write!(
                f,
                "{name} can miss its deadline of {}: more urgent tasks may keep it waiting for more \
                 than {LONGEST} times as long",
                Micros(deadline_ns)
            ),
            Refusal::Demand {
                name,
                interval_ns,
                demand_ns,
            } => write!(
                f,
                "{name} can miss its deadline: in the {} after all are released at once, {} of \
                 work are due, {} too much",
                Micros(interval_ns),
                Micros(demand_ns),
                Micros(demand_ns.saturating_sub(interval_ns))
            ),
            Refusal::Undecided { name } => {
                let whose = name.unwrap_or("the set");
                write!(
                    f,
                    "{whose} cannot be decided in {STEPS_MAX} steps, and is refused for that: \
                     leave more of the processor unused, or choose periods that divide each other"
                )
            }
        }
    }
}

impl core::error::Error for Refusal<'_> {}
