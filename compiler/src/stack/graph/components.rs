// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Strongly connected components (Tarjan's algorithm, without recursion of its own), and the ways
//! inside one.

use super::{Graph, NONE};

/// The circles of a graph: nodes that lead to each other.
pub(super) struct Components {
    /// All nodes, each component's beside each other, callees first.
    order: Vec<u32>,
    /// Ends of the components in that list.
    ends: Vec<u32>,
    /// For each node, its component.
    of: Vec<u32>,
    /// For each node, its place there.
    place: Vec<u32>,
}

impl Components {
    /// Tarjan's algorithm, with a stack of its own instead of the machine's.
    pub(super) fn of(graph: &Graph) -> Self {
        let count = graph.nodes.len();
        let mut found = Self {
            order: Vec::with_capacity(count),
            ends: Vec::new(),
            of: vec![NONE; count],
            place: vec![0; count],
        };
        // When a node was first seen, and the earliest node that it is known to lead back to.
        let (mut seen, mut low) = (vec![NONE; count], vec![0u32; count]);
        let mut clock = 0;
        let mut open: Vec<u32> = Vec::new();
        // Nodes in work, each with its next call.
        let mut work: Vec<(u32, u32)> = Vec::new();
        for root in 0..count as u32 {
            if seen[root as usize] != NONE {
                continue;
            }
            work.push((root, 0));
            while let Some((node, call)) = work.pop() {
                let at = node as usize;
                if call == 0 {
                    (seen[at], low[at]) = (clock, clock);
                    clock += 1;
                    open.push(node);
                }
                let Some(edge) = graph.calls(node).get(call as usize) else {
                    if low[at] == seen[at] {
                        found.close(&mut open, node);
                    }
                    if let Some(&(caller, _)) = work.last() {
                        let caller = caller as usize;
                        low[caller] = low[caller].min(low[at]);
                    }
                    continue;
                };
                work.push((node, call + 1));
                let to = edge.to as usize;
                if seen[to] == NONE {
                    work.push((edge.to, 0));
                } else if found.of[to] == NONE {
                    low[at] = low[at].min(seen[to]);
                }
            }
        }
        found
    }

    /// Takes the component whose first node this is off the open ones.
    fn close(&mut self, open: &mut Vec<u32>, first: u32) {
        let (number, start) = (self.ends.len() as u32, self.order.len());
        while let Some(node) = open.pop() {
            self.of[node as usize] = number;
            self.place[node as usize] = (self.order.len() - start) as u32;
            self.order.push(node);
            if node == first {
                break;
            }
        }
        self.ends.push(self.order.len() as u32);
    }

    fn get(&self, number: usize) -> &[u32] {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.order[start as usize..self.ends[number] as usize]
    }

    pub(super) fn callees_first(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.ends.len()).map(|number| self.get(number))
    }

    pub(super) fn callers_first(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.ends.len()).rev().map(|number| self.get(number))
    }

    pub(super) fn same(&self, a: u32, b: u32) -> bool {
        self.of[a as usize] == self.of[b as usize]
    }
}

/// The calls inside a component, by who is called.
pub(super) struct Backwards<'c> {
    component: &'c [u32],
    /// Places of callers in the component, and edges, in the order of the callees.
    callers: Vec<(u32, u32)>,
    /// Ends of each callee's callers.
    ends: Vec<u32>,
    /// The place of a callee.
    place: &'c [u32],
    /// A caller and an edge that is no tail call.
    stays: Option<(u32, u32)>,
}

impl<'c> Backwards<'c> {
    pub(super) fn new(graph: &Graph, component: &'c [u32], components: &'c Components) -> Self {
        let inside = |node: u32| {
            let calls = (graph.starts[node as usize]..).zip(graph.calls(node));
            calls.filter(move |(_, edge)| components.same(node, edge.to))
        };
        let place = |node: u32| components.place[node as usize] as usize;
        let mut stays = None;
        // Counted first, so that each caller goes to its place at once.
        let mut ends = vec![0u32; component.len()];
        for &node in component {
            for (number, edge) in inside(node) {
                ends[place(edge.to)] += 1;
                if !edge.tail && stays.is_none() {
                    stays = Some((node, number));
                }
            }
        }
        let mut sum = 0;
        for end in &mut ends {
            (*end, sum) = (sum, sum + *end);
        }
        let mut callers = vec![(0, 0); sum as usize];
        for (from, &node) in (0..).zip(component) {
            for (number, edge) in inside(node) {
                let end = &mut ends[place(edge.to)];
                callers[*end as usize] = (from, number);
                *end += 1;
            }
        }
        Self {
            component,
            callers,
            ends,
            place: &components.place,
            stays,
        }
    }

    /// A call between nodes of the component that leaves the caller's frame where it is: one of
    /// the circle's nodes, and its edge.
    pub(super) fn frame_that_stays(&self) -> Option<(u32, u32)> {
        self.stays
    }

    /// For all other nodes of the component, the edge on a shortest way to this one.
    pub(super) fn spread(&self, to: u32, mut found: impl FnMut(u32, u32)) {
        let first = self.place[to as usize];
        let mut seen = vec![false; self.component.len()];
        seen[first as usize] = true;
        let mut queue = vec![first];
        let mut at = 0;
        while let Some(&callee) = queue.get(at) {
            at += 1;
            let callee = callee as usize;
            let start = callee.checked_sub(1).map_or(0, |before| self.ends[before]);
            for &(from, edge) in &self.callers[start as usize..self.ends[callee] as usize] {
                if !std::mem::replace(&mut seen[from as usize], true) {
                    found(self.component[from as usize], edge);
                    queue.push(from);
                }
            }
        }
    }
}
