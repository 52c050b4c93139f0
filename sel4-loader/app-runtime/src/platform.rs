// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! seL4 as `wasm-aot-runtime` sees it: streams, sleep and memory by calls to the root task, clocks
//! by the time stamp counter, random bytes by the processor, files in memory.

use crate::call;
use core::arch::x86_64::{_rdrand64_step, _rdtsc};
use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, Ordering};
use sel4_boot::device::Device;
use sel4_boot::space;
use sel4_boot::startup::{Startup, flags};
use sel4_boot::strings::Strings;
use wasm_aot_memfs::{MemFs, PackError, UnpackError};
use wasm_aot_object::descriptor::MemoryDescriptor;
use wasm_aot_runtime::platform::{Clock, FileType, Files, Platform, Stream};
use wasm_aot_runtime::wasi::Memory;
use wasm_aot_runtime::{Errno, Result, Wasi, install};
use wasm_aot_trap::TrapCode;

const NANOSECONDS: u128 = 1_000_000_000;
/// How often RDRAND may be empty before it counts as broken (Intel Software Developer's Manual,
/// volume 1, "Random Number Generator Instructions").
const RDRAND_RETRIES: usize = 10;

/// The descriptor of the memory of the instance that has called a function of WASI last, null
/// where it has none; its thunks write it (the root task makes them).
pub static CALLER: AtomicPtr<MemoryDescriptor> = AtomicPtr::new(core::ptr::null_mut());

/// The app, once it has begun.
struct App {
    startup: UnsafeCell<Option<Startup<'static>>>,
    files: UnsafeCell<Option<MemFs<'static>>>,
    wasi: UnsafeCell<Option<Wasi>>,
}

// SAFETY: there is one thread.
unsafe impl Sync for App {}

static APP: App = App {
    startup: UnsafeCell::new(None),
    files: UnsafeCell::new(None),
    wasi: UnsafeCell::new(None),
};

/// Why an app cannot begin.
pub enum StartError {
    /// There is no memory for its directories.
    Directories(Errno),
    /// What is to be in them cannot be read.
    Archive(UnpackError),
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Directories(Errno(number)) => {
                write!(f, "the app's directories cannot be made (errno {number})")
            }
            Self::Archive(error) => write!(f, "the app's directories: {error}"),
        }
    }
}

/// Makes this platform the one that the runtime uses.
///
/// # Safety
/// Called once, before anything else of the runtime runs.
// Its frame, with room for paths, is not to stay below the app's.
#[inline(never)]
pub unsafe fn start(startup: Startup<'static>) -> core::result::Result<(), StartError> {
    CALLER.store(
        startup.page.memory as *mut MemoryDescriptor,
        Ordering::Relaxed,
    );
    // SAFETY: by the caller, no reference to any of these exists yet. Of the memory: null, or the
    // address of the descriptor that the root task found in an object, which is never unmapped.
    unsafe {
        *APP.startup.get() = Some(startup);
        *APP.files.get() = files(&startup)?;
        *APP.wasi.get() = Some(Wasi::new(&APP, CALLER.load(Ordering::Relaxed)));
        install(&APP);
    }
    Ok(())
}

/// The app's directories.
fn files(startup: &Startup<'static>) -> core::result::Result<Option<MemFs<'static>>, StartError> {
    if startup.dirs.is_empty() {
        return Ok(None);
    }
    let mut files = MemFs::new(startup.page.files, now);
    for name in startup.dirs.iter() {
        files.add_directory(name).map_err(StartError::Directories)?;
    }
    files
        .unpack(archive(startup))
        .map_err(StartError::Archive)?;
    Ok(Some(files))
}

/// The app's devices.
pub fn devices() -> &'static [Device] {
    APP.startup().map_or(&[], |startup| startup.devices)
}

/// Their names, in the same order.
pub fn device_names() -> Strings<'static> {
    let names = APP.startup().map(|startup| startup.device_names);
    names.unwrap_or(Strings::EMPTY)
}

/// The memory of the instance that has called a host function last.
pub fn memory() -> Memory {
    // SAFETY: null, or the descriptor of a memory of a loaded instance, which stays; there is one
    // thread.
    unsafe { Memory::new(CALLER.load(Ordering::Relaxed)) }
}

