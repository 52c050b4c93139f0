// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A wire that loses, doubles, reorders, damages and delays frames, and can be cut. What it does
//! follows from its seed.

use crate::frame::MAX_FRAME;
use crate::transport::Transport;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use fastrand::Rng;

/// How often something goes wrong, in a thousand frames; and how long a frame takes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Faults {
    /// Frames that are lost.
    pub lost: u32,
    /// Frames that come twice.
    pub doubled: u32,
    /// Frames that come later than others that were sent after them.
    pub late: u32,
    /// Frames in which bits are changed, or that are cut short.
    pub damaged: u32,
    /// Nanoseconds that a frame takes.
    pub delay_ns: u64,
}

/// Frames on the wire, at most, in each direction.
const CAPACITY: usize = 64;

#[derive(Debug)]
struct State {
    random: Rng,
    faults: Faults,
    cut: bool,
    now_ns: u64,
    sent: u64,
    /// When it arrives, and which one it is; for each end.
    frames: [Vec<(u64, u64, Vec<u8>)>; 2],
}

/// The wire.
#[derive(Clone, Debug)]
pub struct Wire(Rc<RefCell<State>>);

/// One end of it.
#[derive(Clone, Debug)]
pub struct End {
    wire: Wire,
    own: usize,
    max_frame: usize,
}

impl Wire {
    /// A wire of a seed.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self(Rc::new(RefCell::new(State {
            random: Rng::with_seed(seed),
            faults,
            cut: false,
            now_ns: 0,
            sent: 0,
            frames: [Vec::new(), Vec::new()],
        })))
    }

    /// Both ends.
    #[must_use]
    pub fn ends(&self, max_frame: usize) -> (End, End) {
        let end = |own| End {
            wire: self.clone(),
            own,
            max_frame,
        };
        (end(0), end(1))
    }

    /// What time it is.
    pub fn set_now(&self, now_ns: u64) {
        self.0.borrow_mut().now_ns = now_ns;
    }

    /// Cuts the wire: what is on it is lost, and nothing gets through; or mends it.
    pub fn cut(&self, cut: bool) {
        let mut state = self.0.borrow_mut();
        state.cut = cut;
        if cut {
            state.frames = [Vec::new(), Vec::new()];
        }
    }

    /// From now on it fails so.
    pub fn set_faults(&self, faults: Faults) {
        self.0.borrow_mut().faults = faults;
    }
}

impl State {
    fn chance(&mut self, per_mille: u32) -> bool {
        self.random.u32(0..1000) < per_mille
    }

    fn damage(&mut self, frame: &mut Vec<u8>) {
        if self.random.bool() {
            let length = self.random.usize(0..=frame.len());
            frame.truncate(length);
        } else {
            for _ in 0..self.random.usize(1..9) {
                let bit = self.random.usize(0..frame.len() * 8);
                frame[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    fn put(&mut self, to: usize, frame: &[u8]) {
        let mut frame = frame.to_vec();
        let faults = self.faults;
        if self.chance(faults.lost) {
            return;
        }
        if self.chance(faults.damaged) && !frame.is_empty() {
            self.damage(&mut frame);
        }
        let mut at = self.now_ns + faults.delay_ns;
        if self.chance(faults.late) {
            at += self.random.u64(0..20 * faults.delay_ns.max(1_000_000));
        }
        self.sent += 1;
        self.frames[to].push((at, self.sent, frame));
    }
}

impl Transport for End {
    fn max_frame(&self) -> usize {
        self.max_frame
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        let mut state = self.wire.0.borrow_mut();
        let to = 1 - self.own;
        if state.cut {
            // Nobody tells the sender.
            return true;
        }
        if state.frames[to].len() >= CAPACITY {
            return false;
        }
        state.put(to, frame);
        let doubled = state.faults.doubled;
        if state.chance(doubled) {
            state.put(to, frame);
        }
        true
    }

    fn receive(&mut self, buffer: &mut [u8; MAX_FRAME]) -> Option<usize> {
        let mut state = self.wire.0.borrow_mut();
        let now = state.now_ns;
        let frames = &mut state.frames[self.own];
        let first = (0..frames.len()).min_by_key(|index| (frames[*index].0, frames[*index].1))?;
        if frames[first].0 > now {
            return None;
        }
        let (_, _, frame) = frames.swap_remove(first);
        buffer[..frame.len()].copy_from_slice(&frame);
        Some(frame.len())
    }

    fn flush(&mut self) {}
}
