// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Linux as the runtime sees it: system calls, nothing in between.

use crate::errno::error;
use crate::files::Directories;
use crate::sockets::Inherited;
use crate::{map, run, sockets};
use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{BorrowedFd, RawFd};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::thread::futex;
use rustix::time::{ClockId, clock_getres, clock_gettime};
use wasm_aot_object::descriptor::MemoryDescriptor;
use wasm_aot_runtime::platform::{Clock, FileType, Files, Platform, Polled, Sockets, Stream};
use wasm_aot_runtime::{Result, Wasi, install};
use wasm_aot_trap::TrapCode;

/// What a program is given besides the standard streams.
pub trait Program: Sync {
    /// An argument, from 0 (the program's name) on.
    fn arg(&self, index: usize) -> Option<&[u8]> {
        let _ = index;
        None
    }

    /// A variable of the environment as `NAME=VALUE`, from 0 on.
    fn env(&self, index: usize) -> Option<&[u8]> {
        let _ = index;
        None
    }

    /// A directory, from 0 on: its descriptor, which is the program's and closed at its end, and
    /// the name that it has for the program.
    fn directory(&self, index: usize) -> Option<(RawFd, &[u8])> {
        let _ = index;
        None
    }

    /// A stream socket that listens or is connected, from 0 on: its descriptor, which is the
    /// program's and closed at its end.
    fn socket(&self, index: usize) -> Option<RawFd> {
        let _ = index;
        None
    }

    /// A file system of another kind; [`Program::directory`] is not asked then.
    fn files(&self) -> Option<&dyn Files> {
        None
    }
}

/// A program that is given nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Program for Nothing {}

/// The process.
struct Process {
    program: UnsafeCell<(Directories<'static>, Inherited<'static>)>,
    wasi: UnsafeCell<Option<Wasi>>,
    taken: AtomicBool,
    heap: UnsafeCell<Heap>,
}

/// The heap of structures, arrays and exceptions.
struct Heap {
    /// What the user says of it.
    options: HeapOptions,
    /// The largest that a loaded object asks for, in bytes.
    wish: u64,
    /// Its address, 0 as long as there is none, and bytes.
    region: (u64, u64),
}

/// How the heap of structures, arrays and exceptions is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapOptions {
    /// Its size in bytes; by default the largest that a loaded object asks for.
    pub bytes: Option<u64>,
    /// Collect at every allocation, to find defects.
    pub stress: bool,
}

// SAFETY: whoever holds the `Claim` changes the cells, and only while no program runs; a program
// runs on one thread.
unsafe impl Sync for Process {}

static PROCESS: Process = Process {
    program: UnsafeCell::new((Directories(&Nothing), Inherited(&Nothing))),
    wasi: UnsafeCell::new(None),
    taken: AtomicBool::new(false),
    heap: UnsafeCell::new(Heap {
        options: HeapOptions {
            bytes: None,
            stress: false,
        },
        wish: 0,
        region: (0, 0),
    }),
};

/// The descriptor of the memory of the instance that has called a function of WASI last, null
/// where it has none; its thunks write it ([`crate::world`]).
pub(crate) static CALLER: AtomicPtr<MemoryDescriptor> = AtomicPtr::new(core::ptr::null_mut());

/// The right to run a program in this process: there is one at a time.
#[derive(Debug)]
pub struct Claim(());

impl Claim {
    /// Takes it; `None` where somebody else has it.
    #[must_use]
    pub fn take() -> Option<Self> {
        if PROCESS.taken.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: nothing of the runtime runs as long as nobody else holds the claim.
        unsafe { install(&PROCESS) };
        Some(Self(()))
    }

