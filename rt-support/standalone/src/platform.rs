// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Linux as the runtime sees it: system calls, nothing in between. There are no directories.

use crate::{entry, space};
use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::ptr::NonNull;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_getres, clock_gettime};
use wasm_aot_runtime::platform::{Clock, Platform, Stream};
use wasm_aot_runtime::{Errno, Result, Wasi, install};

/// The process.
struct Process {
    /// `argc`, then `argv`, null, `envp`, null: as the kernel left them.
    stack: UnsafeCell<*const usize>,
    wasi: UnsafeCell<Option<Wasi>>,
}

// SAFETY: there is one thread.
unsafe impl Sync for Process {}

static PROCESS: Process = Process {
    stack: UnsafeCell::new(core::ptr::null()),
    wasi: UnsafeCell::new(None),
};

/// Makes this the platform that the runtime uses.
///
/// # Safety
/// `stack` is the initial stack of the process; called once, before anything else.
pub unsafe fn start(stack: *const usize) {
    // SAFETY: the caller's promise: nothing else refers to these yet. The descriptor is null or
    // one of the executable's data.
    unsafe {
        *PROCESS.stack.get() = stack;
        *PROCESS.wasi.get() = Some(Wasi::new(&PROCESS, entry::get().memory));
        install(&PROCESS);
    }
}

/// The program's name, for messages.
pub fn name() -> &'static str {
    PROCESS
        .arg(0)
        .and_then(|name| core::str::from_utf8(name).ok())
        .unwrap_or("program")
}

impl Process {
    /// A string of the kernel's arrays, from the word `start` on.
    fn string(&self, start: usize, index: usize) -> Option<&'static [u8]> {
        // SAFETY: the kernel's arrays end with a null pointer, which `arg` and `env` never pass.
        unsafe {
            let word = *(*self.stack.get()).add(start + index);
            if word == 0 {
                return None;
            }
            Some(CStr::from_ptr(word as *const core::ffi::c_char).to_bytes())
        }
    }

    fn count(&self) -> usize {
        // SAFETY: `start` set it; the first word is `argc`.
        unsafe { **self.stack.get() }
    }
}

/// The system's error as WASI's. Only what these calls can give.
fn error(errno: rustix::io::Errno) -> Errno {
    match errno {
        rustix::io::Errno::BADF => Errno::BADF,
        rustix::io::Errno::AGAIN => Errno::AGAIN,
        rustix::io::Errno::INTR => Errno::INTR,
        rustix::io::Errno::INVAL => Errno::INVAL,
        rustix::io::Errno::NOSPC => Errno::NOSPC,
        rustix::io::Errno::PIPE => Errno::PIPE,
        _ => Errno::IO,
    }
}

fn clock_id(clock: Clock) -> ClockId {
    match clock {
        Clock::Realtime => ClockId::Realtime,
        Clock::Monotonic => ClockId::Monotonic,
        Clock::ProcessCpu => ClockId::ProcessCPUTime,
        Clock::ThreadCpu => ClockId::ThreadCPUTime,
    }
}

fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

impl Platform for Process {
    fn write(&self, stream: Stream, bytes: &[u8]) -> Result<usize> {
        // SAFETY: the process's own streams, which nothing here closes.
        let fd = unsafe {
            match stream {
                Stream::Out => rustix::stdio::stdout(),
                Stream::Error => rustix::stdio::stderr(),
            }
        };
        rustix::io::write(fd, bytes).map_err(error)
    }

    fn read(&self, bytes: &mut [u8]) -> Result<usize> {
        // SAFETY: as above.
        rustix::io::read(unsafe { rustix::stdio::stdin() }, bytes).map_err(error)
    }

    fn clock_time(&self, clock: Clock) -> Result<u64> {
        Ok(nanoseconds(clock_gettime(clock_id(clock))))
    }

    fn clock_resolution(&self, clock: Clock) -> Result<u64> {
        Ok(nanoseconds(clock_getres(clock_id(clock))))
    }

    fn wait(&self, timeout: Option<u64>, input: bool) -> Result<bool> {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: (timeout / 1_000_000_000) as i64,
            tv_nsec: (timeout % 1_000_000_000) as i64,
        });
        // SAFETY: as above.
        let stdin = unsafe { rustix::stdio::stdin() };
        let mut polled = [PollFd::from_borrowed_fd(stdin, PollFlags::IN)];
        let fds = if input { &mut polled[..] } else { &mut [] };
        match poll(fds, timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(errno) => Err(error(errno)),
        }
    }

    fn random(&self, bytes: &mut [u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let filled = getrandom(&mut *rest, GetRandomFlags::empty()).map_err(error)?;
            rest = rest.get_mut(filled..).unwrap_or_default();
        }
        Ok(())
    }

    fn commit(&self, address: u64, bytes: u64) -> bool {
        space::commit(address, bytes)
    }

    fn exit(&self, code: u32) -> ! {
        crate::calls::exit_group(code.cast_signed())
    }

    fn yield_now(&self) {
        rustix::thread::sched_yield();
    }

    fn arg(&self, index: usize) -> Option<&[u8]> {
        if index >= self.count() {
            return None;
        }
        self.string(1, index)
    }

    fn env(&self, index: usize) -> Option<&[u8]> {
        let start = self.count() + 2;
        // The array may end before.
        (0..index)
            .all(|before| self.string(start, before).is_some())
            .then_some(())?;
        self.string(start, index)
    }

    fn wasi(&self) -> Option<NonNull<Wasi>> {
        let state = self.wasi.get();
        // SAFETY: `start` wrote it; the runtime uses one reference at a time.
        unsafe { (*state).as_mut() }.map(NonNull::from)
    }
}
