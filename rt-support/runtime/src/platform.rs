// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the runtime needs from the system it runs on.
//!
//! [`Platform`] is the least that a system has; [`Files`] is what one with a file system adds,
//! [`Sockets`] one with sockets.
//! Everything about WASI itself (descriptors, rights, layouts, pointers) is decided above this
//! line, once.

mod sockets;

use crate::errno::{Errno, Result};
use crate::wasi::Wasi;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;
use wasm_aot_trap::TrapCode;

pub use sockets::{MAX_POLLED, Polled, Receive, Sockets, Source};

/// A standard stream that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// A clock; the numbers are WASI's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Clock {
    /// Since 1970.
    Realtime = 0,
    /// Never goes back; since an arbitrary moment.
    Monotonic = 1,
    /// Processor time of the process.
    ProcessCpu = 2,
    /// Processor time of the thread.
    ThreadCpu = 3,
}

/// The system below the runtime.
pub trait Platform: Sync {
    /// Writes to a standard stream; gives the bytes written, at least one of a non-empty slice.
    ///
    /// # Errors
    /// As the system says.
    fn write(&self, stream: Stream, bytes: &[u8]) -> Result<usize>;

    /// Reads standard input; 0 at its end.
    ///
    /// # Errors
    /// As the system says.
    fn read(&self, bytes: &mut [u8]) -> Result<usize>;

    /// What the standard stream with this WASI descriptor (0, 1, 2) is.
    fn stream_type(&self, fd: u32) -> FileType {
        let _ = fd;
        FileType::CharacterDevice
    }

    /// Nanoseconds of a clock.
    ///
    /// # Errors
    /// [`Errno::INVAL`] for a clock that the system does not have.
    fn clock_time(&self, clock: Clock) -> Result<u64>;

    /// Nanoseconds between two ticks of a clock.
    ///
    /// # Errors
    /// [`Errno::INVAL`] for a clock that the system does not have.
    fn clock_resolution(&self, clock: Clock) -> Result<u64>;

    /// Waits for `timeout` nanoseconds (`None`: without end), or until standard input can be read
    /// where `input` asks for that. Says whether input can be read.
    ///
    /// # Errors
    /// [`Errno::NOTSUP`] where the system cannot wait.
    fn wait(&self, timeout: Option<u64>, input: bool) -> Result<bool>;

    /// Waits likewise until something is ready of at most [`MAX_POLLED`] descriptors, and notes
    /// what is. A system without files and sockets that would make a program wait has only
    /// standard input to look at, as here.
    ///
    /// # Errors
    /// As [`Platform::wait`].
    fn poll(&self, timeout: Option<u64>, polled: &mut [Polled]) -> Result<()> {
        let is_input = |one: &Polled| one.source == Source::Input && one.read;
        let readable = self.wait(timeout, polled.iter().any(is_input))?;
        for one in polled {
            one.readable = readable && is_input(one);
        }
        Ok(())
    }

    /// Fills with unpredictable bytes.
    ///
    /// # Errors
    /// [`Errno::NOSYS`] where the system has none.
    fn random(&self, bytes: &mut [u8]) -> Result<()>;

    /// Makes `bytes` from `address` on, which the loader has reserved, accessible: what was
    /// accessible before keeps its contents, the rest is zero. Says whether it could. The range
    /// need not be whole pages.
    fn commit(&self, address: u64, bytes: u64) -> bool;

    /// The region for the heap of structures, arrays and exceptions, of which nothing need be
    /// accessible yet ([`Platform::commit`] works there); `None` where there is none. Asked for
    /// when the first object is made. Its size is the object's wish (`Header::gc_heap` of its
    /// metadata; of several, the largest) unless the user said otherwise.
    fn gc_heap(&self) -> Option<Range<u64>> {
        None
    }

    /// Whether every allocation in the heap collects: for tests.
    fn gc_stress(&self) -> bool {
        false
    }

    /// Puts the calling thread to sleep as long as `word` has this value, at most `timeout`
    /// nanoseconds (`None`: without end). It may return earlier for no reason. The comparison and
    /// the falling asleep are one step: a [`Platform::wake`] after the word has changed is not
    /// missed. (On Linux: futex(2).)
    ///
    /// # Errors
    /// [`Errno::NOTSUP`] where there is only one thread, as here.
    fn block(&self, word: &AtomicU32, value: u32, timeout: Option<u64>) -> Result<()> {
        let _ = (word, value, timeout);
        Err(Errno::NOTSUP)
    }

    /// Wakes at most so many threads that sleep in [`Platform::block`] at this word. The word is
    /// only a name: it is not read, and may be gone already.
    fn wake(&self, word: *const AtomicU32, count: u32) {
        let _ = (word, count);
    }

