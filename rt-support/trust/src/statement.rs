// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What is said about an object. The bytes are canonical: one statement has one encoding, and
//! what is signed is these bytes.
//!
//! ```text
//!  0   8  magic "wA-stmt1"
//!  8   8  key        Id of the key that signs; zeros: not signed
//! 16  32  object     SHA-256 of the object's bytes
//! 48   8  length     of the object, bytes
//! 56   8  version    larger than that of what it replaces
//! 64   8  not before, seconds since 1970; 0: no bound
//! 72   8  expires    seconds since 1970; 0: never
//! 80   1  bytes of the name, 1..=64
//! 81   1  0
//! 82   2  bytes of the contract, at most 1024; 0: that of the object
//! 84   4  0
//! 88      name, contract
//! ```
//!
//! Numbers are little-endian. A signature file, `FILE.sig`, is a statement with the 64 bytes of
//! its signature behind it.

use crate::key::Id;
use crate::{Hash, SIGNATURE_BYTES};
use core::fmt;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First bytes of a statement; the last one is the version of the layout. What else a key may
/// sign begins otherwise.
pub const MAGIC: [u8; 8] = *b"wA-stmt1";
/// Longest name of an app, bytes.
pub const MAX_NAME: usize = 64;
/// Longest contract, bytes.
pub const MAX_CONTRACT: usize = 1024;
/// Longest statement, bytes.
pub const MAX_STATEMENT: usize = size_of::<Header>() + MAX_NAME + MAX_CONTRACT;
/// Longest signature file, bytes.
pub const MAX_FILE: usize = MAX_STATEMENT + SIGNATURE_BYTES;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    key: [u8; 8],
    object: Hash,
    length: U64,
    version: U64,
    not_before: U64,
    expires: U64,
    name: u8,
    zero: u8,
    contract: U16,
    reserved: U32,
}

/// What is said about an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statement<'a> {
    /// The key that signs it; [`Id::NONE`] where nobody does.
    pub key: Id,
    /// SHA-256 of the object.
    pub object: Hash,
    /// Bytes of the object.
    pub length_bytes: u64,
    /// Grows from one version of an app to the next.
    pub version: u64,
    /// Seconds since 1970 before which it does not hold; 0: it holds at once.
    pub not_before_s: u64,
    /// Seconds since 1970 from which on it does not hold; 0: it holds for ever.
    pub expires_s: u64,
    /// The app's name; see [`name_is_valid`].
    pub name: &'a str,
    /// The contract that counts in place of the object's; empty: the object's.
    pub contract: &'a [u8],
}

/// Why bytes are no statement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// They end too early, or go on behind the end.
    Length {
        /// What the statement says, bytes.
        expected: usize,
        /// What there is, bytes.
        found: usize,
    },
    /// They do not begin with [`MAGIC`].
    Magic,
    /// Bytes that are zero are not.
    Reserved,
    /// The name is empty, too long, or has other characters than a name may have.
    Name,
    /// The contract is longer than [`MAX_CONTRACT`].
    Contract,
    /// It expires before it begins to hold.
    Times,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected, found } => {
                write!(f, "it has {found} bytes where {expected} are right")
            }
            Self::Magic => write!(f, "it does not begin as a statement of this version does"),
            Self::Reserved => write!(f, "bytes that must be zero are not"),
            Self::Name => write!(
                f,
                "the app's name must have 1 to {MAX_NAME} of the characters A-Z a-z 0-9 . _ -, \
                 and begin with a letter or digit"
            ),
            Self::Contract => write!(f, "the contract has more than {MAX_CONTRACT} bytes"),
            Self::Times => write!(f, "it expires before it begins to hold"),
        }
    }
}

impl core::error::Error for Malformed {}

/// Whether an app may have this name: it stands in paths, on command lines and in tables.
#[must_use]
pub fn name_is_valid(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=MAX_NAME).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

