// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Numbers of errors. A number that is published keeps its meaning; there are more of them than
//! one side knows.

use crate::text::Text;
use core::fmt;
use serde::{Deserialize, Serialize};
use wasm_aot_trust::Refusal as Distrust;

/// The number of an error; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Code(pub u16);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Its name, as `--json` has it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.0 {
                    $($number => $text,)*
                    _ => "unknown",
                }
            }
        }
    };
}

codes! {
    /// No error.
    OK = 0, "ok";
    /// The request, or the version of the protocol, is not known here.
    UNSUPPORTED = 1, "unsupported";
    /// The request cannot be read.
    MALFORMED = 2, "malformed";
    /// A session begins with `Hello`.
    NOT_GREETED = 3, "not-greeted";
    /// There is no room for one more of these; later there may be.
    BUSY = 4, "busy";
    /// There is no such app (any more).
    NO_APP = 5, "no-such-app";
    /// There is no such transfer (any more).
    NO_TRANSFER = 6, "no-such-transfer";
    /// A chunk does not lie in its object.
    BOUNDS = 7, "bounds";
    /// Chunks of the object are missing.
    INCOMPLETE = 8, "incomplete";
    /// There is no memory for it.
    NO_MEMORY = 9, "no-memory";
    /// The app, or the transfer, is not in a state in which this can be done.
    STATE = 10, "wrong-state";
    /// The transfer was given up.
    ABORTED = 11, "aborted";
    /// The loader started anew while the request was on its way: nobody knows whether it was
    /// carried out. Only the agent's half says this.
    RESTARTED = 12, "restarted";
    /// Nothing was heard for too long. Only the agent's half says this.
    TIMEOUT = 13, "timeout";
    /// The request was taken back.
    CANCELLED = 14, "cancelled";

    /// The statement is malformed.
    STATEMENT = 20, "malformed-statement";
    /// The object is not signed, and has to be.
    UNSIGNED = 21, "unsigned";
    /// Nobody here knows the key.
    WRONG_KEY = 22, "wrong-key";
    /// The key may not be used for this.
    ROLE = 23, "wrong-role";
    /// The signature is wrong.
    SIGNATURE = 24, "wrong-signature";
    /// The object is too long.
    OVERSIZED = 25, "oversized";
    /// The statement has bounds in time, and there is no clock.
    NO_CLOCK = 26, "no-clock";
    /// The statement does not hold yet.
    NOT_YET_VALID = 27, "not-yet-valid";
    /// The statement does not hold any more.
    EXPIRED = 28, "expired";
    /// A newer version was accepted before.
    OLDER_VERSION = 29, "older-version";
    /// This version was accepted before.
    REPLAYED = 30, "replayed";
    /// The object is not the one that the statement is about.
    ALTERED = 31, "altered";

    /// The object cannot be loaded: it is damaged, or for another machine.
    BAD_OBJECT = 40, "bad-object";
    /// The object imports what there is not, or what its contract does not allow.
    UNKNOWN_IMPORT = 41, "unknown-import";
    /// The contract cannot be read, or contradicts itself.
    CONTRACT = 42, "bad-contract";
    /// With the contract some app would miss a deadline.
    NOT_SCHEDULABLE = 43, "not-schedulable";
    /// The contract names a device that is not granted.
    DEVICE = 44, "device-not-granted";
    /// There is no version to go back to.
    NO_PREVIOUS = 45, "no-previous-version";
}

/// Longest text of an error, bytes.
pub const MAX_TEXT: usize = 240;

/// Why something is not done: the number for programs, the text for people.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Refusal {
    /// Not [`Code::OK`].
    pub code: Code,
    /// What, where, and what to do.
    pub text: Text<MAX_TEXT>,
}

impl Refusal {
    /// With a text.
    #[must_use]
    pub fn new(code: Code, text: &dyn fmt::Display) -> Self {
        Self {
            code,
            text: Text::of(text),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)
    }
}

impl core::error::Error for Refusal {}

impl From<Distrust> for Refusal {
    fn from(why: Distrust) -> Self {
        let code = match why {
            Distrust::Malformed(_) | Distrust::KeyWithoutSignature => Code::STATEMENT,
            Distrust::Unsigned => Code::UNSIGNED,
            Distrust::UnknownKey(_) => Code::WRONG_KEY,
            Distrust::Role(_) => Code::ROLE,
            Distrust::Signature(_) => Code::SIGNATURE,
            Distrust::Oversized { .. } => Code::OVERSIZED,
            Distrust::NoClock => Code::NO_CLOCK,
            Distrust::NotYetValid { .. } => Code::NOT_YET_VALID,
            Distrust::Expired { .. } => Code::EXPIRED,
            Distrust::OlderVersion { .. } => Code::OLDER_VERSION,
            Distrust::Replayed { .. } => Code::REPLAYED,
            Distrust::Length { .. } | Distrust::Altered { .. } => Code::ALTERED,
            // The list of reasons grows elsewhere.
            _ => Code::SIGNATURE,
        };
        Self::new(code, &why)
    }
}
