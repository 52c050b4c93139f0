// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Messages in order, each once, over frames that get lost, doubled, reordered and damaged.
//!
//! The agent opens a session (`Open`, `Opened`); both ends have a number for it, every frame
//! carries both, and so nothing of an earlier session is taken for one of this. A loader that has
//! started anew answers a session that it does not know with `Reset`. Within a session messages
//! are numbered from 0; the receiver takes them in order only and says which it expects next and
//! how many it has room for; the sender keeps them until then, and begins again with the oldest
//! where nothing is heard (go-back-N): on shared memory nothing gets lost, on a serial line the
//! window is short.

mod config;
mod queue;
mod timer;

use crate::frame::{self, HEADER, Header, Kind, MAX_FRAME, MAX_MESSAGE};
use crate::transport::Transport;
pub use config::{Config, Counters};
use queue::Queue;
use timer::Timeout;

/// Which end this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Opens sessions, and opens another one where one ends.
    Agent,
    /// Is opened. The last one who opens a session has it.
    Loader,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed,
    /// The agent has asked.
    Opening,
    /// The other end's number of the session.
    Open(u32),
}

/// What one step of [`Link::receive`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing has arrived.
    Idle,
    /// Something that needs no answer of yours.
    Busy,
    /// A message of so many bytes; it stands in the buffer, behind the frame's header.
    Message(usize),
}

/// The message in a buffer of [`Link::receive`].
#[must_use]
pub fn message(buffer: &[u8; MAX_FRAME], length: usize) -> &[u8] {
    &buffer[HEADER..HEADER + length.min(MAX_MESSAGE)]
}

/// One end of a link, with at most `W` messages on their way out.
#[derive(Debug)]
pub struct Link<const W: usize> {
    role: Role,
    config: Config,
    state: State,
    /// Our number of the session.
    ours: u32,
    /// The loader: an agent that has asked for a session and not used it yet, and our number.
    asked: Option<(u32, u32)>,
    last_number: u32,
    /// How many sessions there were.
    sessions: u64,
    queue: Queue<W>,
    /// The message that we expect.
    expected: u32,
    peer_window: u16,
    repeats: u8,
    timeout: Timeout,
    /// When the oldest message counts as lost, or a question as unanswered.
    alarm_ns: Option<u64>,
    heard_ns: u64,
    owes_opened: bool,
    owes_acknowledge: bool,
    owes_reset: Option<u32>,
    /// What we said last about whether we take messages.
    accepted: bool,
    counters: Counters,
    /// The frame that is being sent.
    frame: [u8; MAX_FRAME],
}

impl<const W: usize> Link<W> {
    /// A link without a session. `start` is a number that differs from one start of this end to
    /// the next.
    #[must_use]
    pub const fn new(role: Role, config: Config, start: u32) -> Self {
        Self {
            role,
            config,
            state: State::Closed,
            ours: 0,
            asked: None,
            last_number: start,
            sessions: 0,
            queue: Queue::new(),
            expected: 0,
            peer_window: 0,
            repeats: 0,
            timeout: Timeout::new(&config),
            alarm_ns: None,
            heard_ns: 0,
            owes_opened: false,
            owes_acknowledge: false,
            owes_reset: None,
            accepted: true,
            counters: Counters {
                received: 0,
                damaged: 0,
                strange: 0,
                unexpected: 0,
                repeated: 0,
            },
            frame: [0; MAX_FRAME],
        }
    }

    /// The number of the session, counted from 1; none where there is none.
    pub fn session(&self) -> Option<u64> {
        matches!(self.state, State::Open(_)).then_some(self.sessions)
    }

    /// What it has seen.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many messages can be given now.
    pub fn room(&self) -> usize {
        match self.state {
            State::Open(_) => self.queue.room(),
            _ => 0,
        }
    }

    /// Whether everything has arrived at the other end.
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Where to write the next message, if there is a session and room; [`Link::push`] sends it.
    pub fn slot(&mut self) -> Option<&mut [u8; MAX_MESSAGE]> {
        match self.state {
            State::Open(_) => self.queue.slot(),
            _ => None,
        }
    }

    /// Takes the message of `length` bytes that stands in the slot.
    pub fn push(&mut self, length: usize) {
        self.queue.push(length);
    }

