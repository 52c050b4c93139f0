// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which reasons mean the same.
//!
//! The official testsuite says in the words of the specification's interpreter why something is to
//! go wrong. Other implementations find the same mistakes but name them otherwise; this module is
//! the dictionary.

use std::fmt;
use wasm_aot_compiler::Error;
use wasm_aot_trap::TrapCode;

/// Whose rules a refusal goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ground {
    /// The specification's.
    Rule,
    /// The choice of features.
    Feature,
    /// Our own: a limit, or a defect.
    Other,
}

/// Why a module was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// For people.
    text: String,
    ground: Ground,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.text))
    }
}

impl Refusal {
    /// By the parser of the text format, while it read the script.
    #[must_use]
    pub fn by_parser(text: &str) -> Self {
        Self {
            text: text.into(),
            ground: Ground::Rule,
        }
    }

    /// By the compiler.
    #[must_use]
    pub fn by_compiler(error: Error) -> Self {
        Self {
            ground: match error {
                Error::Text(_) | Error::Invalid { .. } => Ground::Rule,
                Error::Feature { .. } => Ground::Feature,
                _ => Ground::Other,
            },
            text: error.to_string(),
        }
    }

    /// For no good reason.
    #[must_use]
    pub fn defect(text: String) -> Self {
        Self {
            text,
            ground: Ground::Other,
        }
    }
}

/// Checks that a module was refused for the reason that the script gives.
///
/// The reason is the expected one where its text has the expected text in it, or a text that
/// [`REFUSALS`] gives for it. An expected text that is neither there nor in [`SAME`] leaves this:
/// the refusal must be by a rule of the specification and say where; a feature that is turned off is
/// no such reason.
///
/// # Errors
/// Says both reasons.
pub fn check(expected: &str, refusal: &Refusal) -> Result<(), String> {
    let text = &refusal.text;
    let same = || {
        let mut others = REFUSALS
            .iter()
            .filter(|(wording, _)| expected.starts_with(wording))
            .peekable();
        let known = SAME.iter().any(|wording| expected.starts_with(wording));
        if known || others.peek().is_some() {
            return others.any(|(_, ours)| ours.iter().any(|ours| text.contains(ours)));
        }
        // Modules have byte offsets, texts an arrow to the line.
        let place = text.contains("offset") || text.contains("-->");
        refusal.ground == Ground::Rule && place
    };
    if refusal.ground != Ground::Other && (text.contains(expected) || same()) {
        return Ok(());
    }
    Err(format!(
        "expected the refusal \"{expected}\", got: {refusal}"
    ))
}

/// A text of several lines in one, for a list of failures.
#[must_use]
pub fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

/// How the expected texts begin for which both sides have the same words.
const SAME: &[&str] = &[
    "alignment",
    "array type",
    "constant",
    "data count",
    "duplicate",
    "global is immutable",
    "import after",
    "inline function type",
    "invalid custom page size",
    "malformed reference type",
    "mismatching label",
    "multiple memories",
    "multiple tables",
    "non-empty tag result type",
    "offset out of range",
    "result before parameter",
    "shared memory must have maximum",
    "size minimum",
    "start function",
    "too many locals",
    "type mismatch",
    "unclosed annotation",
    "undeclared function reference",
    "uninitialized local",
    "unknown",
];

/// What the tokens of the text format are refused with. The lexers of the interpreter and of ours
/// split the same nonsense differently.
const TOKENS: &[&str] = &[
    "expected a",
    "expected `",
    "expected an",
    "expected at least",
    "expected valid",
    "unexpected token",
    "unexpected character",
    "unexpected end-of-file",
    "extra tokens",
    "constant out of range",
    "malformed lane index",
    "legacy_exceptions feature required",
];

