// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a script asks for. Names of modules and instances become numbers here.

use crate::judge::Failure;
use crate::value::{Argument, Pattern};
use std::collections::HashMap;
use wasm_aot_compiler::WasmFeatures;
use wasm_aot_script::format::MAX_THREAD_DEPTH;
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};
use wast::token::{Id, Span};
use wast::{QuoteWat, QuoteWatTest, Wast, WastDirective, WastExecute, WastInvoke, WastThread};

/// The module that the official testsuite imports from.
const SPECTEST: &str = include_str!("spectest.wat");
/// The name that it is registered under.
const SPECTEST_NAME: &str = "spectest";

/// Where a module comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A module in binary or text form.
    Bytes(Vec<u8>),
    /// Text that the parser of scripts has refused, and why.
    Refused(String),
}

/// A module of a script.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its line.
    pub line: usize,
    /// Where it comes from.
    pub source: Source,
    /// What it may use apart from what the script may.
    pub features: WasmFeatures,
    /// Whether it shares memories or functions with other instances of the address space, so that
    /// its own memory must be where it is while theirs are used.
    pub linked: bool,
}

/// Something that is done with an instance.
#[derive(Clone, Debug)]
pub enum Action {
    /// It is made.
    Instantiate,
    /// One of its functions is called.
    Invoke(String, Vec<Argument>),
    /// One of its globals is read.
    Get(String),
}

/// What is to come of an action.
#[derive(Clone, PartialEq, Debug)]
pub enum Expectation {
    /// No trap, whatever the results.
    Success,
    /// These results.
    Return(Vec<Pattern>),
    /// A trap, described by a text.
    Trap(String),
    /// An exhausted stack.
    Exhaustion(String),
    /// An exception.
    Exception,
    /// A refusal to link, described by a text.
    Unlinkable(String),
}

/// What a directive wants.
#[derive(Clone, Debug)]
pub enum What {
    /// That a module is refused, for the reason that a text describes.
    Refuse(usize, String),
    /// That a module is accepted.
    Accept(usize),
    /// That something comes of an action on an instance.
    Act(u32, Action, Expectation),
    /// That an instance is known under a name.
    Register(u32, String),
    /// That the directives up to [`What::EndThread`] run in a thread.
    Thread(u32),
    /// The end of a thread's directives.
    EndThread,
    /// That a thread ends.
    Wait(u32),
    /// Nothing that can be: the text says why.
    Nonsense(String),
}

/// A directive of a script.
#[derive(Clone, Debug)]
pub struct Directive {
    /// Its line.
    pub line: usize,
    /// Its keyword.
    pub keyword: &'static str,
    /// What it wants.
    pub what: What,
}

/// A script, understood.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Its modules.
    pub modules: Vec<Module>,
    /// The module of each instance.
    pub instances: Vec<usize>,
    /// What is done, in order.
    pub directives: Vec<Directive>,
    /// How many threads there are.
    pub threads: u32,
}

impl Plan {
    /// Reads a script.
    ///
    /// # Errors
    /// Where it is no script.
    pub fn of(source: &str, features: WasmFeatures) -> Result<Self, Failure> {
        let line_of = |span: Span| span.linecol_in(source).0 + 1;
        let syntax = |error: wast::Error| Failure {
            line: line_of(error.span()),
            directive: "syntax error".into(),
            message: error.message(),
        };
        let mut lexer = Lexer::new(source);
        lexer.allow_confusing_unicode(true);
        let buffer = ParseBuffer::new_with_lexer(lexer).map_err(syntax)?;
        let script: Wast<'_> = parser::parse(&buffer).map_err(syntax)?;
        let mut walk = Walk {
            line_of: &line_of,
            plan: Plan::default(),
            scope: Scope::default(),
            depth: 0,
        };
        walk.spectest(features);
        for directive in script.directives {
            walk.directive(directive);
        }
        Ok(walk.plan)
    }
}

/// The names that are known at some point.
#[derive(Clone, Default)]
struct Scope {
    modules: HashMap<String, usize>,
    last_module: Option<usize>,
    instances: HashMap<String, u32>,
    last_instance: Option<u32>,
    threads: HashMap<String, u32>,
}

struct Walk<'w> {
    line_of: &'w dyn Fn(Span) -> usize,
    plan: Plan,
    scope: Scope,
    /// How deep inside of threads.
    depth: usize,
}

