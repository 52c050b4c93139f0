// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The analyses against slow ones that are plainly right, on small random sets.

use super::*;

/// xorshift64*.
fn random(state: &mut u64, limit: u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % limit
}

fn small_set(state: &mut u64) -> Vec<Entry<'static>> {
    let count = 1 + random(state, 4);
    let mut set: Vec<_> = (0..count)
        .map(|_| {
            let period = 4 + random(state, 12);
            let budget = 1 + random(state, (2 * period / count).min(period));
            let deadline = budget + random(state, period - budget + 1);
            task("x", 0, [period, deadline, budget])
        })
        .collect();
    deadline_monotonic(&mut set);
    set
}

/// Whether what is due fits, at every time.
pub fn demand_fits(tasks: &[Entry<'_>], until: u64) -> bool {
    (1..=until).all(|time| {
        let demand: u64 = tasks
            .iter()
            .map(|task| &task.parameters)
            .filter(|task| time >= task.deadline)
            .map(|task| ((time - task.deadline) / task.period + 1) * task.budget)
            .sum();
        demand <= time
    })
}

/// The response of a task to a release of all, nanosecond by nanosecond.
fn slow_response(tasks: &[Entry<'_>], place: usize) -> Option<u64> {
    let mut left: Vec<u64> = vec![0; tasks.len()];
    for now in 0..2_000 {
        for (task, left) in tasks.iter().zip(&mut left) {
            let parameters = &task.parameters;
            let first = now == 0 || parameters.priority > tasks[place].parameters.priority;
            if now % parameters.period == 0 && first {
                *left += parameters.budget;
            }
        }
        let busiest = (0..tasks.len())
            .filter(|&at| left[at] > 0)
            .max_by_key(|&at| tasks[at].parameters.priority);
        left[busiest?] -= 1;
        if left[place] == 0 {
            return Some(now + 1);
        }
    }
    None
}

#[test]
fn the_analyses_agree_with_slow_ones() {
    let mut state = 7;
    let (mut accepted, mut refused) = ([0; 2], [0; 2]);
    for _ in 0..3_000 {
        let set = small_set(&mut state);
        let slow: Vec<_> = (0..set.len())
            .map(|place| slow_response(&set, place))
            .collect();
        for (place, response) in responses(&Overheads::NONE, &set).into_iter().enumerate() {
            let longest = LONGEST * set[place].parameters.deadline;
            assert_eq!(
                response,
                slow[place].filter(|&time| time <= longest),
                "{set:?}"
            );
        }
        let hyperperiod = set.iter().fold(1, |multiple, task| {
            let period = task.parameters.period;
            (1..)
                .map(|times| times * period)
                .find(|n| n % multiple == 0)
                .unwrap()
        });
        let fits = demand_fits(&set, 2 * hyperperiod);
        let answer = admit(EarliestDeadline, &Overheads::NONE, &set, &mut []);
        assert_eq!(answer.is_ok(), fits, "{set:?}: {answer:?}");
        let fixed = admit(FixedPriority, &Overheads::NONE, &set, &mut []).is_ok();
        for (at, ok) in [(0, fixed), (1, fits)] {
            accepted[at] += usize::from(ok);
            refused[at] += usize::from(!ok);
        }
    }
    for count in accepted.iter().chain(&refused) {
        assert!(*count > 300, "accepted {accepted:?}, refused {refused:?}");
    }
}

/// The longest response with earliest deadline first, of any job, where the task is released
/// first at any offset and all others are at 0. Ties go to the others.
fn slow_latest(tasks: &[Entry<'_>], place: usize, hyperperiod: u64) -> u64 {
    let mut longest = 0;
    for offset in 0..tasks[place].parameters.period {
        // Released at, due at, work left; jobs of each task in their order.
        let mut jobs: Vec<Vec<[u64; 3]>> = vec![Vec::new(); tasks.len()];
        for now in 0..2 * hyperperiod + offset {
            for (at, task) in tasks.iter().enumerate() {
                let first = if at == place { offset } else { 0 };
                let Parameters {
                    period,
                    deadline,
                    budget,
                    ..
                } = task.parameters;
                if now >= first && (now - first) % period == 0 {
                    jobs[at].push([now, now + deadline, budget]);
                }
            }
            let next = (0..tasks.len())
                .filter(|&at| !jobs[at].is_empty())
                .min_by_key(|&at| (jobs[at][0][1], at == place));
            let Some(next) = next else {
                continue;
            };
            jobs[next][0][2] -= 1;
            if jobs[next][0][2] == 0 {
                let [released, ..] = jobs[next].remove(0);
                if next == place {
                    longest = longest.max(now + 1 - released);
                }
            }
        }
    }
    longest
}

#[test]
fn the_latest_jobs_are_as_late_as_slow_ones() {
    let mut state = 11;
    let mut compared = 0;
    while compared < 400 {
        let count = 2 + random(&mut state, 3);
        let set: Vec<_> = (0..count)
            .map(|_| {
                let period = [4, 5, 6, 8, 10, 12][random(&mut state, 6) as usize];
                let budget = 1 + random(&mut state, 2 * period / count);
                let budget = budget.min(period);
                let deadline = budget + random(&mut state, period - budget + 1);
                task("x", 0, [period, deadline, budget])
            })
            .collect();
        let mut outcomes = vec![Outcome::default(); set.len()];
        if admit(EarliestDeadline, &Overheads::NONE, &set, &mut outcomes).is_err() {
            continue;
        }
        for (place, outcome) in outcomes.iter().enumerate() {
            let slow = slow_latest(&set, place, 120);
            if set
                .iter()
                .map(|task| 120 / task.parameters.period * task.parameters.budget)
                .sum::<u64>()
                < 120
            {
                assert_eq!(outcome.response_ns, Some(slow), "{place} of {set:?}");
                compared += 1;
            } else {
                assert!(outcome.response_ns.is_none_or(|response| response >= slow));
            }
        }
    }
}
