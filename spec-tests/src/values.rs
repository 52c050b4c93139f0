// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Arguments and expected results of a script, as 64-bit words.

use wast::core::{NanPattern, WastArgCore, WastRetCore};
use wast::{WastArg, WastRet};

/// The bits of an argument. A host reference is its number plus one: zero is null.
pub fn argument(argument: &WastArg<'_>) -> Result<u64, String> {
    let WastArg::Core(core) = argument else {
        return Err(format!("unsupported argument {argument:?}"));
    };
    Ok(match core {
        WastArgCore::I32(value) => u64::from(*value as u32),
        WastArgCore::I64(value) => *value as u64,
        WastArgCore::F32(value) => value.bits.into(),
        WastArgCore::F64(value) => value.bits,
        WastArgCore::RefNull(_) => 0,
        WastArgCore::RefExtern(number) | WastArgCore::RefHost(number) => u64::from(*number) + 1,
        WastArgCore::V128(_) => return Err("unsupported argument v128".into()),
    })
}

/// Whether a result is what the script expects; the result's bits above its type are undefined.
pub fn matches(expected: &WastRet<'_>, found: u64) -> Result<bool, String> {
    let WastRet::Core(core) = expected else {
        return Err(format!("unsupported result {expected:?}"));
    };
    core_matches(core, found)
}

fn core_matches(expected: &WastRetCore<'_>, found: u64) -> Result<bool, String> {
    Ok(match expected {
        WastRetCore::I32(value) => *value as u32 == found as u32,
        WastRetCore::I64(value) => *value as u64 == found,
        WastRetCore::F32(pattern) => {
            let bits = found as u32;
            match pattern {
                NanPattern::Value(value) => value.bits == bits,
                NanPattern::CanonicalNan => bits & 0x7fff_ffff == 0x7fc0_0000,
                NanPattern::ArithmeticNan => bits & 0x7fc0_0000 == 0x7fc0_0000,
            }
        }
        WastRetCore::F64(pattern) => match pattern {
            NanPattern::Value(value) => value.bits == found,
            NanPattern::CanonicalNan => found & !(1 << 63) == 0x7ff8 << 48,
            NanPattern::ArithmeticNan => found & (0x7ff8 << 48) == 0x7ff8 << 48,
        },
        WastRetCore::RefNull(_) => found == 0,
        WastRetCore::RefExtern(None) | WastRetCore::RefFunc(None) => found != 0,
        WastRetCore::RefExtern(Some(number)) => found == u64::from(*number) + 1,
        WastRetCore::Either(choices) => {
            for choice in choices {
                if core_matches(choice, found)? {
                    return Ok(true);
                }
            }
            false
        }
        other => return Err(format!("unsupported result {other:?}")),
    })
}
