// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What an app asks of the manager, and how it comes to an end.

use super::plan::Growable;
use super::{Running, Wants};
use crate::Loader;
use crate::executive::Event;
use crate::memory::{Memory, MemoryError, Object, Owner};
use crate::vspace::{self, Access, LARGE, PAGE};
use sel4::sys;
use sel4_boot::service::{Service, Status, WRITE_MAX};
use wasm_aot_trap::TrapCode;

/// How an app, or a call into it, comes to an end. The thread is stopped.
#[derive(Clone, Copy)]
pub enum End {
    /// It exits with this code.
    Exit(i32),
    /// What it was to do is done.
    Returned,
    /// The kernel reports a fault: its label and registers.
    Fault(u64, [u64; 4]),
    /// The app's runtime says that it traps; with a code that it knows, or that nobody does.
    Trap(Option<TrapCode>),
}

/// Does what an event of an app asks for; tells whether the app has come to an end.
pub fn handle(loader: &mut Loader, app: &mut Running<'_>, event: &Event) -> Option<End> {
    match *event {
        Event::Returned { .. } => Some(End::Returned),
        Event::Fault {
            label, registers, ..
        } => {
            let address = registers[sys::seL4_VMFault_Addr as usize];
            let touched =
                label == sys::seL4_Fault_VMFault && app.space.touch(&mut loader.memory, address);
            if touched {
                loader.control.go_on(app.id);
                return None;
            }
            Some(End::Fault(label, registers))
        }
        Event::Call {
            label,
            registers,
            call,
            ..
        } => handle_call(loader, app, (label, registers), call),
        _ => None,
    }
}

fn handle_call(
    loader: &mut Loader,
    app: &mut Running<'_>,
    (label, [first, second, ..]): (u64, [u64; 4]),
    call: u32,
) -> Option<End> {
    match Service::from_label(label) {
        // WASI's exit codes are `u32`; processes show them as `i32`.
        Some(Service::Exit) => return Some(End::Exit(first as u32 as i32)),
        Some(Service::Trap) => {
            let code = u8::try_from(first).ok().and_then(TrapCode::from_u8);
            return Some(End::Trap(code));
        }
        Some(Service::Grow) => {
            let status = match grow(&mut loader.memory, app, first, second) {
                Some(()) => Status::Done,
                None => Status::Refused,
            };
            loader.control.reply(app.id, call, &[status as u64, 0]);
        }
        Some(Service::Read) => {
            let most = usize::try_from(first).map_or(WRITE_MAX, |most| most.min(WRITE_MAX));
            app.wants = Some(Wants::Read { call, most });
            input(loader, app);
        }
        Some(Service::Wait) => {
            app.wants = Some(Wants::Poll { call });
            input(loader, app);
        }
        // The executive passes nothing else on.
        _ => loader
            .control
            .reply(app.id, call, &[Status::Invalid as u64, 0]),
    }
    None
}

/// Gives an app the standard input that it waits for, if there is any.
pub fn input(loader: &mut Loader, app: &mut Running<'_>) {
    let Some(wants) = app.wants else {
        return;
    };
    if let Wants::Read { call, most: 0 } = wants {
        app.wants = None;
        loader
            .control
            .reply(app.id, call, &[Status::Done as u64, 0]);
        return;
    }
    if app.has_input && !loader.input.poll(loader.serial) {
        return;
    }
    app.wants = None;
    match wants {
        Wants::Read { call, most } => {
            let mut bytes = [0; WRITE_MAX];
            let length = match app.has_input {
                true => loader.input.take(&mut bytes[..most]),
                // At its end.
                false => 0,
            };
            let mut words = [0; 2 + WRITE_MAX / 8];
            (words[0], words[1]) = (Status::Done as u64, length as u64);
            for (word, chunk) in words[2..].iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*chunk);
            }
            let used = &words[..2 + length.div_ceil(8)];
            loader.control.reply(app.id, call, used);
        }
        Wants::Poll { call } => loader
            .control
            .reply(app.id, call, &[Status::Done as u64, 1]),
    }
}

/// Serves an app that is alone until it comes to an end.
pub fn until_end(loader: &mut Loader, app: &mut Running<'_>) -> End {
    loop {
        let more = loader.send_output(app, OUTPUT_ROUND);
        let event = loader.control.next(more.then_some(0));
        match event {
            Event::Serial => input(loader, app),
            _ => {
                if let Some(end) = handle(loader, app, &event) {
                    while loader.send_output(app, OUTPUT_ROUND) {}
                    return end;
                }
            }
        }
    }
}

/// Pieces of output that are sent before other work gets its turn.
pub const OUTPUT_ROUND: usize = 8;

/// The thread's registers where it begins a function of the app's runtime, on an empty stack.
pub fn beginning(address: u64, arguments: [u64; 3]) -> sys::seL4_UserContext {
    let [rdi, rsi, rdx] = arguments;
    sys::seL4_UserContext {
        rip: address,
        // As after a call: the ABI wants RSP + 8 to be a multiple of 16.
        rsp: sel4_boot::space::STACK_TOP - 8,
        rdi,
        rsi,
        rdx,
        ..sys::seL4_UserContext::default()
    }
}

/// Makes a part of a region accessible, `None` where that is not possible.
fn grow(memory: &mut Memory, app: &mut Running<'_>, address: u64, bytes: u64) -> Option<()> {
    let end = address.checked_add(bytes)?;
    let (owner, vspace) = (app.space.owner(), app.space.vspace());
    let region = app.space.region(address, end)?;
    if let Some(touchable) = &mut region.touchable {
        // Without holes here, too. Whether there is memory for it, touching it tells.
        if address > region.base + *touchable {
            return None;
        }
        *touchable = (end - region.base).max(*touchable);
        return Some(());
    }
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
