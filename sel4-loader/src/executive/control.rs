// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the manager asks the executive, and what it is told.
//!
//! The two threads share memory. A request lies in one cell; the manager calls, so it does not run
//! while the executive has it: the cell has one user at a time.

use super::interrupts::{LINES, Trigger};
use super::lines::Line;
use super::services::{Caller, MOST_WORDS};
use super::threads::{Slot, Thread, Wait};
use super::{Clock, RINGS, Reaction, SERIAL, Schedule, Sections, State, TIMER};
use crate::devices::Devices;
use crate::memory::{DEPTH, Memory, MemoryError, Object, Owner, ROOT};
use crate::vspace::{self, Access, OWN};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use sel4::{badge, message, rights, sys, syscall};
use wasm_aot_contract::Class;
use wasm_aot_schedule::{Counters, Executive, Parameters, Policy, TaskId};

/// Priorities of the kernel: the executive answers at once, the manager runs when no app does.
const EXECUTIVE_PRIORITY: u8 = 255;
pub const APP_PRIORITY: u8 = 100;
const MANAGER_PRIORITY: u8 = 50;

/// The badge of the manager's capability.
pub const MANAGER_BADGE: u64 = 1;
/// The badge of an app's capability: its slot above, what it is for below.
pub const SERVICE_MARK: u64 = 0;
pub const FAULT_MARK: u64 = 1;

/// The badge of a capability of an app.
pub const fn app_badge(index: u16, mark: u64) -> u64 {
    (index as u64 + 1) << 1 | mark
}

/// Background tasks and slack take turns of this length.
const QUANTUM_NS: u64 = 10_000_000;

/// What an interrupt is taken to have taken until one was measured, in nanoseconds: little.
const ENTRY_NS: u64 = 1_000;

/// The executive's stack and IPC buffer.
const STACK_BYTES: usize = 64 * 1024;
const IPC_BUFFER: u64 = 0x9_0000_0000;

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK_BYTES]>);
// SAFETY: only the executive's thread uses it.
unsafe impl Sync for Stack {}
static STACK: Stack = Stack(UnsafeCell::new([0; STACK_BYTES]));

/// The state machine is too large for a stack.
struct Machine(UnsafeCell<Schedule>);
// SAFETY: as of `Place`.
unsafe impl Sync for Machine {}
static MACHINE: Machine = Machine(UnsafeCell::new(Executive::new(
    Policy::FixedPriority,
    QUANTUM_NS,
)));

struct Place(UnsafeCell<MaybeUninit<State>>);
// SAFETY: written before the executive's thread begins, and used by that thread alone from then on.
unsafe impl Sync for Place {}
static STATE: Place = Place(UnsafeCell::new(MaybeUninit::uninit()));

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
    /// Of a periodic app: the nominal time of its next release.
    pub next_release_ns: Option<u64>,
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
    Sections,
    Clock(Clock),
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
    Sections(Sections),
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
    /// The executive tells the manager, which waits, what has happened.
    pub fn tell(&self, event: Event) {
        // SAFETY: the manager waits in its call.
        unsafe { *self.answer.get() = Answer::Event(event) };
    }
}

/// The manager's way to the executive.
pub struct Control {
    cap: u64,
    /// What interrupts signal.
    notification: u64,
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

    /// Times of the executive.
    pub fn sections(&self) -> Sections {
        match self.ask(Request::Sections) {
            Answer::Sections(sections) => sections,
            _ => Sections::default(),
        }
    }

    /// Chooses the policy, while there are no apps; until then it is fixed priorities. Whoever
    /// sleeps pays so many nanoseconds for each time that it is woken.
    pub fn policy(&self, policy: Policy, wake_ns: u64) {
        self.done(Request::Policy(policy, wake_ns));
    }

