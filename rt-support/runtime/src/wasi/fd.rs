// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The program's descriptors, and what each may do.

use super::Call;
use super::abi::rights;
use crate::errno::{Errno, Result};
use crate::platform::{FileType, Files, Handle, Platform, Sockets, StatusFlags, Stream};

/// The most descriptors that a program has at a time.
const MAX_FDS: usize = 512;

/// What a descriptor refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    Input,
    Output(Stream),
    /// A file, or a directory.
    File(Handle),
    Socket(Handle),
}

/// An open descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    pub target: Target,
    pub file_type: FileType,
    pub flags: StatusFlags,
    pub rights: u64,
    pub inheriting: u64,
    /// Number of the preopened directory that this is.
    pub preopen: Option<u16>,
}

/// All descriptors.
#[derive(Debug)]
pub(super) struct Table([Option<Descriptor>; MAX_FDS]);

impl Table {
    pub fn new(platform: &dyn Platform) -> Self {
        let mut table = Self([None; MAX_FDS]);
        let stream = |fd, target, right| Descriptor {
            target,
            file_type: platform.stream_type(fd),
            flags: StatusFlags::default(),
            rights: rights::STREAM | right,
            inheriting: 0,
            preopen: None,
        };
        table.0[0] = Some(stream(0, Target::Input, rights::FD_READ));
        table.0[1] = Some(stream(1, Target::Output(Stream::Out), rights::FD_WRITE));
        table.0[2] = Some(stream(2, Target::Output(Stream::Error), rights::FD_WRITE));
        // As wasmtime numbers them: sockets from 3 on, directories behind them.
        table.add_sockets(platform);
        table.add_directories(platform);
        table
    }

    fn add_sockets(&mut self, platform: &dyn Platform) {
        let Some(sockets) = platform.sockets() else {
            return;
        };
        for number in 0.. {
            let Some((handle, file_type)) = sockets.inherited(number) else {
                break;
            };
            let socket = Descriptor {
                target: Target::Socket(handle),
                file_type,
                flags: StatusFlags::default(),
                rights: rights::CONNECTION | rights::SOCK_ACCEPT,
                inheriting: rights::CONNECTION,
                preopen: None,
            };
            if self.insert(socket).is_err() {
                break;
            }
        }
    }

    fn add_directories(&mut self, platform: &dyn Platform) {
        let Some(files) = platform.files() else {
            return;
        };
        for number in 0.. {
            let Some((handle, _)) = files.preopen(usize::from(number)) else {
                break;
            };
            let directory = Descriptor {
                target: Target::File(handle),
                file_type: FileType::Directory,
                flags: StatusFlags::default(),
                rights: rights::DIRECTORY,
                inheriting: rights::DIRECTORY | rights::FILE,
                preopen: Some(number),
            };
            if self.insert(directory).is_err() {
                break;
            }
        }
    }

    pub fn get(&self, fd: u32) -> Result<&Descriptor> {
        let slot = self.0.get(fd as usize);
        slot.and_then(Option::as_ref).ok_or(Errno::BADF)
    }

    fn slot(&mut self, fd: u32) -> Result<&mut Option<Descriptor>> {
        let slot = self.0.get_mut(fd as usize);
        slot.filter(|slot| slot.is_some()).ok_or(Errno::BADF)
    }

    pub fn insert(&mut self, descriptor: Descriptor) -> Result<u32> {
        let free = self.0.iter().position(Option::is_none);
        let free = free.ok_or(Errno::MFILE)?;
        self.0[free] = Some(descriptor);
        Ok(free as u32)
    }

    /// Closes what the program has not.
    pub fn end(&mut self, platform: &dyn Platform) {
        for slot in &mut self.0 {
            // What cannot be closed is gone all the same.
            let _ = match slot.take() {
                Some(descriptor) => close(platform, descriptor.target),
                None => Ok(()),
            };
        }
    }

    pub fn is_full(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }
}

/// Gives a handle back to the platform.
fn close(platform: &dyn Platform, target: Target) -> Result<()> {
    match target {
        Target::File(handle) => platform.files().ok_or(Errno::BADF)?.close(handle),
        Target::Socket(handle) => platform.sockets().ok_or(Errno::BADF)?.close(handle),
        Target::Input | Target::Output(_) => Ok(()),
    }
}

