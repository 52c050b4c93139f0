// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `poll_oneoff`: waits for clocks and for descriptors.
//!
//! Regular files, directories and the output streams are always ready; clocks, standard input,
//! sockets and whatever else a directory may hold make it wait.

use super::Call;
use super::abi::{Dialect, rights};
use super::clock::clock;
use super::fd::Target;
use super::memory::element;
use crate::errno::{Errno, Result};
use crate::platform::{Clock, FileType, MAX_POLLED, Polled, Source};

/// The most subscriptions of a call.
const MAX_SUBSCRIPTIONS: u32 = 4096;

/// Bytes of an `event`.
const EVENT: u32 = 32;

/// `eventtype`.
mod event_type {
    pub const CLOCK: u8 = 0;
    pub const FD_READ: u8 = 1;
    pub const FD_WRITE: u8 = 2;
}

/// What a subscription waits for.
#[derive(Clone, Copy)]
enum Wait {
    /// Until this many nanoseconds of a clock.
    Clock(Clock, u64),
    /// Until a descriptor can be read or written.
    Fd(u32, u8),
}

struct Subscription {
    user_data: u64,
    event_type: u8,
    /// An invalid one is an event too.
    wait: Result<Wait>,
}

impl Call<'_> {
    pub(super) fn poll_oneoff(
        &mut self,
        dialect: Dialect,
        subscriptions: u32,
        events: u32,
        count: u32,
        result: u32,
    ) -> Result<()> {
        if count == 0 || count > MAX_SUBSCRIPTIONS {
            return Err(Errno::INVAL);
        }
        self.memory.bytes((events, element(0, count, EVENT)?))?;
        self.memory.bytes((result, 4))?;
        let start = self.now()?;
        // The clock that the platform waits by may be ahead of the one that is asked for: then
        // nothing is ready yet.
        loop {
            let list = (subscriptions, count);
            let waited = self.wait(dialect, list, &start)?;
            let written = self.events(dialect, list, events, &start, &waited)?;
            if written > 0 {
                return self.memory.write_u32(result, written);
            }
        }
    }

    /// Waits until the first subscription may be ready; says which descriptors are.
    fn wait(&self, dialect: Dialect, (array, count): (u32, u32), start: &Now) -> Result<Waited> {
        let now = self.now()?;
        let mut timeout: Option<u64> = None;
        let mut waited = Waited::new();
        for index in 0..count {
            let subscription = self.subscription(dialect, array, index, start)?;
            let wait = match subscription.wait {
                Ok(Wait::Clock(clock, deadline)) => Some(deadline.saturating_sub(now.of(clock)?)),
                Ok(Wait::Fd(fd, kind)) => match self.source(fd, kind) {
                    Some(source) => {
                        waited.add(source, kind)?;
                        None
                    }
                    None => Some(0),
                },
                Err(_) => Some(0),
            };
            if let Some(wait) = wait {
                timeout = Some(timeout.map_or(wait, |timeout| timeout.min(wait)));
            }
        }
        if timeout != Some(0) || waited.count > 0 {
            self.platform.poll(timeout, waited.list())?;
        }
        Ok(waited)
    }

    /// Writes an event for each subscription that is ready; gives their number. Events may lie
    /// over the subscriptions: each is shorter, and written when its subscription has been read.
    fn events(
        &self,
        dialect: Dialect,
        (array, count): (u32, u32),
        events: u32,
        start: &Now,
        waited: &Waited,
    ) -> Result<u32> {
        let now = self.now()?;
        let mut written = 0;
        for index in 0..count {
            let subscription = self.subscription(dialect, array, index, start)?;
            let mut hung_up = false;
            let (ready, errno) = match subscription.wait {
                Ok(Wait::Clock(clock, deadline)) => (now.of(clock)? >= deadline, Errno(0)),
                Ok(Wait::Fd(fd, kind)) => match self.source(fd, kind) {
                    Some(source) => {
                        let polled = waited.find(source);
                        hung_up = polled.is_some_and(|polled| polled.hung_up);
                        (polled.is_some_and(|polled| ready(polled, kind)), Errno(0))
                    }
                    None => (true, Errno(0)),
                },
                Err(errno) => (true, errno),
            };
            if ready {
                let at = element(events, written, EVENT)?;
                self.event(at, &subscription, errno, hung_up)?;
                written += 1;
            }
        }
        Ok(written)
    }

    /// `event`: user data, error, type, bytes that can be transferred (unknown: 1), flags.
    fn event(
        &self,
        at: u32,
        subscription: &Subscription,
        errno: Errno,
        hung_up: bool,
    ) -> Result<()> {
        let mut bytes = [0; EVENT as usize];
        bytes[0..8].copy_from_slice(&subscription.user_data.to_le_bytes());
        bytes[8..10].copy_from_slice(&errno.0.to_le_bytes());
        bytes[10] = subscription.event_type;
        if subscription.event_type != event_type::CLOCK && errno.0 == 0 {
            bytes[16] = 1;
            bytes[24] = hung_up.into();
        }
        self.memory.write(at, &bytes)
    }

    /// What a descriptor makes the program wait for; nothing where it is always ready.
    fn source(&self, fd: u32, kind: u8) -> Option<Source> {
        let descriptor = self.fds.get(fd).ok()?;
        match (descriptor.target, descriptor.file_type) {
            (Target::Input, _) if kind == event_type::FD_READ => Some(Source::Input),
            (Target::Input | Target::Output(_), _) => None,
            (Target::Socket(handle), _) => Some(Source::Handle(handle)),
            (Target::File(_), FileType::RegularFile | FileType::Directory) => None,
            (Target::File(handle), _) => Some(Source::Handle(handle)),
        }
    }

    fn subscription(
        &self,
        dialect: Dialect,
        array: u32,
        index: u32,
        start: &Now,
    ) -> Result<Subscription> {
        // `wasi_unstable` has eight more bytes: a clock's own user data, in front of its number.
        let (size, clock_at) = match dialect {
            Dialect::Preview1 => (48, 16),
            Dialect::Unstable => (56, 24),
        };
        let at = element(array, index, size)?;
        let bytes: [u8; 48] = match dialect {
            Dialect::Preview1 => self.memory.read(at)?,
            Dialect::Unstable => {
                let long: [u8; 56] = self.memory.read(at)?;
                let mut bytes = [0; 48];
                bytes[..16].copy_from_slice(&long[..16]);
                let from = match long[8] {
                    event_type::CLOCK => clock_at,
                    _ => 16,
                };
                bytes[16..].copy_from_slice(&long[from..from + 32]);
                bytes
            }
        };
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let half = |at| word(at) as u32;
        let wait = match bytes[8] {
            event_type::CLOCK => clock(half(16)).and_then(|clock| {
                let now = start.of(clock)?;
                let absolute = word(40) & 1 != 0;
                let timeout = word(24);
                let deadline = match absolute {
                    true => timeout,
                    false => now.saturating_add(timeout),
                };
                Ok(Wait::Clock(clock, deadline))
            }),
            kind @ (event_type::FD_READ | event_type::FD_WRITE) => self
                .descriptor(half(16), rights::POLL_FD_READWRITE)
                .map(|_| Wait::Fd(half(16), kind)),
            _ => return Err(Errno::INVAL),
        };
        Ok(Subscription {
            user_data: word(0),
            event_type: bytes[8],
            wait,
        })
    }

    fn now(&self) -> Result<Now> {
        let time = |clock| self.platform.clock_time(clock);
        Ok(Now {
            realtime: time(Clock::Realtime),
            monotonic: time(Clock::Monotonic),
        })
    }
}

