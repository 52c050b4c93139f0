// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Threads of apps: what each is about to do, and what the kernel is told.

use super::control::{AppId, Event, Purpose, Why};
use super::services::{Caller, MOST_WORDS};
use super::{Reaction, State};
use crate::memory::{DEPTH, ROOT};
use sel4::sys;
use sel4::syscall::{self, Received};
use sel4_boot::service::Status;
use wasm_aot_schedule::Notice;

/// Registers that a thread begins with, in the kernel's order: those up to RDI.
const SET: u64 = 9;

/// What a thread does when it gets the processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thread {
    /// Nothing: it waits for something.
    Blocked,
    /// It begins at [`Slot::registers`].
    Fresh,
    /// It goes on where it was interrupted.
    Ready,
    /// It goes on behind a call, with so many words of [`Slot::answer`].
    Answer(usize),
}

/// Who gets an answer as the executive goes to sleep.
#[derive(Clone, Copy)]
pub enum Answered {
    Nobody,
    Manager,
    /// An app, with so many words.
    App(usize, usize),
}

/// Why a blocked thread is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// For the manager, or for its next job.
    Other,
    /// For a moment.
    Time,
    /// For room in its ring.
    Room,
    /// For the interrupt with this number.
    Interrupt(usize),
}

/// An app as the executive knows it.
pub struct Slot {
    pub used: bool,
    /// Which app this is of all that had the slot.
    pub generation: u32,
    pub tcb: u64,
    /// Where the capability to answer the app is kept.
    pub reply: u64,
    /// It is there.
    pub saved: bool,
    pub thread: Thread,
    /// It is stopped at a fault.
    pub faulted: bool,
    pub wait: Wait,
    /// Counts calls, so that an answer finds its own.
    pub call: u32,
    /// Where it begins, and where each job begins.
    pub registers: sys::seL4_UserContext,
    pub answer: [u64; MOST_WORDS],
    /// Output that there is no room for is dropped.
    pub drops: bool,
    /// It runs jobs.
    pub periodic: bool,
    /// It runs one now.
    pub in_job: bool,
    /// What it began for.
    pub purpose: Purpose,
    /// Jobs until its end; `u64::MAX` for no end.
    pub jobs_left: u64,
    pub dropped_bytes: u64,
    /// What the manager is to hear.
    pub mail: Option<Event>,
    pub verdict: Option<(Why, Reaction)>,
    /// When it began to run first.
    pub first_run_ns: u64,
}

impl Slot {
    pub const EMPTY: Self = Self {
        used: false,
        generation: 0,
        tcb: 0,
        reply: 0,
        saved: false,
        thread: Thread::Blocked,
        faulted: false,
        wait: Wait::Other,
        call: 0,
        registers: sys::seL4_UserContext {
            rip: 0,
            rsp: 0,
            rflags: 0,
            rax: 0,
            rbx: 0,
            rcx: 0,
            rdx: 0,
            rsi: 0,
            rdi: 0,
            rbp: 0,
            r8: 0,
            r9: 0,
            r10: 0,
            r11: 0,
            r12: 0,
            r13: 0,
            r14: 0,
            r15: 0,
            tls_base: 0,
        },
        answer: [0; MOST_WORDS],
        drops: false,
        periodic: false,
        in_job: false,
        purpose: Purpose::Run,
        jobs_left: u64::MAX,
        dropped_bytes: 0,
        mail: None,
        verdict: None,
        first_run_ns: 0,
    };

    pub fn id(&self, index: usize) -> AppId {
        AppId {
            index: index as u16,
            generation: self.generation,
        }
    }

    /// Sets what the thread does next, behind a call.
    pub fn answer(&mut self, words: &[u64]) {
        let count = words.len().min(MOST_WORDS);
        self.answer[..count].copy_from_slice(&words[..count]);
        self.thread = Thread::Answer(count);
        self.wait = Wait::Other;
    }

