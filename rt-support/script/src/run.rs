// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Takes a world through a script and writes down what came of each step.

use crate::format::{Script, Shape, Step, Steps};
use crate::outcome::{FRAME, Kind, MAGIC, MAX_TEXT, RefKind};
use crate::{Slot, VERSION};
use core::fmt::{self, Write};
use wasm_aot_trap::TrapCode;

/// Why a step did not end as planned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop<M> {
    /// The program trapped, or an exception left it ([`TrapCode::UncaughtException`], the message
    /// then names its tag); a message may add where.
    Trap(TrapCode, M),
    /// An import is not there ("unknown import") or does not fit ("incompatible import type").
    Link(M),
    /// The world cannot do this.
    Refused(M),
}

/// Something that can load objects and run them. `'s` is the script, which lives as long as the
/// world does: a world need not copy objects or names, nor allocate at all.
pub trait World<'s> {
    /// What it says when something went wrong.
    type Message: fmt::Display;

    /// Remembers the object of a module, for instances to come.
    ///
    /// # Errors
    /// Where the object is refused.
    fn define(&mut self, module: u32, object: &'s [u8]) -> Result<(), Stop<Self::Message>>;

    /// Loads an instance, with imports from registered instances, and instantiates it. Where that
    /// traps, what it has done so far stays done (its functions may be in other tables by then).
    ///
    /// # Errors
    /// [`Stop::Link`] for imports, a trap or exception of the start function or a segment.
    fn instantiate(&mut self, instance: u32, module: u32) -> Result<(), Stop<Self::Message>>;

    /// Makes an instance's exports known under a name, instead of whatever had that name.
    ///
    /// # Errors
    /// Where the instance was never made.
    fn register(&mut self, instance: u32, name: &'s str) -> Result<(), Stop<Self::Message>>;

    /// Calls a function: `arguments` slots are read, then `results` slots written. The world must
    /// refuse what is no function of that many parameters and results: the trampoline writes as
    /// many slots as the function has results.
    ///
    /// # Errors
    /// As the program ends.
    fn invoke(
        &mut self,
        instance: u32,
        name: &'s str,
        arguments: usize,
        results: usize,
        slots: &mut [Slot],
    ) -> Result<(), Stop<Self::Message>>;

    /// Reads a global.
    ///
    /// # Errors
    /// Where there is none of that name.
    fn global(&mut self, instance: u32, name: &'s str) -> Result<Slot, Stop<Self::Message>>;

    /// What the object of the garbage collector's heap at this address is.
    fn object_kind(&self, address: u64) -> RefKind {
        let _ = address;
        RefKind::Object
    }

    /// Begins a thread that runs these steps in this world and writes their outcomes to the
    /// script's sink; `None` from a world that has no threads.
    fn spawn(&mut self, thread: u32, steps: Steps<'s>) -> Option<Result<(), Stop<Self::Message>>> {
        let _ = (thread, steps);
        None
    }

    /// Waits for a thread's end; `None` from a world that has no threads.
    fn join(&mut self, thread: u32) -> Option<Result<(), Stop<Self::Message>>> {
        let _ = thread;
        None
    }
}

/// Where outcomes go.
pub trait Sink {
    /// Writes these bytes one after the other, before the next step begins: it may crash. Nothing
    /// else may come between them.
    ///
    /// # Errors
    /// Where nobody listens any more; the run ends.
    fn put(&mut self, parts: &[&[u8]]) -> Result<(), Closed>;
}

/// The other end of a [`Sink`] is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closed;

/// Runs a whole script. `slots` has room for the values of a step: `script.counts().values`.
///
/// # Errors
/// Where nobody listens any more.
///
/// # Panics
/// Where `slots` is too short.
pub fn run<'s, W: World<'s>>(
    script: &Script<'s>,
    world: &mut W,
    slots: &mut [Slot],
    sink: &mut impl Sink,
) -> Result<(), Closed> {
    assert!(slots.len() >= script.counts().values as usize);
    begin(sink)?;
    steps(script.steps(), world, slots, sink)?;
    end(script, sink)
}

/// Writes what every stream of outcomes ends with. [`run()`] does this by itself; an engine with
/// threads does it when the last thread has ended.
///
/// # Errors
/// Where nobody listens any more.
pub fn end(script: &Script<'_>, sink: &mut impl Sink) -> Result<(), Closed> {
    frame(sink, script.counts().steps, Kind::End, &[])
}

/// Writes what every stream of outcomes begins with. [`run()`] does this by itself; so must an
/// engine that has to refuse a script before it can run it.
///
/// # Errors
/// Where nobody listens any more.
pub fn begin(sink: &mut impl Sink) -> Result<(), Closed> {
    sink.put(&[&MAGIC, &VERSION.to_le_bytes()])
}

/// Runs some steps of a script: what a thread does.
///
/// # Errors
/// Where nobody listens any more.
pub fn steps<'s, W: World<'s>>(
    mut steps: Steps<'s>,
    world: &mut W,
    slots: &mut [Slot],
    sink: &mut impl Sink,
) -> Result<(), Closed> {
    while let Some((position, step)) = steps.next() {
        let result = match step {
            Step::Module { module, object } => world.define(module, object).map(|()| None),
            Step::Instantiate { instance, module } => {
                world.instantiate(instance, module).map(|()| None)
            }
            Step::Register { instance, name } => world.register(instance, name).map(|()| None),
            Step::Invoke {
                instance,
                name,
                arguments,
                results,
            } => {
                for (slot, value) in slots.iter_mut().zip(arguments.iter()) {
                    *slot = value;
                }
                let values = (arguments.len(), results.len());
                let result = world.invoke(instance, name, values.0, values.1, slots);
                result.map(|()| {
                    let results = results.iter().zip(slots.iter_mut());
                    results.for_each(|(shape, slot)| describe(world, shape, slot));
                    Some(values.1)
                })
            }
            Step::Get {
                instance,
                name,
                shape,
            } => world.global(instance, name).map(|value| {
                slots[0] = value;
                describe(world, shape, &mut slots[0]);
                Some(1)
            }),
            Step::Thread { thread, steps: own } => {
                let own = steps.split(own);
                let Some(result) = world.spawn(thread, own.clone()) else {
                    no_threads(position, own, sink)?;
                    continue;
                };
                result.map(|()| None)
            }
            Step::Wait { thread } => {
                let Some(result) = world.join(thread) else {
                    frame(sink, position, Kind::Refused, &[NO_THREADS.as_bytes()])?;
                    continue;
                };
                result.map(|()| None)
            }
        };
        report(position, result, slots, sink)?;
    }
    Ok(())
}

const NO_THREADS: &str = "this world has no threads";

fn no_threads<'s>(position: u32, steps: Steps<'s>, sink: &mut impl Sink) -> Result<(), Closed> {
    frame(sink, position, Kind::Refused, &[NO_THREADS.as_bytes()])?;
    for (position, _) in steps {
        frame(sink, position, Kind::Refused, &[NO_THREADS.as_bytes()])?;
    }
    Ok(())
}

/// Says in the second word of a reference what it refers to.
fn describe<'s>(world: &impl World<'s>, shape: Shape, slot: &mut Slot) {
    let word = slot[0];
    let kind = match shape {
        Shape::Number => return,
        _ if word == 0 => RefKind::Null,
        Shape::Function => RefKind::Function,
        Shape::Exception => RefKind::Exception,
        Shape::Any if word & 1 == 1 => RefKind::I31,
        Shape::Any if word & 3 == 2 => RefKind::Host,
        Shape::Any => world.object_kind(word),
    };
    slot[1] = kind as u64;
}

