// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The tree as an archive, for whoever wants to see what the program left behind.
//!
//! Paths are as [`crate::MemFs::unpack`] reads them. Files whose contents are still those of the
//! archive that the tree was made of are entries of the kind [`crate::REFERENCE`]: the one who
//! has that archive need not be told them again.

use crate::MemFs;
use crate::file::BLOCK;
use crate::tar::{self, RECORD, kind};
use crate::tree::{Body, Tree};
use core::fmt::{self, Write};

/// The longest path: of what a program puts deeper, nothing is written.
const MAX_PATH: usize = 4096;

/// Bytes of contents that are written at most; holes count, as they are written as zeroes.
const MAX_CONTENTS: u64 = 1 << 30;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Why there is no archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PackError {
    /// The sink takes no more.
    Sink,
    /// The tree is in use, or damaged.
    Tree,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sink => "the archive cannot be written",
            Self::Tree => "the file system is in use, or damaged",
        })
    }
}

impl core::error::Error for PackError {}

/// A path that is put together from its end.
struct Path {
    bytes: [u8; MAX_PATH],
    start: usize,
}

impl Path {
    fn prepend(&mut self, text: &[u8]) -> Option<()> {
        let start = self.start.checked_sub(text.len())?;
        self.bytes[start..self.start].copy_from_slice(text);
        self.start = start;
        Some(())
    }

    /// The path of the entry with a number in a directory below a root; `None` where it is too
    /// long.
    fn of(tree: &Tree<'_>, roots: &[u32], directory: u32, number: u64) -> Option<Self> {
        let mut path = Self {
            bytes: [0; MAX_PATH],
            start: MAX_PATH,
        };
        let (mut directory, mut number) = (directory, number);
        loop {
            let here = tree.directory(directory).ok()?;
            path.prepend(here.name(number))?;
            path.prepend(b"/")?;
            if here.parent == directory {
                break;
            }
            (directory, number) = (here.parent, here.place);
        }
        let root = roots.iter().position(|&root| root == directory)?;
        let mut digits = Small::new();
        write!(digits, "{root}").ok()?;
        path.prepend(digits.text())?;
        Some(path)
    }

