// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Numbers and layouts of the interface (`typenames.witx`).

use crate::errno::{Errno, Result};
use crate::platform::{FileStat, NewTime, Whence};

/// Which interface a module was compiled against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    /// `wasi_snapshot_preview1`.
    Preview1,
    /// `wasi_unstable`, also called preview 0.
    Unstable,
}

/// Rights of a descriptor, a bit each.
pub(super) mod rights {
    pub const FD_DATASYNC: u64 = 1 << 0;
    pub const FD_READ: u64 = 1 << 1;
    pub const FD_SEEK: u64 = 1 << 2;
    pub const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
    pub const FD_SYNC: u64 = 1 << 4;
    pub const FD_TELL: u64 = 1 << 5;
    pub const FD_WRITE: u64 = 1 << 6;
    pub const FD_ADVISE: u64 = 1 << 7;
    pub const FD_ALLOCATE: u64 = 1 << 8;
    pub const PATH_CREATE_DIRECTORY: u64 = 1 << 9;
    pub const PATH_CREATE_FILE: u64 = 1 << 10;
    pub const PATH_LINK_SOURCE: u64 = 1 << 11;
    pub const PATH_LINK_TARGET: u64 = 1 << 12;
    pub const PATH_OPEN: u64 = 1 << 13;
    pub const FD_READDIR: u64 = 1 << 14;
    pub const PATH_READLINK: u64 = 1 << 15;
    pub const PATH_RENAME_SOURCE: u64 = 1 << 16;
    pub const PATH_RENAME_TARGET: u64 = 1 << 17;
    pub const PATH_FILESTAT_GET: u64 = 1 << 18;
    pub const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    pub const PATH_FILESTAT_SET_TIMES: u64 = 1 << 20;
    pub const FD_FILESTAT_GET: u64 = 1 << 21;
    pub const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
    pub const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
    pub const PATH_SYMLINK: u64 = 1 << 24;
    pub const PATH_REMOVE_DIRECTORY: u64 = 1 << 25;
    pub const PATH_UNLINK_FILE: u64 = 1 << 26;
    pub const POLL_FD_READWRITE: u64 = 1 << 27;
    pub const SOCK_SHUTDOWN: u64 = 1 << 28;
    pub const SOCK_ACCEPT: u64 = 1 << 29;
    /// Every right but those of sockets.
    pub const ALL: u64 = (1 << 28) - 1;

    /// What makes sense for a file.
    pub const FILE: u64 = FD_DATASYNC
        | FD_READ
        | FD_SEEK
        | FD_FDSTAT_SET_FLAGS
        | FD_SYNC
        | FD_TELL
        | FD_WRITE
        | FD_ADVISE
        | FD_ALLOCATE
        | FD_FILESTAT_GET
        | FD_FILESTAT_SET_SIZE
        | FD_FILESTAT_SET_TIMES
        | POLL_FD_READWRITE;
    /// What makes sense for a directory.
    pub const DIRECTORY: u64 = ALL
        & !(FD_SEEK | FD_TELL | FD_READ | FD_WRITE | FD_ALLOCATE)
        & !(FD_ADVISE | FD_DATASYNC | FD_FILESTAT_SET_SIZE | POLL_FD_READWRITE)
        | FD_SYNC;
    /// What makes sense for a standard stream.
    pub const STREAM: u64 = FD_FDSTAT_SET_FLAGS | FD_FILESTAT_GET | POLL_FD_READWRITE;
    /// What makes sense for a connection.
    pub const CONNECTION: u64 = STREAM | FD_READ | FD_WRITE | SOCK_SHUTDOWN;
}

/// `oflags`.
pub(super) mod oflags {
    pub const CREAT: u32 = 1;
    pub const DIRECTORY: u32 = 2;
    pub const EXCL: u32 = 4;
    pub const TRUNC: u32 = 8;
    pub const ALL: u32 = 15;
}

/// `riflags`.
pub(super) mod riflags {
    pub const PEEK: u32 = 1;
    pub const WAITALL: u32 = 2;
}

/// `sdflags`.
pub(super) mod sdflags {
    pub const RD: u32 = 1;
    pub const WR: u32 = 2;
}

/// `lookupflags`: follow a symbolic link that the path ends in.
pub(super) const SYMLINK_FOLLOW: u32 = 1;

/// What `path_open` asks for.
pub(super) struct Open {
    pub lookup: u32,
    pub oflags: u32,
    pub base: u64,
    pub inheriting: u64,
    pub flags: u32,
}

/// `whence`, numbered otherwise in either dialect.
pub(super) fn whence(dialect: Dialect, number: u32) -> Result<Whence> {
    let order = match dialect {
        Dialect::Preview1 => [Whence::Set, Whence::Current, Whence::End],
        Dialect::Unstable => [Whence::Current, Whence::End, Whence::Set],
    };
    order.get(number as usize).copied().ok_or(Errno::INVAL)
}

/// `fstflags`: the new times of a file (accessed, modified).
pub(super) fn new_times(accessed: u64, modified: u64, flags: u32) -> Result<(NewTime, NewTime)> {
    if flags & !15 != 0 {
        return Err(Errno::INVAL);
    }
    let time = |nanoseconds, flags| match flags & 3 {
        0 => Ok(NewTime::Keep),
        1 => Ok(NewTime::At(nanoseconds)),
        2 => Ok(NewTime::Now),
        _ => Err(Errno::INVAL),
    };
    Ok((time(accessed, flags)?, time(modified, flags >> 2)?))
}

/// `filestat`: the bytes, and how many of them the dialect has.
pub(super) fn file_stat(dialect: Dialect, stat: &FileStat) -> ([u8; 64], usize) {
    let mut words = [
        stat.device,
        stat.inode,
        stat.file_type as u64,
        stat.links,
        stat.size,
        stat.accessed,
        stat.modified,
        stat.changed,
    ];
    let mut length = 64;
    if dialect == Dialect::Unstable {
        // The number of links is 32 bits wide and shares a word with the type.
        let links = u64::from(u32::try_from(stat.links).unwrap_or(u32::MAX));
        words[2] |= links << 32;
        words.copy_within(4.., 3);
        length = 56;
    }
    let mut bytes = [0; 64];
    for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *to = word.to_le_bytes();
    }
    (bytes, length)
}
