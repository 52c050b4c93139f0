// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whether what happened is what was expected.

use crate::assemble::{Assembled, Judgement};
use crate::engine::Ended;
use crate::plan::Expectation;
use crate::value::{Expected, Pattern, Shown, Type};
use crate::wording::{self, one_line};
use std::fmt;
use wasm_aot_script::Slot;
use wasm_aot_script::outcome::{Outcome, Outcomes};
use wasm_aot_trap::TrapCode;

/// A directive that did not go as expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Its line, 0 where no line is to blame.
    pub line: usize,
    /// What it is.
    pub directive: String,
    /// What was expected and what happened.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.directive, self.message)
    }
}

/// How a script went.
#[derive(Clone, Default, Debug)]
pub struct Report {
    /// Directives that went as expected: assertions, modules to be instantiated, calls.
    pub passed: usize,
    /// Directives that did not.
    pub failed: usize,
    /// Each of those, but for the ones that the engine did not come to.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub seconds: f64,
}

impl Report {
    /// Of a script that cannot be run at all.
    #[must_use]
    pub fn of_failure(failure: Failure) -> Self {
        Self {
            failed: 1,
            failures: vec![failure],
            ..Self::default()
        }
    }
}

/// Judges every directive.
#[must_use]
pub fn judge(assembled: &Assembled, ended: Ended) -> Report {
    let mut report = Report::default();
    let outcomes = match Outcomes::parse(&ended.output, assembled.steps) {
        Ok(outcomes) => outcomes,
        Err(error) => {
            let message = format!("{error}; {}", ended.how);
            return Report {
                failed: assembled.checks.len(),
                ..Report::of_failure(engine_failure(message))
            };
        }
    };
    let mut died = false;
    for check in &assembled.checks {
        let result = match &check.judgement {
            Judgement::Now(result) => Some(result.clone()),
            Judgement::Later {
                definition,
                step,
                expectation,
                types,
            } => {
                let of = |step: u32| outcomes.steps[step as usize].as_ref();
                let refused = definition.map(|definition| match of(definition) {
                    Some(Outcome::Done) => Ok(()),
                    Some(other) => Err(format!("the loader refuses the object: {}", say(other))),
                    None => Ok(()),
                });
                match (refused, of(*step)) {
                    (Some(Err(why)), _) => Some(Err(why)),
                    (_, Some(outcome)) => Some(outcome_as(expectation, outcome, types)),
                    (_, None) => None,
                }
            }
        };
        let result = result.unwrap_or_else(|| match std::mem::replace(&mut died, true) {
            false => Err(format!("the engine died here: {}", ended.how)),
            true => Err(String::new()),
        });
        match result {
            Ok(()) => report.passed += 1,
            Err(message) => {
                report.failed += 1;
                if !message.is_empty() {
                    report.failures.push(Failure {
                        line: check.line,
                        directive: check.directive.clone(),
                        message,
                    });
                }
            }
        }
    }
    let to_the_end = outcomes.complete && ended.well;
    if !(died || to_the_end) {
        report.failed += 1;
        report.failures.push(engine_failure(ended.how));
    }
    report
}

fn engine_failure(message: String) -> Failure {
    Failure {
        line: 0,
        directive: "the engine".into(),
        message,
    }
}

fn outcome_as(expectation: &Expectation, outcome: &Outcome, types: &[Type]) -> Result<(), String> {
    let wanted = match (expectation, outcome) {
        (Expectation::Success, Outcome::Done | Outcome::Values(_)) => return Ok(()),
        (Expectation::Return(patterns), Outcome::Values(values)) => {
            return results(patterns, types, values);
        }
        (Expectation::Return(patterns), Outcome::Done) if patterns.is_empty() => return Ok(()),
        (Expectation::Trap(text), Outcome::Trap { code, .. }) if wording::trap(text, *code) => {
            return Ok(());
        }
        (Expectation::Exhaustion(_), Outcome::Trap { code, .. })
            if *code == TrapCode::StackExhausted as u8 =>
        {
            return Ok(());
        }
        (Expectation::Exception, Outcome::Exception(_)) => return Ok(()),
        (Expectation::Unlinkable(text), Outcome::Link(found)) if wording::link(text, found) => {
            return Ok(());
        }
        (Expectation::Unlinkable(text), Outcome::Trap { code, .. })
            if wording::segment(text, *code) =>
        {
            return Ok(());
        }
        (Expectation::Success, _) => "success".into(),
        (Expectation::Return(patterns), _) => Expected(patterns).to_string(),
        (Expectation::Trap(text) | Expectation::Exhaustion(text), _) => format!("a trap ({text})"),
        (Expectation::Exception, _) => "an exception".into(),
        (Expectation::Unlinkable(text), _) => format!("a refusal to link ({text})"),
    };
    let found = match outcome {
        Outcome::Values(values) => Shown(types, values).to_string(),
        other => say(other),
    };
    Err(format!("expected {wanted}, got {found}"))
}

fn results(patterns: &[Pattern], types: &[Type], values: &[Slot]) -> Result<(), String> {
    let matches = patterns.len() == values.len()
        && types.len() == values.len()
        && patterns
            .iter()
            .zip(types.iter().zip(values))
            .all(|(pattern, (&ty, &value))| pattern.matches(ty, value));
    match matches {
        true => Ok(()),
        false => Err(format!(
            "expected {}, got {}",
            Expected(patterns),
            Shown(types, values)
        )),
    }
}

fn say(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "success".into(),
        Outcome::Values(values) => format!("{} values", values.len()),
        Outcome::Trap { code, text } => match TrapCode::from_u8(*code) {
            Some(code) if text.is_empty() => format!("the trap \"{code}\""),
            Some(code) => format!("the trap \"{code}\" ({})", one_line(text)),
            None => format!("a trap of unknown number {code} ({})", one_line(text)),
        },
        Outcome::Exception(tag) => format!("an exception ({tag})"),
        Outcome::Link(text) => format!("a refusal to link ({text})"),
        Outcome::Refused(text) => format!("no outcome: {}", one_line(text)),
    }
}
