// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A thread of the highest priority that is woken by the HPET at a moment, and how late it was.
//!
//! It makes system calls without an IPC buffer, so it needs none.

use crate::memory::{DEPTH, Memory, MemoryError, Object, Owner, ROOT};
use crate::vspace::{self, Access, OWN};
use core::sync::atomic::{AtomicU64, Ordering};
use sel4::bootinfo::BootInfo;
use sel4::{badge, message, rights, sys, syscall};

/// Where every PC has its HPET, and where its registers are mapped.
const HPET_FRAME: u64 = 0xfed0_0000;
const HPET: u64 = 0x8_c000_0000;
/// Registers and bits (IA-PC HPET specification 1.0a, section 2.3).
const IDENTITY: u64 = 0;
const CONFIGURATION: u64 = 0x10;
const COUNTER: u64 = 0xf0;
const TIMER: u64 = 0x100;
const COMPARATOR: u64 = 0x108;
const ENABLED: u64 = 1 << 2;
const ROUTE: u64 = 9;

/// Where an IPC buffer would be that nobody looks at.
const BUFFER: u64 = 0x8_c010_0000;
/// Priority of whoever is measured.
pub const LOW: u8 = 100;
/// How often the clock is looked at before an alarm counts as lost.
const PATIENCE: u64 = 10_000_000;

static DEADLINE: AtomicU64 = AtomicU64::new(0);
static LATE: AtomicU64 = AtomicU64::new(0);
static SEEN: AtomicU64 = AtomicU64::new(0);
static NOTIFICATION: AtomicU64 = AtomicU64::new(0);
static HANDLER: AtomicU64 = AtomicU64::new(0);

#[repr(C, align(16))]
struct Stack([u8; 16384]);

static mut STACK: Stack = Stack([0; 16384]);

fn read(register: u64) -> u64 {
    // SAFETY: `Alarm::new` has mapped the registers here; reading them has no effect.
    unsafe { ((HPET + register) as *const u64).read_volatile() }
}

fn write(register: u64, value: u64) {
    // SAFETY: as above; they are no memory that Rust knows of.
    unsafe { ((HPET + register) as *mut u64).write_volatile(value) };
}

/// The thread.
extern "C" fn wait() -> ! {
    let notification = NOTIFICATION.load(Ordering::Relaxed);
    let handler = HANDLER.load(Ordering::Relaxed);
    loop {
        let _ = syscall::recv(notification);
        let now = read(COUNTER);
        LATE.store(
            now.wrapping_sub(DEADLINE.load(Ordering::Relaxed)),
            Ordering::Relaxed,
        );
        let _ = syscall::call(handler, sys::IRQAckIRQ, &[]);
        SEEN.fetch_add(1, Ordering::Relaxed);
    }
}

/// Wakes the thread.
pub struct Alarm {
    /// Nanoseconds a count.
    period_ns: u64,
}

impl Alarm {
    /// Takes the HPET, starts the thread, and makes the caller one of low priority.
    pub fn new(info: &BootInfo, memory: &mut Memory) -> Result<Self, MemoryError> {
        let frame = device(info, memory)?;
        let access = Access::ReadWrite;
        vspace::map(memory, Owner::Root, OWN, frame, HPET, access)?;
        let period_ns = (read(IDENTITY) >> 32) / 1_000_000;
        let configuration = read(TIMER);
        let pin = u64::from((configuration >> 32).max(1).ilog2());
        let notification = memory.object(Owner::Root, Object::Notification)?;
        let (handler, signal) = (memory.slots(Owner::Root, 1)?, memory.slots(Owner::Root, 1)?);
        let control = sys::seL4_CapIRQControl;
        sys::seL4_IRQControl_GetIOAPIC(control, ROOT, handler, DEPTH, 0, pin, 0, 0, 0)?;
        let (all, mark) = (rights::ALL, badge(1));
        sys::seL4_CNode_Mint(ROOT, signal, DEPTH, ROOT, notification, DEPTH, all, mark)?;
        sys::seL4_IRQHandler_SetNotification(handler, signal)?;
        write(CONFIGURATION, 1);
        write(TIMER, ENABLED | pin << ROUTE);
        NOTIFICATION.store(notification, Ordering::Relaxed);
        HANDLER.store(handler, Ordering::Relaxed);
        let thread = Thread {
            entry: wait as *const () as u64,
            stack: &raw mut STACK as u64 + size_of::<Stack>() as u64,
            priority: u8::MAX,
            ..Thread::default()
        };
        thread.start(memory)?;
        sys::seL4_TCB_SetPriority(sys::seL4_CapInitThreadTCB, LOW.into())?;
        Ok(Self { period_ns })
    }

