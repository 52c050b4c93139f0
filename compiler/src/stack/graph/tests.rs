// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Ways through small graphs, known ones and random ones walked step by step; large ones in time.

use super::*;
use std::time::{Duration, Instant};

fn call(to: u32) -> Edge {
    Edge { to, tail: false }
}

fn tail(to: u32) -> Edge {
    Edge { to, tail: true }
}

fn frame(frame: u64) -> Node {
    Node {
        frame,
        ..Node::default()
    }
}

fn with_area(frame: u64, area: u64) -> Node {
    Node {
        frame,
        area,
        ..Node::default()
    }
}

fn outside() -> Node {
    Node {
        outside: true,
        ..Node::default()
    }
}

fn graph(nodes: &[(Node, &[Edge])]) -> Graph {
    let mut graph = Graph::default();
    for (node, calls) in nodes {
        graph.add(*node, calls.iter().copied());
    }
    graph
}

fn bytes(nodes: &[(Node, &[Edge])]) -> Vec<Option<u64>> {
    let (found, _) = graph(nodes).solve();
    found.iter().map(|deepest| deepest.bytes).collect()
}

#[test]
fn chains_add_up_and_the_deeper_branch_counts() {
    let nodes: &[(Node, &[Edge])] = &[
        (frame(16), &[call(1), call(2)]),
        (frame(100), &[call(3)]),
        (frame(64), &[call(3), call(4)]),
        (frame(8), &[]),
        (frame(80), &[]),
    ];
    assert_eq!(bytes(nodes), [160, 108, 144, 8, 80].map(Some));
    let (found, depths) = graph(nodes).solve();
    assert_eq!(found[0].next, Some(call(2)));
    assert_eq!(found[2].next, Some(call(4)));
    assert_eq!(found[4].next, None);
    assert_eq!(depths, [0, 16, 16, 116, 80].map(Some));
}

#[test]
fn code_outside_counts_where_it_is_called() {
    let (found, depths) = graph(&[
        (frame(16), &[call(1), call(2)]),
        (frame(200), &[]),
        (frame(32), &[call(3)]),
        (outside(), &[]),
        (frame(8), &[]),
    ])
    .solve();
    let outside: Vec<_> = found.iter().map(|deepest| deepest.outside).collect();
    assert_eq!(outside, [Some(48), None, Some(32), Some(0), None]);
    assert_eq!(found[0].outside_next, Some(call(2)));
    assert_eq!((found[0].bytes, found[0].next), (Some(216), Some(call(1))));
    assert_eq!(depths[3], Some(48));
}

#[test]
fn a_circle_has_no_bound_and_is_shown() {
    let nodes: &[(Node, &[Edge])] = &[
        (frame(16), &[call(4), call(1)]),
        (frame(16), &[tail(2)]),
        (frame(16), &[call(3), call(5)]),
        (frame(16), &[tail(1)]),
        (frame(8), &[]),
        (outside(), &[]),
    ];
    let (found, depths) = graph(nodes).solve();
    let bytes: Vec<_> = found.iter().map(|deepest| deepest.bytes).collect();
    assert_eq!(bytes, [None, None, None, None, Some(8), None]);
    let next: Vec<_> = found[..4].iter().map(|deepest| deepest.next).collect();
    assert_eq!(next, [call(1), tail(2), call(3), tail(1)].map(Some));
    assert_eq!(depths[4], Some(16));
    assert_eq!(depths[5], None);
}

#[test]
fn a_function_that_calls_itself_is_a_circle_and_one_that_tail_calls_itself_is_none() {
    assert_eq!(bytes(&[(frame(16), &[call(0)])]), [None]);
    assert_eq!(bytes(&[(frame(16), &[tail(0)])]), [Some(16)]);
}

#[test]
fn tail_calls_replace_the_frame_and_keep_the_area() {
    // 0 calls 1 without stack arguments; 1 tail-calls 2, which has 32 bytes of them.
    let nodes: &[(Node, &[Edge])] = &[
        (frame(48), &[call(1)]),
        (with_area(96, 0), &[tail(2)]),
        (with_area(80, 32), &[tail(1), tail(3)]),
        (with_area(64, 16), &[]),
    ];
    assert_eq!(bytes(nodes), [160, 112, 80, 64].map(Some));
}