fn report<M: fmt::Display>(
    position: u32,
    result: Result<Option<usize>, Stop<M>>,
    slots: &[Slot],
    sink: &mut impl Sink,
) -> Result<(), Closed> {
    let mut text = Text::default();
    match result {
        Ok(None) => frame(sink, position, Kind::Done, &[]),
        Ok(Some(count)) => values(sink, position, &slots[..count]),
        // What ends a program for nobody else is an outcome of its own in a script.
        Err(Stop::Trap(TrapCode::UncaughtException, message)) => {
            frame(sink, position, Kind::Exception, &[text.of(message)])
        }
        Err(Stop::Trap(code, message)) => {
            let message = text.of(message);
            frame(sink, position, Kind::Trap, &[&[code as u8], message])
        }
        Err(Stop::Link(message)) => frame(sink, position, Kind::Link, &[text.of(message)]),
        Err(Stop::Refused(message)) => frame(sink, position, Kind::Refused, &[text.of(message)]),
    }
}

/// Values that go out in one piece; more of them than any script of the testsuite has.
const VALUES_AT_ONCE: usize = 16;

fn values(sink: &mut impl Sink, position: u32, slots: &[Slot]) -> Result<(), Closed> {
    let header = header(position, Kind::Values, size_of_val(slots));
    let mut first: &[u8] = &header;
    let mut chunks = slots.chunks(VALUES_AT_ONCE);
    loop {
        let mut bytes = [[0; size_of::<Slot>()]; VALUES_AT_ONCE];
        let chunk = chunks.next().unwrap_or_default();
        for (bytes, slot) in bytes.iter_mut().zip(chunk) {
            let bits = u128::from(slot[0]) | u128::from(slot[1]) << 64;
            *bytes = bits.to_le_bytes();
        }
        sink.put(&[first, bytes[..chunk.len()].as_flattened()])?;
        first = &[];
        if chunks.len() == 0 {
            return Ok(());
        }
    }
}