    /// When [`Link::transmit`] has something to do even if nothing arrives.
    pub fn alarm_ns(&self) -> Option<u64> {
        let dead = self.session().map(|_| self.heard_ns + self.config.dead_ns);
        let probe = match self.role {
            Role::Agent => self.session().map(|_| self.heard_ns + self.config.probe_ns),
            Role::Loader => None,
        };
        [
            self.alarm_ns,
            dead,
            probe.filter(|_| self.alarm_ns.is_none()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Looks at one frame. Messages are taken only where `accept`; otherwise the other end is
    /// told to wait.
    pub fn receive(
        &mut self,
        now_ns: u64,
        transport: &mut dyn Transport,
        buffer: &mut [u8; MAX_FRAME],
        accept: bool,
    ) -> Step {
        let Some(length) = transport.receive(buffer) else {
            return Step::Idle;
        };
        let frame = buffer.get(..length).and_then(frame::read);
        let Some((header, payload)) = frame else {
            self.counters.damaged += 1;
            return Step::Busy;
        };
        self.counters.received += 1;
        if self.take(now_ns, &header, accept) {
            Step::Message(payload.len())
        } else {
            Step::Busy
        }
    }

    /// Whether the frame is the message that is expected.
    fn take(&mut self, now_ns: u64, header: &Header, accept: bool) -> bool {
        match (header.kind, self.role) {
            (Kind::Open, Role::Loader) => {
                self.asked_by(header.from);
                return false;
            }
            (Kind::Opened, Role::Agent) => {
                if self.state == State::Opening && header.to == self.ours {
                    self.begin(now_ns, header.from);
                    self.peer_window = header.window;
                    self.owes_acknowledge = true;
                }
                return false;
            }
            (Kind::Reset, Role::Agent) => {
                if self.session().is_some() && header.to == self.ours {
                    self.close();
                }
                return false;
            }
            (Kind::Open | Kind::Opened | Kind::Reset, _) => {
                self.counters.strange += 1;
                return false;
            }
            (Kind::Message | Kind::Acknowledge | Kind::Probe, _) => {}
        }
        if let Some((peer, ours)) = self.asked
            && (header.from, header.to) == (peer, ours)
        {
            // The agent knows our number, so this is no old question that was late.
            self.ours = ours;
            self.asked = None;
            self.begin(now_ns, peer);
        }
        if self.state != State::Open(header.from) || header.to != self.ours {
            self.counters.strange += 1;
            if self.role == Role::Loader {
                self.owes_reset = Some(header.from);
            }
            return false;
        }
        self.heard_ns = now_ns;
        self.acknowledged(now_ns, header);
        match header.kind {
            Kind::Message => self.expects(header.sequence, accept),
            Kind::Probe => {
                self.owes_acknowledge = true;
                false
            }
            _ => false,
        }
    }

    fn expects(&mut self, sequence: u32, accept: bool) -> bool {
        self.owes_acknowledge = true;
        if sequence != self.expected {
            self.counters.unexpected += 1;
            return false;
        }
        if accept {
            self.expected = self.expected.wrapping_add(1);
        }
        accept
    }

    fn acknowledged(&mut self, now_ns: u64, header: &Header) {
        let outstanding = self.queue.outstanding();
        match self.queue.acknowledge(header.acknowledge) {
            None => return,
            Some(0) => {
                if !outstanding {
                    // An answer to a question.
                    self.alarm_ns = None;
                } else if header.kind == Kind::Acknowledge {
                    // It got something that it did not expect: what it expects is lost, perhaps.
                    // Once may be reordering.
                    self.repeats = self.repeats.saturating_add(1);
                    if self.repeats == 2 {
                        self.queue.go_back();
                        self.timeout.lost(&self.config);
                    }
                }
            }
            Some(_) => {
                self.repeats = 0;
                self.timeout
                    .acknowledged(header.acknowledge, now_ns, &self.config);
                self.alarm_ns = None;
            }
        }
        if self.peer_window == 0 && header.window > 0 {
            // It did not take what was sent before.
            self.queue.go_back();
            self.alarm_ns = None;
        }
        self.peer_window = header.window;
    }

    /// An agent asks for a session.
    fn asked_by(&mut self, peer: u32) {
        if self.state == State::Open(peer) {
            // It has our answer, otherwise the session would not have begun: an old frame.
            self.counters.strange += 1;
            return;
        }
        if self.asked.is_none_or(|(asking, _)| asking != peer) {
            self.asked = Some((peer, self.new_number()));
        }
        self.owes_opened = true;
    }

    fn new_number(&mut self) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        if self.last_number == 0 {
            self.last_number = 1;
        }
        self.last_number
    }

    fn begin(&mut self, now_ns: u64, peer: u32) {
        self.state = State::Open(peer);
        self.sessions += 1;
        self.queue.clear();
        self.expected = 0;
        self.peer_window = 0;
        self.repeats = 0;
        self.timeout = Timeout::new(&self.config);
        self.alarm_ns = None;
        self.heard_ns = now_ns;
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.queue.clear();
        self.owes_acknowledge = false;
        self.alarm_ns = None;
    }

    /// Sends what is to be sent now. `accept`: as in [`Link::receive`].
    pub fn transmit(&mut self, now_ns: u64, transport: &mut dyn Transport, accept: bool) {
        if accept != self.accepted {
            self.accepted = accept;
            self.owes_acknowledge |= self.session().is_some();
        }
        if self.session().is_some() && now_ns.saturating_sub(self.heard_ns) > self.config.dead_ns {
            self.close();
        }
        match (self.state, self.role) {
            (State::Open(peer), _) => self.transmit_session(now_ns, transport, peer),
            (_, Role::Agent) => self.open(now_ns, transport),
            (_, Role::Loader) => {}
        }
        self.transmit_answers(transport);
        transport.flush();
    }

    /// Asks for a session, and again where nobody answers.
    fn open(&mut self, now_ns: u64, transport: &mut dyn Transport) {
        if self.state == State::Closed {
            self.ours = self.new_number();
            self.state = State::Opening;
            self.timeout = Timeout::new(&self.config);
            self.alarm_ns = None;
        }
        if self.alarm_ns.is_none_or(|alarm| now_ns >= alarm) {
            if self.alarm_ns.is_some() {
                self.timeout.back_off(&self.config);
            }
            if self.put(transport, Kind::Open, self.ours, 0) {
                self.alarm_ns = Some(now_ns + self.timeout.ns());
            } else {
                // Nobody has connected the line: it is looked at again soon.
                self.alarm_ns = Some(now_ns + self.config.timeout_min_ns);
            }
        }
    }

    fn transmit_answers(&mut self, transport: &mut dyn Transport) {
        if let (true, Some((peer, ours))) = (self.owes_opened, self.asked) {
            self.owes_opened = !self.put(transport, Kind::Opened, ours, peer);
        }
        if let Some(peer) = self.owes_reset.take() {
            // If there is no room for it now: the agent will ask again.
            self.put(transport, Kind::Reset, 0, peer);
        }
    }

    fn transmit_session(&mut self, now_ns: u64, transport: &mut dyn Transport, peer: u32) {
        if self.alarm_ns.is_some_and(|alarm| now_ns >= alarm) {
            self.alarm_ns = None;
            self.timeout.lost(&self.config);
            self.queue.go_back();
        }
        let mut sent = false;
        loop {
            let header = self.header(Kind::Message, self.ours, peer);
            let Some(payload) = self.queue.next(self.peer_window) else {
                break;
            };
            let length = frame::write(&header, payload, &mut self.frame);
            if !transport.send(&self.frame[..length]) {
                break;
            }
            sent = true;
            if self.queue.sent() {
                self.timeout.sent(header.sequence, now_ns);
            } else {
                self.counters.repeated += 1;
            }
        }
        // Who sends nothing because the other end takes nothing, or has heard nothing for long,
        // asks.
        let silent = now_ns.saturating_sub(self.heard_ns) >= self.config.probe_ns;
        let ask = match self.queue.is_empty() {
            true => self.role == Role::Agent && silent,
            false => self.peer_window == 0,
        };
        if ask && self.alarm_ns.is_none() {
            sent |= self.put(transport, Kind::Probe, self.ours, peer);
        }
        if self.alarm_ns.is_none() && (ask || !self.queue.is_empty()) {
            self.alarm_ns = Some(now_ns + self.timeout.ns());
        }
        // What was sent has said what an acknowledgement says.
        if self.owes_acknowledge && !sent {
            sent = self.put(transport, Kind::Acknowledge, self.ours, peer);
        }
        self.owes_acknowledge &= !sent;
    }

    fn header(&self, kind: Kind, from: u32, to: u32) -> Header {
        Header {
            kind,
            from,
            to,
            sequence: self.queue.next_number(),
            acknowledge: self.expected,
            window: if self.accepted { self.config.window } else { 0 },
        }
    }

    /// Sends a frame without a message.
    fn put(&mut self, transport: &mut dyn Transport, kind: Kind, from: u32, to: u32) -> bool {
        let mut header = self.header(kind, from, to);
        if matches!(kind, Kind::Open | Kind::Opened | Kind::Reset) {
            // About no session, or one that has not begun.
            (header.sequence, header.acknowledge) = (0, 0);
        }
        let length = frame::write(&header, &[], &mut self.frame);
        transport.send(&self.frame[..length])
    }
}

#[cfg(test)]
mod tests;
