// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Frames on the host channel, a serial line from the root task to the host.
//!
//! ```text
//! 0  4  magic "wA\xf0\x9d"       bytes that do not occur so in text
//! 4  1  type                     Kind
//! 5  1  check                    sum of bytes 0..5 and 6..12, complemented
//! 6  2  app                      index in the bundle, little-endian
//! 8  4  length                   payload bytes, little-endian, at most MAX_PAYLOAD
//! 12    payload
//! ```
//!
//! A serial line may carry other bytes before the first frame (firmware talks on it): the decoder
//! skips to the next header whose check is right, and counts what it skipped.

/// First bytes of each frame.
pub const MAGIC: [u8; 4] = [b'w', b'A', 0xf0, 0x9d];
/// Bytes before the payload.
pub const HEADER: usize = 12;
/// Longest payload.
pub const MAX_PAYLOAD: usize = 4096;
/// The app index of frames that belong to no app.
pub const NO_APP: u16 = u16::MAX;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// What a frame says.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $number,)*
        }

        impl Kind {
            #[cfg(any(test, feature = "write"))]
            const fn from_u8(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// The root task is up. Payload: its version as text.
    Hello = 1;
    /// Bytes that an app wrote to its standard output.
    Stdout = 2;
    /// Bytes that an app wrote to its standard error.
    Stderr = 3;
    /// An app has ended. Payload: its exit code, `i32` little-endian. The last frame of an app.
    Exit = 4;
    /// An app trapped. Payload: the report as text, in as many frames as it takes;
    /// [`Kind::Continued`] or [`Kind::Exit`] follows.
    Trap = 5;
    /// What the root task did, as text, for people.
    Log = 6;
    /// All apps have ended. Payload: a summary as text.
    Done = 7;
    /// What came of a test script's steps, in as many frames as it takes: the bytes that
    /// `wasm-aot-script` describes.
    Outcomes = 8;
    /// An app could not be run. Payload: why, as text, in as many frames as it takes;
    /// [`Kind::Exit`] follows.
    Refused = 9;
    /// An app wants standard input. Payload: how many bytes at most, `u32` little-endian, not 0.
    /// The host answers on the same line with their number (`u16` little-endian, 0 at the end)
    /// and as many bytes.
    Input = 10;
    /// A piece of the archive of an app's directories; [`Kind::Exit`] follows.
    Archive = 11;
    /// What an app has done so far, as `wasm-aot-schedule` describes it; before its [`Kind::Exit`],
    /// and of those that are still there before [`Kind::Done`].
    Report = 12;
    /// An app that has trapped goes on, or is loaded anew: what [`Kind::Trap`] said is complete.
    Continued = 13;
}

/// Bytes of input in one answer, at most.
pub const MAX_INPUT: usize = 4096;

/// A frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// What it says.
    pub kind: Kind,
    /// Which app it is about, or [`NO_APP`].
    pub app: u16,
    /// See [`Kind`].
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// The exit code in a frame of [`Kind::Exit`].
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        let bytes = self.payload.try_into().ok()?;
        (self.kind == Kind::Exit).then(|| i32::from_le_bytes(bytes))
    }

    /// The bytes that a frame of [`Kind::Input`] asks for.
    #[must_use]
    pub fn wanted(&self) -> Option<usize> {
        let bytes = self.payload.try_into().ok()?;
        let wanted = u32::from_le_bytes(bytes) as usize;
        (self.kind == Kind::Input).then_some(wanted.clamp(1, MAX_INPUT))
    }
}

fn check(header: &[u8; HEADER]) -> u8 {
    let sum = header
        .iter()
        .enumerate()
        .filter(|(position, _)| *position != 5)
        .fold(0u8, |sum, (_, byte)| sum.wrapping_add(*byte));
    !sum
}

/// The header of a frame whose payload has `length` bytes, at most [`MAX_PAYLOAD`].
#[must_use]
pub fn header(kind: Kind, app: u16, length: usize) -> [u8; HEADER] {
    let length = (length.min(MAX_PAYLOAD)) as u32;
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = kind as u8;
    bytes[6..8].copy_from_slice(&app.to_le_bytes());
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    bytes[5] = check(&bytes);
    bytes
}

/// What stands at the front of a buffer.
#[cfg(any(test, feature = "write"))]
enum Front {
    /// A frame with this kind, app and payload length.
    Frame(Kind, u16, usize),
    /// The start of a frame, perhaps.
    Incomplete,
    /// No frame.
    Noise,
}

#[cfg(any(test, feature = "write"))]
fn front(bytes: &[u8]) -> Front {
    let magic = bytes.len().min(MAGIC.len());
    if bytes[..magic] != MAGIC[..magic] {
        return Front::Noise;
    }
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Front::Incomplete;
    };
    let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
    let app = u16::from_le_bytes([header[6], header[7]]);
    match Kind::from_u8(header[4]) {
        Some(kind) if header[5] == check(header) && length <= MAX_PAYLOAD => {
            if rest.len() < length {
                Front::Incomplete
            } else {
                Front::Frame(kind, app, length)
            }
        }
        _ => Front::Noise,
    }
}

/// Takes bytes as they come and gives frames.
#[cfg(any(test, feature = "write"))]
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: alloc::vec::Vec<u8>,
    start: usize,
    skipped: u64,
}

#[cfg(any(test, feature = "write"))]
impl Decoder {
    /// Adds bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame that is complete.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        loop {
            let rest = &self.bytes[self.start..];
            if rest.is_empty() {
                return None;
            }
            match front(rest) {
                Front::Incomplete => return None,
                Front::Noise => {
                    self.start += 1;
                    self.skipped += 1;
                }
                Front::Frame(kind, app, length) => {
                    let payload = self.start + HEADER;
                    self.start = payload + length;
                    return Some(Frame {
                        kind,
                        app,
                        payload: &self.bytes[payload..payload + length],
                    });
                }
            }
        }
    }

    /// Bytes that belonged to no frame.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn encode(kind: Kind, app: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::from(header(kind, app, payload.len()));
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn frames_arrive_in_any_pieces() {
        let mut stream = b"SeaBIOS wA\xf0 ".to_vec();
        stream.extend(encode(Kind::Hello, NO_APP, b"1"));
        stream.extend(b"noise");
        stream.extend(encode(Kind::Exit, 3, &7i32.to_le_bytes()));
        for piece in 1..stream.len() {
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for bytes in stream.chunks(piece) {
                decoder.push(bytes);
                while let Some(frame) = decoder.next_frame() {
                    seen.push((frame.kind, frame.app, frame.exit_code()));
                }
            }
            assert_eq!(
                seen,
                [(Kind::Hello, NO_APP, None), (Kind::Exit, 3, Some(7))]
            );
            assert_eq!(decoder.skipped(), 17);
        }
    }

    #[test]
    fn damage_never_panics_and_the_next_frame_is_found() {
        let first = encode(Kind::Stdout, 1, b"hello");
        for position in 0..HEADER {
            for bit in 0..8 {
                let mut stream = first.clone();
                stream[position] ^= 1 << bit;
                stream.extend(encode(Kind::Done, NO_APP, b"end"));
                let mut decoder = Decoder::default();
                decoder.push(&stream);
                let frame = decoder.next_frame().unwrap();
                assert_eq!((frame.kind, frame.payload), (Kind::Done, &b"end"[..]));
            }
        }
    }
}
