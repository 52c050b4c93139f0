// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Sockets that a program was given, and waiting for descriptors.

use crate::errno::error;
use crate::platform::Program;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{BorrowedFd, IntoRawFd, RawFd};
use rustix::io::Errno as System;
use rustix::net::sockopt::socket_type;
use rustix::net::{RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};
use rustix::net::{accept_with, recv, send, shutdown};
use wasm_aot_runtime::platform::{
    FileType, Handle, MAX_POLLED, Polled, Receive, Sockets, Source, StatusFlags,
};
use wasm_aot_runtime::{Errno, Result};

/// The open socket behind a handle.
fn socket(handle: &Handle) -> BorrowedFd<'_> {
    // SAFETY: handles come from `accept` and from the program's sockets; the runtime closes each
    // once, and uses none afterwards. -1 is never given out.
    unsafe { BorrowedFd::borrow_raw(handle.0) }
}

/// Whether a descriptor that the process has inherited is a stream socket.
///
/// # Errors
/// Says what it is not.
pub fn check(fd: RawFd) -> core::result::Result<(), System> {
    if fd < 0 {
        return Err(System::BADF);
    }
    // SAFETY: it is only asked what it is; where it is not open the system says so.
    match socket_type(unsafe { BorrowedFd::borrow_raw(fd) })? {
        SocketType::STREAM => Ok(()),
        _ => Err(System::PROTOTYPE),
    }
}

/// The sockets of a program.
pub(crate) struct Inherited<'p>(pub &'p dyn Program);

impl Sockets for Inherited<'_> {
    fn inherited(&self, index: usize) -> Option<(Handle, FileType)> {
        let fd = self.0.socket(index)?;
        Some((Handle(fd), FileType::SocketStream))
    }

    fn accept(&self, listener: Handle, flags: StatusFlags) -> Result<Handle> {
        let mut with = SocketFlags::CLOEXEC;
        if flags.has(StatusFlags::NONBLOCK) {
            with |= SocketFlags::NONBLOCK;
        }
        let accepted = accept_with(socket(&listener), with).map_err(error)?;
        Ok(Handle(accepted.into_raw_fd()))
    }

    fn receive(&self, handle: Handle, bytes: &mut [u8], how: Receive) -> Result<usize> {
        let mut flags = RecvFlags::empty();
        flags.set(RecvFlags::PEEK, how.peek);
        flags.set(RecvFlags::WAITALL, how.all);
        let (received, _) = recv(socket(&handle), bytes, flags).map_err(error)?;
        Ok(received)
    }

    fn send(&self, handle: Handle, bytes: &[u8]) -> Result<usize> {
        send(socket(&handle), bytes, SendFlags::NOSIGNAL).map_err(error)
    }

    fn shutdown(&self, handle: Handle, receiving: bool, sending: bool) -> Result<()> {
        let how = match (receiving, sending) {
            (true, false) => Shutdown::Read,
            (false, true) => Shutdown::Write,
            (true, true) => Shutdown::Both,
            (false, false) => return Err(Errno::INVAL),
        };
        shutdown(socket(&handle), how).map_err(error)
    }

    fn set_flags(&self, handle: Handle, flags: StatusFlags) -> Result<()> {
        if flags.0 & !StatusFlags::NONBLOCK != 0 {
            return Err(Errno::INVAL);
        }
        let flags = match flags.has(StatusFlags::NONBLOCK) {
            true => rustix::fs::OFlags::NONBLOCK,
            false => rustix::fs::OFlags::empty(),
        };
        rustix::fs::fcntl_setfl(socket(&handle), flags).map_err(error)
    }

    fn close(&self, handle: Handle) -> Result<()> {
        // SAFETY: the runtime closes a handle once, and does not use it afterwards.
        unsafe { rustix::io::close(handle.0) };
        Ok(())
    }
}

/// Waits for descriptors (`Platform::poll`).
pub(crate) fn wait(
    timeout: Option<Timespec>,
    input: BorrowedFd<'_>,
    polled: &mut [Polled],
) -> Result<()> {
    let handles: [Handle; MAX_POLLED] = core::array::from_fn(|index| match polled.get(index) {
        Some(Polled {
            source: Source::Handle(handle),
            ..
        }) => *handle,
        _ => Handle(0),
    });
    let mut fds: [PollFd<'_>; MAX_POLLED] = core::array::from_fn(|index| {
        let mut wanted = PollFlags::empty();
        let one = polled.get(index);
        wanted.set(PollFlags::IN, one.is_some_and(|one| one.read));
        wanted.set(PollFlags::OUT, one.is_some_and(|one| one.write));
        match one.map(|one| one.source) {
            Some(Source::Handle(_)) => PollFd::from_borrowed_fd(socket(&handles[index]), wanted),
            _ => PollFd::from_borrowed_fd(input, wanted),
        }
    });
    let fds = fds.get_mut(..polled.len()).ok_or(Errno::NOMEM)?;
    poll(fds, timeout.as_ref()).map_err(error)?;
    for (one, fd) in polled.iter_mut().zip(fds) {
        let found = fd.revents();
        // An error or the other side's end is what the next call finds: it does not wait.
        let over = found.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
        one.readable = one.read && (over || found.contains(PollFlags::IN));
        one.writable = one.write && (over || found.contains(PollFlags::OUT));
        one.hung_up = found.contains(PollFlags::HUP);
    }
    Ok(())
}
