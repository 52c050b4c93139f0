// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Requests and answers. Their bytes are those of postcard (<https://postcard.jamesmunns.com>):
//! fields one after the other, numbers as varints, the alternatives of an enum by their number
//! in the order that stands here. What is new is added at the end of an enum.

mod fields;
mod records;

pub use fields::{Bytes, List, Records, pack};
pub use records::{
    AppId, AppInfo, Exit, HistoryEntry, LogRecord, Operation, State, Status, Stream, TransferId,
    TransferState,
};

use crate::error::Code;
use serde::{Deserialize, Serialize};

/// The unit in which objects are transferred, bytes: a chunk begins at a multiple of it, and
/// ends at one or with the object.
pub const BLOCK: u64 = 1024;
/// Longest object that the protocol can carry, bytes; a loader takes less, as it says.
pub const MAX_OBJECT: u64 = 64 << 20;
/// Longest data of a chunk, bytes.
pub const MAX_CHUNK: usize = 4096;
/// Bytes of a [`Request::Chunk`] besides its data, at most.
pub const CHUNK_OVERHEAD: usize = 32;
/// Arguments and environment together, packed, bytes at most.
pub const MAX_LISTS: usize = 2048;
/// Longest name that a client gives itself, bytes.
pub const MAX_CLIENT: usize = 64;

/// From the agent to the loader.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Call<'a> {
    /// Chosen by the client, different for each of its requests; the answer has it as well. A
    /// request that comes a second time is answered as the first time, not carried out again.
    pub id: u32,
    /// What is asked for.
    #[serde(borrow)]
    pub request: Request<'a>,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// The first one of each session. Answer: [`Body::Hello`].
    Hello {
        /// [`crate::VERSION`].
        version: u16,
        /// Which client this is: a number that differs from one start of it to the next.
        client: u64,
        /// What it calls itself, for people.
        name: &'a str,
    },
    /// Announces an object, or takes a transfer up again. Answer: [`Body::Transfer`].
    Deploy {
        /// A `wasm_aot_trust::Statement`.
        #[serde(borrow)]
        statement: Bytes<'a>,
        /// Its signature, 64 bytes, or nothing.
        #[serde(borrow)]
        signature: Bytes<'a>,
        /// The program's arguments, without its name.
        #[serde(borrow)]
        arguments: List<'a>,
        /// `NAME=VALUE` each.
        #[serde(borrow)]
        environment: List<'a>,
        /// See [`flags`].
        flags: u32,
    },
    /// A piece of an object. Only errors are answered.
    Chunk {
        /// Which object.
        transfer: TransferId,
        /// Where in the object, bytes: a multiple of [`BLOCK`].
        offset: u64,
        /// Multiples of [`BLOCK`] bytes, or up to the object's end; at most [`MAX_CHUNK`].
        #[serde(borrow)]
        data: Bytes<'a>,
    },
    /// How far a transfer is. Answer: [`Body::Transfer`].
    Transfer {
        /// Which one.
        transfer: TransferId,
        /// The first block that the answer's map is about.
        from: u32,
    },
    /// The object is complete: check it, load it, start it. Answer: [`Body::Deployed`].
    Commit {
        /// Which one.
        transfer: TransferId,
    },
    /// Gives a transfer up. Answer: [`Body::Nothing`].
    Abort {
        /// Which one.
        transfer: TransferId,
    },
    /// The apps. Answer: [`Body::Apps`].
    Apps {
        /// Place in the table from which on.
        from: u16,
    },
    /// What an app has said. Answer: [`Body::Log`], at once if there is something.
    Log {
        /// Which app.
        app: AppId,
        /// Position of the first byte.
        from: u64,
        /// How long to wait for something to be there, at most, milliseconds.
        wait_ms: u32,
    },
    /// Waits until an app does not run any more. Answer: [`Body::Ended`].
    Wait {
        /// Which app.
        app: AppId,
    },
    /// Does something with an app. Answer: [`Body::Nothing`].
    Command {
        /// Which app.
        app: AppId,
        /// What.
        operation: Operation,
    },
    /// Which versions of an app there were. Answer: [`Body::History`], newest first.
    History {
        /// Which app.
        app: AppId,
        /// How many of the newest to leave out.
        skip: u32,
    },
    /// Counters and histograms of an app. Answer: [`Body::Report`].
    Report {
        /// Which app.
        app: AppId,
    },
    /// Reports of all apps, again and again. Answers: [`Body::Report`], each with
    /// [`Answer::more`], until [`Request::Cancel`].
    Top {
        /// How often, milliseconds, at least [`MIN_TOP_MS`].
        period_ms: u32,
    },
    /// Takes back a request that waits. It is answered with [`Code::CANCELLED`], and this one
    /// with [`Body::Nothing`].
    Cancel {
        /// The number of the request.
        id: u32,
    },
    /// How the system is. Answer: [`Body::Status`].
    Status,
}

