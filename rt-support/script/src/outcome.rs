// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What came of each step: frames that an engine writes and a host reads.
//!
//! A stream begins with [`MAGIC`] and the version (4 bytes). A frame is the step's position
//! (4 bytes), the [`Kind`] (1 byte), the payload's length (4 bytes), and the payload. Frames of
//! steps in threads come in any order; the last frame is of kind [`Kind::End`].
//!
//! | kind | payload |
//! |---|---|
//! | `Done`, `End` | none |
//! | `Values` | 16 bytes a value; the second word of a reference is its [`RefKind`] |
//! | `Trap` | the trap code (1 byte), then text |
//! | `Exception`, `Link`, `Refused` | text |

/// The first bytes of a stream.
pub const MAGIC: [u8; 8] = *b"wasm-out";

/// Texts are cut off after this many bytes.
pub const MAX_TEXT: usize = 480;

/// Bytes before the first frame: the magic and the version.
pub const PREAMBLE: usize = MAGIC.len() + 4;

/// Bytes of a frame's header.
pub const FRAME: usize = 9;

/// Bytes of the frame that begins with these bytes; `None` as long as its header is not complete.
#[must_use]
pub fn frame_length(bytes: &[u8]) -> Option<usize> {
    let (_, length) = bytes.first_chunk::<FRAME>()?.split_last_chunk::<4>()?;
    Some(FRAME + u32::from_le_bytes(*length) as usize)
}

/// What kind of outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// The step is done and has no value.
    Done = 0,
    /// The results of a call, the value of a global.
    Values = 1,
    /// A trap.
    Trap = 2,
    /// An exception that nobody caught.
    Exception = 3,
    /// An import that is not there or does not fit.
    Link = 4,
    /// The world could not do the step: a defect, a missing ability, or the step makes no sense.
    Refused = 5,
    /// No step: the script is over.
    End = 6,
}

/// What a reference refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum RefKind {
    /// Nothing.
    Null = 0,
    /// A function.
    Function = 1,
    /// A value of the host (`ref.extern N`, `ref.host N`): the word is `(N << 2) | 2`.
    Host = 2,
    /// A small integer: the word is `(N << 1) | 1`.
    I31 = 3,
    /// A structure.
    Struct = 4,
    /// An array.
    Array = 5,
    /// An exception.
    Exception = 6,
    /// An object of the heap of which the world says no more.
    Object = 7,
}

impl RefKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [RefKind; 8] = [
        RefKind::Null,
        RefKind::Function,
        RefKind::Host,
        RefKind::I31,
        RefKind::Struct,
        RefKind::Array,
        RefKind::Exception,
        RefKind::Object,
    ];
}

/// The word that stands for the host's value `N` in a script.
#[must_use]
pub const fn host_reference(value: u32) -> u64 {
    (value as u64) << 2 | 2
}

#[cfg(feature = "write")]
pub use read::{Outcome, OutcomeError, Outcomes};

/// The host's side.
#[cfg(feature = "write")]
mod read {
    use super::{Kind, MAGIC, MAX_TEXT};
    use crate::format::Reader;
    use crate::{Slot, VERSION};
    use alloc::string::String;
    use alloc::vec::Vec;
    use core::fmt;

    /// What came of a step.
    #[derive(Clone, PartialEq, Eq, Debug)]
    pub enum Outcome {
        /// [`Kind::Done`].
        Done,
        /// [`Kind::Values`].
        Values(Vec<Slot>),
        /// [`Kind::Trap`].
        Trap {
            /// A `wasm_aot_trap::TrapCode`.
            code: u8,
            /// Its text.
            text: String,
        },
        /// [`Kind::Exception`].
        Exception(String),
        /// [`Kind::Link`].
        Link(String),
        /// [`Kind::Refused`].
        Refused(String),
    }

