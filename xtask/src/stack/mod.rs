// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How much stack the app runtime takes below compiled code, found out from its machine code: the
//! figure in `wasm_aot_object::stack` on which every bound of an object relies.
//!
//! Each function that objects can call is followed through everything that it calls. A call through
//! a pointer leads to whatever it may: methods by their place in a table, of all tables that have
//! one there; words that a function has taken up elsewhere ([`Function`]); and what the list below
//! says. A function that could call itself again, a stack pointer that changes in an unknown way,
//! a pointer that leads nowhere known: each is an error, so the figure is proved, but for that
//! list.

mod code;
mod program;

use crate::process;
use anyhow::{Context, Result, bail, ensure};
use code::{Callee, Function};
use program::Program;
use sel4_boot::startup::exports;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use wasm_aot_object::stack::{ENTRY_STACK_BYTES, HOST_STACK_BYTES};

/// Functions that end the program for a defect of its own, by parts of their names. What they do
/// to say so is not counted: with a full stack, that ends in the guard below it.
const ENDS: [&str; 6] = [
    "core::panicking::",
    "core::option::expect_failed",
    "core::option::unwrap_failed",
    "core::result::unwrap_failed",
    "core::slice::index::slice_index_fail",
    "handle_alloc_error",
];

/// Where calls through pointers may lead, by a part of the caller's name; the first line counts. One
/// without tables and functions is for compiled code, which has a frame of its own by then.
struct Pointers {
    caller: &'static str,
    /// Parts of the names of methods: tables that have such a method are those that it calls by.
    tables: &'static [&'static str],
    /// Functions of which it has the address in its own data.
    functions: &'static [&'static str],
}

const POINTERS: [Pointers; 6] = [
    Pointers {
        caller: "wasm_aot_runtime::frame::enter",
        tables: &[],
        functions: &[],
    },
    Pointers {
        caller: "wasm_aot_runtime::exception::throw",
        tables: &[],
        functions: &[],
    },
    Pointers {
        caller: "wasm_aot_memfs::",
        tables: &["{{closure}}"],
        // The clock, for the times of files.
        functions: &["sel4_app_runtime::platform::now"],
    },
    Pointers {
        caller: "hashbrown::",
        tables: &["{{closure}}"],
        functions: &[],
    },
    Pointers {
        caller: "core::fmt::",
        tables: &["core::fmt::Write"],
        functions: &[],
    },
    Pointers {
        caller: "",
        tables: &[PLATFORM, FILES, "{{closure}}"],
        functions: &[],
    },
];

/// Formatting, which formats what it is given; and how often inside each other at most: a message
/// of the runtime, the reason in it, and what that is about.
const FORMAT: &str = "core::fmt::write";
const FORMATS: u64 = 4;

/// What calls compiled code.
const ENTER: &str = "wasm_aot_runtime::frame::enter";
const PLATFORM: &str = "as wasm_aot_runtime::platform::Platform>";
const FILES: &str = "wasm_aot_runtime::platform::Files for ";

/// Checks the figures against the app runtime that was built.
///
/// # Errors
/// Where the runtime takes more, or where it cannot be found out.
pub fn check(runtime: &Path) -> Result<()> {
    let bytes = fs::read(runtime).with_context(|| runtime.display().to_string())?;
    let program = Program::parse(&bytes)?;
    let header = program.find(exports::MAGIC);
    let header = header.context("the runtime has no header")?;
    let mut analysis = Analysis::new(&program)?;
    let below = analysis.deepest(&entries(&program, header)?)?;
    within("below compiled code", &below, HOST_STACK_BYTES)?;
    // `exports::Header`: where an app begins, where a script's thread is put, what is no function
    // of its own, and where the thread of an app that has ended is put.
    let begins = [1, 2, 4].map(|index| program.word(header + index * 8).unwrap_or_default());
    let above = analysis.entered(&begins)?;
    within("above compiled code", &above, ENTRY_STACK_BYTES)?;
    let alone = analysis.deepest(&begins)?;
    within("without it", &alone, ENTRY_STACK_BYTES + HOST_STACK_BYTES)
}

