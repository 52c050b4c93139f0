// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The binary script that an engine runs, and what remains to be judged.
//!
//! What no engine is needed for, that modules are refused for one, is judged here.

use crate::module::{Compiled, Export};
use crate::plan::{Action, Directive, Expectation, Plan, What};
use crate::value::{Argument, Type};
use crate::wording::{self, Refusal};
use wasm_aot_script::Slot;
use wasm_aot_script::write::Writer;

/// How a directive will be judged.
#[derive(Clone, Debug)]
pub enum Judgement {
    /// It has been.
    Now(Result<(), String>),
    /// By the outcome of a step; results have these types. Where the step defines a module first,
    /// the outcome of that step counts as well.
    Later {
        /// The step that takes the module's object, where it was not before.
        definition: Option<u32>,
        /// The step.
        step: u32,
        /// What is to come of it.
        expectation: Expectation,
        /// Types of its results.
        types: Vec<Type>,
    },
}

/// A directive to be judged.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its line.
    pub line: usize,
    /// What it is, for people: keyword and name of the function.
    pub directive: String,
    /// How it will be judged.
    pub judgement: Judgement,
}

/// A script for an engine, and what is to be judged afterwards.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The script.
    pub script: Vec<u8>,
    /// Number of its steps.
    pub steps: u32,
    /// One a directive.
    pub checks: Vec<Check>,
}

struct Assembler<'a> {
    plan: &'a Plan,
    modules: &'a [Result<Compiled, Refusal>],
    writer: Writer,
    defined: Vec<bool>,
}

/// Assembles a script.
#[must_use]
pub fn assemble(plan: &Plan, modules: &[Result<Compiled, Refusal>]) -> Assembled {
    let mut assembler = Assembler {
        plan,
        modules,
        writer: Writer::default(),
        defined: vec![false; modules.len()],
    };
    let mut checks = Vec::with_capacity(plan.directives.len());
    for directive in &plan.directives {
        if let What::EndThread = directive.what {
            assembler.writer.end_thread();
            continue;
        }
        checks.push(Check {
            line: directive.line,
            directive: describe(directive),
            judgement: assembler.directive(&directive.what),
        });
    }
    Assembled {
        steps: assembler.writer.position(),
        script: assembler.writer.finish(),
        checks,
    }
}

fn describe(directive: &Directive) -> String {
    match &directive.what {
        What::Act(_, Action::Invoke(name, _) | Action::Get(name), _) => {
            format!("{} {name:?}", directive.keyword)
        }
        _ => directive.keyword.into(),
    }
}

impl Assembler<'_> {
    fn directive(&mut self, what: &What) -> Judgement {
        let later = |step, expectation: &Expectation| Judgement::Later {
            definition: None,
            step,
            expectation: expectation.clone(),
            types: Vec::new(),
        };
        match what {
            What::Refuse(module, message) => Judgement::Now(self.refused(*module, message)),
            What::Accept(module) => match &self.modules[*module] {
                Ok(compiled) => {
                    self.defined[*module] = true;
                    let step = self.writer.module(*module as u32, &compiled.object);
                    later(step, &Expectation::Success)
                }
                Err(refusal) => Judgement::Now(Err(refusal.to_string())),
            },
            What::Act(instance, action, expectation) => {
                match self.act(*instance, action, expectation) {
                    Ok(judgement) => judgement,
                    Err(why) => Judgement::Now(Err(why)),
                }
            }
            What::Register(instance, name) => {
                later(self.writer.register(*instance, name), &Expectation::Success)
            }
            What::Thread(thread) => later(self.writer.thread(*thread), &Expectation::Success),
            What::Wait(thread) => later(self.writer.wait(*thread), &Expectation::Success),
            What::EndThread => Judgement::Now(Ok(())),
            What::Nonsense(why) => Judgement::Now(Err(why.clone())),
        }
    }

    fn refused(&self, module: usize, expected: &str) -> Result<(), String> {
        match &self.modules[module] {
            Ok(_) => Err(format!(
                "expected a refusal ({expected}), got an object without complaint"
            )),
            Err(refusal) => wording::check(expected, refusal),
        }
    }

    fn act(
        &mut self,
        instance: u32,
        action: &Action,
        expectation: &Expectation,
    ) -> Result<Judgement, String> {
        let module = self.plan.instances[instance as usize];
        let compiled = match (&self.modules[module], action) {
            (Ok(compiled), _) => compiled,
            (Err(refusal), Action::Instantiate) => return Err(refusal.to_string()),
            (Err(_), _) => {
                let line = self.plan.modules[module].line;
                return Err(format!("the module of line {line} was refused"));
            }
        };
        let (definition, step, types) = match action {
            Action::Instantiate => {
                let first = !std::mem::replace(&mut self.defined[module], true);
                let definition = first.then(|| self.writer.module(module as u32, &compiled.object));
                let step = self.writer.instantiate(instance, module as u32);
                (definition, step, Vec::new())
            }
            Action::Invoke(name, arguments) => {
                let Some(Export::Function(parameters, results)) = compiled.exports.get(name) else {
                    return Err("there is no such function".into());
                };
                check_arguments(parameters, arguments)?;
                let arguments: Vec<Slot> = arguments.iter().map(|value| value.slot).collect();
                let shapes: Vec<_> = results.iter().map(|ty| ty.shape()).collect();
                let step = self.writer.invoke(instance, name, &arguments, &shapes);
                (None, step, results.clone())
            }
            Action::Get(name) => {
                let Some(Export::Global(ty)) = compiled.exports.get(name) else {
                    return Err("there is no such global".into());
                };
                let step = self.writer.get(instance, name, ty.shape());
                (None, step, vec![*ty])
            }
        };
        Ok(Judgement::Later {
            definition,
            step,
            expectation: expectation.clone(),
            types,
        })
    }
}

fn check_arguments(parameters: &[Type], arguments: &[Argument]) -> Result<(), String> {
    let fit = parameters.len() == arguments.len()
        && parameters
            .iter()
            .zip(arguments)
            .all(|(&ty, argument)| argument.fits(ty));
    match fit {
        true => Ok(()),
        false => {
            let types: Vec<String> = parameters.iter().map(Type::to_string).collect();
            let types = types.join(", ");
            Err(format!("the arguments do not fit the parameters: {types}"))
        }
    }
}
