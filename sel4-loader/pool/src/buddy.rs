// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Untyped memory as trees of halves. What the kernel is asked for stands in [`crate::pool`];
//! here is what that leads to.

use crate::{Full, reserve};
use alloc::vec::Vec;

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// Sizes of untypeds are at most this power of two.
const SIZES: usize = 64;

/// What a node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Not in use.
    Vacant,
    /// Memory that nobody has.
    Free,
    /// Two halves, which are this node and the one behind it.
    Split(u32),
    /// Memory that an account has.
    Chunk,
    /// Memory that the kernel does not give back.
    Lost,
}

/// An untyped.
pub(crate) struct Node {
    pub slot: u64,
    /// log2 of its bytes.
    pub bits: u8,
    pub state: State,
    /// Bytes from its start that the kernel clears before it makes something of it.
    pub dirty: u64,
    /// Bytes from its start that objects take, since it became a chunk.
    pub used: u64,
    parent: u32,
    /// The next of the free list, of an account's chunks, or of the vacant pairs.
    pub next: u32,
    previous: u32,
}

/// Sums over trees.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    /// All of it is free.
    free: bool,
    /// Splits that are joined if everything is that can be.
    pub joinable: u64,
    /// Splits that cannot be joined any more, because something below is lost.
    pub pinned: u64,
    /// Bytes that are lost.
    pub lost: u64,
}

/// All untypeds.
pub(crate) struct Buddy {
    nodes: Vec<Node>,
    /// Free nodes by size; the clean ones, then those that would be cleared.
    heads: [[u32; SIZES]; 2],
    /// Pairs of nodes that are not in use.
    vacant: u32,
    free: u64,
}

impl Buddy {
    pub fn new() -> Self {
        Self {
            nodes: Vec::new(),
            heads: [[NONE; SIZES]; 2],
            vacant: NONE,
            free: 0,
        }
    }

    /// Bytes that nobody has.
    pub fn free(&self) -> u64 {
        self.free
    }

    pub fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    pub fn node_mut(&mut self, node: u32) -> &mut Node {
        &mut self.nodes[node as usize]
    }

    /// How many nodes there are, in use or not.
    pub fn count(&self) -> u32 {
        self.nodes.len() as u32
    }

    /// Adds an untyped that came out of the boot.
    pub fn add(&mut self, slot: u64, bits: u8) -> Result<(), Full> {
        let node = self.append(1)?;
        self.set(node, slot, bits, NONE);
        let own = self.node_mut(node);
        own.dirty = 1 << bits;
        self.release(node);
        Ok(())
    }

    /// The node out of which a chunk of 2^`bits` bytes is best made, and the size of the chunk:
    /// smaller, but not below 2^`least`, where that spares clearing what nobody asked for.
    pub fn find(&self, bits: u8, least: u8) -> Option<(u32, u8)> {
        let exact = |size: u8| {
            let nodes = self.heads.map(|heads| heads[usize::from(size)]);
            let node = nodes.into_iter().find(|&node| node != NONE);
            node.map(|node| (node, size))
        };
        let larger = |heads: &[u32; SIZES]| {
            let mut heads = heads[usize::from(bits)..].iter();
            let node = heads.find(|&&node| node != NONE);
            node.map(|&node| (node, bits))
        };
        let [clean, dirty] = &self.heads;
        exact(bits)
            .or_else(|| larger(clean))
            .or_else(|| (least..bits).rev().find_map(exact))
            .or_else(|| larger(dirty))
    }

    /// The smallest free node of more than 2^`bits` bytes that the kernel would clear.
    pub fn dirty_above(&self, bits: u8) -> Option<u32> {
        let mut heads = self.heads[1][usize::from(bits) + 1..].iter();
        heads.find(|&&node| node != NONE).copied()
    }

    /// A pair of nodes for [`Self::split`], which are used by it, or not at all.
    pub fn pair(&mut self) -> Result<u32, Full> {
        if self.vacant == NONE {
            self.vacant = self.append(2)?;
        }
        Ok(self.vacant)
    }

    /// Halves a free node: `pair` of [`Self::pair`] are its halves, whose slots begin at `first`.
    pub fn split(&mut self, node: u32, pair: u32, first: u64) {
        self.unlink(node);
        let bits = self.node(node).bits;
        self.free -= 1 << bits;
        self.node_mut(node).state = State::Split(pair);
        self.vacant = self.node(pair).next;
        // The kernel begins with the second where it inserts, but its addresses ascend.
        for (half, slot) in [(pair + 1, first + 1), (pair, first)] {
            self.set(half, slot, bits - 1, node);
            self.release(half);
        }
    }

