// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the manager asks the executive, and what it is told.
//!
//! The two threads share memory. A request lies in one cell; the manager calls, so it does not run
//! while the executive has it: the cell has one user at a time.

use super::Reaction;
use super::interrupts::Trigger;
use super::services::MOST_WORDS;
use crate::memory::{Memory, MemoryError};
use core::cell::UnsafeCell;
use sel4::{sys, syscall};
use wasm_aot_schedule::{Counters, Parameters, Policy};

/// The kernel's priority of apps, between the executive's and the manager's.
pub const APP_PRIORITY: u8 = 100;

/// The badge of the manager's capability.
pub const MANAGER_BADGE: u64 = 1;
/// The badge of an app's capability: its slot above, what it is for below.
pub const SERVICE_MARK: u64 = 0;
pub const FAULT_MARK: u64 = 1;

/// The badge of a capability of an app.
pub const fn app_badge(index: u16, mark: u64) -> u64 {
    (index as u64 + 1) << 1 | mark
}

/// An app, as both threads call it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AppId {
    pub index: u16,
    /// A slot may have had another app before.
    pub generation: u32,
}

/// Which promise was broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    Miss,
    Overrun,
}

/// What an app's thread begins for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To run as long as it wants.
    Run,
    /// For something that it says the end of.
    Call,
    /// To send its directories, and say so.
    Pack,
}

/// What the manager is told.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// An app calls: the service's label, and the first registers. It waits for the answer with
    /// this number.
    Call {
        app: AppId,
        label: u64,
        registers: [u64; 4],
        call: u32,
    },
    /// What an app was to do is done.
    Returned { app: AppId },
    /// An app has faulted: the kernel's label and registers.
    Fault {
        app: AppId,
        label: u64,
        registers: [u64; 4],
    },
    /// An app has broken its contract in a way that the contract says to act upon. It is stopped.
    Verdict {
        app: AppId,
        why: Why,
        reaction: Reaction,
    },
    /// An app has done all its jobs, or was to have no more. It is stopped.
    JobsDone { app: AppId },
    /// There is something in a ring.
    Output,
    /// The serial port has received something.
    Serial,
    /// The moment that the manager waits for has come.
    Time,
}

/// An answer to an app.
pub struct Reply {
    words: [u64; MOST_WORDS],
    count: usize,
}

impl Event {
    /// Which app it is about.
    pub fn app(&self) -> Option<AppId> {
        match *self {
            Self::Call { app, .. }
            | Self::Returned { app }
            | Self::Fault { app, .. }
            | Self::Verdict { app, .. }
            | Self::JobsDone { app } => Some(app),
            Self::Output | Self::Serial | Self::Time => None,
        }
    }
}

impl Reply {
    /// Its words.
    pub fn words(&self) -> &[u64] {
        &self.words[..self.count]
    }

    pub fn new(words: &[u64]) -> Self {
        let count = words.len().min(MOST_WORDS);
        let mut reply = Self {
            words: [0; MOST_WORDS],
            count,
        };
        reply.words[..count].copy_from_slice(&words[..count]);
        reply
    }
}

/// What an app has done.
#[derive(Clone, Copy)]
pub struct Account {
    pub parameters: Parameters,
    pub state: wasm_aot_schedule::State,
    pub counters: Counters,
    pub dropped_bytes: u64,
    pub first_run_ns: u64,
}

/// What the manager asks.
pub enum Request {
    /// Nothing.
    None,
    /// A slot for an app with these parameters; whether what it writes may be dropped.
    Add(Parameters, bool),
    Remove(AppId),
    /// The app's thread, which begins here: in idle time or as a server.
    Enter(AppId, u64, sys::seL4_UserContext, Purpose),
    /// Jobs begin here; the first one is released then; so many of them.
    Jobs(AppId, sys::seL4_UserContext, u64, u64),
    Reply(AppId, u32, Reply),
    /// Its ring has room again.
    Room(AppId),
    /// What it has faulted at is mended: it does that again.
    GoOn(AppId),
    /// The job is given up; the next release comes.
    Abort(AppId),
    Stop(AppId),
    Suspend(AppId),
    Resume(AppId),
    /// No release from then on.
    EndAt(AppId, u64),
    /// Its priority, or that of the manager.
    Priority(Option<AppId>, u8),
    Account(AppId),
    /// The policy, and what the end of a sleep costs, in nanoseconds.
    Policy(Policy, u64),
    /// The interrupt of a device that is granted.
    Line(usize, super::Interrupt),
    /// It is an app's, as that of its device with this number.
    Bind(AppId, usize, u64),
    /// The next event, until a moment.
    Next(Option<u64>),
}

/// What the executive answers.
pub enum Answer {
    Done,
    /// There is no such app, or no slot.
    Refused,
    Slot(AppId),
    /// It is in a cell of its own: it is far larger than the rest.
    Account,
    Event(Event),
}

/// The cell.
pub struct Exchange {
    request: UnsafeCell<Request>,
    answer: UnsafeCell<Answer>,
    account: UnsafeCell<Option<Account>>,
}
// SAFETY: the manager uses it while it runs, the executive while the manager waits in a call.
unsafe impl Sync for Exchange {}

pub static EXCHANGE: Exchange = Exchange {
    request: UnsafeCell::new(Request::None),
    answer: UnsafeCell::new(Answer::Done),
    account: UnsafeCell::new(None),
};

