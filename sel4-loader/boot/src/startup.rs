// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The start-up page: what an app finds at [`crate::space::STARTUP`] when it begins.
//!
//! A [`Page`], then the bytes of the strings. The root task writes it; the app's runtime trusts
//! the root task, but still reads it through [`Startup::parse`], which cannot go astray.

use crate::device::Device;
use crate::strings::Strings;
use zerocopy::little_endian::U64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// First word of the page; the last byte is the version.
pub const MAGIC: u64 = u64::from_le_bytes(*b"waSTART\x04");

/// A range of the bytes that follow [`Page`], counted from the page's first byte.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Range {
    /// First byte.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

/// The fixed part. All addresses are the app's.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Page {
    /// [`MAGIC`].
    pub magic: u64,
    /// Ticks of the time stamp counter in a second; 0 where it could not be measured.
    pub tsc_hz: u64,
    /// The time stamp counter when the root task started.
    pub tsc_start: u64,
    /// Nanoseconds since 1970-01-01 00:00 UTC at `tsc_start`; 0 where there is no clock.
    pub epoch_ns: u64,
    /// The function to run after the instantiation; 0 for none.
    pub callee: u64,
    /// The trampoline that calls `callee` with slots; 0 where it is called directly, `fn()`.
    pub trampoline: u64,
    /// Descriptor of the memory that WASI calls refer to; 0 where there is none.
    pub memory: u64,
    /// Bytes of the heap at [`crate::space::HEAP`]; 0 where there is none.
    pub heap: u64,
    /// Bytes that files may take, at [`crate::space::FILES`]; 0 where the app has no directories.
    pub files: u64,
    /// Bytes of the archive of its directories at [`crate::space::ARCHIVE`].
    pub archive: u64,
    /// Arguments, `argv[0]` first.
    pub args: Range,
    /// Environment, `NAME=value`.
    pub env: Range,
    /// Addresses of the functions to run first, in this order: `MODULE:instantiate` of each
    /// module, and its `_initialize`, where it has one; 8 bytes each.
    pub instantiate: Range,
    /// Type of `callee` as text, `(i32 i64) -> (f32)`; empty where it is called directly.
    pub signature: Range,
    /// Names of its directories.
    pub dirs: Range,
    /// Its devices: [`Device`].
    pub devices: Range,
    /// Names of its devices, in the same order.
    pub device_names: Range,
    /// [`flags`].
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}

/// Bits of [`Page::flags`].
pub mod flags {
    /// The function was named by the user: its arguments are those after `argv[0]`, its results
    /// are printed one a line.
    pub const INVOKE: u32 = 1;
    /// The processor has RDRAND.
    pub const RDRAND: u32 = 2;
    /// The app runs a test script: it says that it is ready and is told what to call.
    pub const SCRIPT: u32 = 4;
    /// Standard input is a terminal; the two bits above say it of the output streams.
    pub const TERMINAL: u32 = 8;
    /// When the app has begun it says so, and is told what to call: every period, its job.
    pub const RESIDENT: u32 = 64;
    /// All that the heap and files may become is accessible. What memories and tables grow by is
    /// asked for: code relies on faults behind the end of a memory.
    pub const MAPPED: u32 = 128;
}

/// What the app runtime says about itself to the root task, at [`crate::space::RUNTIME`].
pub mod exports {
    use zerocopy::{FromBytes, Immutable, KnownLayout};

    /// First word of the header; the last byte is the version.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"waRUNTM\x02");

    /// The header.
    #[derive(FromBytes, KnownLayout, Immutable, Clone, Copy, Debug, Default)]
    #[repr(C)]
    pub struct Header {
        /// [`MAGIC`].
        pub magic: u64,
        /// Where an app begins: RDI is the address of the start-up page, RSP that of the stack's
        /// end minus 8.
        pub entry: u64,
        /// Where the thread of a test script is put: RDI is a trampoline, RSI the function to call
        /// through it, RDX the address of its slots; RDI is 0 where RSI is a `fn()`.
        pub call: u64,
        /// A trampoline that calls nothing: it puts the header of the object of the heap whose
        /// address is in the first slot there instead.
        pub object_header: u64,
        /// Where the thread of an app that has ended is put, so that it sends its directories.
        pub pack: u64,
        /// Address of a word: the descriptor of the memory of whoever calls a function of WASI.
        pub caller: u64,
        /// Address of the array of [`Entry`].
        pub entries: u64,
        /// Entries in the array.
        pub count: u64,
    }