    /// Gives the program its WASI state, anew. `memory` is the descriptor of its memory, or null.
    ///
    /// # Safety
    /// The program's memory stays, and nothing of it runs now. `program` stays until the claim is
    /// given back.
    pub unsafe fn begin(&mut self, program: &dyn Program, memory: *const MemoryDescriptor) {
        CALLER.store(memory.cast_mut(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe {
            end_program();
            let program = core::mem::transmute::<&dyn Program, &'static dyn Program>(program);
            *PROCESS.program.get() = (Directories(program), Inherited(program));
            *PROCESS.wasi.get() = Some(Wasi::new(&PROCESS, memory));
        }
    }

    /// Says how the heap is to be made, once something needs it.
    pub fn heap(&mut self, options: HeapOptions) {
        // SAFETY: the claim is ours, and whoever has it exclusively runs no program.
        unsafe { (*PROCESS.heap.get()).options = options };
    }

    /// The header of an object of the heap, the address of its type's descriptor; `None` where the
    /// reference is none to the heap.
    pub fn object_descriptor(&self, reference: u64) -> Option<u64> {
        // SAFETY: the claim is the only one, and no compiled code runs.
        let (start, bytes) = unsafe { (*PROCESS.heap.get()).region };
        let inside = reference.checked_sub(start)? < bytes && reference.is_multiple_of(8);
        let header: *const u64 = core::ptr::with_exposed_provenance(reference as usize);
        // SAFETY: in the heap's region; compiled code, which the reference comes from, has written
        // the object there.
        inside.then(|| unsafe { header.read() })
    }

    /// An object asks for a heap of this size.
    pub fn heap_wish(&mut self, bytes: u64) {
        // SAFETY: likewise.
        let heap = unsafe { &mut *PROCESS.heap.get() };
        heap.wish = heap.wish.max(bytes);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // SAFETY: the claim is still ours, and whoever drops it runs no program.
        unsafe {
            wasm_aot_runtime::heap::reset();
            let heap = &mut *PROCESS.heap.get();
            if heap.region.0 != 0 {
                map::release(heap.region.0, heap.region.1);
            }
            heap.region = (0, 0);
            heap.wish = 0;
            heap.options = HeapOptions::default();
            end_program();
            *PROCESS.program.get() = (Directories(&Nothing), Inherited(&Nothing));
        }
        PROCESS.taken.store(false, Ordering::Release);
    }
}

/// Closes what a program has left open, where there was one.
///
/// # Safety
/// No program runs, and the claim is the caller's.
unsafe fn end_program() {
    // SAFETY: the caller's promise.
    if let Some(mut wasi) = unsafe { (*PROCESS.wasi.get()).take() } {
        wasi.end(&PROCESS);
    }
}

impl Process {
    fn given(&self) -> &(Directories<'static>, Inherited<'static>) {
        // SAFETY: only changed while no program runs.
        unsafe { &*self.program.get() }
    }

    fn program(&self) -> &dyn Program {
        self.given().0.0
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

fn timespec(nanoseconds: u64) -> Timespec {
    Timespec {
        tv_sec: (nanoseconds / 1_000_000_000) as i64,
        tv_nsec: (nanoseconds % 1_000_000_000) as i64,
    }
}

fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.tv_nsec as u64)
}

/// Numbers of the standard streams (stdin(3)).
const STDIN: RawFd = 0;
const STDOUT: RawFd = 1;
const STDERR: RawFd = 2;

/// A standard stream.
fn standard(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: the process's own streams, which nothing here closes; where one is closed, a call
    // fails or finds what was opened in its place.
    unsafe { BorrowedFd::borrow_raw(number) }
}

impl Platform for Process {
    fn write(&self, stream: Stream, bytes: &[u8]) -> Result<usize> {
        let fd = match stream {
            Stream::Out => STDOUT,
            Stream::Error => STDERR,
        };
        rustix::io::write(standard(fd), bytes).map_err(error)
    }

    fn read(&self, bytes: &mut [u8]) -> Result<usize> {
        rustix::io::read(standard(STDIN), bytes).map_err(error)
    }

    fn stream_type(&self, fd: u32) -> FileType {
        // Programs take a character device for a terminal.
        match rustix::termios::isatty(standard(fd.cast_signed())) {
            true => FileType::CharacterDevice,
            false => FileType::Unknown,
        }
    }

    fn clock_time(&self, clock: Clock) -> Result<u64> {
        Ok(nanoseconds(clock_gettime(clock_id(clock))))
    }

    fn clock_resolution(&self, clock: Clock) -> Result<u64> {
        Ok(nanoseconds(clock_getres(clock_id(clock))))
    }

    fn wait(&self, timeout: Option<u64>, input: bool) -> Result<bool> {
        let timeout = timeout.map(timespec);
        let mut polled = [PollFd::from_borrowed_fd(standard(STDIN), PollFlags::IN)];
        let fds = if input { &mut polled[..] } else { &mut [] };
        match poll(fds, timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(errno) => Err(error(errno)),
        }
    }

    fn poll(&self, timeout: Option<u64>, polled: &mut [Polled]) -> Result<()> {
        sockets::wait(timeout.map(timespec), standard(STDIN), polled)
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
        // SAFETY: only the runtime's growth functions and its heap get here, with ranges inside
        // what was reserved for the memory, the table or the heap.
        unsafe { map::commit(address, bytes) }.is_ok()
    }

    fn gc_heap(&self) -> Option<Range<u64>> {
        // SAFETY: only the program's thread gets here.
        let heap = unsafe { &mut *self.heap.get() };
        if heap.region.0 == 0 {
            let bytes = heap.options.bytes.unwrap_or(heap.wish);
            let bytes = bytes.checked_next_multiple_of(map::PAGE)?;
            if bytes == 0 {
                return None;
            }
            heap.region = (map::reserve(0, bytes).ok()?, bytes);
        }
        let (address, bytes) = heap.region;
        Some(address..address + bytes)
    }

    fn gc_stress(&self) -> bool {
        // SAFETY: changed only while no program runs.
        unsafe { (*self.heap.get()).options.stress }
    }

    fn block(&self, word: &AtomicU32, value: u32, timeout: Option<u64>) -> Result<()> {
        let timeout = timeout.map(timespec);
        match futex::wait(word, futex::Flags::PRIVATE, value, timeout.as_ref()) {
            Ok(()) => Ok(()),
            // Early returns are allowed: the caller looks at the word and the clock.
            Err(
                rustix::io::Errno::AGAIN | rustix::io::Errno::INTR | rustix::io::Errno::TIMEDOUT,
            ) => Ok(()),
            Err(errno) => Err(error(errno)),
        }
    }

    fn wake(&self, word: *const AtomicU32, count: u32) {
        // SAFETY: the system call takes the address for a name; nothing is read there.
        let _ = unsafe { futex::wake(&*word, futex::Flags::PRIVATE, count) };
    }

    fn exit(&self, code: u32) -> ! {
        run::exit(code)
    }

    fn trap(&self, code: TrapCode) -> ! {
        run::trap(code)
    }

    fn yield_now(&self) {
        rustix::thread::sched_yield();
    }

    fn arg(&self, index: usize) -> Option<&[u8]> {
        self.program().arg(index)
    }

    fn env(&self, index: usize) -> Option<&[u8]> {
        self.program().env(index)
    }

    fn files(&self) -> Option<&dyn Files> {
        let given = self.given();
        Some(given.0.0.files().unwrap_or(&given.0))
    }

    fn sockets(&self) -> Option<&dyn Sockets> {
        Some(&self.given().1)
    }

    fn wasi(&self) -> Option<NonNull<Wasi>> {
        let state = self.wasi.get();
        // SAFETY: `Claim::begin` wrote it; the runtime uses one reference at a time.
        let state = unsafe { (*state).as_mut() }?;
        // SAFETY: `Claim::begin` or a thunk of a loaded instance wrote it; the memory stays.
        unsafe { state.use_memory(CALLER.load(Ordering::Relaxed)) };
        Some(NonNull::from(state))
    }
}
