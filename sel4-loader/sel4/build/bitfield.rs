// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Places of fields in words, out of the kernel's bitfield descriptions (`.bf`).
//!
//! `block NAME { padding 32 field LABEL 20 ... }` names the fields from the word's highest bit
//! downwards; each becomes `NAME_LABEL: Field`.

use std::fmt::Write as _;

/// Bits of a word.
const WORD: u32 = 64;

/// Blocks and tags as Rust.
///
/// # Errors
/// Where a block does not fill its words: then this reader does not understand the file.
pub fn rust(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let code: Vec<&str> = text
        .lines()
        .map(|line| line.split("--").next().unwrap_or("").trim())
        .filter(|line| !line.is_empty())
        .collect();
    let mut block: Option<(&str, u32)> = None;
    for line in code {
        let words: Vec<_> = line.split_whitespace().collect();
        match (&words[..], block) {
            (["block", name, "{"], _) => block = Some((*name, WORD)),
            (["padding", bits], Some((name, left))) => {
                block = Some((name, below(name, left, bits)?));
            }
            (["field", field, bits], Some((name, left))) => {
                let shift = below(name, left, bits)?;
                let _ = writeln!(
                    out,
                    "pub const {name}_{field}: Field = Field {{ shift: {shift}, bits: {bits} }};"
                );
                block = Some((name, shift));
            }
            (["tag", name, number], None) => {
                let _ = writeln!(out, "pub const {name}_TAG: u64 = {number};");
            }
            (["}"], Some((name, left))) => {
                if left != 0 {
                    return Err(format!("the bitfield block {name} leaves {left} bits"));
                }
                block = None;
            }
            _ => {}
        }
    }
    Ok(out)
}

/// The position below a field of this many bits.
fn below(block: &str, left: u32, bits: &str) -> Result<u32, String> {
    let bits: u32 = bits
        .parse()
        .map_err(|_| format!("the bitfield block {block} has a field of {bits} bits"))?;
    left.checked_sub(bits)
        .ok_or_else(|| format!("the bitfield block {block} is longer than a word"))
}
