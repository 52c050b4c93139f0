// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a program does with files and directories.

use crate::MemFs;
use crate::directory::Directory;
use crate::file::File;
use crate::tree::{Body, Open, Tree, inode};
use crate::walk::{Last, Parent, Place, check, walk};
use core::cell::{Ref, RefMut};
use wasm_aot_runtime::platform::{
    DirEntry, FileStat, FileType, Files, Handle, NewTime, OpenHow, StatusFlags, Whence,
};
use wasm_aot_runtime::{Errno, Result};

/// Cookies of `.` and `..`.
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;

impl<'a> MemFs<'a> {
    fn tree(&self) -> Result<Ref<'_, Tree<'a>>> {
        self.tree.try_borrow().map_err(|_| Errno::BUSY)
    }

    fn tree_mut(&self) -> Result<RefMut<'_, Tree<'a>>> {
        self.tree.try_borrow_mut().map_err(|_| Errno::BUSY)
    }
}

/// An offset or a length: as Linux has them, at most 2^63 - 1.
fn offset(value: u64) -> Result<u64> {
    i64::try_from(value)
        .map(|_| value)
        .map_err(|_| Errno::INVAL)
}

/// What a path leads to.
fn found(tree: &Tree<'_>, dir: Handle, path: &[u8], follow: bool) -> Result<u32> {
    check(path)?;
    let last = Last {
        follow,
        create: false,
    };
    walk(tree, tree.target(dir)?, path, last)?.found(tree)
}

fn set_times(tree: &mut Tree<'_>, node: u32, accessed: NewTime, modified: NewTime) -> Result<()> {
    let now = (tree.now)();
    let node = tree.node_mut(node)?;
    for (time, new) in [
        (&mut node.accessed, accessed),
        (&mut node.modified, modified),
    ] {
        match new {
            NewTime::Keep => {}
            NewTime::Now => *time = now,
            NewTime::At(nanoseconds) => *time = nanoseconds,
        }
    }
    if (accessed, modified) != (NewTime::Keep, NewTime::Keep) {
        node.changed = now;
    }
    Ok(())
}

/// Whether what is found at a path can be opened in this way.
fn admissible(tree: &Tree<'_>, place: &Place<'_>, node: u32, how: &OpenHow) -> Result<()> {
    let kind = tree.file_type(node);
    let directory = kind == FileType::Directory;
    if how.create && how.exclusive {
        return Err(Errno::EXIST);
    }
    if how.create && directory {
        return Err(Errno::ISDIR);
    }
    if (how.directory || place.directory) && !directory {
        return Err(Errno::NOTDIR);
    }
    match kind {
        FileType::SymbolicLink => Err(Errno::LOOP),
        FileType::Directory if how.write || how.truncate => Err(Errno::ISDIR),
        _ => Ok(()),
    }
}

/// A new regular file.
fn create(tree: &mut Tree<'_>, directory: u32, name: &[u8]) -> Result<u32> {
    let node = tree.make(Body::File(File::default()))?;
    tree.attach(directory, name, node)?;
    Ok(node)
}

/// Whether `inner` is `outer` or somewhere below it.
fn is_below(tree: &Tree<'_>, outer: u32, mut inner: u32) -> Result<bool> {
    loop {
        if inner == outer {
            return Ok(true);
        }
        let parent = tree.directory(inner)?.parent;
        if parent == inner {
            return Ok(false);
        }
        inner = parent;
    }
}

/// Whether a directory can go in the place of another node, or a file in that of another.
fn replaceable(tree: &Tree<'_>, moved: u32, old: u32) -> Result<()> {
    match (tree.is_directory(moved), tree.directory(old)) {
        (true, Ok(directory)) if directory.is_empty() => Ok(()),
        (true, Ok(_)) => Err(Errno::NOTEMPTY),
        (true, Err(_)) => Err(Errno::NOTDIR),
        (false, Ok(_)) => Err(Errno::ISDIR),
        (false, Err(_)) => Ok(()),
    }
}

