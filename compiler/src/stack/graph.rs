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
//! Circles are found as strongly connected components (Tarjan's algorithm, without recursion of
//! its own), which come out callees first, so each is decided when all that it leads to is.

/// "None", among indices.
const NONE: u32 = u32::MAX;

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

/// The circles of a graph: nodes that lead to each other.
struct Components {
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
    fn of(graph: &Graph) -> Self {
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

    fn callees_first(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.ends.len()).map(|number| self.get(number))
    }

    fn callers_first(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.ends.len()).rev().map(|number| self.get(number))
    }

    fn same(&self, a: u32, b: u32) -> bool {
        self.of[a as usize] == self.of[b as usize]
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

/// The calls inside a component, by who is called.
struct Backwards<'c> {
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
    fn new(graph: &Graph, component: &'c [u32], components: &'c Components) -> Self {
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
    fn frame_that_stays(&self) -> Option<(u32, u32)> {
        self.stays
    }

    /// For all other nodes of the component, the edge on a shortest way to this one.
    fn spread(&self, to: u32, mut found: impl FnMut(u32, u32)) {
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

#[cfg(test)]
mod tests;
