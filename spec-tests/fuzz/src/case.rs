// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A generated module and what is asked of it: calls of its functions, then its globals and the
//! digests of its memories.

use crate::digest;
use crate::generate;
use crate::random::Random;
use crate::value::{self, Kind};
use spec_tests::value::Argument;
use std::fmt::Write;
use wasm_aot_compiler::SUPPORTED_FEATURES;
use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{CompositeInnerType, Validator};

/// Calls in a case, at most.
const CALLS: usize = 24;

/// A question to an instance.
#[derive(Clone, Debug)]
pub struct Question {
    /// The export's name.
    pub name: String,
    /// The arguments, `None` for a global.
    pub arguments: Option<Vec<Argument>>,
    /// `(invoke $m "f" (i32.const 1))` without the name of the instance.
    text: String,
    /// Of the results.
    pub results: Vec<Kind>,
}

/// A module and questions.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it was made from.
    pub seed: u64,
    /// Its bytes.
    pub module: Vec<u8>,
    /// In order.
    pub questions: Vec<Question>,
}

impl Case {
    /// The case of a seed; its module may have to be one of loops.
    ///
    /// # Errors
    /// Where the generator makes an invalid module.
    pub fn of(seed: u64, only_loops: bool) -> Result<Option<Self>, String> {
        let Some(module) = generate::module(seed, only_loops) else {
            return Ok(None);
        };
        let types = Validator::new_with_features(SUPPORTED_FEATURES)
            .validate_all(&module)
            .map_err(|error| format!("seed {seed}: the generated module is invalid: {error}"))?;
        let types = types.as_ref();
        let questions = questions(&types, &mut Random::new(!seed));
        Ok(Some(Self {
            seed,
            module,
            questions,
        }))
    }

    /// The text that instantiates the module, under this name.
    #[must_use]
    pub fn definition(&self, name: &str) -> String {
        let mut text = format!("module ${name} binary \"");
        for byte in &self.module {
            let _ = write!(text, "\\{byte:02x}");
        }
        text.push('"');
        text
    }
}

impl Question {
    /// The text of the action on the instance of this name.
    #[must_use]
    pub fn text(&self, instance: &str) -> String {
        match self.arguments {
            Some(_) => format!("(invoke ${instance} {})", self.text),
            None => format!("(get ${instance} {})", self.text),
        }
    }
}

fn questions(types: &TypesRef<'_>, random: &mut Random) -> Vec<Question> {
    let mut calls = Vec::new();
    let mut state = Vec::new();
    for (name, entity) in types.core_exports().into_iter().flatten() {
        match entity {
            EntityType::Func(id) | EntityType::FuncExact(id) => {
                let CompositeInnerType::Func(function) = &types[id].composite_type.inner else {
                    continue;
                };
                let kinds = |types: &TypesRef<'_>, list: &[wasmparser::ValType]| {
                    list.iter()
                        .map(|&ty| Kind::of(types, ty))
                        .collect::<Vec<_>>()
                };
                let parameters = kinds(types, function.params());
                let results = kinds(types, function.results());
                if name.starts_with(digest::PREFIX) {
                    state.extend(call(name, &parameters, results, random));
                    continue;
                }
                for _ in 0..1 + random.below(4) {
                    calls.extend(call(name, &parameters, results.clone(), random));
                }
            }
            EntityType::Global(global) => {
                let results = vec![Kind::of(types, global.content_type)];
                if comparable(&results) {
                    state.push(Question {
                        name: name.into(),
                        arguments: None,
                        text: quoted(name),
                        results,
                    });
                }
            }
            _ => {}
        }
    }
    // Another order than that of the exports, and not all.
    for position in (1..calls.len()).rev() {
        calls.swap(position, random.below(position as u64 + 1) as usize);
    }
    calls.truncate(CALLS);
    calls.extend(state);
    calls
}

fn call(
    name: &str,
    parameters: &[Kind],
    results: Vec<Kind>,
    random: &mut Random,
) -> Option<Question> {
    if !comparable(&results) {
        return None;
    }
    let mut text = quoted(name);
    let mut arguments = Vec::new();
    for &kind in parameters {
        let (argument, spelled) = value::argument(kind, random)?;
        let _ = write!(text, " {spelled}");
        arguments.push(argument);
    }
    Some(Question {
        name: name.into(),
        arguments: Some(arguments),
        text,
        results,
    })
}

/// Whether the other side can say what these are; of an exception it cannot.
fn comparable(results: &[Kind]) -> bool {
    let exception = |kind: &Kind| matches!(kind, Kind::Reference("exn", _));
    !results.iter().any(exception)
}

fn quoted(name: &str) -> String {
    let mut text = String::from("\"");
    for byte in name.bytes() {
        match byte {
            b' '..=b'~' if byte != b'"' && byte != b'\\' => text.push(byte as char),
            _ => drop(write!(text, "\\{byte:02x}")),
        }
    }
    text.push('"');
    text
}
