// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Interrupts: each one signals the executive's notification with a bit of its own.

use crate::memory::{DEPTH, Memory, MemoryError, Owner, ROOT};
use sel4::{badge, rights, sys};

/// The lowest badge bit of interrupts; a kernel of this version keeps 28 bits of a badge. What is
/// below tells apps apart.
const FIRST_BIT: u64 = 12;
/// Interrupts that can be told apart.
const INTERRUPTS: u64 = 16;
/// Those of apps' devices.
pub const LINES: usize = (INTERRUPTS - super::FIRST_LINE) as usize;

/// The badge bit of an interrupt with this number.
pub const fn signal(vector: u64) -> u64 {
    1 << (FIRST_BIT + vector)
}

/// All of them.
pub const SIGNALS: u64 = ((1 << INTERRUPTS) - 1) << FIRST_BIT;

/// How a pin says that there is an interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trigger {
    /// By being active, not by becoming so.
    pub level: bool,
    /// A low pin is an active one.
    pub low: bool,
}

impl Trigger {
    /// By becoming high, as on an ISA bus.
    pub const EDGE: Self = Self {
        level: false,
        low: false,
    };
}

/// An interrupt: its handler's capability.
#[derive(Clone, Copy)]
pub struct Interrupt(u64);

impl Interrupt {
    /// Takes a pin of the first I/O APIC.
    pub fn new(
        memory: &mut Memory,
        (pin, trigger): (u64, Trigger),
        vector: u64,
        notification: u64,
    ) -> Result<Self, MemoryError> {
        let (handler, signalling) = (memory.slots(Owner::Root, 1)?, memory.slots(Owner::Root, 1)?);
        let (ioapic, level, low) = (0, trigger.level.into(), trigger.low.into());
        sys::seL4_IRQControl_GetIOAPIC(
            sys::seL4_CapIRQControl,
            ROOT,
            handler,
            DEPTH,
            ioapic,
            pin,
            level,
            low,
            vector,
        )?;
        let (all, mark) = (rights::ALL, badge(signal(vector)));
        sys::seL4_CNode_Mint(
            ROOT,
            signalling,
            DEPTH,
            ROOT,
            notification,
            DEPTH,
            all,
            mark,
        )?;
        sys::seL4_IRQHandler_SetNotification(handler, signalling)?;
        Ok(Self(handler))
    }

    /// Lets the next interrupt come.
    pub fn acknowledge(self) {
        // The capability is there: the kernel has nothing to refuse.
        let _ = sys::seL4_IRQHandler_Ack(self.0);
    }
}
