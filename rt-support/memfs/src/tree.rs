// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! All files, directories and links, and which of them are open.

use crate::budget::{Budget, Charge};
use crate::directory::Directory;
use crate::file::File;
use alloc::vec::Vec;
use wasm_aot_runtime::platform::{FileStat, FileType, Handle, StatusFlags};
use wasm_aot_runtime::{Errno, Result};

/// The most hard links to a file.
const MAX_LINKS: u32 = 65_000;

/// What a node is.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    /// Not in use; the next one that is not.
    Vacant(Option<u32>),
    File(File<'a>),
    Directory(Directory),
    /// A symbolic link with this text.
    Link(Vec<u8>),
}

#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub body: Body<'a>,
    /// Entries that lead to it; of a directory 1, and 0 once it has been removed.
    pub links: u32,
    /// Handles that refer to it.
    opens: u32,
    pub accessed: u64,
    pub modified: u64,
    pub changed: u64,
    /// Where it was met first when the tree was written as an archive: directory and number.
    pub written: Option<(u32, u64)>,
}

/// An open file or directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub node: u32,
    pub position: u64,
    pub read: bool,
    pub write: bool,
    pub flags: StatusFlags,
}

/// The place of a handle.
#[derive(Debug)]
enum Slot {
    /// Not in use; the next one that is not.
    Free(Option<u32>),
    Used(Open),
}

#[derive(Debug)]
pub(crate) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    vacant: Option<u32>,
    opens: Vec<Slot>,
    free: Option<u32>,
    pub budget: Budget,
    charge: Charge,
    pub now: fn() -> u64,
}

impl<'a> Tree<'a> {
    pub fn new(limit: u64, now: fn() -> u64) -> Self {
        Self {
            nodes: Vec::new(),
            vacant: None,
            opens: Vec::new(),
            free: None,
            budget: Budget::new(limit),
            charge: Charge::default(),
            now,
        }
    }

