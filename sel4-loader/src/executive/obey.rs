// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The executive does what the manager asks.

use super::control::{Account, Answer, AppId, EXCHANGE, Event, Request};
use super::services::{AGAIN, Caller};
use super::threads::{Slot, Thread, Wait};
use super::{RINGS, State};
use crate::memory::{DEPTH, ROOT};
use sel4::sys;
use wasm_aot_contract::Class;
use wasm_aot_schedule::{Parameters, TaskId};

impl State {
    /// Does what the manager asks.
    pub(super) fn request(&mut self, now: u64) -> Caller {
        let request = EXCHANGE.take();
        if let Request::Next(until) = request {
            return self.next(until, now);
        }
        let answer = self.obey(request, now).unwrap_or(Answer::Refused);
        EXCHANGE.answer(answer);
        Caller::Manager
    }

    fn next(&mut self, until: Option<u64>, now: u64) -> Caller {
        let event = match self.next_event() {
            Some(event) => event,
            None if until.is_some_and(|until| until <= now) => Event::Time,
            None => {
                match until {
                    Some(until) => self.schedule.sleep(self.manager, now, until),
                    None => self.schedule.complete(self.manager, now),
                };
                self.manager_waits = true;
                // Whatever happens, the slot is empty: the last answer emptied it.
                let _ = sys::seL4_CNode_SaveCaller(ROOT, self.manager_reply, DEPTH);
                return Caller::None;
            }
        };
        EXCHANGE.tell(event);
        Caller::Manager
    }

    fn slot(&mut self, app: AppId) -> Option<(usize, TaskId)> {
        let index = usize::from(app.index);
        let slot = self.slots.get(index)?;
        let known = slot.used && slot.generation == app.generation;
        known.then_some((index, TaskId(app.index)))
    }

    fn obey(&mut self, request: Request, now: u64) -> Option<Answer> {
        match request {
            Request::None | Request::Next(_) => {}
            Request::Add(parameters, drops) => return self.add(parameters, drops),
            Request::Policy(policy, wake_ns) => {
                self.schedule.set_policy(policy);
                self.schedule.set_wake_cost(wake_ns);
            }
            Request::Line(number, interrupt) => self.line(number, interrupt)?,
            Request::Bind(app, number, device) => {
                let (index, _) = self.slot(app)?;
                self.bind(number, index, device)?;
            }
            Request::Remove(app) => {
                let (index, task) = self.slot(app)?;
                self.halt(index, now);
                self.unbind(index);
                self.schedule.remove(task);
                let slot = &mut self.slots[index];
                (slot.used, slot.mail, slot.verdict) = (false, None, None);
                slot.generation = slot.generation.wrapping_add(1);
                self.mail &= !(1 << index);
            }
            Request::Enter(app, tcb, registers, purpose) => {
                let (index, task) = self.slot(app)?;
                let slot = &mut self.slots[index];
                (slot.tcb, slot.registers, slot.purpose) = (tcb, registers, purpose);
                slot.begin();
                if slot.periodic {
                    self.schedule.begin(task, now);
                } else {
                    // Where it was started before, it has only more to do.
                    self.schedule.start(task, now);
                    self.schedule.wake(task, now);
                }
            }
            Request::Jobs(app, registers, first, most) => {
                let (index, task) = self.slot(app)?;
                let slot = &mut self.slots[index];
                slot.registers = registers;
                slot.jobs_left = if most == 0 { u64::MAX } else { most };
                self.schedule.start(task, first);
            }
            Request::Reply(app, call, reply) => {
                let (index, task) = self.slot(app)?;
                let slot = &mut self.slots[index];
                if slot.call == call && slot.thread == Thread::Blocked && slot.saved {
                    slot.answer(reply.words());
                    self.schedule.wake(task, now);
                }
            }
            Request::Room(app) => {
                let (index, task) = self.slot(app)?;
                let slot = &mut self.slots[index];
                if slot.wait == Wait::Room {
                    slot.answer(&[AGAIN, 0]);
                    self.schedule.wake(task, now);
                }
            }
            Request::GoOn(app) => {
                let (index, task) = self.slot(app)?;
                // A job that was given up meanwhile is not there any more.
                if self.slots[index].faulted {
                    self.slots[index].faulted = false;
                    self.slots[index].thread = Thread::Ready;
                    self.schedule.wake(task, now);
                }
            }
            Request::Abort(app) => {
                let (index, task) = self.slot(app)?;
                let slot = &mut self.slots[index];
                (slot.thread, slot.wait) = (Thread::Blocked, Wait::Other);
                self.schedule.abort(task, now);
            }
            Request::Stop(app) => {
                let (index, _) = self.slot(app)?;
                self.halt(index, now);
            }
            Request::Suspend(app) => {
                let (_, task) = self.slot(app)?;
                return self.schedule.suspend(task, now).then_some(Answer::Done);
            }
            Request::Resume(app) => {
                let (_, task) = self.slot(app)?;
                return self.schedule.resume(task, now).then_some(Answer::Done);
            }
            Request::Priority(app, priority) => {
                let task = match app {
                    Some(app) => self.slot(app)?.1,
                    None => self.manager,
                };
                self.schedule.set_priority(task, priority);
            }
            Request::EndAt(app, time) => {
                let (_, task) = self.slot(app)?;
                return self.schedule.end_at(task, time).then_some(Answer::Done);
            }
            Request::Account(app) => {
                let (index, task) = self.slot(app)?;
                let slot = &self.slots[index];
                let account = Account {
                    parameters: *self.schedule.parameters(task)?,
                    state: self.schedule.state(task),
                    counters: *self.schedule.counters(task),
                    dropped_bytes: slot.dropped_bytes,
                    first_run_ns: slot.first_run_ns,
                };
                return Some(EXCHANGE.account(account));
            }
        }
        Some(Answer::Done)
    }

    /// Stops an app's thread for good.
    fn halt(&mut self, index: usize, now: u64) {
        self.schedule.stop(TaskId(index as u16), now);
        let slot = &mut self.slots[index];
        (slot.thread, slot.wait) = (Thread::Blocked, Wait::Other);
        if self.running == Some(index) {
            self.running = None;
            let _ = sys::seL4_TCB_Suspend(slot.tcb);
        }
    }

    fn add(&mut self, parameters: Parameters, drops: bool) -> Option<Answer> {
        let task = self.schedule.add(parameters)?;
        let index = usize::from(task.0);
        let slot = &mut self.slots[index];
        let (reply, generation) = (slot.reply, slot.generation);
        *slot = Slot {
            used: true,
            drops,
            periodic: parameters.class == Class::Periodic,
            reply,
            generation,
            ..Slot::EMPTY
        };
        RINGS[index].clear();
        Some(Answer::Slot(slot.id(index)))
    }
}
