// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The loader's half: what is asked is checked, done by the root task ([`Store`], [`Apps`]), and
//! answered. It decides; the agent only asks.
//!
//! - Nothing that the agent says about itself, an object or a state is believed: places carry
//!   generations, chunks are bounded by what was announced under a signature that was checked,
//!   and an object counts when its hash, computed here over memory of ours, is right.
//! - Nothing waits. [`Loader::poll`] does bounded work and says when it wants to be called again.
//! - Memory is bounded: `T` transfers, `W` messages on their way out, [`WAITING`] requests that
//!   wait, [`KEPT`] outcomes for clients that ask a second time.

mod apps;
mod kept;
mod transfer;
mod transfers;
mod waiting;
pub mod world;

pub use kept::KEPT;
pub use waiting::WAITING;
pub use world::{Apps, Deployment, Log, Progress, Store};

use crate::error::{Code, Refusal};
use crate::frame::{HEADER, MAX_FRAME, MAX_MESSAGE};
use crate::link::{self, Link, Role, Step};
use crate::message::{self, Answer, Body, Call, MAX_CLIENT, MAX_OBJECT, Request};
use crate::transport::Transport;
use crate::{MS, VERSION};
use kept::Kept;
use transfer::Transfer;
use waiting::Waiting;
use wasm_aot_trust::Policy;

/// Free places for messages below which no further request is taken: one may have two answers.
const ROOM: usize = 2;

/// What a loader is built with.
#[derive(Clone, Copy, Debug)]
pub struct Config<'k> {
    /// Keys and limits.
    pub policy: Policy<'k>,
    /// What it is, for people.
    pub name: &'k str,
    /// A number that differs from one start to the next.
    pub boot: u64,
    /// Times of the link.
    pub link: link::Config,
    /// Frames that are looked at in one poll, at most.
    pub frames: usize,
    /// Bytes of an object that are hashed in one poll, at most.
    pub hash_bytes: usize,
    /// How long an object that nobody goes on with is kept, nanoseconds.
    pub keep_ns: u64,
}

impl<'k> Config<'k> {
    /// The usual numbers.
    #[must_use]
    pub const fn new(policy: Policy<'k>, name: &'k str, boot: u64, link: link::Config) -> Self {
        Self {
            policy,
            name,
            boot,
            link,
            frames: 64,
            hash_bytes: 64 * 1024,
            keep_ns: 60_000 * MS,
        }
    }
}

/// When to poll again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Next {
    /// There is more to do now.
    pub again: bool,
    /// There is something to do at this time even if nothing arrives.
    pub alarm_ns: Option<u64>,
}

/// The loader's half, for `T` objects at a time and `W` messages on their way out. It is large,
/// so it lives in a static.
#[derive(Debug)]
pub struct Loader<'k, const W: usize, const T: usize> {
    core: Core<'k, W, T>,
    /// The frame that is looked at.
    frame: [u8; MAX_FRAME],
    /// What an answer is made of.
    scratch: [u8; MAX_MESSAGE],
}

/// All but the buffers, so that what stands in them can be lent to it.
#[derive(Debug)]
struct Core<'k, const W: usize, const T: usize> {
    config: Config<'k>,
    link: Link<W>,
    session: Option<u64>,
    /// Who has greeted in this session.
    client: Option<u64>,
    transfers: [Transfer; T],
    kept: Kept,
    waiting: Waiting,
    /// Longest message that the transport likes, bytes.
    max_message: usize,
}

/// What is said at once in answer to a request.
type Outcome<'a> = Result<Body<'a>, Refusal>;

/// How a request is answered.
enum Reply<'a> {
    /// So.
    Now(Outcome<'a>),
    /// Not at all, or later.
    Later,
}

impl<'k, const W: usize, const T: usize> Loader<'k, W, T> {
    /// Nothing has happened yet.
    #[must_use]
    pub const fn new(mut config: Config<'k>) -> Self {
        if config.policy.max_object_bytes > MAX_OBJECT {
            config.policy.max_object_bytes = MAX_OBJECT;
        }
        let mut transfers = [const { Transfer::EMPTY }; T];
        let mut place = 0;
        while place < T {
            // What was given out before the loader started anew is not taken for something now.
            transfers[place].generation = config.boot as u32;
            place += 1;
        }
        Self {
            core: Core {
                link: Link::new(Role::Loader, config.link, config.boot as u32),
                session: None,
                client: None,
                transfers,
                kept: Kept::new(),
                waiting: Waiting::new(),
                max_message: MAX_MESSAGE,
                config,
            },
            frame: [0; MAX_FRAME],
            scratch: [0; MAX_MESSAGE],
        }
    }

    /// What the link has seen.
    pub fn counters(&self) -> link::Counters {
        self.core.link.counters()
    }

    /// Whether an agent is there.
    pub fn is_connected(&self) -> bool {
        self.core.client.is_some()
    }

    /// How many places of the store are in use.
    pub fn transfers_in_memory(&self) -> usize {
        let transfers = self.core.transfers.iter();
        transfers.filter(|transfer| transfer.holds_memory()).count()
    }

