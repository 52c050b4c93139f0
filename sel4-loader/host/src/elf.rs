// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! As much of ELF as image building needs: reading program headers of either class.

/// `PT_LOAD`.
pub const LOAD: u32 = 1;

/// Which words a file has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Elf32,
    Elf64,
}

/// A program header.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Where the header itself stands in the file.
    pub header: usize,
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub vaddr: u64,
    pub paddr: u64,
    pub file_size: u64,
    pub memory_size: u64,
}

impl Segment {
    /// The segment's bytes in the file.
    pub fn bytes<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(self.offset).ok()?;
        file.get(start..)?
            .get(..usize::try_from(self.file_size).ok()?)
    }
}

/// What a file says about itself.
#[derive(Debug)]
pub struct Elf {
    pub class: Class,
    pub machine: u16,
    pub entry: u64,
    pub segments: Vec<Segment>,
}

/// Reads a little-endian number of `size` bytes.
fn number(file: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
}

/// Reads the headers, or says nothing where they are damaged.
pub fn parse(file: &[u8]) -> Option<Elf> {
    let class = match file.get(..6)? {
        [0x7f, b'E', b'L', b'F', 1, 1] => Class::Elf32,
        [0x7f, b'E', b'L', b'F', 2, 1] => Class::Elf64,
        _ => return None,
    };
    // Offsets of the fields in the two classes (ELF specification, "ELF Header", "Program Header").
    let wide = class == Class::Elf64;
    let word = if wide { 8 } else { 4 };
    let header = |narrow, wide_at, size| number(file, if wide { wide_at } else { narrow }, size);
    let table = usize::try_from(header(0x1c, 0x20, word)?).ok()?;
    let size = usize::try_from(header(0x2a, 0x36, 2)?).ok()?;
    let count = usize::try_from(header(0x2c, 0x38, 2)?).ok()?;
    let mut segments = Vec::with_capacity(count);
    for index in 0..count {
        let at = table.checked_add(index.checked_mul(size)?)?;
        let field = |narrow: usize, wide_at: usize, size| {
            number(
                file,
                at.checked_add(if wide { wide_at } else { narrow })?,
                size,
            )
        };
        segments.push(Segment {
            header: at,
            kind: field(0, 0, 4)? as u32,
            flags: field(24, 4, 4)? as u32,
            offset: field(4, 8, word)?,
            vaddr: field(8, 16, word)?,
            paddr: field(12, 24, word)?,
            file_size: field(16, 32, word)?,
            memory_size: field(20, 40, word)?,
        });
    }
    Some(Elf {
        class,
        machine: number(file, 18, 2)? as u16,
        entry: header(0x18, 0x18, word)?,
        segments,
    })
}