/// Bytes of stack, and the way there.
struct Found {
    bytes: u64,
    way: Vec<String>,
}

fn within(what: &str, found: &Found, most: u64) -> Result<()> {
    let Found { bytes, way } = found;
    let way = way.join(" > ");
    process::progress(&format!(
        "the app runtime takes {bytes} bytes of stack at most {what}: {way}"
    ));
    ensure!(
        *bytes <= most,
        "that is more than the {most} bytes that `wasm_aot_object::stack` says: apps would get too \
         little; make the runtime's frames smaller, or the figure larger"
    );
    Ok(())
}

/// Addresses of the functions that objects link with, from the runtime's header.
fn entries(program: &Program<'_>, header: u64) -> Result<Vec<u64>> {
    let word = |index: u64| program.word(header + index * 8);
    // `exports::Header`: the last two words; `exports::Entry`: name, length, address, type.
    let (list, count) = (word(6), word(7));
    let (list, count) = list.zip(count).context("the runtime's header is damaged")?;
    let entry = |index: u64| {
        let size = size_of::<exports::Entry>() as u64;
        let address = program.word(list + index * size + 16);
        address.context("the runtime's list of functions is damaged")
    };
    (0..count).map(entry).collect()
}

struct Analysis<'p, 'a> {
    program: &'p Program<'a>,
    functions: BTreeMap<u64, Function>,
    /// Bytes, and the callee that is deepest.
    known: BTreeMap<u64, (u64, Option<u64>)>,
    /// For each function, those whose addresses its callers take: what it may be passed.
    passed: BTreeMap<u64, BTreeSet<u64>>,
    /// Functions in work.
    open: Vec<u64>,
}

impl<'p, 'a> Analysis<'p, 'a> {
    fn new(program: &'p Program<'a>) -> Result<Self> {
        let mut functions = BTreeMap::new();
        for (range, name) in program.functions() {
            let function = code::follow(program, &range).with_context(|| name.to_owned())?;
            functions.insert(range.start, function);
        }
        let mut passed: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for function in functions.values() {
            for callee in function.calls.keys() {
                if let Callee::At(callee) = callee {
                    passed.entry(*callee).or_default().extend(&function.taken);
                }
            }
        }
        Ok(Self {
            program,
            passed,
            functions,
            known: BTreeMap::new(),
            open: Vec::new(),
        })
    }

    /// Bytes that the deepest of these functions takes.
    fn deepest(&mut self, entries: &[u64]) -> Result<Found> {
        let mut deepest = (0, 0);
        for &entry in entries {
            deepest = deepest.max((self.depth(entry)?, entry));
        }
        let (bytes, entry) = deepest;
        let way = self.way(entry);
        Ok(Found { bytes, way })
    }

    /// Bytes in use at most when compiled code is called below one of these functions. That is done
    /// in one place, which is called by name alone.
    fn entered(&self, entries: &[u64]) -> Result<Found> {
        let mut functions = self.program.functions();
        let enter = functions.find(|(_, name)| *name == ENTER);
        let enter = enter.map(|(range, _)| range.start);
        let enter = enter.with_context(|| format!("there is no `{ENTER}`"))?;
        let taken = self
            .functions
            .values()
            .any(|code| code.taken.contains(&enter));
        ensure!(!taken, "the address of `{ENTER}` is used");
        let mut deepest: BTreeMap<u64, u64> = BTreeMap::new();
        let mut open: Vec<(u64, u64)> = entries.iter().map(|&entry| (entry, 0)).collect();
        while let Some((function, depth)) = open.pop() {
            // Calls that go round never come to an end here; none does, between what calls it.
            ensure!(
                depth < 1 << 30,
                "compiled code is entered from a circle of calls"
            );
            if deepest.get(&function).is_some_and(|&known| known >= depth) {
                continue;
            }
            deepest.insert(function, depth);
            let Some(code) = self.functions.get(&function).filter(|_| function != enter) else {
                continue;
            };
            for (callee, bytes) in &code.calls {
                if let Callee::At(callee) = *callee
                    && self.leads_to_enter(callee, enter)
                {
                    open.push((callee, depth + bytes));
                }
            }
        }
        let depth = deepest
            .get(&enter)
            .context("compiled code is never called")?;
        let own = self.functions.get(&enter).map_or(0, |code| code.frame);
        let way = vec![self.program.name(enter).to_owned()];
        Ok(Found {
            bytes: depth + own,
            way,
        })
    }

