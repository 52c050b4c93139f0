// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The manager's work: which apps there are, when each begins and ends, and what is done when one
//! breaks its contract.
//!
//! Apps with a contract live beside each other; they are admitted only where the whole set keeps its
//! promises. Apps without one run in idle time, one after the other, in the order of the bundle.

use crate::Loader;
use crate::app::{self, AppError, Borrowed, End, OUTPUT_ROUND, Running};
use crate::executive::control::{Account, Why};
use crate::executive::{AppId, Event};
use crate::memory::{Account as Memory, Free};
use alloc::boxed::Box;
use alloc::vec::Vec;
use sel4_boot::bundle::{App, Bundle, app_flags};
use sel4_boot::frame::{Kind, NO_APP};
use wasm_aot_contract::{Class, Contract};
use wasm_aot_schedule::{Parameters, Reaction};
use wasm_aot_trap::EXIT_STATUS;

/// Exit code of an app that could not be run.
const NOT_RUN: i32 = 1;
/// Exit code of an app that was ended because it broke its contract.
const BROKEN: i32 = 1;

/// Where an app is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// It begins, or runs as long as it wants.
    Begun,
    /// It has its jobs.
    Jobs,
    /// It has ended with this code and sends its directories.
    Packing(i32),
}

/// An app that there is.
struct Managed {
    running: Running<'static>,
    phase: Phase,
    contract: Contract<'static>,
    taken: Taken,
}

/// What is to be given back when an app ends.
struct Taken {
    id: AppId,
    memory: Memory,
    borrowed: Borrowed,
    before: Free,
}

/// What is known of an entry of the bundle, whether the app is there or not.
#[derive(Clone, Copy, Default)]
struct History {
    traps: u64,
    restarts: u32,
    exits: u64,
    /// When it is to be loaded again.
    restart_at: Option<u64>,
}

/// All apps.
pub struct System {
    bundle: Bundle<'static>,
    specs: Vec<App<'static>>,
    histories: Vec<History>,
    apps: Vec<Box<Managed>>,
    /// The next app without a contract.
    next_batch: usize,
    ended: u32,
    leaks: u32,
}

impl System {
    /// Nothing runs yet.
    pub fn new(bundle: Bundle<'static>) -> Self {
        let specs: Vec<App<'static>> = bundle.apps().collect();
        let histories = specs.iter().map(|_| History::default()).collect();
        Self {
            bundle,
            specs,
            histories,
            apps: Vec::new(),
            next_batch: 0,
            ended: 0,
            leaks: 0,
        }
    }

    /// Runs everything to its end, or until the bundle's time is over.
    pub fn run(&mut self, loader: &mut Loader) {
        for index in 0..self.specs.len() {
            if self.contract(index).is_some() {
                self.load(loader, index);
            }
        }
        self.begin(loader);
        let end = self.end_time(loader);
        loop {
            self.next_of_batch(loader);
            let waiting = self.histories.iter().filter_map(|h| h.restart_at).min();
            if self.apps.is_empty() && waiting.is_none() {
                break;
            }
            let now = loader.clock.now();
            if end.is_some_and(|end| now >= end) {
                self.finish(loader);
                break;
            }
            let more = self.send_output(loader);
            let until = [end, waiting, more.then_some(0)]
                .into_iter()
                .flatten()
                .min();
            let event = loader.control.next(until);
            self.handle(loader, &event);
            self.restart_due(loader);
        }
        self.summary(loader);
    }

