// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Frames in a window of memory that two machines share: a ring in each direction, and a doorbell.
//!
//! ```text
//!     0  control page of the loader    one 64-bit word each, little-endian:
//!  4096  control page of the agent       0 magic and version of the layout
//!  8192  ring of the loader              1 epoch: changes whenever the side starts anew
//!  8192 + N  ring of the agent           2 seen: the other's epoch that words 3 and 4 count from
//!                                        3 written: bytes put into the own ring
//!                                        4 consumed: bytes taken from the other's ring
//!                                        5 N, bytes of a ring: a power of two
//!                                        6 asleep: not 0 where the doorbell is waited for
//! ```
//!
//! A frame in a ring is a word with its length, and its bytes, filled up to whole words.
//!
//! Each side writes its own page and its own ring, and nothing else. What it has written and
//! consumed it keeps in memory of its own. Of the other side it reads a word once, checks the
//! copy, and copies a frame before anybody looks at it: the other side may change everything at
//! any time. Where what it says cannot be, this side starts anew, and nothing worse happens.

use super::Transport;
use crate::frame::MAX_FRAME;
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// Magic; the last byte is the version of the layout.
const MAGIC: u64 = u64::from_le_bytes(*b"wA-ring\x01");
/// Bytes of a word.
const WORD: usize = 8;
const PAGE_WORDS: usize = 4096 / WORD;
/// Smallest ring: a few of the longest frames.
const MIN_RING_WORDS: usize = 16 * 1024 / WORD;

/// Words of a control page.
mod at {
    pub const MAGIC: usize = 0;
    pub const EPOCH: usize = 1;
    pub const SEEN: usize = 2;
    pub const WRITTEN: usize = 3;
    pub const CONSUMED: usize = 4;
    pub const RING: usize = 5;
    pub const ASLEEP: usize = 6;
}

/// Smallest window, bytes.
pub const MIN_WINDOW: usize = (2 * PAGE_WORDS + 2 * MIN_RING_WORDS) * WORD;

/// Which end of the window this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The loader.
    Loader,
    /// The agent.
    Agent,
}

/// What makes the other side look.
pub trait Doorbell {
    /// Rings; it may be lost, so who waits for it looks now and then anyway.
    fn ring(&mut self);
}

/// No doorbell: the other side polls.
impl Doorbell for () {
    fn ring(&mut self) {}
}

/// One end of a window.
#[derive(Debug)]
pub struct Shared<'a, D> {
    own: &'a [AtomicU64],
    own_ring: &'a [AtomicU64],
    other: &'a [AtomicU64],
    other_ring: &'a [AtomicU64],
    doorbell: D,
    /// Ours; not 0.
    epoch: u64,
    /// The other side's that `written` and `consumed` count from; 0: none.
    peer: u64,
    /// Bytes, both; a counter of 64 bits does not come round.
    written: u64,
    consumed: u64,
    /// Something was written or consumed since the doorbell was last thought of.
    changed: bool,
    faults: u64,
}

impl<'a, D: Doorbell> Shared<'a, D> {
    /// The end `side` of a window; none where it is smaller than [`MIN_WINDOW`]. `start` is a
    /// number that differs from one start of this side to the next.
    pub fn new(words: &'a [AtomicU64], side: Side, start: u64, doorbell: D) -> Option<Self> {
        if words.len() * WORD < MIN_WINDOW {
            return None;
        }
        let ring = 1 << ((words.len() - 2 * PAGE_WORDS) / 2).ilog2();
        let (loader, rest) = words.split_at(PAGE_WORDS);
        let (agent, rest) = rest.split_at(PAGE_WORDS);
        let (loader_ring, rest) = rest.split_at(ring);
        let agent_ring = &rest[..ring];
        let (own, own_ring, other, other_ring) = match side {
            Side::Loader => (loader, loader_ring, agent, agent_ring),
            Side::Agent => (agent, agent_ring, loader, loader_ring),
        };
        let mut shared = Self {
            own,
            own_ring,
            other,
            other_ring,
            doorbell,
            epoch: start,
            peer: 0,
            written: 0,
            consumed: 0,
            changed: true,
            faults: 0,
        };
        shared.begin(start);
        Some(shared)
    }

