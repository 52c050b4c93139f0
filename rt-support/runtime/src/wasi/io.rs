// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Reading, writing and positioning open files and streams.

use super::Call;
use super::abi::{self, Dialect, rights};
use super::fd::Target;
use super::memory::Range;
use crate::errno::{Errno, Result};
use crate::platform::{FileStat, FileType, Handle, Receive, Whence};

/// The most buffers that one call transfers; it then reads or writes less than it was asked to,
/// which every program must expect anyway. (Linux has the same limit, `IOV_MAX`.)
const MAX_BUFFERS: u32 = 1024;

impl Call<'_> {
    /// The buffers of a call, all checked before the first is used.
    pub(super) fn buffers(
        &self,
        array: u32,
        count: u32,
    ) -> Result<impl Iterator<Item = Result<Range>>> {
        let count = count.min(MAX_BUFFERS);
        let memory = self.memory;
        for index in 0..count {
            memory.bytes(memory.pair(array, index)?)?;
        }
        Ok((0..count).map(move |index| memory.pair(array, index)))
    }

    pub(super) fn fd_read(
        &mut self,
        fd: u32,
        array: u32,
        count: u32,
        at: Option<u64>,
        result: u32,
    ) -> Result<()> {
        let right = rights::FD_READ | if at.is_some() { rights::FD_SEEK } else { 0 };
        let target = self.readable(fd, right, at.is_some())?;
        let at_once = self.fds.get(fd)?.file_type == FileType::RegularFile;
        // Where there is no room for the result nothing may have happened.
        self.memory.bytes((result, 4))?;
        let mut total = 0u32;
        for buffer in self.buffers(array, count)? {
            let buffer = self.memory.bytes_mut(buffer?)?;
            if buffer.is_empty() {
                continue;
            }
            let at = at.map(|at| at.wrapping_add(total.into()));
            let read = match target {
                Target::File(handle) => self.files()?.read(handle, buffer, at),
                Target::Socket(handle) => {
                    self.sockets()?.receive(handle, buffer, Receive::default())
                }
                Target::Input | Target::Output(_) => self.platform.read(buffer),
            };
            match read {
                Ok(bytes) => total = total.saturating_add(bytes as u32),
                Err(errno) if total == 0 => return Err(errno),
                Err(_) => break,
            }
            // Where reading may wait, it must not for more when there is something already.
            if read != Ok(buffer.len()) || !at_once {
                break;
            }
        }
        self.memory.write_u32(result, total)
    }

    pub(super) fn fd_write(
        &mut self,
        fd: u32,
        array: u32,
        count: u32,
        at: Option<u64>,
        result: u32,
    ) -> Result<()> {
        let right = rights::FD_WRITE | if at.is_some() { rights::FD_SEEK } else { 0 };
        let target = self.readable(fd, right, at.is_some())?;
        self.memory.bytes((result, 4))?;
        let mut total = 0u32;
        for buffer in self.buffers(array, count)? {
            let buffer = self.memory.bytes(buffer?)?;
            if buffer.is_empty() {
                continue;
            }
            let at = at.map(|at| at.wrapping_add(total.into()));
            let written = match target {
                Target::File(handle) => self.files()?.write(handle, buffer, at),
                Target::Socket(handle) => self.sockets()?.send(handle, buffer),
                Target::Output(stream) => self.platform.write(stream, buffer),
                Target::Input => Err(Errno::BADF),
            };
            match written {
                Ok(bytes) => total = total.saturating_add(bytes as u32),
                Err(errno) if total == 0 => return Err(errno),
                Err(_) => break,
            }
            if written != Ok(buffer.len()) {
                break;
            }
        }
        self.memory.write_u32(result, total)
    }

    /// What a descriptor reads or writes; only a file has offsets.
    fn readable(&self, fd: u32, right: u64, offset: bool) -> Result<Target> {
        let stream = |target| !matches!(target, Target::File(_));
        let descriptor = self.fds.get(fd)?;
        if descriptor.file_type == FileType::Directory {
            return Err(Errno::ISDIR);
        }
        if offset && stream(descriptor.target) {
            return Err(Errno::SPIPE);
        }
        Ok(self.descriptor(fd, right)?.target)
    }

    /// A file that has a position.
    fn positioned(&self, fd: u32, right: u64) -> Result<Handle> {
        let descriptor = self.fds.get(fd)?;
        match descriptor.target {
            Target::File(_) if descriptor.file_type == FileType::Directory => Err(Errno::BADF),
            Target::File(handle) => self.descriptor(fd, right).map(|_| handle),
            Target::Input | Target::Output(_) | Target::Socket(_) => Err(Errno::SPIPE),
        }
    }

    pub(super) fn fd_seek(
        &mut self,
        dialect: Dialect,
        fd: u32,
        offset: u64,
        whence: u32,
        result: u32,
    ) -> Result<()> {
        let whence = abi::whence(dialect, whence)?;
        let offset = offset.cast_signed();
        // Asking for the position is less than changing it.
        let right = match (whence, offset) {
            (Whence::Current, 0) => rights::FD_TELL,
            _ => rights::FD_SEEK,
        };
        let handle = self.positioned(fd, right)?;
        self.memory.bytes((result, 8))?;
        let position = self.files()?.seek(handle, offset, whence)?;
        self.memory.write_u64(result, position)
    }

    pub(super) fn fd_tell(&mut self, fd: u32, result: u32) -> Result<()> {
        let handle = self.positioned(fd, rights::FD_TELL)?;
        let position = self.files()?.seek(handle, 0, Whence::Current)?;
        self.memory.write_u64(result, position)
    }

    pub(super) fn fd_sync(&mut self, fd: u32, data_only: bool) -> Result<()> {
        let right = match data_only {
            true => rights::FD_DATASYNC,
            false => rights::FD_SYNC,
        };
        let (files, handle) = self.file(fd, right)?;
        files.sync(handle, data_only)
    }

    /// Advice changes nothing but speed: it is checked and ignored.
    pub(super) fn fd_advise(
        &mut self,
        fd: u32,
        offset: u64,
        length: u64,
        advice: u32,
    ) -> Result<()> {
        self.file(fd, rights::FD_ADVISE)?;
        if advice > 5 || offset.checked_add(length).is_none() {
            return Err(Errno::INVAL);
        }
        Ok(())
    }

    pub(super) fn fd_allocate(&mut self, fd: u32, offset: u64, length: u64) -> Result<()> {
        let (files, handle) = self.file(fd, rights::FD_ALLOCATE)?;
        files.allocate(handle, offset, length)
    }

    pub(super) fn fd_filestat_get(&mut self, dialect: Dialect, fd: u32, result: u32) -> Result<()> {
        let descriptor = self.descriptor(fd, rights::FD_FILESTAT_GET)?;
        let stat = match descriptor.target {
            Target::File(handle) => self.files()?.stat(handle)?,
            // What a stream of the host is beyond its type is not the program's business.
            Target::Input | Target::Output(_) | Target::Socket(_) => FileStat {
                device: 0,
                inode: 0,
                file_type: descriptor.file_type,
                links: 0,
                size: 0,
                accessed: 0,
                modified: 0,
                changed: 0,
            },
        };
        self.write_stat(dialect, &stat, result)
    }

    pub(super) fn write_stat(&self, dialect: Dialect, stat: &FileStat, result: u32) -> Result<()> {
        let (bytes, length) = abi::file_stat(dialect, stat);
        self.memory.write(result, &bytes[..length])
    }

    pub(super) fn fd_filestat_set_size(&mut self, fd: u32, size: u64) -> Result<()> {
        let (files, handle) = self.file(fd, rights::FD_FILESTAT_SET_SIZE)?;
        files.set_size(handle, size)
    }

    pub(super) fn fd_filestat_set_times(
        &mut self,
        fd: u32,
        accessed: u64,
        modified: u64,
        flags: u32,
    ) -> Result<()> {
        let (accessed, modified) = abi::new_times(accessed, modified, flags)?;
        let (files, handle) = self.file(fd, rights::FD_FILESTAT_SET_TIMES)?;
        files.set_times(handle, accessed, modified)
    }
}
