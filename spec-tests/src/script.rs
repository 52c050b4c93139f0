// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The directives of a script, one after the other.

use crate::engine::{Engine, Failure};
use crate::values;
use std::collections::BTreeMap;
use wasm_aot_compiler::Options;
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::token::{Id, Span};
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

/// What a script gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Directives that held.
    pub passed: usize,
    /// Directives that did not: line (from 1) and why.
    pub failures: Vec<(usize, String)>,
}

/// Runs a script. Every module is compiled with these options.
///
/// # Errors
/// Where the script itself cannot be parsed.
pub fn run(text: &str, options: &Options) -> Result<Outcome, String> {
    let mut lexer = Lexer::new(text);
    // Names of the testsuite hold characters that look like others on purpose.
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).map_err(|error| error.to_string())?;
    let script = parser::parse::<Wast<'_>>(&buffer).map_err(|error| error.to_string())?;
    let mut runner = Runner {
        engine: Engine::new(options)?,
        current: None,
        named: BTreeMap::new(),
        definitions: BTreeMap::new(),
        last_definition: None,
    };
    let mut outcome = Outcome::default();
    for directive in script.directives {
        let span = directive.span();
        match runner.directive(directive) {
            Ok(()) => outcome.passed += 1,
            Err(message) => outcome.failures.push((line(text, span), message)),
        }
    }
    Ok(outcome)
}

fn line(text: &str, span: Span) -> usize {
    span.linecol_in(text).0 + 1
}

struct Runner {
    engine: Engine,
    /// The instance that directives without a name refer to.
    current: Option<usize>,
    named: BTreeMap<String, usize>,
    definitions: BTreeMap<String, Vec<u8>>,
    last_definition: Option<Vec<u8>>,
}

type Checked = Result<(), String>;

impl Runner {
    fn directive(&mut self, directive: WastDirective<'_>) -> Checked {
        match directive {
            WastDirective::Module(mut module) => {
                let name = module.name();
                let binary = encode(&mut module)?;
                let instance = self.instantiate(&binary).map_err(|failure| failure.to_string())?;
                self.bind(name, instance);
                Ok(())
            }
            WastDirective::ModuleDefinition(mut module) => {
                let name = module.name();
                let binary = encode(&mut module)?;
                self.engine.compile(&binary)?;
                if let Some(name) = name {
                    self.definitions.insert(name.name().into(), binary.clone());
                }
                self.last_definition = Some(binary);
                Ok(())
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let definition = match module {
                    Some(id) => self.definitions.get(id.name()),
                    None => self.last_definition.as_ref(),
                };
                let binary = definition.ok_or("there is no such definition")?.clone();
                let made = self.instantiate(&binary).map_err(|failure| failure.to_string())?;
                self.bind(instance, made);
                Ok(())
            }
            WastDirective::Register { name, module, .. } => {
                let instance = self.instance(module)?;
                self.engine.register(name, instance);
                Ok(())
            }
            WastDirective::Invoke(invoke) => match self.invoke(&invoke)? {
                Ok(_) => Ok(()),
                Err(failure) => Err(failure.to_string()),
            },
            WastDirective::AssertReturn { exec, results, .. } => match self.execute(exec)? {
                Ok(found) => compare(&results, &found),
                Err(failure) => Err(format!("expected results, got: {failure}")),
            },
            WastDirective::AssertTrap { exec, message, .. } => {
                let result = self.execute(exec)?;
                expect_trap(result.map(drop), message)
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                let result = self.invoke(&call)?;
                expect_trap(result.map(drop), message)
            }
            WastDirective::AssertInvalid { mut module, message, .. } => {
                // A text that does not even encode is refused as well, by the text's parser.
                match encode(&mut module) {
                    Ok(binary) => self.expect_refused(&binary, message),
                    Err(_) => Ok(()),
                }
            }
            WastDirective::AssertMalformed { mut module, message, .. } => {
                match encode(&mut module) {
                    Ok(binary) => self.expect_refused(&binary, message),
                    Err(_) => Ok(()),
                }
            }
            // What is wrong in a custom section is no reason to refuse a module (core
            // specification, "Custom Section"): it must compile.
            WastDirective::AssertMalformedCustom { mut module, .. }
            | WastDirective::AssertInvalidCustom { mut module, .. } => match encode(&mut module) {
                Ok(binary) => self.engine.compile(&binary).map(drop),
                Err(_) => Ok(()),
            },
            WastDirective::AssertUnlinkable { module, message, .. } => {
                let mut module = QuoteWat::Wat(module);
                let binary = encode(&mut module)?;
                match self.instantiate(&binary) {
                    Err(Failure::Link(_)) => Ok(()),
                    Err(other) => Err(format!("expected `{message}`, got: {other}")),
                    Ok(_) => Err(format!("expected `{message}`, but it was linked")),
                }
            }
            other => Err(format!("unsupported directive {other:?}")),
        }
    }

