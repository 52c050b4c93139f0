// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Arguments of a function that the user named, from text into slots, and its results back: one
//! a line, in the spelling of wasmtime.
//!
//! A type is text, `(i32 f64) -> (i64)` (`wasm-aot-object`, `TypeRecord::text`); a slot has 16
//! bytes, the low ones first.

use crate::call::Stream;
use core::fmt::{self, Write};

/// Slots: arguments and results, at most.
pub const MAX: usize = 64;

/// Why the function cannot be called.
#[derive(Clone, Copy, Debug)]
pub enum ValueError<'a> {
    /// Another number of arguments.
    Count { wanted: usize, given: usize },
    /// More arguments or results than there are slots.
    TooMany,
    /// An argument that is not of its type.
    Argument { text: &'a [u8], kind: &'a str },
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
            Self::TooMany => write!(f, "functions of more than {MAX} values cannot be invoked"),
            Self::Argument { text, kind } => {
                write!(f, "`{}` is not of the type {kind}", text.escape_ascii())
            }
        }
    }
}

/// The types in one half of a signature.
fn types(half: &str) -> impl Iterator<Item = &str> {
    half.trim()
        .trim_matches(['(', ')'])
        .split_ascii_whitespace()
}

fn halves(signature: &str) -> (&str, &str) {
    signature.split_once("->").unwrap_or((signature, ""))
}

/// Parses the arguments into slots. Where the user did not name the function, its parameters are
/// zero and the arguments are the program's.
pub fn parse<'a>(
    signature: &'a str,
    arguments: impl Iterator<Item = &'a [u8]>,
    invoked: bool,
    slots: &mut [[u64; 2]; MAX],
) -> Result<(), ValueError<'a>> {
    let (parameters, results) = halves(signature);
    let wanted = types(parameters).count();
    if wanted.max(types(results).count()) > MAX {
        return Err(ValueError::TooMany);
    }
    if !invoked {
        return Ok(());
    }
    let mut given = 0;
    let mut kinds = types(parameters);
    for text in arguments {
        given += 1;
        if let Some(kind) = kinds.next() {
            let value = value(kind, text).ok_or(ValueError::Argument { text, kind })?;
            slots[given - 1] = [value as u64, (value >> 64) as u64];
        }
    }
    if given == wanted {
        Ok(())
    } else {
        Err(ValueError::Count { wanted, given })
    }
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
    let magnitude = match digits.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16)
            .ok()
            .map(i128::from)
            .or_else(|| u64::from_str_radix(digits, 16).ok().map(i128::from))?,
        None => digits.parse::<u64>().ok().map(i128::from)?,
    };
    Some(sign * magnitude)
}

/// Prints the results.
pub fn print(signature: &str, slots: &[[u64; 2]; MAX]) {
    for (kind, &[low, high]) in types(halves(signature).1).zip(slots) {
        let mut out = Stream::Out;
        // A refused write would have been the root task's decision; there is nobody to tell.
        let _ = match kind {
            "i32" => writeln!(out, "{}", low as i32),
            "i64" => writeln!(out, "{}", low as i64),
            "f32" => writeln!(out, "{}", f32::from_bits(low as u32)),
            "f64" => writeln!(out, "{}", f64::from_bits(low)),
            "v128" => writeln!(out, "{}", u128::from(low) | u128::from(high) << 64),
            _ if low == 0 => writeln!(out, "null"),
            _ => writeln!(out, "<{kind}>"),
        };
    }
}