    /// A function for objects to link with.
    #[derive(FromBytes, KnownLayout, Immutable, Clone, Copy, Debug)]
    #[repr(C)]
    pub struct Entry {
        /// Address of the symbol's name.
        pub name: u64,
        /// Bytes of the name.
        pub length: u64,
        /// Address of the function.
        pub address: u64,
        /// Its WebAssembly type ([`signature`]), [`UNTYPED`] for those that no module imports.
        pub signature: u64,
    }

    /// The type of a function that compiled code calls by itself.
    pub const UNTYPED: u64 = u64::MAX;

    /// Adds a value to a type, four bits each: 8 for an `i32`, 9 for an `i64`, 0 for none.
    /// Parameters are at the positions 0 to 13, the result at [`RESULT`].
    #[must_use]
    pub const fn with(signature: u64, position: u32, is_i64: bool) -> u64 {
        signature | (8 | is_i64 as u64) << (position * 4)
    }

    /// Position of the result for [`with`].
    pub const RESULT: u32 = 15;
    /// Parameters, at most.
    pub const PARAMETERS: u32 = 14;

    /// The number of a type that stands as text in an object's metadata, `(i32 i64) -> (i32)`;
    /// `None` for types that no host function has.
    #[must_use]
    pub fn signature(text: &str) -> Option<u64> {
        let (parameters, results) = text.split_once(" -> ")?;
        let mut signature = 0;
        for (half, first, most) in [(parameters, 0, PARAMETERS), (results, RESULT, 1)] {
            let inner = half.strip_prefix('(')?.strip_suffix(')')?;
            for (position, name) in (0..).zip(inner.split_ascii_whitespace()) {
                let is_i64 = match name {
                    "i32" => false,
                    "i64" => true,
                    _ => return None,
                };
                if position >= most {
                    return None;
                }
                signature = with(signature, first + position, is_i64);
            }
        }
        Some(signature)
    }
}

/// The page and its strings.
#[derive(Clone, Copy, Debug)]
pub struct Startup<'a> {
    /// The fixed part.
    pub page: &'a Page,
    /// Arguments.
    pub args: Strings<'a>,
    /// Environment.
    pub env: Strings<'a>,
    /// Addresses of the functions to run first.
    pub instantiate: &'a [U64],
    /// Type of the function to run.
    pub signature: &'a str,
    /// Names of the directories.
    pub dirs: Strings<'a>,
    /// Its devices.
    pub devices: &'a [Device],
    /// Their names.
    pub device_names: Strings<'a>,
}

impl<'a> Startup<'a> {
    /// Reads the page and what follows it. `None` where it is none.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (page, _) = Page::ref_from_prefix(bytes).ok()?;
        let range = |r: Range| bytes.get(r.offset as usize..)?.get(..r.length as usize);
        if page.magic != MAGIC {
            return None;
        }
        Some(Self {
            page,
            args: Strings::new(range(page.args)?)?,
            env: Strings::new(range(page.env)?)?,
            instantiate: <[U64]>::ref_from_bytes(range(page.instantiate)?).ok()?,
            signature: core::str::from_utf8(range(page.signature)?).ok()?,
            dirs: Strings::new(range(page.dirs)?)?,
            devices: <[Device]>::ref_from_bytes(range(page.devices)?).ok()?,
            device_names: Strings::new(range(page.device_names)?)?,
        })
    }
}

/// What follows the fixed part.
#[derive(Clone, Copy, Debug)]
pub struct Rest<'a> {
    /// Arguments.
    pub args: Strings<'a>,
    /// Environment.
    pub env: Strings<'a>,
    /// Addresses of the functions to run first.
    pub instantiate: &'a [U64],
    /// Type of the function to run.
    pub signature: &'a str,
    /// Names of the directories.
    pub dirs: Strings<'a>,
    /// Its devices.
    pub devices: &'a [Device],
    /// Their names.
    pub device_names: Strings<'a>,
}