fn rename(tree: &mut Tree<'_>, from: &Parent<'_>, to: &Parent<'_>) -> Result<()> {
    if from.is_special() || to.is_special() {
        return Err(Errno::BUSY);
    }
    let moved = from.node(tree)?;
    let old = tree.lookup(to.directory, to.name)?;
    let directory = tree.is_directory(moved);
    if directory && is_below(tree, moved, to.directory)? {
        return Err(Errno::INVAL);
    }
    match old {
        Some(old) if old == moved => return Ok(()),
        Some(old) => {
            if tree.is_directory(old) && is_below(tree, old, from.directory)? {
                return Err(Errno::NOTEMPTY);
            }
            replaceable(tree, moved, old)?;
            // The entry stays what it was for whoever is reading the directory.
            let (parent, _) = tree.directory_mut(to.directory)?;
            let number = parent.find(to.name).ok_or(Errno::NOENT)?.number;
            parent.replace(number, moved);
            place(tree, moved, to.directory, number)?;
            let now = (tree.now)();
            let gone = tree.node_mut(old)?;
            gone.links = gone.links.saturating_sub(1);
            gone.changed = now;
            tree.node_mut(moved)?.links += 1;
            tree.discard(old);
            tree.touch(to.directory)?;
        }
        None => tree.attach(to.directory, to.name, moved)?,
    }
    // Its old name, with one link less; the node is alive, since it has the new one.
    let (number, now) = (tree.directory(to.directory)?.find(to.name), (tree.now)());
    let number = number.ok_or(Errno::NOENT)?.number;
    tree.detach(from.directory, from.name)?;
    tree.node_mut(moved)?.changed = now;
    place(tree, moved, to.directory, number)
}

/// Notes where a directory is.
fn place(tree: &mut Tree<'_>, node: u32, parent: u32, number: u64) -> Result<()> {
    if let Body::Directory(directory) = &mut tree.node_mut(node)?.body {
        (directory.parent, directory.place) = (parent, number);
    }
    Ok(())
}

