// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How compiled code is entered and left.
//!
//! It runs on a stack of its own, with a guard below, and begins with a frame pointer of 0, at
//! which backtraces end. It ends by returning; by a fault that the signal handler recognises as
//! the code's own; or by the runtime's decision (`proc_exit`). The latter two abandon everything
//! on that stack, host functions included: those hold nothing that would have to be given back.

use crate::arch::{self, Saved};
use crate::calls::{AlternateStack, sigaltstack};
use crate::{map, signals};
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use rustix::io::Errno;
use wasm_aot_loader::trap::{self, Fault, FaultKind, Module, Stack, TrapReport};
use wasm_aot_trap::TrapCode;

/// Why compiled code did not return.
#[derive(Clone, Debug)]
pub enum Stopped<'a> {
    /// It trapped.
    Trap(TrapReport<'a>),
    /// The program ended itself with this exit code.
    Exit(u32),
    /// It took another amount of stack than its object says, where that is checked: a defect.
    Stack {
        /// Bytes that it took.
        used: u64,
        /// Bytes that the object says.
        bound: u64,
    },
    /// It was not entered at all: the system gives no memory for the signal handler's stack.
    Lacking(Errno),
}

impl fmt::Display for Stopped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap(report) => report.fmt(f),
            Self::Exit(code) => write!(f, "exit with code {code}"),
            Self::Stack { used, bound } => write!(
                f,
                "a defect of wasm-aot: {used} bytes of stack were used, and the object's bound is \
                 {bound}"
            ),
            Self::Lacking(Errno::BUSY) => f.write_str(
                "another thread uses the place of a memory that is needed; build the object with \
                 `--memory-base relocate`",
            ),
            Self::Lacking(errno) => write!(f, "no memory to run anything: {errno}"),
        }
    }
}

/// What a fault is looked up in.
pub trait Code<'a> {
    /// The object in whose text an address is.
    fn module(&self, address: u64) -> Option<Module<'a>>;

    /// Module and name of the import whose trapping stand-in is at an address.
    fn unknown_import(&self, address: u64) -> Option<(&'a str, &'a str)>;
}

/// Bytes of the guard below a stack. Larger than any frame that compiled code does not probe.
const GUARD: u64 = 1 << 20;

/// A stack for compiled code, with its guard.
#[derive(Debug)]
pub struct StackArea {
    /// Where the guard begins.
    address: u64,
    /// Bytes of the stack itself.
    bytes: u64,
    /// Bytes below the top that are painted, and of these, at the top, those that no longer are.
    painted: u64,
    spoiled: u64,
}

/// What the stack is painted with.
const PAINT: u64 = 0xa5c3_965a_3c69_f00d;

impl StackArea {
    /// A stack of this many bytes, rounded up to pages.
    ///
    /// # Errors
    /// Where the system gives no memory.
    pub fn new(bytes: u64) -> Result<Self, Errno> {
        let bytes = bytes.max(map::PAGE).checked_next_multiple_of(64 << 10);
        let bytes = bytes
            .filter(|bytes| *bytes <= 1 << 46)
            .ok_or(Errno::NOMEM)?;
        let address = map::reserve(0, GUARD + bytes)?;
        let area = Self {
            address,
            bytes,
            painted: 0,
            spoiled: 0,
        };
        // SAFETY: inside the reservation.
        unsafe { map::commit(address + GUARD, bytes) }?;
        Ok(area)
    }

    fn top(&self) -> u64 {
        self.address + GUARD + self.bytes
    }

    /// Fills so many bytes below the top, or all, so that what has been used can be told.
    pub fn paint(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes).next_multiple_of(16);
        let [new, known] = [bytes.max(self.painted), self.painted];
        for range in [known..new, 0..self.spoiled] {
            let words = (range.end - range.start) as usize / 8;
            let start = (self.top() - range.end) as usize;
            let start: *mut u64 = ptr::with_exposed_provenance_mut(start);
            // SAFETY: inside the stack, on which nothing runs while it is exclusively borrowed.
            let words = unsafe { core::slice::from_raw_parts_mut(start, words) };
            words.fill(PAINT);
        }
        (self.painted, self.spoiled) = (new, 0);
    }

    /// Bytes that the last call has used since it was painted, as far as it was.
    pub fn used(&mut self) -> u64 {
        let start: *const u64 = ptr::with_exposed_provenance((self.top() - self.painted) as usize);
        // SAFETY: as above.
        let words = unsafe { core::slice::from_raw_parts(start, self.painted as usize / 8) };
        let unused = words.iter().take_while(|&&word| word == PAINT).count() as u64;
        self.spoiled = self.painted - unused * 8;
        self.spoiled.saturating_sub(arch::ENTERED)
    }

    /// Tells that somebody uses it and nobody will ask how much.
    pub fn spoil(&mut self) {
        self.spoiled = self.painted;
    }

    fn ranges(&self) -> Stack {
        let bottom = self.address + GUARD;
        Stack {
            stack: bottom..bottom + self.bytes,
            guard: self.address..bottom,
        }
    }
}

