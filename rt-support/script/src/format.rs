// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The bytes of a script: a header, then steps one after the other, little-endian.
//!
//! [`Script::parse`] checks everything; afterwards reading cannot fail. Nothing is allocated.
//!
//! | bytes | header |
//! |---|---|
//! | 8 | the magic `wasm-scr` |
//! | 4 | version |
//! | 4 | number of steps |
//! | 4 | number of modules |
//! | 4 | number of instances |
//! | 4 | number of threads |
//! | 4 | the most values that one step passes |
//! | 8 | bytes of the whole script |
//!
//! A step is a byte that says its kind, then its fields: numbers have 4 bytes; a name is its
//! length and UTF-8; an object is its length, zeros up to a multiple of 16 from the script's
//! start, and its bytes; values are 16 bytes each.

use crate::{Slot, VERSION};
use core::fmt;

/// The first bytes of a script.
pub const MAGIC: [u8; 8] = *b"wasm-scr";

/// Bytes of the header.
pub const HEADER: usize = 40;

/// The most threads that are begun inside of each other.
pub const MAX_THREAD_DEPTH: usize = 8;

/// An object begins at a multiple of this from the script's start.
pub const OBJECT_ALIGNMENT: usize = 16;

pub(crate) const MODULE: u8 = 0;
pub(crate) const INSTANTIATE: u8 = 1;
pub(crate) const REGISTER: u8 = 2;
pub(crate) const INVOKE: u8 = 3;
pub(crate) const GET: u8 = 4;
pub(crate) const THREAD: u8 = 5;
pub(crate) const WAIT: u8 = 6;

/// Why bytes are no script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ScriptError {
    /// Not the magic of a script.
    Magic,
    /// A script of another version.
    Version {
        /// Its version.
        found: u32,
    },
    /// The script ends too early, or bytes follow its end.
    Length,
    /// A step that cannot be.
    Step {
        /// Its position among the steps.
        step: u32,
        /// What is wrong.
        what: &'static str,
    },
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("not a script"),
            Self::Version { found } => write!(
                f,
                "a script of version {found}, this program runs version {VERSION}; \
                 use the same release of wasm-aot for both"
            ),
            Self::Length => f.write_str("a script whose length is not what its header says"),
            Self::Step { step, what } => write!(f, "step {step} of the script: {what}"),
        }
    }
}

impl core::error::Error for ScriptError {}

/// What a result is, as far as a world must know to say more of it than its bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Shape {
    /// A number or a vector.
    Number = 0,
    /// A reference of the `func` hierarchy.
    Function = 1,
    /// A reference of the `any` or `extern` hierarchy, which share one encoding.
    Any = 2,
    /// A reference of the `exn` hierarchy.
    Exception = 3,
}

impl Shape {
    const ALL: [Shape; 4] = [Shape::Number, Shape::Function, Shape::Any, Shape::Exception];

    fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// One step of a script. Modules, instances and threads have numbers below the header's counts.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// The object of a module.
    Module {
        /// Its number.
        module: u32,
        /// The object file.
        object: &'a [u8],
    },
    /// Make an instance: resolve imports among the registered instances, then call
    /// `MODULE:instantiate`.
    Instantiate {
        /// The new instance's number.
        instance: u32,
        /// Of which module.
        module: u32,
    },
    /// From now on, imports from `name` are the exports of this instance.
    Register {
        /// The instance.
        instance: u32,
        /// The name.
        name: &'a str,
    },
    /// Call an exported function.
    Invoke {
        /// The instance.
        instance: u32,
        /// The export.
        name: &'a str,
        /// What it is called with.
        arguments: Values<'a>,
        /// What it returns.
        results: Shapes<'a>,
    },
    /// Read an exported global.
    Get {
        /// The instance.
        instance: u32,
        /// The export.
        name: &'a str,
        /// What it holds.
        shape: Shape,
    },
    /// Run the next `steps` steps in a thread of their own. Among them may be such a step again, up
    /// to [`MAX_THREAD_DEPTH`] deep.
    Thread {
        /// The thread's number.
        thread: u32,
        /// The number of steps.
        steps: u32,
    },
    /// Wait until that thread has done its steps.
    Wait {
        /// The thread.
        thread: u32,
    },
}

/// The arguments of a call.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a>(&'a [u8]);

impl Values<'_> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / size_of::<Slot>()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Slot> {
        let (words, _) = self.0.as_chunks::<8>();
        let (slots, _) = words.as_chunks::<2>();
        slots.iter().map(|slot| slot.map(u64::from_le_bytes))
    }
}

/// What the results of a call are.
#[derive(Clone, Copy, Debug)]
pub struct Shapes<'a>(&'a [u8]);

impl Shapes<'_> {
    /// How many results there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Shape> {
        self.0
            .iter()
            .map(|&number| Shape::from_u8(number).unwrap_or(Shape::Number))
    }
}

/// The counts of the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Steps, those of threads included.
    pub steps: u32,
    /// Modules.
    pub modules: u32,
    /// Instances.
    pub instances: u32,
    /// Threads.
    pub threads: u32,
    /// The most arguments or results of one step.
    pub values: u32,
}

