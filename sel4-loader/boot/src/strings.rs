// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Lists of strings as C has them: each followed by a NUL, one after the other.

/// A list of strings whose form has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strings<'a> {
    bytes: &'a [u8],
}

impl<'a> Strings<'a> {
    /// No strings.
    pub const EMPTY: Strings<'static> = Strings { bytes: &[] };

    /// Takes bytes that are a sequence of NUL-terminated strings; `None` where the last one is
    /// not terminated.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.is_empty() || bytes.ends_with(&[0])).then_some(Self { bytes })
    }

    /// The bytes, NULs included.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The strings without their NULs. They need not be UTF-8.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        // Each string ends with a NUL, so splitting gives one empty string too many.
        let count = self.len();
        self.bytes.split(|&b| b == 0).take(count)
    }

    /// Number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.iter().filter(|&&b| b == 0).count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Joins strings. An interior NUL, which C cannot express, ends a string early.
#[cfg(any(test, feature = "write"))]
#[must_use]
pub fn join<S: AsRef<[u8]>>(strings: &[S]) -> alloc::vec::Vec<u8> {
    let mut bytes = alloc::vec::Vec::new();
    for string in strings {
        let text = string.as_ref().split(|&b| b == 0).next();
        bytes.extend_from_slice(text.unwrap_or_default());
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn lists_round_trip() {
        for list in [&[][..], &["a"], &["", ""], &["a b", "", "c"]] {
            let bytes = join(list);
            let strings = Strings::new(&bytes).unwrap();
            let back: Vec<_> = strings.iter().collect();
            let want: Vec<_> = list.iter().map(|s| s.as_bytes()).collect();
            assert_eq!(back, want);
            assert_eq!(strings.len(), list.len());
        }
        assert_eq!(Strings::new(b"abc"), None);
        assert_eq!(join(&["a\0b"]), b"a\0");
    }
}
