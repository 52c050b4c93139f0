// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Requests that are answered later: when an app ends, when it says something, again and again.

use super::world::{Apps, Log};
use super::{Core, Reply, answer};
use crate::MS;
use crate::error::{Code, Refusal};
use crate::frame::MAX_MESSAGE;
use crate::message::{AppId, Body, Bytes, Records};

/// How many requests can wait.
pub const WAITING: usize = 16;
/// Longest wait for something to be said, milliseconds; the agent asks again then.
const MAX_WAIT_MS: u32 = 60_000;
/// Bytes of an answer besides the records in it, at most.
pub(super) const OVERHEAD: usize = 64;

#[derive(Clone, Copy, Debug)]
enum What {
    Exit {
        app: AppId,
    },
    Log {
        app: AppId,
        from: u64,
        until_ns: u64,
    },
    Top {
        period_ns: u64,
        next_ns: u64,
        /// The next app of this round; none: the round is over.
        place: Option<u16>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: u32,
    what: What,
}

/// The requests that wait.
#[derive(Debug)]
pub struct Waiting {
    entries: [Option<Entry>; WAITING],
}

impl Waiting {
    pub const fn new() -> Self {
        Self {
            entries: [None; WAITING],
        }
    }

    pub fn clear(&mut self) {
        self.entries = [None; WAITING];
    }

    /// Takes a request back; whether there was one.
    pub fn remove(&mut self, id: u32) -> bool {
        let place = self.place(id);
        place.is_some_and(|place| self.entries[place].take().is_some())
    }

    fn place(&self, id: u32) -> Option<usize> {
        let is = |entry: &Option<Entry>| entry.is_some_and(|entry| entry.id == id);
        self.entries.iter().position(is)
    }

    /// A request that comes again takes its own place.
    fn add(&mut self, id: u32, what: What) -> Reply<'static> {
        let free = || self.entries.iter().position(Option::is_none);
        let Some(place) = self.place(id).or_else(free) else {
            let text = format_args!("{WAITING} requests wait already: take one back");
            return Reply::Now(Err(Refusal::new(Code::BUSY, &text)));
        };
        self.entries[place] = Some(Entry { id, what });
        Reply::Later
    }

    pub fn top(&mut self, id: u32, now_ns: u64, period_ns: u64) -> Reply<'static> {
        self.add(
            id,
            What::Top {
                period_ns,
                next_ns: now_ns,
                place: None,
            },
        )
    }

    /// When something is due whatever the apps do.
    pub fn alarm_ns(&self) -> Option<u64> {
        let due = |entry: &Entry| match entry.what {
            What::Exit { .. } => None,
            What::Log { until_ns, .. } => Some(until_ns),
            What::Top { next_ns, .. } => Some(next_ns),
        };
        self.entries.iter().flatten().filter_map(due).min()
    }
}

impl<const W: usize, const T: usize> Core<'_, W, T> {
    pub(super) fn wait_request<'a, World: Apps>(
        &mut self,
        id: u32,
        app: AppId,
        world: &World,
    ) -> Reply<'a> {
        match exit(app, world) {
            Some(outcome) => Reply::Now(outcome),
            None => self.waiting.add(id, What::Exit { app }),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of a request, and what it needs"
    )]
    pub(super) fn log_request<'a, World: Apps>(
        &mut self,
        now_ns: u64,
        id: u32,
        app: AppId,
        from: u64,
        wait_ms: u32,
        world: &World,
        scratch: &'a mut [u8; MAX_MESSAGE],
    ) -> Reply<'a> {
        let room = self.max_message - OVERHEAD;
        let until_ns = now_ns.saturating_add(u64::from(wait_ms.min(MAX_WAIT_MS)) * MS);
        match log(app, from, wait_ms == 0, world, &mut scratch[..room]) {
            Some(outcome) => Reply::Now(outcome),
            None => self.waiting.add(
                id,
                What::Log {
                    app,
                    from,
                    until_ns,
                },
            ),
        }
    }

    /// Answers whatever can be answered now.
    pub(super) fn answer_waiting<World: Apps>(
        &mut self,
        now_ns: u64,
        world: &World,
        scratch: &mut [u8; MAX_MESSAGE],
    ) {
        for place in 0..WAITING {
            if self.link.room() == 0 {
                return;
            }
            let Some(Entry { id, what }) = self.waiting.entries[place] else {
                continue;
            };
            let outcome = match what {
                What::Exit { app } => exit(app, world),
                What::Log {
                    app,
                    from,
                    until_ns,
                } => {
                    let room = self.max_message - OVERHEAD;
                    let late = now_ns >= until_ns;
                    log(app, from, late, world, &mut scratch[..room])
                }
                What::Top { .. } => {
                    self.top_round(now_ns, place, world, scratch);
                    None
                }
            };
            if let Some(outcome) = outcome {
                answer(&mut self.link, id, false, &outcome);
                self.waiting.entries[place] = None;
            }
        }
    }

    /// Sends reports of as many apps as there is room for. A round that is not over when the next
    /// one is due takes its time: reports are not queued up.
    fn top_round<World: Apps>(
        &mut self,
        now_ns: u64,
        place: usize,
        world: &World,
        scratch: &mut [u8; MAX_MESSAGE],
    ) {
        let Some(Entry {
            id,
            what:
                What::Top {
                    period_ns,
                    next_ns,
                    place: next,
                },
        }) = &mut self.waiting.entries[place]
        else {
            return;
        };
        if next.is_none() && now_ns >= *next_ns {
            *next = Some(0);
            *next_ns = now_ns + *period_ns;
        }
        while let Some(at) = next
            && self.link.room() > 1
        {
            if let Some(info) = world.app(*at)
                && let Ok(length) = world.report(info.id, scratch)
            {
                let record = Bytes(&scratch[..length.min(MAX_MESSAGE)]);
                let app = info.id;
                answer(&mut self.link, *id, true, &Ok(Body::Report { app, record }));
            }
            *next = at.checked_add(1).filter(|at| *at < world.places());
        }
    }
}

/// How an app has ended; none: it has not.
fn exit<'a>(app: AppId, world: &impl Apps) -> Option<Result<Body<'a>, Refusal>> {
    let info = match super::apps::find(app, world) {
        Ok(info) => info,
        Err(refusal) => return Some(Err(refusal)),
    };
    if info.state.is_alive() {
        return None;
    }
    Some(match info.exit {
        Some(exit) => Ok(Body::Ended { exit }),
        None => Err(Refusal::new(
            Code::STATE,
            &format_args!("the app {} was not started: it will not end", info.name),
        )),
    })
}

/// What an app has said; none: nothing yet, and it is worth while to wait.
fn log<'a>(
    app: AppId,
    from: u64,
    at_once: bool,
    world: &impl Apps,
    buffer: &'a mut [u8],
) -> Option<Result<Body<'a>, Refusal>> {
    let alive = match super::apps::find(app, world) {
        Ok(info) => info.state.is_alive(),
        Err(refusal) => return Some(Err(refusal)),
    };
    let mut log = Log::new(from, buffer);
    world.log(app, &mut log);
    let end = !alive && !log.is_full();
    let (first, next, records) = log.finish();
    (at_once || end || next > from).then_some(Ok(Body::Log {
        from: first,
        next,
        end,
        records: Records(records),
    }))
}
