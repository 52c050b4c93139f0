// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The line to the loader: which one there is, how it is opened, how one waits at it.
//!
//! | address | what |
//! |---|---|
//! | `serial:DEVICE` | a serial port |
//! | `unix:PATH` | a socket on which the other end of a serial line is |
//! | `shared:FILE[,DOORBELL]` | a file of shared memory (an ivshmem device's `resource2`), and a serial port that rings |

use crate::window;
use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, isatty, tcgetattr, tcsetattr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wasm_aot_protocol::frame::MAX_FRAME;
use wasm_aot_protocol::link::Config;
use wasm_aot_protocol::transport::Transport;
use wasm_aot_protocol::transport::serial::{Bytes, SEND_FRAME as SLOW_FRAME, Serial};
use wasm_aot_protocol::transport::shared::{Doorbell, Shared, Side};

/// How long a socket that was closed is left alone.
const REOPEN: Duration = Duration::from_millis(100);
/// How long shared memory without a doorbell is left alone.
const LOOK: Duration = Duration::from_micros(200);
/// A doorbell may be lost: one looks so often anyway.
const DISTRUST: Duration = Duration::from_millis(20);

/// Where the loader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A serial port.
    Serial(PathBuf),
    /// A socket.
    Unix(PathBuf),
    /// Shared memory, and what rings.
    Shared(PathBuf, Option<PathBuf>),
}

impl std::str::FromStr for Address {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some((_, "")) => {}
            Some(("serial", path)) => return Ok(Self::Serial(path.into())),
            Some(("unix", path)) => return Ok(Self::Unix(path.into())),
            Some(("shared", paths)) => {
                return Ok(match paths.split_once(',') {
                    Some((file, bell)) => Self::Shared(file.into(), Some(bell.into())),
                    None => Self::Shared(paths.into(), None),
                });
            }
            _ => {}
        }
        bail!("`{text}` is no address: `serial:DEVICE`, `unix:PATH`, `shared:FILE[,DOORBELL]`")
    }
}

/// A line at which one can wait.
pub trait Line: Transport {
    /// Returns when something may have arrived here or at one of the others, or so much time is
    /// over.
    fn wait(&mut self, others: &[OwnedFd], limit: Duration);
    /// The times of its link.
    fn config(&self) -> Config;
}

impl Address {
    /// Opens the line.
    ///
    /// # Errors
    /// Where it is not there, or somebody else has it.
    pub fn open(&self) -> Result<Box<dyn Line>> {
        match self {
            Self::Serial(device) => {
                let port = port(device)?;
                Ok(Box::new(Stream::new(Some(port), None, Config::SERIAL)))
            }
            Self::Unix(path) => {
                let socket = socket(path);
                let socket =
                    socket.with_context(|| format!("cannot connect to {}", path.display()))?;
                Ok(Box::new(Stream::socket(socket, Some(path.clone()))))
            }
            Self::Shared(file, bell) => {
                let words = window::map(file)?;
                let bell = bell.as_deref().map(port).transpose()?;
                let start = crate::session::number()?;
                let bell = Bell(bell);
                let shared = Shared::new(words, Side::Agent, start, bell)
                    .with_context(|| format!("{} is too small", file.display()))?;
                Ok(Box::new(Memory(shared)))
            }
        }
    }
}

/// Opens a serial port, for us alone, without a terminal's habits.
fn port(device: &Path) -> Result<OwnedFd> {
    let cannot = || format!("cannot use {}", device.display());
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let port = rustix::fs::open(device, flags, Mode::empty()).with_context(cannot)?;
    match flock(&port, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => bail!("{}: another program has it", cannot()),
        other => other.with_context(cannot)?,
    }
    if isatty(&port) {
        let mut settings = tcgetattr(&port).with_context(cannot)?;
        settings.make_raw();
        settings.set_speed(115_200).with_context(cannot)?;
        tcsetattr(&port, OptionalActions::Flush, &settings).with_context(cannot)?;
    }
    Ok(port)
}

fn socket(path: &Path) -> Result<OwnedFd, std::io::Error> {
    let socket = UnixStream::connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Bytes of a file descriptor that does not block.
#[derive(Debug)]
pub struct Descriptor(pub Option<OwnedFd>);

impl Bytes for Descriptor {
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let Some(descriptor) = &self.0 else {
            return 0;
        };
        match rustix::io::read(descriptor, buffer) {
            Ok(0) => self.0 = None,
            Ok(read) => return read,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.0 = None,
        }
        0
    }

    fn write(&mut self, bytes: &[u8]) -> usize {
        let Some(descriptor) = &self.0 else {
            return 0;
        };
        match rustix::io::write(descriptor, bytes) {
            Ok(written) => written,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(_) => {
                self.0 = None;
                0
            }
        }
    }
}

