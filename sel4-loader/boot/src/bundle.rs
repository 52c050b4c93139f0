// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The boot bundle: what the host hands to the root task.
//!
//! A [`Header`], an array of [`AppRecord`], then the bytes that they point at; all little-endian,
//! offsets counted from the header's first byte. [`Bundle::parse`] checks all of it; afterwards
//! nothing can fail.
//!
//! An app is either some modules, which are linked, instantiated in their order, and the last of
//! which is run; or a test script, which brings its own modules (`wasm-aot-script`).

mod grant;

use crate::strings::Strings;
use core::fmt;
pub use grant::{Grant, GrantRecord, MAX_GRANTS, Resource, grant_flags};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First bytes of a bundle.
pub const MAGIC: [u8; 8] = *b"waBUNDLE";
/// The version of everything in this module.
pub const VERSION: u32 = 5;
/// What stands where a bundle goes in a root task that has none: the linker script writes it, the
/// host finds the segment by it and replaces it.
pub const PAYLOAD_MARKER: &[u8; 16] = b"wasm-aot payload";
/// Apps in a bundle, at most: their index is a `u16` in frames, and the last one means none.
pub const MAX_APPS: u32 = 65_535;

/// What the offset of an archive is a multiple of: a page.
pub const ARCHIVE_ALIGNMENT: u32 = 4096;
/// Directories of an app, at most.
pub const MAX_DIRS: usize = 64;

/// Bits of [`Bundle::flags`].
pub mod flags {
    /// A host listens on COM2: output goes there as frames, instead of to COM1 as text.
    pub const HOSTED: u32 = 1;
    /// After the last app, end QEMU through its `isa-debug-exit` device.
    pub const POWER_OFF: u32 = 2;
    /// A test: the apps are loaded and unloaded again and again, several at once and in any order,
    /// and nobody waits for what they do.
    pub const CHURN: u32 = 4;
    /// Every bit that this version knows.
    pub const ALL: u32 = 7;
}

/// Bits of [`App::flags`].
pub mod app_flags {
    /// An import that nobody provides traps when called; without this bit the app is refused.
    pub const UNKNOWN_IMPORTS_TRAP: u32 = 1;
    /// [`super::App::invoke`] was named by the user, see `startup::flags::INVOKE`.
    pub const INVOKE: u32 = 2;
    /// When the app has ended, its directories are sent to the host as an archive.
    pub const PACK: u32 = 4;
    /// Standard input is a terminal; the two bits above say it of the output streams.
    pub const TERMINAL: u32 = 8;
    /// Standard input is [`super::App::input`]; without this bit the host or the console has it.
    pub const INPUT: u32 = 64;
    /// Every bit that this version knows.
    pub const ALL: u32 = 127;
}

/// How the processor is shared between apps with contracts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// The most urgent priority first.
    #[default]
    FixedPriority,
    /// The earliest deadline first.
    EarliestDeadline,
}

impl Policy {
    const ALL: [Self; 2] = [Self::FixedPriority, Self::EarliestDeadline];
}

/// A range of the bundle's bytes.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct Range {
    offset: U32,
    length: U32,
}

/// The first bytes of a bundle.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct Header {
    magic: [u8; 8],
    version: U32,
    flags: U32,
    /// Bytes of the whole bundle.
    total: U32,
    apps: U32,
    /// Position in [`Policy::ALL`].
    policy: U32,
    /// An array of [`GrantRecord`].
    grants: Range,
    duration_us: U64,
}

/// An app, as it stands in the bundle.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct AppRecord {
    name: Range,
    /// An array of [`ModuleRecord`].
    modules: Range,
    script: Range,
    args: Range,
    env: Range,
    invoke: Range,
    archive: Range,
    dirs: Range,
    input: Range,
    contract: Range,
    flags: U32,
    reserved: U32,
    memory_limit: U64,
    stack_size: U64,
}

/// A module of an app, as it stands in the bundle.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct ModuleRecord {
    name: Range,
    object: Range,
}

/// A module of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module<'a> {
    /// The name under which the app's other modules import from it.
    pub name: &'a str,
    /// The relocatable object.
    pub object: &'a [u8],
}

