// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Reading directories.

use super::Call;
use super::abi::rights;
use crate::errno::Result;

/// Bytes of a `dirent` in front of the name.
const HEAD: usize = 24;

impl Call<'_> {
    /// Writes entries one after the other until the buffer is full; the last may be cut off, by
    /// which the program knows that there are more.
    pub(super) fn fd_readdir(
        &mut self,
        fd: u32,
        buffer: u32,
        length: u32,
        cookie: u64,
        result: u32,
    ) -> Result<()> {
        let (files, directory) = self.directory(fd, rights::FD_READDIR)?;
        self.memory.bytes((result, 4))?;
        let buffer = self.memory.bytes_mut((buffer, length))?;
        let mut used = 0;
        files.read_dir(directory, cookie, &mut |entry| {
            let mut head = [0; HEAD];
            head[0..8].copy_from_slice(&entry.next.to_le_bytes());
            head[8..16].copy_from_slice(&entry.inode.to_le_bytes());
            head[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
            head[20] = entry.file_type as u8;
            for bytes in [&head, entry.name] {
                let room = &mut buffer[used..];
                let count = bytes.len().min(room.len());
                room[..count].copy_from_slice(&bytes[..count]);
                used += count;
            }
            used < buffer.len()
        })?;
        self.memory.write_u32(result, used as u32)
    }
}