impl Drop for StackArea {
    fn drop(&mut self) {
        // SAFETY: `call` borrows the stack as long as anything runs on it.
        unsafe { map::release(self.address, GUARD + self.bytes) };
    }
}

/// A call in progress.
struct Activation<'a, 'c> {
    saved: Saved,
    stack: Stack,
    code: &'c dyn Code<'a>,
    stopped: Option<Stopped<'a>>,
    /// The call that was in progress on this thread when this one was made.
    outer: *mut Activation<'static, 'static>,
}

/// Calls `function(first, second)` on a stack of its own.
///
/// # Errors
/// Where it does not return.
///
/// # Safety
/// There is compiled code, or C code, that takes two words or fewer; what `code` finds is loaded.
pub unsafe fn call<'a>(
    code: &dyn Code<'a>,
    stack: &mut StackArea,
    function: u64,
    arguments: [u64; 2],
) -> Result<(), Stopped<'a>> {
    let thread = Thread::current().map_err(Stopped::Lacking)?;
    signals::install();
    let mut activation = Activation {
        saved: Saved::default(),
        stack: stack.ranges(),
        code,
        stopped: None,
        outer: thread.activation.load(Ordering::Relaxed),
    };
    let this: *mut Activation<'_, '_> = &raw mut activation;
    thread.activation.store(this.cast(), Ordering::Release);
    let [first, second] = arguments;
    // SAFETY: the stack is exclusively borrowed, the function is as the caller promises; the
    // alternate stack is this thread's own.
    unsafe {
        let before = sigaltstack(&thread.handler_stack());
        arch::enter(&raw mut (*this).saved, stack.top(), function, first, second);
        sigaltstack(&before);
    }
    // SAFETY: `this` is the local variable, which only the handler on this thread refers to.
    let (stopped, outer) = unsafe { ((*this).stopped.take(), (*this).outer) };
    thread.activation.store(outer, Ordering::Release);
    if outer.is_null() {
        thread.owner.store(FREE, Ordering::Release);
    }
    stopped.map_or(Ok(()), Err)
}

/// Ends the program that runs on this thread with an exit code. Where none runs, ends the
/// process.
pub fn exit(code: u32) -> ! {
    if let Some(activation) = current() {
        // SAFETY: the activation is in progress on this thread.
        unsafe { stop(activation, Stopped::Exit(code)) }
    }
    crate::calls::exit_group(code.cast_signed())
}

/// Ends the program that runs on this thread with a trap at the present place. Where none runs,
/// ends the process.
pub fn trap(code: TrapCode) -> ! {
    let (pc, sp, fp) = arch::registers();
    let fault = Fault {
        pc,
        address: None,
        kind: FaultKind::Other,
        sp,
        fp,
        // It is saved by now, wherever there is one.
        link: 0,
    };
    if let Some(activation) = current() {
        // SAFETY: in progress on this thread, which is here.
        unsafe {
            let report = (*activation).report(&fault, Some(code));
            stop(activation, Stopped::Trap(report))
        }
    }
    crate::calls::exit_group(wasm_aot_trap::EXIT_STATUS)
}

/// # Safety
/// The activation is in progress on this thread.
unsafe fn stop(activation: *mut Activation<'static, 'static>, stopped: Stopped<'static>) -> ! {
    // SAFETY: the caller's promise.
    unsafe {
        (*activation).stopped = Some(stopped);
        arch::leave(&raw const (*activation).saved)
    }
}

/// The call that is in progress on this thread.
fn current() -> Option<*mut Activation<'static, 'static>> {
    let activation = Thread::find()?.activation.load(Ordering::Acquire);
    (!activation.is_null()).then_some(activation)
}

