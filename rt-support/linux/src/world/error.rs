// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Why an object cannot be loaded, or a world not be used.

use core::fmt;
use rustix::io::Errno;
use wasm_aot_loader::LoadError;
use wasm_aot_object::meta::Kind;

/// What went wrong. Names borrow from the objects' bytes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Error<'a> {
    /// The object is refused.
    Load(LoadError<'a>),
    /// The process has a world already.
    Taken,
    /// More instances than are supported.
    TooMany,
    /// A memory or table begins larger than any address space is.
    Size {
        /// What it is.
        what: &'static str,
        /// How large it begins.
        min: u64,
        /// In these units.
        unit: &'static str,
    },
    /// The system gives no memory there.
    Map {
        /// What it was wanted for.
        what: &'static str,
        /// Where, or 0 for anywhere.
        address: u64,
        /// How much.
        bytes: u64,
        /// What the system says.
        errno: Errno,
    },
    /// Two instances that are linked with each other have memories at the same address.
    SamePlace {
        /// Module name of one.
        one: &'a str,
        /// Module name of the other.
        other: &'a str,
        /// The address.
        base: u64,
    },
    /// An object with a heap of structures, arrays or exceptions, which is for one thread, is to
    /// be used on another.
    ThreadHeap {
        /// Its module name.
        module: &'a str,
    },
    /// An instance does not export this.
    Export {
        /// Its module name.
        module: &'a str,
        /// The name.
        name: &'a str,
        /// What was looked for.
        kind: Kind,
    },
}

impl Error<'_> {
    /// The lists of the world itself cannot grow.
    pub(crate) fn lists(errno: Errno) -> Self {
        Self::Map {
            what: "the list of instances",
            address: 0,
            bytes: 0,
            errno,
        }
    }
}

impl<'a> From<LoadError<'a>> for Error<'a> {
    fn from(error: LoadError<'a>) -> Self {
        Self::Load(error)
    }
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Taken => f.write_str("another program is running in this process"),
            Self::TooMany => write!(
                f,
                "more than {} instances in one process",
                super::MAX_INSTANCES
            ),
            Self::Size { what, min, unit } => {
                write!(
                    f,
                    "{what} begins with {min} {unit}, more than can be provided"
                )
            }
            Self::Map {
                what,
                errno: Errno::BUSY,
                ..
            } => write!(
                f,
                "the place of {what} is in use by another thread; build the object with \
                 `--memory-base relocate`"
            ),
            Self::Map {
                what,
                address: 0,
                bytes,
                errno,
            } => write!(f, "no {bytes} bytes of address space for {what}: {errno}"),
            Self::Map {
                what,
                address,
                bytes,
                errno: Errno::EXIST,
            } => write!(
                f,
                "something is mapped in this process where {what} belongs: {bytes:#x} bytes at \
                 {address:#x}; build the object with another `--memory-base`, or `relocate`"
            ),
            Self::Map {
                what,
                address,
                bytes,
                errno,
            } => write!(
                f,
                "no {bytes:#x} bytes of address space at {address:#x} for {what}: {errno}"
            ),
            Self::SamePlace { one, other, base } => write!(
                f,
                "the modules `{one}` and `{other}` are linked with each other, and both have a \
                 memory at {base:#x}; build one of them with `--memory-base relocate`"
            ),
            Self::ThreadHeap { module } => write!(
                f,
                "the module `{module}` has structures, arrays or exceptions, whose heap is for the \
                 first thread alone"
            ),
            Self::Export { module, name, kind } => {
                let kind = kind.name();
                write!(f, "the module `{module}` exports no {kind} `{name}`")
            }
        }
    }
}

impl core::error::Error for Error<'_> {}
