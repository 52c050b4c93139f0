// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A world as an engine for test scripts (`wasm-aot-script`).

use crate::list::List;
use crate::run::Stopped;
use crate::world::{Error, InstanceId, LoadOptions, World, WorldOptions};
use core::fmt;
use rustix::io::Errno;
use wasm_aot_loader::LoadError;
use wasm_aot_loader::trap::TrapReport;
use wasm_aot_object::descriptor::object_kind;
use wasm_aot_script::run::Closed;
use wasm_aot_script::{RefKind, Script, ScriptError, Sink, Slot, Stop, run};

/// Why a script cannot be run at all.
#[derive(Clone, Copy, Debug)]
pub enum EngineError<'a> {
    /// It is none.
    Script(ScriptError),
    /// There is no world for it.
    World(Error<'a>),
    /// There is no memory for its numbers.
    Memory(Errno),
    /// Nobody reads the outcomes.
    Closed,
}

impl fmt::Display for EngineError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(error) => error.fmt(f),
            Self::World(error) => error.fmt(f),
            Self::Memory(errno) => write!(f, "no memory for the script's instances: {errno}"),
            Self::Closed => f.write_str("nobody reads the outcomes of the script"),
        }
    }
}

impl core::error::Error for EngineError<'_> {}

/// Runs a script in a world of its own, and writes the outcomes to the sink.
///
/// # Errors
/// Where it cannot be run. What goes wrong in the script is an outcome.
pub fn engine<'a>(
    script: &'a [u8],
    options: &WorldOptions,
    sink: &mut impl Sink,
) -> Result<(), EngineError<'a>> {
    let script = Script::parse(script).map_err(EngineError::Script)?;
    let counts = script.counts();
    let mut world = ScriptWorld {
        world: World::new(options).map_err(EngineError::World)?,
        modules: filled(counts.modules).map_err(EngineError::Memory)?,
        instances: filled(counts.instances).map_err(EngineError::Memory)?,
    };
    let mut slots: List<Slot> = List::new();
    for _ in 0..counts.values {
        slots.push([0; 2]).map_err(EngineError::Memory)?;
    }
    run(&script, &mut world, &mut slots, sink).map_err(|Closed| EngineError::Closed)
}

fn filled<T>(count: u32) -> Result<List<Option<T>>, Errno> {
    let mut list = List::new();
    for _ in 0..count {
        list.push(None)?;
    }
    Ok(list)
}

/// The modules and instances of a script by their numbers.
struct ScriptWorld<'a> {
    world: World<'a>,
    modules: List<Option<&'a [u8]>>,
    instances: List<Option<InstanceId>>,
}

/// What there is to say about a step.
enum Message<'a> {
    Text(&'static str),
    Error(Error<'a>),
    Report(TrapReport<'a>),
    Exit(u32),
    Lacking(Errno),
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Error(error) => error.fmt(f),
            Self::Report(report) => report.fmt(f),
            Self::Exit(code) => write!(f, "the program ended itself with code {code}"),
            Self::Lacking(errno) => write!(f, "no memory to run anything: {errno}"),
        }
    }
}

type Outcome<'a, T> = core::result::Result<T, Stop<Message<'a>>>;

fn refused<'a>(text: &'static str) -> Stop<Message<'a>> {
    Stop::Refused(Message::Text(text))
}

/// What is not linked is told from what cannot be loaded.
fn error(error: Error<'_>) -> Stop<Message<'_>> {
    match error {
        Error::Load(LoadError::Unresolved(_) | LoadError::Import { .. }) => {
            Stop::Link(Message::Error(error))
        }
        _ => Stop::Refused(Message::Error(error)),
    }
}

fn stopped(stopped: Stopped<'_>) -> Stop<Message<'_>> {
    match stopped {
        Stopped::Trap(report) => match report.code() {
            Some(code) => Stop::Trap(code, Message::Report(report)),
            // A fault that no table explains: a defect.
            None => Stop::Refused(Message::Report(report)),
        },
        Stopped::Exit(code) => Stop::Refused(Message::Exit(code)),
        Stopped::Lacking(errno) => Stop::Refused(Message::Lacking(errno)),
    }
}

impl ScriptWorld<'_> {
    fn instance<'a>(&self, instance: u32) -> Outcome<'a, InstanceId> {
        let known = self.instances.get(instance as usize).copied().flatten();
        known.ok_or(refused("the instance was never made"))
    }
}

impl<'a> wasm_aot_script::World<'a> for ScriptWorld<'a> {
    type Message = Message<'a>;

    fn define(&mut self, module: u32, object: &'a [u8]) -> Outcome<'a, ()> {
        self.modules[module as usize] = Some(object);
        Ok(())
    }

    fn instantiate(&mut self, instance: u32, module: u32) -> Outcome<'a, ()> {
        let object = self.modules.get(module as usize).copied().flatten();
        let object = object.ok_or(refused("the module was never defined"))?;
        let options = LoadOptions::default();
        let id = self.world.load(object, &options).map_err(error)?;
        self.world.instantiate(id).map_err(stopped)?;
        self.instances[instance as usize] = Some(id);
        Ok(())
    }

    fn register(&mut self, instance: u32, name: &'a str) -> Outcome<'a, ()> {
        let id = self.instance(instance)?;
        self.world.register(name, id).map_err(error)
    }

    fn invoke(
        &mut self,
        instance: u32,
        name: &'a str,
        arguments: usize,
        results: usize,
        slots: &mut [Slot],
    ) -> Outcome<'a, ()> {
        let id = self.instance(instance)?;
        let function = self.world.function(id, name).map_err(error)?;
        let signature = function.signature();
        let wanted = (signature.params().count(), signature.results().count());
        if wanted != (arguments, results) {
            return Err(refused("the function has other parameters or results"));
        }
        self.world.call(&function, slots).map_err(stopped)
    }

    fn global(&mut self, instance: u32, name: &'a str) -> Outcome<'a, Slot> {
        let value = self.world.global(self.instance(instance)?, name);
        value.ok_or(refused("there is no such global"))
    }

    fn object_kind(&self, address: u64) -> RefKind {
        match self.world.object_kind(address) {
            Some(object_kind::STRUCT) => RefKind::Struct,
            Some(object_kind::ARRAY) => RefKind::Array,
            Some(object_kind::EXCEPTION) => RefKind::Exception,
            _ => RefKind::Object,
        }
    }
}
