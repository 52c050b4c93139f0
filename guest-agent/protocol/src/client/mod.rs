// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The agent's half: requests that are asked until they are answered, whatever becomes of the
//! link and of either end, and uploads that go on where they were ([`Upload`]).
//!
//! A request whose answer did not come is asked again in the next session, with the same number;
//! the loader does nothing twice. Where the loader itself has started anew in between, nobody
//! knows whether a request that changes something was carried out: it is answered with
//! [`Code::RESTARTED`], and others are asked again.

mod upload;

pub use upload::{Outcome, Upload};

use crate::VERSION;
use crate::error::{Code, Refusal};
use crate::frame::{HEADER, MAX_FRAME, MAX_MESSAGE};
use crate::link::{self, Link, Role, Step};
use crate::loader::{KEPT, Next};
use crate::message::{
    self, Answer, BLOCK, Body, Bytes, CHUNK_OVERHEAD, Call, MAX_CHUNK, Request, TransferId,
};
use crate::text::Text;
use crate::transport::Transport;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

/// Messages on their way out.
const WINDOW: usize = 32;
/// Answers that nobody has taken; at more the loader is told to wait.
const MAX_ANSWERS: usize = 256;
/// Frames that are looked at in one poll, at most.
const FRAMES: usize = 256;
/// The number of the greeting.
const HELLO: u32 = 0;

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The number of the request.
    pub id: u32,
    bytes: Vec<u8>,
}

impl Reply {
    /// What it says. What cannot be read says so.
    #[must_use]
    pub fn answer(&self) -> Answer<'_> {
        message::read(&self.bytes).unwrap_or(Answer {
            id: self.id,
            more: false,
            code: Code::UNSUPPORTED,
            text: "the answer cannot be read: it is of a later version",
            body: Body::Nothing,
        })
    }

    /// What is answered.
    ///
    /// # Errors
    /// What the loader refuses.
    pub fn body(&self) -> Result<Body<'_>, Refusal> {
        let answer = self.answer();
        match answer.code {
            Code::OK => Ok(answer.body),
            code => Err(Refusal::new(code, &answer.text)),
        }
    }
}

/// A request that is not answered.
#[derive(Debug)]
struct Asked {
    bytes: Vec<u8>,
    /// In this session.
    sent: bool,
    /// In any session.
    tried: bool,
    /// It changes something.
    changes: bool,
}

/// What the loader said about itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoaderInfo {
    /// Differs from one start of it to the next.
    pub boot: u64,
    /// Longest object that it takes, bytes.
    pub max_object_bytes: u64,
    /// Whether it takes objects without a signature.
    pub unsigned: bool,
    /// What it is, for people.
    pub name: String,
}

/// The agent's half.
#[derive(Debug)]
pub struct Client {
    link: Box<Link<WINDOW>>,
    frame: Box<[u8; MAX_FRAME]>,
    client: u64,
    name: String,
    session: Option<u64>,
    hello_sent: bool,
    greeted: bool,
    loader: Option<LoaderInfo>,
    refused: Option<Refusal>,
    last_id: u32,
    asked: BTreeMap<u32, Asked>,
    answers: VecDeque<Reply>,
    max_message: usize,
}

impl Client {
    /// A client that has not connected yet. `client` is a number that differs from one client to
    /// any other.
    #[must_use]
    pub fn new(config: link::Config, client: u64, name: &str) -> Self {
        Self {
            link: Box::new(Link::new(Role::Agent, config, client as u32)),
            frame: Box::new([0; MAX_FRAME]),
            client,
            name: name.into(),
            session: None,
            hello_sent: false,
            greeted: false,
            loader: None,
            refused: None,
            last_id: HELLO,
            asked: BTreeMap::new(),
            answers: VecDeque::new(),
            max_message: MAX_MESSAGE,
        }
    }

    /// The session, once the loader has answered the greeting.
    #[must_use]
    pub fn session(&self) -> Option<u64> {
        self.session.filter(|_| self.greeted)
    }