/// The beginning of an expected text, and what else says the same. Most differences come of the
/// order in which the two look at the bytes: a length that leads beyond the end of a section is
/// "length out of bounds" to one who looks at lengths, "unexpected end" to one who reads on.
const REFUSALS: &[(&str, &[&str])] = &[
    // Text: tokens.
    ("unknown operator", TOKENS),
    ("unexpected token", TOKENS),
    ("unexpected end", TOKENS),
    ("unexpected end", &["control frames remain"]),
    ("illegal character", &["unexpected character"]),
    ("unclosed string", &["unexpected end-of-file"]),
    ("empty identifier", &["invalid character in string"]),
    ("empty annotation id", &["invalid character in string"]),
    ("wrong number of lane", TOKENS),
    ("invalid lane length", TOKENS),
    ("malformed lane index", TOKENS),
    // Text: numbers.
    (
        "i8 constant",
        &["invalid u8 number", "malformed lane index", "expected a u8"],
    ),
    (
        "i32 constant",
        &[
            "invalid u32 number",
            "invalid var_u32: integer too large",
            "table size must be at most 0xffffffff",
            "memory size must be at most 0x10000",
        ],
    ),
    (
        "i64 constant",
        &[
            "invalid u64 number",
            "table size must be at most",
            "invalid var_u64: integer too large",
        ],
    ),
    // Bytes that are no text, or no module.
    ("malformed UTF-8 encoding", &["valid utf-8"]),
    ("invalid UTF-8 encoding", &["malformed UTF-8 encoding"]),
    (
        "magic header not detected",
        &["valid utf-8", "unexpected character"],
    ),
    // Sections.
    (
        "unexpected content after last section",
        &["section out of order", "inconsistent lengths"],
    ),
    ("junk after last section", &["section out of order"]),
    ("multiple start sections", &["section out of order"]),
    ("malformed section id", &["unexpected end-of-file"]),
    ("invalid section id", &["malformed section id"]),
    ("section size mismatch", &["control frames remain"]),
    (
        "length out of bounds",
        &["unexpected end-of-file", "got wasm magic number"],
    ),
    (
        "unexpected end of section or function",
        &[
            "unexpected end-of-file",
            "control frames remain",
            "branch depth too large",
        ],
    ),
    (
        "function and code section have inconsistent lengths",
        &[
            "but code section is absent",
            "but code section has non-zero count",
        ],
    ),
    (
        "data count and data section",
        &["but data section is absent"],
    ),
    // Integers, and what they say.
    (
        "integer representation too long",
        &[
            "unexpected end-of-file",
            "malformed section id",
            "invalid leading byte",
            "trailing bytes",
        ],
    ),
    ("integer representation too long", &["limits flags"]),
    (
        "integer too large",
        &[
            "unexpected end-of-file",
            "malformed section id",
            "trailing bytes",
            "limits flags",
        ],
    ),
    (
        "malformed limits flags",
        &["limits flags", "unexpected end-of-file"],
    ),
    (
        "malformed import kind",
        &["for external kind", "unexpected end-of-file"],
    ),
    ("malformed export kind", &["not allowed in the exports"]),
    (
        "malformed elements segment kind",
        &["unexpected end-of-file"],
    ),
    ("malformed definition type", &["invalid leading byte"]),
    (
        "malformed storage type",
        &["type index out of bounds", "unexpected exact type"],
    ),
    (
        "malformed memop flags",
        &["reserved flags bits set", "alignment must not be larger"],
    ),
    (
        "malformed mutability",
        &["malformed global flags", "shared globals require"],
    ),
    (
        "invalid mutability",
        &["malformed global flags", "shared globals require"],
    ),
    ("invalid mutability", &["unexpected end-of-file"]),
    ("invalid value type", &["unexpected end-of-file"]),
    (
        "zero flag expected",
        &["zero byte expected", "trailing bytes"],
    ),
    ("zero byte expected", &["unknown memory"]),
    // Instructions.
    ("END opcode expected", &["control frames remain"]),
    (
        "illegal opcode",
        &[
            "illegal opcode",
            "unexpected end-of-file",
            "constant expression required",
        ],
    ),
    ("invalid lane index", &["SIMD index out of bounds"]),
    (
        "memory size must be at most",
        &["memory size must be at most"],
    ),
    ("constant expression required", &["type mismatch"]),
    ("immutable global", &["global is immutable"]),
    ("immutable array", &["array is immutable"]),
    ("immutable field", &["struct field is immutable"]),
    // Types.
    ("type mismatch", &["type mismatch"]),
    (
        "invalid result arity",
        &["multi-value feature is not enabled"],
    ),
    ("sub type", &["sub type must match super type"]),
];

