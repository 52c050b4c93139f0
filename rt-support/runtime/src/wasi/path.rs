// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Paths: always relative to a directory that the program holds, and confined to it by the
//! platform.

use super::Call;
use super::abi::{self, Dialect, SYMLINK_FOLLOW, oflags, rights};
use super::fd::{Descriptor, Target};
use super::memory::Range;
use crate::errno::{Errno, Result};
use crate::platform::{FileType, OpenHow, StatusFlags};
use core::ops::Deref;

/// The longest path, as on Linux.
const MAX_PATH: u32 = 4096;

/// A path, copied out of the program's memory: what has been checked of it stays so.
struct Path {
    bytes: [u8; MAX_PATH as usize],
    length: usize,
}

impl Deref for Path {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Call<'_> {
    /// A path in the program's memory: UTF-8, without zero bytes.
    fn path(&self, (pointer, length): Range) -> Result<Path> {
        self.memory.bytes((pointer, length))?;
        if length == 0 {
            return Err(Errno::NOENT);
        }
        if length >= MAX_PATH {
            return Err(Errno::NAMETOOLONG);
        }
        let length = length as usize;
        let mut bytes = [0; MAX_PATH as usize];
        self.memory.copy(pointer, &mut bytes[..length])?;
        let path = Path { bytes, length };
        if path.contains(&0) {
            return Err(Errno::INVAL);
        }
        core::str::from_utf8(&path).map_err(|_| Errno::ILSEQ)?;
        Ok(path)
    }

    fn follow(lookup: u32) -> Result<bool> {
        match lookup {
            0 => Ok(false),
            SYMLINK_FOLLOW => Ok(true),
            _ => Err(Errno::INVAL),
        }
    }

    pub(super) fn path_open(
        &mut self,
        fd: u32,
        path: Range,
        open: &abi::Open,
        result: u32,
    ) -> Result<()> {
        let flags = u16::try_from(open.flags).map_err(|_| Errno::INVAL)?;
        if open.oflags & !oflags::ALL != 0 || flags & !StatusFlags::ALL != 0 {
            return Err(Errno::INVAL);
        }
        let has = |bit| open.oflags & bit != 0;
        let mut needed = rights::PATH_OPEN;
        if has(oflags::CREAT) {
            needed |= rights::PATH_CREATE_FILE;
        }
        if has(oflags::TRUNC) {
            needed |= rights::PATH_FILESTAT_SET_SIZE;
        }
        let (files, directory) = self.directory(fd, needed)?;
        let parent = self.fds.get(fd)?;
        // A descriptor never has more rights than its directory hands on.
        if (open.base | open.inheriting) & rights::ALL & !parent.inheriting != 0 {
            return Err(Errno::NOTCAPABLE);
        }
        let how = OpenHow {
            read: open.base & (rights::FD_READ | rights::FD_READDIR) != 0,
            write: open.base & (rights::FD_WRITE | rights::FD_ALLOCATE) != 0
                || open.base & rights::FD_FILESTAT_SET_SIZE != 0 && !has(oflags::DIRECTORY),
            create: has(oflags::CREAT),
            exclusive: has(oflags::EXCL),
            truncate: has(oflags::TRUNC),
            directory: has(oflags::DIRECTORY),
            follow: Self::follow(open.lookup)?,
            flags: StatusFlags(flags),
        };
        let path = self.path(path)?;
        // Nothing may be left behind by a call that fails: check what can fail afterwards.
        self.memory.bytes((result, 4))?;
        if self.fds.is_full() {
            return Err(Errno::MFILE);
        }
        let strict = how.directory && open.base & rights::FD_WRITE != 0;
        let handle = match files.open_at(directory, &path, &how) {
            // Programs ask for every right and expect to be given what there is; whoever asks for
            // a directory to write into is told that there is no such thing.
            Err(Errno::ISDIR) if how.write && !how.create && !how.truncate && !strict => {
                let how = OpenHow {
                    write: false,
                    ..how
                };
                files.open_at(directory, &path, &how)?
            }
            other => other?,
        };
        let file_type = match files.stat(handle) {
            Ok(stat) => stat.file_type,
            Err(errno) => {
                // The program never hears of this handle.
                let _ = files.close(handle);
                return Err(errno);
            }
        };
        let possible = match file_type {
            FileType::Directory => rights::DIRECTORY,
            _ => rights::FILE,
        };
        let opened = Descriptor {
            target: Target::File(handle),
            file_type,
            flags: how.flags,
            rights: open.base & possible,
            inheriting: open.inheriting & (rights::DIRECTORY | rights::FILE),
            preopen: None,
        };
        let fd = self.fds.insert(opened)?;
        self.memory.write_u32(result, fd)
    }

