// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Requests about transfers, and the work that they make: from an announcement that is believed
//! to an app.

use super::kept::busy;
use super::transfer::{Stage, Transfer};
use super::waiting::OVERHEAD;
use super::world::{Apps, Progress, Store};
use super::{Core, Outcome, Reply};
use crate::MS;
use crate::error::{Code, Refusal};
use crate::frame::MAX_MESSAGE;
use crate::message::{AppId, Body, Bytes, Call, List, Request, TransferId, flags};
use wasm_aot_trust::{SIGNATURE_BYTES, Statement, verify};

/// An object that nobody has gone on with for so long gives way to another one, nanoseconds.
const IDLE_NS: u64 = 2_000 * MS;

/// The fields of [`Request::Deploy`].
struct Announcement<'a> {
    statement: &'a [u8],
    signature: &'a [u8],
    arguments: List<'a>,
    environment: List<'a>,
    flags: u32,
}

impl<const W: usize, const T: usize> Core<'_, W, T> {
    pub(super) fn transfer_request<'a, World: Store + Apps>(
        &mut self,
        now_ns: u64,
        client: u64,
        call: Call<'_>,
        world: &mut World,
        scratch: &'a mut [u8; MAX_MESSAGE],
    ) -> Reply<'a> {
        match call.request {
            Request::Deploy {
                statement,
                signature,
                arguments,
                environment,
                flags,
            } => {
                let announcement = Announcement {
                    statement: statement.0,
                    signature: signature.0,
                    arguments,
                    environment,
                    flags,
                };
                let place = self.announce(now_ns, &announcement, world);
                Reply::Now(place.map(|place| self.progress(place, 0, scratch)))
            }
            Request::Chunk {
                transfer,
                offset,
                data,
            } => match self.chunk(now_ns, transfer, offset, data.0, world) {
                Ok(()) => Reply::Later,
                Err(refusal) => Reply::Now(Err(refusal)),
            },
            Request::Transfer { transfer, from } => Reply::Now(self.find(transfer).map(|place| {
                self.transfers[place].touched_ns = now_ns;
                self.progress(place, from, scratch)
            })),
            Request::Commit { transfer } => self.commit(now_ns, client, call.id, transfer),
            Request::Abort { transfer } => Reply::Now(self.abort(transfer, world)),
            _ => Reply::Later,
        }
    }

    /// Where a transfer is that is still the one that is meant.
    fn find(&self, transfer: TransferId) -> Result<usize, Refusal> {
        let place = usize::from(transfer.place);
        let there = self.transfers.get(place).is_some_and(|found| {
            found.generation == transfer.generation && found.stage != Stage::Free
        });
        there.then_some(place).ok_or_else(|| {
            let text = "there is no such transfer (any more): begin again";
            Refusal::new(Code::NO_TRANSFER, &text)
        })
    }

    /// How far a transfer is.
    fn progress<'a>(&self, place: usize, from: u32, scratch: &'a mut [u8]) -> Body<'a> {
        let transfer = &self.transfers[place];
        let (from, map) = transfer.copy_map(from, &mut scratch[..self.max_message - OVERHEAD]);
        Body::Transfer {
            transfer: TransferId {
                place: place as u16,
                generation: transfer.generation,
            },
            state: transfer.state(),
            length_bytes: transfer.length_bytes,
            blocks: transfer.blocks,
            from,
            map: Bytes(map),
        }
    }

    /// Finds a place for what is announced, if it may come at all: nothing is reserved for an
    /// object that nobody signed, or that would be refused in the end.
    fn announce<World: Store + Apps>(
        &mut self,
        now_ns: u64,
        announcement: &Announcement<'_>,
        world: &mut World,
    ) -> Result<usize, Refusal> {
        if announcement.flags & !flags::ALL != 0 {
            let text = "flags are set that are not known here";
            return Err(Refusal::new(Code::UNSUPPORTED, &text));
        }
        let signature = signature(announcement.signature)?;
        let policy = &self.config.policy;
        let clock = world.clock_s();
        let statement = verify(announcement.statement, signature.as_ref(), policy, clock)?;
        if statement.length_bytes == 0 {
            return Err(Refusal::new(Code::BAD_OBJECT, &"the object is empty"));
        }
        if let Some(place) = self.same(now_ns, announcement.statement, &statement) {
            self.transfers[place].touched_ns = now_ns;
            if self.transfers[place].stage == Stage::Receiving {
                self.describe(place, announcement, signature.is_some())?;
            }
            return Ok(place);
        }
        statement.check_version(world.installed(statement.name))?;
        let place = self.free(now_ns, world)?;
        world.reserve(place, statement.length_bytes)?;
        self.transfers[place].begin(statement.object, statement.length_bytes);
        self.transfers[place].touched_ns = now_ns;
        let described = self.describe(place, announcement, signature.is_some());
        if described.is_err() {
            self.drop_transfer(place, world);
        }
        described.map(|()| place)
    }

    fn describe(
        &mut self,
        place: usize,
        announcement: &Announcement<'_>,
        signed: bool,
    ) -> Result<(), Refusal> {
        self.transfers[place].describe(
            announcement.statement,
            signed,
            announcement.arguments,
            announcement.environment,
            announcement.flags,
        )
    }

    /// The transfer that this announcement takes up again: this very one until it is loaded, or
    /// one of the same object with which nobody goes on, whatever was to become of it. What is
    /// done is done: to announce it again is to replay it.
    fn same(&mut self, now_ns: u64, bytes: &[u8], statement: &Statement<'_>) -> Option<usize> {
        let same_object = |transfer: &Transfer| {
            (transfer.object, transfer.length_bytes) == (statement.object, statement.length_bytes)
        };
        let going_on = self.transfers.iter().position(|transfer| {
            transfer.holds_memory() && same_object(transfer) && transfer.is_about(bytes)
        });
        if going_on.is_some() {
            return going_on;
        }
        let left = self.transfers.iter().position(|transfer| {
            let idle = now_ns.saturating_sub(transfer.touched_ns) > IDLE_NS;
            transfer.stage == Stage::Receiving && same_object(transfer) && idle
        })?;
        // Whoever comes back to it all the same does not get what another one announced.
        self.transfers[left].rename();
        Some(left)
    }

    /// A place that is free, or holds nothing but the memory of a transfer that is over, or an
    /// object that nobody went on with for longest, and not just now.
    fn free(&mut self, now_ns: u64, world: &mut impl Store) -> Result<usize, Refusal> {
        let cost = |place: &usize| {
            let transfer = &self.transfers[*place];
            let idle = now_ns.saturating_sub(transfer.touched_ns) > IDLE_NS;
            match transfer.stage {
                Stage::Free => Some((0, 0)),
                Stage::Done(_) => Some((1, transfer.touched_ns)),
                Stage::Receiving if idle => Some((2, transfer.touched_ns)),
                _ => None,
            }
        };
        let places = (0..T).filter_map(|place| cost(&place).map(|cost| (cost, place)));
        let (_, place) = places.min().ok_or_else(|| {
            let text =
                format_args!("{T} objects are on their way already: wait for one, or abort it");
            Refusal::new(Code::BUSY, &text)
        })?;
        self.drop_transfer(place, world);
        Ok(place)
    }

    fn drop_transfer(&mut self, place: usize, world: &mut impl Store) {
        if self.transfers[place].holds_memory() {
            world.release(place);
        }
        self.transfers[place].stage = Stage::Free;
    }

    fn chunk<World: Store>(
        &mut self,
        now_ns: u64,
        transfer: TransferId,
        offset: u64,
        data: &[u8],
        world: &mut World,
    ) -> Result<(), Refusal> {
        let place = self.find(transfer)?;
        let transfer = &mut self.transfers[place];
        transfer.touched_ns = now_ns;
        if transfer.stage != Stage::Receiving {
            // A chunk that was on its way when the object was complete.
            return Ok(());
        }
        transfer.chunk(place, offset, data, world)?;
        Ok(())
    }

    fn commit<'a>(&mut self, now_ns: u64, client: u64, id: u32, transfer: TransferId) -> Reply<'a> {
        if self.kept.again(client, id) {
            return Reply::Later;
        }
        let place = match self.find(transfer) {
            Ok(place) => place,
            Err(refusal) => return Reply::Now(Err(refusal)),
        };
        let transfer = &mut self.transfers[place];
        transfer.touched_ns = now_ns;
        let asked = transfer.asked;
        match transfer.stage {
            Stage::Done(app) => Reply::Now(Ok(Body::Deployed { app })),
            Stage::Hashing | Stage::Installing => {
                let other = asked.is_some_and(|(asking, first)| asking == client && first != id);
                if other {
                    let text = "the object is being checked and loaded already";
                    return Reply::Now(Err(Refusal::new(Code::STATE, &text)));
                }
                transfer.asked = Some((client, id));
                Reply::Later
            }
            Stage::Free | Stage::Receiving if !transfer.is_complete() => {
                let text = format_args!(
                    "{} of the object's {} blocks have arrived",
                    transfer.blocks,
                    transfer.total_blocks()
                );
                Reply::Now(Err(Refusal::new(Code::INCOMPLETE, &text)))
            }
            Stage::Free | Stage::Receiving => {
                if !self.kept.has_room(client) {
                    return Reply::Now(Err(busy()));
                }
                transfer.stage = Stage::Hashing;
                transfer.asked = Some((client, id));
                Reply::Later
            }
        }
    }

    fn abort<'a>(&mut self, transfer: TransferId, world: &mut impl Store) -> Outcome<'a> {
        let place = self.find(transfer)?;
        match self.transfers[place].stage {
            Stage::Installing | Stage::Done(_) => Err(Refusal::new(
                Code::STATE,
                &"the object is complete and being loaded: end the app instead",
            )),
            Stage::Free | Stage::Receiving | Stage::Hashing => {
                let text = "the transfer was given up";
                self.finish(place, Err(Refusal::new(Code::ABORTED, &text)), world);
                Ok(Body::Nothing)
            }
        }
    }

    /// Goes on with what is complete, hashes what is together, drops what is forgotten. Whether
    /// there is more to do now.
    pub(super) fn work<World: Store + Apps>(&mut self, now_ns: u64, world: &mut World) -> bool {
        let mut again = false;
        for place in 0..T {
            let transfer = &mut self.transfers[place];
            if transfer.can_hash() {
                transfer.hash(place, self.config.hash_bytes, world);
            }
            match transfer.stage {
                Stage::Hashing => {
                    // One after the other: what was checked holds until it is loaded.
                    if let Some(digest) = transfer.digest
                        && !self.is_installing()
                    {
                        self.check(place, digest, world);
                    }
                }
                Stage::Installing => self.install(place, world),
                Stage::Receiving
                    if now_ns.saturating_sub(transfer.touched_ns) > self.config.keep_ns =>
                {
                    self.drop_transfer(place, world);
                }
                _ => {}
            }
            let transfer = &self.transfers[place];
            again |=
                transfer.can_hash() || matches!(transfer.stage, Stage::Installing | Stage::Hashing);
        }
        again
    }

    fn is_installing(&self) -> bool {
        let mut transfers = self.transfers.iter();
        transfers.any(|transfer| transfer.stage == Stage::Installing)
    }

    /// When the next forgotten transfer is dropped.
    pub(super) fn next_expiry_ns(&self) -> Option<u64> {
        let receiving = |transfer: &&Transfer| transfer.stage == Stage::Receiving;
        let touched = self.transfers.iter().filter(receiving);
        let touched = touched.map(|transfer| transfer.touched_ns).min()?;
        Some(
            touched
                .saturating_add(self.config.keep_ns)
                .saturating_add(1),
        )
    }

    /// The object is complete and this is its hash. Time has passed since it was announced, so
    /// what depends on time is decided once more.
    fn check<World: Store + Apps>(&mut self, place: usize, digest: [u8; 32], world: &mut World) {
        let transfer = &self.transfers[place];
        let outcome = match transfer.deployment() {
            None => Err(Refusal::new(Code::STATEMENT, &"the statement is malformed")),
            Some((statement, _)) => statement
                .check_object(transfer.length_bytes, digest)
                .and_then(|()| statement.check_time(world.clock_s()))
                .and_then(|()| statement.check_version(world.installed(statement.name)))
                .map_err(Refusal::from),
        };
        match outcome {
            Ok(()) => self.transfers[place].stage = Stage::Installing,
            Err(refusal) => self.finish(place, Err(refusal), world),
        }
    }

    fn install<World: Store + Apps>(&mut self, place: usize, world: &mut World) {
        let Some((_, deployment)) = self.transfers[place].deployment() else {
            return;
        };
        if let Progress::Done(outcome) = world.install(place, &deployment) {
            self.finish(place, outcome, world);
        }
    }

    /// A transfer is over: with an app, or the object is dropped. Whoever asked is told.
    fn finish(&mut self, place: usize, outcome: Result<AppId, Refusal>, world: &mut impl Store) {
        match outcome {
            Ok(app) => self.transfers[place].stage = Stage::Done(app),
            Err(_) => self.drop_transfer(place, world),
        }
        if let Some((client, id)) = self.transfers[place].asked.take() {
            self.kept.keep(client, id, outcome.map(Some));
        }
    }
}

/// The signature of an announcement: none, or as long as one is.
fn signature(bytes: &[u8]) -> Result<Option<[u8; SIGNATURE_BYTES]>, Refusal> {
    match bytes {
        [] => Ok(None),
        _ => bytes.try_into().map(Some).map_err(|_| {
            let text = format_args!(
                "the signature has {} bytes where {SIGNATURE_BYTES} are right",
                bytes.len()
            );
            Refusal::new(Code::STATEMENT, &text)
        }),
    }
}