impl Rest<'_> {
    /// Bytes that [`write`] needs for the page and this.
    #[must_use]
    pub fn size(&self) -> usize {
        let lists = [self.args, self.env, self.dirs, self.device_names];
        let lists = lists.map(|list| list.bytes().len());
        let strings = lists.iter().sum::<usize>() + self.signature.len();
        let arrays = size_of_val(self.instantiate) + size_of_val(self.devices);
        size_of::<Page>() + arrays + strings
    }
}

/// Writes the page and what follows it into `out`, which is zero. `None` where they do not fit.
/// The ranges of `page` are filled in here.
#[must_use]
pub fn write(mut page: Page, rest: &Rest<'_>, out: &mut [u8]) -> Option<()> {
    let mut at = size_of::<Page>();
    let mut place = |bytes: &[u8]| {
        out.get_mut(at..)?
            .get_mut(..bytes.len())?
            .copy_from_slice(bytes);
        let range = Range {
            offset: u32::try_from(at).ok()?,
            length: u32::try_from(bytes.len()).ok()?,
        };
        at += bytes.len();
        Some(range)
    };
    page.magic = MAGIC;
    page.instantiate = place(rest.instantiate.as_bytes())?;
    page.args = place(rest.args.bytes())?;
    page.env = place(rest.env.bytes())?;
    page.signature = place(rest.signature.as_bytes())?;
    page.dirs = place(rest.dirs.bytes())?;
    page.devices = place(rest.devices.as_bytes())?;
    page.device_names = place(rest.device_names.bytes())?;
    page.write_to_prefix(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::flags as device_flags;
    use crate::strings::join;

    #[test]
    fn pages_round_trip() {
        let (args, env) = (join(&["prog", "x y"]), join(&["A=1"]));
        let args = Strings::new(&args).unwrap();
        let env = Strings::new(&env).unwrap();
        let page = Page {
            callee: 77,
            ..Page::default()
        };
        let rest = Rest {
            args,
            env,
            instantiate: &[1.into(), 0x1_0000_0000.into()],
            signature: "() -> ()",
            dirs: args,
            devices: &[Device {
                start: 0x3e8.into(),
                length: 8.into(),
                flags: device_flags::PORTS.into(),
            }],
            device_names: env,
        };
        let mut buffer = [0u64; 64];
        let out = buffer.as_mut_bytes();
        write(page, &rest, out).unwrap();
        let back = Startup::parse(out).unwrap();
        assert_eq!(back.page.callee, 77);
        assert_eq!(back.args, args);
        assert_eq!(back.env, env);
        assert_eq!(back.dirs, args);
        assert_eq!(back.instantiate, rest.instantiate);
        assert_eq!(back.signature, "() -> ()");
        assert_eq!(back.devices.as_bytes(), rest.devices.as_bytes());
        assert_eq!(back.device_names, env);
        let used = rest.size();
        assert!(write(page, &rest, &mut out[..used - 1]).is_none());
        assert!(write(page, &rest, &mut out[..used]).is_some());
    }

    #[test]
    fn types_are_told_apart() {
        use exports::signature;
        let write = signature("(i32 i32 i32 i32) -> (i32)");
        assert_eq!(write, Some(0x8000_0000_0000_8888));
        assert_eq!(
            signature("(i32 i64 i32) -> (i32)"),
            Some(0x8000_0000_0000_0898)
        );
        assert_eq!(signature("() -> ()"), Some(0));
        assert_eq!(signature("(f32) -> ()"), None);
        assert_eq!(signature("(i32) -> (i32 i32)"), None);
        assert_eq!(signature("i32"), None);
    }

    #[test]
    fn damage_never_panics() {
        let mut buffer = [0u64; 64];
        let out = buffer.as_mut_bytes();
        let rest = Rest {
            args: Strings::EMPTY,
            env: Strings::EMPTY,
            instantiate: &[7.into()],
            signature: "",
            dirs: Strings::EMPTY,
            devices: &[],
            device_names: Strings::EMPTY,
        };
        write(Page::default(), &rest, out).unwrap();
        for position in 0..size_of::<Page>() {
            for bit in 0..8 {
                out[position] ^= 1 << bit;
                let _ = Startup::parse(out);
                out[position] ^= 1 << bit;
            }
        }
    }
}
