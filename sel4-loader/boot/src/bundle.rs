// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The boot bundle: what the host hands to the root task.
//!
//! A [`Header`], an array of [`AppRecord`], then the bytes that they point at; all little-endian,
//! offsets counted from the header's first byte. [`Bundle::parse`] checks all of it; afterwards
//! nothing can fail.
//!
//! An app is either some modules, which are linked, instantiated in their order, and the last of
//! which is run; or a test script, which brings its own modules (`wasm-aot-script`).

use crate::strings::Strings;
use core::fmt;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First bytes of a bundle.
pub const MAGIC: [u8; 8] = *b"waBUNDLE";
/// The version of everything in this module.
pub const VERSION: u32 = 3;
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
    /// Every bit that this version knows.
    pub const ALL: u32 = 3;
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
    /// An array of [`ModuleRecord`].
    modules: Range,
    script: Range,
    args: Range,
    env: Range,
    invoke: Range,
    archive: Range,
    dirs: Range,
    input: Range,
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

    /// Microseconds after which all apps are ended; 0 for no such time.
    #[must_use]
    pub fn duration_us(&self) -> u64 {
        0
    }
    fn range(&self, range: Range) -> Result<&'a [u8], BundleError> {
        self.bytes
            .get(range.offset.get() as usize..)
            .and_then(|rest| rest.get(..range.length.get() as usize))
            .ok_or(BundleError::Truncated("a range of an app"))
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
        /// Names and objects of its modules; see [`Module`].
        pub modules: Vec<(String, Vec<u8>)>,
        /// A test script, for an app without modules.
        pub script: Vec<u8>,
        /// Arguments, `argv[0]` first.
        pub args: Vec<String>,
        /// Environment, `NAME=value`.
        pub env: Vec<String>,
        /// Name of the export to run.
        pub invoke: String,
        /// See [`App::archive`].
        pub archive: Vec<u8>,
        /// Names of its directories.
        pub dirs: Vec<String>,
        /// See [`App::input`].
        pub input: Vec<u8>,
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
        let mut aligned = |bytes: &[u8], alignment: usize| {
            let misplaced = (start + pool.len()) % alignment;
            pool.resize(pool.len() + (alignment - misplaced) % alignment, 0);
            let range = Range {
                offset: u32::try_from(start + pool.len()).ok()?.into(),
                length: u32::try_from(bytes.len()).ok()?.into(),
            };
            pool.extend_from_slice(bytes);
            Some(range)
        };
        let mut records = Vec::new();
        for app in apps {
            let mut archive = Range {
                offset: 0.into(),
                length: 0.into(),
            };
            if !app.archive.is_empty() {
                let page = ARCHIVE_ALIGNMENT as usize;
                archive = aligned(&app.archive, page)?;
                // The rest of its last page.
                aligned(&[], page)?;
            }
            // Objects are parsed where they lie: keep them aligned as the bundle is.
            let mut place = |bytes: &[u8]| aligned(bytes, 16);
            let mut modules = Vec::new();
            for (name, object) in &app.modules {
                modules.push(ModuleRecord {
                    name: place(name.as_bytes())?,
                    object: place(object)?,
                });
            }
            records.push(AppRecord {
                name: place(app.name.as_bytes())?,
                modules: place(modules.as_bytes())?,
                script: place(&app.script)?,
                args: place(&join(&app.args))?,
                env: place(&join(&app.env))?,
                invoke: place(app.invoke.as_bytes())?,
                archive,
                dirs: place(&join(&app.dirs))?,
                input: place(&app.input)?,
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
            modules: [
                ("library".into(), b"ELF".to_vec()),
                ("".into(), b"\x7fELF".to_vec()),
            ]
            .into(),
            script: Vec::new(),
            args: ["a".into(), "x y".into()].into(),
            env: ["K=v".into()].into(),
            invoke: "_start".into(),
            archive: b"tar".to_vec(),
            dirs: ["/".into()].into(),
            input: b"typed".to_vec(),
            flags: app_flags::INVOKE,
            memory_limit: 1 << 33,
            stack_size: 65_536,
        };
        let script = AppSpec {
            script: b"steps".to_vec(),
            ..AppSpec::default()
        };
        encode(flags::HOSTED, &[app, script]).unwrap()
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
        let modules: Vec<_> = apps[0].modules().collect();
        assert_eq!(
            (modules[0].name, modules[0].object),
            ("library", &b"ELF"[..])
        );
        assert_eq!((modules[1].name, modules[1].object), ("", &b"\x7fELF"[..]));
        assert_eq!(
            modules[1].object.as_ptr() as usize % 16,
            bytes.as_ptr() as usize % 16
        );
        assert_eq!(apps[0].args.iter().nth(1), Some(&b"x y"[..]));
        assert_eq!((apps[0].archive, apps[0].dirs.len()), (&b"tar"[..], 1));
        assert_eq!(apps[0].input, b"typed");
        let offset = apps[0].archive.as_ptr() as usize - bytes.as_ptr() as usize;
        assert_eq!(offset % ARCHIVE_ALIGNMENT as usize, 0);
        assert!(bytes[offset + 3..offset + 4096].iter().all(|&b| b == 0));
        assert_eq!(apps[0].memory_limit, 1 << 33);
        assert_eq!(apps[1].modules().len(), 0);
        assert_eq!(apps[1].script, b"steps");
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
                        let _ = app.modules().map(|m| m.object.len()).sum::<usize>();
                    }
                }
            }
        }
    }

    #[test]
    fn an_app_is_modules_or_a_script() {
        let both = AppSpec {
            modules: [("".into(), b"ELF".to_vec())].into(),
            script: b"steps".to_vec(),
            ..AppSpec::default()
        };
        for app in [both, AppSpec::default()] {
            let bytes = encode(0, &[app]).unwrap();
            assert!(matches!(
                Bundle::parse(&bytes),
                Err(BundleError::Invalid(_))
            ));
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
