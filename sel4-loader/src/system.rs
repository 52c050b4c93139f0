// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The manager's work: which apps there are, when each begins and ends, and what is done when one
//! breaks its contract.
//!
//! Apps with a contract live beside each other; they are admitted only where the whole set keeps its
//! promises. Apps without one run in idle time, one after the other, in the order of the bundle.

use crate::Loader;
use crate::app::{self, AppError, End, OUTPUT_ROUND, Running, Taken};
use crate::calibrate;
use crate::executive::control::Why;
use crate::executive::{AppId, Event};
use crate::memory::Free;
use alloc::vec::Vec;
use sel4_boot::bundle::{App, Bundle, app_flags};
use sel4_boot::frame::{Kind, NO_APP};
use wasm_aot_contract::{Contract, ContractError};
use wasm_aot_schedule::Reaction;
use wasm_aot_schedule::report::{Report, Supervision};
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

mod admission;
mod operate;

/// An app that there is.
struct Managed {
    running: Running<'static>,
    phase: Phase,
    contract: Contract<'static>,
    taken: Taken,
    /// Whom it replaces when it has begun.
    replaces: Option<AppId>,
}

/// An entry of the bundle, and what is known of it whether the app is there or not.
struct Entry {
    spec: App<'static>,
    contract: Result<Option<Contract<'static>>, ContractError>,
    history: History,
}

impl Entry {
    /// It has no contract.
    fn is_batch(&self) -> bool {
        matches!(self.contract, Ok(None))
    }
}

#[derive(Clone, Copy, Default)]
struct History {
    traps: u64,
    restarts: u32,
    exits: u64,
    /// When it is to be loaded again, and the exit code with which it went.
    restart_at: Option<u64>,
    last_code: i32,
}

/// All apps.
pub struct System {
    duration_us: u64,
    entries: Vec<Entry>,
    apps: Vec<Managed>,
    /// The next app without a contract.
    next_batch: usize,
    ended: u32,
    leaks: u32,
    /// What was free when nothing was loaded.
    free: Option<Free>,
    /// Somebody at the console may start more.
    is_operated: bool,
    /// The app whose successor is being loaded.
    replacing: Option<AppId>,
}