    /// Ends the WebAssembly program.
    fn exit(&self, code: u32) -> !;

    /// Ends the WebAssembly program with a trap where it is: the runtime found a reason.
    fn trap(&self, code: TrapCode) -> !;

    /// Lets others run.
    fn yield_now(&self);

    /// An argument of the program, from 0 (its name) on.
    fn arg(&self, index: usize) -> Option<&[u8]>;

    /// A variable of the environment as `NAME=VALUE`, from 0 on.
    fn env(&self, index: usize) -> Option<&[u8]>;

    /// The WASI state of the program that is running, `None` where it was not given one. Only one
    /// thread may be in WASI functions at a time; a system that runs several sees to that.
    fn wasi(&self) -> Option<NonNull<Wasi>>;

    /// The file system, where there is one.
    fn files(&self) -> Option<&dyn Files> {
        None
    }

    /// The sockets, where there are any.
    fn sockets(&self) -> Option<&dyn Sockets> {
        None
    }
}

/// The kind of a file; the numbers are WASI's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FileType {
    /// None of the others.
    Unknown = 0,
    /// A block device.
    BlockDevice = 1,
    /// A character device: a terminal.
    CharacterDevice = 2,
    /// A directory.
    Directory = 3,
    /// A regular file.
    RegularFile = 4,
    /// A datagram socket.
    SocketDatagram = 5,
    /// A stream socket.
    SocketStream = 6,
    /// A symbolic link.
    SymbolicLink = 7,
}

/// An open file or directory of the platform.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handle(pub i32);

/// What is known of a file. Times in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct FileStat {
    /// Number of the device.
    pub device: u64,
    /// Number of the file on it.
    pub inode: u64,
    /// What it is.
    pub file_type: FileType,
    /// Number of hard links.
    pub links: u64,
    /// Bytes.
    pub size: u64,
    /// Last access.
    pub accessed: u64,
    /// Last change of contents.
    pub modified: u64,
    /// Last change of status.
    pub changed: u64,
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug)]
pub struct DirEntry<'a> {
    /// Where reading goes on behind this entry.
    pub next: u64,
    /// Number of the file.
    pub inode: u64,
    /// What it is.
    pub file_type: FileType,
    /// Its name.
    pub name: &'a [u8],
}

/// How a path is opened.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct OpenHow {
    /// To be read.
    pub read: bool,
    /// To be written.
    pub write: bool,
    /// Make it where it does not exist.
    pub create: bool,
    /// Fail where it exists.
    pub exclusive: bool,
    /// Cut it to length 0.
    pub truncate: bool,
    /// Fail where it is no directory.
    pub directory: bool,
    /// Follow a symbolic link that the path ends in.
    pub follow: bool,
    /// The status flags.
    pub flags: StatusFlags,
}

impl OpenHow {
    /// What is there, to be read; a symbolic link is followed.
    pub const READ: Self = Self {
        read: true,
        write: false,
        create: false,
        exclusive: false,
        truncate: false,
        directory: false,
        follow: true,
        flags: StatusFlags(0),
    };
}

/// Status flags of an open file; the bits are WASI's `fdflags`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct StatusFlags(pub u16);

impl StatusFlags {
    /// Every write goes to the end.
    pub const APPEND: u16 = 1;
    /// Data is on the disk when a write returns.
    pub const DSYNC: u16 = 2;
    /// Nothing blocks.
    pub const NONBLOCK: u16 = 4;
    /// Reads wait for the disk too.
    pub const RSYNC: u16 = 8;
    /// Data and metadata are on the disk when a write returns.
    pub const SYNC: u16 = 16;
    /// Every bit there is.
    pub const ALL: u16 = 31;

    /// Whether this bit is set.
    #[must_use]
    pub fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }
}

/// From where an offset counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whence {
    /// The start.
    Set,
    /// The present position.
    Current,
    /// The end.
    End,
}

/// A new time of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewTime {
    /// As it is.
    Keep,
    /// The present time.
    Now,
    /// Nanoseconds since 1970.
    At(u64),
}

/// A file system made of directories that the program was given.
///
/// Paths are relative to a directory handle. An implementation must confine them: neither `..`
/// nor an absolute path nor a symbolic link may lead out of that directory, however the tree
/// changes meanwhile; such a path is [`Errno::PERM`]. What an implementation does not have, it
/// answers with [`Errno::NOTSUP`], as every default here does.
#[allow(unused_variables)] // the defaults ignore what they are given
pub trait Files {
    /// A directory that the program has from the start, from 0 on: its handle and its name.
    fn preopen(&self, index: usize) -> Option<(Handle, &[u8])>;

