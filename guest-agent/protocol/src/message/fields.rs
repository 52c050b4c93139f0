// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Fields that postcard does not have, or has slowly: bytes that are copied at once, lists and
//! records that need no heap.

use super::MAX_LISTS;
use core::fmt;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes: their number, and they themselves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Bytes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowed;
        impl<'de> Visitor<'de> for Borrowed {
            type Value = Bytes<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Bytes<'de>, E> {
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_bytes(Borrowed)
    }
}

/// Strings of bytes without zeros, each with a zero behind it; at most [`MAX_LISTS`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct List<'a>(&'a [u8]);

impl<'a> List<'a> {
    /// The list of these bytes, if they are one.
    #[must_use]
    pub fn new(packed: &'a [u8]) -> Option<Self> {
        let whole = matches!(packed.last(), None | Some(0));
        (whole && packed.len() <= MAX_LISTS).then_some(Self(packed))
    }

    /// Packs strings into `buffer`; none where they do not fit, or one has a zero in it.
    pub fn pack(strings: impl Iterator<Item = &'a [u8]>, buffer: &mut [u8]) -> Option<List<'_>> {
        let mut end = 0;
        for string in strings {
            let behind = end + string.len();
            if string.contains(&0) || behind >= buffer.len() {
                return None;
            }
            buffer[end..behind].copy_from_slice(string);
            buffer[behind] = 0;
            end = behind + 1;
        }
        List::new(&buffer[..end])
    }

    /// Its bytes.
    #[must_use]
    pub fn packed(self) -> &'a [u8] {
        self.0
    }

    /// Its strings.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let strings = self.0.strip_suffix(&[0]);
        strings
            .into_iter()
            .flat_map(|strings| strings.split(|byte| *byte == 0))
    }
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes(self.0).serialize(serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Bytes(packed) = Bytes::deserialize(deserializer)?;
        Self::new(packed).ok_or_else(|| D::Error::custom("no list"))
    }
}

/// Records one after the other, as many as there are bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Records<'a>(pub &'a [u8]);

impl<'a> Records<'a> {
    /// The records; it ends before one that cannot be read.
    pub fn iter<T: Deserialize<'a>>(self) -> impl Iterator<Item = T> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (record, behind) = postcard::take_from_bytes(rest).ok()?;
            // A record without bytes would come again for ever.
            (behind.len() < rest.len()).then(|| {
                rest = behind;
                record
            })
        })
    }
}

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes(self.0).serialize(serializer)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Records<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bytes::deserialize(deserializer).map(|Bytes(bytes)| Self(bytes))
    }
}

/// Writes a record behind the first `*end` bytes of `buffer`; `false`: it does not fit.
#[must_use]
pub fn pack<T: Serialize>(record: &T, buffer: &mut [u8], end: &mut usize) -> bool {
    let written = buffer
        .get_mut(*end..)
        .and_then(|rest| super::write(record, rest));
    *end += written.unwrap_or(0);
    written.is_some()
}