    /// How often the other side said what cannot be.
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// The doorbell.
    pub fn doorbell(&mut self) -> &mut D {
        &mut self.doorbell
    }

    /// Says that this side is about to wait for the doorbell. `false`: there is something to
    /// receive, so it should not. [`Shared::awake`] when it goes on.
    pub fn asleep(&mut self) -> bool {
        self.own[at::ASLEEP].store(1, Ordering::Relaxed);
        // Either the other side sees that we sleep, or we see what it wrote.
        fence(Ordering::SeqCst);
        let idle = !self.connected() || self.word(at::WRITTEN) == self.consumed;
        if !idle {
            self.awake();
        }
        idle
    }

    /// See [`Shared::asleep`].
    pub fn awake(&mut self) {
        self.own[at::ASLEEP].store(0, Ordering::Relaxed);
    }

    /// A word of the other side's page, read once.
    fn word(&self, at: usize) -> u64 {
        u64::from_le(self.other[at].load(Ordering::Acquire))
    }

    fn publish(&self, at: usize, value: u64) {
        self.own[at].store(value.to_le(), Ordering::Release);
    }

    fn ring_bytes(&self) -> u64 {
        (self.own_ring.len() * WORD) as u64
    }

    /// Starts anew with an epoch that is not the last one.
    fn begin(&mut self, epoch: u64) {
        let last = u64::from_le(self.own[at::EPOCH].load(Ordering::Relaxed));
        self.epoch = epoch;
        while self.epoch == 0 || self.epoch == last {
            self.epoch = self.epoch.wrapping_add(1);
        }
        self.peer = 0;
        self.publish(at::SEEN, 0);
        self.zero();
        self.publish(at::ASLEEP, 0);
        self.publish(at::RING, self.ring_bytes());
        self.publish(at::MAGIC, MAGIC);
        self.publish(at::EPOCH, self.epoch);
    }

    fn zero(&mut self) {
        self.written = 0;
        self.consumed = 0;
        self.publish(at::WRITTEN, 0);
        self.publish(at::CONSUMED, 0);
        self.changed = true;
    }

    /// Whether both sides count from the same beginning; sees to it where they do not.
    fn connected(&mut self) -> bool {
        let epoch = self.word(at::EPOCH);
        let fits = self.word(at::MAGIC) == MAGIC && self.word(at::RING) == self.ring_bytes();
        if epoch == 0 || !fits {
            return false;
        }
        if epoch != self.peer {
            // It has started anew: so does what we count, and only then do we say so.
            self.zero();
            self.peer = epoch;
            self.publish(at::SEEN, epoch);
        }
        self.word(at::SEEN) == self.epoch
    }

    /// How far the other side is ahead of us, or behind, in a word that only it writes; none
    /// where that cannot be, and then this side starts anew.
    fn distance(&mut self, ahead: u64, behind: u64) -> Option<u64> {
        let distance = ahead.wrapping_sub(behind);
        if distance <= self.ring_bytes() && distance.is_multiple_of(WORD as u64) {
            return Some(distance);
        }
        self.fault();
        None
    }

    fn fault(&mut self) {
        // It may have started anew between two words that we read: no fault of it.
        if self.word(at::EPOCH) == self.peer {
            self.faults += 1;
            self.begin(self.epoch.wrapping_add(1));
        }
    }
}

/// Bytes that a frame takes in a ring.
fn taken(length: usize) -> u64 {
    (WORD + length.next_multiple_of(WORD)) as u64
}

/// Where the word behind `bytes` is in a ring of a power of two words.
fn place(ring: &[AtomicU64], bytes: u64) -> &AtomicU64 {
    &ring[(bytes / WORD as u64) as usize & (ring.len() - 1)]
}

