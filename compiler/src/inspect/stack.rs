// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How much stack an object's exports take, and on which way: `wasm-aot inspect --stack`.

use super::InspectError;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use wasm_aot_object::meta::{FunctionRecord, Kind, Meta, NONE};
use wasm_aot_object::section;
use wasm_aot_object::stack::{Call, HOST_STACK_BYTES, Next, Stack};
use wasm_aot_symbols::{INSTANTIATE_SUFFIX, Runtime};

/// Functions of a way that are shown.
const MOST_STEPS: usize = 200;

/// What a call of something that others can call takes on the stack at most.
#[derive(Serialize, Clone, Debug)]
pub struct Need {
    symbol: String,
    /// All of it, absent where there is no bound.
    bytes: Option<u64>,
    /// Of it, code of the object, where that is deepest.
    own_bytes: Option<u64>,
    /// What is in use where the runtime, the host or another object is called, at the deepest such
    /// place; absent where none is called.
    outside_at_bytes: Option<u64>,
    /// A function of the circle of calls because of which there is no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    recursive: Option<String>,
}

/// A step on the way down.
#[derive(Serialize, Clone, Debug)]
pub struct Step {
    function: String,
    /// What it adds, absent in a circle's repetition.
    bytes: u64,
    /// Called through a reference or a table, as this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_reference: Option<String>,
    /// Called by a tail call: the frame before is gone.
    #[serde(skip_serializing_if = "is_false")]
    tail_call: bool,
    /// Code of somebody else: an import, or the runtime's.
    #[serde(skip_serializing_if = "is_false")]
    outside: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A way down the stack.
#[derive(Serialize, Debug)]
pub struct Way {
    #[serde(flatten)]
    need: Need,
    /// From the function itself to the deepest place; into a circle of calls, and once along it.
    way: Vec<Step>,
    /// Whether the way goes on.
    #[serde(skip_serializing_if = "is_false")]
    more: bool,
}

/// The ways of all that others can call.
#[derive(Serialize, Debug)]
pub struct Ways {
    /// What a function of the runtime or the host is taken to need.
    host_bytes: u64,
    ways: Vec<Way>,
}

/// Reads them out of an object.
///
/// # Errors
/// Where it is not an object of this format version.
pub fn ways(bytes: &[u8]) -> Result<Ways, InspectError> {
    let file = ElfFile64::<LittleEndian>::parse(bytes)?;
    let section = file
        .section_by_name(section::META)
        .ok_or(InspectError::Missing(section::META))?;
    let format = |error| InspectError::Format {
        section: section::META,
        error,
    };
    let meta = Meta::parse(section.data()?).map_err(format)?;
    let entries = entries(&file, &meta)?;
    let circles = circles(&meta);
    let way = |(symbol, index): &(String, u32)| way(&meta, symbol, *index, &circles);
    Ok(Ways {
        host_bytes: HOST_STACK_BYTES,
        ways: entries.iter().filter_map(way).collect(),
    })
}

/// The same without the ways.
pub(super) fn needs(
    file: &ElfFile64<'_, LittleEndian>,
    meta: &Meta<'_>,
) -> Result<Vec<Need>, InspectError> {
    let circles = circles(meta);
    let need = |(symbol, index): &(String, u32)| need(meta, symbol, *index, &circles);
    Ok(entries(file, meta)?.iter().filter_map(need).collect())
}

/// What others can call, by symbol: instantiation and the exports that are defined here, with
/// their functions in the metadata.
fn entries(
    file: &ElfFile64<'_, LittleEndian>,
    meta: &Meta<'_>,
) -> Result<Vec<(String, u32)>, InspectError> {
    let mut exports: HashMap<&str, usize> = HashMap::new();
    for (position, export) in meta.exports().iter().enumerate() {
        if export.kind() == Kind::Function {
            exports.entry(meta.str(export.symbol)).or_insert(position);
        }
    }
    let mut found = Vec::new();
    for symbol in file.symbols().filter(|symbol| symbol.is_global()) {
        if symbol.is_undefined() {
            continue;
        }
        let name = symbol.name()?;
        let position = match exports.get(name) {
            Some(&position) => position + 1,
            None if name.ends_with(INSTANTIATE_SUFFIX) => 0,
            None => continue,
        };
        let address = u32::try_from(symbol.address()).ok();
        let function = address.and_then(|address| meta.function_at(address));
        if let Some(function) = function {
            found.push((position, name.to_owned(), place(meta, function)));
        }
    }
    found.sort();
    let entry = |(_, name, index)| (name, index);
    Ok(found.into_iter().map(entry).collect())
}

/// The position of a record in its list.
fn place(meta: &Meta<'_>, function: &FunctionRecord) -> u32 {
    let offset = function.text_offset.get();
    let end = meta
        .functions()
        .partition_point(|f| f.text_offset.get() <= offset);
    end as u32 - 1
}

/// For each function without bound, one in the circle of calls that it leads to. (From each by
/// itself, the way could be as long as the list.)
fn circles(meta: &Meta<'_>) -> Vec<Option<u32>> {
    let functions = meta.functions();
    let next = |index: u32| match Next::from_word(functions[index as usize].stack.next.get()) {
        Some(Next::Function { index, .. }) => Some(index),
        _ => None,
    };
    let mut circles = vec![None; functions.len()];
    let mut walked = vec![NONE; functions.len()];
    for start in 0..functions.len() as u32 {
        if functions[start as usize].stack.bytes.get() != NONE {
            continue;
        }
        let (mut way, mut at) = (Vec::new(), Some(start));
        while let Some(here) = at.filter(|&here| walked[here as usize] == NONE) {
            walked[here as usize] = start;
            way.push(here);
            at = next(here);
        }
        let circle = at.and_then(|here| match walked[here as usize] == start {
            // It has come to where this walk has been.
            true => Some(here),
            false => circles[here as usize],
        });
        for function in way {
            circles[function as usize] = circle;
        }
    }
    circles
}

fn need(meta: &Meta<'_>, symbol: &str, index: u32, circles: &[Option<u32>]) -> Option<Need> {
    let stack = Stack::of(meta, index)?;
    let recursive = circles[index as usize].filter(|_| stack.bytes().is_none());
    Some(Need {
        symbol: symbol.to_owned(),
        bytes: stack.bytes_with(HOST_STACK_BYTES),
        own_bytes: stack.bytes(),
        outside_at_bytes: stack.outside(),
        recursive: recursive.map(|circle| function_name(meta, circle).to_owned()),
    })
}

fn function_name<'a>(meta: &Meta<'a>, index: u32) -> &'a str {
    let function = meta.functions().get(index as usize);
    function.map_or("", |function| meta.str(function.name))
}

