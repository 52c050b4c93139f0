// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Test scripts: an app whose objects arrive while it runs.
//!
//! The thread waits between the steps. To call something, the root task writes the arguments into
//! pages that both share and puts the thread at the app runtime's call function, which comes back
//! with a message; a trap leaves the thread stopped, and the next call begins with a fresh stack.

use super::fault;
use super::serve::{self, End};
use super::{AppError, Running};
use crate::executive::control::Purpose;
use crate::window::Slots;
use crate::{Loader, heap};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use sel4_boot::bundle::App;
use sel4_boot::space;
use wasm_aot_loader::trap::TrapReport;
use wasm_aot_loader::{LoadError, Object};
use wasm_aot_object::descriptor::{TYPE_KIND_OFFSET, object_kind};
use wasm_aot_object::meta::Kind;
use wasm_aot_object::signature::Signature;
use wasm_aot_script::run::Closed;
use wasm_aot_script::{RefKind, Script, Sink, Slot, Stop, World};

/// Where objects of the heap are.
const HEAP: Range<u64> = space::HEAP..space::HEAP + space::HEAP_LIMIT;

/// Runs a script; gives the exit code, 0.
pub fn run<'a>(
    loader: &mut Loader,
    app: &App<'a>,
    running: &mut Running<'a>,
) -> Result<i32, AppError<'a>> {
    if !loader.output.hosted {
        return Err(AppError::Place(
            "a script needs a host that takes its outcomes",
        ));
    }
    let script = Script::parse(app.script).map_err(AppError::Script)?;
    let counts = script.counts();
    let room = (space::SLOTS_END - space::SLOTS) / size_of::<Slot>() as u64;
    if u64::from(counts.values) > room {
        let values = u64::from(counts.values);
        return Err(AppError::TooLarge("the values of a step", values, room));
    }
    let (values, space) = (counts.values as usize, &running.space);
    let slots = Slots::new(&mut loader.memory, space.owner(), space.vspace(), values)
        .map_err(super::lacking("the values of a step"))?;
    let mut buffer = heap::filled(values, Slot::default())?;
    let mut sink = Channel {
        output: loader.output,
        app: running.index,
    };
    let mut world = ScriptWorld {
        modules: heap::filled(counts.modules as usize, None)?,
        instances: heap::filled(counts.instances as usize, None)?,
        loader,
        running,
        slots,
        kinds: Vec::new(),
    };
    // The app's runtime says when it is ready.
    world.running.start(world.loader);
    match serve::until_end(world.loader, world.running) {
        End::Returned => {}
        End::Exit(code) => return Ok(code),
        _ => return Err(AppError::Place("the app runtime did not come up")),
    }
    match wasm_aot_script::run(&script, &mut world, &mut buffer, &mut sink) {
        Ok(()) | Err(Closed) => Ok(0),
    }
}

/// Sends outcomes to the host.
struct Channel {
    output: crate::output::Output,
    app: u16,
}

impl Sink for Channel {
    fn put(&mut self, parts: &[&[u8]]) -> Result<(), Closed> {
        self.output.outcomes(self.app, parts);
        Ok(())
    }
}

struct ScriptWorld<'l, 'a> {
    loader: &'l mut Loader,
    running: &'l mut Running<'a>,
    /// The objects of the script's modules.
    modules: Vec<Option<&'a [u8]>>,
    /// Which instance each of the script's is.
    instances: Vec<Option<usize>>,
    slots: Slots,
    /// What the objects are that the last call returned.
    kinds: Vec<(u64, RefKind)>,
}

/// What is said of a step that did not end as planned.
pub enum Message<'a> {
    Text(&'static str),
    Error(Box<AppError<'a>>),
    Trap(Box<TrapReport<'a>>),
    Exit(i32),
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Error(error) => error.fmt(f),
            Self::Trap(report) => report.fmt(f),
            Self::Exit(code) => write!(f, "the program exited with code {code}"),
        }
    }
}

type StepResult<'a, T> = core::result::Result<T, Stop<Message<'a>>>;

fn refused<'a>(why: &'static str) -> Stop<Message<'a>> {
    Stop::Refused(Message::Text(why))
}