    /// The time.
    pub fn now_ns(&self) -> u64 {
        read(COUNTER) * self.period_ns
    }

    /// Does something, with an alarm so much after its beginning; gives how late the thread was.
    pub fn during<E>(
        &self,
        after_ns: u64,
        f: impl FnOnce() -> Result<(), E>,
    ) -> Result<Option<u64>, E> {
        let seen = SEEN.load(Ordering::Relaxed);
        let deadline = read(COUNTER) + after_ns / self.period_ns;
        DEADLINE.store(deadline, Ordering::Relaxed);
        write(COMPARATOR, deadline);
        f()?;
        let woken = (0..PATIENCE).any(|_| SEEN.load(Ordering::Relaxed) != seen);
        Ok(woken.then(|| LATE.load(Ordering::Relaxed) * self.period_ns))
    }
}

/// A thread of this program.
#[derive(Default)]
pub struct Thread {
    pub entry: u64,
    pub argument: u64,
    /// Its end; 0 for none.
    pub stack: u64,
    pub priority: u8,
    /// Its IPC buffer.
    pub buffer: Option<u64>,
}

impl Thread {
    /// Makes it and starts it.
    pub fn start(&self, memory: &mut Memory) -> Result<(), MemoryError> {
        let tcb = memory.object(Owner::Root, Object::Tcb)?;
        let properties = message::priority(self.priority, 0);
        let (address, buffer) = self.buffer.map_or((0, 0), |frame| (BUFFER, frame));
        sys::seL4_TCB_Configure(tcb, 0, properties, ROOT, 0, OWN, 0, address, buffer)?;
        let registers = sys::seL4_UserContext {
            rip: self.entry,
            rdi: self.argument,
            // As after a call: the ABI wants RSP + 8 to be a multiple of 16.
            rsp: self.stack.saturating_sub(8),
            ..sys::seL4_UserContext::default()
        };
        let count = sys::seL4_UserContext::WORDS as u64;
        sys::seL4_TCB_WriteRegisters(tcb, 1, 0, count, &registers)?;
        Ok(())
    }
}

/// The frame of the HPET's registers.
fn device(info: &BootInfo, memory: &mut Memory) -> Result<u64, MemoryError> {
    let mut untypeds = info.untypeds().filter(|(_, d)| d.is_device != 0);
    let around = untypeds.find(|(_, d)| {
        let (start, bits) = (d.paddr, d.size_bits);
        (start..start + (1 << bits)).contains(&HPET_FRAME)
    });
    let (mut slot, description) = around.ok_or(MemoryError::NoMemory { free: 0 })?;
    let (mut start, mut bits) = (description.paddr, u64::from(description.size_bits));
    while bits > sys::seL4_PageBits {
        bits -= 1;
        let halves = memory.slots(Owner::Root, 2)?;
        let kind = sys::seL4_UntypedObject;
        sys::seL4_Untyped_Retype(slot, kind, bits, ROOT, 0, 0, halves, 2)?;
        let high = HPET_FRAME >= start + (1 << bits);
        start += u64::from(high) << bits;
        slot = halves + u64::from(high);
    }
    let frame = memory.slots(Owner::Root, 1)?;
    sys::seL4_Untyped_Retype(slot, sys::seL4_X86_4K, 0, ROOT, 0, 0, frame, 1)?;
    Ok(frame)
}
