// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the loader's half needs of the root task. It calls nothing with a place, an offset or a
//! length that it has not checked.

use crate::error::Refusal;
use crate::message::{
    AppId, AppInfo, Bytes, HistoryEntry, List, LogRecord, Operation, Status, Stream, pack,
};
use wasm_aot_trust::{Hash, Installed};

/// Memory for objects that arrive, by place of the transfer.
pub trait Store {
    /// Finds memory for an object of so many bytes, more than 0.
    ///
    /// # Errors
    /// Where there is none.
    fn reserve(&mut self, place: usize, length_bytes: u64) -> Result<(), Refusal>;

    /// Writes a piece of an object; it lies within what was reserved.
    fn write(&mut self, place: usize, offset: u64, bytes: &[u8]);

    /// A piece of an object from `offset` on: at least a byte and at most `length`, which lie
    /// within what was reserved. What was written is what is read: nobody else writes there.
    fn read(&self, place: usize, offset: u64, length: usize) -> &[u8];

    /// The memory is not needed any more.
    fn release(&mut self, place: usize);
}

/// What an app is made of; the object stands in the store.
#[derive(Clone, Copy, Debug)]
pub struct Deployment<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version, higher than that of what it replaces.
    pub version: u64,
    /// SHA-256 of the object, checked.
    pub object: Hash,
    /// Bytes of the object.
    pub length_bytes: u64,
    /// The contract that counts; empty: the object's.
    pub contract: &'a [u8],
    /// Arguments without the program's name.
    pub arguments: List<'a>,
    /// `NAME=VALUE` each.
    pub environment: List<'a>,
    /// Bits of [`crate::message::flags`], no others.
    pub flags: u32,
    /// Whether a key that is known signed it.
    pub signed: bool,
}

/// Whether something that takes long is done.
#[derive(Debug)]
pub enum Progress<T> {
    /// Not yet: it is called again.
    Working,
    /// It is.
    Done(T),
}

/// The apps.
pub trait Apps {
    /// Seconds since 1970, if that is known.
    fn clock_s(&self) -> Option<u64>;

    /// How the system is.
    fn status(&self) -> Status<'_>;

    /// What is known of the app of this name, also of one that was removed: the version that was
    /// accepted last.
    fn installed(&self, name: &str) -> Option<Installed>;

    /// Loads an app, beside its older version if there is one, whose [`AppId`] it then has. Does
    /// a piece of the work and is called again until it is done, and not for another place in
    /// between. If it succeeds, the memory in
    /// the store is the app's, and the place is empty again.
    ///
    /// # Errors
    /// Where it is not loaded: everything is as before, the memory included.
    fn install(
        &mut self,
        place: usize,
        deployment: &Deployment<'_>,
    ) -> Progress<Result<AppId, Refusal>>;

    /// Places in the table of apps.
    fn places(&self) -> u16;

    /// The app at a place.
    fn app(&self, place: u16) -> Option<AppInfo<'_>>;

    /// Does something with an app that there is. It has been done when this returns, or will be
    /// at the end of a job: nothing waits for it here.
    ///
    /// # Errors
    /// Where it cannot be done.
    fn command(&mut self, app: AppId, operation: Operation) -> Result<(), Refusal>;

    /// Puts what an app that there is has said, from a position on, into the log.
    fn log(&self, app: AppId, log: &mut Log<'_>);

    /// The version of an app that there is, 0 being the present one.
    fn history(&self, app: AppId, version: u32) -> Option<HistoryEntry<'_>>;

    /// Writes the record `Report` of an app that there is into `buffer`; its length.
    ///
    /// # Errors
    /// Where it has none.
    fn report(&self, app: AppId, buffer: &mut [u8]) -> Result<usize, Refusal>;
}

/// Takes what an app has said, as far as there is room. Positions are counted in bytes since the
/// app was first loaded, over all its streams.
#[derive(Debug)]
pub struct Log<'a> {
    from: u64,
    next: u64,
    buffer: &'a mut [u8],
    end: usize,
    full: bool,
}

/// Bytes of a record besides what was said.
const RECORD_OVERHEAD: usize = 4;

impl<'a> Log<'a> {
    pub(super) fn new(from: u64, buffer: &'a mut [u8]) -> Self {
        Self {
            from,
            next: from,
            buffer,
            end: 0,
            full: false,
        }
    }

    /// The position that is wanted next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether there is room for nothing more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// What was said before this position is gone. To be said before anything is pushed.
    pub fn skip_to(&mut self, position: u64) {
        if self.end == 0 && position > self.next {
            self.from = position;
            self.next = position;
        }
    }

    /// Takes what was said at a position, or the rest of it where its beginning is not wanted.
    /// Pieces come in the order of their positions, without gaps; others are left out.
    pub fn push(&mut self, position: u64, stream: Stream, bytes: &[u8]) {
        let Some(wanted) = self.next.checked_sub(position) else {
            return;
        };
        let rest = usize::try_from(wanted).ok().and_then(|at| bytes.get(at..));
        let Some(rest @ [_, ..]) = rest else {
            return;
        };
        let room = self.buffer.len().saturating_sub(self.end + RECORD_OVERHEAD);
        let piece = &rest[..rest.len().min(room)];
        self.full |= piece.len() < rest.len();
        let record = LogRecord {
            stream,
            bytes: Bytes(piece),
        };
        if !piece.is_empty() && pack(&record, self.buffer, &mut self.end) {
            self.next += piece.len() as u64;
        }
    }

    /// First position, next position, records.
    pub(super) fn finish(self) -> (u64, u64, &'a [u8]) {
        (self.from, self.next, &self.buffer[..self.end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Records;
    use alloc::vec::Vec;

    fn text(records: &[u8]) -> Vec<u8> {
        let records = Records(records).iter::<LogRecord<'_>>();
        records.flat_map(|record| record.bytes.0.to_vec()).collect()
    }

    #[test]
    fn a_log_begins_where_it_is_wanted_and_ends_where_it_is_full() {
        let said = b"0123456789abcdefghijklmnopqrstuvwxyz";
        for from in 0..=36 {
            for room in 0..60 {
                let mut buffer = [0; 64];
                let mut log = Log::new(from, &mut buffer[..room]);
                for (number, piece) in said.chunks(5).enumerate() {
                    log.push(number as u64 * 5, Stream::Output, piece);
                }
                let (first, next, records) = log.finish();
                assert_eq!(first, from);
                assert_eq!(text(records), said[from as usize..next as usize]);
                assert!(room < 60 - 1 || next == 36 || room < 36 + 8 * RECORD_OVERHEAD);
            }
        }
    }

    #[test]
    fn what_is_gone_is_skipped() {
        let mut buffer = [0; 64];
        let mut log = Log::new(3, &mut buffer);
        log.skip_to(10);
        log.push(10, Stream::Error, b"abc");
        log.push(20, Stream::Error, b"a gap");
        let (from, next, records) = log.finish();
        assert_eq!(
            (from, next, text(records).as_slice()),
            (10, 13, &b"abc"[..])
        );
    }
}
