// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! An object on its way to the loader. Whatever is interrupted goes on where it was: the loader
//! is asked which blocks it has.

use super::{Client, Reply};
use crate::error::{Code, Refusal};
use crate::message::{
    AppId, AppInfo, BLOCK, Body, Bytes, List, Request, TransferId, TransferState,
};
use alloc::vec::Vec;
use wasm_aot_trust::Statement;
use wasm_aot_trust::statement::read_file;

/// What has come of an upload.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Outcome {
    /// It goes on.
    Working,
    /// The app is there.
    Done(AppId),
    /// The loader refuses it.
    Refused(Refusal),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The object is to be announced.
    Begin,
    /// It has been: the number of the request.
    Announced(u32),
    /// The rest of the map is asked for.
    Mapping(u32),
    /// Blocks are sent.
    Sending,
    /// The loader checks and loads.
    Committing(u32),
    /// The loader has started anew while it did: are the apps what they should be?
    Looking(u32),
}

/// An upload.
#[derive(Clone, Debug)]
pub struct Upload {
    statement: Vec<u8>,
    signature: Vec<u8>,
    arguments: Vec<u8>,
    environment: Vec<u8>,
    flags: u32,
    stage: Stage,
    /// The session in which blocks are sent.
    session: Option<u64>,
    transfer: TransferId,
    chunk_id: u32,
    /// Pieces that are to be sent, the next one last: first block, number of blocks.
    missing: Vec<(u32, u32)>,
    length_bytes: u64,
    sent_blocks: u32,
    /// Whether an app may have come of it without our knowing.
    unsure: bool,
    /// Pieces are sent in an order that follows from this, if it is not 0.
    scatter: u64,
    again: u32,
}

impl Upload {
    /// An upload of the object that `statement` is about. A statement with its signature behind
    /// it, as in a signature file, is split.
    #[must_use]
    pub fn new(statement: &[u8], arguments: List<'_>, environment: List<'_>, flags: u32) -> Self {
        let (statement, signature) = match read_file(statement) {
            Ok((statement, signature)) => (statement, signature.to_vec()),
            Err(_) => (statement, Vec::new()),
        };
        Self {
            statement: statement.to_vec(),
            signature,
            arguments: arguments.packed().to_vec(),
            environment: environment.packed().to_vec(),
            flags,
            stage: Stage::Begin,
            session: None,
            transfer: TransferId {
                place: 0,
                generation: 0,
            },
            chunk_id: 0,
            missing: Vec::new(),
            length_bytes: Statement::read(statement).map_or(0, |statement| statement.length_bytes),
            sent_blocks: 0,
            unsure: false,
            scatter: 0,
            again: 0,
        }
    }

    /// Sends the pieces in another order, which follows from a number.
    #[must_use]
    pub fn scattered(mut self, seed: u64) -> Self {
        self.scatter = seed | 1;
        self
    }

