// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Examples out of the literature, the texts of refusals, hostile parameters, and the analyses
//! against slow ones that are plainly right.

mod slow;

use super::*;
use crate::task::Policy::{EarliestDeadline, FixedPriority};
use std::string::ToString;
use std::vec;
use std::vec::Vec;

const US: u64 = 1000;

fn task(name: &str, priority: u8, [period, deadline, budget]: [u64; 3]) -> Entry<'_> {
    Entry {
        name,
        parameters: Parameters {
            class: Class::Periodic,
            priority,
            period,
            deadline,
            budget,
            ..Parameters::BACKGROUND
        },
    }
}

fn server(name: &str, priority: u8, [period, budget]: [u64; 2]) -> Entry<'_> {
    let mut entry = task(name, priority, [period, period, budget]);
    entry.parameters.class = Class::Server;
    entry
}

fn responses(overheads: &Overheads, tasks: &[Entry<'_>]) -> Vec<Option<u64>> {
    let mut outcomes = vec![Outcome::default(); tasks.len()];
    let _ = admit(FixedPriority, overheads, tasks, &mut outcomes);
    outcomes.iter().map(|outcome| outcome.response_ns).collect()
}

/// Burns, Wellings, "Real-Time Systems and Programming Languages", task set C: responses 80, 15
/// and 5, a utilisation of one.
#[test]
fn responses_are_those_of_the_text_book() {
    let tasks = [
        task("a", 1, [80, 80, 40]),
        task("b", 2, [40, 40, 10]),
        task("c", 3, [20, 20, 5]),
    ];
    let expected = [Some(80), Some(15), Some(5)];
    assert_eq!(responses(&Overheads::NONE, &tasks), expected);
    let mut outcomes = [Outcome::default(); 3];
    assert_eq!(
        admit(FixedPriority, &Overheads::NONE, &tasks, &mut outcomes),
        Ok(())
    );
    assert_eq!(outcomes[1].slack_ns(), Some(25));
    assert_eq!(utilisation_ppb(&Overheads::NONE, &tasks), 1_000_000_000);
}

#[test]
fn overheads_are_part_of_the_response() {
    let tasks = [
        task("low", 1, [1000, 1000, 100]),
        task("high", 2, [200, 200, 50]),
    ];
    let overheads = Overheads {
        job_ns: 3,
        interrupt_ns: 2,
        blocking_ns: 7,
    };
    // high: 7 + 53 + 2 * 2. low: 7 + 103 + 53 + 2 * 2.
    assert_eq!(responses(&overheads, &tasks), [Some(167), Some(64)]);
}

/// Its budget at the end of a period and again at the beginning of the next: 20 and 20.
#[test]
fn a_deferrable_server_interferes_twice_in_a_row() {
    let tasks = [task("a", 1, [1000, 1000, 50]), server("s", 2, [100, 20])];
    assert_eq!(responses(&Overheads::NONE, &tasks), [Some(90), Some(20)]);
    let periodic = [tasks[0], task("p", 2, [100, 100, 20])];
    assert_eq!(responses(&Overheads::NONE, &periodic), [Some(70), Some(20)]);
}

#[test]
fn with_earliest_deadline_first_a_server_has_its_share_and_no_more() {
    let tasks = [
        task("a", 0, [1_000 * US, 1_000 * US, 500 * US]),
        Entry {
            name: "supervisor",
            parameters: Parameters::SUPERVISOR,
        },
    ];
    let mut outcomes = [Outcome::default(); 2];
    assert_eq!(
        admit(EarliestDeadline, &Overheads::NONE, &tasks, &mut outcomes),
        Ok(())
    );
    // A twentieth of what is due in a millisecond, and at most 32 us of rounding.
    let response = outcomes[0].response_ns.unwrap();
    assert!((550 * US..=582 * US).contains(&response), "{response}");
    assert_eq!(outcomes[1].response_ns, None);
}

#[test]
fn equal_priorities_wait_for_each_other() {
    let tasks = [task("a", 5, [100, 100, 30]), task("b", 5, [100, 100, 40])];
    assert_eq!(responses(&Overheads::NONE, &tasks), [Some(70), Some(70)]);
}

#[test]
fn background_tasks_need_and_get_nothing() {
    let background = Entry {
        name: "x",
        parameters: Parameters::BACKGROUND,
    };
    let tasks = [background, task("a", 1, [100, 100, 100])];
    assert_eq!(responses(&Overheads::NONE, &tasks), [None, Some(100)]);
    assert_eq!(
        admit(EarliestDeadline, &Overheads::NONE, &tasks, &mut []),
        Ok(())
    );
}

#[test]
fn refusals_say_which_task_and_by_how_much() {
    let tasks = [
        task("pump", 1, [10_000 * US, 10_000 * US, 5_000 * US]),
        task("valve", 2, [5_000 * US, 2_000 * US, 1_500 * US]),
        task("alarm", 3, [1_000 * US, 1_000 * US, 500 * US]),
    ];
    let refusal = admit(FixedPriority, &Overheads::NONE, &tasks, &mut []).unwrap_err();
    assert_eq!(refusal.excess_ns(), Some(1_000 * US));
    assert_eq!(
        refusal.to_string(),
        "valve can miss its deadline of 2000 us by 1000 us: its longest response is 3000 us"
    );
    let refusal = admit(EarliestDeadline, &Overheads::NONE, &tasks, &mut []).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the processor is too small: budgets and overheads need 130.0000000 %, 30.0000000 % more \
         than there is; lower budgets, or lengthen periods"
    );
    let refusal = admit(EarliestDeadline, &Overheads::NONE, &tasks[1..], &mut []).unwrap_err();
    let text = refusal.to_string();
    assert_eq!(refusal.excess_ns(), Some(500 * US), "{text}");
    assert_eq!(
        text,
        "valve can miss its deadline: in the 2000 us after all are released at once, 2500 us of \
         work are due, 500 us too much"
    );
    let endless = [task("a", 2, [10, 10, 10]), task("b", 1, [1_001, 1_001, 1])];
    let refusal = admit(FixedPriority, &Overheads::NONE, &endless, &mut []).unwrap_err();
    assert_eq!(refusal.excess_ns(), None);
    let text = refusal.to_string();
    assert!(
        text.starts_with("b can miss its deadline of 1.001 us: more urgent"),
        "{text}"
    );
}

