// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The life of an app: its calls are answered until it exits or faults.

use super::compose::{FAULT_BADGE, SERVICE_BADGE};
use super::plan::Growable;
use super::{Running, fault};
use crate::Loader;
use crate::memory::{Memory, MemoryError, Object, Owner};
use crate::vspace::{self, Access, LARGE, PAGE};
use sel4::sys;
use sel4::syscall::{self, Received};
use sel4_boot::frame::Kind;
use sel4_boot::service::{ARCHIVE_STREAM, FOREVER, Service, Status, WRITE_MAX};
use sel4_boot::space;
use wasm_aot_trap::{EXIT_STATUS, TrapCode};

/// What becomes of a call.
enum Next {
    /// Answer and go on.
    Answer(Status, u64),
    /// Answer with bytes of standard input, which are there, at most so many.
    Input(usize),
    /// The app has come to an end.
    End(End),
}

/// How an app, or a call into it, comes to an end. The thread is stopped.
#[derive(Clone, Copy)]
pub enum End {
    /// It exits with this code.
    Exit(i32),
    /// What a script called has returned.
    Returned,
    /// The kernel reports a fault.
    Fault(Received),
    /// The app's runtime says that it traps; with a code that it knows, or that nobody does.
    Trap(Option<TrapCode>),
}

/// Serves an app until it ends; gives its exit code.
pub fn serve(loader: &mut Loader, app: &mut Running<'_>) -> i32 {
    let end = until_end(loader, app);
    let code = match end {
        End::Exit(code) => code,
        _ => {
            let report = fault::report(loader, app, &end);
            loader
                .output
                .text(Kind::Trap, app.index, format_args!("{report}"));
            EXIT_STATUS
        }
    };
    if app.packs {
        pack(loader, app);
    }
    code
}

/// Lets the app's runtime send what is in the app's directories. Whatever comes of that, the app
/// has ended.
fn pack(loader: &mut Loader, app: &mut Running<'_>) {
    app.packing = true;
    let registers = sys::seL4_UserContext {
        rip: loader.runtime.pack(),
        // As after a call: the ABI wants RSP + 8 to be a multiple of 16.
        rsp: space::STACK_TOP - 8,
        ..sys::seL4_UserContext::default()
    };
    let count = sys::seL4_UserContext::WORDS as u64;
    let started = sys::seL4_TCB_WriteRegisters(app.tcb, 1, 0, count, &registers);
    let sent = started.is_ok() && matches!(until_end(loader, app), End::Returned);
    if !sent {
        let text = format_args!("sel4-loader: the app's directories could not be read");
        loader.output.text(Kind::Log, app.index, text);
    }
}

/// Answers an app's calls until it comes to an end.
pub fn until_end(loader: &mut Loader, app: &mut Running<'_>) -> End {
    let mut received = syscall::recv(loader.endpoint);
    loop {
        let next = match received.badge {
            SERVICE_BADGE => call(loader, app, &received),
            FAULT_BADGE => Next::End(End::Fault(received)),
            // No other capability for the endpoint exists.
            _ => Next::Answer(Status::Invalid, 0),
        };
        match next {
            Next::End(end) => return end,
            Next::Input(most) => received = give(loader, most),
            Next::Answer(status, value) => {
                received = syscall::reply_recv(loader.endpoint, 0, &[status as u64, value]);
            }
        }
    }
}

fn call(loader: &mut Loader, app: &mut Running<'_>, received: &Received) -> Next {
    let [first, second, ..] = received.registers;
    match Service::from_label(received.info.label()) {
        Some(Service::Write) => write(loader, app, received),
        // WASI's exit codes are `u32`; processes show them as `i32`.
        Some(Service::Exit) => Next::End(End::Exit(first as u32 as i32)),
        Some(Service::Grow) => match grow(&mut loader.memory, app, first, second) {
            Some(()) => Next::Answer(Status::Done, 0),
            None => Next::Answer(Status::Refused, 0),
        },
        Some(Service::Trap) => {
            let code = u8::try_from(first).ok().and_then(TrapCode::from_u8);
            Next::End(End::Trap(code))
        }
        Some(Service::Returned) if app.script || app.packing => Next::End(End::Returned),
        Some(Service::Read) => read(loader, first),
        Some(Service::Wait) => wait(loader, first, second != 0),
        Some(Service::Returned) | None => Next::Answer(Status::Invalid, 0),
    }
}