    pub(super) fn path_filestat_get(
        &mut self,
        dialect: Dialect,
        fd: u32,
        lookup: u32,
        path: Range,
        result: u32,
    ) -> Result<()> {
        let (files, directory) = self.directory(fd, rights::PATH_FILESTAT_GET)?;
        let stat = files.stat_at(directory, &self.path(path)?, Self::follow(lookup)?)?;
        self.write_stat(dialect, &stat, result)
    }

    pub(super) fn path_filestat_set_times(
        &mut self,
        fd: u32,
        lookup: u32,
        path: Range,
        accessed: u64,
        modified: u64,
        flags: u32,
    ) -> Result<()> {
        let (accessed, modified) = abi::new_times(accessed, modified, flags)?;
        let (files, directory) = self.directory(fd, rights::PATH_FILESTAT_SET_TIMES)?;
        let follow = Self::follow(lookup)?;
        files.set_times_at(directory, &self.path(path)?, follow, accessed, modified)
    }

    pub(super) fn path_create_directory(&mut self, fd: u32, path: Range) -> Result<()> {
        let (files, directory) = self.directory(fd, rights::PATH_CREATE_DIRECTORY)?;
        files.create_dir_at(directory, &self.path(path)?)
    }

    pub(super) fn path_remove_directory(&mut self, fd: u32, path: Range) -> Result<()> {
        let (files, directory) = self.directory(fd, rights::PATH_REMOVE_DIRECTORY)?;
        files.remove_dir_at(directory, &self.path(path)?)
    }

    pub(super) fn path_unlink_file(&mut self, fd: u32, path: Range) -> Result<()> {
        let (files, directory) = self.directory(fd, rights::PATH_UNLINK_FILE)?;
        files.unlink_at(directory, &self.path(path)?)
    }

    pub(super) fn path_rename(
        &mut self,
        fd: u32,
        path: Range,
        to_fd: u32,
        to: Range,
    ) -> Result<()> {
        let (files, directory) = self.directory(fd, rights::PATH_RENAME_SOURCE)?;
        let (_, to_directory) = self.directory(to_fd, rights::PATH_RENAME_TARGET)?;
        files.rename_at(directory, &self.path(path)?, to_directory, &self.path(to)?)
    }

    pub(super) fn path_link(
        &mut self,
        fd: u32,
        lookup: u32,
        path: Range,
        to_fd: u32,
        to: Range,
    ) -> Result<()> {
        let (files, directory) = self.directory(fd, rights::PATH_LINK_SOURCE)?;
        let (_, to_directory) = self.directory(to_fd, rights::PATH_LINK_TARGET)?;
        if Self::follow(lookup)? {
            // A link to what a symbolic link points at could be made to leave the directory.
            return Err(Errno::INVAL);
        }
        files.link_at(directory, &self.path(path)?, to_directory, &self.path(to)?)
    }

    pub(super) fn path_symlink(&mut self, contents: Range, fd: u32, path: Range) -> Result<()> {
        let (files, directory) = self.directory(fd, rights::PATH_SYMLINK)?;
        let contents = self.path(contents)?;
        if contents.starts_with(b"/") {
            // It would not lead out of the directory here, but for whoever finds it later.
            return Err(Errno::PERM);
        }
        files.symlink_at(&contents, directory, &self.path(path)?)
    }

    pub(super) fn path_readlink(
        &mut self,
        fd: u32,
        path: Range,
        buffer: Range,
        result: u32,
    ) -> Result<()> {
        let (files, directory) = self.directory(fd, rights::PATH_READLINK)?;
        self.memory.bytes((result, 4))?;
        // A copy: path and buffer may overlap in the program's memory.
        let path = self.path(path)?;
        let length = files.read_link_at(directory, &path, self.memory.bytes_mut(buffer)?)?;
        self.memory.write_u32(result, length as u32)
    }
}