impl Files for MemFs<'_> {
    fn preopen(&self, index: usize) -> Option<(Handle, &[u8])> {
        let preopen = self.preopens.get(index)?;
        Some((preopen.handle, &preopen.name))
    }

    fn open_at(&self, dir: Handle, path: &[u8], how: &OpenHow) -> Result<Handle> {
        let tree = &mut *self.tree_mut()?;
        check(path)?;
        if how.create && how.directory {
            return Err(Errno::INVAL);
        }
        let last = Last {
            follow: how.follow && !(how.create && how.exclusive),
            create: how.create,
        };
        // Nothing is made for which there is no handle then.
        tree.reserve_open()?;
        let root = tree.target(dir)?;
        let place = walk(tree, root, path, last)?;
        let node = match place.node {
            Some(node) => {
                admissible(tree, &place, node, how)?;
                if how.truncate {
                    let (file, budget) = tree.file_mut(node)?;
                    file.resize(0, budget)?;
                    tree.touch(node)?;
                }
                node
            }
            None if how.create => {
                let mut name = [0; crate::directory::MAX_NAME];
                // The walk has looked it up, so it is not longer.
                let length = place.name.len().min(name.len());
                name[..length].copy_from_slice(&place.name[..length]);
                let parent = place.parent;
                create(tree, parent, &name[..length])?
            }
            None => return Err(Errno::NOENT),
        };
        tree.open(Open {
            node,
            position: 0,
            read: how.read || !how.write,
            write: how.write,
            flags: how.flags,
        })
    }

    fn close(&self, file: Handle) -> Result<()> {
        self.tree_mut()?.close(file)
    }

    fn read(&self, handle: Handle, bytes: &mut [u8], at: Option<u64>) -> Result<usize> {
        let tree = &mut *self.tree_mut()?;
        let open = *tree.opened(handle)?;
        if !open.read {
            return Err(Errno::BADF);
        }
        let explicit = at.map(offset).transpose()?;
        let (file, _) = tree.file_mut(open.node)?;
        let count = file.read(explicit.unwrap_or(open.position), bytes);
        if explicit.is_none() {
            tree.opened(handle)?.position += count as u64;
        }
        tree.used(open.node)?;
        Ok(count)
    }

    fn write(&self, handle: Handle, bytes: &[u8], at: Option<u64>) -> Result<usize> {
        let tree = &mut *self.tree_mut()?;
        let open = *tree.opened(handle)?;
        if !open.write {
            return Err(Errno::BADF);
        }
        let explicit = at.map(offset).transpose()?;
        let (file, budget) = tree.file_mut(open.node)?;
        let at = match open.flags.has(StatusFlags::APPEND) {
            true => file.size(),
            false => explicit.unwrap_or(open.position),
        };
        let count = file.write(at, bytes, budget)?;
        tree.touch(open.node)?;
        if explicit.is_none() {
            tree.opened(handle)?.position = at + count as u64;
        }
        Ok(count)
    }

    fn seek(&self, handle: Handle, to: i64, whence: Whence) -> Result<u64> {
        let tree = &mut *self.tree_mut()?;
        let open = *tree.opened(handle)?;
        let from = match whence {
            Whence::Set => 0,
            Whence::Current => open.position,
            Whence::End => tree.stat(open.node)?.size,
        };
        let position = from.checked_add_signed(to).ok_or(Errno::INVAL)?;
        tree.opened(handle)?.position = offset(position)?;
        Ok(position)
    }

    fn stat(&self, handle: Handle) -> Result<FileStat> {
        let tree = self.tree()?;
        tree.stat(tree.target(handle)?)
    }

    fn stat_at(&self, dir: Handle, path: &[u8], follow: bool) -> Result<FileStat> {
        let tree = self.tree()?;
        tree.stat(found(&tree, dir, path, follow)?)
    }

    fn read_dir(
        &self,
        dir: Handle,
        cookie: u64,
        sink: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<()> {
        offset(cookie)?;
        let node = self.tree()?.target(dir)?;
        self.tree_mut()?.used(node)?;
        let tree = self.tree()?;
        let directory = tree.directory(node)?;
        if tree.node(node)?.links == 0 {
            return Err(Errno::NOENT);
        }
        for (next, node, name) in [(DOT, node, &b"."[..]), (DOT_DOT, directory.parent, b"..")] {
            let entry = DirEntry {
                next,
                inode: inode(node),
                file_type: FileType::Directory,
                name,
            };
            if cookie < next && !sink(&entry) {
                return Ok(());
            }
        }
        for entry in directory.all_after(cookie) {
            let entry = DirEntry {
                next: entry.number,
                inode: inode(entry.node),
                file_type: tree.file_type(entry.node),
                name: &entry.name,
            };
            if !sink(&entry) {
                break;
            }
        }
        Ok(())
    }

    fn set_flags(&self, handle: Handle, flags: StatusFlags) -> Result<()> {
        // As on Linux, these cannot be changed of an open file.
        let synchronous = StatusFlags::DSYNC | StatusFlags::SYNC | StatusFlags::RSYNC;
        if flags.has(synchronous) {
            return Err(Errno::INVAL);
        }
        self.tree_mut()?.opened(handle)?.flags = flags;
        Ok(())
    }

    fn set_size(&self, handle: Handle, size: u64) -> Result<()> {
        let tree = &mut *self.tree_mut()?;
        let size = offset(size)?;
        let open = *tree.opened(handle)?;
        if !open.write {
            return Err(Errno::INVAL);
        }
        let (file, budget) = tree.file_mut(open.node)?;
        file.resize(size, budget)?;
        tree.touch(open.node)
    }

    fn allocate(&self, handle: Handle, start: u64, length: u64) -> Result<()> {
        let tree = &mut *self.tree_mut()?;
        let (start, length) = (offset(start)?, offset(length)?);
        if length == 0 {
            return Err(Errno::INVAL);
        }
        let open = *tree.opened(handle)?;
        if !open.write {
            return Err(Errno::BADF);
        }
        let (file, budget) = tree.file_mut(open.node)?;
        file.allocate(start, length, budget)?;
        tree.touch(open.node)
    }

    fn sync(&self, handle: Handle, _data_only: bool) -> Result<()> {
        // There is no disk to wait for.
        self.tree()?.target(handle).map(drop)
    }

    fn set_times(&self, handle: Handle, accessed: NewTime, modified: NewTime) -> Result<()> {
        let tree = &mut *self.tree_mut()?;
        let node = tree.target(handle)?;
        set_times(tree, node, accessed, modified)
    }

    fn set_times_at(
        &self,
        dir: Handle,
        path: &[u8],
        follow: bool,
        accessed: NewTime,
        modified: NewTime,
    ) -> Result<()> {
        let tree = &mut *self.tree_mut()?;
        let node = found(tree, dir, path, follow)?;
        set_times(tree, node, accessed, modified)
    }

    fn create_dir_at(&self, dir: Handle, path: &[u8]) -> Result<()> {
        let tree = &mut *self.tree_mut()?;
        let parent = Parent::of(tree, tree.target(dir)?, path)?;
        parent.refuse_existing(tree)?;
        let node = tree.make(Body::Directory(Directory::new(parent.directory)))?;
        tree.attach(parent.directory, parent.name, node)
    }

    fn remove_dir_at(&self, dir: Handle, path: &[u8]) -> Result<()> {
        let tree = &mut *self.tree_mut()?;
        let parent = Parent::of(tree, tree.target(dir)?, path)?;
        match parent.name {
            b"." => return Err(Errno::INVAL),
            b".." => return Err(Errno::NOTEMPTY),
            _ => {}
        }
        if !tree.directory(parent.node(tree)?)?.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        tree.detach(parent.directory, parent.name)
    }

    fn unlink_at(&self, dir: Handle, path: &[u8]) -> Result<()> {
        let tree = &mut *self.tree_mut()?;
        let parent = Parent::of(tree, tree.target(dir)?, path)?;
        parent.refuse_slash(tree)?;
        if parent.is_special() || tree.is_directory(parent.node(tree)?) {
            return Err(Errno::ISDIR);
        }
        tree.detach(parent.directory, parent.name)
    }

    fn rename_at(&self, dir: Handle, path: &[u8], to_dir: Handle, to: &[u8]) -> Result<()> {
        let tree = &mut *self.tree_mut()?;
        let from = Parent::of(tree, tree.target(dir)?, path)?;
        let to = Parent::of(tree, tree.target(to_dir)?, to)?;
        if (from.slash || to.slash) && !from.is_directory(tree) {
            return Err(Errno::NOTDIR);
        }
        rename(tree, &from, &to)
    }

    fn link_at(&self, dir: Handle, path: &[u8], to_dir: Handle, to: &[u8]) -> Result<()> {
        let tree = &mut *self.tree_mut()?;
        let from = Parent::of(tree, tree.target(dir)?, path)?;
        let to = Parent::of(tree, tree.target(to_dir)?, to)?;
        from.refuse_slash(tree)?;
        to.refuse_slash_of_new(tree)?;
        let node = from.node(tree)?;
        to.refuse_existing(tree)?;
        if tree.is_directory(node) {
            return Err(Errno::PERM);
        }
        tree.attach(to.directory, to.name, node)
    }

    fn symlink_at(&self, contents: &[u8], dir: Handle, path: &[u8]) -> Result<()> {
        let tree = &mut *self.tree_mut()?;
        let parent = Parent::of(tree, tree.target(dir)?, path)?;
        parent.refuse_slash_of_new(tree)?;
        check(contents)?;
        if contents.is_empty() {
            return Err(Errno::NOENT);
        }
        parent.refuse_existing(tree)?;
        let node = tree.make_link(contents)?;
        tree.attach(parent.directory, parent.name, node)
    }

    fn read_link_at(&self, dir: Handle, path: &[u8], buffer: &mut [u8]) -> Result<usize> {
        let tree = self.tree()?;
        let parent = Parent::of(&tree, tree.target(dir)?, path)?;
        parent.refuse_slash(&tree)?;
        let Body::Link(text) = &tree.node(parent.node(&tree)?)?.body else {
            return Err(Errno::INVAL);
        };
        let count = text.len().min(buffer.len());
        buffer[..count].copy_from_slice(&text[..count]);
        Ok(count)
    }
}