/// Whether a descriptor is ready for what a subscription wants.
fn ready(polled: &Polled, kind: u8) -> bool {
    match kind {
        event_type::FD_READ => polled.readable,
        _ => polled.writable,
    }
}

/// The descriptors that a call waits for, each once.
struct Waited {
    polled: [Polled; MAX_POLLED],
    count: usize,
}

impl Waited {
    fn new() -> Self {
        let none = Polled {
            source: Source::Input,
            read: false,
            write: false,
            readable: false,
            writable: false,
            hung_up: false,
        };
        Self {
            polled: [none; MAX_POLLED],
            count: 0,
        }
    }

    fn list(&mut self) -> &mut [Polled] {
        &mut self.polled[..self.count]
    }

    fn find(&self, source: Source) -> Option<&Polled> {
        let mut list = self.polled[..self.count].iter();
        list.find(|polled| polled.source == source)
    }

    fn add(&mut self, source: Source, kind: u8) -> Result<()> {
        let known = self.list().iter().position(|one| one.source == source);
        let position = match known {
            Some(position) => position,
            None if self.count < MAX_POLLED => {
                self.count += 1;
                self.count - 1
            }
            None => return Err(Errno::NOMEM),
        };
        let polled = &mut self.polled[position];
        polled.source = source;
        match kind {
            event_type::FD_READ => polled.read = true,
            _ => polled.write = true,
        }
        Ok(())
    }
}

/// The clocks that can be waited for, read at one moment.
struct Now {
    realtime: Result<u64>,
    monotonic: Result<u64>,
}

impl Now {
    fn of(&self, clock: Clock) -> Result<u64> {
        match clock {
            Clock::Realtime => self.realtime,
            Clock::Monotonic => self.monotonic,
            Clock::ProcessCpu | Clock::ThreadCpu => Err(Errno::NOTSUP),
        }
    }
}
