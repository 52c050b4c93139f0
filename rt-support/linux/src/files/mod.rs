// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The file system as a program sees it: what is below the directories that it was given.
//!
//! The kernel confines paths: every one is resolved by openat2(2) with `RESOLVE_BENEATH`, from a
//! handle of a directory, so that neither `..` nor an absolute path nor a symbolic link leads out
//! of it, however the tree changes meanwhile. What has no such call (rename, unlink, ...) resolves
//! the directory around the name in this way ([`path::Parent`]), and uses the bare name there,
//! which is never followed.

mod path;

use crate::errno::error;
use core::mem::MaybeUninit;
use path::{CPath, Parent, open};
use rustix::fd::{AsFd, BorrowedFd, IntoRawFd};
use rustix::fs::{
    AtFlags, FallocateFlags, Mode, OFlags, RawDir, SeekFrom, Stat, Timespec, Timestamps, UTIME_NOW,
    UTIME_OMIT,
};
use rustix::io::Errno as System;
use wasm_aot_runtime::platform::{
    DirEntry, FileStat, FileType, Files, Handle, NewTime, OpenHow, StatusFlags, Whence,
};
use wasm_aot_runtime::{Errno, Result};

pub use path::probe;

/// Rights of files that a program makes, before the process's mask.
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);
/// Rights of directories that a program makes.
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o777);

/// Bytes of directory entries that are read at a time.
const ENTRIES: usize = 8 << 10;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// The open file behind a handle.
fn file(handle: &Handle) -> BorrowedFd<'_> {
    // SAFETY: handles come from `open_at` and from the program's directories; the runtime closes
    // each once, and uses none afterwards. -1 is never given out.
    unsafe { BorrowedFd::borrow_raw(handle.0) }
}

/// The files of a program, in directories that `preopen` lists.
pub(crate) struct Directories<'p>(pub &'p dyn crate::platform::Program);

