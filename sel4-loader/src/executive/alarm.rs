// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! One interrupt at a moment: the HPET where there is one, otherwise the 8254.
//!
//! The HPET compares a counter with an absolute value (IA-PC HPET specification 1.0a, section
//! 2.3.9), so setting it late makes nothing drift. Which time it is the time stamp counter says;
//! how fast the HPET counts against it is measured as the system runs.

use super::interrupts::{Interrupt, Trigger};
use super::time::Clock;
use crate::devices::Devices;
use crate::memory::{Memory, MemoryError, Owner};
use crate::serial::out8;
use crate::vspace::{self, Access, OWN};

/// Where every PC has its HPET, if it has one: the registers tell.
const HPET_FRAME: u64 = 0xfed0_0000;
/// Where they are in the root task's address space.
const HPET: u64 = 0x8_c000_0000;

/// Registers: identity and period, configuration, counter, and those of a timer.
const IDENTITY: u64 = 0;
const CONFIGURATION: u64 = 0x10;
const COUNTER: u64 = 0xf0;
const TIMERS: u64 = 0x100;
const TIMER_STRIDE: u64 = 0x20;
const COMPARATOR: u64 = 8;

/// Bits of a timer's configuration: interrupt enabled, 64 bits wide; where its interrupt goes.
const ENABLED: u64 = 1 << 2;
const WIDE: u64 = 1 << 5;
const ROUTE: u32 = 9;
/// Pins of the first I/O APIC.
const PINS: u32 = 24;

/// Registers of the 8254, and the command "channel 0, both bytes, mode 0: one interrupt at the
/// end of the count, binary".
const CHANNEL_0: u64 = 0x40;
const COMMAND: u64 = 0x43;
const ONE_SHOT: u64 = 0x30;
/// Its ticks in a second.
const TIMER_HZ: u64 = 1_193_182;
/// Ticks that it counts at most.
const LONGEST: u64 = 0xffff;
/// The pin that it is at: the interrupt source override that every PC has.
const TIMER_PIN: u64 = 2;

/// The device.
enum Device {
    Hpet {
        /// Offset of the timer's registers.
        timer: u64,
        /// Counter and time of the beginning.
        begin: (u64, u64),
        /// Counts a nanosecond, 2^-32 of them.
        rate: u64,
        /// When to measure the rate again.
        measure_at: u64,
    },
    Pit,
}

/// Wakes the executive.
pub struct Alarm {
    device: Device,
    interrupt: Interrupt,
    /// The pin of that.
    pin: u64,
    /// The moment that the device is set to.
    set_to: Option<u64>,
    /// The interrupt has come and the next cannot.
    masked: bool,
}

fn read(register: u64) -> u64 {
    // SAFETY: `Alarm::new` has mapped the registers here; reading them has no effect.
    unsafe { ((HPET + register) as *const u64).read_volatile() }
}

fn write(register: u64, value: u64) {
    // SAFETY: as above; they are no memory that Rust knows of.
    unsafe { ((HPET + register) as *mut u64).write_volatile(value) };
}

impl Alarm {
    /// Takes the timer and its interrupt, whose signals have the number `vector`.
    pub fn new(
        memory: &mut Memory,
        devices: &mut Devices,
        clock: &Clock,
        notification: u64,
        vector: u64,
    ) -> Result<Self, MemoryError> {
        let (device, pin) = match hpet(memory, devices, clock) {
            Some((device, pin)) => (device, pin),
            None => (Device::Pit, TIMER_PIN),
        };
        Ok(Self {
            device,
            interrupt: Interrupt::new(memory, (pin, Trigger::EDGE), vector, notification)?,
            pin,
            set_to: None,
            masked: false,
        })
    }

