// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whether a statement is accepted. What is checked comes in an order in which nothing is
//! believed before its signature was right; each reason to refuse is one of its own.

use crate::key::{Id, KeyRecord, Roles};
use crate::statement::{Malformed, Statement};
use crate::{Hash, SIGNATURE_BYTES};
use core::fmt;
use ed25519_dalek::{Signature, VerifyingKey};

/// What an image accepts.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The keys that it knows.
    pub keys: &'a [KeyRecord],
    /// Whether statements without a signature are accepted.
    pub unsigned: bool,
    /// Longest object, bytes.
    pub max_object_bytes: u64,
}

/// What is known of the app that a statement is to replace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Installed {
    /// The highest version that was ever accepted.
    pub version: u64,
}

/// Why a statement is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// It is none.
    Malformed(Malformed),
    /// It has no signature, and needs one.
    Unsigned,
    /// It says that a key signed it, and has no signature; or the other way round.
    KeyWithoutSignature,
    /// Nobody knows the key.
    UnknownKey(Id),
    /// The key may not be used for this.
    Role(Id),
    /// The signature is not that of these bytes and this key.
    Signature(Id),
    /// The object is too long.
    Oversized {
        /// What it has, bytes.
        length: u64,
        /// What it may have, bytes.
        limit: u64,
    },
    /// It has bounds in time, and nobody knows what time it is.
    NoClock,
    /// It does not hold yet.
    NotYetValid {
        /// Seconds since 1970 from which on it holds.
        not_before: u64,
        /// Seconds since 1970 now.
        now: u64,
    },
    /// It does not hold any more.
    Expired {
        /// Seconds since 1970 until which it held.
        expires: u64,
        /// Seconds since 1970 now.
        now: u64,
    },
    /// A newer version was accepted before.
    OlderVersion {
        /// The version that it has.
        version: u64,
        /// The highest that was accepted.
        installed: u64,
    },
    /// This version was accepted before.
    Replayed {
        /// The version that it has.
        version: u64,
    },
    /// The object is not as long as the statement says.
    Length {
        /// What the statement says, bytes.
        stated: u64,
        /// What the object has, bytes.
        found: u64,
    },
    /// The object's bytes are not those that the statement is about.
    Altered {
        /// The hash that the object has.
        found: Hash,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "malformed statement: {why}"),
            Self::Unsigned => write!(
                f,
                "the object is not signed, and this image takes signed ones only: sign it with \
                 `wasm-aot sign`"
            ),
            Self::KeyWithoutSignature => {
                write!(
                    f,
                    "the statement names a key and has no signature, or the reverse"
                )
            }
            Self::UnknownKey(id) => write!(
                f,
                "wrong key: {id} is none of the keys that are accepted here"
            ),
            Self::Role(id) => write!(f, "wrong key: {id} may not be used to deploy"),
            Self::Signature(id) => write!(
                f,
                "the signature is not one of key {id} over this statement: one of both was altered"
            ),
            Self::Oversized { length, limit } => {
                write!(
                    f,
                    "the object has {length} bytes, at most {limit} are accepted"
                )
            }
            Self::NoClock => write!(
                f,
                "the statement has bounds in time, and the clock is not known here"
            ),
            Self::NotYetValid { not_before, now } => write!(
                f,
                "not yet valid: holds from {not_before} s on, it is {now} s (since 1970)"
            ),
            Self::Expired { expires, now } => write!(
                f,
                "expired: held until {expires} s, it is {now} s (since 1970)"
            ),
            Self::OlderVersion { version, installed } => write!(
                f,
                "older version: {version}, while {installed} was accepted before"
            ),
            Self::Replayed { version } => {
                write!(f, "replayed: version {version} was accepted before")
            }
            Self::Length { stated, found } => write!(
                f,
                "altered object: it has {found} bytes, the statement says {stated}"
            ),
            Self::Altered { found } => write!(
                f,
                "altered object: its SHA-256 is {}, which is not the statement's",
                crate::Hex(found)
            ),
        }
    }
}