/// Shortest period of [`Request::Top`], milliseconds.
pub const MIN_TOP_MS: u32 = 20;

/// Bits of [`Request::Deploy`].
pub mod flags {
    /// Starts the app when it is loaded.
    pub const START: u32 = 1;
    /// Starts it again when it has ended by a trap, whatever its contract says.
    pub const RESTART: u32 = 2;
    /// Nobody will start it again: when it has ended, its place may be given to another app.
    pub const TEMPORARY: u32 = 4;
    /// All of them.
    pub const ALL: u32 = START | RESTART | TEMPORARY;
}

/// From the loader to the agent.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Answer<'a> {
    /// That of the request.
    pub id: u32,
    /// Further answers to the same request follow.
    pub more: bool,
    /// Why it was not done, or [`Code::OK`].
    pub code: Code,
    /// The same for people; empty where all is well.
    pub text: &'a str,
    /// [`Body::Nothing`] with every error.
    #[serde(borrow)]
    pub body: Body<'a>,
}

/// What is answered.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub enum Body<'a> {
    /// Nothing to add.
    Nothing,
    /// To [`Request::Hello`].
    Hello {
        /// [`crate::VERSION`] of the loader.
        version: u16,
        /// Differs from one start of the loader to the next.
        boot: u64,
        /// Longest object that it takes, bytes.
        max_object_bytes: u64,
        /// Whether it takes objects without a signature.
        unsigned: bool,
        /// What it is, for people.
        name: &'a str,
    },
    /// To [`Request::Deploy`] and [`Request::Transfer`].
    Transfer {
        /// Which one.
        transfer: TransferId,
        /// How far it is.
        state: TransferState,
        /// Bytes of the object.
        length_bytes: u64,
        /// Blocks that have arrived.
        blocks: u32,
        /// The first block that `map` is about.
        from: u32,
        /// A bit for each block, lowest first: it has arrived.
        #[serde(borrow)]
        map: Bytes<'a>,
    },
    /// To [`Request::Commit`].
    Deployed {
        /// The app.
        app: AppId,
    },
    /// To [`Request::Apps`].
    Apps {
        /// Where to go on; none at the end.
        next: Option<u16>,
        /// [`AppInfo`]s.
        #[serde(borrow)]
        apps: Records<'a>,
    },
    /// To [`Request::Log`].
    Log {
        /// Position of the first byte that there is: behind the one that was asked for where
        /// older ones are gone.
        from: u64,
        /// Position behind the last byte here.
        next: u64,
        /// The app has ended and nothing will follow.
        end: bool,
        /// [`LogRecord`]s.
        #[serde(borrow)]
        records: Records<'a>,
    },
    /// To [`Request::Wait`].
    Ended {
        /// How.
        exit: Exit,
    },
    /// To [`Request::History`].
    History {
        /// [`HistoryEntry`]s.
        #[serde(borrow)]
        entries: Records<'a>,
        /// There are older ones.
        more: bool,
    },
    /// To [`Request::Report`] and [`Request::Top`].
    Report {
        /// Which app.
        app: AppId,
        /// The record `Report` of `wasm-aot-schedule`.
        #[serde(borrow)]
        record: Bytes<'a>,
    },
    /// To [`Request::Status`].
    Status {
        /// See there.
        #[serde(borrow)]
        status: Status<'a>,
    },
}

/// Reads what is all of `bytes`; none where it is nothing that is known here.
#[must_use]
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

/// Writes into `buffer`; the number of bytes, none where they do not fit.
#[must_use]
pub fn write<T: Serialize>(value: &T, buffer: &mut [u8]) -> Option<usize> {
    postcard::to_slice(value, buffer)
        .ok()
        .map(|bytes| bytes.len())
}

/// The number of a request that cannot be read: it stands first, whatever follows.
#[must_use]
pub fn read_id(bytes: &[u8]) -> Option<u32> {
    postcard::take_from_bytes(bytes).ok().map(|(id, _)| id)
}

#[cfg(test)]
mod tests;
