// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! One frame. Whatever is not exactly a frame is none.
//!
//! ```text
//!  0  2  magic "wL"
//!  2  1  version of this layout, 1
//!  3  1  kind
//!  4  4  from         session of the sender
//!  8  4  to           session of the receiver, 0 where the sender does not know it
//! 12  4  sequence     of a message: its number in the session; otherwise that of the next one
//! 16  4  acknowledge  number of the next message that the sender of this frame expects
//! 20  2  window       how many messages from there on it takes
//! 22  2  length       bytes of the payload
//! 24  4  CRC-32C of bytes 0..24 and the payload
//! 28     payload
//! ```
//!
//! Numbers are little-endian.

use crc::{CRC_32_ISCSI, Crc, Table};

/// Bytes before the payload.
pub const HEADER: usize = 28;
/// Longest payload: one message.
pub const MAX_MESSAGE: usize = 4096 + 68;
/// Longest frame.
pub const MAX_FRAME: usize = HEADER + MAX_MESSAGE;

const MAGIC: [u8; 2] = *b"wL";
const LAYOUT: u8 = 1;
/// CRC-32C, 16 bytes a step.
static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// What a frame is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// The agent begins a session.
    Open = 1,
    /// The loader's answer.
    Opened = 2,
    /// A message.
    Message = 3,
    /// Only what every frame says: what has arrived.
    Acknowledge = 4,
    /// Asks for an [`Kind::Acknowledge`].
    Probe = 5,
    /// There is no such session.
    Reset = 6,
}

impl Kind {
    fn from_u8(number: u8) -> Option<Self> {
        [
            Self::Open,
            Self::Opened,
            Self::Message,
            Self::Acknowledge,
            Self::Probe,
            Self::Reset,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == number)
    }
}

/// What stands before the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What the frame is for.
    pub kind: Kind,
    /// Session of the sender.
    pub from: u32,
    /// Session of the receiver.
    pub to: u32,
    /// See the layout.
    pub sequence: u32,
    /// See the layout.
    pub acknowledge: u32,
    /// See the layout.
    pub window: u16,
}

/// Writes a frame into `buffer`; its length.
///
/// The payload has at most [`MAX_MESSAGE`] bytes; of a longer one the rest is left out, and the
/// receiver finds that the message is damaged.
pub fn write(header: &Header, payload: &[u8], buffer: &mut [u8; MAX_FRAME]) -> usize {
    let payload = &payload[..payload.len().min(MAX_MESSAGE)];
    buffer[0..2].copy_from_slice(&MAGIC);
    buffer[2] = LAYOUT;
    buffer[3] = header.kind as u8;
    buffer[4..8].copy_from_slice(&header.from.to_le_bytes());
    buffer[8..12].copy_from_slice(&header.to.to_le_bytes());
    buffer[12..16].copy_from_slice(&header.sequence.to_le_bytes());
    buffer[16..20].copy_from_slice(&header.acknowledge.to_le_bytes());
    buffer[20..22].copy_from_slice(&header.window.to_le_bytes());
    buffer[22..24].copy_from_slice(&(payload.len() as u16).to_le_bytes());
    let check = checksum(&buffer[..24], payload);
    buffer[24..28].copy_from_slice(&check.to_le_bytes());
    let end = HEADER + payload.len();
    buffer[HEADER..end].copy_from_slice(payload);
    end
}

/// Reads a frame that is all of `bytes`.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let (head, payload) = bytes.split_first_chunk::<HEADER>()?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let half = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let whole = head[..2] == MAGIC
        && head[2] == LAYOUT
        && usize::from(half(22)) == payload.len()
        && payload.len() <= MAX_MESSAGE
        && word(24) == checksum(&head[..24], payload);
    if !whole {
        return None;
    }
    let header = Header {
        kind: Kind::from_u8(head[3])?,
        from: word(4),
        to: word(8),
        sequence: word(12),
        acknowledge: word(16),
        window: half(20),
    };
    Some((header, payload))
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(head);
    digest.update(payload);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Header = Header {
        kind: Kind::Message,
        from: 1,
        to: 2,
        sequence: 3,
        acknowledge: 4,
        window: 5,
    };

    #[test]
    fn the_checksum_is_crc_32c() {
        assert_eq!(checksum(b"1234", b"56789"), 0xe306_9283);
    }

    #[test]
    fn frames_are_read_whole_or_not_at_all() {
        let mut buffer = [0; MAX_FRAME];
        for payload in [&b""[..], b"payload", &[0; MAX_MESSAGE]] {
            let length = write(&SAMPLE, payload, &mut buffer);
            assert_eq!(read(&buffer[..length]), Some((SAMPLE, payload)));
            assert_eq!(read(&buffer[..length - 1]), None);
        }
        let length = write(&SAMPLE, b"payload", &mut buffer);
        for position in 0..length {
            for bit in 0..8 {
                let mut other = buffer;
                other[position] ^= 1 << bit;
                assert_eq!(read(&other[..length]), None, "bit {bit} of {position}");
            }
        }
    }
}
