// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Sleeping: until a moment, or until a serial port has received something. The processor halts
//! meanwhile.
//!
//! The timer is the first channel of the 8254, which every PC has. It counts 55 ms at most, so a
//! longer sleep is several; which time it is the time stamp counter says.

use crate::clock::Start;
use crate::memory::{DEPTH, Memory, MemoryError, Object, Owner, ROOT};
use crate::serial::{Uart, out8};
use core::arch::x86_64::_rdtsc;
use sel4::{badge, rights, sys, syscall};

/// Registers of the 8254, and the command "channel 0, both bytes, mode 0: one interrupt at the
/// end of the count, binary".
const CHANNEL_0: u64 = 0x40;
const COMMAND: u64 = 0x43;
const ONE_SHOT: u64 = 0x30;
/// Its ticks in a second.
const TIMER_HZ: u64 = 1_193_182;
/// Ticks that it counts at most.
const LONGEST: u64 = 0xffff;

/// The pin of the first I/O APIC that the timer is at: the interrupt source override that every
/// PC has.
const TIMER_PIN: u64 = 2;

/// An interrupt: its handler's capability.
#[derive(Clone, Copy)]
struct Interrupt(u64);

impl Interrupt {
    /// Takes an edge-triggered pin, whose interrupts signal a notification with a badge.
    fn new(
        memory: &mut Memory,
        pin: u64,
        vector: u64,
        notification: u64,
    ) -> Result<Self, MemoryError> {
        let (handler, signal) = (memory.slots(Owner::Root, 1)?, memory.slots(Owner::Root, 1)?);
        let (ioapic, edge, active_high) = (0, 0, 0);
        sys::seL4_IRQControl_GetIOAPIC(
            sys::seL4_CapIRQControl,
            ROOT,
            handler,
            DEPTH,
            ioapic,
            pin,
            edge,
            active_high,
            vector,
        )?;
        let mark = badge(1 << vector);
        let all = rights::ALL;
        sys::seL4_CNode_Mint(ROOT, signal, DEPTH, ROOT, notification, DEPTH, all, mark)?;
        sys::seL4_IRQHandler_SetNotification(handler, signal)?;
        Ok(Self(handler))
    }

    /// Lets the next interrupt come.
    fn acknowledge(self) {
        // The capability is there: the kernel has nothing to refuse.
        let _ = sys::seL4_IRQHandler_Ack(self.0);
    }
}

/// What wakes the root task.
pub struct Interrupts {
    notification: u64,
    timer: Interrupt,
    serial: Interrupt,
    uart: Uart,
    start: Start,
}

/// When to wake, in ticks of the time stamp counter; `None` for never.
pub type Deadline = Option<u64>;

fn ticks() -> u64 {
    // SAFETY: reading the counter has no effect on memory, and the kernel leaves it enabled.
    unsafe { _rdtsc() }
}

impl Interrupts {
    /// Takes the timer's interrupt and that of a serial port.
    pub fn new(memory: &mut Memory, uart: Uart, start: Start) -> Result<Self, MemoryError> {
        let notification = memory.object(Owner::Root, Object::Notification)?;
        Ok(Self {
            notification,
            timer: Interrupt::new(memory, TIMER_PIN, 0, notification)?,
            serial: Interrupt::new(memory, uart.pin(), 1, notification)?,
            uart,
            start,
        })
    }

    /// The moment in so many nanoseconds; nothing where the clock's speed is not known.
    pub fn after(&self, nanoseconds: u64) -> Option<u64> {
        let hz = u128::from(self.start.tsc_hz);
        let more = u128::from(nanoseconds) * hz / 1_000_000_000;
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        (hz > 0).then(|| ticks().saturating_add(more))
    }

    /// Whether a moment has come.
    pub fn is_over(&self, deadline: Deadline) -> bool {
        deadline.is_some_and(|deadline| ticks() >= deadline)
    }

    /// Sleeps until something happens: a moment comes nearer, the serial port has received
    /// something if that is asked for, or nothing at all. Whoever waits looks and sleeps again.
    pub fn sleep(&self, deadline: Deadline, input: bool) {
        if let Some(deadline) = deadline {
            let left = u128::from(deadline.saturating_sub(ticks()));
            let hz = u128::from(self.start.tsc_hz.max(1));
            // Rounded up: the moment has come when it wakes.
            let count = (left * u128::from(TIMER_HZ)).div_ceil(hz) + 1;
            let count = u64::try_from(count).map_or(LONGEST, |count| count.min(LONGEST));
            self.timer.acknowledge();
            out8(COMMAND, ONE_SHOT);
            out8(CHANNEL_0, count & 0xff);
            out8(CHANNEL_0, count >> 8);
        }
        if input {
            self.serial.acknowledge();
            // What is there already interrupts at once: nothing is missed.
            self.uart.interrupt(true);
        }
        let _ = syscall::recv(self.notification);
        if input {
            self.uart.interrupt(false);
        }
    }
}
