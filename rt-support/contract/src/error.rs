// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What is wrong with a contract, said with the names that a manifest uses.

use crate::{Class, VERSION};
use core::fmt;

/// Why a contract cannot be read or kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ContractError {
    /// The record does not begin with its magic number.
    Magic,
    /// The record is of another version.
    Version {
        /// The version found; [`VERSION`] is the one that can be read.
        found: u32,
    },
    /// The record ends before what it announces, or has more behind it.
    Length {
        /// Bytes that it announces, or has at least.
        announced: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// A number that stands for no value.
    Unknown {
        /// The field.
        field: &'static str,
        /// The number.
        number: u64,
    },
    /// A field that the class needs is not given.
    Missing {
        /// The field.
        field: &'static str,
        /// The class.
        class: Class,
    },
    /// A field is given that means nothing for the class.
    Meaningless {
        /// The field.
        field: &'static str,
        /// The class.
        class: Class,
    },
    /// A value outside its limits.
    Range {
        /// The field.
        field: &'static str,
        /// The value.
        value: u64,
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// A value that is larger than another one.
    Order {
        /// The field.
        field: &'static str,
        /// The value.
        value: u64,
        /// The field that it must not exceed.
        limit_field: &'static str,
        /// Its value.
        limit: u64,
    },
    /// Too many entries in a list.
    TooMany {
        /// The field.
        field: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A text that is none, or not of its form.
    Text {
        /// The field.
        field: &'static str,
        /// Its position, where the field is a list.
        index: Option<usize>,
        /// What is wrong.
        why: Text,
    },
}

/// What is wrong with a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Text {
    /// Not UTF-8.
    NotUtf8,
    /// A list whose last entry has no end.
    Unterminated,
    /// Empty.
    Empty,
    /// Too long.
    TooLong {
        /// Bytes that it may have.
        max: usize,
    },
    /// It has a control character.
    Control,
    /// A device's name with something else than letters, digits, `-`, `_` and `.`.
    Letters,
    /// A pattern without `.`, or nothing behind it.
    NoDot,
    /// A `*` that is not a whole name.
    Star,
    /// The same name twice.
    Twice,
}

impl ContractError {
    /// The field that is wrong, as a manifest spells it; `None` where it is the record.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match *self {
            Self::Magic | Self::Version { .. } | Self::Length { .. } => None,
            Self::Unknown { field, .. }
            | Self::Missing { field, .. }
            | Self::Meaningless { field, .. }
            | Self::Range { field, .. }
            | Self::Order { field, .. }
            | Self::TooMany { field, .. }
            | Self::Text { field, .. } => Some(field),
        }
    }
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Magic => f.write_str("no contract: the record has no magic number"),
            Self::Version { found } => write!(
                f,
                "contract version {found}, but this release reads version {VERSION}; write it \
                 again with a wasm-aot of the same release"
            ),
            Self::Length { announced, found } => write!(
                f,
                "the contract's record has {found} bytes where it needs {announced}"
            ),
            Self::Unknown { field, number } => {
                write!(f, "{field}: there is no value with the number {number}")
            }
            Self::Missing { field, class } => {
                write!(f, "{field} is missing: class \"{}\" needs it", class.name())
            }
            Self::Meaningless { field, class } => write!(
                f,
                "{field} means nothing for class \"{}\": take it out, or choose another class",
                class.name()
            ),
            Self::Range {
                field,
                value,
                min,
                max,
            } => write!(f, "{field} is {value}, but has to be from {min} to {max}"),
            Self::Order {
                field,
                value,
                limit_field,
                limit,
            } => write!(
                f,
                "{field} is {value}, more than {limit_field}, which is {limit}"
            ),
            Self::TooMany { field, count, max } => {
                write!(
                    f,
                    "{field} has {count} entries, but {max} at most are allowed"
                )
            }
            Self::Text { field, index, why } => match index {
                Some(index) => write!(f, "{field}: entry {} {why}", index + 1),
                None => write!(f, "{field} {why}"),
            },
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotUtf8 => f.write_str("is not UTF-8"),
            Self::Unterminated => f.write_str("is not ended by a zero byte"),
            Self::Empty => f.write_str("is empty"),
            Self::TooLong { max } => write!(f, "is longer than {max} bytes"),
            Self::Control => f.write_str("has a control character"),
            Self::Letters => {
                f.write_str("has something else than letters, digits, `-`, `_` and `.`")
            }
            Self::NoDot => f.write_str("is neither `MODULE.NAME` nor `MODULE.*` nor `*`"),
            Self::Star => f.write_str("has a `*` that does not stand for a whole name"),
            Self::Twice => f.write_str("has been there before"),
        }
    }
}

impl core::error::Error for ContractError {}
