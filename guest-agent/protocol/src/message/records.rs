// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What answers are made of.

use super::Bytes;
use core::fmt;
use serde::{Deserialize, Serialize};
use wasm_aot_trust::Hash;

/// Which app: a place in the loader's table, and how often the place was given to another app.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct AppId {
    /// The place.
    pub place: u16,
    /// Of an app that is gone it differs from the present one.
    pub generation: u32,
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.place, self.generation)
    }
}

/// Which transfer: the same for transfers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TransferId {
    /// The place.
    pub place: u16,
    /// Of a transfer that is gone it differs from the present one.
    pub generation: u32,
}

/// How far a transfer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TransferState {
    /// Chunks are expected.
    Receiving,
    /// The object is complete, and is checked and loaded.
    Committing,
    /// It was loaded.
    Done(AppId),
}

/// What can be done with an app.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// Starts one that does not run.
    Start,
    /// Ends one at the end of its job, or of what it is doing.
    Stop,
    /// Ends one at once.
    Kill,
    /// Gives one no time.
    Suspend,
    /// Gives it time again.
    Resume,
    /// Forgets one that does not run, with its versions and what it said.
    Remove,
    /// Puts the version before in place of this one.
    Rollback,
}

/// What an app is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum State {
    /// Its object is being loaded.
    Loading,
    /// Loaded, and never started or stopped.
    Stopped,
    /// It runs, or waits for its next job.
    Running,
    /// It gets no time.
    Suspended,
    /// It has ended: see [`AppInfo::exit`].
    Ended,
    /// It has trapped and starts again after a while.
    Restarting,
}

impl State {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Stopped => "stopped",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Ended => "ended",
            Self::Restarting => "restarting",
        }
    }

    /// Whether it may do something yet without anybody starting it.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        !matches!(self, Self::Stopped | Self::Ended)
    }
}

/// How an app has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a trap; the number is that of `wasm-aot-trap`, 0 for a fault that is none.
    Trap(u8),
    /// By [`Operation::Kill`], or a limit of its contract.
    Killed,
    /// By [`Operation::Stop`].
    Stopped,
}

/// An app.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct AppInfo<'a> {
    /// Which one.
    pub id: AppId,
    /// Its name.
    pub name: &'a str,
    /// The version that runs.
    pub version: u64,
    /// SHA-256 of the object.
    pub object: Hash,
    /// What it is doing.
    pub state: State,
    /// How it has ended, if it has.
    pub exit: Option<Exit>,
    /// 0: background, 1: server, 2: periodic.
    pub class: u8,
    /// Time between releases, microseconds; 0: none.
    pub period_us: u64,
    /// Microseconds.
    pub deadline_us: u64,
    /// Microseconds.
    pub budget_us: u64,
    /// Jobs that were released.
    pub releases: u64,
    /// Jobs that were late.
    pub misses: u64,
    /// Jobs that used their budget up.
    pub overruns: u64,
    /// How often it was started again.
    pub restarts: u32,
    /// Memory that it has, bytes.
    pub memory_bytes: u64,
    /// Nanoseconds from its start until now or its end.
    pub up_ns: u64,
    /// A new version that has not yet proved itself.
    pub probation: bool,
}

/// Where something was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
    /// By the loader about the app: traps, misses, restarts.
    System,
}

/// Bytes that were said together.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct LogRecord<'a> {
    /// Where.
    pub stream: Stream,
    /// What.
    #[serde(borrow)]
    pub bytes: Bytes<'a>,
}

/// A version of an app.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct HistoryEntry<'a> {
    /// Its number.
    pub version: u64,
    /// SHA-256 of the object.
    pub object: Hash,
    /// Nanoseconds since the root task began, when it was put in place.
    pub at_ns: u64,
    /// What became of it, for people: "running", "replaced", "rolled back: trap ...".
    pub outcome: &'a str,
}

/// How the system is.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Status<'a> {
    /// Nanoseconds since the root task began.
    pub up_ns: u64,
    /// Memory that is free, bytes.
    pub free_bytes: u64,
    /// Memory that there is for apps, bytes.
    pub total_bytes: u64,
    /// Apps in the table.
    pub apps: u16,
    /// Places in the table.
    pub places: u16,
    /// Scheduling policy, for people.
    pub policy: &'a str,
    /// Time that is promised to apps, parts per million of the processor.
    pub utilisation_ppm: u32,
}
