// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The devices that the image grants: which of them there are, and who has them.
//!
//! Everything that a grant takes is made at the start, so that apps come and go without a trace. A
//! grant that cannot be is refused with its reason, which whoever names it is told.

use crate::devices::{DeviceError, Devices};
use crate::executive::{AppId, Control, LINES, Trigger};
use crate::heap;
use crate::memory::{Memory, MemoryError};
use crate::output::Output;
use crate::vspace::PAGE;
use alloc::vec::Vec;
use core::fmt;
use sel4_boot::bundle::{Bundle, Grant, Resource, grant_flags};
use sel4_boot::frame::{Kind, NO_APP};

/// Bytes of registers in a grant, at most.
const MEMORY_MAX: u64 = 1 << 20;
/// Pins of the first I/O APIC.
const PINS: u32 = 24;

/// What is the root task's or the kernel's own, and what it is.
const OWN: &[(Resource, &str)] = &[
    (memory(0xfed0_0000), "the timer's (HPET)"),
    (memory(0xfec0_0000), "the kernel's (interrupt controller)"),
    (memory(0xfee0_0000), "the kernel's (local APIC)"),
    (ports(0x20, 2), "the kernel's (interrupt controller)"),
    (ports(0xa0, 2), "the kernel's (interrupt controller)"),
    (ports(0x40, 4), "the timer's (8254)"),
    (ports(0x70, 2), "the clock's"),
    (ports(0xf4, 4), "the device's that ends QEMU"),
    (ports(0x2f8, 8), "the host's channel (COM2)"),
    (ports(0x3f8, 8), "the console's (COM1)"),
    (
        ports(0xcf8, 8),
        "the configuration of PCI, through which every device reaches all memory",
    ),
];

/// Pins of the root task, beside that of its timer.
const OWN_PINS: &[(u32, &str)] = &[
    (2, "the timer's (8254)"),
    (3, "the channel's (COM2)"),
    (4, "the console's (COM1)"),
];

const fn memory(address: u64) -> Resource {
    Resource::Memory {
        address,
        bytes: PAGE,
    }
}

const fn ports(first: u16, count: u32) -> Resource {
    Resource::Ports { first, count }
}

/// Why a grant cannot be.
#[derive(Clone, Copy, Debug)]
pub enum GrantError {
    /// It has more registers than a grant may have.
    TooLarge(u64),
    /// What it is made of is used already.
    Own(&'static str),
    /// It has something in common with another grant.
    Overlap(&'static str),
    /// There is no such pin.
    NoPin(u32),
    /// Its pin is used already.
    OwnPin(u32, &'static str),
    /// Another grant has its pin.
    SamePin(u32, &'static str),
    /// There are too many interrupts.
    TooManyInterrupts,
    /// There is no such device, or no room.
    Device(DeviceError),
    /// Its interrupt cannot be made.
    Interrupt(MemoryError),
}

impl fmt::Display for GrantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => write!(
                f,
                "it has {bytes} bytes of registers, and a grant has at most {MEMORY_MAX}"
            ),
            Self::Own(whose) => write!(f, "what it grants is {whose}"),
            Self::Overlap(other) => write!(f, "it has addresses that `{other}` has as well"),
            Self::NoPin(pin) => write!(
                f,
                "there is no interrupt pin {pin}: the interrupt controller has those from 0 to {}",
                PINS - 1
            ),
            Self::OwnPin(pin, whose) => write!(f, "interrupt pin {pin} is {whose}"),
            Self::SamePin(pin, other) => {
                write!(f, "interrupt pin {pin} is that of `{other}` as well")
            }
            Self::TooManyInterrupts => {
                write!(f, "devices have at most {LINES} interrupts in all")
            }
            Self::Device(error) => error.fmt(f),
            Self::Interrupt(error) => write!(f, "its interrupt: {error}"),
        }
    }
}

/// Why an app does not get a device.
#[derive(Clone, Copy, Debug)]
pub enum Denied {
    /// The image does not grant it.
    NotGranted,
    /// The image does, but that cannot be.
    Grant(GrantError),
    /// Another app has it.
    Busy,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted => {
                f.write_str("the contract names it, but the image does not grant it (`--grant`)")
            }
            Self::Grant(error) => error.fmt(f),
            Self::Busy => f.write_str(
                "another app has it; where several may have it, the grant has to say `shared`",
            ),
        }
    }
}

/// A device.
pub struct Held {
    pub grant: Grant<'static>,
    /// Frames of its registers, in their order.
    pub frames: Vec<u64>,
    /// The number of its interrupt.
    pub line: Option<usize>,
    /// It cannot be granted.
    refused: Option<GrantError>,
    /// Who has it, where that is one app's right.
    user: Option<AppId>,
}

