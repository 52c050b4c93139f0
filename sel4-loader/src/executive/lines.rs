// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Interrupts of apps' devices: whose they are, whether they may come, who waits for one.
//!
//! The kernel masks a pin when its interrupt comes, and only an app's own call lets it come again
//! (an acknowledgement, or waiting for the first one), for which it pays as for the end of a sleep.
//! So a device that interrupts all the time costs the others at most one short section of the
//! executive for each such call, and its app has a budget of them; an app that does not run gets no
//! further interrupt at all.

use super::interrupts::{Interrupt, SIGNALS, signal};
use super::services::Caller;
use super::threads::Wait;
use super::{FIRST_LINE, State};
use sel4_boot::service::{FOREVER, Status};
use wasm_aot_schedule::{NEVER, TaskId};

/// The interrupt of a device that is granted.
#[derive(Clone, Copy)]
pub struct Line {
    handler: Option<Interrupt>,
    /// The slot of the app that has it, and the device's number there.
    app: Option<(usize, u64)>,
    /// The pin is not masked.
    armed: bool,
    /// It has come, and the app has not acknowledged it.
    pending: bool,
    /// How often it has come since the app has it.
    count: u64,
}

impl Line {
    pub const EMPTY: Self = Self {
        handler: None,
        app: None,
        // The kernel hands it out unmasked; what has come before anybody listened is lost, so that
        // nobody can know.
        armed: false,
        pending: false,
        count: 0,
    };

    /// Unmasks the pin; says whether it was masked.
    fn arm(&mut self) -> bool {
        let Some(handler) = self.handler.filter(|_| !self.armed) else {
            return false;
        };
        self.armed = true;
        handler.acknowledge();
        true
    }
}

impl State {
    /// The manager has made the interrupt with this number.
    pub(super) fn line(&mut self, number: usize, handler: Interrupt) -> Option<()> {
        let line = self.lines.get_mut(number)?;
        line.handler = Some(handler);
        Some(())
    }

    /// An app gets an interrupt, as that of its device with this number.
    pub(super) fn bind(&mut self, number: usize, index: usize, device: u64) -> Option<()> {
        let line = self.lines.get_mut(number)?;
        line.app = Some((index, device));
        (line.pending, line.count) = (false, 0);
        Some(())
    }

    /// Nobody has what an app had.
    pub(super) fn unbind(&mut self, index: usize) {
        for line in &mut self.lines {
            if line.app.is_some_and(|(app, _)| app == index) {
                line.app = None;
            }
        }
    }

    /// Interrupts of devices have come.
    pub(super) fn lines_fired(&mut self, badge: u64, now: u64) {
        let mut left = badge & SIGNALS & !(signal(FIRST_LINE) - 1);
        while left != 0 {
            let number = (left / signal(FIRST_LINE)).trailing_zeros() as usize;
            left &= left - 1;
            let line = &mut self.lines[number];
            line.armed = false;
            let Some((index, _)) = line.app else {
                // Of an app that has ended: masked from now on.
                continue;
            };
            line.pending = true;
            line.count += 1;
            if self.slots[index].wait == Wait::Interrupt(number) {
                self.slots[index].answer(&[Status::Done as u64, 1]);
                self.schedule.wake(TaskId(index as u16), now);
            }
        }
    }

    /// Lets an app's interrupt come, at its expense.
    fn arm(&mut self, number: usize, index: usize, now: u64) {
        if self.lines[number].arm() {
            self.schedule.pay_for_entry(TaskId(index as u16), now);
        }
    }

    fn line_of(&mut self, index: usize, device: u64) -> Option<usize> {
        let is_it = |line: &Line| line.app == Some((index, device));
        self.lines.iter().position(is_it)
    }

    /// Lets an app wait for its device.
    pub(super) fn interrupt_wait(
        &mut self,
        index: usize,
        (device, nanoseconds): (u64, u64),
        now: u64,
    ) -> Caller {
        let caller = Caller::App(index);
        let Some(number) = self.line_of(index, device) else {
            self.slots[index].answer(&[Status::Refused as u64, 0]);
            return caller;
        };
        if self.lines[number].pending || nanoseconds == 0 {
            let came = u64::from(self.lines[number].pending);
            self.slots[index].answer(&[Status::Done as u64, came]);
            return caller;
        }
        self.arm(number, index, now);
        let until = match nanoseconds {
            FOREVER => NEVER,
            nanoseconds => now.saturating_add(nanoseconds),
        };
        self.schedule.sleep(TaskId(index as u16), now, until);
        self.slots[index].wait = Wait::Interrupt(number);
        caller
    }

    /// An app has handled what has come.
    pub(super) fn interrupt_acknowledge(&mut self, index: usize, device: u64, now: u64) -> Caller {
        let status = match self.line_of(index, device) {
            Some(number) => {
                self.lines[number].pending = false;
                self.arm(number, index, now);
                Status::Done
            }
            None => Status::Refused,
        };
        self.slots[index].answer(&[status as u64, 0]);
        Caller::App(index)
    }

    /// An app asks how often its device has interrupted.
    pub(super) fn interrupt_count(&mut self, index: usize, device: u64) -> Caller {
        let answer = match self.line_of(index, device) {
            Some(number) => [Status::Done as u64, self.lines[number].count],
            None => [Status::Refused as u64, 0],
        };
        self.slots[index].answer(&answer);
        Caller::App(index)
    }
}
