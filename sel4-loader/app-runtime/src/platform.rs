// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4 as `wasm-aot-runtime` sees it: streams and memory by calls to the root task, clocks by
//! the time stamp counter, random bytes by the processor. There are no files, and standard input
//! is at its end.

use crate::call;
use core::arch::x86_64::{_rdrand64_step, _rdtsc};
use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::NonNull;
use sel4_boot::space;
use sel4_boot::startup::{Startup, flags};
use wasm_aot_object::descriptor::MemoryDescriptor;
use wasm_aot_runtime::platform::{Clock, Platform, Stream};
use wasm_aot_runtime::{Errno, Result, Wasi, install};
use wasm_aot_trap::TrapCode;

const NANOSECONDS: u128 = 1_000_000_000;
/// How often RDRAND may be empty before it counts as broken (Intel Software Developer's Manual,
/// volume 1, "Random Number Generator Instructions").
const RDRAND_RETRIES: usize = 10;

/// The app, once it has begun.
struct App(UnsafeCell<Option<State>>);

struct State {
    startup: Startup<'static>,
    wasi: Wasi,
}

// SAFETY: there is one thread.
unsafe impl Sync for App {}

static APP: App = App(UnsafeCell::new(None));

/// Makes this platform the one that the runtime uses.
///
/// # Safety
/// Called once, before anything else of the runtime runs.
pub unsafe fn start(startup: Startup<'static>) {
    let memory = startup.page.memory as *const MemoryDescriptor;
    // SAFETY: null, or the address of the descriptor that the root task found in the object,
    // which is never unmapped.
    let wasi = unsafe { Wasi::new(&APP, memory) };
    // SAFETY: by the caller, no reference exists yet.
    unsafe { *APP.0.get() = Some(State { startup, wasi }) };
    // SAFETY: the caller's promise.
    unsafe { install(&APP) };
}

impl App {
    fn startup(&self) -> Option<&Startup<'static>> {
        // SAFETY: written by `start` only. The WASI part is reached by a pointer of its own
        // (`wasi` below), the rest is only read.
        unsafe { (*self.0.get()).as_ref() }.map(|state| &state.startup)
    }

    /// Nanoseconds since the root task started, and that moment in nanoseconds since 1970.
    fn clock(&self) -> Result<(u64, u64)> {
        let page = self.startup().ok_or(Errno::NOSYS)?.page;
        if page.tsc_hz == 0 {
            return Err(Errno::NOSYS);
        }
        // SAFETY: reading the counter has no effect on memory; the kernel allows it.
        let ticks = unsafe { _rdtsc() }.wrapping_sub(page.tsc_start);
        let elapsed = u128::from(ticks) * NANOSECONDS / u128::from(page.tsc_hz);
        Ok((elapsed as u64, page.epoch_ns))
    }
}

impl Platform for App {
    fn write(&self, stream: Stream, bytes: &[u8]) -> Result<usize> {
        let stream = match stream {
            Stream::Out => call::Stream::Out,
            Stream::Error => call::Stream::Error,
        };
        call::write(stream, bytes).ok_or(Errno::IO)
    }

    fn read(&self, _bytes: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn clock_time(&self, clock: Clock) -> Result<u64> {
        let (elapsed, epoch) = self.clock()?;
        match clock {
            Clock::Realtime if epoch == 0 => Err(Errno::NOSYS),
            Clock::Realtime => Ok(epoch.wrapping_add(elapsed)),
            // The app has the processor to itself: its time is the machine's.
            Clock::Monotonic | Clock::ProcessCpu | Clock::ThreadCpu => Ok(elapsed),
        }
    }

    fn clock_resolution(&self, _clock: Clock) -> Result<u64> {
        let page = self.startup().ok_or(Errno::NOSYS)?.page;
        match page.tsc_hz {
            0 => Err(Errno::NOSYS),
            hz => Ok((NANOSECONDS / u128::from(hz)).max(1) as u64),
        }
    }

    fn wait(&self, timeout: Option<u64>, input: bool) -> Result<bool> {
        if input {
            // Its end can be read at once.
            return Ok(true);
        }
        // Without an end, and nothing that could end it.
        let timeout = timeout.ok_or(Errno::NOTSUP)?;
        let (begin, _) = self.clock()?;
        while self.clock()?.0 - begin < timeout {
            self.yield_now();
        }
        Ok(false)
    }

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        let page = self.startup().ok_or(Errno::NOSYS)?.page;
        if page.flags & flags::RDRAND == 0 {
            return Err(Errno::NOSYS);
        }
        for chunk in bytes.chunks_mut(8) {
            // SAFETY: the root task has seen in CPUID that the instruction exists.
            let word = unsafe { rdrand() }.ok_or(Errno::IO)?;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }

    fn commit(&self, address: u64, bytes: u64) -> bool {
        call::grow(address, bytes)
    }

    fn gc_heap(&self) -> Option<Range<u64>> {
        let bytes = self.startup()?.page.heap;
        (bytes > 0).then_some(space::HEAP..space::HEAP + bytes)
    }

    fn exit(&self, code: u32) -> ! {
        call::exit(code)
    }

    fn trap(&self, code: TrapCode) -> ! {
        call::trap(code)
    }

    fn yield_now(&self) {
        sel4::syscall::yield_now();
    }

    fn arg(&self, index: usize) -> Option<&[u8]> {
        self.startup()?.args.iter().nth(index)
    }

    fn env(&self, index: usize) -> Option<&[u8]> {
        self.startup()?.env.iter().nth(index)
    }

    fn wasi(&self) -> Option<NonNull<Wasi>> {
        let state = self.0.get();
        // SAFETY: `state` points at the static; only the pointer to its WASI part is made, and
        // `startup` never refers to that part.
        unsafe { (*state).as_mut() }.map(|state| NonNull::from(&mut state.wasi))
    }
}

/// One word of RDRAND.
///
/// # Safety
/// The processor has the instruction.
#[target_feature(enable = "rdrand")]
unsafe fn rdrand() -> Option<u64> {
    let mut word = 0;
    (0..RDRAND_RETRIES).find_map(|_| (_rdrand64_step(&mut word) == 1).then_some(word))
}