/// Waits until one of these can be read.
fn readable<'a>(descriptors: impl Iterator<Item = &'a OwnedFd>, limit: Duration) {
    let limit = Timespec {
        tv_sec: limit.as_secs().min(3600) as i64,
        tv_nsec: i64::from(limit.subsec_nanos()),
    };
    let wanted = descriptors.map(|descriptor| PollFd::new(descriptor, PollFlags::IN));
    let mut wanted: Vec<PollFd<'_>> = wanted.collect();
    // Errors, signals among them: the caller looks what there is.
    let _ = poll(&mut wanted, Some(&limit));
}

/// Frames on a stream.
pub struct Stream {
    serial: Box<Serial<Descriptor>>,
    again: Option<PathBuf>,
    closed: Option<Instant>,
    config: Config,
    max_frame: usize,
}

impl Stream {
    fn new(descriptor: Option<OwnedFd>, again: Option<PathBuf>, config: Config) -> Self {
        Self {
            serial: Box::new(Serial::new(Descriptor(descriptor))),
            again,
            closed: None,
            max_frame: SLOW_FRAME,
            config,
        }
    }

    /// Frames on a socket, which is not as slow as what they were made short for.
    pub fn socket(socket: OwnedFd, again: Option<PathBuf>) -> Self {
        Self {
            max_frame: MAX_FRAME,
            ..Self::new(Some(socket), again, Config::SHARED)
        }
    }

    /// What is to be waited for, if it is open.
    ///
    /// # Errors
    /// Where the process has no more descriptors.
    pub fn descriptor(&self) -> Result<Option<OwnedFd>, std::io::Error> {
        let descriptor = self.serial.stream().0.as_ref();
        descriptor.map(OwnedFd::try_clone).transpose()
    }

    /// Whether the other end has closed it.
    pub fn is_closed(&mut self) -> bool {
        self.serial.bytes().0.is_none()
    }
}

impl Transport for Stream {
    fn max_frame(&self) -> usize {
        self.max_frame
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        self.serial.send(frame)
    }

    fn receive(&mut self, buffer: &mut [u8; MAX_FRAME]) -> Option<usize> {
        self.serial.receive(buffer)
    }

    fn flush(&mut self) {
        self.serial.flush();
    }
}

impl Line for Stream {
    fn wait(&mut self, others: &[OwnedFd], limit: Duration) {
        if let Some(descriptor) = &self.serial.bytes().0 {
            readable(others.iter().chain([descriptor]), limit);
            return;
        }
        readable(others.iter(), limit.min(REOPEN));
        let closed = *self.closed.get_or_insert_with(Instant::now);
        if let Some(path) = &self.again
            && closed.elapsed() >= REOPEN
        {
            self.closed = None;
            if let Ok(socket) = socket(path) {
                *self.serial = Serial::new(Descriptor(Some(socket)));
            }
        }
    }

    fn config(&self) -> Config {
        self.config
    }
}

/// A serial port on which a byte rings.
struct Bell(Option<OwnedFd>);

impl Doorbell for Bell {
    fn ring(&mut self) {
        if let Some(port) = &self.0 {
            // One that is full rings already.
            let _ = rustix::io::write(port, b"!");
        }
    }
}

/// Frames in shared memory.
struct Memory(Shared<'static, Bell>);

impl Transport for Memory {
    fn max_frame(&self) -> usize {
        self.0.max_frame()
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        self.0.send(frame)
    }

    fn receive(&mut self, buffer: &mut [u8; MAX_FRAME]) -> Option<usize> {
        self.0.receive(buffer)
    }

    fn flush(&mut self) {
        self.0.flush();
    }
}

impl Line for Memory {
    fn wait(&mut self, others: &[OwnedFd], limit: Duration) {
        if !self.0.asleep() {
            return;
        }
        match &self.0.doorbell().0 {
            None => readable(others.iter(), limit.min(LOOK)),
            Some(port) => {
                readable(others.iter().chain([port]), limit.min(DISTRUST));
                let mut rung = [0; 64];
                while rustix::io::read(port, &mut rung).is_ok_and(|read| read == rung.len()) {}
            }
        }
        self.0.awake();
    }

    fn config(&self) -> Config {
        Config::SHARED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let read = |text: &str| text.parse::<Address>().ok();
        assert_eq!(
            read("serial:/dev/ttyS1"),
            Some(Address::Serial("/dev/ttyS1".into()))
        );
        assert_eq!(
            read("unix:/run/a:b"),
            Some(Address::Unix("/run/a:b".into()))
        );
        let shared = Address::Shared("/r2".into(), Some("/dev/ttyS1".into()));
        assert_eq!(read("shared:/r2,/dev/ttyS1"), Some(shared));
        assert_eq!(
            read("shared:/r2"),
            Some(Address::Shared("/r2".into(), None))
        );
        for wrong in ["", "serial", "serial:", "tcp:1.2.3.4", "/dev/ttyS1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
