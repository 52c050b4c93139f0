// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Who may deploy what: statements about objects, their signatures, keys and their roles.
//!
//! | module | decides |
//! |---|---|
//! | [`statement`] | what is said about an object, byte for byte |
//! | [`key`] | the record of a public key and what it may be used for |
//! | [`verify`] | whether a statement is accepted: the loader's decision |
//! | `sign`, `pem` (feature `sign`) | making signatures and key files |
//!
//! `docs/trust.md` explains the whole to people. Without the feature there is no heap and no
//! standard library: the root task and the command decide by the same code.

#![cfg_attr(not(any(test, feature = "sign")), no_std)]
#![forbid(unsafe_code)]

pub mod key;
#[cfg(feature = "sign")]
pub mod pem;
#[cfg(feature = "sign")]
pub mod sign;
pub mod statement;
pub mod verify;

pub use key::{Id, KeyRecord, Roles};
pub use statement::{Malformed, Statement};
pub use verify::{Installed, Policy, Refusal, verify};

/// A SHA-256.
pub type Hash = [u8; 32];
/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Bytes as people read them, in lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl core::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The SHA-256 of bytes.
#[must_use]
pub fn hash(bytes: &[u8]) -> Hash {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}
