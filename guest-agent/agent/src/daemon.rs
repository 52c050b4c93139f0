// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-agent daemon`: one line to the loader for several clients. Each speaks the protocol on a
//! socket as if the daemon was the loader; the daemon asks the loader on their behalf, under
//! numbers of its own.

use crate::failure::Failure;
use crate::line::Stream;
use crate::session::{Session, number};
use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::fs::Mode;
use std::collections::{BTreeMap, VecDeque};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use wasm_aot_protocol::client::{Client, changes};
use wasm_aot_protocol::error::Refusal;
use wasm_aot_protocol::frame::MAX_FRAME;
use wasm_aot_protocol::link::{self, Config, Link, Role, Step};
use wasm_aot_protocol::loader::KEPT;
use wasm_aot_protocol::message::{self, Answer, Body, Call, Request};
use wasm_aot_protocol::{Code, VERSION};

/// Where clients find it.
pub const SOCKET: &str = "/run/wasm-agent.sock";
/// Clients at a time.
const MAX_CLIENTS: usize = 32;
/// Frames of a client that are looked at before it is the next one's turn.
const FRAMES: usize = 32;
/// How long the daemon waits before it looks whether the loader takes more.
const BLOCKED: Duration = Duration::from_micros(500);
/// Free places for answers below which no further request is taken.
const ROOM: usize = 2;

/// Hold the line to the loader for several clients, which connect to a socket.
#[derive(Args)]
pub struct Daemon {
    /// The socket.
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
}

/// A request of a client that the loader has.
struct Asked {
    /// Our number of it.
    ours: u32,
    request: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Answered with errors only.
    Chunk,
    /// It changes something: it is asked once, whatever becomes of the client's session.
    Change,
    /// It may be asked again.
    Question,
}

/// A client.
struct Peer {
    line: Box<Stream>,
    link: Box<Link<16>>,
    session: Option<u64>,
    /// By its numbers.
    asked: BTreeMap<u32, Asked>,
    /// Answers to requests that change something, for a client that asks again.
    kept: VecDeque<(u32, Vec<u8>)>,
}

struct State {
    listener: UnixListener,
    peers: Vec<Peer>,
    /// That of the line to the loader.
    session: Option<u64>,
    /// Differs from one daemon to the next.
    start: u64,
    frame: Box<[u8; MAX_FRAME]>,
}

pub fn main(session: &mut Session, daemon: &Daemon) -> Result<u8, Failure> {
    let listener = listen(&daemon.socket)?;
    let mut state = State {
        listener,
        peers: Vec::new(),
        session: None,
        start: number()?,
        frame: Box::new([0; MAX_FRAME]),
    };
    state.watch(session)?;
    let ended = session.until(|session| state.turn(session).map(|()| None::<u8>));
    let _ = std::fs::remove_file(&daemon.socket);
    match ended {
        Err(Failure::Interrupted) => Ok(0),
        other => other,
    }
}

/// Listens on a socket that nobody but this user can connect to.
fn listen(path: &Path) -> Result<UnixListener> {
    let cannot = || format!("cannot listen on {}", path.display());
    if path.exists() {
        if UnixStream::connect(path).is_ok() {
            bail!("{}: another daemon does", cannot());
        }
        // One that a daemon left behind; nothing but a socket is removed.
        let file = std::fs::symlink_metadata(path).with_context(cannot)?;
        if !std::os::unix::fs::FileTypeExt::is_socket(&file.file_type()) {
            bail!("{}: there is another file", cannot());
        }
        std::fs::remove_file(path).with_context(cannot)?;
    }
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let listener = UnixListener::bind(path).with_context(cannot);
    rustix::process::umask(before);
    let listener = listener?;
    listener.set_nonblocking(true).with_context(cannot)?;
    Ok(listener)
}

impl State {
    /// What is waited for: the clients, and new ones.
    fn watch(&self, session: &mut Session) -> Result<(), Failure> {
        let own = self.listener.try_clone()?.into();
        let peers = self.peers.iter().map(|peer| peer.line.descriptor());
        let peers = peers.collect::<Result<Vec<_>, _>>()?;
        session.others = peers.into_iter().flatten().chain([own]).collect();
        Ok(())
    }