    pub fn node(&self, id: u32) -> Result<&Node<'a>> {
        self.nodes.get(id as usize).ok_or(Errno::IO)
    }

    pub fn node_mut(&mut self, id: u32) -> Result<&mut Node<'a>> {
        self.nodes.get_mut(id as usize).ok_or(Errno::IO)
    }

    /// A directory; [`Errno::NOTDIR`] where it is something else.
    pub fn directory(&self, id: u32) -> Result<&Directory> {
        match &self.node(id)?.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::NOTDIR),
        }
    }

    pub fn is_directory(&self, id: u32) -> bool {
        self.directory(id).is_ok()
    }

    /// A directory and the budget that it is charged to.
    pub fn directory_mut(&mut self, id: u32) -> Result<(&mut Directory, &mut Budget)> {
        let node = self.nodes.get_mut(id as usize).ok_or(Errno::IO)?;
        match &mut node.body {
            Body::Directory(directory) => Ok((directory, &mut self.budget)),
            _ => Err(Errno::NOTDIR),
        }
    }

    /// A regular file and the budget that it is charged to.
    pub fn file_mut(&mut self, id: u32) -> Result<(&mut File<'a>, &mut Budget)> {
        let node = self.nodes.get_mut(id as usize).ok_or(Errno::IO)?;
        match &mut node.body {
            Body::File(file) => Ok((file, &mut self.budget)),
            Body::Directory(_) => Err(Errno::ISDIR),
            _ => Err(Errno::INVAL),
        }
    }

    /// The node of a name in a directory; none in one that has been removed.
    pub fn lookup(&self, directory: u32, name: &[u8]) -> Result<Option<u32>> {
        if self.node(directory)?.links == 0 {
            return Err(Errno::NOENT);
        }
        if name.len() > crate::directory::MAX_NAME {
            return Err(Errno::NAMETOOLONG);
        }
        let entry = self.directory(directory)?.find(name);
        Ok(entry.map(|entry| entry.node))
    }

    fn charge_lists(&mut self) -> Result<()> {
        let nodes = self.nodes.capacity() * size_of::<Node<'_>>();
        let opens = self.opens.capacity() * size_of::<Slot>();
        self.charge.settle(&mut self.budget, nodes + opens)
    }

    /// Makes a node that has no name yet.
    pub fn make(&mut self, body: Body<'a>) -> Result<u32> {
        let now = (self.now)();
        let node = Node {
            body,
            links: 0,
            opens: 0,
            accessed: now,
            modified: now,
            changed: now,
            written: None,
        };
        if let Some(id) = self.vacant {
            let place = self.node_mut(id)?;
            let Body::Vacant(next) = place.body else {
                return Err(Errno::IO);
            };
            *place = node;
            self.vacant = next;
            return Ok(id);
        }
        let id = u32::try_from(self.nodes.len()).map_err(|_| Errno::NOSPC)?;
        self.nodes.try_reserve(1).map_err(|_| Errno::NOSPC)?;
        self.charge_lists()?;
        self.nodes.push(node);
        Ok(id)
    }

    /// Makes a symbolic link that has no name yet.
    pub fn make_link(&mut self, text: &[u8]) -> Result<u32> {
        let mut copy = Vec::new();
        let room = copy.try_reserve_exact(text.len());
        room.map_err(|_| Errno::NOSPC)?;
        copy.extend_from_slice(text);
        self.budget.take(text.len() as u64)?;
        let made = self.make(Body::Link(copy));
        if made.is_err() {
            self.budget.give(text.len() as u64);
        }
        made
    }

    /// Forgets a node that has neither a name nor a handle any more.
    pub fn discard(&mut self, id: u32) {
        let vacant = self.vacant;
        let Some(node) = self.nodes.get_mut(id as usize) else {
            return;
        };
        if node.links > 0 || node.opens > 0 {
            return;
        }
        match &mut node.body {
            Body::Vacant(_) => return,
            Body::File(file) => file.release(&mut self.budget),
            Body::Directory(directory) => directory.release(&mut self.budget),
            Body::Link(text) => self.budget.give(text.len() as u64),
        }
        node.body = Body::Vacant(vacant);
        self.vacant = Some(id);
    }

    /// Gives a node a name in a directory that has none such. One that cannot be given its first
    /// name is forgotten.
    pub fn attach(&mut self, directory: u32, name: &[u8], id: u32) -> Result<()> {
        let attached = self.enter(directory, name, id);
        if attached.is_err() {
            self.discard(id);
        }
        attached
    }

    fn enter(&mut self, directory: u32, name: &[u8], id: u32) -> Result<()> {
        if self.node(id)?.links >= MAX_LINKS {
            return Err(Errno::MLINK);
        }
        let (parent, budget) = self.directory_mut(directory)?;
        let number = parent.insert(name, id, budget)?;
        let now = (self.now)();
        let node = self.node_mut(id)?;
        node.links += 1;
        node.changed = now;
        if let Body::Directory(child) = &mut node.body {
            (child.parent, child.place) = (directory, number);
        }
        self.touch(directory)
    }

    /// Takes a name away from what it leads to, which is forgotten if that was the last.
    pub fn detach(&mut self, directory: u32, name: &[u8]) -> Result<()> {
        let (parent, budget) = self.directory_mut(directory)?;
        let entry = parent.find(name).ok_or(Errno::NOENT)?;
        let (number, id) = (entry.number, entry.node);
        parent.remove(number, budget);
        let now = (self.now)();
        let node = self.node_mut(id)?;
        node.links = node.links.saturating_sub(1);
        node.changed = now;
        self.discard(id);
        self.touch(directory)
    }

    /// The contents of a node have changed.
    pub fn touch(&mut self, id: u32) -> Result<()> {
        let now = (self.now)();
        let node = self.node_mut(id)?;
        (node.modified, node.changed) = (now, now);
        Ok(())
    }

    /// The contents of a node have been read. As Linux does by default, the time is only kept
    /// up as far as it tells whether that was after the last change.
    pub fn used(&mut self, id: u32) -> Result<()> {
        let now = (self.now)();
        let node = self.node_mut(id)?;
        if node.accessed <= node.modified || node.accessed <= node.changed {
            node.accessed = now;
        }
        Ok(())
    }

    /// Makes room for a handle: [`Tree::open`] cannot fail afterwards.
    pub fn reserve_open(&mut self) -> Result<()> {
        if self.free.is_none() {
            let number = self.opens.len();
            if i32::try_from(number).is_err() {
                return Err(Errno::NFILE);
            }
            self.opens.try_reserve(1).map_err(|_| Errno::NFILE)?;
            self.charge_lists().map_err(|_| Errno::NFILE)?;
            self.opens.push(Slot::Free(None));
            self.free = Some(number as u32);
        }
        Ok(())
    }

    /// No node has been written as part of an archive yet.
    pub fn forget_written(&mut self) {
        for node in &mut self.nodes {
            node.written = None;
        }
    }

    /// A handle for a node.
    pub fn open(&mut self, open: Open) -> Result<Handle> {
        self.reserve_open()?;
        let number = self.free.ok_or(Errno::NFILE)?;
        let slot = self.opens.get_mut(number as usize).ok_or(Errno::IO)?;
        let Slot::Free(next) = *slot else {
            return Err(Errno::IO);
        };
        *slot = Slot::Used(open);
        self.free = next;
        self.node_mut(open.node)?.opens += 1;
        Ok(Handle(number as i32))
    }

    pub fn close(&mut self, handle: Handle) -> Result<()> {
        let node = self.opened(handle)?.node;
        let number = handle.0 as u32;
        self.opens[number as usize] = Slot::Free(self.free);
        self.free = Some(number);
        let open = self.node_mut(node)?;
        open.opens = open.opens.saturating_sub(1);
        self.discard(node);
        Ok(())
    }

    pub fn opened(&mut self, handle: Handle) -> Result<&mut Open> {
        let index = usize::try_from(handle.0).map_err(|_| Errno::BADF)?;
        match self.opens.get_mut(index) {
            Some(Slot::Used(open)) => Ok(open),
            Some(Slot::Free(_)) | None => Err(Errno::BADF),
        }
    }

    /// The node behind a handle.
    pub fn target(&self, handle: Handle) -> Result<u32> {
        let index = usize::try_from(handle.0).map_err(|_| Errno::BADF)?;
        match self.opens.get(index) {
            Some(Slot::Used(open)) => Ok(open.node),
            Some(Slot::Free(_)) | None => Err(Errno::BADF),
        }
    }

    pub fn file_type(&self, id: u32) -> FileType {
        match self.node(id).map(|node| &node.body) {
            Ok(Body::File(_)) => FileType::RegularFile,
            Ok(Body::Directory(_)) => FileType::Directory,
            Ok(Body::Link(_)) => FileType::SymbolicLink,
            Ok(Body::Vacant(_)) | Err(_) => FileType::Unknown,
        }
    }

    pub fn stat(&self, id: u32) -> Result<FileStat> {
        let node = self.node(id)?;
        Ok(FileStat {
            device: 1,
            inode: inode(id),
            file_type: self.file_type(id),
            links: node.links.into(),
            size: match &node.body {
                Body::File(file) => file.size(),
                Body::Link(text) => text.len() as u64,
                Body::Directory(_) | Body::Vacant(_) => 0,
            },
            accessed: node.accessed,
            modified: node.modified,
            changed: node.changed,
        })
    }
}

/// The number of a node as programs see it: 0 means none in many of them.
pub(crate) fn inode(id: u32) -> u64 {
    u64::from(id) + 1
}
