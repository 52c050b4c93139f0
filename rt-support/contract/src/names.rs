// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Lists of names in a contract, and what a pattern of imports matches.

use crate::error::Text;
use core::fmt;

/// A list of names: UTF-8, each ended by a zero byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Names<'a> {
    text: &'a str,
}

impl<'a> Names<'a> {
    /// No names.
    pub const EMPTY: Names<'static> = Names { text: "" };

    /// The list in these bytes.
    ///
    /// # Errors
    /// Where they are not UTF-8, or the last name is not ended by a zero byte.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Text> {
        let text = core::str::from_utf8(bytes).map_err(|_| Text::NotUtf8)?;
        match text.is_empty() || text.ends_with('\0') {
            true => Ok(Self { text }),
            false => Err(Text::Unterminated),
        }
    }

    /// The names, in their order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> + Clone {
        self.text.split_terminator('\0')
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.text.is_empty()
    }

    /// The bytes that [`Names::new`] takes.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.text.as_bytes()
    }
}

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Whether a pattern matches an import: `*` matches all, `MODULE.*` all of a module, anything else
/// the import whose module and name it is, with a dot between.
pub fn matches(pattern: &str, module: &str, name: &str) -> bool {
    let of_module = || pattern.strip_suffix(".*") == Some(module);
    let exact = || {
        let rest = pattern.strip_prefix(module);
        rest.and_then(|rest| rest.strip_prefix('.')) == Some(name)
    };
    pattern == "*" || of_module() || exact()
}

/// What is wrong with a pattern.
pub fn check_pattern(pattern: &str) -> Result<(), Text> {
    if pattern == "*" {
        return Ok(());
    }
    let fixed = pattern.strip_suffix(".*").unwrap_or(pattern);
    if fixed.contains('*') {
        return Err(Text::Star);
    }
    // A module's name may be empty, what it exports is then `.name`.
    match pattern.split_once('.') {
        Some((_, name)) if !name.is_empty() => Ok(()),
        _ => Err(Text::NoDot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn lists_are_read() {
        let names = Names::new(b"a\0\0b c\0").unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), ["a", "", "b c"]);
        assert_eq!(names.len(), 3);
        assert!(Names::new(b"").unwrap().is_empty());
        assert_eq!(Names::EMPTY.len(), 0);
        assert_eq!(Names::new(b"a"), Err(Text::Unterminated));
        assert_eq!(Names::new(b"\xff\0"), Err(Text::NotUtf8));
    }

    #[test]
    fn patterns_match_what_they_name() {
        let wasi = "wasi_snapshot_preview1";
        assert!(matches("wasi_snapshot_preview1.fd_write", wasi, "fd_write"));
        assert!(!matches(
            "wasi_snapshot_preview1.fd_writes",
            wasi,
            "fd_write"
        ));
        assert!(matches("wasi_snapshot_preview1.*", wasi, "fd_write"));
        assert!(!matches("wasi.*", wasi, "fd_write"));
        assert!(matches("*", "", ""));
        // Names with dots.
        assert!(matches("a.b.c", "a.b", "c") && matches("a.b.*", "a.b", "c"));
        assert!(!matches("a.*", "a.b", "c"));
        assert!(matches(".f", "", "f"));
    }

    #[test]
    fn patterns_are_checked() {
        for good in ["*", "a.*", "a.b", "a.b.c", ".f", "wasi:io/poll@0.2.0.*"] {
            assert_eq!(check_pattern(good), Ok(()), "{good}");
        }
        for bad in ["a.b*", "*.b", "a.*.*", "**", "*.*"] {
            assert_eq!(check_pattern(bad), Err(Text::Star), "{bad}");
        }
        for bad in ["", "a", "a."] {
            assert_eq!(check_pattern(bad), Err(Text::NoDot), "{bad}");
        }
    }
}
