// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The executive's thread: its memory, its start.

use super::alarm::Alarm;
use super::control::{Control, MANAGER_BADGE, Taken};
use super::interrupts::{Interrupt, LINES, Trigger};
use super::lines::Line;
use super::threads::Slot;
use super::{Clock, SERIAL, Schedule, State, TASKS, TIMER};
use crate::devices::Devices;
use crate::memory::{DEPTH, Memory, MemoryError, Object, Owner, ROOT};
use crate::vspace::{self, Access, OWN};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use sel4::{badge, message, rights, sys, syscall};
use wasm_aot_schedule::{Executive, Parameters, Policy};

/// Priorities of the kernel: the executive answers at once, the manager runs when no app does.
const EXECUTIVE_PRIORITY: u8 = 255;
const MANAGER_PRIORITY: u8 = 50;

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

impl Control {
    /// Makes the executive's thread and starts it; this thread becomes the manager.
    pub fn start(
        memory: &mut Memory,
        devices: &mut Devices,
        endpoint: u64,
        clock: Clock,
        serial_pin: u64,
    ) -> Result<(Self, Taken), MemoryError> {
        let notification = memory.object(Owner::Root, Object::Notification)?;
        let alarm = Alarm::new(memory, devices, &clock, notification, TIMER)?;
        let pin = (serial_pin, Trigger::EDGE);
        let serial = Interrupt::new(memory, pin, SERIAL, notification)?;
        let taken = Taken {
            serial,
            timer: alarm.name(),
            timer_pin: alarm.pin(),
        };
        let replies = memory.slots(Owner::Root, TASKS as u64)?;
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
            for index in 0..TASKS {
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
