// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The deepest ways through a graph of calls, in time linear in its nodes and calls.
//!
//! Depths are counted from the stack pointer of whoever calls: a node with frame *F* that calls
//! one of depth *D* is *F* + *D* deep. A tail call is different: the caller's frame is gone, and
//! what is left of it is the area of its stack arguments, which has become the callee's. Such an
//! area of *A* bytes begins, for both, where the caller's caller put it, so *D* + *A* is what a
//! tail call leaves as it is. Everything is therefore computed in *D* + *A*, "reach" below: a tail
//! call passes it on, any other call adds the caller's frame. Tail calls that go round add nothing
//! however often they do, so only a circle with another call in it has no bound.
//!
//! Circles are found as strongly connected components ([`components`](self::components)), which come
//! out callees first, so each is decided when all that it leads to is.

mod components;

use components::{Backwards, Components};

/// "None", among indices.
pub(super) const NONE: u32 = u32::MAX;

/// Something that is called.
#[derive(Clone, Copy, Debug, Default)]
pub struct Node {
    /// Bytes of its frame.
    pub frame: u64,
    /// Bytes of its arguments on the stack, where its convention lets tail calls change them.
    pub area: u64,
    /// Whether it is code of somebody else.
    pub outside: bool,
    /// Whether only somebody else calls it, with nothing on the stack that counts.
    pub apart: bool,
}

/// A call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    pub to: u32,
    pub tail: bool,
}

/// The calls of a program.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    /// For each node the first of its edges; one more at the end.
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

/// What a node's calls come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deepest {
    /// Bytes of stack, `None` without bound.
    pub bytes: Option<u64>,
    /// The call on the way to there; without bound, the call towards and along the circle.
    pub next: Option<Edge>,
    /// Bytes in use where code of somebody else is called, at the deepest such place.
    pub outside: Option<u64>,
    /// The call on the way to there.
    pub outside_next: Option<Edge>,
}

impl Graph {
    /// Adds a node, with its calls. Nodes may be called before they are added.
    pub fn add(&mut self, node: Node, calls: impl IntoIterator<Item = Edge>) {
        self.starts.push(self.edges.len() as u32);
        self.nodes.push(node);
        self.edges.extend(calls);
    }

    fn calls(&self, node: u32) -> &[Edge] {
        let end = self.starts.get(node as usize + 1);
        let end = end.map_or(self.edges.len(), |&end| end as usize);
        &self.edges[self.starts[node as usize] as usize..end]
    }

    /// What the calls of every node come to, and how deep the stack is where each is called.
    pub fn solve(&self) -> (Vec<Deepest>, Vec<Option<u64>>) {
        let components = Components::of(self);
        let mut solution = Solution::new(self);
        for component in components.callees_first() {
            solution.component(component, &components);
        }
        let depths = self.depths(&components, &solution);
        let found = (0..self.nodes.len()).map(|node| solution.deepest(node));
        (found.collect(), depths)
    }

    /// The deepest stack at which each node is called, from wherever; `None` without bound, 0 for
    /// what is only called by somebody else.
    fn depths(&self, components: &Components, solution: &Solution<'_>) -> Vec<Option<u64>> {
        // As in the other direction, of depth and area only the difference is kept by tail calls.
        let area = |node: u32| self.nodes[node as usize].area as i64;
        let mut origins: Vec<Option<i64>> = (0..self.nodes.len() as u32)
            .map(|node| Some(-area(node)))
            .collect();
        for component in components.callers_first() {
            let recursive = solution.recursive[component[0] as usize];
            let deepest = component.iter().map(|&node| origins[node as usize]);
            // None, no bound, is more than anything.
            let deepest = deepest.reduce(|a, b| Some(a?.max(b?))).flatten();
            for &node in component {
                origins[node as usize] = deepest.filter(|_| !recursive);
            }
            for &node in component {
                let Node { frame, apart, .. } = self.nodes[node as usize];
                if apart {
                    continue;
                }
                let from = origins[node as usize];
                for edge in self.calls(node) {
                    if components.same(node, edge.to) {
                        continue;
                    }
                    let added = match edge.tail {
                        true => 0,
                        false => area(node) + frame as i64 - area(edge.to),
                    };
                    let to = &mut origins[edge.to as usize];
                    *to = to.and_then(|to| Some(to.max(from? + added)));
                }
            }
        }
        let depth = |(node, origin): (usize, Option<i64>)| {
            Some((origin? + area(node as u32)).max(0) as u64)
        };
        origins.into_iter().enumerate().map(depth).collect()
    }
}

/// How far down something reaches: depth plus area, see above.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Reach {
    /// Nowhere.
    Nowhere,
    To(u64),
    /// Without bound.
    Endless,
}

