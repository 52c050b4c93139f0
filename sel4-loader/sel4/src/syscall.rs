// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! System calls on x86-64 (`libsel4/sel4_arch_include/x86_64/sel4/sel4_arch/syscalls.h`), and the
//! IPC buffer behind them.
//!
//! Register use: RDX number, RDI capability (badge on return), RSI message information, R10, R8,
//! R9, R15 message registers 0 to 3. The instruction destroys RCX and R11, the kernel RSP.
//!
//! A program has one thread and one IPC buffer, named once by [`set_ipc_buffer`], or two threads:
//! the second one is known by its stack ([`set_second_ipc_buffer`]), which costs two comparisons and
//! needs no thread-local storage.

use crate::error::{Error, ErrorCode};
use crate::message::MessageInfo;
use crate::sys;
use core::arch::asm;
use core::ops::Range;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// Message registers that travel in processor registers.
pub const REGISTERS: usize = 4;
/// Message registers in all (`seL4_MsgMaxLength`).
pub const MAX_LENGTH: usize = sys::seL4_MsgMaxLength as usize;
/// Capabilities in a message, at most.
const MAX_CAPS: usize = 3;

/// `seL4_IPCBuffer` (`libsel4/include/sel4/shared_types.h`).
#[repr(C)]
pub struct IpcBuffer {
    tag: u64,
    msg: [u64; MAX_LENGTH],
    user_data: u64,
    caps_or_badges: [u64; MAX_CAPS],
    receive_cnode: u64,
    receive_index: u64,
    receive_depth: u64,
}

static BUFFER: AtomicPtr<IpcBuffer> = AtomicPtr::new(core::ptr::null_mut());

/// The second thread's buffer, and its stack: first address and length, 0 without such a thread.
static SECOND: AtomicPtr<IpcBuffer> = AtomicPtr::new(core::ptr::null_mut());
static SECOND_STACK: AtomicU64 = AtomicU64::new(0);
static SECOND_STACK_LENGTH: AtomicU64 = AtomicU64::new(0);

/// Names the IPC buffer of the program's first thread.
///
/// # Safety
/// The address is that of the frame which the kernel knows as this thread's IPC buffer, mapped
/// for reading and writing as long as the program runs; nothing else refers to that frame.
pub unsafe fn set_ipc_buffer(address: u64) {
    BUFFER.store(address as *mut IpcBuffer, Ordering::Relaxed);
}

/// Names the IPC buffer of the program's second thread, before it runs.
///
/// # Safety
/// As of [`set_ipc_buffer`]; that thread's stack pointer is always in (or at the end of) `stack`,
/// and no other thread's ever is.
pub unsafe fn set_second_ipc_buffer(address: u64, stack: Range<u64>) {
    SECOND.store(address as *mut IpcBuffer, Ordering::Relaxed);
    SECOND_STACK.store(stack.start, Ordering::Relaxed);
    SECOND_STACK_LENGTH.store(stack.end - stack.start, Ordering::Relaxed);
}

fn stack_pointer() -> u64 {
    let pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// Runs `f` with the IPC buffer.
fn with_buffer<T>(f: impl FnOnce(&mut IpcBuffer) -> T) -> Option<T> {
    let depth = stack_pointer().wrapping_sub(SECOND_STACK.load(Ordering::Relaxed));
    let second = depth < SECOND_STACK_LENGTH.load(Ordering::Relaxed);
    let buffer = if second { &SECOND } else { &BUFFER };
    let buffer = buffer.load(Ordering::Relaxed);
    // SAFETY: null, or by the contracts of the functions above valid and referred to by nobody
    // else: each thread has its own, and the closures passed here do not call this function.
    unsafe { buffer.as_mut() }.map(f)
}

/// A message that arrived: its description, the badge it came with, the first registers.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Label and length.
    pub info: MessageInfo,
    /// Badge of the capability through which it was sent.
    pub badge: u64,
    /// Message registers 0 to 3.
    pub registers: [u64; REGISTERS],
}

/// The one system call instruction.
fn raw(number: i64, cap: u64, info: MessageInfo, registers: [u64; REGISTERS]) -> Received {
    let (mut badge, mut information) = (cap, info.0);
    let [mut r0, mut r1, mut r2, mut r3] = registers;
    // SAFETY: all registers that the kernel changes are declared; the stack pointer is restored.
    // The memory that the call reads and writes is the IPC buffer, to which no reference is alive.
    unsafe {
        asm!(
            "mov r12, rsp",
            "syscall",
            "mov rsp, r12",
            in("rdx") number,
            inlateout("rdi") badge,
            inlateout("rsi") information,
            inlateout("r10") r0,
            inlateout("r8") r1,
            inlateout("r9") r2,
            inlateout("r15") r3,
            out("r12") _,
            out("rcx") _,
            out("r11") _,
        );
    }
    Received {
        info: MessageInfo(information),
        badge,
        registers: [r0, r1, r2, r3],
    }
}

