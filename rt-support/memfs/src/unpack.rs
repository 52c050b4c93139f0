// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A tree out of an archive, which others have written: every field is checked, and nothing is
//! taken beyond the limit.
//!
//! The first name of each path is the number of the directory, in the order in which the program
//! was given them; what follows is below it. Contents of files are not copied.

use crate::MemFs;
use crate::directory::{Directory, MAX_NAME};
use crate::file::File;
use crate::tar::{Damage, Header, RECORD, kind, text};
use crate::tree::{Body, Tree};
use core::fmt;
use wasm_aot_runtime::Errno;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Why an archive cannot be unpacked: what is wrong at which byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnpackError {
    /// Offset of the entry's header.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for UnpackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {} of the archive)", self.what, self.at)
    }
}

impl core::error::Error for UnpackError {}

/// An entry, with its long names.
struct Entry<'a> {
    at: usize,
    kind: u8,
    time: u64,
    prefix: &'a [u8],
    name: &'a [u8],
    target: &'a [u8],
    contents: &'a [u8],
}

/// Reads entries one after the other.
struct Entries<'a> {
    archive: &'a [u8],
    at: usize,
}

impl<'a> Entries<'a> {
    fn next(&mut self) -> Result<Option<Entry<'a>>, UnpackError> {
        let (mut long_name, mut long_link) = (None, None);
        loop {
            let at = self.at;
            let wrong = |what| UnpackError { at, what };
            let rest = self.archive.get(at..).unwrap_or_default();
            let Some((record, rest)) = rest.split_first_chunk::<RECORD>() else {
                return match rest {
                    [] => Ok(None),
                    _ => Err(wrong("the archive ends within a header")),
                };
            };
            let header = Header::parse(record).map_err(|damage| {
                wrong(match damage {
                    Damage::Magic => "no header of a tar archive",
                    Damage::Checksum => "the checksum of a header is wrong",
                    Damage::Number => "a size or time is no number",
                })
            })?;
            let Some(header) = header else {
                return Ok(None);
            };
            let size = usize::try_from(header.size).ok();
            let contents = size.and_then(|size| rest.get(..size));
            let contents = contents.ok_or(wrong("the archive ends within a file"))?;
            self.at = at + RECORD + contents.len().next_multiple_of(RECORD);
            match header.kind {
                kind::LONG_NAME => long_name = Some(text(contents)),
                kind::LONG_LINK => long_link = Some(text(contents)),
                other => {
                    return Ok(Some(Entry {
                        at,
                        kind: other,
                        time: header.time.saturating_mul(SECOND),
                        prefix: if long_name.is_some() {
                            &[]
                        } else {
                            header.prefix
                        },
                        name: long_name.unwrap_or(header.name),
                        target: long_link.unwrap_or(header.target),
                        contents,
                    }));
                }
            }
        }
    }
}

/// The names of a path in an archive, from the front.
fn names<'p>(prefix: &'p [u8], name: &'p [u8]) -> impl Iterator<Item = &'p [u8]> {
    let parts = prefix.split(|&byte| byte == b'/');
    let parts = parts.chain(name.split(|&byte| byte == b'/'));
    parts.filter(|part| !part.is_empty() && *part != b".")
}

/// Whether a directory can have an entry of this name.
fn is_name(name: &[u8]) -> bool {
    name != b".." && name.len() <= MAX_NAME && !name.contains(&0)
}

/// The number that a path begins with.
fn index(name: &[u8]) -> Option<usize> {
    core::str::from_utf8(name).ok()?.parse().ok()
}

/// Why something cannot be put into the tree.
fn reason(errno: Errno) -> &'static str {
    match errno {
        Errno::NOSPC => "there is no memory for it; give the app more",
        Errno::NOTDIR => "something is below what is no directory",
        Errno::NOENT => "a hard link to nothing",
        _ => "it cannot be made",
    }
}

impl<'a> MemFs<'a> {
    /// Fills the directories of the program.
    ///
    /// # Errors
    /// Where the archive is damaged, has kinds of entries that there are not here, or does not
    /// fit the limit.
    pub fn unpack(&mut self, archive: &'a [u8]) -> Result<(), UnpackError> {
        let mut entries = Entries { archive, at: 0 };
        while let Some(entry) = entries.next()? {
            self.add(&entry)?;
        }
        // What was put into a directory changed its time.
        let mut entries = Entries { archive, at: 0 };
        while let Some(entry) = entries.next()? {
            if entry.kind == kind::DIRECTORY {
                self.add(&entry)?;
            }
        }
        Ok(())
    }