/// A script, checked.
#[derive(Clone, Copy, Debug)]
pub struct Script<'a> {
    bytes: &'a [u8],
    counts: Counts,
}

impl<'a> Script<'a> {
    /// Reads and checks a script.
    ///
    /// # Errors
    /// Where it is not one, of another version, truncated, or a step refers to something outside.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ScriptError> {
        let mut reader = Reader { bytes, at: 0 };
        let length = || ScriptError::Length;
        if reader.take(MAGIC.len()) != Some(&MAGIC) {
            return Err(if MAGIC.starts_with(bytes) {
                ScriptError::Length
            } else {
                ScriptError::Magic
            });
        }
        let version = reader.u32().ok_or_else(length)?;
        if version != VERSION {
            return Err(ScriptError::Version { found: version });
        }
        let mut count = || reader.u32().ok_or_else(length);
        let counts = Counts {
            steps: count()?,
            modules: count()?,
            instances: count()?,
            threads: count()?,
            values: count()?,
        };
        if reader.u64().ok_or_else(length)? != bytes.len() as u64 {
            return Err(ScriptError::Length);
        }
        let script = Self { bytes, counts };
        script.check()?;
        Ok(script)
    }

    /// The counts of the header.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// All steps with their positions.
    #[must_use]
    pub fn steps(&self) -> Steps<'a> {
        Steps {
            reader: Reader {
                bytes: self.bytes,
                at: HEADER,
            },
            next: 0,
            end: self.counts.steps,
        }
    }

    fn check(&self) -> Result<(), ScriptError> {
        let counts = self.counts;
        let mut steps = self.steps();
        // Where the threads end that the present step is in, the innermost last.
        let mut ends = [0; MAX_THREAD_DEPTH];
        let mut depth = 0;
        while steps.next < steps.end {
            let position = steps.next;
            while depth > 0 && ends[depth - 1] <= position {
                depth -= 1;
            }
            let wrong = |what| ScriptError::Step {
                step: position,
                what,
            };
            let step = steps.read().map_err(wrong)?;
            let below = |number: u32, count: u32, what| {
                if number < count {
                    Ok(())
                } else {
                    Err(wrong(what))
                }
            };
            match step {
                Step::Module { module, .. } => below(module, counts.modules, NO_MODULE)?,
                Step::Instantiate { instance, module } => {
                    below(instance, counts.instances, NO_INSTANCE)?;
                    below(module, counts.modules, NO_MODULE)?;
                }
                Step::Register { instance, .. } | Step::Get { instance, .. } => {
                    below(instance, counts.instances, NO_INSTANCE)?;
                }
                Step::Invoke {
                    instance,
                    arguments,
                    results,
                    ..
                } => {
                    below(instance, counts.instances, NO_INSTANCE)?;
                    if arguments.len().max(results.len()) > counts.values as usize {
                        return Err(wrong("more values than the header says"));
                    }
                }
                Step::Thread { thread, steps } => {
                    below(thread, counts.threads, NO_THREAD)?;
                    let enclosing = depth.checked_sub(1).map_or(counts.steps, |last| ends[last]);
                    let end = position.saturating_add(1).saturating_add(steps);
                    if end > enclosing {
                        return Err(wrong("a thread with more steps than there are"));
                    }
                    let place = ends.get_mut(depth);
                    *place.ok_or(wrong("threads too deep inside of each other"))? = end;
                    depth += 1;
                }
                Step::Wait { thread } => below(thread, counts.threads, NO_THREAD)?,
            }
        }
        if steps.reader.at == self.bytes.len() {
            Ok(())
        } else {
            Err(ScriptError::Length)
        }
    }
}

const NO_MODULE: &str = "a module that the header does not count";
const NO_INSTANCE: &str = "an instance that the header does not count";
const NO_THREAD: &str = "a thread that the header does not count";
const TRUNCATED: &str = "the script ends inside of it";

/// Some of a script's steps, in order, each with its position in the script.
#[derive(Clone, Debug)]
pub struct Steps<'a> {
    reader: Reader<'a>,
    next: u32,
    end: u32,
}

impl<'a> Steps<'a> {
    /// Splits off the next `count` steps.
    pub fn split(&mut self, count: u32) -> Steps<'a> {
        let mut first = self.clone();
        first.end = self.next.saturating_add(count).min(self.end);
        while self.next < first.end && self.next().is_some() {}
        first
    }

    fn read(&mut self) -> Result<Step<'a>, &'static str> {
        let step = self.reader.step()?;
        self.next += 1;
        Ok(step)
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = (u32, Step<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let position = self.next;
        // `Script::parse` has read all of them before.
        self.read().ok().map(|step| (position, step))
    }
}

