// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What wasm-aot says to the questions of a batch: compiled, loaded and called like any script.

use crate::case::Case;
use spec_tests::Config;
use spec_tests::assemble::{self, Judgement};
use spec_tests::engine;
use spec_tests::module;
use spec_tests::plan::{Action, Directive, Expectation, Module, Plan, Source, What};
use wasm_aot_compiler::WasmFeatures;
use wasm_aot_script::outcome::{Outcome, Outcomes};

/// The answers of one case.
#[derive(Clone, Debug)]
pub struct Answers {
    /// What came of its instantiation.
    pub made: Result<Outcome, String>,
    /// And of each question; `Err` says why there is no outcome.
    pub outcomes: Vec<Result<Outcome, String>>,
}

/// Runs a batch.
#[must_use]
pub fn run(cases: &[Case], config: &Config) -> Vec<Answers> {
    let plan = plan(cases);
    let modules = module::compile_all(&plan, &config.options);
    let assembled = assemble::assemble(&plan, &modules);
    let ended = engine::run(&config.engine, &assembled.script);
    let outcomes = Outcomes::parse(&ended.output, assembled.steps);
    let mut answers = assembled.checks.iter().map(|check| match &check.judgement {
        Judgement::Now(result) => Err(match result {
            Ok(()) => "no step".into(),
            Err(why) => why.clone(),
        }),
        Judgement::Later {
            definition, step, ..
        } => {
            let outcomes = outcomes
                .as_ref()
                .map_err(|error| format!("{error}; {}", ended.how))?;
            let of = |step: u32| outcomes.steps[step as usize].clone();
            let died = || format!("the engine died: {}", ended.how);
            match definition.map(of) {
                Some(Some(Outcome::Done)) | None => of(*step).ok_or_else(died),
                Some(Some(other)) => Err(format!("the loader refuses the object: {other:?}")),
                Some(None) => Err(died()),
            }
        }
    });
    let mut next = || answers.next().unwrap_or_else(|| Err("no answer".into()));
    cases
        .iter()
        .map(|case| Answers {
            made: next(),
            outcomes: case.questions.iter().map(|_| next()).collect(),
        })
        .collect()
}

/// The script of a batch, without expectations: what comes is what is asked for.
fn plan(cases: &[Case]) -> Plan {
    let mut plan = Plan::default();
    for (index, case) in cases.iter().enumerate() {
        plan.modules.push(Module {
            line: index,
            source: Source::Bytes(case.module.clone()),
            features: WasmFeatures::empty(),
            linked: false,
        });
        plan.instances.push(index);
        let mut act = |action| {
            plan.directives.push(Directive {
                line: index,
                keyword: "act",
                what: What::Act(index as u32, action, Expectation::Success),
            });
        };
        act(Action::Instantiate);
        for question in &case.questions {
            act(match &question.arguments {
                Some(arguments) => Action::Invoke(question.name.clone(), arguments.clone()),
                None => Action::Get(question.name.clone()),
            });
        }
    }
    plan
}
