// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How frames get from one machine to the other. A transport may lose, double, reorder and
//! damage them: the link above sees to that.

pub mod serial;
pub mod shared;

use crate::frame::MAX_FRAME;

/// A way for frames. Nothing here waits.
pub trait Transport {
    /// Longest frame that should be sent, bytes, at most [`MAX_FRAME`]: on a slow line a long
    /// one makes all others wait, and costs much where it is lost.
    fn max_frame(&self) -> usize;

    /// Takes a frame; `false`: not now, there is no room.
    fn send(&mut self, frame: &[u8]) -> bool;

    /// Puts the next frame that has arrived, or what looks like one, into `buffer`; its length.
    /// A call does bounded work: where there is nothing but damage, it gives none and the next
    /// call goes on.
    fn receive(&mut self, buffer: &mut [u8; MAX_FRAME]) -> Option<usize>;

    /// Everything that was there to be said now is said: makes the other side look, and sends
    /// on what waits in buffers.
    fn flush(&mut self);
}