    /// Gives the executive a better clock, before there are apps.
    pub fn clock(&self, clock: Clock) {
        self.done(Request::Clock(clock));
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

    /// Makes the executive's thread and starts it; this thread becomes the manager.
    pub fn start(
        memory: &mut Memory,
        devices: &mut Devices,
        endpoint: u64,
        clock: Clock,
        serial_pin: u64,
    ) -> Result<(Self, Taken), MemoryError> {
        let notification = memory.object(Owner::Root, Object::Notification)?;
        let alarm = super::alarm::Alarm::new(memory, devices, &clock, notification, TIMER)?;
        let pin = (serial_pin, Trigger::EDGE);
        let serial = super::Interrupt::new(memory, pin, SERIAL, notification)?;
        let taken = Taken {
            serial,
            timer: alarm.name(),
            timer_pin: alarm.pin(),
        };
        let replies = memory.slots(Owner::Root, super::TASKS as u64)?;
        let cap = memory.slots(Owner::Root, 1)?;
        let all = rights::ALL;
        let mark = badge(MANAGER_BADGE);
        sys::seL4_CNode_Mint(ROOT, cap, DEPTH, ROOT, endpoint, DEPTH, all, mark)?;
        // SAFETY: the executive's thread does not run yet, and nobody else uses it.
        let schedule = unsafe { &mut *MACHINE.0.get() };
        let manager = schedule
            .add(Parameters::SUPERVISOR)
            .ok_or(MemoryError::NoSlots)?;
        schedule.start(manager, clock.now());
        schedule.wake(manager, clock.now());
        // SAFETY: the executive's thread does not run yet, and nobody else uses the place.
        let state = unsafe { (*STATE.0.get()).as_mut_ptr() };
        // SAFETY: as above; every field is written.
        unsafe {
            (&raw mut (*state).schedule).write(schedule);
            for index in 0..super::TASKS {
                let slot = (&raw mut (*state).slots).cast::<Slot>().add(index);
                slot.write(Slot::EMPTY);
                (*slot).reply = replies + index as u64;
            }
            (&raw mut (*state).clock).write(clock);
            (&raw mut (*state).alarm).write(alarm);
            (&raw mut (*state).endpoint).write(endpoint);
            (&raw mut (*state).manager).write(manager);
            (&raw mut (*state).manager_reply).write(replies + u64::from(manager.0));
            (&raw mut (*state).manager_waits).write(false);
            (&raw mut (*state).running).write(None);
            (&raw mut (*state).mail).write(0);
            (&raw mut (*state).output).write(false);
            (&raw mut (*state).serial).write(false);
            (&raw mut (*state).lines).write([Line::EMPTY; LINES]);
            (&raw mut (*state).sections).write(Sections::default());
            (&raw mut (*state).entry_ns).write(ENTRY_NS);
        }
        thread(memory, notification)?;
        Ok((Self { cap, notification }, taken))
    }
}

/// The executive's thread.
fn thread(memory: &mut Memory, notification: u64) -> Result<(), MemoryError> {
    let buffer = memory.object(Owner::Root, Object::Frame)?;
    let access = Access::ReadWrite;
    vspace::map(memory, Owner::Root, OWN, buffer, IPC_BUFFER, access)?;
    let bottom = STACK.0.get() as u64;
    let top = bottom + STACK_BYTES as u64;
    // SAFETY: the page was mapped for this thread alone, whose stack this is.
    unsafe { syscall::set_second_ipc_buffer(IPC_BUFFER, bottom..top) };
    let tcb = memory.object(Owner::Root, Object::Tcb)?;
    sys::seL4_TCB_Configure(
        tcb,
        0,
        message::priority(EXECUTIVE_PRIORITY, EXECUTIVE_PRIORITY),
        ROOT,
        // As it is: the kernel gave the capability its guard.
        0,
        OWN,
        0,
        IPC_BUFFER,
        buffer,
    )?;
    sys::seL4_TCB_BindNotification(tcb, notification)?;
    let registers = sys::seL4_UserContext {
        rip: serve as *const () as u64,
        // As after a call: the ABI wants RSP + 8 to be a multiple of 16.
        rsp: top - 8,
        ..sys::seL4_UserContext::default()
    };
    let count = sys::seL4_UserContext::WORDS as u64;
    sys::seL4_TCB_WriteRegisters(tcb, 1, 0, count, &registers)?;
    let mine = message::priority(MANAGER_PRIORITY, EXECUTIVE_PRIORITY);
    Ok(sys::seL4_TCB_SetPriority(sys::seL4_CapInitThreadTCB, mine)?)
}

extern "C" fn serve() -> ! {
    // SAFETY: `Control::start` has written it, and this is the only thread that uses it.
    unsafe { (*STATE.0.get()).assume_init_mut() }.serve()
}

impl State {
    /// Does what the manager asks.
    pub(super) fn request(&mut self, now: u64) -> Caller {
        // SAFETY: the manager waits in its call.
        let request = unsafe { core::mem::replace(&mut *EXCHANGE.request.get(), Request::None) };
        if let Request::Next(until) = request {
            return self.next(until, now);
        }
        let answer = self.obey(request, now).unwrap_or(Answer::Refused);
        // SAFETY: as above.
        unsafe { *EXCHANGE.answer.get() = answer };
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
            Request::Clock(clock) => self.clock = clock,
            Request::Policy(policy, wake_ns) => {
                self.schedule.set_policy(policy);
                self.schedule.set_wake_cost(wake_ns);
            }
            Request::Line(number, interrupt) => self.line(number, interrupt)?,
            Request::Bind(app, number, device) => {
                let (index, _) = self.slot(app)?;
                self.bind(number, index, device)?;
            }
            Request::Sections => return Some(Answer::Sections(self.sections)),
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
                    slot.answer(&reply.words[..reply.count]);
                    self.schedule.wake(task, now);
                }
            }
            Request::Room(app) => {
                let (index, task) = self.slot(app)?;
                let slot = &mut self.slots[index];
                if slot.wait == Wait::Room {
                    slot.answer(&[super::services::AGAIN, 0]);
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
                    next_release_ns: self.schedule.next_release(task),
                    counters: *self.schedule.counters(task),
                    dropped_bytes: slot.dropped_bytes,
                    first_run_ns: slot.first_run_ns,
                };
                // SAFETY: the manager waits in its call.
                unsafe { *EXCHANGE.account.get() = Some(account) };
                return Some(Answer::Account);
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