    fn text(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// A few characters.
struct Small {
    bytes: [u8; 48],
    length: usize,
}

impl Small {
    fn new() -> Self {
        Self {
            bytes: [0; 48],
            length: 0,
        }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Write for Small {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Takes bytes; says whether it goes on.
type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> bool;

fn send(sink: Sink<'_>, bytes: &[u8]) -> Result<(), PackError> {
    match bytes.is_empty() || sink(bytes) {
        true => Ok(()),
        false => Err(PackError::Sink),
    }
}

/// What stands behind contents of this length.
fn padding(length: u64) -> &'static [u8] {
    let rest = (length % RECORD as u64) as usize;
    &[0; RECORD][..(RECORD - rest) % RECORD]
}

/// A record with a text that does not fit a header.
fn long(sink: Sink<'_>, kind: u8, text: &[u8]) -> Result<(), PackError> {
    let size = text.len() as u64;
    send(sink, &tar::header(kind, b"././@LongLink", b"", size, 0))?;
    send(sink, text)?;
    send(sink, padding(size))
}

fn header(
    sink: Sink<'_>,
    kind: u8,
    (path, target): (&[u8], &[u8]),
    size: u64,
    time: u64,
) -> Result<(), PackError> {
    if !tar::fits(path) {
        long(sink, kind::LONG_NAME, path)?;
    }
    if !tar::fits(target) {
        long(sink, kind::LONG_LINK, target)?;
    }
    let time = time / SECOND;
    send(sink, &tar::header(kind, path, target, size, time))
}

/// What an entry became.
enum Packed {
    Written,
    LeftOut,
}

struct Packer<'p, 's> {
    roots: &'p [u32],
    archive: &'p [u8],
    contents: u64,
    sink: Sink<'s>,
}

impl Packer<'_, '_> {
    /// Writes the entry with a number in a directory, which is a node's.
    fn entry(
        &mut self,
        tree: &mut Tree<'_>,
        (directory, number): (u32, u64),
        node: u32,
    ) -> Result<Packed, PackError> {
        let Some(path) = Path::of(tree, self.roots, directory, number) else {
            return Ok(Packed::LeftOut);
        };
        let found = tree.node_mut(node).map_err(|_| PackError::Tree)?;
        let first = found.written;
        found.written = first.or(Some((directory, number)));
        let time = found.modified;
        let path = path.text();
        if let (Some((directory, number)), false) = (first, tree.is_directory(node)) {
            let Some(first) = Path::of(tree, self.roots, directory, number) else {
                return Ok(Packed::LeftOut);
            };
            let paths = (path, first.text());
            header(self.sink, kind::HARD_LINK, paths, 0, time)?;
            return Ok(Packed::Written);
        }
        match &tree.node(node).map_err(|_| PackError::Tree)?.body {
            Body::Directory(_) => {
                header(self.sink, kind::DIRECTORY, (path, b""), 0, time)?;
            }
            Body::Link(text) => header(self.sink, kind::LINK, (path, text), 0, time)?,
            Body::File(_) => return self.file(tree, node, path, time),
            Body::Vacant(_) => return Err(PackError::Tree),
        }
        Ok(Packed::Written)
    }

    fn file(
        &mut self,
        tree: &mut Tree<'_>,
        node: u32,
        path: &[u8],
        time: u64,
    ) -> Result<Packed, PackError> {
        let (file, _) = tree.file_mut(node).map_err(|_| PackError::Tree)?;
        let size = file.size();
        let offset = file.unchanged().filter(|base| !base.is_empty());
        let offset = offset.and_then(|base| {
            let start = self.archive.as_ptr() as usize;
            (base.as_ptr() as usize).checked_sub(start)
        });
        if let Some(offset) = offset {
            let mut place = Small::new();
            write!(place, "{offset} {size}").map_err(|_| PackError::Tree)?;
            header(self.sink, tar::REFERENCE, (path, place.text()), 0, time)?;
            return Ok(Packed::Written);
        }
        if size > MAX_CONTENTS - self.contents {
            if let Ok(node) = tree.node_mut(node) {
                node.written = None;
            }
            return Ok(Packed::LeftOut);
        }
        self.contents += size;
        header(self.sink, kind::FILE, (path, b""), size, time)?;
        let mut block = [0; BLOCK as usize];
        let mut at = 0;
        while at < size {
            let count = file.read(at, &mut block);
            send(self.sink, &block[..count])?;
            at += count.max(1) as u64;
        }
        send(self.sink, padding(size))?;
        Ok(Packed::Written)
    }
}

impl MemFs<'_> {
    /// Writes the tree as an archive, piece by piece; gives how many entries were left out,
    /// because their paths are too long or their contents too large. `archive` is the one that
    /// [`MemFs::unpack`] was given, or empty.
    ///
    /// # Errors
    /// Where the sink takes no more, or the tree is in use.
    pub fn pack(
        &self,
        archive: &[u8],
        sink: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<u64, PackError> {
        let tree = &mut *self.tree.try_borrow_mut().map_err(|_| PackError::Tree)?;
        tree.forget_written();
        // As many as directories of the command line; without an allocation that could fail.
        const ROOTS: usize = 64;
        let mut roots = [u32::MAX; ROOTS];
        let count = self.preopens.len().min(ROOTS);
        for (root, preopen) in roots.iter_mut().zip(&self.preopens) {
            *root = preopen.node;
        }
        let mut packer = Packer {
            roots: &roots[..count],
            archive,
            contents: 0,
            sink,
        };
        let mut left_out = 0;
        for &root in &roots[..count] {
            let (mut directory, mut number) = (root, 0);
            loop {
                let here = tree.directory(directory).map_err(|_| PackError::Tree)?;
                let Some(entry) = here.after(number) else {
                    if directory == root {
                        break;
                    }
                    (directory, number) = (here.parent, here.place);
                    continue;
                };
                let (at, node) = (entry.number, entry.node);
                match packer.entry(tree, (directory, at), node)? {
                    Packed::Written => {}
                    Packed::LeftOut => left_out += 1,
                }
                (directory, number) = match tree.is_directory(node) {
                    true => (node, 0),
                    false => (directory, at),
                };
            }
        }
        send(packer.sink, &[0; 2 * RECORD])?;
        Ok(left_out)
    }
}