    /// Whether a function calls another by name, or through others.
    fn leads_to_enter(&self, function: u64, enter: u64) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![function]);
        while let Some(at) = open.pop() {
            if at == enter {
                return true;
            }
            if let Some(code) = self.functions.get(&at).filter(|_| seen.insert(at)) {
                open.extend(code.calls.keys().filter_map(|callee| match callee {
                    Callee::At(callee) => Some(*callee),
                    _ => None,
                }));
            }
        }
        false
    }

    /// Bytes that a call of a function takes, return address included.
    fn depth(&mut self, function: u64) -> Result<u64> {
        if let Some(&(bytes, _)) = self.known.get(&function) {
            return Ok(bytes);
        }
        let formats = self.program.name(function) == FORMAT;
        if formats && self.open.contains(&function) {
            return Ok(0);
        }
        if let Some(first) = self.open.iter().position(|&open| open == function) {
            let name = |&function: &u64| self.program.name(function);
            let way = self.open[..first].iter().map(name).collect::<Vec<_>>();
            let circle = self.open[first..].iter().map(name).collect::<Vec<_>>();
            bail!(
                "a circle of calls: {}; below {}",
                circle.join(" > "),
                way.join(" > ")
            );
        }
        let Some(code) = self.functions.get(&function) else {
            bail!("{function:#x} is called, and no function");
        };
        let mut deepest = (code.frame, None);
        let mut calls = Vec::new();
        for (&callee, &depth) in &code.calls {
            for callee in self.callees(function, code, callee)? {
                calls.push((callee, depth));
            }
        }
        let before = formats.then(|| self.known.clone());
        self.open.push(function);
        for (callee, depth) in calls {
            let ends = ENDS
                .iter()
                .any(|part| self.program.name(callee).contains(part));
            if !ends {
                deepest = deepest.max((depth + self.depth(callee)?, Some(callee)));
            }
        }
        self.open.pop();
        if let Some(before) = before {
            // What has been found below leaves out the formatting inside.
            self.known = before;
            deepest.0 *= FORMATS;
        }
        self.known.insert(function, deepest);
        Ok(deepest.0)
    }

    /// The functions that a call of one may lead to.
    fn callees(&self, caller: u64, code: &Function, callee: Callee) -> Result<BTreeSet<u64>> {
        let name = self.program.name(caller);
        let pointers = POINTERS.iter().find(|line| name.contains(line.caller));
        let pointers = pointers.context("the last line is for everybody")?;
        let compiled = pointers.tables.is_empty() && pointers.functions.is_empty();
        let methods = |offset| self.program.methods(offset, pointers.tables);
        let mut callees = match callee {
            Callee::At(address) => return Ok(BTreeSet::from([address])),
            _ if compiled => return Ok(BTreeSet::new()),
            Callee::Method(offset) => methods(offset),
            Callee::Unknown => {
                let words = code.words.iter().copied().flat_map(methods);
                let passed = self.passed.get(&caller).into_iter().flatten();
                let taken = code.taken.iter().chain(passed).copied();
                words.chain(taken).collect()
            }
        };
        for listed in pointers.functions {
            let mut functions = self.program.functions();
            let function = functions.find(|(_, name)| name == listed);
            let (range, _) = function.with_context(|| format!("there is no `{listed}`"))?;
            callees.insert(range.start);
        }
        ensure!(
            !callees.is_empty(),
            "{name} calls through a pointer that leads nowhere known"
        );
        Ok(callees)
    }

    /// Names of the functions on the deepest way.
    fn way(&self, entry: u64) -> Vec<String> {
        let mut way = Vec::new();
        let mut at = Some(entry);
        while let Some(function) = at {
            let own = self.functions.get(&function).map_or(0, |code| code.frame);
            way.push(format!("{} ({own})", self.program.name(function)));
            at = self.known.get(&function).and_then(|(_, next)| *next);
        }
        way
    }
}
