// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A test of loading and unloading (`flags::CHURN`): ten thousand apps, or as many as the bundle's
//! duration allows, several at once, which end in any order and wherever they are, and what is free
//! afterwards. Says what loading takes.

use crate::Loader;
use crate::app::{self, AppError, Running, Taken, Times};
use crate::memory::Free;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::Arguments;
use sel4_boot::bundle::{App, Bundle};
use sel4_boot::frame::{Kind, NO_APP};
use wasm_aot_contract::Contract;

/// Apps in all, and at once.
const ROUNDS: u64 = 10_000;
const ALIVE: usize = 8;
/// The first ones, before the memory is looked at: what the root task keeps for itself it has then.
const WARM_UP: u64 = 16;
/// How long a new app has the processor before anything else happens.
const RUN_NS: u64 = 200_000;

/// An app that there is.
struct Loaded {
    running: Running<'static>,
    taken: Taken,
}

/// What loading the entries of the bundle took, each counted for itself.
#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    parts: Times,
    /// From the beginning to the thread's first instruction, of those that had one.
    first: u64,
    first_ns: u64,
    first_max_ns: u64,
    end_ns: u64,
}

/// Numbers that look random (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % end.max(1) as u64) as usize
    }
}

/// Loads and unloads the apps of the bundle; says what came of it.
pub fn run(loader: &mut Loader, bundle: &Bundle<'static>) {
    let apps: Vec<App<'static>> = bundle.apps().collect();
    let outcome = churn(loader, &apps, bundle.duration_us());
    let say = |text: Arguments<'_>| loader.output.text(Kind::Done, NO_APP, text);
    match outcome {
        Ok((rounds, before, after, left)) => {
            let kept = match before == after && left == 0 {
                true => "nothing",
                false => "something",
            };
            say(format_args!(
                "sel4-loader: {rounds} apps have ended and kept {kept}; {before} before, {after} \
                 after, {left} slots still occupied"
            ));
        }
        Err(error) => say(format_args!("sel4-loader: {error}")),
    }
}

fn churn(
    loader: &mut Loader,
    apps: &[App<'static>],
    duration_us: u64,
) -> Result<(u64, Free, Free, u64), AppError<'static>> {
    let mut random = Random(6);
    let mut sums = crate::heap::filled(apps.len(), Sum::default())?;
    let mut left = 0;
    for number in 0..WARM_UP {
        let index = number as usize % apps.len().max(1);
        let loaded = load(loader, apps, index, &mut sums)?;
        left += end(loader, *loaded, &mut sums[index])?;
    }
    sums.fill(Sum::default());
    // Every slot is looked at, unless the times are of interest.
    loader.memory.pool.set_thorough(duration_us == 0);
    loader.memory.pool.join_all();
    let before = loader.memory.free();
    let mut alive: [Option<Box<Loaded>>; ALIVE] = [const { None }; ALIVE];
    let mut begun = 0;
    let end_ns = match duration_us {
        0 => u64::MAX,
        duration => loader
            .clock
            .now()
            .saturating_add(duration.saturating_mul(1000)),
    };
    while begun < ROUNDS && loader.clock.now() < end_ns {
        let place = random.below(ALIVE);
        match alive[place].take() {
            Some(loaded) => {
                let index = usize::from(loaded.running.index);
                left += end(loader, *loaded, &mut sums[index])?;
            }
            None => {
                let index = random.below(apps.len());
                alive[place] = Some(load(loader, apps, index, &mut sums)?);
                begun += 1;
            }
        }
    }
    for loaded in alive.into_iter().flatten() {
        let index = usize::from(loaded.running.index);
        left += end(loader, *loaded, &mut sums[index])?;
    }
    // Really, not only by what is noted: whatever was halved is whole.
    loader.memory.pool.join_all();
    let after = loader.memory.free();
    for (app, sum) in apps.iter().zip(&sums) {
        report(loader, app.name, sum);
    }
    Ok((begun, before, after, left))
}

/// Loads an app, starts it and lets it run for a moment.
fn load(
    loader: &mut Loader,
    apps: &[App<'static>],
    index: usize,
    sums: &mut [Sum],
) -> Result<Box<Loaded>, AppError<'static>> {
    let app = apps.get(index).ok_or(AppError::Full)?;
    let begun = loader.clock.now();
    let contract = Contract::default();
    let taken = Taken::new(loader, app, &contract, true)?;
    let running = match app::compose(loader, app, index as u16, taken, &contract) {
        Ok(running) => running,
        Err(error) => {
            let _ = taken.give_back(loader);
            return Err(error);
        }
    };
    running.start(loader);
    // The manager sleeps: the app runs. Whatever it asks for meanwhile is not answered.
    let until = loader.clock.now() + RUN_NS;
    while loader.clock.now() < until {
        let _ = loader.control.next(Some(until));
    }
    let sum = &mut sums[index];
    sum.add(running.times());
    let account = loader.control.account(taken.id);
    if let Some(first) = account.map(|a| a.first_run_ns).filter(|&ns| ns > begun) {
        sum.first += 1;
        sum.first_ns += first - begun;
        sum.first_max_ns = sum.first_max_ns.max(first - begun);
    }
    Ok(Box::new(Loaded { running, taken }))
}

/// Unloads an app; gives how many of its slots were still occupied.
fn end(loader: &mut Loader, loaded: Loaded, sum: &mut Sum) -> Result<u64, AppError<'static>> {
    let begun = loader.clock.now();
    let left = loaded.taken.give_back(loader);
    let left = left.map_err(|error| AppError::Memory("its end", error))?;
    sum.end_ns += loader.clock.now().saturating_sub(begun);
    Ok(left)
}

impl Sum {
    fn add(&mut self, times: &Times) {
        self.count += 1;
        let parts = &mut self.parts;
        parts.parse_ns += times.parse_ns;
        parts.space_ns += times.space_ns;
        parts.copy_ns += times.copy_ns;
        parts.map_ns += times.map_ns;
        parts.thread_ns += times.thread_ns;
    }
}

/// Says what loading took on average.
fn report(loader: &Loader, name: &str, sum: &Sum) {
    let count = sum.count.max(1);
    let parts = sum.parts;
    let times = Times {
        parse_ns: parts.parse_ns / count,
        space_ns: parts.space_ns / count,
        copy_ns: parts.copy_ns / count,
        map_ns: parts.map_ns / count,
        thread_ns: parts.thread_ns / count,
    };
    let (first, most) = (
        sum.first_ns / sum.first.max(1) / 1000,
        sum.first_max_ns / 1000,
    );
    let (loads, end) = (sum.count, sum.end_ns / count / 1000);
    let text = format_args!(
        "sel4-loader: {name}: {loads} loads: {times}; first instruction after {first} us (at most \
         {most}); unloaded in {end} us"
    );
    loader.output.text(Kind::Log, NO_APP, text);
}