impl Files for Directories<'_> {
    fn preopen(&self, index: usize) -> Option<(Handle, &[u8])> {
        let (fd, name) = self.0.directory(index)?;
        Some((Handle(fd), name))
    }

    fn open_at(&self, dir: Handle, path: &[u8], how: &OpenHow) -> Result<Handle> {
        let mut flags = OFlags::CLOEXEC | OFlags::NOCTTY | status(how.flags);
        flags |= match (how.read, how.write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            (_, false) => OFlags::RDONLY,
        };
        for (asked, flag) in [
            (how.create, OFlags::CREATE),
            (how.exclusive, OFlags::EXCL),
            (how.truncate, OFlags::TRUNC),
            (how.directory, OFlags::DIRECTORY),
            (!how.follow, OFlags::NOFOLLOW),
        ] {
            if asked {
                flags |= flag;
            }
        }
        let mode = if how.create { FILE_MODE } else { Mode::empty() };
        let opened = open(file(&dir), &CPath::new(path)?, flags, mode)?;
        Ok(Handle(opened.into_raw_fd()))
    }

    fn close(&self, file: Handle) -> Result<()> {
        // SAFETY: the runtime closes a handle once, and does not use it afterwards.
        unsafe { rustix::io::close(file.0) };
        Ok(())
    }

    fn read(&self, handle: Handle, bytes: &mut [u8], at: Option<u64>) -> Result<usize> {
        let handle = file(&handle);
        match at {
            None => rustix::io::read(handle, bytes),
            Some(at) => rustix::io::pread(handle, bytes, offset(at)?),
        }
        .map_err(error)
    }

    fn write(&self, handle: Handle, bytes: &[u8], at: Option<u64>) -> Result<usize> {
        let handle = file(&handle);
        match at {
            None => rustix::io::write(handle, bytes),
            Some(at) => rustix::io::pwrite(handle, bytes, offset(at)?),
        }
        .map_err(error)
    }

    fn seek(&self, handle: Handle, offset: i64, whence: Whence) -> Result<u64> {
        let to = match whence {
            Whence::Set => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::INVAL)?),
            Whence::Current => SeekFrom::Current(offset),
            Whence::End => SeekFrom::End(offset),
        };
        rustix::fs::seek(file(&handle), to).map_err(error)
    }

    fn stat(&self, handle: Handle) -> Result<FileStat> {
        let stat = rustix::fs::fstat(file(&handle)).map_err(error)?;
        Ok(file_stat(&stat))
    }

    fn stat_at(&self, dir: Handle, path: &[u8], follow: bool) -> Result<FileStat> {
        let found = found(&dir, path, follow)?;
        let stat = rustix::fs::fstat(found).map_err(error)?;
        Ok(file_stat(&stat))
    }

    fn read_dir(
        &self,
        dir: Handle,
        cookie: u64,
        sink: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let dir = file(&dir);
        rustix::fs::seek(dir, SeekFrom::Start(cookie)).map_err(error)?;
        let mut buffer = [MaybeUninit::uninit(); ENTRIES];
        let mut entries = RawDir::new(dir, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(error)?;
            let entry = DirEntry {
                next: entry.next_entry_cookie(),
                inode: entry.ino(),
                file_type: file_type(entry.file_type()),
                name: entry.file_name().to_bytes(),
            };
            if !sink(&entry) {
                break;
            }
        }
        Ok(())
    }

    fn set_flags(&self, handle: Handle, flags: StatusFlags) -> Result<()> {
        // Linux cannot change these of an open file.
        if flags.has(StatusFlags::DSYNC)
            || flags.has(StatusFlags::SYNC)
            || flags.has(StatusFlags::RSYNC)
        {
            return Err(Errno::INVAL);
        }
        rustix::fs::fcntl_setfl(file(&handle), status(flags)).map_err(error)
    }

    fn set_size(&self, handle: Handle, size: u64) -> Result<()> {
        rustix::fs::ftruncate(file(&handle), offset(size)?).map_err(error)
    }

    fn allocate(&self, handle: Handle, start: u64, length: u64) -> Result<()> {
        let (start, length) = (offset(start)?, offset(length)?);
        rustix::fs::fallocate(file(&handle), FallocateFlags::empty(), start, length).map_err(error)
    }

    fn sync(&self, handle: Handle, data_only: bool) -> Result<()> {
        let handle = file(&handle);
        let done = match data_only {
            true => rustix::fs::fdatasync(handle),
            false => rustix::fs::fsync(handle),
        };
        done.map_err(error)
    }

    fn set_times(&self, handle: Handle, accessed: NewTime, modified: NewTime) -> Result<()> {
        let times = timestamps(accessed, modified)?;
        rustix::fs::futimens(file(&handle), &times).map_err(error)
    }

    fn set_times_at(
        &self,
        dir: Handle,
        path: &[u8],
        follow: bool,
        accessed: NewTime,
        modified: NewTime,
    ) -> Result<()> {
        let times = timestamps(accessed, modified)?;
        let found = found(&dir, path, follow)?;
        rustix::fs::utimensat(found, c"", &times, AtFlags::EMPTY_PATH).map_err(error)
    }

    fn create_dir_at(&self, dir: Handle, path: &[u8]) -> Result<()> {
        let parent = Parent::of(file(&dir), path)?;
        rustix::fs::mkdirat(parent.as_fd(), parent.name(), DIRECTORY_MODE).map_err(error)
    }

    fn remove_dir_at(&self, dir: Handle, path: &[u8]) -> Result<()> {
        let parent = Parent::of(file(&dir), path)?;
        rustix::fs::unlinkat(parent.as_fd(), parent.name(), AtFlags::REMOVEDIR).map_err(error)
    }

    fn unlink_at(&self, dir: Handle, path: &[u8]) -> Result<()> {
        let parent = Parent::of(file(&dir), path)?;
        parent.refuse_slash()?;
        let removed = rustix::fs::unlinkat(parent.as_fd(), parent.name(), AtFlags::empty());
        removed.map_err(|errno| match errno {
            // POSIX lets systems say either.
            System::PERM if parent.is_directory() => Errno::ISDIR,
            other => error(other),
        })
    }

    fn rename_at(&self, dir: Handle, path: &[u8], to_dir: Handle, to: &[u8]) -> Result<()> {
        let from = Parent::of(file(&dir), path)?;
        let to = Parent::of(file(&to_dir), to)?;
        if (from.slash() || to.slash()) && !from.is_directory() {
            return Err(Errno::NOTDIR);
        }
        let (from_name, to_name) = (from.name(), to.name());
        rustix::fs::renameat(from.as_fd(), from_name, to.as_fd(), to_name).map_err(error)
    }

    fn link_at(&self, dir: Handle, path: &[u8], to_dir: Handle, to: &[u8]) -> Result<()> {
        let from = Parent::of(file(&dir), path)?;
        let to = Parent::of(file(&to_dir), to)?;
        from.refuse_slash()?;
        to.refuse_slash_of_new()?;
        let flags = AtFlags::empty();
        rustix::fs::linkat(from.as_fd(), from.name(), to.as_fd(), to.name(), flags).map_err(error)
    }

    fn symlink_at(&self, contents: &[u8], dir: Handle, path: &[u8]) -> Result<()> {
        let parent = Parent::of(file(&dir), path)?;
        parent.refuse_slash_of_new()?;
        let contents = CPath::new(contents)?;
        rustix::fs::symlinkat(contents.text(), parent.as_fd(), parent.name()).map_err(error)
    }

    fn read_link_at(&self, dir: Handle, path: &[u8], buffer: &mut [u8]) -> Result<usize> {
        let parent = Parent::of(file(&dir), path)?;
        parent.refuse_slash()?;
        if buffer.is_empty() {
            // Linux wants room; what is no link is still an error.
            let mut byte = [0; 1];
            rustix::fs::readlinkat_raw(parent.as_fd(), parent.name(), &mut byte).map_err(error)?;
            return Ok(0);
        }
        rustix::fs::readlinkat_raw(parent.as_fd(), parent.name(), buffer).map_err(error)
    }
}