    fn turn(&mut self, session: &mut Session) -> Result<(), Failure> {
        let before = self.peers.len();
        let mut changed = false;
        while let Ok((stream, _)) = self.listener.accept() {
            changed = true;
            if self.peers.len() < MAX_CLIENTS {
                stream.set_nonblocking(true)?;
                self.peers.push(Peer::new(stream)?);
            }
        }
        if session.client.session() != self.session {
            self.session = session.client.session();
            // Chunks that were on their way are lost: who sent some begins again.
            self.peers.iter_mut().for_each(Peer::lose_chunks);
        }
        let now_ns = session.now_ns();
        for peer in &mut self.peers {
            session.again |= peer.turn(now_ns, &mut session.client, self.start, &mut self.frame);
        }
        if session.again && !session.client.has_room() {
            // What they have to say waits where it is until the loader takes it.
            std::thread::sleep(BLOCKED);
        }
        let peers = &self.peers;
        let known = |id| {
            let mut asked = peers.iter().flat_map(|peer| peer.asked.values());
            asked.any(|asked| asked.ours == id)
        };
        session.client.keep_answers(known);
        self.peers.retain_mut(|peer| {
            let closed = peer.line.is_closed();
            if closed {
                peer.forget(&mut session.client, true);
            }
            !closed
        });
        if changed || self.peers.len() != before {
            self.watch(session)?;
        }
        Ok(())
    }
}

impl Peer {
    fn new(stream: UnixStream) -> Result<Self> {
        let start = number()? as u32;
        Ok(Self {
            line: Box::new(Stream::socket(stream.into(), None)),
            link: Box::new(Link::new(Role::Loader, Config::SHARED, start)),
            session: None,
            asked: BTreeMap::new(),
            kept: VecDeque::new(),
        })
    }

    /// Looks at what it has to say, and passes on what it is to be told. Whether there is more.
    fn turn(
        &mut self,
        now_ns: u64,
        client: &mut Client,
        start: u64,
        frame: &mut [u8; MAX_FRAME],
    ) -> bool {
        let mut again = true;
        for _ in 0..FRAMES {
            if !client.has_room() {
                break;
            }
            let accept = self.accepts(client);
            let step = self.link.receive(now_ns, &mut *self.line, frame, accept);
            self.notice_session(client);
            match step {
                Step::Idle => {
                    again = false;
                    break;
                }
                Step::Busy => {}
                Step::Message(length) => self.take(link::message(frame, length), client, start),
            }
        }
        self.pass_on(client);
        let accept = self.accepts(client);
        self.link.transmit(now_ns, &mut *self.line, accept);
        self.notice_session(client);
        again
    }

    /// Requests are taken when the loader's answer to the greeting is known, and it takes them.
    fn accepts(&self, client: &Client) -> bool {
        client.has_room() && (self.link.session().is_none() || self.link.room() > ROOM)
    }

    fn notice_session(&mut self, client: &mut Client) {
        if self.link.session() != self.session {
            self.session = self.link.session();
            self.forget(client, false);
        }
    }

    /// Nobody waits for the answers any more; what changes something is kept unless the client is
    /// gone.
    fn forget(&mut self, client: &mut Client, gone: bool) {
        self.asked.retain(|_, asked| {
            if asked.request == Kind::Change && !gone {
                return true;
            }
            let id = asked.ours;
            if asked.request == Kind::Question
                && let Some(cancel) = client.call(&Request::Cancel { id })
            {
                client.forget(cancel);
            }
            client.forget(id);
            false
        });
    }

    fn lose_chunks(&mut self) {
        let chunks = self
            .asked
            .iter()
            .filter(|(_, asked)| asked.request == Kind::Chunk);
        let chunks: Vec<u32> = chunks.map(|(theirs, _)| *theirs).collect();
        for theirs in chunks {
            self.asked.remove(&theirs);
            let text = "the line to the loader was cut";
            self.answer(theirs, &Err(Refusal::new(Code::NO_TRANSFER, &text)));
        }
    }

