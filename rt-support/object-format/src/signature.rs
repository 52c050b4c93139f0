// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The text of a function type, taken apart.

/// Parameters and results of a function type whose text is in the metadata
/// ([`crate::meta::TypeRecord::text`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature<'a> {
    params: &'a str,
    results: &'a str,
}

impl<'a> Signature<'a> {
    /// Finds both in a text; `None` where it is not that of a function type.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        // In front there may be what it is a subtype of, behind the recursion group.
        let start = text.find('(')?;
        let before = text.get(..start)?;
        if !before.is_empty() && !before.starts_with("sub ") {
            return None;
        }
        let (params, rest) = group(text.get(start..)?)?;
        let (results, _) = group(rest.strip_prefix(" -> ")?)?;
        Some(Self { params, results })
    }

    /// Texts of the parameters' types.
    #[must_use]
    pub fn params(&self) -> Types<'a> {
        Types(self.params)
    }

    /// Texts of the results' types.
    #[must_use]
    pub fn results(&self) -> Types<'a> {
        Types(self.results)
    }

    /// Slots that an invoke trampoline reads or writes: as many as there are parameters or
    /// results, whichever are more.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.params().count().max(self.results().count())
    }
}

/// What is inside the parentheses at the front of a text, and what is behind them.
fn group(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth = depth.checked_add(1)?,
            b')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(1..at)?, text.get(at + 1..)?));
        }
    }
    None
}

/// Types that stand one after the other, separated by blanks.
#[derive(Clone, Debug)]
pub struct Types<'a>(&'a str);

impl<'a> Iterator for Types<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start_matches(' ');
        let length = match group(text) {
            Some((inner, _)) if text.starts_with('(') => inner.len() + 2,
            _ => text.find(' ').unwrap_or(text.len()),
        };
        let (first, rest) = text.split_at_checked(length)?;
        self.0 = rest;
        (!first.is_empty()).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn texts_are_taken_apart() {
        for (text, params, results) in [
            ("() -> ()", &[][..], &[][..]),
            ("(i32 i64) -> (f32)", &["i32", "i64"], &["f32"]),
            (
                "((ref null #0123abcd) i32 (ref .1)) -> (funcref (ref func))",
                &["(ref null #0123abcd)", "i32", "(ref .1)"],
                &["funcref", "(ref func)"],
            ),
            (
                "sub final #00000001 (i32) -> ((ref .0)) in (i32) -> (i64)",
                &["i32"],
                &["(ref .0)"],
            ),
        ] {
            let signature = Signature::parse(text).unwrap();
            assert_eq!(signature.params().collect::<Vec<_>>(), params, "{text}");
            assert_eq!(signature.results().collect::<Vec<_>>(), results, "{text}");
            assert_eq!(signature.slots(), params.len().max(results.len()));
        }
        for text in [
            "",
            "struct (i32)",
            "array (i8)",
            "(i32",
            "(i32)",
            "(i32) -> (",
            "i32 (i32) -> ()",
        ] {
            assert_eq!(Signature::parse(text), None, "{text}");
        }
    }
}