/// Passes on what an app writes, as much as its message carries.
fn write(loader: &Loader, app: &Running<'_>, received: &Received) -> Next {
    let [first, second, ..] = received.registers;
    let kind = match first {
        1 => Kind::Stdout,
        2 => Kind::Stderr,
        ARCHIVE_STREAM if app.packing => Kind::Archive,
        _ => return Next::Answer(Status::Invalid, 0),
    };
    let carried = received.info.length().saturating_sub(2) * 8;
    let length = (second as usize).min(carried).min(WRITE_MAX);
    let mut words = [0u64; WRITE_MAX / 8];
    syscall::read_message(received, 2, &mut words[..length.div_ceil(8)]);
    let mut bytes = [0u8; WRITE_MAX];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    loader.output.stream(kind, app.index, &bytes[..length]);
    Next::Answer(Status::Done, length as u64)
}

/// Gives standard input, once there is any.
fn read(loader: &mut Loader, most: u64) -> Next {
    let most = usize::try_from(most).map_or(WRITE_MAX, |most| most.min(WRITE_MAX));
    if most == 0 {
        return Next::Answer(Status::Done, 0);
    }
    loader.input.wait(&loader.interrupts, None);
    Next::Input(most)
}

/// Answers with standard input, and takes the next message.
fn give(loader: &mut Loader, most: usize) -> Received {
    let mut bytes = [0; WRITE_MAX];
    let length = loader.input.take(&mut bytes[..most]);
    let mut words = [0; 2 + WRITE_MAX / 8];
    (words[0], words[1]) = (Status::Done as u64, length as u64);
    for (word, chunk) in words[2..].iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*chunk);
    }
    let used = &words[..2 + length.div_ceil(8)];
    syscall::reply_recv(loader.endpoint, 0, used)
}

/// Lets the app sleep.
fn wait(loader: &mut Loader, nanoseconds: u64, input: bool) -> Next {
    let interrupts = &loader.interrupts;
    let deadline = match nanoseconds {
        FOREVER => None,
        // A look at the input needs no clock.
        0 => Some(0),
        nanoseconds => match interrupts.after(nanoseconds) {
            Some(deadline) => Some(deadline),
            None => return Next::Answer(Status::Refused, 0),
        },
    };
    if input {
        let ready = loader.input.wait(interrupts, deadline);
        return Next::Answer(Status::Done, ready.into());
    }
    if deadline.is_none() {
        return Next::Answer(Status::Invalid, 0);
    }
    while !interrupts.is_over(deadline) {
        interrupts.sleep(deadline, false);
    }
    Next::Answer(Status::Done, 0)
}

/// Makes a part of a region accessible, `None` where that is not possible.
fn grow(memory: &mut Memory, app: &mut Running<'_>, address: u64, bytes: u64) -> Option<()> {
    let end = address.checked_add(bytes)?;
    let (owner, vspace) = (app.space.owner(), app.space.vspace());
    let region = app.space.region(address, end)?;
    // Without holes: what was mapped ends at or behind the address.
    if address > region.base + region.mapped {
        return None;
    }
    extend(memory, owner, vspace, region, end).ok()
}

/// Maps a region up to an address, rounded up to pages; in large pages where that fits.
pub fn extend(
    memory: &mut Memory,
    owner: Owner,
    vspace: u64,
    region: &mut Growable,
    end: u64,
) -> Result<(), MemoryError> {
    let end = end.next_multiple_of(PAGE);
    let wanted = end.saturating_sub(region.base + region.mapped);
    // Nothing is taken of a growth that cannot be completed.
    memory.afford(owner, wanted)?;
    while region.base + region.mapped < end {
        let at = region.base + region.mapped;
        let left = end - at;
        let to_large = (at.next_multiple_of(LARGE) - at).min(left);
        if to_large == 0 && left >= LARGE {
            match memory.object(owner, Object::LargeFrame) {
                Ok(frame) => {
                    vspace::map(memory, owner, vspace, frame, at, Access::ReadWrite)?;
                    region.mapped += LARGE;
                    continue;
                }
                // Perhaps there are only smaller pieces left.
                Err(MemoryError::NoMemory { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let bytes = if to_large == 0 {
            left.min(LARGE)
        } else {
            to_large
        };
        let pages = bytes / PAGE;
        let frames = memory.objects(owner, Object::Frame, pages)?;
        for frame in frames..frames + pages {
            let at = region.base + region.mapped;
            vspace::map(memory, owner, vspace, frame, at, Access::ReadWrite)?;
            // Page by page: where paging structures run out, a later growth goes on from here.
            region.mapped += PAGE;
        }
    }
    Ok(())
}