    /// The contract of an entry, where it has one.
    fn contract(&self, index: usize) -> Option<Contract<'static>> {
        let spec = self.specs.get(index)?;
        app::contract(spec)
    }

    fn end_time(&self, loader: &Loader) -> Option<u64> {
        match self.bundle.duration_us() {
            0 => None,
            duration => Some(
                loader
                    .clock
                    .now()
                    .saturating_add(duration.saturating_mul(1000)),
            ),
        }
    }

    /// Runs the next app without a contract, if none of them runs.
    fn next_of_batch(&mut self, loader: &mut Loader) {
        let busy = |managed: &Box<Managed>| managed.running.is_batch;
        while self.next_batch < self.specs.len() && !self.apps.iter().any(busy) {
            let index = self.next_batch;
            self.next_batch += 1;
            if self.contract(index).is_some() {
                continue;
            }
            if self.load(loader, index) {
                self.start_last(loader);
            }
        }
    }

    /// Makes an app; says whether there is one now, the last of the list.
    fn load(&mut self, loader: &mut Loader, index: usize) -> bool {
        let spec = self.specs[index];
        let contract = self.contract(index);
        match self.make(loader, index, &spec, contract) {
            Ok(managed) => {
                self.apps.push(managed);
                true
            }
            Err(error) => {
                let (name, number) = (spec.name, index as u16);
                let output = loader.output;
                output.text(Kind::Refused, number, format_args!("{name}: {error}"));
                output.exit(number, name, NOT_RUN);
                self.ended += 1;
                false
            }
        }
    }

    fn make(
        &mut self,
        loader: &mut Loader,
        index: usize,
        spec: &App<'static>,
        contract: Option<Contract<'static>>,
    ) -> Result<Box<Managed>, AppError<'static>> {
        crate::heap::reserve(&mut self.apps, 1)?;
        let before = loader.memory.free();
        let is_batch = contract.is_none();
        let contract = contract.unwrap_or_default();
        let drops = !is_batch && contract.output == wasm_aot_contract::Output::Drop;
        let limit = [spec.memory_limit, contract.memory_max_bytes];
        let limit = limit.into_iter().filter(|&bytes| bytes > 0).min();
        let memory = loader.memory.begin(limit.unwrap_or(u64::MAX));
        let memory = memory.map_err(|error| AppError::Memory("its account", error))?;
        let Some(id) = loader.control.add(parameters(&contract), drops) else {
            // Nothing was taken: there is nothing to go wrong.
            let _ = loader.memory.end(memory);
            return Err(AppError::TooMany);
        };
        if is_batch {
            let given = spec.flags & app_flags::INPUT != 0;
            loader.input.begin(given.then_some(spec.input));
        }
        let mut borrowed = Borrowed::default();
        let numbers = (index as u16, id);
        let made = app::compose(loader, spec, numbers, memory, &contract, &mut borrowed);
        let taken = Taken {
            id,
            memory,
            borrowed,
            before,
        };
        match made {
            Ok(mut running) => {
                running.is_batch = is_batch;
                let managed = Managed {
                    running,
                    phase: Phase::Begun,
                    contract,
                    taken,
                };
                Ok(Box::new(managed))
            }
            Err(error) => {
                self.take_back(loader, index, taken);
                Err(error)
            }
        }
    }

    /// Starts everything that has been loaded.
    fn begin(&mut self, loader: &mut Loader) {
        for managed in &self.apps {
            managed.running.start(loader);
        }
    }

    /// Starts the app that was loaded last.
    fn start_last(&mut self, loader: &mut Loader) {
        let Some(managed) = self.apps.last_mut() else {
            return;
        };
        if !managed.running.script {
            managed.running.start(loader);
            return;
        }
        let spec = self.specs[usize::from(managed.running.index)];
        let place = self.apps.len() - 1;
        let code = match self.apps[place].running.script(loader, &spec) {
            Ok(code) => code,
            Err(error) => {
                let (index, name) = (self.apps[place].running.index, spec.name);
                let text = format_args!("{name}: {error}");
                loader.output.text(Kind::Refused, index, text);
                NOT_RUN
            }
        };
        self.remove(loader, place, Some(code));
    }

    /// Sends what apps have written, a part of it; says whether there is more.
    fn send_output(&self, loader: &Loader) -> bool {
        let mut more = false;
        for managed in &self.apps {
            more |= loader.send_output(&managed.running, OUTPUT_ROUND);
        }
        more
    }

    /// Does what an event asks for.
    fn handle(&mut self, loader: &mut Loader, event: &Event) {
        let Some(id) = event.app() else {
            if matches!(event, Event::Serial) {
                for managed in &mut self.apps {
                    managed.running.input(loader);
                }
            }
            return;
        };
        let is_it = |managed: &Box<Managed>| managed.running.id == id;
        let Some(place) = self.apps.iter().position(is_it) else {
            return;
        };
        match *event {
            Event::Verdict { why, reaction, .. } => self.broken(loader, place, why, reaction),
            Event::JobsDone { .. } => self.ended(loader, place, 0),
            _ => {
                let managed = &mut self.apps[place];
                let end = managed.running.handle(loader, event);
                if let Some(end) = end {
                    self.end(loader, place, &end);
                }
            }
        }
    }

    /// An app has come to an end, or to the end of what it was to do.
    fn end(&mut self, loader: &mut Loader, place: usize, end: &End) {
        let managed = &mut self.apps[place];
        match (managed.phase, end) {
            (Phase::Packing(code), End::Returned) => self.remove(loader, place, Some(code)),
            (Phase::Packing(code), _) => {
                let text = format_args!("sel4-loader: the app's directories could not be read");
                loader.output.text(Kind::Log, managed.running.index, text);
                self.remove(loader, place, Some(code));
            }
            (Phase::Begun, End::Returned) => self.begun(loader, place),
            // The executive keeps the end of jobs to itself.
            (Phase::Jobs, End::Returned) => {}
            (_, End::Exit(code)) => self.ended(loader, place, *code),
            (_, End::Fault(..) | End::Trap(_)) => self.trapped(loader, place, end),
        }
    }

    /// An app has begun, and is to have its jobs: the first one at the next multiple of its period,
    /// so that whoever is loaded again keeps its phase.
    fn begun(&mut self, loader: &mut Loader, place: usize) {
        let managed = &mut self.apps[place];
        let contract = &managed.contract;
        let (period, offset) = (contract.period_us * 1000, contract.offset_us * 1000);
        let soon = loader.clock.now() + LEAD_NS;
        let periods = soon.saturating_sub(offset).div_ceil(period);
        managed.phase = Phase::Jobs;
        managed
            .running
            .jobs(loader, offset + periods * period, contract.jobs_max);
    }

    /// An app has trapped.
    fn trapped(&mut self, loader: &mut Loader, place: usize, end: &End) {
        let managed = &self.apps[place];
        let index = managed.running.index;
        while loader.send_output(&managed.running, OUTPUT_ROUND) {}
        let report = app::report(loader, &managed.running, end);
        loader
            .output
            .text(Kind::Trap, index, format_args!("{report}"));
        loader.peek.get_mut().close();
        let history = &mut self.histories[usize::from(index)];
        history.traps += 1;
        let reaction = match managed.phase {
            // What cannot even begin has nothing to go on with.
            Phase::Begun if managed.contract.on_trap != Reaction::Restart => Reaction::Stop,
            _ => managed.contract.on_trap,
        };
        match reaction {
            Reaction::Log | Reaction::Skip => loader.control.abort(managed.running.id),
            Reaction::Restart => self.restart(loader, place, EXIT_STATUS),
            Reaction::Stop => self.ended(loader, place, EXIT_STATUS),
        }
    }

    /// An app has broken its contract, and is stopped.
    fn broken(&mut self, loader: &mut Loader, place: usize, why: Why, reaction: Reaction) {
        let managed = &self.apps[place];
        let index = managed.running.index;
        let name = self.specs[usize::from(index)].name;
        let what = match why {
            Why::Miss => "has missed its deadline",
            Why::Overrun => "has used up its budget before its job was done",
        };
        let next = reaction.name();
        let text = format_args!("{name}: {what}: {next}");
        loader.output.text(Kind::Log, index, text);
        match reaction {
            Reaction::Restart => self.restart(loader, place, BROKEN),
            _ => self.ended(loader, place, BROKEN),
        }
    }

    /// An app is to be loaded again, after its back-off.
    fn restart(&mut self, loader: &mut Loader, place: usize, code: i32) {
        let managed = &self.apps[place];
        let index = usize::from(managed.running.index);
        let contract = managed.contract;
        let history = &mut self.histories[index];
        if contract.restarts_max > 0 && history.restarts >= contract.restarts_max {
            self.ended(loader, place, code);
            return;
        }
        let wait = contract.backoff_us(history.restarts).saturating_mul(1000);
        history.restarts += 1;
        history.restart_at = Some(loader.clock.now().saturating_add(wait));
        self.remove(loader, place, None);
    }

    /// Loads the apps again whose back-off is over.
    fn restart_due(&mut self, loader: &mut Loader) {
        let now = loader.clock.now();
        for index in 0..self.histories.len() {
            let due = self.histories[index].restart_at.is_some_and(|at| at <= now);
            if due {
                self.histories[index].restart_at = None;
                if self.load(loader, index) {
                    self.start_last(loader);
                }
            }
        }
    }

    /// An app ends with a code, perhaps after it has sent its directories.
    fn ended(&mut self, loader: &mut Loader, place: usize, code: i32) {
        let managed = &mut self.apps[place];
        self.histories[usize::from(managed.running.index)].exits += 1;
        while loader.send_output(&managed.running, OUTPUT_ROUND) {}
        if managed.running.packs {
            managed.phase = Phase::Packing(code);
            managed.running.pack(loader);
            return;
        }
        self.remove(loader, place, Some(code));
    }

    /// Takes an app apart; without a code it will be back.
    fn remove(&mut self, loader: &mut Loader, place: usize, code: Option<i32>) {
        let managed = self.apps.swap_remove(place);
        while loader.send_output(&managed.running, OUTPUT_ROUND) {}
        let index = managed.running.index;
        if !managed.running.is_batch && code.is_some() {
            self.report(loader, &managed);
        }
        self.take_back(loader, usize::from(index), managed.taken);
        if let Some(code) = code {
            let name = self.specs[usize::from(index)].name;
            loader.output.exit(index, name, code);
            self.ended += 1;
        }
    }

    /// Takes everything back that an app had.
    fn take_back(&mut self, loader: &mut Loader, index: usize, taken: Taken) {
        let before = taken.before;
        loader.peek.get_mut().close();
        loader.control.remove(taken.id);
        let returned = taken.borrowed.give_back();
        if let Some(usage) = loader.memory.usage(taken.memory) {
            let (name, bytes) = (self.specs[index].name, usage.high_water);
            let text = format_args!("sel4-loader: {name}: at most {bytes} bytes");
            loader.output.text(Kind::Log, index as u16, text);
        }
        let left = loader.memory.end(taken.memory);
        let after = loader.memory.free();
        let (name, number) = (self.specs[index].name, index as u16);
        let output = loader.output;
        let alone = self.apps.is_empty();
        match (returned, left) {
            (Ok(()), Ok(0)) if !alone => {}
            (Ok(()), Ok(0)) if before == after => {
                let text = format_args!("sel4-loader: {name}: {after}, as before");
                output.text(Kind::Log, number, text);
            }
            (Ok(()), Ok(occupied)) => {
                self.leaks += 1;
                let text = format_args!(
                    "sel4-loader: {name}: defect: {before} before, {after} after, {occupied} \
                     slots still occupied"
                );
                output.text(Kind::Log, number, text);
            }
            (Err(error), _) => {
                self.leaks += 1;
                let text = format_args!("sel4-loader: {name}: defect: {error}");
                output.text(Kind::Log, number, text);
            }
            (_, Err(error)) => {
                self.leaks += 1;
                let text = format_args!("sel4-loader: {name}: defect: {error}");
                output.text(Kind::Log, number, text);
            }
        }
    }

    /// The bundle's time is over: everything ends.
    fn finish(&mut self, loader: &mut Loader) {
        for managed in &self.apps {
            loader.control.stop(managed.running.id);
        }
        while !self.apps.is_empty() {
            self.remove(loader, 0, Some(0));
        }
    }

    fn summary(&self, loader: &Loader) {
        let free = loader.memory.free();
        let kept = if self.leaks == 0 {
            "nothing"
        } else {
            "something"
        };
        let count = self.ended;
        loader.output.text(
            Kind::Done,
            NO_APP,
            format_args!("sel4-loader: {count} apps have ended and kept {kept}; {free}"),
        );
    }

    /// Tells the host what an app has done.
    fn report(&self, loader: &Loader, managed: &Managed) {
        let Some(account) = loader.control.account(managed.running.id) else {
            return;
        };
        let index = managed.running.index;
        let history = self.histories[usize::from(index)];
        let Account { counters, .. } = account;
        let text = format_args!(
            "sel4-loader: {}: {} releases, {} done, {} skipped, {} missed, {} overruns, {} traps, \
             response {} ns, jitter {} ns, execution {} ns, cut {} ns (maxima)",
            self.specs[usize::from(index)].name,
            counters.releases,
            counters.completions,
            counters.skipped,
            counters.misses,
            counters.overruns,
            history.traps,
            counters.response.max_ns(),
            counters.jitter.max_ns(),
            counters.execution.max_ns(),
            counters.cut_lateness_max_ns,
        );
        loader.output.text(Kind::Log, index, text);
    }
}

/// Nanoseconds before the first release of an app that has begun.
const LEAD_NS: u64 = 100_000;

/// What an app's contract is for the state machine.
fn parameters(contract: &Contract<'_>) -> Parameters {
    if contract.class == Class::Background {
        return Parameters::BACKGROUND;
    }
    Parameters {
        class: contract.class,
        priority: contract.priority,
        period: contract.period_us * 1000,
        deadline: contract.deadline_us * 1000,
        budget: contract.budget_us * 1000,
        on_miss: contract.on_miss,
        on_overrun: contract.on_overrun,
        slack: contract.slack,
    }
}
