// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Random sets of tasks: 2 to 20 of them, periods of 1 to 100 ms, shares by UUniFast (Bini,
//! Buttazzo 2005), a third of the sets with servers, half of them with overheads.

use super::random::Random;
use wasm_aot_schedule::admission::{Entry, Overheads, deadline_monotonic};
use wasm_aot_schedule::{Class, Parameters};

/// Microseconds in nanoseconds.
pub const US: u64 = 1_000;
/// Milliseconds in nanoseconds.
pub const MS: u64 = 1_000_000;

/// Names of the tasks, by their places.
const NAMES: [&str; 20] = [
    "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10", "t11", "t12", "t13", "t14",
    "t15", "t16", "t17", "t18", "t19",
];

/// A set, and what the executive costs it.
#[derive(Debug)]
pub struct TaskSet {
    pub tasks: Vec<Entry<'static>>,
    pub overheads: Overheads,
}

impl TaskSet {
    pub fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let overheads = match random.once_in(2) {
            true => Overheads::NONE,
            false => Overheads {
                job_ns: random.between(US, 10 * US),
                interrupt_ns: random.between(US, 5 * US),
                blocking_ns: random.between(5 * US, 20 * US),
            },
        };
        let count = random.between(2, 20) as usize;
        let with_servers = random.once_in(3);
        let total = 0.5 + 0.55 * random.fraction();
        let tasks = shares(&mut random, count, total)
            .into_iter()
            .zip(NAMES)
            .map(|(share, name)| Entry {
                name,
                parameters: task(&mut random, share, with_servers),
            })
            .collect();
        let mut set = Self { tasks, overheads };
        match random.once_in(4) {
            true => set.random_priorities(&mut random),
            false => deadline_monotonic(&mut set.tasks),
        }
        set
    }

    /// Different ones, whatever the deadlines.
    fn random_priorities(&mut self, random: &mut Random) {
        let mut priorities: Vec<u8> = (1..=self.tasks.len() as u8).collect();
        for task in &mut self.tasks {
            let at = random.below(priorities.len() as u64) as usize;
            task.parameters.priority = priorities.swap_remove(at);
        }
    }

    /// Whether some of the tasks are servers.
    pub fn has_servers(&self) -> bool {
        let server = |task: &Entry<'_>| task.parameters.class == Class::Server;
        self.tasks.iter().any(server)
    }

    /// Whether the executive's own time counts.
    pub fn has_overheads(&self) -> bool {
        self.overheads != Overheads::NONE
    }
}

/// Shares of the processor that add up to `total`, all such equally likely.
fn shares(random: &mut Random, count: usize, total: f64) -> Vec<f64> {
    loop {
        let mut left = total;
        let mut shares = Vec::new();
        for rest in (1..count).rev() {
            let next = left * random.fraction().powf(1.0 / rest as f64);
            shares.push(left - next);
            left = next;
        }
        shares.push(left);
        if shares.iter().all(|&share| share < 0.95) {
            return shares;
        }
    }
}

fn task(random: &mut Random, share: f64, with_servers: bool) -> Parameters {
    let period_us = (1_000.0 * 100.0_f64.powf(random.fraction())) as u64 / 50 * 50;
    let period = period_us * US;
    let budget = ((period as f64 * share) as u64).max(US);
    let server = with_servers && random.once_in(4);
    let deadline = match server || random.once_in(2) {
        true => period,
        false => random.between(period - (period - budget) / 2, period),
    };
    Parameters {
        class: if server {
            Class::Server
        } else {
            Class::Periodic
        },
        period,
        deadline,
        budget,
        ..Parameters::BACKGROUND
    }
}
