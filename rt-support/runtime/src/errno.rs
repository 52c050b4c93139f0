// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! WASI's error numbers.

/// An error number of WASI preview 1 (`errno` in its `typenames.witx`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Errno(pub u16);

/// The result of a platform or WASI function.
pub type Result<T> = core::result::Result<T, Errno>;

impl Errno {
    /// Permission denied.
    pub const ACCES: Errno = Errno(2);
    /// Try again.
    pub const AGAIN: Errno = Errno(6);
    /// No such descriptor.
    pub const BADF: Errno = Errno(8);
    /// In use.
    pub const BUSY: Errno = Errno(10);
    /// The other side gave the connection up before it was accepted.
    pub const CONNABORTED: Errno = Errno(13);
    /// The other side has ended the connection.
    pub const CONNRESET: Errno = Errno(15);
    /// Quota exceeded.
    pub const DQUOT: Errno = Errno(19);
    /// Exists already.
    pub const EXIST: Errno = Errno(20);
    /// A pointer outside the memory.
    pub const FAULT: Errno = Errno(21);
    /// Too large a file.
    pub const FBIG: Errno = Errno(22);
    /// Not UTF-8.
    pub const ILSEQ: Errno = Errno(25);
    /// Interrupted.
    pub const INTR: Errno = Errno(27);
    /// Invalid argument.
    pub const INVAL: Errno = Errno(28);
    /// Input or output failed.
    pub const IO: Errno = Errno(29);
    /// Is a directory.
    pub const ISDIR: Errno = Errno(31);
    /// Too many symbolic links.
    pub const LOOP: Errno = Errno(32);
    /// Too many open descriptors.
    pub const MFILE: Errno = Errno(33);
    /// Too many links.
    pub const MLINK: Errno = Errno(34);
    /// Too long a name.
    pub const NAMETOOLONG: Errno = Errno(37);
    /// Too many open files in the system.
    pub const NFILE: Errno = Errno(41);
    /// No room for more of a socket's data.
    pub const NOBUFS: Errno = Errno(42);
    /// No such device.
    pub const NODEV: Errno = Errno(43);
    /// No such file or directory.
    pub const NOENT: Errno = Errno(44);
    /// Out of memory.
    pub const NOMEM: Errno = Errno(48);
    /// No space left.
    pub const NOSPC: Errno = Errno(51);
    /// Not provided by this system.
    pub const NOSYS: Errno = Errno(52);
    /// Not connected.
    pub const NOTCONN: Errno = Errno(53);
    /// Not a directory.
    pub const NOTDIR: Errno = Errno(54);
    /// Directory not empty.
    pub const NOTEMPTY: Errno = Errno(55);
    /// Not a socket.
    pub const NOTSOCK: Errno = Errno(57);
    /// Not supported.
    pub const NOTSUP: Errno = Errno(58);
    /// No such device or address.
    pub const NXIO: Errno = Errno(60);
    /// Value too large.
    pub const OVERFLOW: Errno = Errno(61);
    /// Not permitted.
    pub const PERM: Errno = Errno(63);
    /// Broken pipe.
    pub const PIPE: Errno = Errno(64);
    /// Result too large.
    pub const RANGE: Errno = Errno(68);
    /// Read-only file system.
    pub const ROFS: Errno = Errno(69);
    /// Cannot seek.
    pub const SPIPE: Errno = Errno(70);
    /// The connection's time is over.
    pub const TIMEDOUT: Errno = Errno(73);
    /// The file is being executed.
    pub const TXTBSY: Errno = Errno(74);
    /// On another file system.
    pub const XDEV: Errno = Errno(75);
    /// The descriptor lacks the right.
    pub const NOTCAPABLE: Errno = Errno(76);
}
