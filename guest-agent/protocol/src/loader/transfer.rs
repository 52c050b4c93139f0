// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! An object on its way: what was announced, which blocks have arrived, its hash as far as they
//! are together.

use super::world::{Deployment, Store};
use crate::error::{Code, Refusal};
use crate::message::{AppId, BLOCK, List, MAX_CHUNK, MAX_LISTS, MAX_OBJECT, TransferState};
use sha2::{Digest, Sha256};
use wasm_aot_trust::statement::MAX_STATEMENT;
use wasm_aot_trust::{Hash, Statement};

/// Words of the map of blocks.
const MAP_WORDS: usize = (MAX_OBJECT / BLOCK).div_ceil(64) as usize;

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Nothing is here.
    Free,
    /// Chunks are expected.
    Receiving,
    /// Complete; the rest of the hash is computed.
    Hashing,
    /// The hash was right; it is loaded.
    Installing,
    /// It was loaded. Kept for whoever asks what came of it.
    Done(AppId),
}

/// A place for an object on its way.
#[derive(Debug)]
pub struct Transfer {
    pub stage: Stage,
    pub generation: u32,
    pub touched_ns: u64,
    statement: [u8; MAX_STATEMENT],
    statement_length: usize,
    signed: bool,
    lists: [u8; MAX_LISTS],
    arguments: usize,
    environment: usize,
    flags: u32,
    pub object: Hash,
    pub length_bytes: u64,
    /// A bit for each block that has arrived.
    map: [u64; MAP_WORDS],
    pub blocks: u32,
    hasher: Option<Sha256>,
    hashed_bytes: u64,
    /// The hash, when all of it is here.
    pub digest: Option<Hash>,
    /// Who wants to know what comes of it: a client and the number of its request.
    pub asked: Option<(u64, u32)>,
}

impl Transfer {
    pub const EMPTY: Self = Self {
        stage: Stage::Free,
        generation: 0,
        touched_ns: 0,
        statement: [0; MAX_STATEMENT],
        statement_length: 0,
        signed: false,
        lists: [0; MAX_LISTS],
        arguments: 0,
        environment: 0,
        flags: 0,
        object: [0; 32],
        length_bytes: 0,
        map: [0; MAP_WORDS],
        blocks: 0,
        hasher: None,
        hashed_bytes: 0,
        digest: None,
        asked: None,
    };

    /// Whether memory of the store is in use.
    pub fn holds_memory(&self) -> bool {
        matches!(
            self.stage,
            Stage::Receiving | Stage::Hashing | Stage::Installing
        )
    }

    /// As it is told to the agent.
    pub fn state(&self) -> TransferState {
        match self.stage {
            Stage::Free | Stage::Receiving => TransferState::Receiving,
            Stage::Hashing | Stage::Installing => TransferState::Committing,
            Stage::Done(app) => TransferState::Done(app),
        }
    }

    /// Begins with an object for which memory was reserved.
    pub fn begin(&mut self, object: Hash, length_bytes: u64) {
        self.stage = Stage::Receiving;
        self.rename();
        self.object = object;
        self.length_bytes = length_bytes;
        self.map.fill(0);
        self.blocks = 0;
        self.hasher = Some(Sha256::new());
        self.hashed_bytes = 0;
        self.digest = None;
        self.asked = None;
    }