    fn bind(&mut self, name: Option<Id<'_>>, instance: usize) {
        self.current = Some(instance);
        if let Some(name) = name {
            self.named.insert(name.name().into(), instance);
        }
    }

    fn instance(&self, name: Option<Id<'_>>) -> Result<usize, String> {
        match name {
            Some(id) => self.named.get(id.name()).copied().ok_or("there is no such module".into()),
            None => self.current.ok_or("there is no module".into()),
        }
    }

    fn instantiate(&mut self, binary: &[u8]) -> Result<usize, Failure> {
        let object = self.engine.compile(binary).map_err(Failure::Other)?;
        self.engine.instantiate(object)
    }

    fn expect_refused(&mut self, binary: &[u8], message: &str) -> Checked {
        match self.engine.compile(binary) {
            Err(error) if error.contains("invalid WebAssembly module") => Ok(()),
            Err(error) if error.contains("is too large") => Ok(()),
            Err(error) => Err(format!("expected `{message}`, refused for another reason: {error}")),
            Ok(_) => Err(format!("expected `{message}`, but it compiled")),
        }
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Result<Vec<u64>, Failure>, String> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(module)?;
                Ok(self.engine.global(instance, global).map(|value| vec![value]))
            }
            WastExecute::Wat(module) => {
                let binary = encode(&mut QuoteWat::Wat(module))?;
                Ok(self.instantiate(&binary).map(|_| Vec::new()))
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Result<Vec<u64>, Failure>, String> {
        let instance = self.instance(invoke.module)?;
        let arguments =
            invoke.args.iter().map(values::argument).collect::<Result<Vec<u64>, String>>()?;
        Ok(self.engine.call(instance, invoke.name, &arguments))
    }
}

/// The binary form of a module of the script.
fn encode(module: &mut QuoteWat<'_>) -> Result<Vec<u8>, String> {
    if let QuoteWat::Wat(Wat::Component(_)) | QuoteWat::QuoteComponent(..) = module {
        return Err("components are no modules".into());
    }
    module.encode().map_err(|error| error.to_string())
}

fn compare(expected: &[WastRet<'_>], found: &[u64]) -> Checked {
    if expected.len() != found.len() {
        return Err(format!("expected {} results, got {}", expected.len(), found.len()));
    }
    for (position, (expected, &found)) in expected.iter().zip(found).enumerate() {
        if !values::matches(expected, found)? {
            return Err(format!("result {position}: expected {expected:?}, got {found:#x}"));
        }
    }
    Ok(())
}

/// The trap must be of the kind that the script names: one of the two texts begins with the
/// other, as the reference interpreter compares them.
fn expect_trap(result: Result<(), Failure>, message: &str) -> Checked {
    match result {
        Err(Failure::Trap(trap)) => {
            let found = trap.message();
            let same = found.contains(message)
                || message.starts_with(found)
                // The text of a null reference in a table names the element in newer suites.
                || (message.starts_with("uninitialized") && found.starts_with("uninitialized"))
                || (message == "unreachable" && found.contains("unreachable"))
                || (message.starts_with("out of bounds") && found.starts_with("out of bounds"))
                || (message == "undefined element" && found == "out of bounds table access");
            if same { Ok(()) } else { Err(format!("expected trap `{message}`, got `{found}`")) }
        }
        Err(other) => Err(format!("expected trap `{message}`, got: {other}")),
        Ok(()) => Err(format!("expected trap `{message}`, but it returned")),
    }
}
