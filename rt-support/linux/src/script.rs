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
use wasm_aot_script::format::Steps;
use wasm_aot_script::run::Closed;
use wasm_aot_script::{RefKind, Script, ScriptError, Sink, Slot, Step, Stop, outcome, run};

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

/// Runs a script in a world of its own, and writes the outcomes to the sink. Its threads are
/// refused.
///
/// # Errors
/// Where it cannot be run. What goes wrong in the script is an outcome.
pub fn engine<'a, S: Sink + Clone>(
    script: &'a [u8],
    options: &WorldOptions,
    sink: &S,
) -> Result<(), EngineError<'a>> {
    engine_with(script, options, sink, &mut NoThreads)
}

/// Runs a script in a world of its own, with threads, and writes the outcomes to the sink. Threads
/// use copies of the sink, each for whole frames.
///
/// # Errors
/// Where it cannot be run. What goes wrong in the script is an outcome.
pub fn engine_with<'a, S: Sink + Clone, T: Threads<'a, S>>(
    script: &'a [u8],
    options: &WorldOptions,
    sink: &S,
    threads: &mut T,
) -> Result<(), EngineError<'a>> {
    let script = Script::parse(script).map_err(EngineError::Script)?;
    let counts = script.counts();
    let mut world = ScriptWorld {
        world: World::new(options).map_err(EngineError::World)?,
        modules: filled(counts.modules, None).map_err(EngineError::Memory)?,
        instances: filled(counts.instances, None).map_err(EngineError::Memory)?,
        values: counts.values,
        sink: sink.clone(),
        threads,
        count: counts.threads,
    };
    let mut slots = filled(counts.values, [0; 2]).map_err(EngineError::Memory)?;
    if counts.threads == 0 {
        let sink = &mut sink.clone();
        return run(&script, &mut world, &mut slots, sink).map_err(|Closed| EngineError::Closed);
    }
    let sink = &mut Whole::new(sink, 0);
    let steps = script.steps();
    let result = run::begin(sink).and_then(|()| run::steps(steps, &mut world, &mut slots, sink));
    world.join_all(counts.threads).map_err(EngineError::World)?;
    let result = result.and_then(|()| run::end(&script, sink));
    result.map_err(|Closed| EngineError::Closed)
}

fn filled<T: Copy>(count: u32, value: T) -> Result<List<T>, Errno> {
    let mut list = List::new();
    for _ in 0..count {
        list.push(value)?;
    }
    Ok(list)
}

/// How threads are begun and waited for.
pub trait Threads<'a, S>: Sized {
    /// Has a new thread call [`Work::run`]; the number has not been used before. `None` where
    /// there are no threads.
    fn spawn(&mut self, thread: u32, work: Work<'a, S, Self>) -> Option<Result<(), Errno>>;

    /// Waits until a thread begun here ends; gives what [`Work::run`] gave, once.
    fn join(&mut self, thread: u32) -> Option<World<'a>>;

    /// The same for the threads that a thread begins.
    fn inner(&self) -> Self;
}

/// There are none.
#[derive(Clone, Copy, Debug)]
pub struct NoThreads;

impl<'a, S> Threads<'a, S> for NoThreads {
    fn spawn(&mut self, _: u32, _: Work<'a, S, Self>) -> Option<Result<(), Errno>> {
        None
    }

    fn join(&mut self, _: u32) -> Option<World<'a>> {
        None
    }

    fn inner(&self) -> Self {
        Self
    }
}

/// What a thread does.
pub struct Work<'a, S, T> {
    world: World<'a>,
    modules: List<Option<&'a [u8]>>,
    instances: List<Option<InstanceId>>,
    steps: Steps<'a>,
    slots: List<Slot>,
    sink: S,
    threads: T,
    /// Threads of the script.
    count: u32,
}

impl<'a, S: Sink + Clone, T: Threads<'a, S>> Work<'a, S, T> {
    /// Does it; gives the world in which it did.
    pub fn run(self) -> World<'a> {
        let (mut slots, mut threads) = (self.slots, self.threads);
        let mut world = ScriptWorld {
            world: self.world,
            modules: self.modules,
            instances: self.instances,
            values: slots.len() as u32,
            sink: self.sink.clone(),
            threads: &mut threads,
            count: self.count,
        };
        let mut sink = Whole::new(&self.sink, outcome::PREAMBLE);
        // Where nobody listens any more, the script's own thread finds that out as well.
        let _ = run::steps(self.steps, &mut world, &mut slots, &mut sink);
        // What cannot be remembered stays loaded all the same.
        let _ = world.join_all(self.count);
        world.world
    }
}

/// A sink that hands on what it is given in whole frames, so that several threads can share what
/// is behind it.
struct Whole<S> {
    sink: S,
    /// Bytes of what comes before the first frame that have come.
    preamble: usize,
    frame: List<u8>,
}