#[test]
fn a_utilisation_of_exactly_one_is_decided_exactly() {
    let thirds = [
        task("a", 1, [3, 3, 1]),
        task("b", 1, [7, 7, 3]),
        task("c", 1, [21, 21, 5]),
    ];
    assert_eq!(
        admit(EarliestDeadline, &Overheads::NONE, &thirds, &mut []),
        Ok(())
    );
    let mut more = thirds;
    more[2].parameters.budget += 1;
    let refusal = admit(EarliestDeadline, &Overheads::NONE, &more, &mut []).unwrap_err();
    assert!(matches!(
        refusal,
        Refusal::Overload {
            utilisation_ppb: 1_047_619_048
        }
    ));
    // With a deadline before the period the demand has to be looked at, up to the end of the
    // busy period.
    let mut early = thirds;
    early[2].parameters.deadline = 20;
    let answer = admit(EarliestDeadline, &Overheads::NONE, &early, &mut []);
    assert_eq!(answer.is_ok(), slow::demand_fits(&early, 21 * 3));
}

#[test]
fn servers_may_have_the_whole_processor() {
    let servers = [
        server("a", 0, [30, 10]),
        server("b", 0, [70, 30]),
        server("c", 0, [210, 50]),
    ];
    assert_eq!(
        admit(EarliestDeadline, &Overheads::NONE, &servers, &mut []),
        Ok(())
    );
    let overheads = Overheads {
        blocking_ns: 1,
        ..Overheads::NONE
    };
    assert!(admit(EarliestDeadline, &overheads, &servers, &mut []).is_err());
}