fn store(words: &[u64]) -> [u64; REGISTERS] {
    let mut registers = [0; REGISTERS];
    let count = words.len().min(REGISTERS);
    registers[..count].copy_from_slice(&words[..count]);
    if let Some(rest) = words.get(REGISTERS..MAX_LENGTH.min(words.len())) {
        with_buffer(|b| b.msg[REGISTERS..REGISTERS + rest.len()].copy_from_slice(rest));
    }
    registers
}

/// Reads message registers from number `first` on out of the message that arrived last; those
/// beyond what a message can have are 0.
pub fn read_message(received: &Received, first: usize, words: &mut [u64]) {
    let near = REGISTERS.saturating_sub(first).min(words.len());
    let (now, later) = words.split_at_mut(near);
    for (word, register) in now.iter_mut().zip(received.registers.iter().skip(first)) {
        *word = *register;
    }
    let start = (first + near).min(MAX_LENGTH);
    let count = later.len().min(MAX_LENGTH - start);
    let (copied, rest) = later.split_at_mut(count);
    let read = with_buffer(|b| copied.copy_from_slice(&b.msg[start..start + count]));
    if read.is_none() {
        copied.fill(0);
    }
    rest.fill(0);
}

/// Runs `f` with the message registers behind the first ones, of the message that arrived last.
pub fn with_message<T>(f: impl FnOnce(&[u64]) -> T) -> Option<T> {
    with_buffer(|b| f(&b.msg[REGISTERS..]))
}

/// `seL4_Call` with a message of words.
#[must_use]
pub fn call(cap: u64, label: u64, words: &[u64]) -> Received {
    let info = MessageInfo::new(label, 0, words.len());
    raw(sys::seL4_SysCall, cap, info, store(words))
}

/// `seL4_Call` with a message whose registers beyond the first are what the caller's IPC buffer
/// holds: for threads whose buffer is not known here.
#[must_use]
pub fn call_as_is(cap: u64, info: MessageInfo, registers: [u64; REGISTERS]) -> Received {
    raw(sys::seL4_SysCall, cap, info, registers)
}

/// `seL4_Recv`.
#[must_use]
pub fn recv(endpoint: u64) -> Received {
    raw(sys::seL4_SysRecv, endpoint, MessageInfo(0), [0; REGISTERS])
}

/// `seL4_Reply` with a message of words.
pub fn reply(label: u64, words: &[u64]) {
    let info = MessageInfo::new(label, 0, words.len());
    raw(sys::seL4_SysReply, 0, info, store(words));
}

/// `seL4_Send` with a message of words; to a reply capability it never waits.
pub fn send(cap: u64, label: u64, words: &[u64]) {
    let info = MessageInfo::new(label, 0, words.len());
    raw(sys::seL4_SysSend, cap, info, store(words));
}

/// `seL4_Signal`.
pub fn signal(notification: u64) {
    send(notification, 0, &[]);
}

/// `seL4_ReplyRecv` with a message of words.
#[must_use]
pub fn reply_recv(endpoint: u64, label: u64, words: &[u64]) -> Received {
    let info = MessageInfo::new(label, 0, words.len());
    raw(sys::seL4_SysReplyRecv, endpoint, info, store(words))
}

/// `seL4_Yield`.
pub fn yield_now() {
    raw(sys::seL4_SysYield, 0, MessageInfo(0), [0; REGISTERS]);
}

/// An invocation of a kernel object: the generated functions in [`crate::sys`] end here.
///
/// # Errors
/// What the kernel answers.
pub fn invoke(
    service: u64,
    label: u64,
    caps: &[u64],
    words: &[u64],
    out: &mut [u64],
) -> Result<(), Error> {
    with_buffer(|b| b.caps_or_badges[..caps.len()].copy_from_slice(caps));
    let info = MessageInfo::new(label, caps.len(), words.len());
    let answer = raw(sys::seL4_SysCall, service, info, store(words));
    if answer.info.label() != sys::seL4_NoError {
        return Err(Error {
            code: ErrorCode::from_label(answer.info.label()),
            label,
            detail: answer.registers,
        });
    }
    read_message(&answer, 0, out);
    Ok(())
}
