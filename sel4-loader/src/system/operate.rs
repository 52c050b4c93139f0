// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What can be done to an app while the others run, and the console from which a person does it.
//!
//! The console is the first serial port of an image that no host listens to, while no app without a
//! contract has it as its standard input. A line is a command.

use super::{Managed, Phase, System};
use crate::Loader;
use crate::executive::AppId;
use crate::serial::CONSOLE;
use core::fmt;
use wasm_aot_contract::Class;

/// Exit codes of an app that was ended from outside, as of a process: 128 and the signal's number.
const KILLED: i32 = 137;
const TERMINATED: i32 = 143;

/// Why something cannot be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperateError {
    /// The image has no such app.
    Unknown,
    /// It is there already.
    Runs,
    /// It is not there.
    RunsNot,
    /// It was refused; why was said already.
    Refused,
    /// It is in no state in which that has a meaning.
    State,
    /// Only a periodic app can be replaced, and by one.
    NotPeriodic,
}

impl fmt::Display for OperateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the image has no app of this name",
            Self::Runs => "it runs already",
            Self::RunsNot => "it does not run",
            Self::Refused => "it was refused",
            Self::State => "it is in no state for that",
            Self::NotPeriodic => "only a periodic app can be replaced, by another periodic one",
        })
    }
}

type Operated = Result<(), OperateError>;

/// The commands, for people.
const HELP: &str = "\
ps                  what each app does\n\
report NAME         what became of it\n\
start NAME          load it and let it begin\n\
stop NAME           let it end when its job is done\n\
kill NAME           end it now\n\
suspend NAME        take its time away\n\
resume NAME         give it its time again\n\
restart NAME        end it now and load it again\n\
replace OLD NEW     load NEW, and let it have OLD's place at a release\n\
help                this\n";

impl System {
    fn number(&self, name: &str) -> Result<usize, OperateError> {
        let index = self
            .entries
            .iter()
            .position(|entry| entry.spec.name == name);
        index.ok_or(OperateError::Unknown)
    }

    fn place(&self, name: &str) -> Result<usize, OperateError> {
        let number = self.number(name)?;
        let is_it = |m: &Managed| usize::from(m.running.index) == number;
        let place = self.apps.iter().position(is_it);
        place.ok_or(OperateError::RunsNot)
    }

    /// Loads an app and lets it begin.
    pub fn start(&mut self, loader: &mut Loader, name: &str) -> Operated {
        let number = self.number(name)?;
        if self.place(name).is_ok() {
            return Err(OperateError::Runs);
        }
        self.entries[number].history.restart_at = None;
        if !self.load(loader, number) {
            return Err(OperateError::Refused);
        }
        self.start_last(loader);
        Ok(())
    }

    /// Lets an app end: a periodic one before its next release, any other now.
    pub fn stop(&mut self, loader: &mut Loader, name: &str) -> Operated {
        let place = self.place(name)?;
        let id = self.apps[place].running.id;
        // Whatever its next release is, it has none any more.
        if !loader.control.end_at(id, 0) {
            self.ended(loader, place, TERMINATED);
        }
        Ok(())
    }

    /// Ends an app now. It sends nothing any more.
    pub fn kill(&mut self, loader: &mut Loader, name: &str) -> Operated {
        let place = self.place(name)?;
        loader.control.stop(self.apps[place].running.id);
        self.entries[usize::from(self.apps[place].running.index)]
            .history
            .exits += 1;
        self.remove(loader, place, Some(KILLED));
        Ok(())
    }

    /// Takes an app's time away.
    pub fn suspend(&mut self, loader: &mut Loader, name: &str) -> Operated {
        let place = self.place(name)?;
        let done = loader.control.suspend(self.apps[place].running.id);
        done.then_some(()).ok_or(OperateError::State)
    }

    /// Gives an app its time again.
    pub fn resume(&mut self, loader: &mut Loader, name: &str) -> Operated {
        let place = self.place(name)?;
        let done = loader.control.resume(self.apps[place].running.id);
        done.then_some(()).ok_or(OperateError::State)
    }

    /// Ends an app and loads it again.
    pub fn reload(&mut self, loader: &mut Loader, name: &str) -> Operated {
        let place = self.place(name)?;
        self.remove(loader, place, None);
        self.start(loader, name)
    }

