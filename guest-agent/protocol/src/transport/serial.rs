// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Frames on a stream of bytes: each in COBS (consistent overhead byte stuffing), with a zero
//! before and behind it. A zero stands nowhere else, so that after any damage the next frame is
//! found.

use super::Transport;
use crate::frame::MAX_FRAME;

/// A stream of bytes. Nothing here waits.
pub trait Bytes {
    /// Reads what has arrived, as far as it fits; 0: nothing.
    fn read(&mut self, buffer: &mut [u8]) -> usize;
    /// Writes as much as there is room for; 0: nothing.
    fn write(&mut self, bytes: &[u8]) -> usize;
}

/// Longest frame that is sent: 90 ms of a line with 115,200 bits a second.
pub const SEND_FRAME: usize = 1024 + 64;
/// Bytes of a frame in COBS: one more for every 254, one at the beginning.
const MAX_ENCODED: usize = MAX_FRAME + MAX_FRAME.div_ceil(254) + 1;
/// Bytes that are looked at in one call of [`Transport::receive`], at most.
const READ_BYTES: usize = 2 * MAX_ENCODED;
/// Bytes that are read at once.
const PIECE: usize = 256;

/// Frames on a stream of bytes.
#[derive(Debug)]
pub struct Serial<B> {
    bytes: B,
    /// A frame on its way out, and how much of it has gone.
    outgoing: [u8; MAX_ENCODED + 2],
    outgoing_end: usize,
    outgoing_sent: usize,
    /// The frame that is coming in, still encoded; longer ones are dropped.
    incoming: [u8; MAX_ENCODED],
    incoming_length: usize,
    overlong: bool,
    /// What was read and not yet looked at.
    piece: [u8; PIECE],
    piece_begin: usize,
    piece_end: usize,
    dropped: u64,
}

impl<B: Bytes> Serial<B> {
    /// Frames on these bytes.
    pub const fn new(bytes: B) -> Self {
        Self {
            bytes,
            outgoing: [0; MAX_ENCODED + 2],
            outgoing_end: 0,
            outgoing_sent: 0,
            incoming: [0; MAX_ENCODED],
            incoming_length: 0,
            overlong: false,
            piece: [0; PIECE],
            piece_begin: 0,
            piece_end: 0,
            dropped: 0,
        }
    }

    /// Pieces of the stream that were no frame.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The stream.
    pub fn stream(&self) -> &B {
        &self.bytes
    }

    /// The stream, to change it.
    pub fn bytes(&mut self) -> &mut B {
        &mut self.bytes
    }

    fn push_out(&mut self) {
        while self.outgoing_sent < self.outgoing_end {
            let rest = &self.outgoing[self.outgoing_sent..self.outgoing_end];
            let written = self.bytes.write(rest).min(rest.len());
            if written == 0 {
                return;
            }
            self.outgoing_sent += written;
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        if self.piece_begin == self.piece_end {
            self.piece_begin = 0;
            self.piece_end = self.bytes.read(&mut self.piece).min(PIECE);
        }
        let byte = *self.piece[..self.piece_end].get(self.piece_begin)?;
        self.piece_begin += 1;
        Some(byte)
    }

    /// Decodes what stands before a zero.
    fn finish(&mut self, buffer: &mut [u8; MAX_FRAME]) -> Option<usize> {
        let length = core::mem::take(&mut self.incoming_length);
        let overlong = core::mem::take(&mut self.overlong);
        if length == 0 {
            return None;
        }
        // There is no zero in it, so all of it is decoded or nothing.
        let decoded = match overlong {
            true => None,
            false => cobs::decode(&self.incoming[..length], buffer).ok(),
        };
        self.dropped += u64::from(decoded.is_none());
        decoded
    }
}

impl<B: Bytes> Transport for Serial<B> {
    fn max_frame(&self) -> usize {
        SEND_FRAME
    }