/// An app to run.
#[derive(Clone, Copy, Debug)]
pub struct App<'a> {
    bundle: Bundle<'a>,
    modules: &'a [ModuleRecord],
    /// What people call it.
    pub name: &'a str,
    /// A test script, or nothing.
    pub script: &'a [u8],
    /// Arguments, `argv[0]` first.
    pub args: Strings<'a>,
    /// Environment, `NAME=value`.
    pub env: Strings<'a>,
    /// Name of the export to run; empty for none but the instantiation.
    pub invoke: &'a str,
    /// What is in its directories, as a tar archive (`wasm-aot-memfs`). It begins at a multiple of
    /// [`ARCHIVE_ALIGNMENT`] and has the rest of its last page for itself, so that an app can
    /// have these pages of the bundle and sees nothing of the others'.
    pub archive: &'a [u8],
    /// The names of its directories, in the order of their numbers in the archive.
    pub dirs: Strings<'a>,
    /// Its standard input, if [`app_flags::INPUT`] says so.
    pub input: &'a [u8],
    /// The record of its contract (`wasm-aot-contract`), in the place of the one in its object;
    /// empty for that one.
    pub contract: &'a [u8],
    /// [`app_flags`].
    pub flags: u32,
    /// Bytes of frames that the app may have, everything included but unchanged contents of its
    /// directories; 0 for no limit but the machine's.
    pub memory_limit: u64,
    /// Bytes of its stack; 0 for the root task's default.
    pub stack_size: u64,
}

impl<'a> App<'a> {
    /// The modules in the order in which they are instantiated.
    pub fn modules(&self) -> impl ExactSizeIterator<Item = Module<'a>> + use<'a> {
        let bundle = self.bundle;
        // `Bundle::parse` has read all of them once.
        self.modules.iter().map(move |record| Module {
            name: bundle.text(record.name).unwrap_or_default(),
            object: bundle.range(record.object).unwrap_or_default(),
        })
    }
}

/// Why a bundle cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BundleError {
    /// There is none.
    Absent,
    /// It was written for another version of the root task.
    Version(u32),
    /// It ends before what it announces.
    Truncated(&'static str),
    /// A value that no writer of this version produces.
    Invalid(&'static str),
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str(
                "this image has no boot bundle; make one with `wasm-aot image` and its apps",
            ),
            Self::Version(found) => write!(
                f,
                "boot bundle version {found}, but this root task reads version {VERSION}; make \
                 the image with the wasm-aot of the same release"
            ),
            Self::Truncated(what) => write!(f, "boot bundle: {what} is truncated"),
            Self::Invalid(what) => write!(f, "boot bundle: {what}"),
        }
    }
}

impl core::error::Error for BundleError {}

/// A bundle, checked.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<'a> {
    bytes: &'a [u8],
    header: &'a Header,
    apps: &'a [AppRecord],
    grants: &'a [GrantRecord],
}