impl Reach {
    /// After a call that is no tail call.
    fn below(self, caller: &Node, callee: &Node) -> Self {
        match self {
            Self::To(reach) => {
                Self::To((caller.area + caller.frame + reach).saturating_sub(callee.area))
            }
            other => other,
        }
    }

    fn depth(self, node: &Node) -> Option<u64> {
        match self {
            Self::To(reach) => Some(reach.saturating_sub(node.area)),
            _ => None,
        }
    }
}

/// The two deepest ways that are looked for.
#[derive(Clone, Copy)]
enum Way {
    /// To the deepest frame of the program.
    Own,
    /// To the deepest call of somebody else.
    Outside,
}

struct Solution<'g> {
    graph: &'g Graph,
    /// For each way and node.
    reach: [Vec<Reach>; 2],
    /// Its edge on the way, as an index in [`Graph::edges`].
    next: [Vec<u32>; 2],
    /// Whether the node's component is a circle with no bound.
    recursive: Vec<bool>,
}

impl<'g> Solution<'g> {
    fn new(graph: &'g Graph) -> Self {
        let count = graph.nodes.len();
        let reach = |way: Way| graph.nodes.iter().map(|node| alone(node, way)).collect();
        Self {
            graph,
            reach: [reach(Way::Own), reach(Way::Outside)],
            next: [vec![NONE; count], vec![NONE; count]],
            recursive: vec![false; count],
        }
    }

    fn deepest(&self, node: usize) -> Deepest {
        let edge = |way: Way| {
            let edge = self.next[way as usize][node];
            self.graph.edges.get(edge as usize).copied()
        };
        let depth = |way: Way| self.reach[way as usize][node].depth(&self.graph.nodes[node]);
        Deepest {
            bytes: depth(Way::Own),
            next: edge(Way::Own),
            outside: depth(Way::Outside),
            outside_next: edge(Way::Outside),
        }
    }

    /// Decides about nodes that lead to each other; everything else that they lead to is decided.
    fn component(&mut self, component: &[u32], components: &Components) {
        for way in [Way::Own, Way::Outside] {
            for &node in component {
                self.leave(node, way, components);
            }
        }
        if let [node] = *component
            && !self.calls_itself(node)
        {
            return;
        }
        let back = Backwards::new(self.graph, component, components);
        if let Some((from, edge)) = back.frame_that_stays() {
            for &node in component {
                self.recursive[node as usize] = true;
                self.reach[Way::Own as usize][node as usize] = Reach::Endless;
                self.reach[Way::Outside as usize][node as usize] = Reach::Nowhere;
                self.next[Way::Outside as usize][node as usize] = NONE;
            }
            // All lead to the circle's first node, and it leads to where all do that again.
            back.spread(from, |node, edge| {
                self.next[Way::Own as usize][node as usize] = edge
            });
            self.next[Way::Own as usize][from as usize] = edge;
            return;
        }
        for way in [Way::Own, Way::Outside] {
            let reach = &mut self.reach[way as usize];
            let Some(&deepest) = component.iter().max_by_key(|&&node| reach[node as usize]) else {
                continue;
            };
            let value = reach[deepest as usize];
            for &node in component {
                reach[node as usize] = value;
            }
            if value != Reach::Nowhere {
                let next = &mut self.next[way as usize];
                back.spread(deepest, |node, edge| next[node as usize] = edge);
            }
        }
    }

    /// Takes in the calls of a node that lead out of its component.
    fn leave(&mut self, node: u32, way: Way, components: &Components) {
        let graph = self.graph;
        let first = graph.starts[node as usize];
        for (number, edge) in (first..).zip(graph.calls(node)) {
            if components.same(node, edge.to) {
                continue;
            }
            let mut reach = self.reach[way as usize][edge.to as usize];
            if !edge.tail {
                let [caller, callee] = [node, edge.to].map(|node| &graph.nodes[node as usize]);
                reach = reach.below(caller, callee);
            }
            // One that reaches no deeper than the frame is no step on the way.
            let own = &mut self.reach[way as usize][node as usize];
            if reach > *own {
                *own = reach;
                self.next[way as usize][node as usize] = number;
            }
        }
    }

    fn calls_itself(&self, node: u32) -> bool {
        self.graph.calls(node).iter().any(|edge| edge.to == node)
    }
}

/// How far a node reaches by itself.
fn alone(node: &Node, way: Way) -> Reach {
    match (way, node.outside) {
        (Way::Own, false) => Reach::To(node.area + node.frame),
        (Way::Own, true) | (Way::Outside, false) => Reach::Nowhere,
        (Way::Outside, true) => Reach::To(node.area),
    }
}

#[cfg(test)]
mod tests;