    fn send(&mut self, frame: &[u8]) -> bool {
        self.push_out();
        if self.outgoing_sent < self.outgoing_end {
            return false;
        }
        let room = &mut self.outgoing[1..MAX_ENCODED + 1];
        let Ok(length) = cobs::try_encode(frame, room) else {
            // Longer than any frame: it is not sent now or later, so it counts as lost.
            self.dropped += 1;
            return true;
        };
        self.outgoing[0] = 0;
        self.outgoing[length + 1] = 0;
        self.outgoing_sent = 0;
        self.outgoing_end = length + 2;
        self.push_out();
        true
    }

    fn receive(&mut self, buffer: &mut [u8; MAX_FRAME]) -> Option<usize> {
        for _ in 0..READ_BYTES {
            let byte = self.next_byte()?;
            if byte == 0 {
                if let Some(length) = self.finish(buffer) {
                    return Some(length);
                }
            } else if let Some(place) = self.incoming.get_mut(self.incoming_length) {
                *place = byte;
                self.incoming_length += 1;
            } else {
                self.overlong = true;
            }
        }
        None
    }

    fn flush(&mut self) {
        self.push_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Bytes that come back, a few at a time.
    #[derive(Default)]
    struct Loop {
        bytes: Vec<u8>,
        at_once: usize,
    }

    impl Bytes for Loop {
        fn read(&mut self, buffer: &mut [u8]) -> usize {
            let count = buffer.len().min(self.at_once).min(self.bytes.len());
            for (place, byte) in buffer.iter_mut().zip(self.bytes.drain(..count)) {
                *place = byte;
            }
            count
        }
        fn write(&mut self, bytes: &[u8]) -> usize {
            let count = bytes.len().min(self.at_once);
            self.bytes.extend(&bytes[..count]);
            count
        }
    }

    fn serial(at_once: usize) -> Serial<Loop> {
        Serial::new(Loop {
            bytes: Vec::new(),
            at_once,
        })
    }

    #[test]
    fn frames_pass_in_any_pieces() {
        let long: Vec<u8> = (0..MAX_FRAME).map(|i| (i % 255) as u8).collect();
        for at_once in [1, 7, 255, 5000] {
            let mut line = serial(at_once);
            let mut buffer = [0; MAX_FRAME];
            for frame in [&b"a"[..], &[0; 700], &[1; MAX_FRAME], &long] {
                assert!(line.send(frame));
                line.flush();
                let length = line.receive(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], frame);
                assert_eq!(line.receive(&mut buffer), None);
            }
        }
    }

    #[test]
    fn noise_costs_at_most_its_neighbour() {
        let mut line = serial(64);
        let mut buffer = [0; MAX_FRAME];
        line.bytes.bytes.extend(b"SeaBIOS (version 1.16)\r\n");
        assert!(line.send(b"first"));
        let mut seen = Vec::new();
        while let Some(length) = line.receive(&mut buffer) {
            seen.push(buffer[..length].to_vec());
        }
        assert_eq!(seen.last().unwrap(), b"first");
        // A stream without zeros is dropped as one piece, however long it is.
        line.bytes.bytes.extend([0x55; 3 * MAX_ENCODED]);
        assert!(line.send(b"second"));
        let mut seen = Vec::new();
        for _ in 0..4 {
            while let Some(length) = line.receive(&mut buffer) {
                seen.push(buffer[..length].to_vec());
            }
        }
        assert_eq!(seen, [b"second"]);
        assert_eq!(line.dropped(), 2, "the noise, and the piece");
    }

    #[test]
    fn a_full_line_takes_no_frame() {
        let mut line = serial(0);
        assert!(line.send(b"first"));
        assert!(!line.send(b"second"));
        line.bytes.at_once = 100;
        assert!(line.send(b"second"));
        let mut buffer = [0; MAX_FRAME];
        assert_eq!(line.receive(&mut buffer), Some(5));
        assert_eq!(line.receive(&mut buffer), Some(6));
    }

    #[test]
    fn a_frame_that_is_too_long_is_lost_alone() {
        let mut line = serial(10_000);
        assert!(line.send(&[1; MAX_FRAME + 100]));
        assert!(line.send(b"next"));
        let mut buffer = [0; MAX_FRAME];
        assert_eq!(line.receive(&mut buffer), Some(4));
    }
}