    /// Takes what has arrived, does what is due, and says what is to be said.
    pub fn poll<World: Store + Apps>(
        &mut self,
        now_ns: u64,
        transport: &mut dyn Transport,
        world: &mut World,
    ) -> Next {
        let Self {
            core,
            frame,
            scratch,
        } = self;
        core.max_message = transport.max_frame().clamp(512, MAX_FRAME) - HEADER;
        let mut again = true;
        for _ in 0..core.config.frames {
            let accept = core.accepts();
            let step = core.link.receive(now_ns, transport, frame, accept);
            core.notice_session();
            match step {
                Step::Idle => {
                    again = false;
                    break;
                }
                Step::Busy => {}
                Step::Message(length) => {
                    core.take(now_ns, link::message(frame, length), world, scratch);
                }
            }
        }
        again |= core.work(now_ns, world);
        core.answer_kept();
        core.answer_waiting(now_ns, world, scratch);
        let accept = core.accepts();
        core.link.transmit(now_ns, transport, accept);
        core.notice_session();
        // Where there is no room for an answer, it is not time that makes some.
        let waiting = core.waiting.alarm_ns().filter(|_| core.link.room() > 0);
        let alarms = [core.link.alarm_ns(), waiting, core.next_expiry_ns()];
        Next {
            again,
            alarm_ns: alarms.into_iter().flatten().min(),
        }
    }
}

impl<'k, const W: usize, const T: usize> Core<'k, W, T> {
    /// Whether requests are taken: only where they can be answered.
    fn accepts(&self) -> bool {
        self.link.session().is_none() || self.link.room() >= ROOM
    }

    /// What waits belongs to a session, and ends with it.
    fn notice_session(&mut self) {
        if self.link.session() != self.session {
            self.session = self.link.session();
            self.client = None;
            self.waiting.clear();
        }
    }

    /// A message has arrived.
    fn take<World: Store + Apps>(
        &mut self,
        now_ns: u64,
        message: &[u8],
        world: &mut World,
        scratch: &mut [u8; MAX_MESSAGE],
    ) {
        let Some(call) = message::read::<Call<'_>>(message) else {
            let id = message::read_id(message).unwrap_or(0);
            let text = "the request cannot be read: it is damaged, or of a later version";
            let refusal = Refusal::new(Code::UNSUPPORTED, &text);
            answer(&mut self.link, id, false, &Err(refusal));
            return;
        };
        if let Reply::Now(outcome) = self.request(now_ns, call, world, scratch) {
            answer(&mut self.link, call.id, false, &outcome);
        }
    }

    fn request<'a, World: Store + Apps>(
        &mut self,
        now_ns: u64,
        call: Call<'_>,
        world: &'a mut World,
        scratch: &'a mut [u8; MAX_MESSAGE],
    ) -> Reply<'a>
    where
        'k: 'a,
    {
        if let Request::Hello {
            version,
            client,
            name,
        } = call.request
        {
            return Reply::Now(self.hello(version, client, name));
        }
        let Some(client) = self.client else {
            let text = "the first request of a session must be `Hello`";
            return Reply::Now(Err(Refusal::new(Code::NOT_GREETED, &text)));
        };
        match call.request {
            Request::Hello { .. } => Reply::Later,
            Request::Deploy { .. }
            | Request::Chunk { .. }
            | Request::Transfer { .. }
            | Request::Commit { .. }
            | Request::Abort { .. } => self.transfer_request(now_ns, client, call, world, scratch),
            Request::Command { app, operation } => {
                self.command(client, call.id, app, operation, world)
            }
            Request::Log { app, from, wait_ms } => {
                self.log_request(now_ns, call.id, app, from, wait_ms, world, scratch)
            }
            Request::Wait { app } => self.wait_request(call.id, app, world),
            Request::Top { period_ms } => {
                let period_ns = u64::from(period_ms.max(message::MIN_TOP_MS)) * MS;
                self.waiting.top(call.id, now_ns, period_ns)
            }
            Request::Cancel { id } => {
                if self.waiting.remove(id) {
                    let text = "the request was taken back";
                    let refusal = Refusal::new(Code::CANCELLED, &text);
                    answer(&mut self.link, id, false, &Err(refusal));
                }
                Reply::Now(Ok(Body::Nothing))
            }
            _ => Reply::Now(self.question(call.request, world, scratch)),
        }
    }

    fn hello(&mut self, version: u16, client: u64, name: &str) -> Outcome<'k> {
        if version != VERSION {
            let text = format_args!(
                "the agent speaks version {version} of the protocol, the loader version {VERSION}: \
                 use those that belong together"
            );
            return Err(Refusal::new(Code::UNSUPPORTED, &text));
        }
        if name.len() > MAX_CLIENT {
            let text = format_args!("the client's name has more than {MAX_CLIENT} bytes");
            return Err(Refusal::new(Code::MALFORMED, &text));
        }
        self.client = Some(client);
        Ok(Body::Hello {
            version: VERSION,
            boot: self.config.boot,
            max_object_bytes: self.config.policy.max_object_bytes,
            unsigned: self.config.policy.unsigned,
            name: self.config.name,
        })
    }
}

/// Writes an answer. There is room: [`ROOM`] was seen to before.
fn answer<const W: usize>(link: &mut Link<W>, id: u32, more: bool, outcome: &Outcome<'_>) {
    let (code, text, body) = match outcome {
        Ok(body) => (Code::OK, "", *body),
        Err(refusal) => (refusal.code, refusal.text.as_str(), Body::Nothing),
    };
    let answer = Answer {
        id,
        more,
        code,
        text,
        body,
    };
    let Some(slot) = link.slot() else {
        return;
    };
    let length = message::write(&answer, slot).or_else(|| {
        // Something of the root task's that is longer than a message: the agent learns that.
        let text = "the answer does not fit a message";
        let answer = Answer {
            code: Code::UNSUPPORTED,
            text,
            body: Body::Nothing,
            ..answer
        };
        message::write(&answer, slot)
    });
    if let Some(length) = length {
        link.push(length);
    }
}

#[cfg(test)]
mod tests;