    /// The thread begins anew when it runs next; what it called before is forgotten.
    pub fn begin(&mut self) {
        self.thread = Thread::Fresh;
        self.faulted = false;
        self.wait = Wait::Other;
        self.call = self.call.wrapping_add(1);
        // The kernel deletes the capability when the thread is restarted.
        self.saved = false;
    }
}

/// Notes what the state machine says of a task; gives its bit where there is more to do.
pub fn noticed(slots: &mut [Slot], notice: Notice) -> u64 {
    let (task, why, reaction) = match notice {
        Notice::Released(task) => {
            let slot = &mut slots[usize::from(task.0)];
            slot.begin();
            slot.in_job = true;
            return 0;
        }
        Notice::Woken(task) => {
            let slot = &mut slots[usize::from(task.0)];
            if slot.used {
                // Nothing to read has come; time has passed.
                slot.answer(&[Status::Done as u64, 0]);
                return 0;
            }
            // The manager.
            return 1 << task.0;
        }
        Notice::Ended(task) => {
            let slot = &mut slots[usize::from(task.0)];
            slot.mail = Some(Event::JobsDone {
                app: slot.id(usize::from(task.0)),
            });
            return 1 << task.0;
        }
        Notice::Missed(task, reaction) => (task, Why::Miss, reaction),
        Notice::Overrun(task, reaction) => (task, Why::Overrun, reaction),
        _ => return 0,
    };
    match reaction {
        Reaction::Log | Reaction::Skip => 0,
        Reaction::Restart | Reaction::Stop => {
            slots[usize::from(task.0)].verdict = Some((why, reaction));
            1 << task.0
        }
    }
}

impl State {
    /// Makes the thread of `next` the only one that is runnable, but for its own answer, which is
    /// given as the executive goes to sleep.
    pub(super) fn switch(&mut self, caller: Caller, next: Option<usize>) -> Answered {
        if let Some(before) = self.running
            && next != Some(before)
        {
            self.running = None;
            // Its capability is there until the app is removed.
            let _ = sys::seL4_TCB_Suspend(self.slots[before].tcb);
        }
        if let Caller::App(index) = caller {
            let slot = &mut self.slots[index];
            match slot.thread {
                Thread::Answer(count) if next == Some(index) && !slot.saved => {
                    return Answered::App(index, count);
                }
                _ if slot.awaits_answer() => {
                    let kept = sys::seL4_CNode_SaveCaller(ROOT, slot.reply, DEPTH);
                    slot.saved = kept.is_ok();
                }
                _ => {}
            }
        }
        let manager = usize::from(self.manager.0);
        if let Some(index) = next.filter(|&index| index != manager) {
            self.run(index);
        }
        match caller {
            Caller::Manager => Answered::Manager,
            _ => Answered::Nobody,
        }
    }

    /// Answers, and waits for the next message.
    pub(super) fn sleep(&mut self, answered: Answered) -> Received {
        match answered {
            Answered::App(index, count) => {
                let slot = &mut self.slots[index];
                slot.thread = Thread::Ready;
                self.running = Some(index);
                syscall::reply_recv(self.endpoint, 0, &slot.answer[..count])
            }
            Answered::Manager => syscall::reply_recv(self.endpoint, 0, &[]),
            Answered::Nobody => syscall::recv(self.endpoint),
        }
    }

    /// Lets the kernel run an app's thread.
    fn run(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let running = self.running.replace(index) == Some(index);
        match slot.thread {
            Thread::Ready if running => {}
            Thread::Ready => {
                let _ = sys::seL4_TCB_Resume(slot.tcb);
            }
            Thread::Fresh => {
                if slot.first_run_ns == 0 {
                    slot.first_run_ns = self.clock.now();
                }
                let registers = &slot.registers;
                let _ = sys::seL4_TCB_WriteRegisters(slot.tcb, 1, 0, SET, registers);
            }
            Thread::Answer(count) => {
                slot.saved = false;
                syscall::send(slot.reply, 0, &slot.answer[..count]);
            }
            // The state machine runs nobody who waits.
            Thread::Blocked => {
                self.running = None;
                return;
            }
        }
        slot.thread = Thread::Ready;
    }
}
