// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Arguments of a function that the user named, from text into slots, and its results back: one
//! a line, in the spelling of wasmtime.
//!
//! A slot has 16 bytes, the low ones first.

use core::fmt;
use wasm_aot_object::signature::{Signature, Types};

/// Why the function cannot be called.
#[derive(Clone, Copy, Debug)]
pub enum ValueError<'a> {
    /// Too few arguments.
    Count {
        /// Parameters of the function.
        wanted: usize,
        /// Arguments there are.
        given: usize,
    },
    /// More arguments or results than there are slots.
    TooMany {
        /// Slots there are.
        slots: usize,
    },
    /// An argument that is not of its type.
    Argument {
        /// The argument.
        text: &'a [u8],
        /// The type.
        kind: &'a str,
    },
}

impl fmt::Display for ValueError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { wanted, given } => {
                write!(
                    f,
                    "the function takes {wanted} arguments, {given} were given"
                )
            }
            Self::TooMany { slots } => {
                write!(f, "functions of more than {slots} values cannot be invoked")
            }
            Self::Argument { text, kind } => {
                write!(f, "`{}` is not of the type {kind}", text.escape_ascii())
            }
        }
    }
}

/// Parses arguments into slots. Arguments behind the last parameter are the program's own.
///
/// # Errors
/// Where there are too few, or one is not of its type.
pub fn parse<'a>(
    signature: &Signature<'a>,
    mut arguments: impl Iterator<Item = &'a [u8]>,
    slots: &mut [[u64; 2]],
) -> Result<(), ValueError<'a>> {
    if signature.slots() > slots.len() {
        let slots = slots.len();
        return Err(ValueError::TooMany { slots });
    }
    for (given, (kind, slot)) in signature.params().zip(slots).enumerate() {
        let Some(text) = arguments.next() else {
            let wanted = signature.params().count();
            return Err(ValueError::Count { wanted, given });
        };
        let value = value(kind, text).ok_or(ValueError::Argument { text, kind })?;
        *slot = [value as u64, (value >> 64) as u64];
    }
    Ok(())
}

/// The bits of an argument.
fn value(kind: &str, text: &[u8]) -> Option<u128> {
    let text = core::str::from_utf8(text).ok()?;
    match kind {
        "i32" => {
            let number = integer(text)?;
            let fits = i32::try_from(number).is_ok() || u32::try_from(number).is_ok();
            fits.then_some(number as u32 as u128)
        }
        "i64" => {
            let number = integer(text)?;
            let fits = i64::try_from(number).is_ok() || u64::try_from(number).is_ok();
            fits.then_some(number as u64 as u128)
        }
        "f32" => Some(u128::from(text.parse::<f32>().ok()?.to_bits())),
        "f64" => Some(u128::from(text.parse::<f64>().ok()?.to_bits())),
        "v128" => text.parse::<u128>().ok(),
        _ => (text == "null").then_some(0),
    }
}

/// A decimal or (`0x`) hexadecimal number.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let hexadecimal = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((digits, 10), |digits| (digits, 16));
    // `from_str_radix` takes a sign as well.
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    Some(sign * i128::from(u64::from_str_radix(digits, radix).ok()?))
}

/// Results of a function; `Display` writes each on a line of its own.
#[derive(Clone, Debug)]
pub struct Results<'a> {
    kinds: Types<'a>,
    slots: &'a [[u64; 2]],
}

impl<'a> Results<'a> {
    /// The results that are in these slots.
    #[must_use]
    pub fn new(signature: &Signature<'a>, slots: &'a [[u64; 2]]) -> Self {
        Self {
            kinds: signature.results(),
            slots,
        }
    }
}

impl fmt::Display for Results<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, &[low, high]) in self.kinds.clone().zip(self.slots) {
            match kind {
                "i32" => writeln!(f, "{}", low as i32)?,
                "i64" => writeln!(f, "{}", low as i64)?,
                "f32" => writeln!(f, "{}", f32::from_bits(low as u32))?,
                "f64" => writeln!(f, "{}", f64::from_bits(low))?,
                "v128" => writeln!(f, "{}", u128::from(low) | u128::from(high) << 64)?,
                _ if low == 0 => writeln!(f, "<null {kind}>")?,
                _ => writeln!(f, "<{kind}>")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn round_trip(
        text: &str,
        arguments: &[&str],
    ) -> Result<std::string::String, std::string::String> {
        let signature = Signature::parse(text).unwrap();
        let mut slots = [[0; 2]; 4];
        let arguments = arguments.iter().map(|argument| argument.as_bytes());
        parse(&signature, arguments, &mut slots).map_err(|error| error.to_string())?;
        Ok(Results::new(&signature, &slots).to_string())
    }

    #[test]
    fn values_are_spelled_as_wasmtime_spells_them() {
        for (kind, given, printed) in [
            ("i32", "5", "5"),
            ("i32", "-1", "-1"),
            ("i32", "0xff", "255"),
            ("i32", "0XfF", "255"),
            ("i32", "4294967295", "-1"),
            ("i64", "-9223372036854775808", "-9223372036854775808"),
            ("i64", "0xffffffffffffffff", "-1"),
            ("f32", "1e40", "inf"),
            ("f32", "nan", "NaN"),
            ("f64", "-0", "-0"),
            ("f64", "1e16", "10000000000000000"),
            ("v128", "5", "5"),
            ("externref", "null", "<null externref>"),
            (
                "(ref null #00000001)",
                "null",
                "<null (ref null #00000001)>",
            ),
        ] {
            let text = std::format!("({kind}) -> ({kind})");
            let result = round_trip(&text, &[given]);
            assert_eq!(result, Ok(std::format!("{printed}\n")), "{kind} {given}");
        }
    }

    #[test]
    fn what_is_no_value_is_named() {
        for (kind, given) in [
            ("i32", "abc"),
            ("i32", ""),
            ("i32", "--1"),
            ("i32", "0x-1"),
            ("i32", "+1"),
            ("i32", "4294967296"),
            ("i32", "-2147483649"),
            ("i64", "0x10000000000000000"),
            ("f32", "one"),
            ("externref", "5"),
        ] {
            let error = round_trip(&std::format!("({kind}) -> ()"), &[given]).unwrap_err();
            assert!(error.contains(given) && error.contains(kind), "{error}");
        }
        let error = round_trip("(i32 i32) -> ()", &["1"]).unwrap_err();
        assert_eq!(error, "the function takes 2 arguments, 1 were given");
        assert!(round_trip("(i32 i32 i32 i32 i32) -> ()", &["1"]).is_err());
        assert_eq!(
            round_trip("(i32) -> (i32)", &["1", "more"]),
            Ok("1\n".into())
        );
    }
}
