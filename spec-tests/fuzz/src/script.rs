// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Our answers as assertions of a script, for somebody else to check.

use crate::case::{Case, Question};
use crate::ours::Answers;
use crate::value;
use std::fmt::Write;
use wasm_aot_script::outcome::Outcome;
use wasm_aot_trap::TrapCode;

/// How a case went on our side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Side {
    /// Every question has an answer that can be compared.
    Whole,
    /// Up to something that an engine's resources decide: the stack, the heap.
    Part,
    /// Something happened that must not, whatever the other side says.
    Defect(String),
}

/// Writes the assertions of a case, under a name.
pub fn write(text: &mut String, case: &Case, answers: &Answers, name: &str) -> Side {
    let definition = case.definition(name);
    let defect = |what: &str, why: &dyn std::fmt::Debug| Side::Defect(format!("{what}: {why:?}"));
    match &answers.made {
        Ok(Outcome::Done) => {
            let _ = writeln!(text, "({definition})");
        }
        Ok(Outcome::Trap { code, .. }) => {
            return match trap(*code) {
                Some(message) => {
                    let _ = writeln!(text, "(assert_trap ({definition}) \"{message}\")");
                    Side::Whole
                }
                None => Side::Part,
            };
        }
        // No script can say that a start function throws.
        Ok(Outcome::Exception(_)) => return Side::Part,
        other => return defect("instantiation", other),
    }
    for (question, answer) in case.questions.iter().zip(&answers.outcomes) {
        let action = question.text(name);
        let line = match answer {
            Ok(Outcome::Done) => format!("(assert_return {action})"),
            Ok(Outcome::Values(values)) => match results(question, values) {
                Some(results) => format!("(assert_return {action}{results})"),
                // What cannot be written must still not trap.
                None if question.arguments.is_some() => action,
                None => continue,
            },
            Ok(Outcome::Trap { code, .. }) => match trap(*code) {
                Some(message) => format!("(assert_trap {action} \"{message}\")"),
                None => return Side::Part,
            },
            Ok(Outcome::Exception(_)) => format!("(assert_exception {action})"),
            other => return defect(&action, other),
        };
        let _ = writeln!(text, "{line}");
    }
    Side::Whole
}

fn results(question: &Question, values: &[wasm_aot_script::Slot]) -> Option<String> {
    let mut text = String::new();
    for (&kind, &value) in question.results.iter().zip(values) {
        let _ = write!(text, " {}", value::text(kind, value)?);
    }
    Some(text)
}

/// What wasmtime says of a trap; `None` where the engine's resources decide whether there is one.
fn trap(code: u8) -> Option<&'static str> {
    use TrapCode as T;
    match TrapCode::from_u8(code)? {
        T::StackExhausted | T::GcHeapExhausted | T::AllocationTooLarge => None,
        T::Unreachable => Some("unreachable"),
        // It says which of them is null in places, and in others not.
        T::NullReference
        | T::NullFunction
        | T::NullStructure
        | T::NullArray
        | T::NullI31
        | T::NullException => Some("null"),
        // An access may be outside of its memory as well, and either trap is right.
        T::UnalignedAtomic => Some(""),
        T::UndefinedElement => Some("undefined element"),
        T::TableOutOfBounds => Some("out of bounds table access"),
        other => Some(other.message()),
    }
}