impl<'a> Statement<'a> {
    /// Reads a statement that is all of `bytes`.
    ///
    /// # Errors
    /// Where it is not exactly what [`Statement::write`] writes.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (statement, rest) = Self::read_prefix(bytes)?;
        if !rest.is_empty() {
            return Err(Malformed::Length {
                expected: bytes.len() - rest.len(),
                found: bytes.len(),
            });
        }
        Ok(statement)
    }

    /// Reads a statement at the beginning of `bytes`, and gives what follows it.
    ///
    /// # Errors
    /// Where there is none.
    pub fn read_prefix(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let short = |expected| Malformed::Length {
            expected,
            found: bytes.len(),
        };
        let (header, rest) =
            Header::read_from_prefix(bytes).map_err(|_| short(size_of::<Header>()))?;
        if header.magic != MAGIC {
            return Err(Malformed::Magic);
        }
        if header.zero != 0 || header.reserved.get() != 0 {
            return Err(Malformed::Reserved);
        }
        let (name, contract) = (usize::from(header.name), usize::from(header.contract.get()));
        if contract > MAX_CONTRACT {
            return Err(Malformed::Contract);
        }
        if rest.len() < name + contract {
            return Err(short(size_of::<Header>() + name + contract));
        }
        let (name, rest) = rest.split_at(name);
        let (contract, rest) = rest.split_at(contract);
        let statement = Self {
            key: Id(header.key),
            object: header.object,
            length_bytes: header.length.get(),
            version: header.version.get(),
            not_before_s: header.not_before.get(),
            expires_s: header.expires.get(),
            name: core::str::from_utf8(name).map_err(|_| Malformed::Name)?,
            contract,
        };
        statement.check()?;
        Ok((statement, rest))
    }

    /// Writes it into `buffer`, and gives the bytes.
    ///
    /// # Errors
    /// Where a field is not what it may be.
    pub fn write<'b>(&self, buffer: &'b mut [u8; MAX_STATEMENT]) -> Result<&'b [u8], Malformed> {
        self.check()?;
        let header = Header {
            magic: MAGIC,
            key: self.key.0,
            object: self.object,
            length: self.length_bytes.into(),
            version: self.version.into(),
            not_before: self.not_before_s.into(),
            expires: self.expires_s.into(),
            name: self.name.len() as u8,
            zero: 0,
            contract: (self.contract.len() as u16).into(),
            reserved: 0.into(),
        };
        let mut end = 0;
        for part in [header.as_bytes(), self.name.as_bytes(), self.contract] {
            buffer[end..end + part.len()].copy_from_slice(part);
            end += part.len();
        }
        Ok(&buffer[..end])
    }

    fn check(&self) -> Result<(), Malformed> {
        if !name_is_valid(self.name) {
            return Err(Malformed::Name);
        }
        if self.contract.len() > MAX_CONTRACT {
            return Err(Malformed::Contract);
        }
        if self.expires_s != 0 && self.expires_s <= self.not_before_s {
            return Err(Malformed::Times);
        }
        Ok(())
    }
}

/// The statement and the signature of a signature file.
///
/// # Errors
/// Where it is none.
pub fn read_file(bytes: &[u8]) -> Result<(&[u8], [u8; SIGNATURE_BYTES]), Malformed> {
    let (_, signature) = Statement::read_prefix(bytes)?;
    let length = bytes.len() - signature.len();
    let signature = signature.try_into().map_err(|_| Malformed::Length {
        expected: length + SIGNATURE_BYTES,
        found: bytes.len(),
    })?;
    Ok((&bytes[..length], signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Statement<'static> {
        Statement {
            key: Id(*b"12345678"),
            object: [7; 32],
            length_bytes: 4711,
            version: 3,
            not_before_s: 10,
            expires_s: 20,
            name: "nbody-c.v2",
            contract: b"contract",
        }
    }

    #[test]
    fn what_is_written_is_read_and_has_one_encoding() {
        let mut buffer = [0; MAX_STATEMENT];
        let bytes = sample().write(&mut buffer).unwrap();
        assert_eq!(Statement::read(bytes), Ok(sample()));
        // Every other string of the same length is another statement or none.
        for position in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.to_vec();
                other[position] ^= 1 << bit;
                if let Ok(read) = Statement::read(&other) {
                    assert_ne!(read, sample(), "bit {bit} of byte {position}");
                    let mut buffer = [0; MAX_STATEMENT];
                    assert_eq!(read.write(&mut buffer).unwrap(), other);
                }
            }
        }
    }

    #[test]
    fn no_length_but_the_right_one_is_read() {
        let mut buffer = [0; MAX_STATEMENT];
        let bytes = sample().write(&mut buffer).unwrap().to_vec();
        for length in 0..bytes.len() {
            assert!(Statement::read(&bytes[..length]).is_err(), "{length}");
        }
        let mut long = bytes.clone();
        long.push(0);
        assert_eq!(
            Statement::read(&long),
            Err(Malformed::Length {
                expected: bytes.len(),
                found: bytes.len() + 1
            })
        );
    }

    #[test]
    fn what_may_not_be_is_neither_written_nor_read() {
        let mut buffer = [0; MAX_STATEMENT];
        let long = "n".repeat(MAX_NAME + 1);
        for name in ["", "a/b", "..", "-x", "a b", "ä", &long] {
            let statement = Statement { name, ..sample() };
            assert_eq!(statement.write(&mut buffer), Err(Malformed::Name), "{name}");
        }
        let statement = Statement {
            expires_s: 10,
            ..sample()
        };
        assert_eq!(statement.write(&mut buffer), Err(Malformed::Times));
        let statement = Statement {
            contract: &[0; MAX_CONTRACT + 1],
            ..sample()
        };
        assert_eq!(statement.write(&mut buffer), Err(Malformed::Contract));
    }
}
