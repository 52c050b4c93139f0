// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Threads without a C library: a stack, clone(2), and the word by which the kernel tells that a
//! thread is gone.

use crate::Output;
use core::arch::naked_asm;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use rustix::io::Errno;
use rustix::thread::futex;
use wasm_aot_linux::World;
use wasm_aot_linux::calls::exit_thread;
use wasm_aot_linux::map;
use wasm_aot_linux::script::{Threads, Work};

/// The most threads that one thread begins.
const MAX_THREADS: usize = 64;

/// Bytes of a thread's stack, its record at the lower end included; below is a guard as large.
const STACK: u64 = 256 << 10;

/// What a thread has to do, and what came of it. It stands at the lower end of its stack, and is
/// never given back: scripts have few threads, and end.
struct Task<'a> {
    number: u32,
    /// 1 as long as the thread runs; the kernel makes it 0.
    alive: AtomicU32,
    work: Option<Work<'a, Output, Cloned<'a>>>,
    result: Option<World<'a>>,
}

/// The threads that a script, or one of its threads, has begun.
pub struct Cloned<'a> {
    tasks: [*mut Task<'a>; MAX_THREADS],
}

impl Cloned<'_> {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            tasks: [ptr::null_mut(); MAX_THREADS],
        }
    }
}

impl<'a> Cloned<'a> {
    fn begin(&mut self, number: u32, work: Work<'a, Output, Self>) -> Result<(), Errno> {
        let free = self.tasks.iter_mut().find(|task| task.is_null());
        let slot = free.ok_or(Errno::AGAIN)?;
        let address = map::reserve(0, 2 * STACK)? + STACK;
        let task: *mut Task<'a> = ptr::with_exposed_provenance_mut(address as usize);
        let top: *mut [usize; 2] =
            ptr::with_exposed_provenance_mut((address + STACK) as usize - size_of::<[usize; 2]>());
        // SAFETY: the upper half of a new reservation, of which nobody else knows; both ends are
        // in it, aligned and apart.
        let result = unsafe {
            map::commit(address, STACK)?;
            task.write(Task {
                number,
                alive: AtomicU32::new(1),
                work: Some(work),
                result: None,
            });
            top.write([perform as *const () as usize, task.expose_provenance()]);
            clone(top, &raw const (*task).alive)
        };
        if result < 0 {
            return Err(Errno::from_raw_os_error(-result as i32));
        }
        *slot = task;
        Ok(())
    }
}

impl<'a> Threads<'a, Output> for Cloned<'a> {
    fn spawn(&mut self, thread: u32, work: Work<'a, Output, Self>) -> Option<Result<(), Errno>> {
        Some(self.begin(thread, work))
    }

    fn join(&mut self, thread: u32) -> Option<World<'a>> {
        let known = |task: &&*mut Task<'a>| {
            // SAFETY: null, or a record, which the thread does not change the number of.
            unsafe { task.as_ref() }.is_some_and(|task| task.number == thread)
        };
        let task = *self.tasks.iter().find(known)?;
        // SAFETY: records stay; this field is atomic.
        let alive = unsafe { &(*task).alive };
        while alive.load(Ordering::Acquire) != 0 {
            // The kernel's wake-up is not for this process alone.
            let _ = futex::wait(alive, futex::Flags::empty(), 1, None);
        }
        // SAFETY: the thread is gone.
        unsafe { (*task).result.take() }
    }

    fn inner(&self) -> Self {
        Self::new()
    }
}

/// What a thread does, from its beginning to its end.
///
/// # Safety
/// The record is that of this thread, of which nobody else uses the work and the result.
unsafe extern "C" fn perform(task: *mut Task<'_>) -> ! {
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(work) = (*task).work.take() {
            (*task).result = Some(work.run());
        }
    }
    exit_thread()
}

/// Memory, files, signal handlers and process are shared; when the thread ends, the word becomes 0
/// and whoever waits is woken (clone(2): VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, CHILD_CLEARTID).
const FLAGS: u32 = 0x25_0f00;

/// Begins a thread that takes a function and its argument off its stack, and calls it. Gives the
/// thread's number, or a negative error.
///
/// # Safety
/// The stack is the new thread's alone; the function does not return, and may run in parallel to
/// whatever comes after; the word stays as long as the thread runs.
#[unsafe(naked)]
unsafe extern "C" fn clone(stack: *mut [usize; 2], word: *const AtomicU32) -> isize {
    #[cfg(target_arch = "x86_64")]
    naked_asm!(
        "mov r10, rsi",
        "mov rsi, rdi",
        "mov edi, {flags}",
        "xor edx, edx",
        "xor r8d, r8d",
        "mov eax, 56",
        "syscall",
        "test rax, rax",
        "jz 2f",
        "ret",
        "2:",
        "xor ebp, ebp",
        "pop rax",
        "pop rdi",
        "call rax",
        "ud2",
        flags = const FLAGS,
    );
    #[cfg(target_arch = "aarch64")]
    naked_asm!(
        "mov x4, x1",
        "mov x1, x0",
        "mov x0, #{low}",
        "movk x0, #{high}, lsl #16",
        "mov x2, xzr",
        "mov x3, xzr",
        "mov x8, #220",
        "svc #0",
        "cbz x0, 2f",
        "ret",
        "2:",
        "ldp x1, x0, [sp], #16",
        "mov x29, xzr",
        "mov x30, xzr",
        "blr x1",
        "udf #0",
        low = const FLAGS & 0xffff,
        high = const FLAGS >> 16,
    );
    #[cfg(target_arch = "riscv64")]
    naked_asm!(
        "mv a4, a1",
        "mv a1, a0",
        "li a0, {flags}",
        "li a2, 0",
        "li a3, 0",
        "li a7, 220",
        "ecall",
        "beqz a0, 2f",
        "ret",
        "2:",
        "ld t0, 0(sp)",
        "ld a0, 8(sp)",
        "addi sp, sp, 16",
        "mv s0, zero",
        "mv ra, zero",
        "jalr t0",
        "unimp",
        flags = const FLAGS,
    );
}
