// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The executive: the thread of the highest priority, which decides who runs.
//!
//! It sleeps in one place, for calls of apps, faults of apps, requests of the manager and
//! interrupts. Each time it tells the state machine of `wasm-aot-schedule` what has happened, asks it
//! who is to run now, and makes that so: of all threads of apps at most one is runnable at any time.
//! What takes long (memory, loading, reports, the serial line) is the manager's work, which has a
//! lower priority than all apps and gets its time from the same state machine.
//!
//! | module | decides |
//! |---|---|
//! | [`begin`] | how its thread begins |
//! | [`control`], [`obey`] | what the manager may ask and is told, and what is done then |
//! | [`services`] | which calls of apps are answered at once, and what becomes of the rest |
//! | [`threads`] | suspending, resuming, entering: what the kernel is told |
//! | [`lines`] | interrupts of apps' devices |
//! | [`alarm`], [`interrupts`], [`time`] | when it wakes |
//! | [`ring`] | what apps have written |

mod alarm;
mod begin;
pub mod control;
mod interrupts;
mod lines;
mod obey;
mod ring;
mod services;
mod threads;
mod time;

pub use control::{AppId, Control, Event};
pub use interrupts::{Interrupt, LINES, Trigger};
pub use ring::Ring;
pub use time::{Clock, ticks};

use alarm::Alarm;
use control::{EXCHANGE, MANAGER_BADGE};
use interrupts::{SIGNALS, signal};
use lines::Line;
use sel4::syscall::{self, Received};
use services::Caller;
use threads::Slot;
use wasm_aot_schedule::{Executive, Reaction, TaskId};

/// Tasks: apps, and the manager.
pub const TASKS: usize = 64;
/// Numbers of interrupts.
pub const TIMER: u64 = 0;
pub const SERIAL: u64 = 1;
/// The first of apps' devices.
pub const FIRST_LINE: u64 = 2;

/// What apps have written, by their slots.
pub static RINGS: [Ring; TASKS] = [const { Ring::new() }; TASKS];

/// The state machine.
type Schedule = Executive<TASKS>;

/// Everything that the executive has.
pub struct State {
    schedule: &'static mut Schedule,
    slots: [Slot; TASKS],
    clock: Clock,
    alarm: Alarm,
    endpoint: u64,
    /// The manager's task, and where the capability to answer it is kept while it waits.
    manager: TaskId,
    manager_reply: u64,
    manager_waits: bool,
    /// The app whose thread the kernel may run.
    running: Option<usize>,
    /// Apps that the manager is to hear of.
    mail: u64,
    /// Apps have written something.
    output: bool,
    /// The serial port has received something.
    serial: bool,
    /// Interrupts of apps' devices.
    lines: [Line; LINES],
    /// From an interrupt to here, in nanoseconds, at least.
    entry_ns: u64,
}

impl State {
    /// Serves for ever.
    fn serve(&mut self) -> ! {
        let mut received = syscall::recv(self.endpoint);
        loop {
            let begin = self.clock.now();
            let caller = self.take(&received, begin);
            self.advance(begin);
            received = self.leave(caller);
        }
    }

    /// Lets the state machine see that time has passed.
    fn advance(&mut self, now: u64) {
        let Self {
            schedule, slots, ..
        } = self;
        let mut mail = 0;
        schedule.advance(now, &mut |notice| {
            mail |= threads::noticed(slots, notice);
        });
        if mail != 0 {
            self.noticed(mail, now);
        }
    }

    /// Does what notices ask for, of the tasks whose bits are set.
    fn noticed(&mut self, mut tasks: u64, now: u64) {
        while tasks != 0 {
            let index = tasks.trailing_zeros() as usize;
            tasks &= tasks - 1;
            if index == usize::from(self.manager.0) {
                if self.manager_waits {
                    self.tell(Event::Time);
                }
                continue;
            }
            self.post(index, now);
        }
    }

    /// Does what a message asks for.
    fn take(&mut self, received: &Received, now: u64) -> Caller {
        let badge = received.badge;
        if badge & SIGNALS != 0 {
            // The kernel's part of an interrupt is not the app's time. Of an alarm it is known when it
            // came (unless it was set anew meanwhile); the quickest of these tells how long others have
            // taken.
            let mut came = now.saturating_sub(self.entry_ns);
            if badge & signal(TIMER) != 0
                && let Some(moment) = self.alarm.fired().filter(|&moment| moment <= now)
            {
                self.entry_ns = self.entry_ns.min(now.saturating_sub(moment));
                came = moment;
            }
            self.schedule.interrupted(came, now);
            if badge & signal(SERIAL) != 0 {
                self.serial = true;
                self.wake_manager(now);
            }
            self.lines_fired(badge, now);
            return Caller::None;
        }
        if badge == MANAGER_BADGE {
            return self.request(now);
        }
        self.app(received, now)
    }

    /// Lets run who is to run, and waits for the next message.
    fn leave(&mut self, caller: Caller) -> Received {
        if matches!(caller, Caller::App(_)) {
            // A call costs its caller.
            let now = self.clock.now();
            self.advance(now);
        }
        let answer = loop {
            let next = self.schedule.next().map(|task| usize::from(task.0));
            let answer = self.switch(caller, next);
            let now = self.clock.now();
            let decision = self.schedule.decide(now);
            if self.alarm.set(decision.alarm, &self.clock) {
                break answer;
            }
            // The moment has come meanwhile.
            let now = self.clock.now();
            self.advance(now);
        };
        self.sleep(answer)
    }

    /// The manager is told something, now or when it asks.
    fn post(&mut self, index: usize, now: u64) {
        self.mail |= 1 << index;
        self.wake_manager(now);
    }

    /// Tells the manager the next thing, if it waits for one.
    fn wake_manager(&mut self, now: u64) {
        if self.manager_waits
            && let Some(event) = self.next_event()
        {
            self.schedule.wake(self.manager, now);
            self.tell(event);
        }
    }

    /// Answers the manager, which waits.
    fn tell(&mut self, event: Event) {
        self.manager_waits = false;
        EXCHANGE.tell(event);
        syscall::send(self.manager_reply, 0, &[]);
    }

    /// What the manager has not heard of yet.
    fn next_event(&mut self) -> Option<Event> {
        while self.mail != 0 {
            let index = self.mail.trailing_zeros() as usize;
            let slot = &mut self.slots[index];
            let app = slot.id(index);
            if let Some(event) = slot.mail.take() {
                if slot.verdict.is_none() {
                    self.mail &= !(1 << index);
                }
                return Some(event);
            }
            self.mail &= !(1 << index);
            if let Some((why, reaction)) = slot.verdict.take() {
                return Some(Event::Verdict { app, why, reaction });
            }
        }
        if core::mem::take(&mut self.output) {
            return Some(Event::Output);
        }
        core::mem::take(&mut self.serial).then_some(Event::Serial)
    }
}
