// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the executive and the kernel take for themselves, measured on this machine before the first
//! app is admitted.
//!
//! Two threads of the root task's own are apps for some milliseconds. One looks at the time stamp
//! counter without pause and sees in it when it was interrupted, the other one is released every
//! millisecond and does nothing. First the one that looks is the less urgent one: the gap is all that a
//! job costs beside what it does (interrupt, release, two changes of threads, the call at its end).
//! Then it is the more urgent one: the gap is what a release costs somebody whom it does not
//! concern. At last it makes the longest call that is answered at once, since nothing interrupts the
//! executive.

use crate::Loader;
use crate::executive::control::{APP_PRIORITY, Purpose, SERVICE_MARK, app_badge};
use crate::executive::{AppId, Event, ticks};
use crate::memory::{Account, DEPTH, MemoryError, Object, Owner, ROOT};
use crate::vspace::{self, Access, OWN, PAGE};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sel4::message::MessageInfo;
use sel4::{badge, message, rights, sys, syscall};
use sel4_boot::frame::{Kind, NO_APP};
use sel4_boot::service::{Service, WRITE_MAX};
use wasm_aot_schedule::admission::Overheads;
use wasm_aot_schedule::{Class, Parameters};

/// What is not counted at first: caches are cold, and an emulator translates what it has not seen.
const WARM_UP: u64 = 8;
/// Releases that are watched, and nanoseconds between them.
const RELEASES: u64 = 24;
const PERIOD_NS: u64 = 1_000_000;
/// Calls that are watched.
const CALLS: u64 = 8;
/// The longest section of the kernel in which no interrupt comes through (docs/sel4.md), in
/// nanoseconds.
const KERNEL_NS: u64 = 12_000;
/// What is seen is not the worst: with more apps the queues are longer, and caches colder.
const MARGIN_PERCENT: u64 = 25;
/// What the two may take, in bytes.
const MEMORY_BYTES: u64 = 1 << 20;
/// Where the IPC buffers of the two threads are.
const BUFFERS: u64 = 0x9_0010_0000;

const STACK_BYTES: usize = 4096;
#[repr(C, align(16))]
struct Stack(UnsafeCell<[u8; STACK_BYTES]>);
// SAFETY: each is the stack of one thread.
unsafe impl Sync for Stack {}
static STACKS: [Stack; 2] = [const { Stack(UnsafeCell::new([0; STACK_BYTES])) }; 2];

/// Ticks between two looks at the counter that are an interrupt, not the loop's own.
const GAP_TICKS: u64 = 2000;

/// What the threads tell: ticks.
static JOB_BEGAN: AtomicU64 = AtomicU64::new(0);
static INTERRUPT: AtomicU64 = AtomicU64::new(0);
static JOB: AtomicU64 = AtomicU64::new(0);
static CALL: AtomicU64 = AtomicU64::new(0);
static COUNTS: AtomicU64 = AtomicU64::new(0);
static GAPS: AtomicU64 = AtomicU64::new(0);

/// Says that it is done; goes on at its beginning.
fn returned(endpoint: u64) -> ! {
    loop {
        let _ = syscall::call(endpoint, Service::Returned as u64, &[]);
    }
}

/// Looks at the clock until the other one has run often enough.
extern "C" fn look(endpoint: u64) -> ! {
    let mut last = ticks();
    while GAPS.load(Relaxed) < WARM_UP + RELEASES {
        let now = ticks();
        let began = JOB_BEGAN.swap(0, Relaxed);
        if began > last {
            // It may have come between the two lines above.
            let back = if now > began { now } else { ticks() };
            if GAPS.load(Relaxed) >= WARM_UP {
                JOB.fetch_max(back - last, Relaxed);
            }
            GAPS.fetch_add(1, Relaxed);
        }
        last = now;
    }
    returned(endpoint)
}

/// Looks at the clock until it was interrupted often enough, then calls.
extern "C" fn look_and_call(endpoint: u64) -> ! {
    let mut last = ticks();
    let mut gaps = 0;
    while gaps < WARM_UP + RELEASES {
        let now = ticks();
        if now - last > GAP_TICKS {
            if gaps >= WARM_UP {
                INTERRUPT.fetch_max(now - last, Relaxed);
            }
            gaps += 1;
        }
        last = now;
    }
    for call in 0..WARM_UP + CALLS {
        let words = 2 + WRITE_MAX / 8;
        let info = MessageInfo::new(Service::Write as u64, 0, words);
        let begin = ticks();
        let _ = syscall::call_as_is(endpoint, info, [1, WRITE_MAX as u64, 0, 0]);
        let took = ticks() - begin;
        if call >= WARM_UP {
            CALL.fetch_max(took, Relaxed);
        }
    }
    returned(endpoint)
}

/// A job that does nothing. The initialisation is not counted.
extern "C" fn job(endpoint: u64) -> ! {
    if COUNTS.load(Relaxed) != 0 {
        JOB_BEGAN.store(ticks(), Relaxed);
    }
    returned(endpoint)
}

/// A thread of the root task that is an app.
struct Probe {
    id: AppId,
    tcb: u64,
    registers: sys::seL4_UserContext,
}