    /// Loads an app that has the place of another from a release on; until then that one goes on.
    pub fn replace(&mut self, loader: &mut Loader, old: &str, new: &str) -> Operated {
        let (before, number) = (self.place(old)?, self.number(new)?);
        if self.place(new).is_ok() {
            return Err(OperateError::Runs);
        }
        let periodic = |class| class == Class::Periodic;
        let successor = self.entries[number].contract.ok().flatten();
        let successor = successor.map(|contract| contract.class);
        let both = periodic(self.apps[before].contract.class) && successor.is_some_and(periodic);
        if !both {
            return Err(OperateError::NotPeriodic);
        }
        let id = self.apps[before].running.id;
        // The two never have jobs at the same time.
        self.replacing = Some(id);
        let loaded = self.load(loader, number);
        self.replacing = None;
        if !loaded {
            return Err(OperateError::Refused);
        }
        if let Some(managed) = self.apps.last_mut() {
            managed.replaces = Some(id);
        }
        self.start_last(loader);
        Ok(())
    }

    /// An app has its first release at `first`: the one that it replaces has no job whose deadline
    /// would be later.
    pub(super) fn hand_over(&mut self, loader: &Loader, old: AppId, first: u64) {
        let is_it = |managed: &&Managed| managed.running.id == old;
        let Some(managed) = self.apps.iter().find(is_it) else {
            // It has ended meanwhile.
            return;
        };
        let deadline = managed.contract.deadline_us * 1000;
        loader
            .control
            .end_at(old, (first + 1).saturating_sub(deadline));
    }

    /// Something has come over the serial port.
    pub(super) fn input(&mut self, loader: &mut Loader) {
        for managed in &mut self.apps {
            managed.running.input(loader);
        }
        self.operate(loader);
    }

    /// Does what has been typed at the console, where that is nobody's standard input.
    pub(super) fn operate(&mut self, loader: &mut Loader) {
        let has_contracts = self.entries.iter().any(|entry| !entry.is_batch());
        let taken = self.apps.iter().any(|managed| managed.running.is_batch);
        if loader.output.hosted || !has_contracts || taken {
            return;
        }
        self.is_operated = true;
        while loader.input.poll(loader.serial) {
            let mut line = [0; 256];
            let count = loader.input.take(&mut line);
            if count == 0 {
                continue;
            }
            let line = core::str::from_utf8(&line[..count]).unwrap_or("");
            self.command(loader, line.trim());
        }
    }

    fn command(&mut self, loader: &mut Loader, line: &str) {
        let mut words = line.split_whitespace();
        let words = [words.next(), words.next(), words.next(), words.next()];
        let done = match words {
            [None, ..] => return,
            [Some("help"), None, ..] => {
                CONSOLE.print(format_args!("{HELP}"));
                return;
            }
            [Some("ps"), None, ..] => {
                self.list(loader);
                return;
            }
            [Some("report"), Some(name), None, _] => self.place(name).map(|place| {
                self.send_report(loader, &self.apps[place]);
            }),
            [Some("start"), Some(name), None, _] => self.start(loader, name),
            [Some("stop"), Some(name), None, _] => self.stop(loader, name),
            [Some("kill"), Some(name), None, _] => self.kill(loader, name),
            [Some("suspend"), Some(name), None, _] => self.suspend(loader, name),
            [Some("resume"), Some(name), None, _] => self.resume(loader, name),
            [Some("restart"), Some(name), None, _] => self.reload(loader, name),
            [Some("replace"), Some(old), Some(new), None] => self.replace(loader, old, new),
            _ => {
                CONSOLE.print(format_args!(
                    "error: `{line}`: no such command; try `help`\n"
                ));
                return;
            }
        };
        match done {
            Ok(()) => CONSOLE.print(format_args!("{line}: done\n")),
            Err(error) => CONSOLE.print(format_args!("error: {line}: {error}\n")),
        }
    }

    fn list(&self, loader: &Loader) {
        for (index, entry) in self.entries.iter().enumerate() {
            let is_it = |m: &&Managed| usize::from(m.running.index) == index;
            let managed = self.apps.iter().find(is_it);
            let account = managed.and_then(|m| loader.control.account(m.running.id));
            let name = entry.spec.name;
            match (managed, account) {
                (Some(managed), Some(account)) => {
                    let class = managed.contract.class.name();
                    let counters = &account.counters;
                    let phase = match managed.phase {
                        Phase::Begun => "begun",
                        Phase::Jobs => "jobs",
                        Phase::Packing(_) => "ending",
                    };
                    CONSOLE.print(format_args!(
                        "{name}: {class}, {phase}, {}, {} releases, {} missed, {} overruns\n",
                        account.state.name(),
                        counters.releases,
                        counters.misses,
                        counters.overruns,
                    ));
                }
                _ => CONSOLE.print(format_args!("{name}: does not run\n")),
            }
        }
    }
}