/// Reads fields; `None` at the end of the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        let bytes = self.take(8)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }

    fn name(&mut self) -> Result<&'a str, &'static str> {
        let length = self.u32().ok_or(TRUNCATED)? as usize;
        let bytes = self.take(length).ok_or(TRUNCATED)?;
        core::str::from_utf8(bytes).map_err(|_| "a name that is not UTF-8")
    }

    fn object(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        self.at = self.at.next_multiple_of(OBJECT_ALIGNMENT);
        self.take(length)
    }

    fn step(&mut self) -> Result<Step<'a>, &'static str> {
        let kind = self.u8().ok_or(TRUNCATED)?;
        let number = self.u32().ok_or(TRUNCATED)?;
        Ok(match kind {
            MODULE => Step::Module {
                module: number,
                object: self.object().ok_or(TRUNCATED)?,
            },
            INSTANTIATE => Step::Instantiate {
                instance: number,
                module: self.u32().ok_or(TRUNCATED)?,
            },
            REGISTER => Step::Register {
                instance: number,
                name: self.name()?,
            },
            INVOKE => {
                let name = self.name()?;
                let arguments = self.u32().ok_or(TRUNCATED)? as usize;
                let bytes = arguments.checked_mul(size_of::<Slot>()).ok_or(TRUNCATED)?;
                let arguments = Values(self.take(bytes).ok_or(TRUNCATED)?);
                let results = self.u32().ok_or(TRUNCATED)? as usize;
                let results = self.take(results).ok_or(TRUNCATED)?;
                if results.iter().any(|&shape| Shape::from_u8(shape).is_none()) {
                    return Err("an unknown kind of result");
                }
                Step::Invoke {
                    instance: number,
                    name,
                    arguments,
                    results: Shapes(results),
                }
            }
            GET => Step::Get {
                instance: number,
                name: self.name()?,
                shape: Shape::from_u8(self.u8().ok_or(TRUNCATED)?)
                    .ok_or("an unknown kind of result")?,
            },
            THREAD => Step::Thread {
                thread: number,
                steps: self.u32().ok_or(TRUNCATED)?,
            },
            WAIT => Step::Wait { thread: number },
            _ => return Err("an unknown kind of step"),
        })
    }
}

#[cfg(all(test, feature = "write"))]
mod tests {
    use super::*;
    use crate::write::{Writer, sample};
    use std::vec::Vec;

    /// Reads everything there is to read.
    fn walk(bytes: &[u8]) -> Result<usize, ScriptError> {
        let script = Script::parse(bytes)?;
        let mut read = 0;
        for (position, step) in script.steps() {
            read += position as usize;
            match step {
                Step::Module { object, .. } => read += object.len(),
                Step::Invoke {
                    arguments, results, ..
                } => {
                    read += arguments.iter().count() + results.iter().count();
                    read += usize::from(arguments.is_empty()) + usize::from(results.is_empty());
                }
                _ => {}
            }
        }
        Ok(read)
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = sample();
        walk(&bytes).unwrap();
        for length in 0..bytes.len() {
            assert!(walk(&bytes[..length]).is_err(), "{length} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(walk(&longer), Err(ScriptError::Length));
    }

    #[test]
    fn truncations_that_know_their_length_are_refused() {
        let bytes = sample();
        for length in HEADER..bytes.len() {
            let mut short = bytes[..length].to_vec();
            short[32..40].copy_from_slice(&(length as u64).to_le_bytes());
            assert!(walk(&short).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn no_flipped_bit_panics() {
        let bytes = sample();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let _ = walk(&damaged);
            }
        }
    }

    #[test]
    fn no_replaced_number_panics() {
        let bytes = sample();
        for at in 0..bytes.len() - 4 {
            for value in [u32::MAX, u32::MAX - 15, 1 << 31, 0x1000] {
                let mut damaged = bytes.clone();
                damaged[at..at + 4].copy_from_slice(&value.to_le_bytes());
                let _ = walk(&damaged);
            }
        }
    }

    #[test]
    fn threads_inside_of_each_other_have_a_limit() {
        let nested = |depth: usize, long: bool| {
            let mut writer = Writer::default();
            for _ in 0..depth {
                writer.thread(0);
            }
            writer.wait(0);
            (0..depth).for_each(|_| writer.end_thread());
            let mut bytes = writer.finish();
            if long && depth > 1 {
                // The second thread gets a step more than the first has.
                bytes[HEADER + 9 + 5] += 1;
            }
            bytes
        };
        walk(&nested(MAX_THREAD_DEPTH, false)).unwrap();
        assert!(walk(&nested(MAX_THREAD_DEPTH + 1, false)).is_err());
        assert!(walk(&nested(2, true)).is_err());
    }

    #[test]
    fn another_version_says_both() {
        let mut bytes = sample();
        bytes[8] = 77;
        assert_eq!(walk(&bytes), Err(ScriptError::Version { found: 77 }));
        assert_eq!(walk(b"\x7fELF\x02\x01\x01\0"), Err(ScriptError::Magic));
    }

    #[test]
    fn a_part_is_split_off() {
        let bytes = sample();
        let script = Script::parse(&bytes).unwrap();
        let mut steps = script.steps();
        let total = script.counts().steps;
        let first: Vec<u32> = steps.split(3).map(|(position, _)| position).collect();
        assert_eq!(first, [0, 1, 2]);
        assert_eq!(steps.next().unwrap().0, 3);
        let rest = steps.split(u32::MAX);
        assert_eq!(rest.count() as u32, total - 4);
        assert!(steps.next().is_none());
    }
}
