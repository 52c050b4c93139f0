// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `poll_oneoff`: waits for clocks and for descriptors.
//!
//! Files and the output streams are always ready; only clocks and standard input make it wait.

use super::Call;
use super::abi::{Dialect, rights};
use super::clock::clock;
use super::fd::Target;
use super::memory::element;
use crate::errno::{Errno, Result};
use crate::platform::Clock;

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
            let readable = self.wait(dialect, (subscriptions, count), &start)?;
            let list = (subscriptions, count);
            let written = self.events(dialect, list, events, &start, readable)?;
            if written > 0 {
                return self.memory.write_u32(result, written);
            }
        }
    }

    /// Waits until the first subscription may be ready; says whether standard input is.
    fn wait(&self, dialect: Dialect, (array, count): (u32, u32), start: &Now) -> Result<bool> {
        let now = self.now()?;
        let mut timeout: Option<u64> = None;
        let mut input = false;
        for index in 0..count {
            let subscription = self.subscription(dialect, array, index, start)?;
            let wait = match subscription.wait {
                Ok(Wait::Clock(clock, deadline)) => Some(deadline.saturating_sub(now.of(clock)?)),
                Ok(Wait::Fd(fd, kind)) if self.is_input(fd, kind) => {
                    input = true;
                    None
                }
                Ok(Wait::Fd(..)) | Err(_) => Some(0),
            };
            if let Some(wait) = wait {
                timeout = Some(timeout.map_or(wait, |timeout| timeout.min(wait)));
            }
        }
        if timeout == Some(0) && !input {
            return Ok(false);
        }
        self.platform.wait(timeout, input)
    }

    /// Writes an event for each subscription that is ready; gives their number. Events may lie
    /// over the subscriptions: each is shorter, and written when its subscription has been read.
    fn events(
        &self,
        dialect: Dialect,
        (array, count): (u32, u32),
        events: u32,
        start: &Now,
        readable: bool,
    ) -> Result<u32> {
        let now = self.now()?;
        let mut written = 0;
        for index in 0..count {
            let subscription = self.subscription(dialect, array, index, start)?;
            let (ready, errno) = match subscription.wait {
                Ok(Wait::Clock(clock, deadline)) => (now.of(clock)? >= deadline, Errno(0)),
                Ok(Wait::Fd(fd, kind)) if self.is_input(fd, kind) => (readable, Errno(0)),
                Ok(Wait::Fd(..)) => (true, Errno(0)),
                Err(errno) => (true, errno),
            };
            if ready {
                self.event(element(events, written, EVENT)?, &subscription, errno)?;
                written += 1;
            }
        }
        Ok(written)
    }

    /// `event`: user data, error, type, bytes that can be read (unknown: 1), flags.
    fn event(&self, at: u32, subscription: &Subscription, errno: Errno) -> Result<()> {
        let mut bytes = [0; EVENT as usize];
        bytes[0..8].copy_from_slice(&subscription.user_data.to_le_bytes());
        bytes[8..10].copy_from_slice(&errno.0.to_le_bytes());
        bytes[10] = subscription.event_type;
        if subscription.event_type != event_type::CLOCK && errno.0 == 0 {
            bytes[16] = 1;
        }
        self.memory.write(at, &bytes)
    }

    fn is_input(&self, fd: u32, kind: u8) -> bool {
        let target = self.fds.get(fd).map(|descriptor| descriptor.target);
        kind == event_type::FD_READ && target == Ok(Target::Input)
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