impl core::error::Error for Refusal {}

impl From<Malformed> for Refusal {
    fn from(why: Malformed) -> Self {
        Self::Malformed(why)
    }
}

/// Reads the statement that is all of `bytes` and decides whether it is accepted, as far as that
/// can be known without the object. `now_s`: seconds since 1970; none where no clock is known.
///
/// # Errors
/// The first reason to refuse it.
pub fn verify<'a>(
    bytes: &'a [u8],
    signature: Option<&[u8; SIGNATURE_BYTES]>,
    policy: &Policy<'_>,
    now_s: Option<u64>,
) -> Result<Statement<'a>, Refusal> {
    let statement = Statement::read(bytes)?;
    match signature {
        Some(_) if statement.key == Id::NONE => return Err(Refusal::KeyWithoutSignature),
        None if statement.key != Id::NONE => return Err(Refusal::KeyWithoutSignature),
        None if !policy.unsigned => return Err(Refusal::Unsigned),
        None => {}
        Some(signature) => {
            let key = known(statement.key, policy.keys)?;
            check_signature(bytes, signature, key)?;
        }
    }
    if statement.length_bytes > policy.max_object_bytes {
        return Err(Refusal::Oversized {
            length: statement.length_bytes,
            limit: policy.max_object_bytes,
        });
    }
    statement.check_time(now_s)?;
    Ok(statement)
}

/// The key of an id, if it may be used to deploy.
fn known(id: Id, keys: &[KeyRecord]) -> Result<&KeyRecord, Refusal> {
    let key = keys.iter().find(|key| key.id() == id);
    let key = key.ok_or(Refusal::UnknownKey(id))?;
    if !key.roles().contain(Roles::DEPLOY) {
        return Err(Refusal::Role(id));
    }
    Ok(key)
}

fn check_signature(
    bytes: &[u8],
    signature: &[u8; SIGNATURE_BYTES],
    key: &KeyRecord,
) -> Result<(), Refusal> {
    // Strict: a signature that can be changed into another one, and keys of small order, under
    // which everything verifies, are refused.
    VerifyingKey::from_bytes(&key.public)
        .and_then(|key| key.verify_strict(bytes, &Signature::from_bytes(signature)))
        .map_err(|_| Refusal::Signature(key.id()))
}

impl Statement<'_> {
    /// Decides whether it holds now.
    ///
    /// # Errors
    /// Where it does not.
    pub fn check_time(&self, now_s: Option<u64>) -> Result<(), Refusal> {
        if self.not_before_s == 0 && self.expires_s == 0 {
            return Ok(());
        }
        let now = now_s.ok_or(Refusal::NoClock)?;
        if now < self.not_before_s {
            return Err(Refusal::NotYetValid {
                not_before: self.not_before_s,
                now,
            });
        }
        if self.expires_s != 0 && now >= self.expires_s {
            return Err(Refusal::Expired {
                expires: self.expires_s,
                now,
            });
        }
        Ok(())
    }

    /// Decides whether it may follow what was accepted before under its name.
    ///
    /// # Errors
    /// Where its version is not higher.
    pub fn check_version(&self, installed: Option<Installed>) -> Result<(), Refusal> {
        match installed {
            Some(Installed { version }) if self.version < version => Err(Refusal::OlderVersion {
                version: self.version,
                installed: version,
            }),
            Some(Installed { version }) if self.version == version => {
                Err(Refusal::Replayed { version })
            }
            _ => Ok(()),
        }
    }

    /// Decides whether it is about the object with this length and hash.
    ///
    /// # Errors
    /// Where it is about another one.
    pub fn check_object(&self, length_bytes: u64, object: Hash) -> Result<(), Refusal> {
        if length_bytes != self.length_bytes {
            return Err(Refusal::Length {
                stated: self.length_bytes,
                found: length_bytes,
            });
        }
        if object != self.object {
            return Err(Refusal::Altered { found: object });
        }
        Ok(())
    }
}
