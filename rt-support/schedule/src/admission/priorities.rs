// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Priorities for tasks that have none: by their deadlines, shorter ones are more urgent, which
//! is optimal where all have the choice (Leung, Whitehead 1982).

use super::Entry;
use wasm_aot_contract::Class;

const LEVELS: usize = 256;

/// Gives each periodic task and each server with priority 0 one of 1 to 255: in the order of
/// their deadlines, equal ones by their place. Levels that other tasks were given are left out,
/// and a task comes below those that were given one and have a deadline that is not longer, where
/// there is room. More tasks than levels share the lowest.
pub fn deadline_monotonic(tasks: &mut [Entry<'_>]) {
    let mut taken = [false; LEVELS];
    taken[0] = true;
    for task in tasks
        .iter()
        .filter(|task| task.parameters.class != Class::Background)
    {
        taken[usize::from(task.parameters.priority)] = true;
    }
    let open = |task: &Entry<'_>| {
        task.parameters.class != Class::Background && task.parameters.priority == 0
    };
    let mut left = tasks.iter().filter(|task| open(task)).count();
    let mut below = LEVELS;
    while let Some(next) = (0..tasks.len())
        .filter(|&at| open(&tasks[at]))
        .min_by_key(|&at| tasks[at].parameters.deadline)
    {
        let deadline = tasks[next].parameters.deadline;
        let given = tasks
            .iter()
            .filter(|task| {
                task.parameters.class != Class::Background && task.parameters.priority != 0
            })
            .filter(|task| task.parameters.deadline <= deadline)
            .map(|task| usize::from(task.parameters.priority))
            .min()
            .unwrap_or(LEVELS);
        let free = |limit: usize| (1..limit).filter(|&level| !taken[level]);
        // As far down as the given ones ask for, if the rest finds room there.
        let limit = [below.min(given), below]
            .into_iter()
            .find(|&limit| free(limit).count() >= left)
            .unwrap_or(below);
        let level = free(limit).next_back().unwrap_or(1);
        tasks[next].parameters.priority = level as u8;
        taken[level] = true;
        below = level.max(2);
        left -= 1;
    }
}
