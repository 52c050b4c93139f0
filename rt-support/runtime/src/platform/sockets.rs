// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a system with sockets adds, and waiting for descriptors.

use super::{FileType, Handle, StatusFlags};
use crate::errno::Result;

/// The most descriptors that one call waits for.
pub const MAX_POLLED: usize = 256;

/// Sockets that the program was given. It cannot open any but by accepting a connection.
pub trait Sockets {
    /// A stream socket that the program has from the start, from 0 on: one that listens, or is
    /// connected.
    fn inherited(&self, index: usize) -> Option<(Handle, FileType)>;

    /// Takes the next connection.
    ///
    /// # Errors
    /// As the system says.
    fn accept(&self, listener: Handle, flags: StatusFlags) -> Result<Handle>;

    /// Receives bytes; 0 at the end.
    ///
    /// # Errors
    /// As the system says.
    fn receive(&self, socket: Handle, bytes: &mut [u8], how: Receive) -> Result<usize>;

    /// Sends bytes. Where the other side is gone that is an error, not a signal.
    ///
    /// # Errors
    /// As the system says.
    fn send(&self, socket: Handle, bytes: &[u8]) -> Result<usize>;

    /// Ends a connection in one direction or both.
    ///
    /// # Errors
    /// As the system says.
    fn shutdown(&self, socket: Handle, receiving: bool, sending: bool) -> Result<()>;

    /// Changes the status flags.
    ///
    /// # Errors
    /// As the system says.
    fn set_flags(&self, socket: Handle, flags: StatusFlags) -> Result<()>;

    /// Closes a handle, also one of [`Sockets::inherited`].
    ///
    /// # Errors
    /// As the system says; the handle is gone in any case.
    fn close(&self, socket: Handle) -> Result<()>;
}

/// How bytes are received.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Receive {
    /// Leave them there.
    pub peek: bool,
    /// Wait until there are as many as there is room for.
    pub all: bool,
}

/// What can be waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Standard input.
    Input,
    /// An open file or socket.
    Handle(Handle),
}

/// A descriptor that is waited for, and what came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Polled {
    /// Which.
    pub source: Source,
    /// Wait until it can be read.
    pub read: bool,
    /// Wait until it can be written.
    pub write: bool,
    /// It can be read without waiting.
    pub readable: bool,
    /// It can be written without waiting.
    pub writable: bool,
    /// The other side has closed it.
    pub hung_up: bool,
}