impl<'a> Bundle<'a> {
    /// Reads and checks the bundle at the front of `bytes`.
    ///
    /// # Errors
    /// Where there is none, or it is of another version, or points outside itself.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BundleError> {
        // The version first: another version's header may have another length.
        let (prefix, _) =
            <[[u8; 4]; 3]>::ref_from_prefix(bytes).map_err(|_| BundleError::Absent)?;
        if prefix[..2].as_flattened() != MAGIC {
            return Err(BundleError::Absent);
        }
        let version = u32::from_le_bytes(prefix[2]);
        if version != VERSION {
            return Err(BundleError::Version(version));
        }
        let truncated = BundleError::Truncated;
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| truncated("its header"))?;
        let bytes = bytes
            .get(..header.total.get() as usize)
            .ok_or(truncated("the bundle"))?;
        if header.flags.get() & !flags::ALL != 0 || header.apps.get() > MAX_APPS {
            return Err(BundleError::Invalid("unknown flags or too many apps"));
        }
        let records = bytes
            .get(size_of::<Header>()..)
            .ok_or(truncated("its header"))?;
        let count = header.apps.get() as usize;
        let (apps, _) = <[AppRecord]>::ref_from_prefix_with_elems(records, count)
            .map_err(|_| truncated("the list of apps"))?;
        if header.policy.get() as usize >= Policy::ALL.len() {
            return Err(BundleError::Invalid("an unknown scheduling policy"));
        }
        let mut bundle = Self {
            bytes,
            header,
            apps,
            grants: &[],
        };
        bundle.grants = <[GrantRecord]>::ref_from_bytes(bundle.range(header.grants)?)
            .map_err(|_| truncated("the list of grants"))?;
        grant::check(&bundle)?;
        for record in apps {
            bundle.read(record)?;
        }
        Ok(bundle)
    }

    fn range(&self, range: Range) -> Result<&'a [u8], BundleError> {
        self.bytes
            .get(range.offset.get() as usize..)
            .and_then(|rest| rest.get(..range.length.get() as usize))
            .ok_or(BundleError::Truncated("a range"))
    }

    fn text(&self, range: Range) -> Result<&'a str, BundleError> {
        core::str::from_utf8(self.range(range)?)
            .map_err(|_| BundleError::Invalid("a name that is not UTF-8"))
    }

    fn read(&self, record: &AppRecord) -> Result<App<'a>, BundleError> {
        let list = |range| {
            Strings::new(self.range(range)?)
                .ok_or(BundleError::Invalid("a list of strings without its end"))
        };
        if record.flags.get() & !app_flags::ALL != 0 {
            return Err(BundleError::Invalid("unknown flags of an app"));
        }
        let modules = <[ModuleRecord]>::ref_from_bytes(self.range(record.modules)?)
            .map_err(|_| BundleError::Truncated("the list of an app's modules"))?;
        for module in modules {
            self.text(module.name)?;
            self.range(module.object)?;
        }
        let script = self.range(record.script)?;
        if modules.is_empty() == script.is_empty() {
            return Err(BundleError::Invalid(
                "an app needs either modules or a script",
            ));
        }
        let archive = self.range(record.archive)?;
        let dirs = list(record.dirs)?;
        let start = record.archive.offset.get();
        if !archive.is_empty() && !start.is_multiple_of(ARCHIVE_ALIGNMENT) {
            return Err(BundleError::Invalid("an archive that is not at a page"));
        }
        if dirs.len() > MAX_DIRS {
            return Err(BundleError::Invalid("an app with too many directories"));
        }
        Ok(App {
            bundle: *self,
            archive,
            dirs,
            input: self.range(record.input)?,
            contract: self.range(record.contract)?,
            modules,
            name: self.text(record.name)?,
            script,
            args: list(record.args)?,
            env: list(record.env)?,
            invoke: self.text(record.invoke)?,
            flags: record.flags.get(),
            memory_limit: record.memory_limit.get(),
            stack_size: record.stack_size.get(),
        })
    }

    /// [`flags`].
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.header.flags.get()
    }

    /// How the processor is shared.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let policy = Policy::ALL.get(self.header.policy.get() as usize);
        policy.copied().unwrap_or_default()
    }

    /// Microseconds after which everything ends; 0 for never.
    #[must_use]
    pub fn duration_us(&self) -> u64 {
        self.header.duration_us.get()
    }

    /// The devices that apps may have if their contracts name them. The names are all different;
    /// whether there are such devices is for the root task to see.
    pub fn grants(&self) -> impl Iterator<Item = Grant<'a>> + use<'a> {
        let this = *self;
        // `parse` has read every record once.
        this.grants.iter().filter_map(move |r| this.grant(r).ok())
    }

    /// Bytes of the bundle.
    #[must_use]
    pub fn byte_length(&self) -> usize {
        self.bytes.len()
    }

    /// The apps in the order in which they run.
    pub fn apps(&self) -> impl Iterator<Item = App<'a>> + use<'a> {
        let this = *self;
        // `parse` has read every record once.
        this.apps.iter().filter_map(move |r| this.read(r).ok())
    }
}

#[cfg(any(test, feature = "write"))]
mod write;
#[cfg(any(test, feature = "write"))]
pub use write::{AppSpec, GrantSpec, SystemSpec, encode, set_flags};

#[cfg(test)]
mod tests;