    /// The loader, once it has answered the first greeting.
    #[must_use]
    pub fn loader(&self) -> Option<&LoaderInfo> {
        self.loader.as_ref()
    }

    /// Why the loader does not want this client.
    #[must_use]
    pub fn refused(&self) -> Option<&Refusal> {
        self.refused.as_ref()
    }

    /// What the link has seen.
    #[must_use]
    pub fn counters(&self) -> link::Counters {
        self.link.counters()
    }

    /// Whether all messages have arrived.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.link.is_idle()
    }

    /// Asks for something. The number of the request; none where too many requests that change
    /// something are not answered yet, or it is longer than a message.
    pub fn call(&mut self, request: &Request<'_>) -> Option<u32> {
        let changes = changes(request);
        let open = self.asked.values().filter(|asked| asked.changes).count();
        if changes && open >= KEPT {
            return None;
        }
        let id = self.last_id.checked_add(1)?;
        let mut buffer = [0; MAX_MESSAGE];
        let request = *request;
        let length = message::write(&Call { id, request }, &mut buffer)?;
        self.last_id = id;
        self.asked.insert(
            id,
            Asked {
                bytes: buffer[..length].to_vec(),
                sent: false,
                tried: false,
                changes,
            },
        );
        Some(id)
    }

    /// Takes the answer to a request, if it is here; of several the first.
    pub fn take(&mut self, id: u32) -> Option<Reply> {
        let at = self.answers.iter().position(|reply| reply.id == id)?;
        self.answers.remove(at)
    }

    /// Does not want to know the answer to a request any more.
    pub fn forget(&mut self, id: u32) {
        self.asked.remove(&id);
        self.answers.retain(|reply| reply.id != id);
    }

    /// Drops the answers to requests that nobody knows any more.
    pub fn keep_answers(&mut self, known: impl Fn(u32) -> bool) {
        self.answers.retain(|reply| known(reply.id));
    }

    /// Data of a chunk that the line likes, bytes.
    #[must_use]
    pub fn chunk_bytes(&self) -> usize {
        let block = BLOCK as usize;
        let room = self
            .max_message
            .saturating_sub(CHUNK_OVERHEAD)
            .min(MAX_CHUNK);
        (room / block).max(1) * block
    }

    /// Whether a chunk would be sent.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.greeted && self.link.room() >= WINDOW / 4
    }

    /// A number for chunks, under which errors about them are answered.
    pub fn chunk_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// Sends a chunk, if there is room for it and for requests beside it. It is lost if the
    /// session ends.
    pub fn chunk(&mut self, id: u32, transfer: TransferId, offset: u64, data: &[u8]) -> bool {
        if !self.has_room() {
            return false;
        }
        let call = Call {
            id,
            request: Request::Chunk {
                transfer,
                offset,
                data: Bytes(data),
            },
        };
        let length = self
            .link
            .slot()
            .and_then(|slot| message::write(&call, slot));
        if let Some(length) = length {
            self.link.push(length);
        }
        length.is_some()
    }

    /// Takes what has arrived and sends what is to be sent.
    pub fn poll(&mut self, now_ns: u64, transport: &mut dyn Transport) -> Next {
        self.max_message = transport.max_frame().clamp(512, MAX_FRAME) - HEADER;
        let mut again = true;
        for _ in 0..FRAMES {
            let accept = self.answers.len() < MAX_ANSWERS;
            let step = self
                .link
                .receive(now_ns, transport, &mut self.frame, accept);
            self.notice_session();
            match step {
                Step::Idle => {
                    again = false;
                    break;
                }
                Step::Busy => {}
                Step::Message(length) => {
                    let bytes = link::message(&self.frame, length).to_vec();
                    self.answered(bytes);
                }
            }
        }
        self.transmit(now_ns, transport);
        Next {
            again,
            alarm_ns: self.link.alarm_ns(),
        }
    }

    /// Sends what is to be sent, without looking at what has arrived.
    pub fn transmit(&mut self, now_ns: u64, transport: &mut dyn Transport) {
        self.greet();
        self.ask();
        let accept = self.answers.len() < MAX_ANSWERS;
        self.link.transmit(now_ns, transport, accept);
        self.notice_session();
    }

    fn notice_session(&mut self) {
        if self.link.session() != self.session {
            self.session = self.link.session();
            self.hello_sent = false;
            self.greeted = false;
            self.asked.values_mut().for_each(|asked| asked.sent = false);
        }
    }

    fn greet(&mut self) {
        if self.hello_sent || self.session.is_none() {
            return;
        }
        let call = Call {
            id: HELLO,
            request: Request::Hello {
                version: VERSION,
                client: self.client,
                name: &self.name,
            },
        };
        let length = self
            .link
            .slot()
            .and_then(|slot| message::write(&call, slot));
        if let Some(length) = length {
            self.link.push(length);
            self.hello_sent = true;
        }
    }

    /// Asks what was not asked in this session, in order.
    fn ask(&mut self) {
        if !self.greeted {
            return;
        }
        for asked in self.asked.values_mut().filter(|asked| !asked.sent) {
            let Some(slot) = self.link.slot() else {
                return;
            };
            slot[..asked.bytes.len()].copy_from_slice(&asked.bytes);
            self.link.push(asked.bytes.len());
            asked.sent = true;
            asked.tried = true;
        }
    }

    fn answered(&mut self, bytes: Vec<u8>) {
        let Some(answer) = message::read::<Answer<'_>>(&bytes) else {
            // An answer of a later version: its number stands first, as that of a request.
            if let Some(id) = message::read_id(&bytes)
                && self.asked.remove(&id).is_some()
            {
                self.answers.push_back(Reply { id, bytes });
            }
            return;
        };
        let id = answer.id;
        if id == HELLO {
            self.greeting(&bytes);
            return;
        }
        let known = match answer.more {
            true => self.asked.contains_key(&id),
            false => self.asked.remove(&id).is_some(),
        };
        // Errors of chunks are answers to what was not kept.
        if known || answer.code != Code::OK {
            self.answers.push_back(Reply { id, bytes });
        }
    }

    /// The loader has answered the greeting.
    fn greeting(&mut self, bytes: &[u8]) {
        let Some(answer) = message::read::<Answer<'_>>(bytes) else {
            return;
        };
        let Body::Hello {
            boot,
            max_object_bytes,
            unsigned,
            name,
            ..
        } = answer.body
        else {
            self.refused = Some(Refusal::new(answer.code, &answer.text));
            return;
        };
        let before = self.loader.replace(LoaderInfo {
            boot,
            max_object_bytes,
            unsigned,
            name: name.into(),
        });
        self.greeted = true;
        self.refused = None;
        if before.is_some_and(|before| before.boot != boot) {
            self.restarted();
        }
    }

    /// The loader has started anew.
    fn restarted(&mut self) {
        let lost = |asked: &Asked| asked.changes && asked.tried;
        let ids: Vec<u32> = self
            .asked
            .iter()
            .filter(|(_, asked)| lost(asked))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.asked.remove(&id);
            let text: Text<160> = Text::of(
                &"the loader has started anew: look at its apps to see whether this was carried out",
            );
            let answer = Answer {
                id,
                more: false,
                code: Code::RESTARTED,
                text: text.as_str(),
                body: Body::Nothing,
            };
            let mut buffer = [0; 256];
            if let Some(length) = message::write(&answer, &mut buffer) {
                let bytes = buffer[..length].to_vec();
                self.answers.push_back(Reply { id, bytes });
            }
        }
    }
}

/// Whether a request changes something that asking twice would change twice.
#[must_use]
pub fn changes(request: &Request<'_>) -> bool {
    matches!(request, Request::Commit { .. } | Request::Command { .. })
}
