// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Making signatures.

use crate::key::{Id, KeyRecord, Roles};
use crate::statement::{MAX_STATEMENT, Malformed, Statement};
use ed25519_dalek::{Signer, SigningKey};

/// The signature file of a statement: its bytes with the key's id, and their signature.
///
/// # Errors
/// Where a field is not what it may be.
pub fn sign(statement: &Statement<'_>, key: &SigningKey) -> Result<Vec<u8>, Malformed> {
    let statement = Statement {
        key: Id::of(&key.verifying_key().to_bytes()),
        ..*statement
    };
    let mut buffer = [0; MAX_STATEMENT];
    let bytes = statement.write(&mut buffer)?;
    Ok([bytes, &key.sign(bytes).to_bytes()].concat())
}

/// The record of a private key's public key.
#[must_use]
pub fn record(key: &SigningKey, roles: Roles) -> KeyRecord {
    KeyRecord::new(key.verifying_key().to_bytes(), roles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::read_file;
    use crate::verify::{Installed, Policy, Refusal, verify};
    use crate::{SIGNATURE_BYTES, hash};

    const OBJECT: &[u8] = b"the bytes of an object";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn statement() -> Statement<'static> {
        Statement {
            key: Id::NONE,
            object: hash(OBJECT),
            length_bytes: OBJECT.len() as u64,
            version: 5,
            not_before_s: 100,
            expires_s: 200,
            name: "app",
            contract: b"",
        }
    }

    /// What comes of a signature file where `known` are the keys, at 150 s.
    fn outcome(file: &[u8], known: &[KeyRecord], limit: u64) -> Result<u64, Refusal> {
        let (bytes, signature) = read_file(file)?;
        let policy = Policy {
            keys: known,
            unsigned: false,
            max_object_bytes: limit,
        };
        verify(bytes, Some(&signature), &policy, Some(150)).map(|statement| statement.version)
    }

    #[test]
    fn what_a_known_key_signed_is_accepted_and_nothing_else() {
        let file = sign(&statement(), &key(1)).unwrap();
        let known = [record(&key(2), Roles::DEPLOY), record(&key(1), Roles(3))];
        assert_eq!(outcome(&file, &known, 100), Ok(5));
        let id = known[1].id();
        assert_eq!(
            outcome(&file, &known[..1], 100),
            Err(Refusal::UnknownKey(id))
        );
        let operator = [record(&key(1), Roles::OPERATE)];
        assert_eq!(outcome(&file, &operator, 100), Err(Refusal::Role(id)));
        assert_eq!(
            outcome(&file, &known, 21),
            Err(Refusal::Oversized {
                length: 22,
                limit: 21
            })
        );
    }

    #[test]
    fn no_changed_bit_is_accepted() {
        let file = sign(&statement(), &key(1)).unwrap();
        let known = [record(&key(1), Roles::DEPLOY)];
        for position in 0..file.len() {
            for bit in 0..8 {
                let mut other = file.clone();
                other[position] ^= 1 << bit;
                assert!(outcome(&other, &known, 100).is_err(), "{position}.{bit}");
            }
        }
    }

    #[test]
    fn another_keys_signature_is_refused() {
        let known = [
            record(&key(1), Roles::DEPLOY),
            record(&key(2), Roles::DEPLOY),
        ];
        let mut file = sign(&statement(), &key(1)).unwrap();
        let other = sign(&statement(), &key(2)).unwrap();
        let end = file.len() - SIGNATURE_BYTES;
        file[end..].copy_from_slice(&other[end..]);
        assert_eq!(
            outcome(&file, &known, 100),
            Err(Refusal::Signature(known[0].id()))
        );
    }

    #[test]
    fn unsigned_ones_need_permission() {
        let mut buffer = [0; MAX_STATEMENT];
        let bytes = statement().write(&mut buffer).unwrap();
        let policy = |unsigned| Policy {
            keys: &[],
            unsigned,
            max_object_bytes: 100,
        };
        assert!(verify(bytes, None, &policy(true), Some(150)).is_ok());
        assert_eq!(
            verify(bytes, None, &policy(false), Some(150)),
            Err(Refusal::Unsigned)
        );
        assert_eq!(
            verify(bytes, Some(&[0; 64]), &policy(true), Some(150)),
            Err(Refusal::KeyWithoutSignature)
        );
        // A signed statement does not become an unsigned one by losing its signature.
        let file = sign(&statement(), &key(1)).unwrap();
        let (bytes, _) = read_file(&file).unwrap();
        assert_eq!(
            verify(bytes, None, &policy(true), Some(150)),
            Err(Refusal::KeyWithoutSignature)
        );
    }

    #[test]
    fn statements_hold_for_a_time() {
        let statement = statement();
        assert_eq!(statement.check_time(None), Err(Refusal::NoClock));
        assert_eq!(
            statement.check_time(Some(99)),
            Err(Refusal::NotYetValid {
                not_before: 100,
                now: 99
            })
        );
        assert_eq!(statement.check_time(Some(100)), Ok(()));
        assert_eq!(statement.check_time(Some(199)), Ok(()));
        assert_eq!(
            statement.check_time(Some(200)),
            Err(Refusal::Expired {
                expires: 200,
                now: 200
            })
        );
        let always = Statement {
            not_before_s: 0,
            expires_s: 0,
            ..statement
        };
        assert_eq!(always.check_time(None), Ok(()));
    }

    #[test]
    fn versions_grow() {
        let installed = |version| Some(Installed { version });
        let statement = statement();
        assert_eq!(statement.check_version(None), Ok(()));
        assert_eq!(statement.check_version(installed(4)), Ok(()));
        assert_eq!(
            statement.check_version(installed(5)),
            Err(Refusal::Replayed { version: 5 })
        );
        assert_eq!(
            statement.check_version(installed(6)),
            Err(Refusal::OlderVersion {
                version: 5,
                installed: 6
            })
        );
    }

    #[test]
    fn objects_are_those_that_were_signed() {
        let statement = statement();
        let length = OBJECT.len() as u64;
        assert_eq!(statement.check_object(length, hash(OBJECT)), Ok(()));
        let other = hash(b"another");
        assert_eq!(
            statement.check_object(length, other),
            Err(Refusal::Altered { found: other })
        );
        assert_eq!(
            statement.check_object(21, hash(OBJECT)),
            Err(Refusal::Length {
                stated: 22,
                found: 21
            })
        );
    }
}