fn way(meta: &Meta<'_>, symbol: &str, index: u32, circles: &[Option<u32>]) -> Option<Way> {
    let need = need(meta, symbol, index, circles)?;
    let stack = Stack::of(meta, index)?;
    let outside = need.bytes.is_some() && need.bytes > need.own_bytes;
    let itself = Next::Function {
        index,
        call: Call::DIRECT,
    };
    let mut steps: Box<dyn Iterator<Item = Next>> = match outside {
        true => Box::new(std::iter::once(itself).chain(stack.way_outside())),
        false => Box::new(std::iter::once(itself).chain(stack.way())),
    };
    let (mut way, mut more) = (Vec::new(), false);
    let mut visited = std::collections::HashSet::new();
    for next in steps.by_ref() {
        if way.len() == MOST_STEPS {
            more = true;
            break;
        }
        let again = matches!(next, Next::Function { index, .. } if !visited.insert(index));
        way.push(step(meta, next));
        if again {
            break;
        }
    }
    Some(Way { need, way, more })
}

fn step(meta: &Meta<'_>, next: Next) -> Step {
    let type_text = |index: u32| {
        let ty = meta.types().get(index as usize);
        ty.map_or("", |ty| meta.str(ty.text)).to_owned()
    };
    let by_reference = |call: Call, ty: u32| call.indirect.then(|| type_text(ty));
    match next {
        Next::Function { index, call } => {
            let function = meta.functions().get(index as usize);
            Step {
                function: function_name(meta, index).to_owned(),
                bytes: function.map_or(0, |function| function.frame_size.get().into()),
                by_reference: by_reference(call, function.map_or(NONE, |f| f.type_index.get())),
                tail_call: call.tail,
                outside: false,
            }
        }
        Next::Import { index, call } => {
            let import = meta.imports().get(index as usize);
            let names = import.map(|import| (meta.str(import.module), meta.str(import.name)));
            let (module, name) = names.unwrap_or_default();
            Step {
                function: format!("{module}.{name}"),
                bytes: HOST_STACK_BYTES,
                by_reference: by_reference(call, import.map_or(NONE, |i| i.index.get())),
                tail_call: call.tail,
                outside: true,
            }
        }
        Next::Runtime { index } => Step {
            function: Runtime::ALL
                .get(index as usize)
                .map_or("the runtime", |runtime| runtime.symbol())
                .to_owned(),
            bytes: HOST_STACK_BYTES,
            by_reference: None,
            tail_call: false,
            outside: true,
        },
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bytes, self.own_bytes, self.outside_at_bytes) {
            (Some(bytes), Some(own), Some(at)) if bytes > own => {
                write!(
                    f,
                    "{bytes:>10}  {}  ({own} of its own, others called at {at})",
                    self.symbol
                )
            }
            (Some(bytes), ..) => write!(f, "{bytes:>10}  {}", self.symbol),
            (None, ..) => {
                write!(f, "{:>10}  {}  ", "no bound", self.symbol)?;
                match &self.recursive {
                    Some(function) => write!(f, "(`{function}` is recursive)"),
                    None => write!(f, "(4 GiB or more)"),
                }
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>14}  {}", self.bytes, self.function)?;
        if self.outside {
            f.write_str(", outside the object")?;
        }
        if let Some(ty) = &self.by_reference {
            write!(f, ", by reference: {ty}")?;
        }
        if self.tail_call {
            f.write_str(", a tail call, which replaces the frame before")?;
        }
        Ok(())
    }
}

impl fmt::Display for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "stack in bytes, with {} for each function of the host or the runtime; frames on the \
             deepest way:",
            self.host_bytes
        )?;
        for way in &self.ways {
            writeln!(f, "\n{}", way.need)?;
            for step in &way.way {
                writeln!(f, "{step}")?;
            }
            if way.more {
                writeln!(f, "{:>14}  (the way goes on)", "...")?;
            }
        }
        Ok(())
    }
}