/// Decides about a fault on this thread. Where it is the compiled code's, the call is over, and
/// the registers to go on with are returned.
pub(crate) fn caught(fault: &Fault) -> Option<*const Saved> {
    let activation = current()?;
    // SAFETY: in progress on this thread, which is in its signal handler: nothing else of the
    // call runs.
    let activation = unsafe { &mut *activation };
    let code = activation.code;
    let guard = |address| activation.stack.guard.contains(&address);
    let exhausted = fault.kind == FaultKind::Memory && fault.address.is_some_and(guard);
    let import = code.unknown_import(fault.pc);
    let report = match import {
        Some((module, name)) => activation
            .report(fault, Some(TrapCode::UnknownImport))
            .about(module, name),
        None if exhausted || code.module(fault.pc).is_some() => {
            let code = trap::trap_code(fault, &activation.stack, &|pc| code.module(pc));
            activation.report(fault, code)
        }
        // A defect of the host, which the compiled code is not to be blamed for.
        None => return None,
    };
    activation.stopped = Some(Stopped::Trap(report));
    Some(&raw const activation.saved)
}

impl<'a> Activation<'a, '_> {
    fn report(&self, fault: &Fault, code: Option<TrapCode>) -> TrapReport<'a> {
        let usable = self.stack.stack.clone();
        let mut read = |address: u64| {
            let inside =
                usable.contains(&address) && usable.end - address >= 8 && address.is_multiple_of(8);
            let word: *const u64 = ptr::with_exposed_provenance(address as usize);
            // SAFETY: an aligned word of the stack, all of which is mapped.
            inside.then(|| unsafe { word.read_volatile() })
        };
        let find = |address| self.code.module(address);
        trap::report_as(code, fault, &self.stack, &find, &mut read)
    }
}

/// Bytes of a signal handler's stack, the thread's record included: the report is made there.
const HANDLER_STACK: u64 = 128 << 10;

/// [`Thread::owner`] of a record that nobody uses.
const FREE: i32 = 0;

/// What there is of a thread that runs compiled code: the stack of its signal handlers, at the
/// lower end of which this record is. Records are never given back, only used again.
struct Thread {
    /// Number of the thread (gettid(2)), or [`FREE`].
    owner: AtomicI32,
    activation: AtomicPtr<Activation<'static, 'static>>,
    next: AtomicPtr<Thread>,
}

/// All records.
static THREADS: AtomicPtr<Thread> = AtomicPtr::new(ptr::null_mut());

impl Thread {
    fn all() -> impl Iterator<Item = &'static Thread> {
        let mut next = THREADS.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: null, or a record, none of which is ever unmapped.
            let thread = unsafe { next.as_ref() }?;
            next = thread.next.load(Ordering::Acquire);
            Some(thread)
        })
    }

    fn number() -> i32 {
        rustix::thread::gettid().as_raw_nonzero().get()
    }

    /// The record of this thread, if it has one.
    fn find() -> Option<&'static Self> {
        let number = Self::number();
        Self::all().find(|thread| thread.owner.load(Ordering::Acquire) == number)
    }

    /// The record of this thread, made where it has none.
    fn current() -> Result<&'static Self, Errno> {
        if let Some(thread) = Self::find() {
            return Ok(thread);
        }
        let number = Self::number();
        let free = Self::all().find(|thread| {
            let taken =
                thread
                    .owner
                    .compare_exchange(FREE, number, Ordering::AcqRel, Ordering::Relaxed);
            taken.is_ok()
        });
        match free {
            Some(thread) => Ok(thread),
            None => Self::new(number),
        }
    }

    fn new(number: i32) -> Result<&'static Self, Errno> {
        let address = map::reserve(0, HANDLER_STACK)?;
        // SAFETY: the whole of a new reservation, of which nobody else knows yet.
        let thread: &'static Thread = unsafe {
            map::commit(address, HANDLER_STACK)?;
            let place: *mut Thread = ptr::with_exposed_provenance_mut(address as usize);
            place.write(Thread {
                owner: AtomicI32::new(number),
                activation: AtomicPtr::new(ptr::null_mut()),
                next: AtomicPtr::new(ptr::null_mut()),
            });
            &*place
        };
        let mut head = THREADS.load(Ordering::Acquire);
        loop {
            thread.next.store(head, Ordering::Release);
            let this = ptr::from_ref(thread).cast_mut();
            match THREADS.compare_exchange(head, this, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(thread),
                Err(other) => head = other,
            }
        }
    }

    /// The part of the mapping above the record.
    fn handler_stack(&self) -> AlternateStack {
        let record = (size_of::<Thread>() as u64).next_multiple_of(64);
        AlternateStack {
            start: ptr::from_ref(self).addr() + record as usize,
            flags: 0,
            size: (HANDLER_STACK - record) as usize,
        }
    }
}