/// What walking along all ways gives: the deepest place, `None` where it would never end.
fn walk(nodes: &[(Node, Vec<Edge>)], at: u32, sp: i64, way: &mut Vec<(u32, i64)>) -> Option<i64> {
    let (node, calls) = &nodes[at as usize];
    // The area's upper end is what a circle must come back to unless it adds frames.
    let origin = sp - node.area as i64;
    if let Some(&(_, before)) = way.iter().find(|(other, _)| *other == at) {
        return (before == origin).then_some(0);
    }
    way.push((at, origin));
    let mut deepest = sp + node.frame as i64;
    for edge in calls {
        let callee = nodes[edge.to as usize].0.area as i64;
        let below = match edge.tail {
            true => origin + callee,
            false => sp + node.frame as i64,
        };
        deepest = deepest.max(walk(nodes, edge.to, below, way)?);
    }
    way.pop();
    Some(deepest)
}

#[test]
fn random_graphs_are_as_deep_as_walking_them() {
    let mut state = 7u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    let (mut bounded, mut endless) = (0, 0);
    for _ in 0..4000 {
        let count = 2 + random(7) as u32;
        let nodes: Vec<(Node, Vec<Edge>)> = (0..count)
            .map(|_| {
                let area = 16 * random(4);
                // As in real frames, the arguments of what is called are in them.
                let node = with_area(64 + 16 * random(6), area);
                let edges = (0..random(4)).map(|_| Edge {
                    to: random(count.into()) as u32,
                    tail: random(3) > 0,
                });
                (node, edges.collect())
            })
            .collect();
        let mut graph = Graph::default();
        for (node, calls) in &nodes {
            graph.add(*node, calls.iter().copied());
        }
        let (found, _) = graph.solve();
        for at in 0..count {
            let expected = walk(&nodes, at, 0, &mut Vec::new());
            let found = found[at as usize].bytes.map(|bytes| bytes as i64);
            assert_eq!(found, expected, "{at} of {nodes:?}");
            match expected {
                Some(_) => bounded += 1,
                None => endless += 1,
            }
        }
    }
    assert!(bounded > 1000 && endless > 1000, "{bounded} {endless}");
}

/// Every way that is told adds up to the depth that is told.
#[test]
fn ways_lead_to_the_depth() {
    let mut state = 3u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for _ in 0..2000 {
        let count = 2 + random(20) as u32;
        let mut graph = Graph::default();
        for from in 0..count {
            let node = Node {
                frame: 8 + 8 * random(9),
                outside: random(5) == 0,
                ..Node::default()
            };
            let calls = (0..random(5)).map(|_| call(random(count.into()) as u32));
            let forward = calls.filter(|edge| edge.to > from);
            let calls: Vec<Edge> = forward.filter(|_| !node.outside).collect();
            graph.add(node, calls);
        }
        let (found, _) = graph.solve();
        for start in 0..count {
            let (mut at, mut sum) = (start, graph.nodes[start as usize].frame);
            while let Some(edge) = found[at as usize].next {
                at = edge.to;
                sum += graph.nodes[at as usize].frame;
            }
            if !graph.nodes[start as usize].outside {
                assert_eq!(found[start as usize].bytes, Some(sum));
            }
            let (mut at, mut sum) = (start, 0);
            while let Some(edge) = found[at as usize].outside_next {
                sum += graph.nodes[at as usize].frame;
                at = edge.to;
            }
            let outside = graph.nodes[at as usize].outside.then_some(sum);
            assert_eq!(found[start as usize].outside, outside);
        }
    }
}

#[test]
fn large_graphs_take_little_time() {
    const COUNT: u32 = 200_000;
    let start = Instant::now();
    // A chain, a circle of all, and everybody calling everybody through one node.
    let chain = (0..COUNT).map(|node| (node + 1 < COUNT).then(|| call(node + 1)));
    let circle = (0..COUNT).map(|node| Some(call((node + 1) % COUNT)));
    let star = (0..COUNT).map(|_| Some(call(COUNT)));
    for (calls, bound) in [
        (chain.collect::<Vec<_>>(), true),
        (circle.collect(), false),
        (star.collect(), false),
    ] {
        let mut graph = Graph::default();
        for edge in &calls {
            graph.add(frame(16), *edge);
        }
        graph.add(frame(0), (0..COUNT).filter(|_| !bound).map(tail));
        let (found, _) = graph.solve();
        let deepest = bound.then_some(16 * u64::from(COUNT));
        assert_eq!(found[0].bytes, deepest);
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}