    /// Bytes that are sent or were there, and all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let sent = u64::from(self.sent_blocks) * BLOCK;
        (sent.min(self.length_bytes), self.length_bytes)
    }

    /// Whether all of the object is at the loader, which checks and loads it.
    #[must_use]
    pub fn is_committing(&self) -> bool {
        matches!(self.stage, Stage::Committing(_))
    }

    /// How often it had to begin again.
    #[must_use]
    pub fn interruptions(&self) -> u32 {
        self.again
    }

    /// Which transfer it is, to abort it.
    #[must_use]
    pub fn transfer(&self) -> Option<TransferId> {
        (self.chunk_id != 0).then_some(self.transfer)
    }

    /// Does what can be done now. `object`: its bytes.
    pub fn poll(&mut self, client: &mut Client, object: &[u8]) -> Outcome {
        if object.len() as u64 != self.length_bytes {
            let text = "the object is not as long as its statement says";
            return Outcome::Refused(Refusal::new(Code::ALTERED, &text));
        }
        match self.stage {
            Stage::Begin => self.announce(client),
            Stage::Announced(id) | Stage::Mapping(id) => match client.take(id) {
                Some(reply) => self.mapped(client, &reply),
                None => Outcome::Working,
            },
            Stage::Sending => self.send(client, object),
            Stage::Committing(id) => match client.take(id) {
                Some(reply) => self.committed(&reply),
                None => Outcome::Working,
            },
            Stage::Looking(id) => match client.take(id) {
                Some(reply) => self.looked(client, &reply),
                None => Outcome::Working,
            },
        }
    }

    fn begin_again(&mut self) -> Outcome {
        self.again += 1;
        self.stage = Stage::Begin;
        Outcome::Working
    }

    fn announce(&mut self, client: &mut Client) -> Outcome {
        if client.session().is_none() {
            return Outcome::Working;
        }
        let request = Request::Deploy {
            statement: Bytes(&self.statement),
            signature: Bytes(&self.signature),
            arguments: List::new(&self.arguments).unwrap_or_default(),
            environment: List::new(&self.environment).unwrap_or_default(),
            flags: self.flags,
        };
        match client.call(&request) {
            Some(id) => {
                self.stage = Stage::Announced(id);
                self.session = client.session();
                self.missing.clear();
                Outcome::Working
            }
            None => Outcome::Refused(Refusal::new(
                Code::MALFORMED,
                &"the arguments, the environment and the statement do not fit a message",
            )),
        }
    }

    /// The loader says which blocks it has.
    fn mapped(&mut self, client: &mut Client, reply: &Reply) -> Outcome {
        let (transfer, state, from, map) = match reply.body() {
            Ok(Body::Transfer {
                transfer,
                state,
                from,
                map,
                ..
            }) => (transfer, state, from, map),
            Ok(_) => return Outcome::Refused(strange()),
            Err(refusal) => return self.mapping_refused(client, refusal),
        };
        self.transfer = transfer;
        if let TransferState::Done(app) = state {
            return Outcome::Done(app);
        }
        if state == TransferState::Committing {
            self.sent_blocks = self.total_blocks();
            return self.commit(client);
        }
        if from == 0 {
            self.missing.clear();
            self.sent_blocks = 0;
        }
        let next = self.add_missing(from, map.0, client.chunk_bytes());
        if next < self.total_blocks() {
            if map.0.is_empty() {
                return Outcome::Refused(strange());
            }
            let from = next;
            if let Some(id) = client.call(&Request::Transfer { transfer, from }) {
                self.stage = Stage::Mapping(id);
            }
            return Outcome::Working;
        }
        // They are taken from the end.
        self.missing.reverse();
        self.stage = Stage::Sending;
        self.chunk_id = client.chunk_id();
        Outcome::Working
    }

    fn mapping_refused(&mut self, client: &mut Client, refusal: Refusal) -> Outcome {
        match refusal.code {
            Code::NO_TRANSFER => self.begin_again(),
            // Perhaps it was we who deployed it.
            Code::REPLAYED if self.unsure => self.look(client, 0),
            _ => Outcome::Refused(refusal),
        }
    }

    fn total_blocks(&self) -> u32 {
        self.length_bytes.div_ceil(BLOCK) as u32
    }

    /// Notes the blocks whose bits are 0, in pieces of a chunk; the block behind the map.
    fn add_missing(&mut self, from: u32, map: &[u8], chunk_bytes: usize) -> u32 {
        let most = (chunk_bytes as u64 / BLOCK) as u32;
        let end = self
            .total_blocks()
            .min(from.saturating_add(map.len() as u32 * 8));
        for block in from..end {
            let bit = (block - from) as usize;
            if map[bit / 8] >> (bit % 8) & 1 == 1 {
                self.sent_blocks += 1;
                continue;
            }
            match self.missing.last_mut() {
                Some((first, count)) if *first + *count == block && *count < most => *count += 1,
                _ => self.missing.push((block, 1)),
            }
        }
        end
    }

    /// Sends as many blocks as there is room for.
    fn send(&mut self, client: &mut Client, object: &[u8]) -> Outcome {
        if client.session() != self.session {
            // What was on its way is lost.
            return self.begin_again();
        }
        if let Some(reply) = client.take(self.chunk_id) {
            return match reply.body() {
                Err(refusal) if refusal.code == Code::NO_TRANSFER => self.begin_again(),
                Err(refusal) => Outcome::Refused(refusal),
                Ok(_) => Outcome::Working,
            };
        }
        while let Some(at) = self.next_piece() {
            let (first, count) = self.missing[at];
            let offset = u64::from(first) * BLOCK;
            let end = (offset + u64::from(count) * BLOCK).min(self.length_bytes);
            let data = &object[offset as usize..end as usize];
            if !client.chunk(self.chunk_id, self.transfer, offset, data) {
                return Outcome::Working;
            }
            self.missing.swap_remove(at);
            self.sent_blocks += count;
        }
        self.commit(client)
    }

    /// Which piece is sent next.
    fn next_piece(&mut self) -> Option<usize> {
        let last = self.missing.len().checked_sub(1)?;
        if self.scatter == 0 {
            return Some(last);
        }
        // The generator of Knuth's MMIX; its upper bits are the good ones.
        self.scatter = self
            .scatter
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Some((self.scatter >> 33) as usize % (last + 1))
    }

    fn commit(&mut self, client: &mut Client) -> Outcome {
        let transfer = self.transfer;
        if let Some(id) = client.call(&Request::Commit { transfer }) {
            self.stage = Stage::Committing(id);
        }
        Outcome::Working
    }

    fn committed(&mut self, reply: &Reply) -> Outcome {
        match reply.body() {
            Ok(Body::Deployed { app }) => Outcome::Done(app),
            Ok(_) => Outcome::Refused(strange()),
            Err(refusal) => match refusal.code {
                Code::INCOMPLETE | Code::NO_TRANSFER => self.begin_again(),
                Code::RESTARTED => {
                    self.unsure = true;
                    self.begin_again()
                }
                _ => Outcome::Refused(refusal),
            },
        }
    }

    fn look(&mut self, client: &mut Client, from: u16) -> Outcome {
        if let Some(id) = client.call(&Request::Apps { from }) {
            self.stage = Stage::Looking(id);
        }
        Outcome::Working
    }

    /// The loader has this version, or a newer one: is it this object?
    fn looked(&mut self, client: &mut Client, reply: &Reply) -> Outcome {
        let Ok(statement) = Statement::read(&self.statement) else {
            return Outcome::Refused(strange());
        };
        match reply.body() {
            Ok(Body::Apps { next, apps }) => {
                let ours = apps.iter::<AppInfo<'_>>().find(|app| {
                    (app.name, app.version, app.object)
                        == (statement.name, statement.version, statement.object)
                });
                match (ours, next) {
                    (Some(app), _) => Outcome::Done(app.id),
                    (None, Some(from)) => self.look(client, from),
                    (None, None) => {
                        let version = statement.version;
                        Outcome::Refused(wasm_aot_trust::Refusal::Replayed { version }.into())
                    }
                }
            }
            Ok(_) => Outcome::Refused(strange()),
            Err(refusal) => Outcome::Refused(refusal),
        }
    }
}

fn strange() -> Refusal {
    Refusal::new(
        Code::UNSUPPORTED,
        &"the loader's answer is none to this request",
    )
}
