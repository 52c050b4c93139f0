// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The tar format (POSIX.1-1988 "ustar", with GNU's records for long names): one header of 512
//! bytes for each entry, then its contents, padded to 512.

use core::ops::Range;

/// Bytes of a header, and what contents are padded to.
pub(crate) const RECORD: usize = 512;

/// Kinds of entries.
pub(crate) mod kind {
    pub const FILE: u8 = b'0';
    /// What older programs write for a file.
    pub const OLD_FILE: u8 = 0;
    pub const HARD_LINK: u8 = b'1';
    pub const LINK: u8 = b'2';
    pub const DIRECTORY: u8 = b'5';
    /// The contents are the name of the next entry.
    pub const LONG_NAME: u8 = b'L';
    /// The contents are the target of the next entry.
    pub const LONG_LINK: u8 = b'K';
}

/// The kind of an entry whose contents are those of a file of the archive that the tree was made
/// of: its name of a link is their offset there and their length, in decimal. POSIX leaves the
/// capital letters to implementations.
pub const REFERENCE: u8 = b'W';

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const SIZE: Range<usize> = 124..136;
const TIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const TARGET: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const PREFIX: Range<usize> = 345..500;

const USTAR: &[u8; 6] = b"ustar\0";
const GNU: &[u8; 6] = b"ustar ";

/// What is wrong with a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Damage {
    Magic,
    Checksum,
    Number,
}

/// A header that has been read.
pub(crate) struct Header<'a> {
    pub kind: u8,
    pub size: u64,
    /// Seconds since 1970.
    pub time: u64,
    /// In front of the name, with a slash between.
    pub prefix: &'a [u8],
    pub name: &'a [u8],
    pub target: &'a [u8],
}

/// A field of text: up to its first zero byte.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0);
    &field[..end.unwrap_or(field.len())]
}

/// A field with an octal number, spaces or zero bytes behind it.
fn number(field: &[u8]) -> Option<u64> {
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|byte| matches!(byte, 0 | b' '));
    let digits = &digits[..end.unwrap_or(digits.len())];
    digits.iter().try_fold(0u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// The sum of a header's bytes, its checksum counted as spaces.
fn checksum(header: &[u8; RECORD]) -> u64 {
    let byte = |(at, byte): (usize, &u8)| match CHECKSUM.contains(&at) {
        true => u64::from(b' '),
        false => u64::from(*byte),
    };
    header.iter().enumerate().map(byte).sum()
}

impl<'a> Header<'a> {
    /// Reads a header; `None` for the empty one at the end of an archive.
    pub fn parse(header: &'a [u8; RECORD]) -> Result<Option<Self>, Damage> {
        if header.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let ustar = header[MAGIC] == *USTAR;
        if !ustar && header[MAGIC] != *GNU {
            return Err(Damage::Magic);
        }
        if number(&header[CHECKSUM]) != Some(checksum(header)) {
            return Err(Damage::Checksum);
        }
        Ok(Some(Self {
            kind: header[KIND],
            size: number(&header[SIZE]).ok_or(Damage::Number)?,
            time: number(&header[TIME]).ok_or(Damage::Number)?,
            // GNU has other things there.
            prefix: if ustar { text(&header[PREFIX]) } else { &[] },
            name: text(&header[NAME]),
            target: text(&header[TARGET]),
        }))
    }
}

/// Writes an octal number and a zero byte behind it; what does not fit is cut off.
fn put(field: &mut [u8], mut number: u64) {
    let Some((last, digits)) = field.split_last_mut() else {
        return;
    };
    *last = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number & 7) as u8;
        number >>= 3;
    }
}

/// Whether a text fits its field of a header.
pub(crate) fn fits(text: &[u8]) -> bool {
    text.len() <= NAME.end - NAME.start
}

/// A header of GNU's kind. Name and target are cut off where they do not fit.
pub(crate) fn header(kind: u8, name: &[u8], target: &[u8], size: u64, time: u64) -> [u8; RECORD] {
    let mut header = [0; RECORD];
    for (field, text) in [(NAME, name), (TARGET, target)] {
        let length = text.len().min(field.len());
        header[field][..length].copy_from_slice(&text[..length]);
    }
    let mode = if kind == kind::DIRECTORY {
        0o755
    } else {
        0o644
    };
    put(&mut header[MODE], mode);
    put(&mut header[108..116], 0);
    put(&mut header[116..124], 0);
    put(&mut header[SIZE], size);
    put(&mut header[TIME], time);
    header[KIND] = kind;
    header[MAGIC].copy_from_slice(GNU);
    header[MAGIC.end] = b' ';
    let sum = checksum(&header);
    put(&mut header[CHECKSUM.start..CHECKSUM.end - 1], sum);
    header[CHECKSUM.end - 1] = b' ';
    header
}
