// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Where a path leads, never out of the directory that it begins in: as openat2(2) resolves it
//! on Linux with `RESOLVE_BENEATH`, errors and their order included.

use crate::tree::{Body, Tree};
use wasm_aot_runtime::{Errno, Result};

/// Bytes of a path, a final zero byte included (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// Symbolic links on the way, at most.
const MAX_LINKS: usize = 40;

/// What a path leads to.
pub(crate) struct Place<'t> {
    /// The directory around the last name.
    pub parent: u32,
    /// The last name.
    pub name: &'t [u8],
    /// What has this name, where something has.
    pub node: Option<u32>,
    /// The path ends in a slash: it can only be a directory.
    pub directory: bool,
}

impl Place<'_> {
    /// What is there.
    pub fn found(&self, tree: &Tree<'_>) -> Result<u32> {
        let node = self.node.ok_or(Errno::NOENT)?;
        if self.directory && !tree.is_directory(node) {
            return Err(Errno::NOTDIR);
        }
        Ok(node)
    }
}

/// How the last name is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    /// A symbolic link is followed.
    pub follow: bool,
    /// It may be made, as something that is no directory.
    pub create: bool,
}

/// Checks what no path may have.
pub(crate) fn check(path: &[u8]) -> Result<()> {
    if path.len() >= MAX_PATH {
        return Err(Errno::NAMETOOLONG);
    }
    if path.contains(&0) {
        return Err(Errno::INVAL);
    }
    Ok(())
}

/// A path without the slashes at its end.
pub(crate) fn without_slashes(path: &[u8]) -> &[u8] {
    let last = path.iter().rposition(|&byte| byte != b'/');
    &path[..last.map_or(0, |last| last + 1)]
}

/// Splits off the first name; says whether slashes followed, and what follows them.
fn split(path: &[u8]) -> (&[u8], bool, &[u8]) {
    let end = path.iter().position(|&byte| byte == b'/');
    let (name, rest) = path.split_at(end.unwrap_or(path.len()));
    let next = rest.iter().position(|&byte| byte != b'/');
    (name, !rest.is_empty(), &rest[next.unwrap_or(rest.len())..])
}

/// Follows a path from a directory.
pub(crate) fn walk<'t>(
    tree: &'t Tree<'_>,
    root: u32,
    path: &'t [u8],
    last: Last,
) -> Result<Place<'t>> {
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    if path.starts_with(b"/") {
        return Err(Errno::PERM);
    }
    // What is left of the path, and of the links on the way, innermost last.
    let mut rests = [&[][..]; MAX_LINKS + 1];
    let (mut depth, mut links) = (0, 0);
    rests[0] = path;
    let mut current = root;
    let mut directory = false;
    loop {
        while rests[depth].is_empty() && depth > 0 {
            depth -= 1;
        }
        let (name, slash, rest) = split(rests[depth]);
        rests[depth] = rest;
        let is_last = rests[..=depth].iter().all(|rest| rest.is_empty());
        let parent = tree.directory(current)?.parent;
        let special = match name {
            b"." => Some(current),
            b".." if current == root => return Err(Errno::PERM),
            b".." => Some(parent),
            _ => None,
        };
        directory |= is_last && slash;
        let place = |node| Place {
            parent: current,
            name,
            node,
            directory,
        };
        if let Some(node) = special {
            if is_last {
                return Ok(place(Some(node)));
            }
            current = node;
            continue;
        }
        if is_last && last.create && slash {
            return Err(Errno::ISDIR);
        }
        let found = tree.lookup(current, name)?;
        let Some(node) = found else {
            return match is_last {
                true => Ok(place(None)),
                false => Err(Errno::NOENT),
            };
        };
        let follow = !is_last || last.follow || directory;
        match &tree.node(node)?.body {
            Body::Link(text) if follow => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                if text.starts_with(b"/") {
                    return Err(Errno::PERM);
                }
                depth += 1;
                rests[depth] = text;
            }
            _ if is_last => return Ok(place(Some(node))),
            _ => current = node,
        }
    }
}

/// The directory around the last name of a path, and that name: for what makes, moves and removes
/// names, which are never followed.
pub(crate) struct Parent<'p> {
    pub directory: u32,
    /// Without slashes; may be `.` or `..`.
    pub name: &'p [u8],
    /// The path ended in a slash.
    pub slash: bool,
}

impl<'p> Parent<'p> {
    pub fn of(tree: &Tree<'_>, root: u32, path: &'p [u8]) -> Result<Self> {
        let trimmed = without_slashes(path);
        if trimmed.is_empty() {
            return Err(match path {
                [] => Errno::NOENT,
                _ => Errno::PERM,
            });
        }
        let split = trimmed.iter().rposition(|&byte| byte == b'/');
        let (around, name) = trimmed.split_at(split.map_or(0, |at| at + 1));
        let follow = Last {
            follow: true,
            create: false,
        };
        let directory = |path: &[u8]| {
            check(path)?;
            let found = walk(tree, root, path, follow)?.found(tree)?;
            tree.directory(found).map(|_| found)
        };
        if name == b".." {
            // Not the name of an entry: where it leads out, that is what is wrong.
            directory(trimmed)?;
        }
        let around = match around {
            [] => root,
            around => directory(around)?,
        };
        check(name)?;
        Ok(Self {
            directory: around,
            name,
            slash: trimmed.len() < path.len(),
        })
    }

    /// `.` or `..`, which no entry is called.
    pub fn is_special(&self) -> bool {
        matches!(self.name, b"." | b"..")
    }

    /// What has this name.
    pub fn node(&self, tree: &Tree<'_>) -> Result<u32> {
        match self.name {
            b"." => Ok(self.directory),
            b".." => Ok(tree.directory(self.directory)?.parent),
            name => tree.lookup(self.directory, name)?.ok_or(Errno::NOENT),
        }
    }

    /// Whether that is a directory.
    pub fn is_directory(&self, tree: &Tree<'_>) -> bool {
        self.node(tree).is_ok_and(|node| tree.is_directory(node))
    }

    /// Refuses a path that ended in a slash, for what is done with others than directories.
    pub fn refuse_slash(&self, tree: &Tree<'_>) -> Result<()> {
        match self.slash {
            false => Ok(()),
            true if self.is_directory(tree) => Err(Errno::ISDIR),
            true => Err(Errno::NOTDIR),
        }
    }

    /// The same for the name of something new that is no directory: there may be one of that name,
    /// something else, or nothing.
    pub fn refuse_slash_of_new(&self, tree: &Tree<'_>) -> Result<()> {
        match self.refuse_slash(tree) {
            Err(Errno::ISDIR) => Err(Errno::EXIST),
            Err(Errno::NOTDIR) => Err(self
                .node(tree)
                .err()
                .map_or(Errno::NOTDIR, |_| Errno::NOENT)),
            other => other,
        }
    }

    /// Refuses a name that is there already, or cannot be made.
    pub fn refuse_existing(&self, tree: &Tree<'_>) -> Result<()> {
        if self.is_special() {
            return Err(Errno::EXIST);
        }
        match tree.lookup(self.directory, self.name)? {
            Some(_) => Err(Errno::EXIST),
            None => Ok(()),
        }
    }
}