    /// What it was called is forgotten.
    pub fn rename(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Takes what was announced about the object, checked: the last one who does counts.
    ///
    /// # Errors
    /// Where it is too long.
    pub fn describe(
        &mut self,
        statement: &[u8],
        signed: bool,
        arguments: List<'_>,
        environment: List<'_>,
        flags: u32,
    ) -> Result<(), Refusal> {
        let (first, second) = (arguments.packed(), environment.packed());
        let (middle, end) = (first.len(), first.len() + second.len());
        if end > MAX_LISTS {
            let text = format_args!(
                "arguments and environment take {end} bytes together, at most {MAX_LISTS} are \
                 accepted"
            );
            return Err(Refusal::new(Code::MALFORMED, &text));
        }
        let place = self.statement.get_mut(..statement.len());
        let place = place.ok_or(Refusal::new(Code::STATEMENT, &"the statement is too long"))?;
        place.copy_from_slice(statement);
        self.statement_length = statement.len();
        self.signed = signed;
        self.lists[..middle].copy_from_slice(first);
        self.lists[middle..end].copy_from_slice(second);
        (self.arguments, self.environment) = (middle, end);
        self.flags = flags;
        Ok(())
    }

    /// Whether these bytes are what was said about it.
    pub fn is_about(&self, statement: &[u8]) -> bool {
        self.statement[..self.statement_length] == *statement
    }

    /// What was announced.
    pub fn deployment(&self) -> Option<(Statement<'_>, Deployment<'_>)> {
        let statement = Statement::read(&self.statement[..self.statement_length]).ok()?;
        let deployment = Deployment {
            name: statement.name,
            version: statement.version,
            object: statement.object,
            length_bytes: statement.length_bytes,
            contract: statement.contract,
            arguments: List::new(&self.lists[..self.arguments])?,
            environment: List::new(&self.lists[self.arguments..self.environment])?,
            flags: self.flags,
            signed: self.signed,
        };
        Some((statement, deployment))
    }

    pub fn total_blocks(&self) -> u32 {
        self.length_bytes.div_ceil(BLOCK) as u32
    }

    pub fn is_complete(&self) -> bool {
        self.blocks == self.total_blocks()
    }

    fn has(&self, block: u64) -> bool {
        let word = self.map.get((block / 64) as usize);
        word.is_some_and(|word| word >> (block % 64) & 1 == 1)
    }

    /// Takes the blocks of a chunk that are not here yet. What is here stays: it may be part of
    /// the hash already.
    ///
    /// # Errors
    /// Where it does not lie in the object as a chunk does.
    pub fn chunk(
        &mut self,
        place: usize,
        offset: u64,
        data: &[u8],
        store: &mut impl Store,
    ) -> Result<(), Refusal> {
        let end = offset.checked_add(data.len() as u64);
        let end = end.filter(|end| *end <= self.length_bytes);
        let fits = end.is_some_and(|end| end % BLOCK == 0 || end == self.length_bytes)
            && offset.is_multiple_of(BLOCK)
            && (1..=MAX_CHUNK).contains(&data.len());
        if !fits {
            let text = format_args!(
                "a chunk of {} bytes at {offset} is none of an object of {} bytes: chunks are made \
                 of whole blocks of {BLOCK} bytes, at most {MAX_CHUNK}",
                data.len(),
                self.length_bytes
            );
            return Err(Refusal::new(Code::BOUNDS, &text));
        }
        for (block, piece) in (offset / BLOCK..).zip(data.chunks(BLOCK as usize)) {
            if self.has(block) {
                continue;
            }
            store.write(place, block * BLOCK, piece);
            self.map[(block / 64) as usize] |= 1 << (block % 64);
            self.blocks += 1;
        }
        Ok(())
    }

    /// Hashes at most `budget` bytes, and the rest of a block, of what is together from the
    /// beginning on.
    pub fn hash(&mut self, place: usize, budget: usize, store: &impl Store) {
        let mut end = self.hashed_bytes / BLOCK;
        let last = (self.hashed_bytes + budget as u64).div_ceil(BLOCK);
        while end < last && self.has(end) {
            end += 1;
        }
        let end = (end * BLOCK).min(self.length_bytes);
        let Some(hasher) = &mut self.hasher else {
            return;
        };
        while self.hashed_bytes < end {
            let length = (end - self.hashed_bytes) as usize;
            let piece = store.read(place, self.hashed_bytes, length);
            let piece = &piece[..piece.len().min(length)];
            if piece.is_empty() {
                break;
            }
            hasher.update(piece);
            self.hashed_bytes += piece.len() as u64;
        }
        if self.hashed_bytes == self.length_bytes {
            self.digest = self.hasher.take().map(|hasher| hasher.finalize().into());
        }
    }

    /// Whether there is something to hash.
    pub fn can_hash(&self) -> bool {
        self.holds_memory() && self.hasher.is_some() && self.has(self.hashed_bytes / BLOCK)
    }

    /// Bytes of the map from a block on, as many as there are and `buffer` takes; the first
    /// block that they are about.
    pub fn copy_map<'b>(&self, from: u32, buffer: &'b mut [u8]) -> (u32, &'b [u8]) {
        let bytes = self.total_blocks().div_ceil(8) as usize;
        let first = (from as usize / 8).min(bytes);
        let count = (bytes - first).min(buffer.len());
        for (index, byte) in (first..).zip(&mut buffer[..count]) {
            *byte = self.map[index / 8].to_le_bytes()[index % 8];
        }
        (first as u32 * 8, &buffer[..count])
    }
}