impl<D: Doorbell> Transport for Shared<'_, D> {
    fn max_frame(&self) -> usize {
        MAX_FRAME
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        if frame.len() > MAX_FRAME || !self.connected() {
            // Nobody is there: a frame that is not sent is one that is sent again later.
            return false;
        }
        let consumed = self.word(at::CONSUMED);
        let Some(used) = self.distance(self.written, consumed) else {
            return false;
        };
        if taken(frame.len()) > self.ring_bytes() - used {
            return false;
        }
        let length = frame.len() as u64;
        place(self.own_ring, self.written).store(length.to_le(), Ordering::Relaxed);
        let mut next = self.written + WORD as u64;
        for piece in frame.chunks(WORD) {
            let mut word = [0; WORD];
            word[..piece.len()].copy_from_slice(piece);
            place(self.own_ring, next).store(u64::from_ne_bytes(word), Ordering::Relaxed);
            next += WORD as u64;
        }
        self.written = next;
        self.publish(at::WRITTEN, next);
        self.changed = true;
        true
    }

    fn receive(&mut self, buffer: &mut [u8; MAX_FRAME]) -> Option<usize> {
        if !self.connected() {
            return None;
        }
        let written = self.word(at::WRITTEN);
        let available = self.distance(written, self.consumed)?;
        if available == 0 {
            return None;
        }
        let head = place(self.other_ring, self.consumed).load(Ordering::Relaxed);
        let length = usize::try_from(u64::from_le(head)).unwrap_or(usize::MAX);
        if length > MAX_FRAME || taken(length) > available {
            self.fault();
            return None;
        }
        let mut next = self.consumed + WORD as u64;
        for piece in buffer[..length].chunks_mut(WORD) {
            let word = place(self.other_ring, next).load(Ordering::Relaxed);
            piece.copy_from_slice(&word.to_ne_bytes()[..piece.len()]);
            next += WORD as u64;
        }
        self.consumed = next;
        self.publish(at::CONSUMED, next);
        self.changed = true;
        Some(length)
    }

    fn flush(&mut self) {
        if !core::mem::take(&mut self.changed) {
            return;
        }
        fence(Ordering::SeqCst);
        if self.word(at::ASLEEP) != 0 {
            self.doorbell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn window(bytes: usize) -> Vec<AtomicU64> {
        (0..bytes / WORD).map(|_| AtomicU64::new(0)).collect()
    }

    fn pair(words: &[AtomicU64]) -> (Shared<'_, ()>, Shared<'_, ()>) {
        let end = |side| Shared::new(words, side, 1, ()).unwrap();
        (end(Side::Loader), end(Side::Agent))
    }

    /// A frame that tells which one it is.
    fn sample(number: usize) -> Vec<u8> {
        let length = number * 37 % (MAX_FRAME + 1);
        (0..length).map(|i| (number + i) as u8).collect()
    }

    /// Passes frames until one is through, as both sides may have to notice each other.
    fn pass(from: &mut impl Transport, to: &mut impl Transport, frame: &[u8]) {
        let mut buffer = [0; MAX_FRAME];
        for _ in 0..4 {
            let _ = to.receive(&mut buffer);
            if from.send(frame) {
                let length = to.receive(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], frame);
                return;
            }
        }
        panic!("no frame gets through");
    }

    #[test]
    fn small_windows_are_refused() {
        let words = window(MIN_WINDOW);
        assert!(Shared::new(&words[1..], Side::Loader, 1, ()).is_none());
        assert!(Shared::new(&words, Side::Loader, 1, ()).is_some());
    }

    #[test]
    fn frames_of_any_length_pass_both_ways() {
        let words = window(MIN_WINDOW);
        let (mut loader, mut agent) = pair(&words);
        for number in 0..500 {
            pass(&mut loader, &mut agent, &sample(number));
            pass(&mut agent, &mut loader, &sample(number));
        }
        assert_eq!((loader.faults(), agent.faults()), (0, 0));
    }

    #[test]
    fn a_full_ring_takes_nothing_until_there_is_room() {
        let words = window(MIN_WINDOW);
        let (mut loader, mut agent) = pair(&words);
        pass(&mut loader, &mut agent, b"first");
        let frame = [7; 1000];
        let fit = (0..).take_while(|_| loader.send(&frame)).count();
        assert_eq!(fit, MIN_RING_WORDS * WORD / 1008);
        let mut buffer = [0; MAX_FRAME];
        assert_eq!(agent.receive(&mut buffer), Some(1000));
        assert!(loader.send(&frame));
        assert!(!loader.send(&frame));
    }

    #[test]
    fn either_side_starts_anew_at_any_time() {
        let words = window(MIN_WINDOW);
        let (mut loader, mut agent) = pair(&words);
        for round in 0..20 {
            pass(&mut loader, &mut agent, &sample(round));
            assert!(agent.send(b"lost with the side that it was for"));
            if round % 2 == 0 {
                loader = Shared::new(&words, Side::Loader, 1, ()).unwrap();
            } else {
                agent = Shared::new(&words, Side::Agent, 1, ()).unwrap();
            }
            pass(&mut agent, &mut loader, &sample(round));
        }
        assert_eq!((loader.faults(), agent.faults()), (0, 0));
    }

    #[test]
    fn what_cannot_be_is_a_fault_and_nothing_else() {
        let words = window(MIN_WINDOW);
        let (mut loader, mut agent) = pair(&words);
        pass(&mut agent, &mut loader, b"first");
        let mut buffer = [0; MAX_FRAME];
        let agent_page = &words[PAGE_WORDS..];
        let ring = u64::from(16 * 1024u32);
        for (count, written) in [u64::MAX, 1, 3, ring + 1024, 1 << 40]
            .into_iter()
            .enumerate()
        {
            agent_page[at::WRITTEN].store(written, Ordering::Relaxed);
            assert_eq!(loader.receive(&mut buffer), None);
            assert_eq!(loader.faults(), count as u64 + 1, "{written}");
            pass(&mut agent, &mut loader, b"goes on");
        }
        let faults = loader.faults();
        for (count, length) in [MAX_FRAME as u64 + 1, u64::MAX, 1 << 32, 4000]
            .into_iter()
            .enumerate()
        {
            assert!(agent.send(b"frame"));
            let start = agent.written as usize / WORD - 2;
            agent.own_ring[start].store(length, Ordering::Relaxed);
            assert_eq!(loader.receive(&mut buffer), None);
            assert_eq!(loader.faults(), faults + count as u64 + 1, "{length}");
            pass(&mut agent, &mut loader, b"goes on");
        }
    }

    #[test]
    fn the_doorbell_rings_for_who_sleeps() {
        #[derive(Default)]
        struct Count(u32);
        impl Doorbell for Count {
            fn ring(&mut self) {
                self.0 += 1;
            }
        }
        let words = window(MIN_WINDOW);
        let mut loader = Shared::new(&words, Side::Loader, 1, Count::default()).unwrap();
        let mut agent = Shared::new(&words, Side::Agent, 1, ()).unwrap();
        pass(&mut loader, &mut agent, b"awake");
        loader.flush();
        assert_eq!(loader.doorbell().0, 0);
        assert!(agent.asleep());
        assert!(loader.send(b"ring"));
        loader.flush();
        loader.flush();
        assert_eq!(loader.doorbell().0, 1);
        assert!(!agent.asleep(), "there is a frame");
    }

    #[test]
    fn two_threads_lose_nothing() {
        let words = window(MIN_WINDOW);
        let (mut loader, mut agent) = pair(&words);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for number in 0..3000 {
                    while !loader.send(&sample(number)) {
                        std::thread::yield_now();
                    }
                }
            });
            let mut buffer = [0; MAX_FRAME];
            for number in 0..3000 {
                let length = loop {
                    match agent.receive(&mut buffer) {
                        Some(length) => break length,
                        None => std::thread::yield_now(),
                    }
                };
                assert!(buffer[..length] == sample(number), "frame {number}");
            }
        });
    }
}
