// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Calls of apps: what is answered at once, and what becomes of the rest.

use super::control::{Event, FAULT_MARK, Purpose};
use super::threads::{Slot, Thread, Wait};
use super::{RINGS, State};
use sel4::syscall::{self, Received};
use sel4_boot::service::{ARCHIVE_STREAM, FOREVER, Service, Status, WRITE_MAX};
use wasm_aot_schedule::{NEVER, TaskId};

/// Words of an answer, at most.
pub const MOST_WORDS: usize = 2 + WRITE_MAX / 8;
/// The status of a call that is to be made again.
pub const AGAIN: u64 = Status::Again as u64;

/// Who waits for an answer when the executive goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    /// Nobody.
    None,
    /// The manager; the answer is in the exchange.
    Manager,
    /// An app, whose slot says more.
    App(usize),
}

impl Slot {
    /// The thread waits for an answer that is still to come.
    pub fn awaits_answer(&self) -> bool {
        !self.saved && matches!(self.thread, Thread::Answer(_) | Thread::Blocked)
    }
}

impl State {
    /// A call or a fault of an app.
    pub(super) fn app(&mut self, received: &Received, now: u64) -> Caller {
        let index = (received.badge >> 1).wrapping_sub(1) as usize;
        let known = self.slots.get(index).is_some_and(|slot| slot.used);
        if !known {
            // No other capability for the endpoint exists.
            return Caller::None;
        }
        if self.running == Some(index) {
            self.running = None;
        }
        self.slots[index].thread = Thread::Blocked;
        if received.badge & 1 == FAULT_MARK {
            self.fault(index, received, now);
            return Caller::None;
        }
        let [first, second, ..] = received.registers;
        match Service::from_label(received.info.label()) {
            Some(Service::Write) => self.write(index, received, now),
            Some(Service::Wait) => self.wait(index, received, (first, second != 0), now),
            Some(Service::Returned) if self.slots[index].purpose != Purpose::Run => {
                self.returned(index, now);
                Caller::None
            }
            Some(Service::Exit | Service::Trap) => {
                // Never answered: the capability is not kept.
                self.forward(index, received, now);
                Caller::None
            }
            Some(Service::Time) => {
                let counters = self.schedule.counters(TaskId(index as u16));
                let used = counters.processor_ns;
                self.slots[index].answer(&[Status::Done as u64, used, now]);
                Caller::App(index)
            }
            Some(Service::InterruptWait) => self.interrupt_wait(index, (first, second), now),
            Some(Service::InterruptAcknowledge) => self.interrupt_acknowledge(index, first, now),
            Some(Service::InterruptCount) => self.interrupt_count(index, first),
            Some(Service::Grow | Service::Read) => {
                self.forward(index, received, now);
                Caller::App(index)
            }
            Some(Service::Returned) | None => {
                self.slots[index].answer(&[Status::Invalid as u64, 0]);
                Caller::App(index)
            }
        }
    }

    /// The kernel says that the app cannot go on.
    fn fault(&mut self, index: usize, received: &Received, now: u64) {
        self.schedule.block(TaskId(index as u16), now);
        let slot = &mut self.slots[index];
        slot.faulted = true;
        slot.mail = Some(Event::Fault {
            app: slot.id(index),
            label: received.info.label(),
            registers: received.registers,
        });
        self.post(index, now);
    }

    /// The manager has to answer; the app waits.
    fn forward(&mut self, index: usize, received: &Received, now: u64) {
        self.schedule.block(TaskId(index as u16), now);
        let slot = &mut self.slots[index];
        slot.call = slot.call.wrapping_add(1);
        slot.mail = Some(Event::Call {
            app: slot.id(index),
            label: received.info.label(),
            registers: received.registers,
            call: slot.call,
        });
        self.post(index, now);
    }

    /// A job is done, or something else that the manager had the app do.
    fn returned(&mut self, index: usize, now: u64) {
        let task = TaskId(index as u16);
        self.schedule.complete(task, now);
        let slot = &mut self.slots[index];
        let was_job = core::mem::take(&mut slot.in_job);
        let app = slot.id(index);
        if !was_job {
            slot.mail = Some(Event::Returned { app });
            self.post(index, now);
            return;
        }
        slot.jobs_left -= 1;
        if slot.jobs_left == 0 {
            slot.mail = Some(Event::JobsDone { app });
            self.schedule.stop(task, now);
            self.post(index, now);
        }
    }

    /// Takes what the app writes, as much as its message carries.
    fn write(&mut self, index: usize, received: &Received, now: u64) -> Caller {
        let [stream, length, ..] = received.registers;
        let slot = &mut self.slots[index];
        let known = match stream {
            ARCHIVE_STREAM => slot.purpose == Purpose::Pack,
            stream => matches!(stream, 1 | 2),
        };
        if !known {
            slot.answer(&[Status::Invalid as u64, 0]);
            return Caller::App(index);
        }
        let carried = received.info.length().saturating_sub(2) * 8;
        let length = (length as usize).min(carried).min(WRITE_MAX);
        let used = length.div_ceil(8);
        // Two registers are the arguments; the bytes follow, in registers and in the buffer.
        let near = &received.registers[2..][..used.min(2)];
        let ring = &RINGS[index];
        let put = syscall::with_message(|far| {
            let far = &far[..used.saturating_sub(2).min(far.len())];
            ring.put(stream, length, near, far)
        });
        if put == Some(true) {
            slot.answer(&[Status::Done as u64, length as u64]);
            self.output = true;
            self.wake_manager(now);
        } else if slot.drops {
            slot.dropped_bytes += length as u64;
            slot.answer(&[Status::Done as u64, length as u64]);
        } else {
            slot.wait = Wait::Room;
            self.schedule.block(TaskId(index as u16), now);
        }
        Caller::App(index)
    }

    /// Lets the app sleep, or wait for input, which the manager has.
    fn wait(
        &mut self,
        index: usize,
        received: &Received,
        (nanoseconds, input): (u64, bool),
        now: u64,
    ) -> Caller {
        let task = TaskId(index as u16);
        if !input && nanoseconds == FOREVER {
            self.slots[index].answer(&[Status::Invalid as u64, 0]);
            return Caller::App(index);
        }
        let until = match nanoseconds {
            FOREVER => NEVER,
            nanoseconds => now.saturating_add(nanoseconds),
        };
        // First, with the moment: whoever is asleep cannot be put to sleep.
        self.schedule.sleep(task, now, until);
        self.slots[index].wait = Wait::Time;
        if input {
            self.forward(index, received, now);
        }
        Caller::App(index)
    }
}