/// All of them.
pub struct Grants {
    list: Vec<Held>,
}

/// What making grants takes.
pub struct Makers<'m> {
    pub memory: &'m mut Memory,
    pub devices: &'m mut Devices,
    pub control: &'m Control,
    /// The pin of the root task's timer.
    pub timer_pin: u64,
}

impl Grants {
    /// Makes what the bundle grants.
    pub fn new(bundle: Bundle<'static>, makers: &mut Makers<'_>) -> Self {
        let mut list: Vec<Held> = Vec::new();
        let mut lines = 0;
        for grant in bundle.grants() {
            let mut held = Held {
                grant,
                frames: Vec::new(),
                line: None,
                refused: None,
                user: None,
            };
            let made = check(&grant, &list, makers.timer_pin);
            let made = made.and_then(|()| make(&mut held, &mut lines, makers));
            held.refused = made.err();
            // Where the heap is full at the start, the device is one that is not granted.
            let _ = heap::push(&mut list, held);
        }
        Self { list }
    }

    /// Says which grants cannot be.
    pub fn report(&self, output: Output) {
        for held in &self.list {
            let name = held.grant.name;
            if let Some(error) = &held.refused {
                let text = format_args!("sel4-loader: grant of device `{name}` refused: {error}");
                output.text(Kind::Log, NO_APP, text);
            }
        }
    }

    /// Gives a device to an app.
    pub fn take(&mut self, name: &str, app: AppId) -> Result<&Held, Denied> {
        let mut all = self.list.iter_mut();
        let held = all.find(|held| held.grant.name == name);
        let held = held.ok_or(Denied::NotGranted)?;
        if let Some(error) = held.refused {
            return Err(Denied::Grant(error));
        }
        if held.grant.flags & grant_flags::SHARED == 0 {
            if held.user.is_some_and(|user| user != app) {
                return Err(Denied::Busy);
            }
            held.user = Some(app);
        }
        Ok(held)
    }

    /// Takes back what an app has.
    pub fn release(&mut self, app: AppId) {
        for held in &mut self.list {
            if held.user == Some(app) {
                held.user = None;
            }
        }
    }
}

/// Whether a grant is of something that others do not have.
fn check(grant: &Grant<'static>, before: &[Held], timer_pin: u64) -> Result<(), GrantError> {
    if let Resource::Memory { bytes, .. } = grant.resource
        && bytes > MEMORY_MAX
    {
        return Err(GrantError::TooLarge(bytes));
    }
    let mut own = OWN.iter();
    if let Some((_, whose)) = own.find(|(other, _)| grant.resource.overlaps(*other)) {
        return Err(GrantError::Own(whose));
    }
    let others = || before.iter().filter(|held| held.refused.is_none());
    let overlaps = |held: &&Held| held.grant.resource.overlaps(grant.resource);
    if let Some(held) = others().find(overlaps) {
        return Err(GrantError::Overlap(held.grant.name));
    }
    let Some(pin) = grant.interrupt else {
        return Ok(());
    };
    if pin >= PINS {
        return Err(GrantError::NoPin(pin));
    }
    if u64::from(pin) == timer_pin {
        return Err(GrantError::OwnPin(pin, "the timer's"));
    }
    if let Some((_, whose)) = OWN_PINS.iter().find(|(other, _)| *other == pin) {
        return Err(GrantError::OwnPin(pin, whose));
    }
    match others().find(|held| held.grant.interrupt == Some(pin)) {
        Some(held) => Err(GrantError::SamePin(pin, held.grant.name)),
        None => Ok(()),
    }
}

/// Makes frames and interrupt of a grant; `lines` counts the interrupts.
fn make(held: &mut Held, lines: &mut usize, makers: &mut Makers<'_>) -> Result<(), GrantError> {
    if let Resource::Memory { address, bytes } = held.grant.resource {
        let pages = (bytes / PAGE) as usize;
        let full = |_| GrantError::Device(DeviceError::Memory(MemoryError::Full));
        heap::reserve(&mut held.frames, pages).map_err(full)?;
        for page in 0..pages as u64 {
            let frame = makers.devices.frame(makers.memory, address + page * PAGE);
            held.frames.push(frame.map_err(GrantError::Device)?);
        }
    }
    let Some(pin) = held.grant.interrupt else {
        return Ok(());
    };
    if *lines == LINES {
        return Err(GrantError::TooManyInterrupts);
    }
    let trigger = Trigger {
        level: held.grant.flags & grant_flags::LEVEL != 0,
        low: held.grant.flags & grant_flags::ACTIVE_LOW != 0,
    };
    let made = makers
        .control
        .line(makers.memory, *lines, (pin.into(), trigger));
    made.map_err(GrantError::Interrupt)?;
    held.line = Some(*lines);
    *lines += 1;
    Ok(())
}
