// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Key files: PEM, as OpenSSL makes and reads them for Ed25519 (RFC 8410; PKCS #8 for private
//! keys, SubjectPublicKeyInfo for public ones). A private key's file is for its owner alone.

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes,
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Longest key file, bytes: they have about 120.
const MAX_FILE_BYTES: u64 = 4096;

/// A new private key, out of the system's random numbers.
///
/// # Errors
/// Where the system has none.
pub fn generate() -> Result<SigningKey, Error> {
    let mut secret = [0; 32];
    let mut filled = 0;
    while filled < secret.len() {
        let flags = rustix::rand::GetRandomFlags::empty();
        filled += rustix::rand::getrandom(&mut secret[filled..], flags)?;
    }
    Ok(SigningKey::from_bytes(&secret))
}

/// Writes a private key into a new file that nobody but its owner can read.
///
/// # Errors
/// Where there is such a file, or it cannot be written.
pub fn write_private(path: &Path, key: &SigningKey) -> Result<(), Error> {
    // Without the public key behind it: version 1 of PKCS #8, the one that OpenSSL reads.
    let pair = KeypairBytes {
        secret_key: key.to_bytes(),
        public_key: None,
    };
    let text = pair.to_pkcs8_pem(LineEnding::LF).map_err(invalid)?;
    write(path, text.as_bytes(), 0o600)
}

/// Writes a public key into a new file.
///
/// # Errors
/// Where there is such a file, or it cannot be written.
pub fn write_public(path: &Path, key: &VerifyingKey) -> Result<(), Error> {
    let text = key.to_public_key_pem(LineEnding::LF).map_err(invalid)?;
    write(path, text.as_bytes(), 0o644)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    // Never over a file that is there: it may be the only copy of a key.
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads a private key.
///
/// # Errors
/// Where others than the owner have any right to the file, or it is no such key.
pub fn read_private(path: &Path) -> Result<SigningKey, Error> {
    let (file, mode) = open(path)?;
    if mode & 0o077 != 0 {
        return Err(Error::new(
            ErrorKind::PermissionDenied,
            format!(
                "others may use this private key (mode {:04o}): `chmod 600` it, and make a new key \
                 if somebody may have read it",
                mode & 0o7777
            ),
        ));
    }
    SigningKey::from_pkcs8_pem(&text(file)?)
        .map_err(|error| invalid(format!("no Ed25519 private key in PEM (PKCS #8): {error}")))
}

/// Reads a public key.
///
/// # Errors
/// Where it is none.
pub fn read_public(path: &Path) -> Result<VerifyingKey, Error> {
    let (file, _) = open(path)?;
    VerifyingKey::from_public_key_pem(&text(file)?)
        .map_err(|error| invalid(format!("no Ed25519 public key in PEM (SPKI): {error}")))
}

/// What is checked is what is read: the mode is that of the open file.
fn open(path: &Path) -> Result<(File, u32), Error> {
    let mut options = OpenOptions::new();
    // A FIFO does not make the command wait.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = options.read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(invalid("not a regular file"));
    }
    Ok((file, metadata.mode()))
}

fn text(file: File) -> Result<String, Error> {
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(invalid(format!("more than {MAX_FILE_BYTES} bytes: no key")));
    }
    Ok(text)
}

fn invalid(why: impl ToString) -> Error {
    Error::new(ErrorKind::InvalidData, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// The key of RFC 8410, section 10, as OpenSSL 3.0 writes it.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

    #[test]
    fn files_are_those_of_openssl() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("a.key"), folder.path().join("a.pub"));
        fs::write(&private, PRIVATE).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
        let key = read_private(&private).unwrap();
        write_public(&public, &key.verifying_key()).unwrap();
        assert_eq!(fs::read_to_string(&public).unwrap(), PUBLIC);
        assert_eq!(read_public(&public).unwrap(), key.verifying_key());
        let copy = folder.path().join("copy.key");
        write_private(&copy, &key).unwrap();
        assert_eq!(fs::read_to_string(&copy).unwrap(), PRIVATE);
    }

    #[test]
    fn private_keys_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let key = generate().unwrap();
        write_private(&path, &key).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(read_private(&path).unwrap().to_bytes(), key.to_bytes());
        for mode in [0o640, 0o604, 0o620, 0o666, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{mode:o}");
        }
    }

    #[test]
    fn no_file_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let key = generate().unwrap();
        write_private(&path, &key).unwrap();
        let again = write_private(&path, &generate().unwrap()).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        assert_eq!(read_private(&path).unwrap().to_bytes(), key.to_bytes());
    }

    #[test]
    fn other_files_are_no_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let long = "-".repeat(10_000);
        for text in ["", "hello", PUBLIC, &PRIVATE[..60], &long] {
            let _ = fs::remove_file(&path);
            write(&path, text.as_bytes(), 0o600).unwrap();
            let error = read_private(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{text:.40}: {error}");
        }
        assert_eq!(
            read_private(folder.path()).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
        assert_eq!(
            read_public(&path).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
    }
}