    /// Opens a path.
    ///
    /// # Errors
    /// As the system says; [`Errno::PERM`] for a path that leads out of `dir`.
    fn open_at(&self, dir: Handle, path: &[u8], how: &OpenHow) -> Result<Handle>;

    /// Closes a handle, also one of [`Files::preopen`].
    ///
    /// # Errors
    /// As the system says; the handle is gone in any case.
    fn close(&self, file: Handle) -> Result<()>;

    /// Reads at the position, or at an offset; 0 at the end.
    ///
    /// # Errors
    /// As the system says.
    fn read(&self, file: Handle, bytes: &mut [u8], at: Option<u64>) -> Result<usize>;

    /// Writes at the position, or at an offset.
    ///
    /// # Errors
    /// As the system says.
    fn write(&self, file: Handle, bytes: &[u8], at: Option<u64>) -> Result<usize> {
        Err(Errno::ROFS)
    }

    /// Moves the position; gives the new one.
    ///
    /// # Errors
    /// As the system says.
    fn seek(&self, file: Handle, offset: i64, whence: Whence) -> Result<u64>;

    /// What is known of an open file.
    ///
    /// # Errors
    /// As the system says.
    fn stat(&self, file: Handle) -> Result<FileStat>;

    /// What is known of a path.
    ///
    /// # Errors
    /// As [`Files::open_at`].
    fn stat_at(&self, dir: Handle, path: &[u8], follow: bool) -> Result<FileStat>;

    /// Gives the entries from a position (0: the start) on, until `sink` says no.
    ///
    /// # Errors
    /// As the system says.
    fn read_dir(
        &self,
        dir: Handle,
        cookie: u64,
        sink: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Changes the status flags of an open file.
    ///
    /// # Errors
    /// As the system says.
    fn set_flags(&self, file: Handle, flags: StatusFlags) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Changes the length.
    ///
    /// # Errors
    /// As the system says.
    fn set_size(&self, file: Handle, size: u64) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Makes sure that this range has room on the disk.
    ///
    /// # Errors
    /// As the system says.
    fn allocate(&self, file: Handle, offset: u64, length: u64) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    /// As the system says.
    fn sync(&self, file: Handle, data_only: bool) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Changes times of an open file.
    ///
    /// # Errors
    /// As the system says.
    fn set_times(&self, file: Handle, accessed: NewTime, modified: NewTime) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Changes times of a path.
    ///
    /// # Errors
    /// As [`Files::open_at`].
    fn set_times_at(
        &self,
        dir: Handle,
        path: &[u8],
        follow: bool,
        accessed: NewTime,
        modified: NewTime,
    ) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As [`Files::open_at`].
    fn create_dir_at(&self, dir: Handle, path: &[u8]) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As [`Files::open_at`].
    fn remove_dir_at(&self, dir: Handle, path: &[u8]) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Removes the name of a file.
    ///
    /// # Errors
    /// As [`Files::open_at`].
    fn unlink_at(&self, dir: Handle, path: &[u8]) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Renames, replacing what is there.
    ///
    /// # Errors
    /// As [`Files::open_at`].
    fn rename_at(&self, dir: Handle, path: &[u8], to_dir: Handle, to: &[u8]) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Makes a hard link; a symbolic link is not followed.
    ///
    /// # Errors
    /// As [`Files::open_at`].
    fn link_at(&self, dir: Handle, path: &[u8], to_dir: Handle, to: &[u8]) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Makes a symbolic link with these contents.
    ///
    /// # Errors
    /// As [`Files::open_at`].
    fn symlink_at(&self, contents: &[u8], dir: Handle, path: &[u8]) -> Result<()> {
        Err(Errno::NOTSUP)
    }

    /// Reads the contents of a symbolic link; gives the bytes of `buffer` that it fills.
    ///
    /// # Errors
    /// As [`Files::open_at`].
    fn read_link_at(&self, dir: Handle, path: &[u8], buffer: &mut [u8]) -> Result<usize> {
        Err(Errno::NOTSUP)
    }
}

/// The platform that the runtime functions use.
struct Current(core::cell::UnsafeCell<Option<&'static dyn Platform>>);

// SAFETY: `install` is called before any program runs, as it demands; afterwards it is only read.
unsafe impl Sync for Current {}

static CURRENT: Current = Current(core::cell::UnsafeCell::new(None));

/// Says which platform the runtime functions use.
///
/// # Safety
/// Nothing else of the runtime runs at the same time, on any thread: call it once, at the start.
pub unsafe fn install(platform: &'static dyn Platform) {
    // SAFETY: the caller's promise.
    unsafe { *CURRENT.0.get() = Some(platform) };
}

/// The platform that was installed.
pub(crate) fn current() -> Option<&'static dyn Platform> {
    // SAFETY: written by `install` only, which nothing runs beside.
    unsafe { *CURRENT.0.get() }
}