    /// The node whose halves are this one and its neighbour, if both are free; gives it and the
    /// first of their slots.
    pub fn joinable(&self, node: u32) -> Option<(u32, u64)> {
        let parent = self.node(node).parent;
        let State::Split(pair) = self.nodes.get(parent as usize)?.state else {
            return None;
        };
        let free = |node: u32| self.node(node).state == State::Free;
        (free(pair) && free(pair + 1)).then(|| (parent, self.node(pair).slot))
    }

    /// The halves of a node are no more; it is free, or lost.
    pub fn join(&mut self, node: u32, lost: bool) {
        let State::Split(pair) = self.node(node).state else {
            return;
        };
        for half in [pair, pair + 1] {
            self.unlink(half);
            self.free -= 1 << self.node(half).bits;
            self.node_mut(half).state = State::Vacant;
        }
        self.node_mut(pair).next = self.vacant;
        self.vacant = pair;
        let own = self.node_mut(node);
        own.dirty = 1 << own.bits;
        own.used = 0;
        if lost {
            own.state = State::Lost;
        } else {
            self.release(node);
        }
    }

    /// Makes a free node a chunk.
    pub fn claim(&mut self, node: u32) {
        self.unlink(node);
        self.free -= 1 << self.node(node).bits;
        self.node_mut(node).state = State::Chunk;
    }

    /// Makes a node free.
    pub fn release(&mut self, node: u32) {
        let own = self.node_mut(node);
        own.state = State::Free;
        if own.used > 0 {
            own.dirty = own.used;
        }
        own.used = 0;
        let bytes = 1 << own.bits;
        let (list, size) = (usize::from(own.dirty > 0), usize::from(own.bits));
        let head = self.heads[list][size];
        let own = self.node_mut(node);
        (own.previous, own.next) = (NONE, head);
        if let Some(other) = self.nodes.get_mut(head as usize) {
            other.previous = node;
        }
        self.heads[list][size] = node;
        self.free += bytes;
    }

    /// Sums over all trees.
    pub fn tally(&self) -> Tally {
        let roots = (0..self.count()).filter(|&node| self.node(node).parent == NONE);
        roots.fold(Tally::default(), |sum, root| {
            let tree = self.tally_below(root);
            Tally {
                free: false,
                joinable: sum.joinable + tree.joinable,
                pinned: sum.pinned + tree.pinned,
                lost: sum.lost + tree.lost,
            }
        })
    }

    /// Sums over a tree, which is at most as deep as an untyped has bits.
    fn tally_below(&self, node: u32) -> Tally {
        let own = self.node(node);
        match own.state {
            State::Free => Tally {
                free: true,
                ..Tally::default()
            },
            State::Split(pair) => {
                let [one, two] = [pair, pair + 1].map(|half| self.tally_below(half));
                let (free, lost) = (one.free && two.free, one.lost + two.lost);
                Tally {
                    free,
                    joinable: one.joinable + two.joinable + u64::from(free),
                    pinned: one.pinned + two.pinned + u64::from(lost > 0),
                    lost,
                }
            }
            State::Lost => Tally {
                lost: 1 << own.bits,
                ..Tally::default()
            },
            State::Vacant | State::Chunk => Tally::default(),
        }
    }

    fn append(&mut self, count: u32) -> Result<u32, Full> {
        reserve(&mut self.nodes, count as usize)?;
        let first = self.count();
        for _ in 0..count {
            self.nodes.push(Node {
                slot: 0,
                bits: 0,
                state: State::Vacant,
                dirty: 0,
                used: 0,
                // A vacant node is no root.
                parent: 0,
                next: NONE,
                previous: NONE,
            });
        }
        Ok(first)
    }

    fn set(&mut self, node: u32, slot: u64, bits: u8, parent: u32) {
        let own = self.node_mut(node);
        (own.slot, own.bits, own.parent) = (slot, bits, parent);
        (own.dirty, own.used) = (0, 0);
    }

    fn unlink(&mut self, node: u32) {
        let own = self.node(node);
        let (previous, next) = (own.previous, own.next);
        let (list, size) = (usize::from(own.dirty > 0), usize::from(own.bits));
        match self.nodes.get_mut(previous as usize) {
            Some(other) => other.next = next,
            None => self.heads[list][size] = next,
        }
        if let Some(other) = self.nodes.get_mut(next as usize) {
            other.previous = previous;
        }
    }
}
