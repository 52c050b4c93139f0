// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The boot bundle: what the host hands to the root task.
//!
//! A [`Header`], an array of [`AppRecord`], then the bytes that they point at; all little-endian,
//! offsets counted from the header's first byte. [`Bundle::parse`] checks all of it; afterwards
//! nothing can fail.

use crate::strings::Strings;
use core::fmt;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First bytes of a bundle.
pub const MAGIC: [u8; 8] = *b"waBUNDLE";
/// The version of everything in this module.
pub const VERSION: u32 = 1;
/// What stands where a bundle goes in a root task that has none: the linker script writes it, the
/// host finds the segment by it and replaces it.
pub const PAYLOAD_MARKER: &[u8; 16] = b"wasm-aot payload";
/// Apps in a bundle, at most: their index is a `u16` in frames, and the last one means none.
pub const MAX_APPS: u32 = 65_535;

/// Bits of [`Bundle::flags`].
pub mod flags {
    /// A host listens on COM2: output goes there as frames, instead of to COM1 as text.
    pub const HOSTED: u32 = 1;
    /// After the last app, end QEMU through its `isa-debug-exit` device.
    pub const POWER_OFF: u32 = 2;
    /// Every bit that this version knows.
    pub const ALL: u32 = 3;
}

/// Bits of [`App::flags`].
pub mod app_flags {
    /// An import that nobody provides traps when called; without this bit the app is refused.
    pub const UNKNOWN_IMPORTS_TRAP: u32 = 1;
    /// [`super::App::invoke`] was named by the user, see `startup::flags::INVOKE`.
    pub const INVOKE: u32 = 2;
    /// Every bit that this version knows.
    pub const ALL: u32 = 3;
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
}

/// An app, as it stands in the bundle.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub struct AppRecord {
    name: Range,
    object: Range,
    args: Range,
    env: Range,
    invoke: Range,
    flags: U32,
    reserved: U32,
    memory_limit: U64,
    stack_size: U64,
}