    /// Why bytes are no outcomes.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    #[non_exhaustive]
    pub enum OutcomeError {
        /// They do not begin as outcomes do.
        Magic,
        /// Outcomes of another version.
        Version {
            /// Their version.
            found: u32,
        },
        /// A frame of an unknown kind, of a step that is not in the script, with a payload that
        /// cannot be.
        Frame {
            /// The byte where the frame begins.
            at: usize,
        },
    }

    impl fmt::Display for OutcomeError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Magic => f.write_str("what the engine wrote are no outcomes"),
                Self::Version { found } => write!(
                    f,
                    "the engine writes outcomes of version {found}, not {VERSION}; \
                     use an engine of the same release of wasm-aot"
                ),
                Self::Frame { at } => write!(f, "the engine wrote nonsense at byte {at}"),
            }
        }
    }

    impl core::error::Error for OutcomeError {}

    /// All outcomes of a script.
    #[derive(Clone, Debug)]
    pub struct Outcomes {
        /// By step; `None` where the engine did not come to it.
        pub steps: Vec<Option<Outcome>>,
        /// Whether the engine came to the script's end.
        pub complete: bool,
    }

    impl Outcomes {
        /// Reads the outcomes of a script of `steps` steps. Where the engine died in the middle of
        /// a frame, that frame is as if not written.
        ///
        /// # Errors
        /// Where the bytes are something else.
        pub fn parse(bytes: &[u8], steps: u32) -> Result<Self, OutcomeError> {
            let mut outcomes = Self {
                steps: alloc::vec![None; steps as usize],
                complete: false,
            };
            let mut reader = Reader { bytes, at: 0 };
            match reader.take(MAGIC.len()) {
                None if MAGIC.starts_with(bytes) => return Ok(outcomes),
                Some(magic) if magic == MAGIC => {}
                _ => return Err(OutcomeError::Magic),
            }
            let Some(version) = reader.u32() else {
                return Ok(outcomes);
            };
            if version != VERSION {
                return Err(OutcomeError::Version { found: version });
            }
            while let Some((at, step, kind, payload)) = frame(&mut reader) {
                let wrong = OutcomeError::Frame { at };
                if outcomes.complete || payload.len() > MAX_PAYLOAD {
                    return Err(wrong);
                }
                if kind == Kind::End as u8 {
                    outcomes.complete = true;
                    continue;
                }
                let slot = outcomes.steps.get_mut(step as usize).ok_or(wrong)?;
                *slot = Some(outcome(kind, payload).ok_or(wrong)?);
            }
            Ok(outcomes)
        }
    }

    /// The largest payload that makes sense: the values of a call with 1000 results, the most
    /// that engines of WebAssembly allow.
    const MAX_PAYLOAD: usize = 1000 * size_of::<Slot>();
    const _: () = assert!(MAX_TEXT < MAX_PAYLOAD);

    fn frame<'a>(reader: &mut Reader<'a>) -> Option<(usize, u32, u8, &'a [u8])> {
        let at = reader.at;
        let (step, kind, length) = (reader.u32()?, reader.u8()?, reader.u32()?);
        Some((at, step, kind, reader.take(length as usize)?))
    }

    fn outcome(kind: u8, payload: &[u8]) -> Option<Outcome> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(match kind {
            0 if payload.is_empty() => Outcome::Done,
            1 => {
                let (slots, []) = payload.as_chunks::<{ size_of::<Slot>() }>() else {
                    return None;
                };
                let slot = |bytes: &[u8; 16]| {
                    let bits = u128::from_le_bytes(*bytes);
                    [bits as u64, (bits >> 64) as u64]
                };
                Outcome::Values(slots.iter().map(slot).collect())
            }
            2 => {
                let (&code, rest) = payload.split_first()?;
                Outcome::Trap {
                    code,
                    text: text(rest),
                }
            }
            3 => Outcome::Exception(text(payload)),
            4 => Outcome::Link(text(payload)),
            5 => Outcome::Refused(text(payload)),
            _ => return None,
        })
    }
}
