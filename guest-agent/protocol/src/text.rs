// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Text of bounded length: what does not fit is cut off.

use core::fmt;

/// Text of at most `N` bytes.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Self = Self {
        bytes: [0; N],
        length: 0,
    };

    /// What is displayed, as far as it fits.
    #[must_use]
    pub fn of(what: &dyn fmt::Display) -> Self {
        let mut text = Self::EMPTY;
        // Only a `Display` that fails of itself fails here: what it said until then is kept.
        let _ = fmt::write(&mut text, format_args!("{what}"));
        text
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = N - self.length;
        let mut end = text.len().min(room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes[self.length..self.length + end].copy_from_slice(&text.as_bytes()[..end]);
        self.length += end;
        Ok(())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl<const N: usize> PartialEq for Text<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(Text::<8>::of(&"abc").as_str(), "abc");
        assert_eq!(Text::<8>::of(&"abcdefghij").as_str(), "abcdefgh");
        assert_eq!(Text::<8>::of(&"abcdefgä").as_str(), "abcdefg");
        assert_eq!(Text::<0>::of(&"ä").as_str(), "");
        assert_eq!(
            Text::<4>::of(&format_args!("{}{}", 12, 345)).as_str(),
            "1234"
        );
    }
}
