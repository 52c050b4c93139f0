// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Why a command fails, and what its exit status is then.

use std::fmt;
use wasm_aot_protocol::error::Refusal;
use wasm_aot_protocol::message::Exit;

/// Why a command fails.
#[derive(Debug)]
pub enum Failure {
    /// Something here: a file, an argument.
    Here(anyhow::Error),
    /// The loader refuses it.
    Refused(Box<Refusal>),
    /// The loader cannot be reached.
    Unreachable(String),
    /// Somebody pressed Ctrl-C.
    Interrupted,
}

/// Exit status where nothing else is said: an error here.
pub const HERE: u8 = 1;
/// The loader refused it.
pub const REFUSED: u8 = 3;
/// The loader cannot be reached.
pub const UNREACHABLE: u8 = 4;
/// Any of these, where other numbers are the program's own (`deploy --run`, `wait`).
pub const NOT_THE_PROGRAM: u8 = 125;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// The program trapped.
pub const TRAP: u8 = 134;
/// The program was killed.
pub const KILLED: u8 = 137;
/// The program was stopped.
pub const STOPPED: u8 = 143;

impl Failure {
    /// The exit status; `program`: other numbers are the program's own.
    pub fn status(&self, program: bool) -> u8 {
        match self {
            Self::Interrupted => INTERRUPTED,
            _ if program => NOT_THE_PROGRAM,
            Self::Here(_) => HERE,
            Self::Refused(_) => REFUSED,
            Self::Unreachable(_) => UNREACHABLE,
        }
    }

    /// As `--json` has it: a name for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Here(_) => "error",
            Self::Refused(refusal) => refusal.code.name(),
            Self::Unreachable(_) => "unreachable",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The exit status of a program that has ended so.
pub fn status(exit: Exit) -> u8 {
    match exit {
        // As a shell sees it: the lowest 8 bits.
        Exit::Code(code) => code as u8,
        Exit::Trap(_) => TRAP,
        Exit::Killed => KILLED,
        Exit::Stopped => STOPPED,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(error) => write!(f, "{error:#}"),
            Self::Refused(refusal) => {
                write!(
                    f,
                    "the loader refuses this: {refusal} ({})",
                    refusal.code.name()
                )
            }
            Self::Unreachable(text) => write!(f, "{text}"),
            Self::Interrupted => write!(f, "interrupted"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Here(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Here(error.into())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}