fn probe(
    loader: &mut Loader,
    account: Account,
    number: u64,
    id: AppId,
    entry: extern "C" fn(u64) -> !,
) -> Result<Probe, MemoryError> {
    let (memory, owner) = (&mut loader.memory, Owner::App(account));
    let endpoint = memory.slots(owner, 1)?;
    let mark = badge(app_badge(id.index, SERVICE_MARK));
    let (from, call) = (loader.endpoint, rights::CALL);
    sys::seL4_CNode_Mint(ROOT, endpoint, DEPTH, ROOT, from, DEPTH, call, mark)?;
    let buffer = memory.object(owner, Object::Frame)?;
    let address = BUFFERS + number * PAGE;
    vspace::map(memory, owner, OWN, buffer, address, Access::ReadWrite)?;
    let tcb = memory.object(owner, Object::Tcb)?;
    let priority = message::priority(APP_PRIORITY, 0);
    sys::seL4_TCB_Configure(tcb, 0, priority, ROOT, 0, OWN, 0, address, buffer)?;
    let stack = STACKS[number as usize].0.get() as u64 + STACK_BYTES as u64;
    let registers = sys::seL4_UserContext {
        rip: entry as *const () as u64,
        // As after a call: the ABI wants RSP + 8 to be a multiple of 16.
        rsp: stack - 8,
        rdi: endpoint,
        ..sys::seL4_UserContext::default()
    };
    Ok(Probe { id, tcb, registers })
}

/// Measures, and notes what comes of it.
pub fn measure(loader: &mut Loader) {
    let urgent = Parameters {
        priority: 255,
        period: 1_000 * PERIOD_NS,
        deadline: 1_000 * PERIOD_NS,
        budget: 500 * PERIOD_NS,
        ..Parameters::SUPERVISOR
    };
    let measured = with_probes(loader, Parameters::BACKGROUND, look)
        .and_then(|()| with_probes(loader, urgent, look_and_call));
    if let Err(error) = measured {
        let text = format_args!("sel4-loader: overheads could not be measured: {error}");
        loader.output.text(Kind::Log, NO_APP, text);
    }
    let nanoseconds = |ticks: &AtomicU64| {
        let ticks = ticks.load(Relaxed);
        let time = loader.clock.at(loader.start.tsc.wrapping_add(ticks));
        time + time * MARGIN_PERCENT / 100
    };
    let interrupt_ns = nanoseconds(&INTERRUPT);
    let overheads = Overheads {
        job_ns: nanoseconds(&JOB).saturating_sub(interrupt_ns),
        interrupt_ns,
        blocking_ns: nanoseconds(&CALL) + KERNEL_NS,
    };
    loader.overheads = overheads;
    let wake_ns = overheads.interrupt_ns + overheads.blocking_ns;
    loader.control.policy(loader.policy, wake_ns);
    let text = format_args!(
        "sel4-loader: of each job {} ns go to the executive, of each interrupt {} ns, and for {} \
         ns nothing interrupts (measured, with {MARGIN_PERCENT} % added)",
        overheads.job_ns, overheads.interrupt_ns, overheads.blocking_ns
    );
    loader.output.text(Kind::Log, NO_APP, text);
}

/// Lets the two threads be there, the one that looks with these parameters.
fn with_probes(
    loader: &mut Loader,
    looking: Parameters,
    entry: extern "C" fn(u64) -> !,
) -> Result<(), MemoryError> {
    let account = loader.memory.begin(MEMORY_BYTES)?;
    let periodic = Parameters {
        class: Class::Periodic,
        priority: 1,
        period: PERIOD_NS,
        deadline: PERIOD_NS,
        budget: PERIOD_NS / 2,
        ..Parameters::BACKGROUND
    };
    let ids = [looking, periodic].map(|parameters| loader.control.add(parameters, true));
    let run = run(loader, account, ids, entry);
    for id in ids.into_iter().flatten() {
        loader.control.remove(id);
    }
    loader.memory.end(account)?;
    run
}

fn run(
    loader: &mut Loader,
    account: Account,
    ids: [Option<AppId>; 2],
    entry: extern "C" fn(u64) -> !,
) -> Result<(), MemoryError> {
    let [Some(looking), Some(periodic)] = ids else {
        return Err(MemoryError::Full);
    };
    let looking = probe(loader, account, 0, looking, entry)?;
    let periodic = probe(loader, account, 1, periodic, job)?;
    COUNTS.store(0, Relaxed);
    let control = &loader.control;
    // Its initialisation is a job as well, and comes first.
    control.enter(periodic.id, periodic.tcb, periodic.registers, Purpose::Call);
    let end = loader.clock.now() + 4 * (WARM_UP + RELEASES) * PERIOD_NS;
    loop {
        match control.next(Some(end)) {
            Event::Returned { app } if app == periodic.id => {
                COUNTS.store(1, Relaxed);
                let first = loader.clock.now() + PERIOD_NS;
                control.jobs(app, periodic.registers, first, 0);
                control.enter(looking.id, looking.tcb, looking.registers, Purpose::Call);
            }
            Event::Returned { .. } | Event::Time => break,
            _ => {}
        }
    }
    Ok(())
}
