// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A file system in memory, for worlds without one: the runtime's trait [`Files`] over a tree of
//! nodes whose size is bounded.
//!
//! | module | decides |
//! |---|---|
//! | [`budget`] | that nothing is taken beyond the bound |
//! | [`file`] | contents of files: an archive's bytes, blocks over them, holes |
//! | [`directory`] | names, and cookies that stay |
//! | [`tree`] | nodes, their links, open handles |
//! | [`walk`] | where a path leads, and that it does not lead out |
//! | [`files`] | the operations |
//! | [`unpack`], [`pack`] | the tree out of an archive, and as one |
//!
//! It is one file system of one program: nothing is shared, nothing is kept. Errors are those of
//! Linux, in the same order, so that a program meets the same in either world; a test compares
//! both. Every allocation can fail, and is then [`Errno::NOSPC`].
//!
//! [`Errno::NOSPC`]: wasm_aot_runtime::Errno::NOSPC

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod budget;
mod directory;
mod file;
mod files;
mod pack;
mod tar;
mod tree;
mod unpack;
mod walk;

pub use pack::PackError;
pub use tar::REFERENCE;
pub use unpack::UnpackError;

use alloc::vec::Vec;
use core::cell::RefCell;
use directory::Directory;
use tree::{Body, Open, Tree};
use wasm_aot_runtime::platform::{Handle, StatusFlags};
use wasm_aot_runtime::{Errno, Result};

/// A directory that the program has from the start.
#[derive(Debug)]
struct Preopen {
    handle: Handle,
    name: Vec<u8>,
    node: u32,
}

/// The file system. `'a` is how long the archive stays that its files' contents may lie in.
#[derive(Debug)]
pub struct MemFs<'a> {
    tree: RefCell<Tree<'a>>,
    preopens: Vec<Preopen>,
}

impl<'a> MemFs<'a> {
    /// A file system that takes at most `limit` bytes; `now` gives nanoseconds since 1970.
    #[must_use]
    pub fn new(limit: u64, now: fn() -> u64) -> Self {
        Self {
            tree: RefCell::new(Tree::new(limit, now)),
            preopens: Vec::new(),
        }
    }

    /// Gives the program an empty directory under a name.
    ///
    /// # Errors
    /// [`Errno::NOSPC`].
    pub fn add_directory(&mut self, name: &[u8]) -> Result<()> {
        let full = |_| Errno::NOSPC;
        let mut copy = Vec::new();
        copy.try_reserve_exact(name.len()).map_err(full)?;
        copy.extend_from_slice(name);
        self.preopens.try_reserve(1).map_err(full)?;
        let tree = self.tree.get_mut();
        let node = tree.make(Body::Directory(Directory::new(0)))?;
        tree.directory_mut(node)?.0.parent = node;
        // Nothing removes a root: the program's handle is not what keeps it.
        tree.node_mut(node)?.links = 1;
        let handle = tree.open(Open {
            node,
            position: 0,
            read: true,
            write: false,
            flags: StatusFlags::default(),
        })?;
        self.preopens.push(Preopen {
            handle,
            name: copy,
            node,
        });
        Ok(())
    }

    /// Bytes that are taken of the limit.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.tree.borrow().budget.used()
    }
}

#[cfg(test)]
mod tests;
