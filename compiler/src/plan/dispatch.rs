// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Calls through tables that never change: what they lead to is known now.
//!
//! Where one element alone has the wanted type, the call is direct, behind a comparison of the
//! index. Elsewhere a table beside the Wasm table has, for each element, the address of the
//! function's code if it is of the wanted type, and otherwise that of code that traps; the call
//! needs neither the reference nor its type.

use super::{Plan, TableStorage};
use crate::module::Module;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Elements of all such tables of a module, added up: 128 KiB. Tables for the types that most
/// calls want come first; other calls compare types.
const MAX_ELEMENTS: usize = 1 << 14;

/// What an element is for calls of one type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Element {
    Function(u32),
    Null,
    OtherType,
}

/// How calls through a table, of one type, find their callee.
#[derive(Clone, Copy, Debug)]
pub enum Dispatch {
    /// There is one.
    One { index: u64, function: u32 },
    /// By a table: an index in [`Plan::dispatch_tables`].
    Table(u32),
}

impl Plan<'_> {
    /// Decides for all calls of the module.
    pub(super) fn decide_dispatch(&mut self, module: &Module<'_>) {
        let known = (0..self.tables.len() as u32).filter(|&table| self.is_known(module, table));
        self.known_tables = known.collect();
        let mut wanted: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for (&(table, ty), &count) in &module.uses.indirect_calls {
            if self.known_tables.contains(&table) {
                let key = (table, self.type_of[ty as usize]);
                let known = wanted.entry(key).or_default();
                *known = known.saturating_add(count);
            }
        }
        let callees = self.callees(module, &wanted);
        let mut wanted: Vec<((u32, u32), u32)> = wanted.into_iter().collect();
        wanted.sort_by_key(|&(key, count)| (Reverse(count), key));
        let mut room = MAX_ELEMENTS;
        for (key, _) in wanted {
            let size = self.tables[key.0 as usize].image.len();
            let dispatch = match callees.get(&key) {
                None => continue,
                Some(&(index, function, false)) => Dispatch::One { index, function },
                Some(_) if size > room => continue,
                Some(_) => {
                    room -= size;
                    self.dispatch_tables.push(key);
                    Dispatch::Table(self.dispatch_tables.len() as u32 - 1)
                }
            };
            self.dispatch.insert(key, dispatch);
        }
    }

    /// For tables and types of calls: the first element with a function of the type, that
    /// function, and whether there are more.
    fn callees(
        &self,
        module: &Module<'_>,
        wanted: &BTreeMap<(u32, u32), u32>,
    ) -> BTreeMap<(u32, u32), (u64, u32, bool)> {
        let mut callees = BTreeMap::new();
        for &table in &self.known_tables {
            let image = self.tables[table as usize].image.iter().zip(0..);
            for (function, index) in image.filter_map(|(f, index)| Some(((*f)?, index))) {
                for ty in self.types_of(module, function) {
                    if wanted.contains_key(&(table, ty)) {
                        let callee = callees.entry((table, ty));
                        let callee =
                            callee.and_modify(|callee: &mut (u64, u32, bool)| callee.2 = true);
                        callee.or_insert((index, function, false));
                    }
                }
            }
        }
        callees
    }

    /// The canonical types of a function: its own, and their supertypes.
    fn types_of(&self, module: &Module<'_>, function: u32) -> impl Iterator<Item = u32> {
        let own = Some(self.function_type(module, function));
        std::iter::successors(own, |&ty| self.types[ty as usize].supertype)
    }

    /// Whether all elements of a table are known, with their types. (An imported function may be
    /// of a subtype of the type that it is imported with.)
    fn is_known(&self, module: &Module<'_>, table: u32) -> bool {
        let table = &self.tables[table as usize];
        let closed = |function: &u32| !self.is_open_import(module, *function);
        table.fixed
            && table.storage == TableStorage::Inline
            && table.image.iter().flatten().all(closed)
    }

    /// What an element of a known table is for calls of a canonical type; `None` outside.
    pub fn element(&self, module: &Module<'_>, table: u32, ty: u32, index: u64) -> Option<Element> {
        let image = &self.tables[table as usize].image;
        let element = image.get(usize::try_from(index).ok()?)?;
        Some(match *element {
            None => Element::Null,
            Some(function) => match self.types_of(module, function).any(|own| own == ty) {
                true => Element::Function(function),
                false => Element::OtherType,
            },
        })
    }
}