impl Walk<'_> {
    fn spectest(&mut self, features: WasmFeatures) {
        let mut text = SPECTEST.trim_end().trim_end_matches(')').to_owned();
        if features.contains(WasmFeatures::MEMORY64) {
            text.push_str("(table (export \"table64\") i64 10 20 funcref)\n");
        }
        if features.contains(WasmFeatures::THREADS) {
            text.push_str("(memory (export \"shared_memory\") 1 2 shared)\n");
        }
        text.push(')');
        self.plan.modules.push(Module {
            line: 0,
            source: Source::Bytes(text.into_bytes()),
            features: WasmFeatures::MULTI_MEMORY,
            linked: true,
        });
        let instance = self.instance(0);
        let act = What::Act(instance, Action::Instantiate, Expectation::Success);
        self.add(0, SPECTEST_NAME, act);
        let register = What::Register(instance, SPECTEST_NAME.into());
        self.add(0, SPECTEST_NAME, register);
    }

    fn add(&mut self, line: usize, keyword: &'static str, what: What) {
        self.plan.directives.push(Directive {
            line,
            keyword,
            what,
        });
    }

    fn instance(&mut self, module: usize) -> u32 {
        self.plan.instances.push(module);
        self.plan.instances.len() as u32 - 1
    }

    fn module(&mut self, mut module: QuoteWat<'_>) -> usize {
        let line = (self.line_of)(module.span());
        let source = match module.to_test() {
            Ok(QuoteWatTest::Binary(bytes) | QuoteWatTest::Text(bytes)) => Source::Bytes(bytes),
            Err(error) => Source::Refused(error.to_string()),
        };
        let linked = match &source {
            Source::Bytes(bytes) => shares(bytes),
            Source::Refused(_) => false,
        };
        self.plan.modules.push(Module {
            line,
            source,
            features: WasmFeatures::empty(),
            linked,
        });
        self.plan.modules.len() - 1
    }

    /// A module that is instantiated at once.
    fn instantiate(&mut self, module: QuoteWat<'_>) -> u32 {
        let name = name(module.name());
        let module = self.module(module);
        self.define(name.clone(), module);
        let instance = self.instance(module);
        self.bring(name, instance);
        instance
    }

    fn define(&mut self, name: Option<String>, module: usize) {
        self.scope.last_module = Some(module);
        if let Some(name) = name {
            self.scope.modules.insert(name, module);
        }
    }

    fn bring(&mut self, name: Option<String>, instance: u32) {
        self.scope.last_instance = Some(instance);
        if let Some(name) = name {
            self.scope.instances.insert(name, instance);
        }
    }

    fn find(&self, id: Option<Id<'_>>) -> Result<u32, String> {
        match id {
            None => self.scope.last_instance.ok_or("no instance yet".into()),
            Some(id) => {
                let instance = self.scope.instances.get(id.name()).copied();
                instance.ok_or_else(|| format!("no instance is named ${}", id.name()))
            }
        }
    }

    fn directive(&mut self, directive: WastDirective<'_>) {
        use WastDirective as D;
        let line = (self.line_of)(directive.span());
        let (keyword, what) = match directive {
            D::Module(module) => {
                let instance = self.instantiate(module);
                let what = What::Act(instance, Action::Instantiate, Expectation::Success);
                ("module", what)
            }
            D::ModuleDefinition(module) => {
                let name = name(module.name());
                let module = self.module(module);
                self.define(name, module);
                ("module definition", What::Accept(module))
            }
            D::ModuleInstance {
                instance, module, ..
            } => ("module instance", self.module_instance(instance, module)),
            D::AssertMalformed {
                module, message, ..
            } => ("assert_malformed", self.refuse(module, message)),
            D::AssertInvalid {
                module, message, ..
            } => ("assert_invalid", self.refuse(module, message)),
            D::AssertMalformedCustom {
                module, message, ..
            } => ("assert_malformed_custom", self.refuse(module, message)),
            D::AssertInvalidCustom {
                module, message, ..
            } => ("assert_invalid_custom", self.refuse(module, message)),
            D::Register { name, module, .. } => ("register", self.register(name, module)),
            D::Invoke(call) => {
                let execute = WastExecute::Invoke(call);
                ("invoke", self.act(execute, Expectation::Success))
            }
            D::AssertTrap { exec, message, .. } => {
                let expectation = Expectation::Trap(message.into());
                ("assert_trap", self.act(exec, expectation))
            }
            D::AssertReturn { exec, results, .. } => {
                let patterns: Result<_, String> = results.iter().map(Pattern::of).collect();
                let what = match patterns {
                    Ok(patterns) => self.act(exec, Expectation::Return(patterns)),
                    Err(why) => What::Nonsense(why),
                };
                ("assert_return", what)
            }
            D::AssertExhaustion { call, message, .. } => {
                let expectation = Expectation::Exhaustion(message.into());
                let what = self.act(WastExecute::Invoke(call), expectation);
                ("assert_exhaustion", what)
            }
            D::AssertUnlinkable {
                module, message, ..
            } => {
                let expectation = Expectation::Unlinkable(message.into());
                let what = self.act(WastExecute::Wat(module), expectation);
                ("assert_unlinkable", what)
            }
            D::AssertException { exec, .. } => {
                ("assert_exception", self.act(exec, Expectation::Exception))
            }
            D::AssertSuspension { .. } => {
                let why = "stack switching is not supported";
                ("assert_suspension", What::Nonsense(why.into()))
            }
            D::Thread(thread) => return self.thread(line, thread),
            D::Wait { thread, .. } => {
                let what = match self.scope.threads.get(thread.name()) {
                    Some(&thread) => What::Wait(thread),
                    None => What::Nonsense(format!("no thread is named ${}", thread.name())),
                };
                ("wait", what)
            }
        };
        self.add(line, keyword, what);
    }

    fn module_instance(&mut self, instance: Option<Id<'_>>, module: Option<Id<'_>>) -> What {
        let found = match module {
            None => self.scope.last_module,
            Some(id) => self.scope.modules.get(id.name()).copied(),
        };
        let Some(module) = found else {
            return What::Nonsense("there is no such module".into());
        };
        let new = self.instance(module);
        self.bring(name(instance), new);
        What::Act(new, Action::Instantiate, Expectation::Success)
    }

    fn refuse(&mut self, module: QuoteWat<'_>, message: &str) -> What {
        What::Refuse(self.module(module), message.into())
    }

    fn register(&mut self, name: &str, module: Option<Id<'_>>) -> What {
        match self.find(module) {
            Ok(instance) => {
                let module = self.plan.instances[instance as usize];
                self.plan.modules[module].linked = true;
                What::Register(instance, name.into())
            }
            Err(why) => What::Nonsense(why),
        }
    }

    fn act(&mut self, execute: WastExecute<'_>, expectation: Expectation) -> What {
        let (instance, action) = match execute {
            WastExecute::Wat(module) => {
                // Not the current instance from now on: it may well not come to be.
                let scope = self.scope.clone();
                let module = self.module(QuoteWat::Wat(module));
                let instance = self.instance(module);
                self.scope = scope;
                (Ok(instance), Ok(Action::Instantiate))
            }
            WastExecute::Invoke(call) => (self.find(call.module), invoke(&call)),
            WastExecute::Get { module, global, .. } => {
                (self.find(module), Ok(Action::Get(global.into())))
            }
        };
        match (instance, action) {
            (Ok(instance), Ok(action)) => What::Act(instance, action, expectation),
            (Err(why), _) | (_, Err(why)) => What::Nonsense(why),
        }
    }

    /// A thread sees of what is outside the shared module alone.
    fn thread(&mut self, line: usize, thread: WastThread<'_>) {
        if self.depth == MAX_THREAD_DEPTH {
            let why = format!("threads more than {MAX_THREAD_DEPTH} deep inside of each other");
            return self.add(line, "thread", What::Nonsense(why));
        }
        let number = self.plan.threads;
        self.plan.threads += 1;
        let mut inside = Scope::default();
        if let Some(id) = thread.shared_module {
            match self.find(Some(id)) {
                Ok(instance) => drop(inside.instances.insert(id.name().into(), instance)),
                Err(why) => return self.add(line, "thread", What::Nonsense(why)),
            }
        }
        self.add(line, "thread", What::Thread(number));
        self.scope.threads.insert(thread.name.name().into(), number);
        let outside = std::mem::replace(&mut self.scope, inside);
        self.depth += 1;
        for directive in thread.directives {
            self.directive(directive);
        }
        self.depth -= 1;
        self.scope = outside;
        self.add(line, "thread", What::EndThread);
    }
}

fn invoke(call: &WastInvoke<'_>) -> Result<Action, String> {
    let arguments: Result<_, String> = call.args.iter().map(Argument::of).collect();
    Ok(Action::Invoke(call.name.into(), arguments?))
}

fn name(id: Option<Id<'_>>) -> Option<String> {
    id.map(|id| id.name().to_owned())
}

/// Whether a module imports anything through which other instances may use its memory, or it
/// theirs: all but functions and globals of `spectest`, which touch none.
fn shares(module: &[u8]) -> bool {
    let Ok(binary) = wat::parse_bytes(module) else {
        return false;
    };
    let mut imports = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(&binary) {
        if let Ok(wasmparser::Payload::ImportSection(section)) = payload {
            imports.extend(section.into_imports().filter_map(Result::ok));
        }
    }
    imports.iter().any(|import| {
        let harmless = matches!(
            import.ty,
            wasmparser::TypeRef::Func(_) | wasmparser::TypeRef::Global(_)
        );
        import.module != SPECTEST_NAME || !harmless
    })
}
