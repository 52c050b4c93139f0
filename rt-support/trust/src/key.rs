// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Public keys, and what each may be used for. A list of [`KeyRecord`]s is built into an image.

use crate::hash;
use core::fmt;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a public key.
pub const PUBLIC_BYTES: usize = 32;
/// Most keys of one image.
pub const MAX_KEYS: usize = 16;

/// Which key: the first bytes of the SHA-256 of the public key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id(pub [u8; 8]);

impl Id {
    /// No key.
    pub const NONE: Self = Self([0; 8]);

    /// That of a public key.
    #[must_use]
    pub fn of(public: &[u8; PUBLIC_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = hash(public);
        Self([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::Hex(&self.0).fmt(f)
    }
}

/// What a key may be used for, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Roles(pub u32);

impl Roles {
    /// It may sign what is deployed.
    pub const DEPLOY: Self = Self(1);
    /// It may sign what is asked of apps that run. No message is signed so yet; the role is
    /// there so that an image can keep both apart.
    pub const OPERATE: Self = Self(2);
    const ALL: [(Self, &str); 2] = [(Self::DEPLOY, "deploy"), (Self::OPERATE, "operate")];

    /// Whether it has all of these.
    #[must_use]
    pub fn contain(self, roles: Self) -> bool {
        self.0 & roles.0 == roles.0
    }

    /// Reads names with commas between them.
    #[must_use]
    pub fn parse(names: &str) -> Option<Self> {
        let role = |name| Self::ALL.iter().find(|(_, known)| *known == name);
        names
            .split(',')
            .try_fold(Self(0), |all, name| Some(Self(all.0 | role(name)?.0.0)))
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (role, name) in Self::ALL {
            if self.contain(role) {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

/// A public key in an image: 40 bytes, little-endian, no padding. Lists of them are arrays.
#[derive(
    FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, PartialEq, Eq, Debug,
)]
#[repr(C)]
pub struct KeyRecord {
    /// The key.
    pub public: [u8; PUBLIC_BYTES],
    roles: U32,
    reserved: U32,
}

impl KeyRecord {
    /// A key with these roles.
    #[must_use]
    pub fn new(public: [u8; PUBLIC_BYTES], roles: Roles) -> Self {
        Self {
            public,
            roles: roles.0.into(),
            reserved: 0.into(),
        }
    }

    /// What it may be used for.
    #[must_use]
    pub fn roles(&self) -> Roles {
        Roles(self.roles.get())
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> Id {
        Id::of(&self.public)
    }

    /// The records of an image.
    #[must_use]
    pub fn list(bytes: &[u8]) -> Option<&[Self]> {
        <[Self]>::ref_from_bytes(bytes)
            .ok()
            .filter(|keys| keys.len() <= MAX_KEYS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_names() {
        assert_eq!(Roles::parse("deploy"), Some(Roles::DEPLOY));
        assert_eq!(Roles::parse("operate,deploy"), Some(Roles(3)));
        assert_eq!(Roles::parse("operate,,deploy"), None);
        assert_eq!(Roles::parse(""), None);
        assert_eq!(Roles(3).to_string(), "deploy,operate");
    }

    #[test]
    fn lists_are_whole_and_short() {
        let keys = [KeyRecord::new([1; 32], Roles::DEPLOY); MAX_KEYS + 1];
        let bytes = keys.as_bytes();
        assert_eq!(size_of::<KeyRecord>(), 40);
        assert_eq!(KeyRecord::list(&bytes[..80]), Some(&keys[..2]));
        assert_eq!(KeyRecord::list(&bytes[..79]), None);
        assert_eq!(KeyRecord::list(bytes), None);
    }
}