    fn take(&mut self, bytes: &[u8], client: &mut Client, start: u64) {
        let Some(Call { id, request }) = message::read::<Call<'_>>(bytes) else {
            let id = message::read_id(bytes).unwrap_or(0);
            let text = "the request cannot be read: it is damaged, or of a later version";
            self.answer(id, &Err(Refusal::new(Code::UNSUPPORTED, &text)));
            return;
        };
        match request {
            Request::Hello { version, .. } => self.hello(id, version, client, start),
            Request::Chunk {
                transfer,
                offset,
                data,
            } => {
                let asked = self.asked.entry(id).or_insert_with(|| Asked {
                    ours: client.chunk_id(),
                    request: Kind::Chunk,
                });
                // There is room: it was looked at before.
                client.chunk(asked.ours, transfer, offset, data.0);
            }
            Request::Cancel { id: theirs } => match self.asked.get(&theirs) {
                Some(asked) => {
                    let ours = asked.ours;
                    self.ask(id, &Request::Cancel { id: ours }, client);
                }
                None => self.answer(id, &Ok(Body::Nothing)),
            },
            request => self.ask(id, &request, client),
        }
    }

    fn hello(&mut self, id: u32, version: u16, client: &Client, start: u64) {
        let outcome = match client.loader() {
            Some(_) if version != VERSION => Err(Refusal::new(
                Code::UNSUPPORTED,
                &format_args!("the daemon speaks version {VERSION} of the protocol, not {version}"),
            )),
            Some(loader) => Ok(Body::Hello {
                version: VERSION,
                boot: loader.boot ^ start,
                max_object_bytes: loader.max_object_bytes,
                unsigned: loader.unsigned,
                name: &loader.name,
            }),
            None => Err(Refusal::new(Code::BUSY, &"the loader has not answered yet")),
        };
        answer(&mut self.link, id, &outcome);
    }

    /// Asks the loader, unless it was asked already.
    fn ask(&mut self, theirs: u32, request: &Request<'_>, client: &mut Client) {
        if self.asked.contains_key(&theirs) {
            return;
        }
        if let Some((_, bytes)) = self.kept.iter().find(|(kept, _)| *kept == theirs) {
            push(&mut self.link, bytes);
            return;
        }
        let kind = match changes(request) {
            true => Kind::Change,
            false => Kind::Question,
        };
        match client.call(request) {
            Some(ours) => {
                let request = kind;
                self.asked.insert(theirs, Asked { ours, request });
            }
            None => {
                let text = "too many requests are not answered yet";
                self.answer(theirs, &Err(Refusal::new(Code::BUSY, &text)));
            }
        }
    }

    /// Passes the loader's answers on.
    fn pass_on(&mut self, client: &mut Client) {
        let mut over = Vec::new();
        for (theirs, asked) in &self.asked {
            while self.link.room() > 1
                && let Some(reply) = client.take(asked.ours)
            {
                let answer = Answer {
                    id: *theirs,
                    ..reply.answer()
                };
                let mut bytes = [0; MAX_FRAME];
                let Some(length) = message::write(&answer, &mut bytes) else {
                    continue;
                };
                push(&mut self.link, &bytes[..length]);
                if asked.request == Kind::Change {
                    self.kept.push_back((*theirs, bytes[..length].to_vec()));
                }
                if !answer.more {
                    over.push(*theirs);
                }
            }
        }
        for theirs in over {
            self.asked.remove(&theirs);
        }
        while self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    fn answer(&mut self, id: u32, outcome: &Result<Body<'_>, Refusal>) {
        answer(&mut self.link, id, outcome);
    }
}

fn answer(link: &mut Link<16>, id: u32, outcome: &Result<Body<'_>, Refusal>) {
    let (code, text, body) = match outcome {
        Ok(body) => (Code::OK, "", *body),
        Err(refusal) => (refusal.code, refusal.text.as_str(), Body::Nothing),
    };
    let answer = Answer {
        id,
        more: false,
        code,
        text,
        body,
    };
    let mut bytes = [0; MAX_FRAME];
    if let Some(length) = message::write(&answer, &mut bytes) {
        push(link, &bytes[..length]);
    }
}

fn push(link: &mut Link<16>, bytes: &[u8]) {
    if let Some(slot) = link.slot()
        && let Some(place) = slot.get_mut(..bytes.len())
    {
        place.copy_from_slice(bytes);
        link.push(bytes.len());
    }
}
