// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Interrupts: each one signals the executive's notification with a bit of its own.

use crate::memory::{DEPTH, Memory, MemoryError, Owner, ROOT};
use sel4::{badge, rights, sys};

/// The lowest badge bit of interrupts; a kernel of this version keeps 28 bits of a badge. What is
/// below tells apps apart.
const FIRST_BIT: u64 = 20;
/// Interrupts that can be told apart.
pub const INTERRUPTS: u64 = 8;

/// The badge bit of an interrupt with this number.
pub const fn signal(vector: u64) -> u64 {
    1 << (FIRST_BIT + vector)
}

/// All of them.
pub const SIGNALS: u64 = ((1 << INTERRUPTS) - 1) << FIRST_BIT;

/// An interrupt: its handler's capability.
#[derive(Clone, Copy)]
pub struct Interrupt(u64);

impl Interrupt {
    /// Takes an edge-triggered pin of the first I/O APIC.
    pub fn new(
        memory: &mut Memory,
        pin: u64,
        vector: u64,
        notification: u64,
    ) -> Result<Self, MemoryError> {
        let (handler, signalling) = (memory.slots(Owner::Root, 1)?, memory.slots(Owner::Root, 1)?);
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