/// An error of loading is one of linking, or the object's own.
fn stopped(error: AppError<'_>) -> Stop<Message<'_>> {
    let link = matches!(
        error,
        AppError::Load(LoadError::Unresolved(_) | LoadError::Import { .. })
    );
    let message = Message::Error(Box::new(error));
    if link {
        Stop::Link(message)
    } else {
        Stop::Refused(message)
    }
}

impl<'a> ScriptWorld<'_, 'a> {
    fn instance(&self, instance: u32) -> StepResult<'a, usize> {
        let index = self.instances.get(instance as usize);
        let index = index.copied().flatten();
        index.ok_or(refused("the instance was never made"))
    }

    /// Finds out what a value of some type refers to, if to an object in the app's heap. The app
    /// reads the object's header, the descriptor behind is in an image. Where that leads nowhere,
    /// nothing is known of the object.
    fn look(&mut self, kind: &str, address: u64) {
        if !kind.contains("ref") || !address.is_multiple_of(8) || !HEAP.contains(&address) {
            return;
        }
        let runtime = self.loader.runtime.object_header();
        self.slots.write(&[[address, 0]]);
        let mut header = [[0; 2]];
        if self.call(runtime, address).is_err() {
            return;
        }
        self.slots.read(&mut header);
        let mut kind = [0; 4];
        let at = header[0][0].wrapping_add_signed(TYPE_KIND_OFFSET.into());
        if !self.running.space.read(&self.loader.peek, at, &mut kind) {
            return;
        }
        let kind = match u32::from_le_bytes(kind) {
            object_kind::STRUCT => RefKind::Struct,
            object_kind::ARRAY => RefKind::Array,
            object_kind::EXCEPTION => RefKind::Exception,
            _ => return,
        };
        // Where there is no room, nothing is known of the object either.
        let _ = heap::push(&mut self.kinds, (address, kind));
    }

    /// Calls a function through a trampoline, or (trampoline 0) a `fn()`.
    fn call(&mut self, trampoline: u64, callee: u64) -> StepResult<'a, ()> {
        let address = self.loader.runtime.call();
        let registers = serve::beginning(address, [trampoline, callee, space::SLOTS]);
        let control = &self.loader.control;
        control.enter(self.running.id, self.running.tcb, registers, Purpose::Call);
        let end = serve::until_end(self.loader, self.running);
        match end {
            End::Returned => Ok(()),
            End::Exit(code) => Err(Stop::Refused(Message::Exit(code))),
            End::Fault(..) | End::Trap(_) => {
                let report = Box::new(fault::report(self.loader, self.running, &end));
                match report.code() {
                    Some(code) => Err(Stop::Trap(code, Message::Trap(report))),
                    None => Err(Stop::Refused(Message::Trap(report))),
                }
            }
        }
    }
}

impl<'a> World<'a> for ScriptWorld<'_, 'a> {
    type Message = Message<'a>;

    fn define(&mut self, module: u32, object: &'a [u8]) -> StepResult<'a, ()> {
        let place = self.modules.get_mut(module as usize);
        *place.ok_or(refused("the script has no such module"))? = Some(object);
        Ok(())
    }

    fn instantiate(&mut self, instance: u32, module: u32) -> StepResult<'a, ()> {
        let object = self.modules.get(module as usize).copied().flatten();
        let object = object.ok_or(refused("the module was never defined"))?;
        let object = Object::parse(object).map_err(|error| stopped(error.into()))?;
        let mut tools = self.loader.tools();
        let index = self.running.space.load(&mut tools, object);
        let index = index.map_err(stopped)?;
        if let Some(address) = self.running.space.instantiate_of(index) {
            self.call(0, address)?;
        }
        let place = self.instances.get_mut(instance as usize);
        *place.ok_or(refused("the script has no such instance"))? = Some(index);
        Ok(())
    }

    fn register(&mut self, instance: u32, name: &'a str) -> StepResult<'a, ()> {
        let index = self.instance(instance)?;
        self.running.space.register(index, name).map_err(stopped)
    }

    fn invoke(
        &mut self,
        instance: u32,
        name: &'a str,
        arguments: usize,
        results: usize,
        slots: &mut [Slot],
    ) -> StepResult<'a, ()> {
        let index = self.instance(instance)?;
        let space = &self.running.space;
        let missing = || refused("the instance exports no function of this name");
        let meta = *space.object(index).ok_or_else(missing)?.meta();
        let export = meta.export(name).filter(|e| e.kind() == Kind::Function);
        let export = export.ok_or_else(missing)?;
        let kind = meta.types().get(export.index.get() as usize);
        let kind = kind.ok_or_else(missing)?;
        let signature = Signature::parse(meta.str(kind.text)).ok_or_else(missing)?;
        if (signature.params().count(), signature.results().count()) != (arguments, results) {
            return Err(refused("the function has another number of values"));
        }
        let callee = space.export(&self.loader.peek, index, export);
        let callee = callee.ok_or_else(missing)?;
        let trampoline = space.address(index, meta.str(kind.trampoline));
        let trampoline = trampoline.ok_or(refused("the object has no trampoline for its type"))?;
        self.slots.write(&slots[..arguments]);
        self.call(trampoline, callee)?;
        self.slots.read(&mut slots[..results]);
        self.kinds.clear();
        for (result, slot) in signature.results().zip(&slots[..results]) {
            self.look(result, slot[0]);
        }
        Ok(())
    }

    fn global(&mut self, instance: u32, name: &'a str) -> StepResult<'a, Slot> {
        let index = self.instance(instance)?;
        let space = &self.running.space;
        let missing = || refused("the instance exports no global of this name");
        let meta = *space.object(index).ok_or_else(missing)?.meta();
        let export = meta.export(name).filter(|e| e.kind() == Kind::Global);
        let address = space.export(&self.loader.peek, index, export.ok_or_else(missing)?);
        let mut bytes = [0; size_of::<Slot>()];
        let read = address.is_some_and(|at| space.read(&self.loader.peek, at, &mut bytes));
        if !read {
            return Err(refused("the global is outside of every image"));
        }
        let (words, _) = bytes.as_chunks::<8>();
        let slot = [words[0], words[1]].map(u64::from_le_bytes);
        let global = export.and_then(|e| meta.globals().get(e.index.get() as usize));
        let kind = global.map_or("", |global| meta.str(global.value_type));
        self.kinds.clear();
        self.look(kind, slot[0]);
        Ok(slot)
    }

    fn object_kind(&self, address: u64) -> RefKind {
        let mut known = self.kinds.iter();
        let known = known.find(|(other, _)| *other == address);
        known.map_or(RefKind::Object, |(_, kind)| *kind)
    }
}
