// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which functions are worth putting in the place of a call, and which are never called at all.
//!
//! Takes the shapes of all bodies, which validation has measured; decides once, before any code
//! is made. `translate/inline.rs` does the work, call by call, within the budget of each caller.
//!
//! What clang has left as a call is worth little: it has inlined before. So the bounds are narrow.
//! A body goes in the place of every call where it is about as small as the call itself; in the
//! place of calls in loops where it is small; and in the place of its only call where it is not
//! large, since then nothing becomes more. A small function that calls itself is put into itself
//! once.

use crate::effort::Effort;
use crate::module::Module;
use crate::options::{OptLevel, Options};
use std::collections::BTreeMap;
use wasmparser::Operator;

/// Entities (see [`crate::effort`]) of a body that is about as small as its call.
const TINY: u64 = 36;
/// Of one that is put into loops.
const SMALL: u64 = 160;
/// Of one with one call.
const ONCE: u64 = 400;
/// Of one that is put into itself.
const RECURSIVE: u64 = 120;
/// Parameters and locals of a body that is inlined at all.
const MAX_LOCALS: u64 = 32;

/// How many bodies are inside each other at most.
pub const MAX_DEPTH: usize = 8;

/// What inlining may add to a caller, in entities, but for functions with one call: a quarter of
/// the caller's own, and so much in small ones.
const LEAST_BUDGET: u64 = 240;

/// What a body is like, as one to be inlined.
#[derive(Clone, Default, Debug)]
pub struct Shape {
    /// Functions that it calls directly, ascending, and how often each.
    calls: Box<[(u32, u32)]>,
    /// Whether nothing in it speaks against inlining.
    plain: bool,
    /// Whether it has loops.
    loops: bool,
    /// The first 64 parameters and locals that it writes, by bit.
    written: u64,
}

impl Shape {
    /// Whether a parameter has the same value everywhere in the body.
    pub fn is_constant(&self, local: usize) -> bool {
        local < 64 && self.written >> local & 1 == 0
    }
}

/// Collects a [`Shape`], operator by operator.
#[derive(Default)]
pub struct Survey {
    calls: BTreeMap<u32, u32>,
    involved: bool,
    loops: bool,
    written: u64,
}

impl Survey {
    pub fn operator(&mut self, operator: &Operator<'_>) {
        match *operator {
            Operator::Call { function_index } => {
                *self.calls.entry(function_index).or_default() += 1;
            }
            Operator::ReturnCall { function_index } => {
                *self.calls.entry(function_index).or_default() += 1;
                self.involved = true;
            }
            // Whose frame a tail call replaces, and which calls a clause is around, is for the
            // translation of whole functions.
            Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
            | Operator::TryTable { .. } => self.involved = true,
            Operator::Loop { .. } => self.loops = true,
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                self.written |= 1u64.checked_shl(local_index).unwrap_or(0);
            }
            _ => {}
        }
    }

    pub fn finish(self) -> Shape {
        Shape {
            calls: self.calls.into_iter().collect(),
            plain: !self.involved,
            loops: self.loops,
            written: self.written,
        }
    }
}

/// Where a function's body takes the place of calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inlining {
    Never,
    /// Of its only one.
    Once,
    /// Of those in loops.
    InLoops,
    Everywhere,
    /// Of those in itself.
    InItself,
}

/// What has been decided about each defined function.
#[derive(Debug)]
pub struct Decisions {
    pub inlining: Vec<Inlining>,
    /// Whether anything leads to it.
    pub live: Vec<bool>,
}

/// Decides about all functions.
pub fn decide(module: &Module<'_>, options: &Options) -> Decisions {
    let live = live(module);
    let enabled = options.inline && options.opt_level != OptLevel::None;
    let mut inlining = vec![Inlining::Never; module.bodies.len()];
    if enabled {
        let kept = kept(module);
        let mut times = vec![0u32; module.bodies.len()];
        let imported = module.imported_functions() as u32;
        for (shape, _) in module.shapes.iter().zip(&live).filter(|(_, live)| **live) {
            for &(callee, count) in &shape.calls {
                if let Some(defined) = callee.checked_sub(imported) {
                    let times = &mut times[defined as usize];
                    *times = times.saturating_add(count);
                }
            }
        }
        for (index, inlining) in inlining.iter_mut().enumerate() {
            let once = times[index] == 1 && !kept[index];
            let shape = &module.shapes[index];
            *inlining = class(shape, module.efforts[index], index as u32 + imported, once);
        }
    }
    Decisions { inlining, live }
}

fn class(shape: &Shape, effort: Effort, function: u32, once: bool) -> Inlining {
    let size = effort.entities();
    if !shape.plain || effort.locals() > MAX_LOCALS {
        return Inlining::Never;
    }
    let recursive = shape.calls.binary_search_by_key(&function, |call| call.0);
    match size {
        _ if recursive.is_ok() && size <= RECURSIVE => Inlining::InItself,
        _ if recursive.is_ok() => Inlining::Never,
        ..=TINY => Inlining::Everywhere,
        ..=ONCE if once => Inlining::Once,
        ..=SMALL if !shape.loops => Inlining::InLoops,
        _ => Inlining::Never,
    }
}

/// What inlining may add to a function, in entities.
pub fn budget(caller: Effort) -> u64 {
    (caller.entities() / 4).max(LEAST_BUDGET)
}

/// Defined functions that something else than calls leads to.
fn kept(module: &Module<'_>) -> Vec<bool> {
    let mut kept = vec![false; module.bodies.len()];
    let references = module.uses.function_references.iter().copied();
    let imported = module.imported_functions() as u32;
    for function in module
        .exported_functions()
        .chain(references)
        .chain(module.start)
    {
        if let Some(defined) = function.checked_sub(imported) {
            kept[defined as usize] = true;
        }
    }
    kept
}

/// Functions that something leads to: exports, references and the start function, and what those
/// call. (A reference counts wherever it is taken.) All of a module that lets nobody in: it is
/// compiled to be looked at.
fn live(module: &Module<'_>) -> Vec<bool> {
    let imported = module.imported_functions() as u32;
    let mut live = kept(module);
    if !live.contains(&true) {
        live.fill(true);
    }
    let kept = live.iter().enumerate().filter(|(_, live)| **live);
    let mut open: Vec<usize> = kept.map(|(index, _)| index).collect();
    while let Some(caller) = open.pop() {
        for &(callee, _) in &module.shapes[caller].calls {
            let Some(defined) = callee.checked_sub(imported) else {
                continue;
            };
            let defined = defined as usize;
            if !std::mem::replace(&mut live[defined], true) {
                open.push(defined);
            }
        }
    }
    live
}