/// The archive that the app's directories are made of.
fn archive(startup: &Startup<'static>) -> &'static [u8] {
    match startup.page.archive {
        0 => &[],
        // SAFETY: the root task has mapped that much, read-only and for ever.
        bytes => unsafe {
            core::slice::from_raw_parts(space::ARCHIVE as *const u8, bytes as usize)
        },
    }
}

/// Sends the app's directories to the root task as an archive; gives how many entries were left
/// out.
pub fn pack() -> core::result::Result<u64, PackError> {
    let (Some(files), Some(startup)) = (APP.directories(), APP.startup()) else {
        return Ok(0);
    };
    files.pack(archive(startup), &mut |mut bytes| {
        while !bytes.is_empty() {
            let written = call::write(call::Stream::Archive, bytes).filter(|&count| count > 0);
            let Some(written) = written else {
                return false;
            };
            bytes = &bytes[written..];
        }
        true
    })
}

/// Nanoseconds since 1970, for the times of files; 0 where there is no such clock.
fn now() -> u64 {
    APP.clock_time(Clock::Realtime).unwrap_or(0)
}

/// The time stamp counter.
fn ticks() -> u64 {
    // SAFETY: reading the counter has no effect on memory; the kernel allows it.
    unsafe { _rdtsc() }
}

impl App {
    fn startup(&self) -> Option<&Startup<'static>> {
        // SAFETY: written by `start` only, which nothing runs beside.
        unsafe { (*self.startup.get()).as_ref() }
    }

    fn directories(&self) -> Option<&MemFs<'static>> {
        // SAFETY: likewise.
        unsafe { (*self.files.get()).as_ref() }
    }

    /// So many ticks in nanoseconds.
    fn nanoseconds(&self, ticks: u64) -> Result<u64> {
        match self.startup().ok_or(Errno::NOSYS)?.page.tsc_hz {
            0 => Err(Errno::NOSYS),
            hz => Ok((u128::from(ticks) * NANOSECONDS / u128::from(hz)) as u64),
        }
    }

    /// Nanoseconds since the root task started, and that moment in nanoseconds since 1970.
    fn clock(&self) -> Result<(u64, u64)> {
        let page = self.startup().ok_or(Errno::NOSYS)?.page;
        let elapsed = self.nanoseconds(ticks().wrapping_sub(page.tsc_start))?;
        Ok((elapsed, page.epoch_ns))
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

    fn read(&self, bytes: &mut [u8]) -> Result<usize> {
        call::read(bytes).ok_or(Errno::IO)
    }

    fn stream_type(&self, fd: u32) -> FileType {
        let flags = self.startup().map_or(0, |startup| startup.page.flags);
        // Programs take a character device for a terminal.
        match fd < 3 && flags & flags::TERMINAL << fd != 0 {
            true => FileType::CharacterDevice,
            false => FileType::Unknown,
        }
    }

    fn clock_time(&self, clock: Clock) -> Result<u64> {
        let (elapsed, epoch) = self.clock()?;
        match clock {
            Clock::Realtime if epoch == 0 => Err(Errno::NOSYS),
            Clock::Realtime => Ok(epoch.wrapping_add(elapsed)),
            Clock::Monotonic => Ok(elapsed),
            Clock::ProcessCpu | Clock::ThreadCpu => call::processor_time().ok_or(Errno::NOSYS),
        }
    }

    fn clock_resolution(&self, clock: Clock) -> Result<u64> {
        self.clock_time(clock)?;
        // A tick, which is less than a nanosecond on most machines.
        self.nanoseconds(1).map(|tick| tick.max(1))
    }

    fn wait(&self, timeout: Option<u64>, input: bool) -> Result<bool> {
        if timeout.is_none() && !input {
            // Without an end, and nothing that could end it.
            return Err(Errno::NOTSUP);
        }
        call::wait(timeout, input).ok_or(Errno::NOTSUP)
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
        let flags = self.startup().map_or(0, |startup| startup.page.flags);
        let mapped = flags & flags::MAPPED != 0 && address >= space::HEAP;
        mapped || call::grow(address, bytes)
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

    fn files(&self) -> Option<&dyn Files> {
        self.directories().map(|files| files as &dyn Files)
    }

    fn wasi(&self) -> Option<NonNull<Wasi>> {
        // SAFETY: `start` wrote it; the runtime uses one reference at a time.
        let state = unsafe { (*self.wasi.get()).as_mut() }?;
        // SAFETY: `start` or a thunk of a loaded instance wrote it; the memory stays.
        unsafe { state.use_memory(CALLER.load(Ordering::Relaxed)) };
        Some(NonNull::from(state))
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