impl Exchange {
    /// The executive takes what the manager asks, which waits.
    pub fn take(&self) -> Request {
        // SAFETY: the manager waits in its call.
        unsafe { core::mem::replace(&mut *self.request.get(), Request::None) }
    }

    /// The executive answers the manager, which waits.
    pub fn answer(&self, answer: Answer) {
        // SAFETY: as above.
        unsafe { *self.answer.get() = answer };
    }

    /// The executive says what an app has done, to the manager, which waits.
    pub fn account(&self, account: Account) -> Answer {
        // SAFETY: as above.
        unsafe { *self.account.get() = Some(account) };
        Answer::Account
    }

    /// The executive tells the manager, which waits, what has happened.
    pub fn tell(&self, event: Event) {
        self.answer(Answer::Event(event));
    }
}

/// The manager's way to the executive.
pub struct Control {
    pub(super) cap: u64,
    /// What interrupts signal.
    pub(super) notification: u64,
}

/// What the executive has taken of the machine.
pub struct Taken {
    /// The serial port's interrupt.
    pub serial: super::Interrupt,
    /// What its timer is, and the pin of that.
    pub timer: &'static str,
    pub timer_pin: u64,
}

impl Control {
    fn ask(&self, request: Request) -> Answer {
        // SAFETY: the executive looks at the cells only between this thread's call and the answer.
        unsafe {
            *EXCHANGE.request.get() = request;
            let _ = syscall::call(self.cap, 0, &[]);
            core::mem::replace(&mut *EXCHANGE.answer.get(), Answer::Done)
        }
    }

    fn done(&self, request: Request) -> bool {
        matches!(self.ask(request), Answer::Done)
    }

    /// A slot for an app that is being made; `None` where all are taken.
    pub fn add(&self, parameters: Parameters, drops: bool) -> Option<AppId> {
        match self.ask(Request::Add(parameters, drops)) {
            Answer::Slot(app) => Some(app),
            _ => None,
        }
    }

    /// Forgets an app: its thread does not run any more, and its slot is free.
    pub fn remove(&self, app: AppId) {
        self.done(Request::Remove(app));
    }

    /// Lets the app's thread begin.
    pub fn enter(&self, app: AppId, tcb: u64, registers: sys::seL4_UserContext, purpose: Purpose) {
        self.done(Request::Enter(app, tcb, registers, purpose));
    }

    /// Lets a periodic app have its jobs, at most so many; 0 for no end.
    pub fn jobs(&self, app: AppId, registers: sys::seL4_UserContext, first_ns: u64, most: u64) {
        self.done(Request::Jobs(app, registers, first_ns, most));
    }

    /// Answers a call.
    pub fn reply(&self, app: AppId, call: u32, words: &[u64]) {
        self.done(Request::Reply(app, call, Reply::new(words)));
    }

    /// Says that there is room in the app's ring.
    pub fn room(&self, app: AppId) {
        self.done(Request::Room(app));
    }

    /// Lets an app go on that has faulted, where it did.
    pub fn go_on(&self, app: AppId) {
        self.done(Request::GoOn(app));
    }

    /// Gives the present job up.
    pub fn abort(&self, app: AppId) {
        self.done(Request::Abort(app));
    }

    /// Stops it for good.
    pub fn stop(&self, app: AppId) {
        self.done(Request::Stop(app));
    }

    /// Takes its time away until [`Control::resume`]; says whether it had any.
    pub fn suspend(&self, app: AppId) -> bool {
        self.done(Request::Suspend(app))
    }

    /// Gives it its time again.
    pub fn resume(&self, app: AppId) -> bool {
        self.done(Request::Resume(app))
    }

    /// Gives an app's releases, or the manager, another priority.
    pub fn priority(&self, app: Option<AppId>, priority: u8) {
        self.done(Request::Priority(app, priority));
    }

    /// Lets a periodic app have no release from then on; says whether it has any.
    pub fn end_at(&self, app: AppId, time_ns: u64) -> bool {
        self.done(Request::EndAt(app, time_ns))
    }

    /// What it has done.
    pub fn account(&self, app: AppId) -> Option<Account> {
        match self.ask(Request::Account(app)) {
            // SAFETY: the executive has written it, and is done.
            Answer::Account => unsafe { *EXCHANGE.account.get() },
            _ => None,
        }
    }

    /// Chooses the policy, while there are no apps; until then it is fixed priorities. Whoever
    /// sleeps pays so many nanoseconds for each time that it is woken.
    pub fn policy(&self, policy: Policy, wake_ns: u64) {
        self.done(Request::Policy(policy, wake_ns));
    }

    /// Takes a pin of the I/O APIC, as the line with this number.
    pub fn line(
        &self,
        memory: &mut Memory,
        number: usize,
        pin: (u64, Trigger),
    ) -> Result<(), MemoryError> {
        let vector = super::FIRST_LINE + number as u64;
        let interrupt = super::Interrupt::new(memory, pin, vector, self.notification)?;
        self.done(Request::Line(number, interrupt));
        Ok(())
    }

    /// Gives an app a line, as that of its device with this number.
    pub fn bind(&self, app: AppId, number: usize, device: u64) {
        self.done(Request::Bind(app, number, device));
    }

    /// Waits for something to do.
    pub fn next(&self, until_ns: Option<u64>) -> Event {
        match self.ask(Request::Next(until_ns)) {
            Answer::Event(event) => event,
            _ => Event::Time,
        }
    }
}