impl Call<'_> {
    /// The descriptor, if it has this right.
    pub(super) fn descriptor(&self, fd: u32, right: u64) -> Result<Descriptor> {
        let descriptor = self.fds.get(fd)?;
        if descriptor.rights & right != right {
            return Err(Errno::NOTCAPABLE);
        }
        Ok(*descriptor)
    }

    pub(super) fn files(&self) -> Result<&dyn Files> {
        self.platform.files().ok_or(Errno::BADF)
    }

    pub(super) fn sockets(&self) -> Result<&dyn Sockets> {
        self.platform.sockets().ok_or(Errno::BADF)
    }

    /// The file behind a descriptor with this right.
    pub(super) fn file(&self, fd: u32, right: u64) -> Result<(&dyn Files, Handle)> {
        match self.descriptor(fd, right)?.target {
            Target::File(handle) => Ok((self.files()?, handle)),
            Target::Input | Target::Output(_) | Target::Socket(_) => Err(Errno::INVAL),
        }
    }

    /// The directory behind a descriptor with this right.
    pub(super) fn directory(&self, fd: u32, right: u64) -> Result<(&dyn Files, Handle)> {
        let descriptor = self.fds.get(fd)?;
        if descriptor.file_type != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        self.file(fd, right)
    }

    fn release(&self, descriptor: Descriptor) -> Result<()> {
        close(self.platform, descriptor.target)
    }

    pub(super) fn fd_close(&mut self, fd: u32) -> Result<()> {
        let descriptor = self.fds.slot(fd)?.take().ok_or(Errno::BADF)?;
        self.release(descriptor)
    }

    pub(super) fn fd_renumber(&mut self, from: u32, to: u32) -> Result<()> {
        self.fds.get(from)?;
        self.fds.get(to)?;
        if from == to {
            return Ok(());
        }
        let moved = self.fds.slot(from)?.take();
        let old = core::mem::replace(self.fds.slot(to)?, moved);
        old.map_or(Ok(()), |old| self.release(old))
    }

    /// `fdstat`: type, flags, rights, inherited rights; 24 bytes.
    pub(super) fn fd_fdstat_get(&mut self, fd: u32, result: u32) -> Result<()> {
        let descriptor = self.fds.get(fd)?;
        let mut bytes = [0; 24];
        bytes[0] = descriptor.file_type as u8;
        bytes[2..4].copy_from_slice(&descriptor.flags.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&descriptor.rights.to_le_bytes());
        bytes[16..24].copy_from_slice(&descriptor.inheriting.to_le_bytes());
        self.memory.write(result, &bytes)
    }

    pub(super) fn fd_fdstat_set_flags(&mut self, fd: u32, flags: u32) -> Result<()> {
        let descriptor = self.descriptor(fd, rights::FD_FDSTAT_SET_FLAGS)?;
        let flags = u16::try_from(flags).map_err(|_| Errno::INVAL)?;
        if flags & !StatusFlags::ALL != 0 {
            return Err(Errno::INVAL);
        }
        match descriptor.target {
            Target::File(handle) => self.files()?.set_flags(handle, StatusFlags(flags))?,
            Target::Socket(handle) => self.sockets()?.set_flags(handle, StatusFlags(flags))?,
            // The standard streams belong to others as well.
            Target::Input | Target::Output(_) if flags == 0 => {}
            Target::Input | Target::Output(_) => return Err(Errno::NOTSUP),
        }
        if let Some(descriptor) = self.fds.slot(fd)? {
            descriptor.flags = StatusFlags(flags);
        }
        Ok(())
    }

    /// Rights can be given up, never gained.
    pub(super) fn fd_fdstat_set_rights(
        &mut self,
        fd: u32,
        base: u64,
        inheriting: u64,
    ) -> Result<()> {
        let Some(descriptor) = self.fds.slot(fd)? else {
            return Err(Errno::BADF);
        };
        if base & !descriptor.rights != 0 || inheriting & !descriptor.inheriting != 0 {
            return Err(Errno::NOTCAPABLE);
        }
        (descriptor.rights, descriptor.inheriting) = (base, inheriting);
        Ok(())
    }

    fn preopen_name(&self, fd: u32) -> Result<&[u8]> {
        let number = self.fds.get(fd)?.preopen.ok_or(Errno::BADF)?;
        let preopen = self.files()?.preopen(usize::from(number));
        preopen.map(|(_, name)| name).ok_or(Errno::BADF)
    }

    /// `prestat`: tag 0 (a directory), length of its name.
    pub(super) fn fd_prestat_get(&mut self, fd: u32, result: u32) -> Result<()> {
        let length = self.preopen_name(fd)?.len() as u64;
        self.memory.write_u64(result, length << 32)
    }

    pub(super) fn fd_prestat_dir_name(&mut self, fd: u32, path: u32, length: u32) -> Result<()> {
        let name = self.preopen_name(fd)?;
        if name.len() > length as usize {
            return Err(Errno::NAMETOOLONG);
        }
        self.memory.write(path, name)
    }
}