/// Whether a trap is the one that the text describes.
#[must_use]
pub fn trap(expected: &str, code: u8) -> bool {
    let Some(code) = TrapCode::from_u8(code) else {
        return false;
    };
    if code.message().contains(expected) {
        return true;
    }
    TRAPS
        .iter()
        .any(|(wording, codes)| expected.starts_with(wording) && codes.contains(&code))
}

/// The beginning of an expected text, and the traps that it describes.
const TRAPS: &[(&str, &[TrapCode])] = &[
    // The interpreter says which element.
    ("uninitialized element", &[TrapCode::UninitializedElement]),
    ("undefined element", &[TrapCode::UndefinedElement]),
    // Who says what is null, and who does not.
    (
        "null reference",
        &[
            TrapCode::NullFunction,
            TrapCode::NullStructure,
            TrapCode::NullArray,
            TrapCode::NullI31,
            TrapCode::NullException,
        ],
    ),
    ("null function reference", &[TrapCode::NullReference]),
    ("null structure reference", &[TrapCode::NullReference]),
    ("null array reference", &[TrapCode::NullReference]),
    ("null i31 reference", &[TrapCode::NullReference]),
    ("null exception reference", &[TrapCode::NullReference]),
];

/// Whether a refusal to link is the one that the text describes.
#[must_use]
pub fn link(expected: &str, found: &str) -> bool {
    found.contains(expected)
}

/// Whether a trap during instantiation is what a script of WebAssembly 1.0 calls a refusal to
/// link: a segment that does not fit.
#[must_use]
pub fn segment(expected: &str, code: u8) -> bool {
    let code = TrapCode::from_u8(code);
    match expected {
        "data segment does not fit" => code == Some(TrapCode::MemoryOutOfBounds),
        "elements segment does not fit" => code == Some(TrapCode::TableOutOfBounds),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_compared() {
        const RULE: Ground = Ground::Rule;
        const FEATURE: Ground = Ground::Feature;
        let cases = [
            (
                "type mismatch",
                "type mismatch: expected i32 (at offset 0x1)",
                RULE,
                true,
            ),
            (
                "zero flag expected",
                "zero byte expected (at offset 0x1)",
                RULE,
                true,
            ),
            (
                "zero flag expected",
                "type mismatch (at offset 0x1)",
                RULE,
                false,
            ),
            (
                "type mismatch",
                "unknown type 3 (at offset 0x1)",
                RULE,
                false,
            ),
            (
                "unknown local",
                "type mismatch (at offset 0x1)",
                RULE,
                false,
            ),
            ("new words", "type mismatch (at offset 0x1)", RULE, true),
            ("new words", "type mismatch", RULE, false),
            (
                "new words",
                "SIMD support is not enabled (at offset 0x1)",
                FEATURE,
                false,
            ),
            (
                "invalid mutability",
                "shared globals require (at offset 0x1)",
                FEATURE,
                true,
            ),
            (
                "type mismatch",
                "type mismatch (at offset 0x1)",
                Ground::Other,
                false,
            ),
        ];
        for (expected, found, ground, same) in cases {
            let text = found.into();
            let result = check(expected, &Refusal { text, ground });
            assert_eq!(result.is_ok(), same, "{expected}: {found}");
        }
    }

    #[test]
    fn traps_are_compared() {
        assert!(trap("unreachable", TrapCode::Unreachable as u8));
        assert!(trap(
            "uninitialized element 2",
            TrapCode::UninitializedElement as u8
        ));
        assert!(trap("null array reference", TrapCode::NullReference as u8));
        assert!(!trap(
            "out of bounds memory access",
            TrapCode::TableOutOfBounds as u8
        ));
        assert!(!trap("unreachable", 0));
    }

    #[test]
    fn a_segment_that_does_not_fit_is_a_trap_since_2_0() {
        assert!(segment(
            "data segment does not fit",
            TrapCode::MemoryOutOfBounds as u8
        ));
        assert!(!segment(
            "data segment does not fit",
            TrapCode::TableOutOfBounds as u8
        ));
        assert!(!segment(
            "unknown import",
            TrapCode::MemoryOutOfBounds as u8
        ));
    }
}