    /// What it is, for people.
    pub fn name(&self) -> &'static str {
        match self.device {
            Device::Hpet { .. } => "HPET",
            Device::Pit => "8254",
        }
    }

    /// The pin of the I/O APIC that it has.
    pub fn pin(&self) -> u64 {
        self.pin
    }

    /// Its interrupt has come; gives the moment that it was set to.
    pub fn fired(&mut self) -> Option<u64> {
        self.masked = true;
        self.set_to.take()
    }

    /// Sets it to a moment, or to none; says whether that moment is still to come.
    pub fn set(&mut self, moment: Option<u64>, clock: &Clock) -> bool {
        if self.masked {
            self.masked = false;
            self.interrupt.acknowledge();
        }
        let Some(moment) = moment else {
            // An alarm of before may come; whoever wakes finds nothing to do.
            return true;
        };
        if self.set_to == Some(moment) {
            return true;
        }
        let now = clock.now();
        let Some(left) = moment.checked_sub(now).filter(|&left| left > 0) else {
            return false;
        };
        self.set_to = Some(moment);
        match &mut self.device {
            Device::Hpet {
                timer,
                begin,
                rate,
                measure_at,
            } => {
                let count = read(COUNTER);
                if now >= *measure_at {
                    *rate = measured(*begin, (count, now)).unwrap_or(*rate);
                    *measure_at = now.saturating_mul(2);
                }
                // Rounded up, so that the moment has come when it fires.
                let counts = ((u128::from(left) * u128::from(*rate)) >> 32) as u64 + 1;
                let target = count.wrapping_add(counts);
                write(*timer + COMPARATOR, target);
                // Set too late it would fire after a turn of the counter.
                let passed = (read(COUNTER).wrapping_sub(target) as i64) >= 0;
                if passed {
                    self.set_to = None;
                }
                !passed
            }
            Device::Pit => {
                // A longer time is several: whoever wakes sets it again.
                let count = (u128::from(left) * u128::from(TIMER_HZ) / 1_000_000_000) as u64 + 1;
                let count = count.min(LONGEST);
                self.set_to = None;
                out8(COMMAND, ONE_SHOT);
                out8(CHANNEL_0, count & 0xff);
                out8(CHANNEL_0, count >> 8);
                true
            }
        }
    }
}

/// Counts a nanosecond between two moments, 2^-32 of them.
fn measured(begin: (u64, u64), end: (u64, u64)) -> Option<u64> {
    let counts = u128::from(end.0.wrapping_sub(begin.0));
    let nanoseconds = u128::from(end.1.checked_sub(begin.1)?);
    u64::try_from((counts << 32).checked_div(nanoseconds)?).ok()
}

/// Maps the HPET, starts its counter and chooses a timer that can interrupt; nothing where there
/// is none.
fn hpet(memory: &mut Memory, devices: &mut Devices, clock: &Clock) -> Option<(Device, u64)> {
    let frame = devices.frame(memory, HPET_FRAME).ok()?;
    let access = Access::Device;
    vspace::map(memory, Owner::Root, OWN, frame, HPET, access).ok()?;
    let identity = read(IDENTITY);
    // Femtoseconds a count: at most 100 ns (section 2.3.4). Where no HPET is, all bits are the same.
    let period = identity >> 32;
    if period == 0 || period > 100_000_000 {
        return None;
    }
    let timers = (identity >> 8 & 0x1f) + 1;
    let (timer, pin) = (0..timers).find_map(|number| {
        let timer = TIMERS + number * TIMER_STRIDE;
        let configuration = read(timer);
        let pin = (0..PINS)
            .rev()
            .find(|pin| configuration >> (32 + pin) & 1 != 0)?;
        (configuration & WIDE != 0).then_some((timer, u64::from(pin)))
    })?;
    // No legacy routes, the counter runs; the timer: one-shot, edge-triggered, 64 bits.
    write(CONFIGURATION, 1);
    write(timer, ENABLED | pin << ROUTE);
    let rate = (1_000_000u128 << 32) / u128::from(period);
    let begin = (read(COUNTER), clock.now());
    let device = Device::Hpet {
        timer,
        begin,
        rate: rate as u64,
        // After 10 ms a reading's own time is a small part.
        measure_at: begin.1 + 10_000_000,
    };
    Some((device, pin))
}