/// An app to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App<'a> {
    /// What people call it.
    pub name: &'a str,
    /// The relocatable object.
    pub object: &'a [u8],
    /// Arguments, `argv[0]` first.
    pub args: Strings<'a>,
    /// Environment, `NAME=value`.
    pub env: Strings<'a>,
    /// Name of the export to run; empty for none but the instantiation.
    pub invoke: &'a str,
    /// [`app_flags`].
    pub flags: u32,
    /// Bytes of frames that the app may have, everything included; 0 for no limit but the
    /// machine's.
    pub memory_limit: u64,
    /// Bytes of its stack; 0 for the root task's default.
    pub stack_size: u64,
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
        let bundle = Self {
            bytes,
            header,
            apps,
        };
        for record in apps {
            bundle.read(record)?;
        }
        Ok(bundle)
    }

    fn range(&self, range: Range) -> Result<&'a [u8], BundleError> {
        self.bytes
            .get(range.offset.get() as usize..)
            .and_then(|rest| rest.get(..range.length.get() as usize))
            .ok_or(BundleError::Truncated("a range of an app"))
    }

    fn read(&self, record: &AppRecord) -> Result<App<'a>, BundleError> {
        let text = |range| {
            core::str::from_utf8(self.range(range)?)
                .map_err(|_| BundleError::Invalid("a name that is not UTF-8"))
        };
        let list = |range| {
            Strings::new(self.range(range)?)
                .ok_or(BundleError::Invalid("a list of strings without its end"))
        };
        if record.flags.get() & !app_flags::ALL != 0 {
            return Err(BundleError::Invalid("unknown flags of an app"));
        }
        Ok(App {
            name: text(record.name)?,
            object: self.range(record.object)?,
            args: list(record.args)?,
            env: list(record.env)?,
            invoke: text(record.invoke)?,
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

/// Writing (feature `write`).
#[cfg(any(test, feature = "write"))]
mod write {
    use super::*;
    use crate::strings::join;
    use alloc::string::String;
    use alloc::vec::Vec;

    /// An app to put into a bundle; the fields are those of [`App`].
    #[derive(Clone, Debug, Default)]
    pub struct AppSpec {
        /// What people call it.
        pub name: String,
        /// The relocatable object.
        pub object: Vec<u8>,
        /// Arguments, `argv[0]` first.
        pub args: Vec<String>,
        /// Environment, `NAME=value`.
        pub env: Vec<String>,
        /// Name of the export to run.
        pub invoke: String,
        /// [`app_flags`].
        pub flags: u32,
        /// See [`App::memory_limit`].
        pub memory_limit: u64,
        /// See [`App::stack_size`].
        pub stack_size: u64,
    }

    /// The bytes of a bundle, or `None` where they would not fit its 32-bit offsets.
    #[must_use]
    pub fn encode(flags: u32, apps: &[AppSpec]) -> Option<Vec<u8>> {
        let count = u32::try_from(apps.len()).ok().filter(|&n| n <= MAX_APPS)?;
        let mut pool = Vec::new();
        let start = size_of::<Header>() + apps.len() * size_of::<AppRecord>();
        let mut place = |bytes: &[u8]| {
            // Objects are parsed where they lie: keep them aligned as the bundle is.
            while !(start + pool.len()).is_multiple_of(16) {
                pool.push(0);
            }
            let range = Range {
                offset: u32::try_from(start + pool.len()).ok()?.into(),
                length: u32::try_from(bytes.len()).ok()?.into(),
            };
            pool.extend_from_slice(bytes);
            Some(range)
        };
        let mut records = Vec::new();
        for app in apps {
            records.push(AppRecord {
                name: place(app.name.as_bytes())?,
                object: place(&app.object)?,
                args: place(&join(&app.args))?,
                env: place(&join(&app.env))?,
                invoke: place(app.invoke.as_bytes())?,
                flags: app.flags.into(),
                reserved: 0.into(),
                memory_limit: app.memory_limit.into(),
                stack_size: app.stack_size.into(),
            });
        }
        let header = Header {
            magic: MAGIC,
            version: VERSION.into(),
            flags: flags.into(),
            total: u32::try_from(start + pool.len()).ok()?.into(),
            apps: count.into(),
        };
        let mut bytes = Vec::from(header.as_bytes());
        bytes.extend_from_slice(records.as_bytes());
        bytes.extend_from_slice(&pool);
        Some(bytes)
    }
}
#[cfg(any(test, feature = "write"))]
pub use write::{AppSpec, encode};

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn sample() -> Vec<u8> {
        let app = AppSpec {
            name: "a".into(),
            object: b"\x7fELF".to_vec(),
            args: ["a".into(), "x y".into()].into(),
            env: ["K=v".into()].into(),
            invoke: "_start".into(),
            flags: app_flags::INVOKE,
            memory_limit: 1 << 33,
            stack_size: 65_536,
        };
        encode(flags::HOSTED, &[app, AppSpec::default()]).unwrap()
    }

    #[test]
    fn bundles_round_trip() {
        let mut bytes = sample();
        let length = bytes.len();
        bytes.extend([0; 50]);
        let bundle = Bundle::parse(&bytes).unwrap();
        assert_eq!(bundle.flags(), flags::HOSTED);
        assert_eq!(bundle.byte_length(), length);
        let apps: Vec<_> = bundle.apps().collect();
        assert_eq!(apps.len(), 2);
        assert_eq!(apps[0].name, "a");
        assert_eq!(apps[0].object, b"\x7fELF");
        assert_eq!(
            apps[0].object.as_ptr() as usize % 4,
            bytes.as_ptr() as usize % 4
        );
        assert_eq!(apps[0].args.iter().nth(1), Some(&b"x y"[..]));
        assert_eq!(apps[0].memory_limit, 1 << 33);
        assert_eq!(apps[1].object, b"");
    }

    #[test]
    fn truncation_is_refused_and_damage_never_panics() {
        let bytes = sample();
        for length in 0..bytes.len() {
            assert!(Bundle::parse(&bytes[..length]).is_err(), "{length}");
        }
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                if let Ok(bundle) = Bundle::parse(&damaged) {
                    for app in bundle.apps() {
                        let _ = app.args.iter().count();
                    }
                }
            }
        }
    }

    #[test]
    fn errors_tell_absence_from_another_version() {
        assert_eq!(Bundle::parse(&[0; 64]).unwrap_err(), BundleError::Absent);
        let mut bytes = sample();
        bytes[8] = 9;
        assert_eq!(Bundle::parse(&bytes).unwrap_err(), BundleError::Version(9));
    }
}
