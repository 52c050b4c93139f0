// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Durations as people write them: `2 ms`, `500us`, `1.5 s`.

use core::fmt;
use std::string::String;

/// Why a text is no duration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DurationError {
    /// Not a number with a unit.
    Form(String),
    /// Not a whole number of microseconds.
    Fraction(String),
    /// More than 64 bits of microseconds.
    TooLong(String),
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, why) = match self {
            Self::Form(text) => (
                text,
                "is not a number and one of the units us, ms, s, min, h",
            ),
            Self::Fraction(text) => (text, "is not a whole number of microseconds"),
            Self::TooLong(text) => (text, "is too long"),
        };
        write!(f, "\"{}\" {why}", text.escape_debug())
    }
}

impl std::error::Error for DurationError {}

const UNITS: [(&str, u64); 6] = [
    ("us", 1),
    ("\u{b5}s", 1),
    ("ms", 1000),
    ("s", 1_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
];

/// The microseconds of a number and a unit, between which there may be spaces: `2 ms`, `0.5s`.
///
/// # Errors
/// Where it is none, or not a whole number of microseconds.
pub fn microseconds(text: &str) -> Result<u64, DurationError> {
    let trimmed = text.trim();
    let digits = |byte: char| byte.is_ascii_digit() || byte == '.';
    let end = trimmed.find(|c| !digits(c)).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(end);
    let unit = unit.trim_start();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let form = || DurationError::Form(text.into());
    let &(_, factor) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(form)?;
    let decimal = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !decimal(whole) || !decimal(fraction) {
        return Err(form());
    }
    let too_long = || DurationError::TooLong(text.into());
    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    let mut total = whole.checked_mul(factor).ok_or_else(too_long)?;
    // Digit by digit: no unit is divisible by ten more than nine times.
    let mut unit = factor;
    for digit in fraction.bytes().map(|byte| u64::from(byte - b'0')) {
        match (digit, unit % 10) {
            (0, rest) => unit = if rest == 0 { unit / 10 } else { 0 },
            (_, 0) if unit > 0 => {
                unit /= 10;
                total = total.checked_add(digit * unit).ok_or_else(too_long)?;
            }
            _ => return Err(DurationError::Fraction(text.into())),
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_are_read() {
        for (text, expected) in [
            ("2 ms", 2000),
            ("500us", 500),
            ("500 \u{b5}s", 500),
            ("1.5 s", 1_500_000),
            ("0.0001 s", 100),
            ("0.5 min", 30_000_000),
            ("0.25 ms", 250),
            ("1.000000000 us", 1),
            ("1 h", 3_600_000_000),
            (" 10s ", 10_000_000),
            ("1.10 h", 3_960_000_000),
        ] {
            assert_eq!(microseconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "", "2", "ms", "2 m", "-1 ms", "1e3 us", "1. s", ".5 s", "1.2.3 s", "2 ms 1",
        ] {
            assert_eq!(microseconds(text), Err(DurationError::Form(text.into())));
        }
        for text in ["0.5 us", "1.0001 ms", "0.00000000001 h"] {
            assert_eq!(
                microseconds(text),
                Err(DurationError::Fraction(text.into()))
            );
        }
        for text in ["18446744073709551616 us", "18446744073709551615 ms"] {
            assert_eq!(microseconds(text), Err(DurationError::TooLong(text.into())));
        }
    }
}