    /// The directory around a path, made where it is not there, and the path's last name: none
    /// where the path is one of the program's directories.
    fn around<'p>(
        &mut self,
        at: usize,
        prefix: &'p [u8],
        name: &'p [u8],
    ) -> Result<(u32, Option<&'p [u8]>), UnpackError> {
        let wrong = |what| UnpackError { at, what };
        let mut parts = names(prefix, name).peekable();
        let root = parts.next().and_then(index);
        let root = root.and_then(|root| self.preopens.get(root));
        let root = root.ok_or(wrong("a path that begins with no directory's number"))?;
        let (mut directory, tree) = (root.node, self.tree.get_mut());
        while let Some(part) = parts.next() {
            if !is_name(part) {
                return Err(wrong("a name that no entry can have"));
            }
            if parts.peek().is_none() {
                return Ok((directory, Some(part)));
            }
            let child = child_directory(tree, directory, part);
            directory = child.map_err(|errno| wrong(reason(errno)))?;
        }
        Ok((directory, None))
    }

    /// Puts an entry into the tree. One that is there already is replaced, but for directories.
    fn add(&mut self, entry: &Entry<'a>) -> Result<(), UnpackError> {
        let wrong = |what| UnpackError { at: entry.at, what };
        let failed = |errno| wrong(reason(errno));
        let (directory, name) = self.around(entry.at, entry.prefix, entry.name)?;
        let is_directory = entry.kind == kind::DIRECTORY;
        let Some(name) = name else {
            return match is_directory {
                true => stamp(self.tree.get_mut(), directory, entry.time).map_err(failed),
                false => Err(wrong("a path without a name")),
            };
        };
        let linked = match entry.kind {
            kind::HARD_LINK => {
                let (around, target) = self.around(entry.at, &[], entry.target)?;
                let target = target.ok_or(wrong("a hard link to a directory"))?;
                let node = self.tree.get_mut().lookup(around, target).map_err(failed)?;
                Some(node.ok_or(wrong(reason(Errno::NOENT)))?)
            }
            _ => None,
        };
        let tree = self.tree.get_mut();
        if is_directory {
            let node = child_directory(tree, directory, name).map_err(failed)?;
            return stamp(tree, node, entry.time).map_err(failed);
        }
        if let Some(old) = tree.lookup(directory, name).map_err(failed)? {
            if tree.is_directory(old) {
                return Err(wrong("something else in the place of a directory"));
            }
            if linked == Some(old) {
                return Ok(());
            }
            tree.detach(directory, name).map_err(failed)?;
        }
        let node = match (entry.kind, linked) {
            (_, Some(node)) if tree.is_directory(node) => {
                return Err(wrong("a hard link to a directory"));
            }
            (_, Some(node)) => node,
            (kind::FILE | kind::OLD_FILE, _) => {
                let file = Body::File(File::from_archive(entry.contents));
                tree.make(file).map_err(failed)?
            }
            (kind::LINK, _) if entry.target.is_empty() => {
                return Err(wrong("a symbolic link to nothing"));
            }
            (kind::LINK, _) => tree.make_link(entry.target).map_err(failed)?,
            _ => return Err(wrong("an entry of a kind that there is not here")),
        };
        tree.attach(directory, name, node).map_err(failed)?;
        stamp(tree, node, entry.time).map_err(failed)
    }
}

/// The directory of a name, made where it is not there.
fn child_directory(tree: &mut Tree<'_>, directory: u32, name: &[u8]) -> Result<u32, Errno> {
    if let Some(node) = tree.lookup(directory, name)? {
        return tree.directory(node).map(|_| node);
    }
    let node = tree.make(Body::Directory(Directory::new(directory)))?;
    tree.attach(directory, name, node)?;
    Ok(node)
}

/// Gives a node its times.
fn stamp(tree: &mut Tree<'_>, node: u32, time: u64) -> Result<(), Errno> {
    let node = tree.node_mut(node)?;
    (node.accessed, node.modified, node.changed) = (time, time, time);
    Ok(())
}