fn frame(sink: &mut impl Sink, position: u32, kind: Kind, payload: &[&[u8]]) -> Result<(), Closed> {
    let length = payload.iter().map(|part| part.len()).sum();
    let header = header(position, kind, length);
    match payload {
        [] => sink.put(&[&header]),
        [one] => sink.put(&[&header, one]),
        [one, two, ..] => sink.put(&[&header, one, two]),
    }
}

fn header(position: u32, kind: Kind, length: usize) -> [u8; FRAME] {
    let mut header = [0; FRAME];
    header[..4].copy_from_slice(&position.to_le_bytes());
    header[4] = kind as u8;
    header[5..].copy_from_slice(&(length as u32).to_le_bytes());
    header
}

/// A text of bounded length.
struct Text {
    bytes: [u8; MAX_TEXT],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: [0; MAX_TEXT],
            length: 0,
        }
    }
}

impl Text {
    fn of(&mut self, message: impl fmt::Display) -> &[u8] {
        // Refuses what does not fit, which is then cut off.
        let _ = write!(self, "{message}");
        &self.bytes[..self.length]
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_TEXT - self.length;
        let part = &text[..text.floor_char_boundary(room.min(text.len()))];
        self.bytes[self.length..][..part.len()].copy_from_slice(part.as_bytes());
        self.length += part.len();
        if part.len() == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

#[cfg(all(test, feature = "write"))]
mod tests {
    use super::*;
    use crate::outcome::{Outcome, OutcomeError, Outcomes, host_reference};
    use crate::write::{Writer, sample};
    use std::string::String;
    use std::vec::Vec;
    use std::{format, vec};

    /// Remembers what it was asked for; the name of a function says what comes of calling it.
    #[derive(Default)]
    struct Recorder {
        asked: Vec<String>,
    }

    impl<'s> World<'s> for Recorder {
        type Message = String;

        fn define(&mut self, module: u32, object: &'s [u8]) -> Result<(), Stop<String>> {
            self.asked.push(format!("define {module} {}", object.len()));
            Ok(())
        }

        fn instantiate(&mut self, instance: u32, module: u32) -> Result<(), Stop<String>> {
            self.asked.push(format!("instantiate {instance} {module}"));
            match instance {
                0 => Ok(()),
                _ => Err(Stop::Link("unknown import".into())),
            }
        }

        fn register(&mut self, instance: u32, name: &'s str) -> Result<(), Stop<String>> {
            self.asked.push(format!("register {instance} {name}"));
            Ok(())
        }

        fn invoke(
            &mut self,
            instance: u32,
            name: &'s str,
            arguments: usize,
            results: usize,
            slots: &mut [Slot],
        ) -> Result<(), Stop<String>> {
            let given = &slots[..arguments];
            self.asked
                .push(format!("invoke {instance} {name} {given:?} {results}"));
            match name {
                "trap" => return Err(Stop::Trap(TrapCode::Unreachable, "here".into())),
                "throw" => return Err(Stop::Trap(TrapCode::UncaughtException, "e".into())),
                "refuse" => return Err(Stop::Refused("\u{e9}".repeat(MAX_TEXT))),
                _ => {}
            }
            for (index, slot) in slots[..results].iter_mut().enumerate() {
                *slot = [index as u64, 99];
            }
            Ok(())
        }

        fn global(&mut self, instance: u32, name: &'s str) -> Result<Slot, Stop<String>> {
            self.asked.push(format!("global {instance} {name}"));
            Ok([0, 99])
        }

        fn object_kind(&self, _: u64) -> RefKind {
            RefKind::Array
        }
    }

    impl Sink for Vec<u8> {
        fn put(&mut self, parts: &[&[u8]]) -> Result<(), Closed> {
            parts.iter().for_each(|part| self.extend_from_slice(part));
            Ok(())
        }
    }

    fn run_all(script: &[u8]) -> (Recorder, Vec<u8>, u32) {
        let script = Script::parse(script).unwrap();
        let mut world = Recorder::default();
        let mut slots = vec![[0; 2]; script.counts().values as usize];
        let mut sink = Vec::new();
        run(&script, &mut world, &mut slots, &mut sink).unwrap();
        (world, sink, script.counts().steps)
    }

    #[test]
    fn every_step_is_asked_for_and_has_an_outcome() {
        let (world, bytes, steps) = run_all(&sample());
        assert_eq!(
            world.asked,
            [
                "define 0 22",
                "instantiate 0 0",
                "register 0 spect\u{e9}st",
                "invoke 0 f [[1, 0], [2, 3]] 2",
                "invoke 0  [] 0",
                "global 0 g",
                "invoke 1 e [[7, 0]] 1",
            ]
        );
        let outcomes = Outcomes::parse(&bytes, steps).unwrap();
        assert!(outcomes.complete);
        let refused = Some(Outcome::Refused(NO_THREADS.into()));
        let i31 = RefKind::I31 as u64;
        let expected = [
            Some(Outcome::Done),
            Some(Outcome::Done),
            Some(Outcome::Done),
            Some(Outcome::Values(vec![[0, 99], [1, i31]])),
            Some(Outcome::Values(vec![])),
            Some(Outcome::Values(vec![[0, RefKind::Null as u64]])),
            refused.clone(),
            refused.clone(),
            refused.clone(),
            refused.clone(),
            refused.clone(),
            refused,
            Some(Outcome::Values(vec![[0, RefKind::Null as u64]])),
        ];
        assert_eq!(outcomes.steps, expected);
    }

    #[test]
    fn stops_are_told_apart_and_texts_are_cut() {
        let mut writer = Writer::default();
        for name in ["trap", "throw", "refuse"] {
            writer.invoke(0, name, &[], &[]);
        }
        writer.instantiate(1, 0);
        writer.module(0, &[]);
        writer.register(2, "never made");
        let (_, bytes, steps) = run_all(&writer.finish());
        let outcomes = Outcomes::parse(&bytes, steps).unwrap();
        let expected = [
            Outcome::Trap {
                code: TrapCode::Unreachable as u8,
                text: "here".into(),
            },
            Outcome::Exception("e".into()),
            Outcome::Refused("\u{e9}".repeat(MAX_TEXT / 2)),
            Outcome::Link("unknown import".into()),
            Outcome::Done,
            Outcome::Done,
        ];
        assert_eq!(outcomes.steps, expected.map(Some));
    }

    #[test]
    fn many_values_are_one_frame() {
        let shapes = vec![Shape::Number; 2 * VALUES_AT_ONCE + 3];
        let mut writer = Writer::default();
        writer.invoke(0, "f", &[], &shapes);
        let (_, bytes, steps) = run_all(&writer.finish());
        let outcomes = Outcomes::parse(&bytes, steps).unwrap();
        let values = (0..shapes.len() as u64).map(|index| [index, 99]).collect();
        assert_eq!(outcomes.steps[0], Some(Outcome::Values(values)));
    }

    #[test]
    fn references_say_what_they_are() {
        let kind = |shape, word| {
            let mut slot = [word, 0];
            describe(&Recorder::default(), shape, &mut slot);
            slot[1]
        };
        for (shape, word, expected) in [
            (Shape::Any, host_reference(7), RefKind::Host),
            (Shape::Any, 5, RefKind::I31),
            (Shape::Any, 0x1000, RefKind::Array),
            (Shape::Function, 0x1000, RefKind::Function),
            (Shape::Exception, 0x1000, RefKind::Exception),
            (Shape::Exception, 0, RefKind::Null),
        ] {
            assert_eq!(kind(shape, word), expected as u64);
        }
        assert_eq!(kind(Shape::Number, 5), 0);
    }

    #[test]
    fn outcomes_may_end_anywhere_but_hold_no_nonsense() {
        let (_, bytes, steps) = run_all(&sample());
        for length in 0..bytes.len() {
            let outcomes = Outcomes::parse(&bytes[..length], steps).unwrap();
            assert!(!outcomes.complete);
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let _ = Outcomes::parse(&damaged, steps);
            }
        }
        let error = Outcomes::parse(b"Segmentation fault", steps).unwrap_err();
        assert_eq!(error, OutcomeError::Magic);
        let mut longer = bytes.clone();
        longer.extend_from_slice(&bytes[12..]);
        assert!(Outcomes::parse(&longer, steps).is_err());
    }
}
