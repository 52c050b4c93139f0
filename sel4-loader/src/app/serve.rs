// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The life of an app: its calls are answered until it exits or faults.

use super::compose::{FAULT_BADGE, SERVICE_BADGE};
use super::plan::Growable;
use super::{Running, fault};
use crate::Loader;
use crate::memory::{Memory, MemoryError, Object, Owner};
use crate::vspace::{self, Access, LARGE, PAGE};
use sel4::syscall::{self, Received};
use sel4_boot::frame::Kind;
use sel4_boot::service::{Service, Status, WRITE_MAX};
use wasm_aot_trap::{EXIT_STATUS, TrapCode};

/// What becomes of a call.
enum Next {
    /// Answer and go on.
    Answer(Status, u64),
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
    if let End::Exit(code) = end {
        return code;
    }
    let report = fault::report(loader, app, &end);
    loader
        .output
        .text(Kind::Trap, app.index, format_args!("{report}"));
    EXIT_STATUS
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
        Some(Service::Returned) if app.script => Next::End(End::Returned),
        Some(Service::Returned) | None => Next::Answer(Status::Invalid, 0),
    }
}

/// Passes on what an app writes, as much as its message carries.
fn write(loader: &Loader, app: &Running<'_>, received: &Received) -> Next {
    let [first, second, ..] = received.registers;
    let kind = match first {
        1 => Kind::Stdout,
        2 => Kind::Stderr,
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

/// Makes a part of a region accessible, `None` where that is not possible.
fn grow(memory: &mut Memory, app: &mut Running<'_>, address: u64, bytes: u64) -> Option<()> {
    let end = address.checked_add(bytes)?;
    let vspace = app.space.vspace();
    let region = app.space.region(address, end)?;
    // Without holes: what was mapped ends at or behind the address.
    if address > region.base + region.mapped {
        return None;
    }
    extend(memory, vspace, region, end).ok()
}

/// Maps a region up to an address, rounded up to pages; in large pages where that fits.
pub fn extend(
    memory: &mut Memory,
    vspace: u64,
    region: &mut Growable,
    end: u64,
) -> Result<(), MemoryError> {
    let end = end.next_multiple_of(PAGE);
    let wanted = end.saturating_sub(region.base + region.mapped);
    // Nothing is taken of a growth that cannot be completed.
    memory.afford(Owner::App, wanted)?;
    while region.base + region.mapped < end {
        let at = region.base + region.mapped;
        let left = end - at;
        let to_large = (at.next_multiple_of(LARGE) - at).min(left);
        if to_large == 0 && left >= LARGE {
            match memory.object(Owner::App, Object::LargeFrame) {
                Ok(frame) => {
                    vspace::map(memory, Owner::App, vspace, frame, at, Access::ReadWrite)?;
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
        let frames = memory.objects(Owner::App, Object::Frame, pages)?;
        for frame in frames..frames + pages {
            let at = region.base + region.mapped;
            vspace::map(memory, Owner::App, vspace, frame, at, Access::ReadWrite)?;
            // Page by page: where paging structures run out, a later growth goes on from here.
            region.mapped += PAGE;
        }
    }
    Ok(())
}