impl<S: Sink + Clone> Whole<S> {
    fn new(sink: &S, preamble: usize) -> Self {
        Self {
            sink: sink.clone(),
            preamble,
            frame: List::new(),
        }
    }

    /// Bytes of the frame that has begun, where that is known.
    fn wanted(&self) -> Option<usize> {
        if self.preamble < outcome::PREAMBLE {
            return Some(outcome::PREAMBLE);
        }
        outcome::frame_length(&self.frame)
    }
}

impl<S: Sink + Clone> Sink for Whole<S> {
    fn put(&mut self, parts: &[&[u8]]) -> Result<(), Closed> {
        for &byte in parts.iter().copied().flatten() {
            self.frame.push(byte).map_err(|_| Closed)?;
            if self.wanted() == Some(self.frame.len()) {
                self.sink.put(&[&self.frame])?;
                self.frame.clear();
                self.preamble = outcome::PREAMBLE;
            }
        }
        Ok(())
    }
}

/// The modules and instances of a script by their numbers.
struct ScriptWorld<'a, 't, S, T> {
    world: World<'a>,
    modules: List<Option<&'a [u8]>>,
    instances: List<Option<InstanceId>>,
    /// The most values that a step passes.
    values: u32,
    sink: S,
    threads: &'t mut T,
    /// Threads of the script.
    count: u32,
}

/// What there is to say about a step.
enum Message<'a> {
    Text(&'static str),
    Error(Error<'a>),
    Report(TrapReport<'a>),
    Exit(u32),
    Stack { used: u64, bound: u64 },
    Lacking(Errno),
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Error(error) => error.fmt(f),
            Self::Report(report) => report.fmt(f),
            Self::Exit(code) => write!(f, "the program ended itself with code {code}"),
            &Self::Stack { used, bound } => Stopped::Stack { used, bound }.fmt(f),
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
        Stopped::Stack { used, bound } => Stop::Refused(Message::Stack { used, bound }),
        Stopped::Lacking(Errno::BUSY) => {
            refused("another thread uses the place of a memory that is needed: relocate it")
        }
        Stopped::Lacking(errno) => Stop::Refused(Message::Lacking(errno)),
    }
}

impl<S, T> ScriptWorld<'_, '_, S, T> {
    fn instance<'a>(&self, instance: u32) -> Outcome<'a, InstanceId> {
        let known = self.instances.get(instance as usize).copied().flatten();
        known.ok_or(refused("the instance was never made"))
    }
}

impl<'a, S: Sink + Clone, T: Threads<'a, S>> ScriptWorld<'a, '_, S, T> {
    /// Waits for every thread begun here: nothing may run any more when the world goes.
    fn join_all(&mut self, threads: u32) -> Result<(), Error<'a>> {
        for thread in 0..threads {
            if let Some(other) = self.threads.join(thread) {
                self.world.merge(other)?;
            }
        }
        Ok(())
    }

    /// What a thread needs to run these steps.
    fn work(&mut self, steps: Steps<'a>) -> Result<Work<'a, S, T>, Error<'a>> {
        let mut needed = List::new();
        for (_, step) in steps.clone() {
            let (Step::Register { instance, .. }
            | Step::Invoke { instance, .. }
            | Step::Get { instance, .. }) = step
            else {
                continue;
            };
            if let Some(id) = self.instances.get(instance as usize).copied().flatten() {
                needed.push(id).map_err(Error::lists)?;
            }
        }
        let mut modules = List::new();
        for &module in self.modules.iter() {
            modules.push(module).map_err(Error::lists)?;
        }
        let mut instances = List::new();
        for &instance in self.instances.iter() {
            instances.push(instance).map_err(Error::lists)?;
        }
        let slots = filled(self.values, [0; 2]).map_err(Error::lists)?;
        Ok(Work {
            world: self.world.fork(&needed, &WorldOptions::default())?,
            modules,
            instances,
            steps,
            slots,
            sink: self.sink.clone(),
            threads: self.threads.inner(),
            count: self.count,
        })
    }
}

impl<'a, S: Sink + Clone, T: Threads<'a, S>> wasm_aot_script::World<'a>
    for ScriptWorld<'a, '_, S, T>
{
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

    fn spawn(&mut self, thread: u32, steps: Steps<'a>) -> Option<Outcome<'a, ()>> {
        let work = match self.work(steps) {
            Ok(work) => work,
            Err(why) => return Some(Err(error(why))),
        };
        let begun = self.threads.spawn(thread, work)?;
        Some(begun.map_err(|errno| Stop::Refused(Message::Lacking(errno))))
    }

    fn join(&mut self, thread: u32) -> Option<Outcome<'a, ()>> {
        let Some(world) = self.threads.join(thread) else {
            return Some(Err(refused("the thread was never begun")));
        };
        Some(self.world.merge(world).map_err(error))
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
