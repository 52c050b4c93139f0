// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Outcomes of requests that change something. They are kept for a while: a client whose link was
//! cut asks again, is answered as it would have been, and nothing is done twice.

use super::{Core, answer};
use crate::error::{Code, Refusal};
use crate::message::{AppId, Body};

/// How many outcomes are kept.
pub const KEPT: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Entry {
    client: u64,
    id: u32,
    /// What it made, if it made an app.
    outcome: Result<Option<AppId>, Refusal>,
    answered: bool,
}

/// The outcomes, the oldest first.
#[derive(Debug)]
pub struct Kept {
    entries: [Option<Entry>; KEPT],
}

impl Kept {
    pub const fn new() -> Self {
        Self {
            entries: [None; KEPT],
        }
    }

    /// Whether this request has been carried out; then it will be answered again.
    pub fn again(&mut self, client: u64, id: u32) -> bool {
        let mut entries = self.entries.iter_mut().flatten();
        let entry = entries.find(|entry| (entry.client, entry.id) == (client, id));
        if let Some(entry) = entry {
            entry.answered = false;
            return true;
        }
        false
    }

    /// Which entry can go: the oldest one that was answered, or whose client is gone.
    fn victim(&self, client: u64) -> Option<usize> {
        let gone = |entry: &Option<Entry>| match entry {
            None => true,
            Some(entry) => entry.answered || entry.client != client,
        };
        self.entries.iter().position(gone)
    }

    /// Whether the outcome of one more request of this client can be kept.
    pub fn has_room(&self, client: u64) -> bool {
        self.victim(client).is_some()
    }

    /// Keeps an outcome, to be answered. The client has room, or what it did not ask for again
    /// is forgotten.
    pub fn keep(&mut self, client: u64, id: u32, outcome: Result<Option<AppId>, Refusal>) {
        let victim = self.victim(client).unwrap_or(0);
        self.entries[victim..].rotate_left(1);
        self.entries[KEPT - 1] = Some(Entry {
            client,
            id,
            outcome,
            answered: false,
        });
    }
}

/// There is no room for one more outcome.
pub fn busy() -> Refusal {
    let text = format_args!("{KEPT} requests of this client are not answered yet: wait for one");
    Refusal::new(Code::BUSY, &text)
}

impl<const W: usize, const T: usize> Core<'_, W, T> {
    /// Answers what is to be answered, as far as there is room.
    pub(super) fn answer_kept(&mut self) {
        let Some(client) = self.client else {
            return;
        };
        for entry in self.kept.entries.iter_mut().flatten() {
            if entry.answered || entry.client != client || self.link.room() == 0 {
                continue;
            }
            let outcome = match &entry.outcome {
                Ok(Some(app)) => Ok(Body::Deployed { app: *app }),
                Ok(None) => Ok(Body::Nothing),
                Err(refusal) => Err(*refusal),
            };
            answer(&mut self.link, entry.id, false, &outcome);
            entry.answered = true;
        }
    }
}
