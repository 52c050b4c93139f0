// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Paths, resolved by the kernel and never out of the directory they begin in.

use crate::errno::error;
use core::ffi::CStr;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, openat2, statat};
use rustix::io::Errno as System;
use wasm_aot_runtime::{Errno, Result};

/// Bytes of a path, its final zero byte included (`PATH_MAX`).
const MAX: usize = 4096;

/// How often a path is resolved again when the tree has changed under it.
const ATTEMPTS: usize = 64;

/// A path with its final zero byte.
pub(super) struct CPath {
    bytes: [u8; MAX],
    /// Without the zero byte.
    length: usize,
}

impl CPath {
    /// A copy of a path.
    pub fn new(path: &[u8]) -> Result<Self> {
        if path.len() >= MAX {
            return Err(Errno::NAMETOOLONG);
        }
        if path.contains(&0) {
            return Err(Errno::INVAL);
        }
        let mut bytes = [0; MAX];
        bytes[..path.len()].copy_from_slice(path);
        Ok(Self {
            bytes,
            length: path.len(),
        })
    }

    pub fn text(&self) -> &CStr {
        let bytes = &self.bytes[..=self.length];
        CStr::from_bytes_with_nul(bytes).unwrap_or_default()
    }
}

/// Opens what a path leads to, below `dir`.
pub(super) fn open(
    dir: BorrowedFd<'_>,
    path: &CPath,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..ATTEMPTS {
        match openat2(dir, path.text(), flags, mode, beneath) {
            // Something was moved meanwhile, and the kernel is not sure where `..` led.
            Err(System::AGAIN) => {}
            Err(System::INTR) => {}
            // It would have led out of the directory.
            Err(System::XDEV) => return Err(Errno::PERM),
            other => return other.map_err(error),
        }
    }
    Err(Errno::AGAIN)
}

/// Whether the kernel can confine paths (Linux 5.6).
///
/// # Errors
/// What it says instead.
pub fn probe(dir: BorrowedFd<'_>) -> core::result::Result<(), System> {
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
    openat2(dir, c".", flags, Mode::empty(), ResolveFlags::BENEATH).map(drop)
}

/// The directory around the last name of a path, and that name.
pub(super) struct Parent<'d> {
    dir: BorrowedFd<'d>,
    /// Where that is not the directory itself.
    opened: Option<OwnedFd>,
    name: CPath,
    slash: bool,
}

impl<'d> Parent<'d> {
    /// Resolves all of a path but its last name.
    pub fn of(dir: BorrowedFd<'d>, path: &[u8]) -> Result<Self> {
        let trimmed = without_slashes(path);
        if trimmed.is_empty() {
            // `/` is outside; nothing is nowhere.
            return Err(if path.is_empty() {
                Errno::NOENT
            } else {
                Errno::PERM
            });
        }
        let slash = trimmed.len() < path.len();
        let split = trimmed.iter().rposition(|&byte| byte == b'/');
        let (around, name) = match split {
            Some(at) => (&trimmed[..=at], &trimmed[at + 1..]),
            None => (&b""[..], trimmed),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if name == b".." {
            // Not the name of an entry: where it leads out, that is what is wrong.
            open(dir, &CPath::new(trimmed)?, flags, Mode::empty())?;
        }
        let opened = match around {
            b"" => None,
            around => Some(open(dir, &CPath::new(around)?, flags, Mode::empty())?),
        };
        Ok(Self {
            dir,
            opened,
            name: CPath::new(name)?,
            slash,
        })
    }

    /// The last name, without slashes. Never followed by whoever uses it with this directory; `.`
    /// and `..` are the kernel's to refuse, since no entry has such a name.
    pub fn name(&self) -> &CStr {
        self.name.text()
    }

    /// Whether the path ended in a slash, which only a directory's may.
    pub fn slash(&self) -> bool {
        self.slash
    }

    /// Refuses a path that ended in a slash, for what is done with others than directories.
    pub fn refuse_slash(&self) -> Result<()> {
        match self.slash {
            false => Ok(()),
            true if self.is_directory() => Err(Errno::ISDIR),
            true => Err(Errno::NOTDIR),
        }
    }

    /// Refuses a path that ended in a slash, for the name of something new that is no directory:
    /// there may be one of that name, something else, or nothing.
    pub fn refuse_slash_of_new(&self) -> Result<()> {
        match self.refuse_slash() {
            Err(Errno::ISDIR) => Err(Errno::EXIST),
            Err(Errno::NOTDIR) if !self.exists() => Err(Errno::NOENT),
            other => other,
        }
    }

    /// Whether there is something of that name.
    fn exists(&self) -> bool {
        statat(self.as_fd(), self.name(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Whether the name is a directory's.
    pub fn is_directory(&self) -> bool {
        let stat = statat(self.as_fd(), self.name(), AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.opened {
            Some(opened) => opened.as_fd(),
            None => self.dir,
        }
    }
}

/// A path without the slashes at its end.
fn without_slashes(path: &[u8]) -> &[u8] {
    let last = path.iter().rposition(|&byte| byte != b'/');
    &path[..last.map_or(0, |last| last + 1)]
}