#[test]
fn hostile_parameters_are_refused_in_bounded_time() {
    let hour = 3_600_000_000 * US;
    let all = |period: u64, budget: u64| task("x", 1, [period, period, budget]);
    let mut sets = vec![
        vec![all(u64::MAX, u64::MAX)],
        vec![all(TIME_MAX + 1, 1)],
        vec![all(0, 0)],
        vec![all(10, 1); TASKS_MAX + 1],
        vec![all(TIME_MAX, TIME_MAX); 64],
        vec![all(100 * US, 20 * US); 5],
        // Periods without common divisors, a utilisation within 2^-40 of one.
        vec![all(hour - 1, hour / 2), all(hour - 3, hour / 2 - 3)],
        vec![
            task("a", 2, [100_003, 100_003, 100_002]),
            task("b", 1, [hour, hour, hour / 200_000]),
        ],
    ];
    sets.push(
        (1..64)
            .map(|at| task("y", at, [hour - u64::from(at) * 7919, hour / 3, hour / 64]))
            .collect(),
    );
    for overheads in [
        Overheads::NONE,
        Overheads {
            job_ns: 1,
            interrupt_ns: 1,
            blocking_ns: 1,
        },
    ] {
        for set in &sets {
            for policy in [FixedPriority, EarliestDeadline] {
                let began = std::time::Instant::now();
                if let Err(refusal) = admit(policy, &overheads, set, &mut []) {
                    assert!(!refusal.to_string().is_empty());
                }
                assert!(began.elapsed().as_secs() < 5);
            }
        }
    }
    let long = Overheads {
        job_ns: u64::MAX,
        ..Overheads::NONE
    };
    let refusal = admit(FixedPriority, &long, &[all(10, 1)], &mut []).unwrap_err();
    assert!(
        refusal
            .to_string()
            .starts_with("an overhead is longer than")
    );
}

#[test]
fn undecided_sets_are_refused_for_that() {
    let long = 1 << 41;
    // The frequent task leaves two millionths, of which the others' work is done.
    let mut set = vec![
        task("low", 1, [long, long, 1_000]),
        task("frequent", 3, [1_000_000, 1_000_000, 999_998]),
        task("large", 2, [long, long, 2_000_000]),
    ];
    set.resize(60, task("small", 2, [long, long, 1]));
    let refusal = admit(FixedPriority, &Overheads::NONE, &set, &mut []).unwrap_err();
    assert_eq!(refusal, Refusal::Undecided { name: Some("low") });
    let text = refusal.to_string();
    assert!(
        text.starts_with("low cannot be decided in 4000000 steps"),
        "{text}"
    );
}

#[test]
fn priorities_go_by_deadlines_around_those_that_are_given() {
    let mut tasks = [
        task("slow", 0, [900, 900, 1]),
        task("fixed", 100, [500, 500, 1]),
        task("fast", 0, [100, 100, 1]),
        server("middle", 0, [500, 1]),
        Entry {
            name: "background",
            parameters: Parameters::BACKGROUND,
        },
    ];
    deadline_monotonic(&mut tasks);
    let priorities = tasks.map(|task| task.parameters.priority);
    assert_eq!(priorities, [98, 100, 255, 99, 0]);
    // No room below the one that is given: by deadlines alone.
    let mut tasks = [task("a", 1, [10, 10, 1]), task("b", 0, [20, 20, 1])];
    deadline_monotonic(&mut tasks);
    assert_eq!(tasks[1].parameters.priority, 255);
    let mut many = vec![task("x", 0, [10, 10, 1]); 300];
    deadline_monotonic(&mut many);
    assert_eq!(many[0].parameters.priority, 255);
    assert!(many[254..].iter().all(|task| task.parameters.priority == 1));
}