impl System {
    /// Nothing runs yet.
    pub fn new(bundle: Bundle<'static>) -> Self {
        let entry = |spec: App<'static>| Entry {
            contract: app::contract(&spec),
            spec,
            history: History::default(),
        };
        Self {
            duration_us: bundle.duration_us(),
            entries: bundle.apps().map(entry).collect(),
            apps: Vec::new(),
            next_batch: 0,
            ended: 0,
            leaks: 0,
            free: None,
            is_operated: false,
            replacing: None,
        }
    }

    /// Runs everything to its end, or until the bundle's time is over.
    pub fn run(&mut self, loader: &mut Loader) {
        if self.entries.iter().any(|entry| !entry.is_batch()) {
            calibrate::measure(loader);
        }
        for index in 0..self.entries.len() {
            if !self.entries[index].is_batch() {
                self.load(loader, index);
            }
        }
        self.begin(loader);
        let end = self.end_time(loader);
        self.operate(loader);
        loop {
            self.next_of_batch(loader);
            let waiting = self
                .entries
                .iter()
                .filter_map(|e| e.history.restart_at)
                .min();
            if self.apps.is_empty() && waiting.is_none() && !self.is_operated {
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

    fn end_time(&self, loader: &Loader) -> Option<u64> {
        match self.duration_us {
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
        let busy = |managed: &Managed| managed.running.is_batch;
        while self.next_batch < self.entries.len() && !self.apps.iter().any(busy) {
            let index = self.next_batch;
            self.next_batch += 1;
            if !self.entries[index].is_batch() {
                continue;
            }
            if self.load(loader, index) {
                self.start_last(loader);
            }
        }
    }

    /// Makes an app; says whether there is one now, the last of the list.
    fn load(&mut self, loader: &mut Loader, index: usize) -> bool {
        let spec = self.entries[index].spec;
        match self.make(loader, index, &spec) {
            Ok(managed) => {
                self.apps.push(managed);
                self.assign_priorities(loader);
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
    ) -> Result<Managed, AppError<'static>> {
        let contract = self.entries[index].contract?;
        crate::heap::reserve(&mut self.apps, 1)?;
        if self.apps.is_empty() {
            self.free = Some(loader.memory.free());
        }
        let is_batch = contract.is_none();
        let contract = contract.unwrap_or_default();
        if !is_batch {
            self.admit(loader, spec.name, &contract)?;
        }
        let drops = !is_batch && contract.output == wasm_aot_contract::Output::Drop;
        let taken = Taken::new(loader, spec, &contract, drops)?;
        if is_batch {
            let given = spec.flags & app_flags::INPUT != 0;
            loader.input.begin(given.then_some(spec.input));
        }
        match app::compose(loader, spec, index as u16, taken, &contract) {
            Ok(mut running) => {
                running.is_batch = is_batch;
                Ok(Managed {
                    running,
                    phase: Phase::Begun,
                    contract,
                    taken,
                    replaces: None,
                })
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
        let spec = self.entries[usize::from(managed.running.index)].spec;
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
                self.input(loader);
            }
            return;
        };
        let is_it = |managed: &Managed| managed.running.id == id;
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
        let first = offset + periods * period;
        managed.phase = Phase::Jobs;
        managed.running.jobs(loader, first, contract.jobs_max);
        if let Some(old) = managed.replaces.take() {
            self.hand_over(loader, old, first);
        }
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
        let history = &mut self.entries[usize::from(index)].history;
        history.traps += 1;
        let reaction = match managed.phase {
            // What cannot even begin has nothing to go on with.
            Phase::Begun if managed.contract.on_trap != Reaction::Restart => Reaction::Stop,
            _ => managed.contract.on_trap,
        };
        match reaction {
            Reaction::Log | Reaction::Skip => {
                loader.output.continued(index);
                loader.control.abort(managed.running.id);
            }
            Reaction::Restart => self.restart(loader, place, EXIT_STATUS),
            Reaction::Stop => self.ended(loader, place, EXIT_STATUS),
        }
    }

    /// An app has broken its contract, and is stopped.
    fn broken(&mut self, loader: &mut Loader, place: usize, why: Why, reaction: Reaction) {
        let managed = &self.apps[place];
        let index = managed.running.index;
        let name = self.entries[usize::from(index)].spec.name;
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
        let history = &mut self.entries[index].history;
        if contract.restarts_max > 0 && history.restarts >= contract.restarts_max {
            self.ended(loader, place, code);
            return;
        }
        let wait = contract.backoff_us(history.restarts).saturating_mul(1000);
        history.restarts += 1;
        history.restart_at = Some(loader.clock.now().saturating_add(wait));
        history.last_code = code;
        loader.output.continued(index as u16);
        self.remove(loader, place, None);
    }

    /// Loads the apps again whose back-off is over.
    fn restart_due(&mut self, loader: &mut Loader) {
        let now = loader.clock.now();
        for index in 0..self.entries.len() {
            let due = self.entries[index]
                .history
                .restart_at
                .is_some_and(|at| at <= now);
            if due {
                self.entries[index].history.restart_at = None;
                if self.load(loader, index) {
                    self.start_last(loader);
                }
            }
        }
    }

    /// An app ends with a code, perhaps after it has sent its directories.
    fn ended(&mut self, loader: &mut Loader, place: usize, code: i32) {
        let managed = &mut self.apps[place];
        self.entries[usize::from(managed.running.index)]
            .history
            .exits += 1;
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
        if !managed.running.is_batch {
            self.send_report(loader, &managed);
        }
        self.take_back(loader, usize::from(index), managed.taken);
        if let Some(code) = code {
            let name = self.entries[usize::from(index)].spec.name;
            loader.output.exit(index, name, code);
            self.ended += 1;
        }
    }

    /// Takes everything back that an app had.
    fn take_back(&mut self, loader: &mut Loader, index: usize, taken: Taken) {
        if let Some(usage) = loader.memory.usage(taken.memory) {
            let (name, bytes) = (self.entries[index].spec.name, usage.high_water);
            let text = format_args!("sel4-loader: {name}: at most {bytes} bytes");
            loader.output.text(Kind::Log, index as u16, text);
        }
        let left = taken.give_back(loader);
        let after = loader.memory.free();
        let (name, number) = (self.entries[index].spec.name, index as u16);
        let output = loader.output;
        let alone = self.apps.is_empty();
        match left {
            Ok(0) if !alone => {}
            Ok(0) if self.free == Some(after) => {
                let text = format_args!("sel4-loader: {name}: {after}, as before");
                output.text(Kind::Log, number, text);
            }
            Ok(occupied) => {
                self.leaks += 1;
                let text = format_args!(
                    "sel4-loader: {name}: defect: {after}, which is not as before; {occupied} \
                     slots still occupied"
                );
                output.text(Kind::Log, number, text);
            }
            Err(error) => {
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
        // Those that were to be back have ended as they went.
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if entry.history.restart_at.take().is_some() {
                self.ended += 1;
                let code = entry.history.last_code;
                loader.output.exit(index as u16, entry.spec.name, code);
            }
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

    /// What an app was promised, and what became of it.
    fn report(&self, loader: &Loader, managed: &Managed) -> Option<Report> {
        let account = loader.control.account(managed.running.id)?;
        let index = managed.running.index;
        let history = self.entries[usize::from(index)].history;
        let usage = loader.memory.usage(managed.taken.memory)?;
        let supervision = Supervision {
            traps: history.traps,
            restarts: history.restarts.into(),
            exits: history.exits,
            dropped_output_bytes: account.dropped_bytes,
            memory_high_bytes: usage.high_water,
            memory_max_bytes: if usage.limit == u64::MAX {
                0
            } else {
                usage.limit
            },
            stack_high_bytes: managed.running.stack_high(loader),
            stack_bound_bytes: managed.running.stack_bound(),
        };
        let now = loader.clock.now();
        let (parameters, state) = (&account.parameters, account.state);
        let counters = &account.counters;
        Some(Report::new(
            index,
            now,
            parameters,
            state,
            counters,
            &supervision,
        ))
    }

    /// Tells the host, or whoever sits at the console, what an app has done.
    fn send_report(&self, loader: &Loader, managed: &Managed) {
        if let Some(report) = self.report(loader, managed) {
            let name = self.entries[usize::from(report.app())].spec.name;
            loader.output.report(name, &report);
        }
    }
}

/// Nanoseconds before the first release of an app that has begun.
const LEAD_NS: u64 = 100_000;
