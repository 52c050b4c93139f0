// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Sockets: connections are accepted from listeners that the program was given, never made.

use super::Call;
use super::abi::{riflags, rights, sdflags};
use super::fd::{Descriptor, Target};
use super::memory::Range;
use crate::errno::{Errno, Result};
use crate::platform::{FileType, Handle, Receive, Sockets, StatusFlags};

impl Call<'_> {
    /// The socket behind a descriptor with this right.
    fn socket(&self, fd: u32, right: u64) -> Result<(&dyn Sockets, Handle)> {
        let Target::Socket(handle) = self.fds.get(fd)?.target else {
            return Err(Errno::NOTSOCK);
        };
        self.descriptor(fd, right)?;
        Ok((self.sockets()?, handle))
    }

    pub(super) fn sock_accept(&mut self, fd: u32, flags: u32, result: u32) -> Result<()> {
        let (sockets, listener) = self.socket(fd, rights::SOCK_ACCEPT)?;
        let flags = match flags {
            0 => StatusFlags::default(),
            flags if flags == u32::from(StatusFlags::NONBLOCK) => StatusFlags(flags as u16),
            _ => return Err(Errno::INVAL),
        };
        // Nothing may be left behind by a call that fails: check what can fail afterwards.
        self.memory.bytes((result, 4))?;
        if self.fds.is_full() {
            return Err(Errno::MFILE);
        }
        let handle = sockets.accept(listener, flags)?;
        let inheriting = self.fds.get(fd)?.inheriting;
        let fd = self.fds.insert(Descriptor {
            target: Target::Socket(handle),
            file_type: FileType::SocketStream,
            flags,
            rights: inheriting & rights::CONNECTION,
            inheriting: 0,
            preopen: None,
        })?;
        self.memory.write_u32(result, fd)
    }

    pub(super) fn sock_recv(
        &mut self,
        fd: u32,
        (array, count): Range,
        flags: u32,
        received: u32,
        result: u32,
    ) -> Result<()> {
        let (sockets, socket) = self.socket(fd, rights::FD_READ)?;
        if flags & !(riflags::PEEK | riflags::WAITALL) != 0 {
            return Err(Errno::INVAL);
        }
        let how = Receive {
            peek: flags & riflags::PEEK != 0,
            all: flags & riflags::WAITALL != 0,
        };
        self.memory.bytes((received, 4))?;
        self.memory.bytes((result, 2))?;
        let mut total = 0u32;
        for buffer in self.buffers(array, count)? {
            let buffer = self.memory.bytes_mut(buffer?)?;
            if buffer.is_empty() {
                continue;
            }
            let bytes = match sockets.receive(socket, buffer, how) {
                Err(errno) if total == 0 => return Err(errno),
                Err(_) => break,
                Ok(bytes) => bytes,
            };
            total = total.saturating_add(bytes as u32);
            // What was left there would be seen twice; what is not there is not waited for.
            if bytes < buffer.len() || how.peek || !how.all {
                break;
            }
        }
        self.memory.write_u32(received, total)?;
        // `roflags`: a stream has no message of which anything could be cut off.
        self.memory.write(result, &[0; 2])
    }

    pub(super) fn sock_send(
        &mut self,
        fd: u32,
        (array, count): Range,
        flags: u32,
        result: u32,
    ) -> Result<()> {
        self.socket(fd, rights::FD_WRITE)?;
        if flags != 0 {
            return Err(Errno::INVAL);
        }
        self.fd_write(fd, array, count, None, result)
    }

    pub(super) fn sock_shutdown(&mut self, fd: u32, how: u32) -> Result<()> {
        let (sockets, socket) = self.socket(fd, rights::SOCK_SHUTDOWN)?;
        if how == 0 || how & !(sdflags::RD | sdflags::WR) != 0 {
            return Err(Errno::INVAL);
        }
        sockets.shutdown(socket, how & sdflags::RD != 0, how & sdflags::WR != 0)
    }
}