/// What a path leads to, open for nothing but questions.
fn found(dir: &Handle, path: &[u8], follow: bool) -> Result<rustix::fd::OwnedFd> {
    let mut flags = OFlags::PATH | OFlags::CLOEXEC;
    if !follow {
        flags |= OFlags::NOFOLLOW;
    }
    open(file(dir), &CPath::new(path)?, flags, Mode::empty())
}

/// An offset or length as the kernel takes it: it must fit `off_t`.
fn offset(value: u64) -> Result<u64> {
    i64::try_from(value)
        .map(|_| value)
        .map_err(|_| Errno::INVAL)
}

fn status(flags: StatusFlags) -> OFlags {
    let mut status = OFlags::empty();
    for (bit, flag) in [
        (StatusFlags::APPEND, OFlags::APPEND),
        (StatusFlags::DSYNC, OFlags::DSYNC),
        (StatusFlags::NONBLOCK, OFlags::NONBLOCK),
        // Linux has no other synchronised reads.
        (StatusFlags::RSYNC, OFlags::SYNC),
        (StatusFlags::SYNC, OFlags::SYNC),
    ] {
        if flags.has(bit) {
            status |= flag;
        }
    }
    status
}

fn file_type(kind: rustix::fs::FileType) -> FileType {
    match kind {
        rustix::fs::FileType::RegularFile => FileType::RegularFile,
        rustix::fs::FileType::Directory => FileType::Directory,
        rustix::fs::FileType::Symlink => FileType::SymbolicLink,
        rustix::fs::FileType::BlockDevice => FileType::BlockDevice,
        rustix::fs::FileType::CharacterDevice => FileType::CharacterDevice,
        rustix::fs::FileType::Socket => FileType::SocketStream,
        rustix::fs::FileType::Fifo | rustix::fs::FileType::Unknown => FileType::Unknown,
    }
}

#[allow(
    clippy::unnecessary_cast,
    clippy::useless_conversion,
    reason = "the fields of `stat` have other types on other architectures"
)]
fn file_stat(stat: &Stat) -> FileStat {
    let nanoseconds = |seconds: i64, rest: u64| {
        let whole = u64::try_from(seconds).unwrap_or(0).saturating_mul(SECOND);
        whole.saturating_add(rest)
    };
    FileStat {
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        file_type: file_type(rustix::fs::FileType::from_raw_mode(stat.st_mode)),
        links: stat.st_nlink as u64,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        accessed: nanoseconds(stat.st_atime as i64, stat.st_atime_nsec as u64),
        modified: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        changed: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
    }
}

fn timestamps(accessed: NewTime, modified: NewTime) -> Result<Timestamps> {
    let time = |new| {
        Ok(match new {
            NewTime::Keep => Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            NewTime::Now => Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_NOW,
            },
            NewTime::At(nanoseconds) => Timespec {
                tv_sec: i64::try_from(nanoseconds / SECOND).map_err(|_| Errno::INVAL)?,
                tv_nsec: (nanoseconds % SECOND) as i64,
            },
        })
    };
    Ok(Timestamps {
        last_access: time(accessed)?,
        last_modification: time(modified)?,
    })
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
