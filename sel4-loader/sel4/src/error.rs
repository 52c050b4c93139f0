// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The kernel's errors (`libsel4/include/sel4/errors.h`), one to one.

use crate::sys;
use core::fmt;

macro_rules! codes {
    ($($name:ident = $constant:ident, $text:literal;)*) => {
        /// What the kernel answers to an invocation that it refuses.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum ErrorCode {
            $(#[doc = concat!("`", stringify!($constant), "`: ", $text, ".")] $name,)*
            /// A number that this kernel's headers do not define.
            Unknown(u64),
        }

        impl ErrorCode {
            /// The error behind the label of a reply.
            #[must_use]
            pub fn from_label(label: u64) -> Self {
                match label {
                    $(sys::$constant => Self::$name,)*
                    other => Self::Unknown(other),
                }
            }
        }

        impl fmt::Display for ErrorCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($text),)*
                    Self::Unknown(number) => write!(f, "error {number}"),
                }
            }
        }
    };
}

codes! {
    InvalidArgument = seL4_InvalidArgument, "invalid argument";
    InvalidCapability = seL4_InvalidCapability, "invalid capability";
    IllegalOperation = seL4_IllegalOperation, "illegal operation";
    RangeError = seL4_RangeError, "argument out of range";
    AlignmentError = seL4_AlignmentError, "misaligned argument";
    FailedLookup = seL4_FailedLookup, "failed lookup";
    TruncatedMessage = seL4_TruncatedMessage, "truncated message";
    DeleteFirst = seL4_DeleteFirst, "slot is occupied";
    RevokeFirst = seL4_RevokeFirst, "object has children";
    NotEnoughMemory = seL4_NotEnoughMemory, "not enough memory";
}

/// A refused invocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// Why.
    pub code: ErrorCode,
    /// The invocation's label, to be looked up in [`crate::sys`].
    pub label: u64,
    /// The message registers of the answer; what they mean depends on the code.
    pub detail: [u64; 4],
}

impl Error {
    /// For a failed lookup in an address space: which paging structure is missing, one of
    /// `sys::SEL4_MAPPING_LOOKUP_NO_*`.
    #[must_use]
    pub fn missing_level(&self) -> Option<u64> {
        let level = self.detail[sys::SEL4_MAPPING_LOOKUP_LEVEL as usize];
        (self.code == ErrorCode::FailedLookup).then_some(level)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the kernel refused invocation {}: {}",
            self.label, self.code
        )
    }
}

impl core::error::Error for Error {}
