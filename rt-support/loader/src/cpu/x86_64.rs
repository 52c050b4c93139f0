// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What an x86-64 processor has, in the names that Cranelift gives to features.

use core::arch::x86_64::{__cpuid_count, __get_cpuid_max};

/// Where CPUID shows a feature: leaf, register (1 EBX, 2 ECX), bit; whether it needs
/// registers wider than 16 bytes.
struct Feature(&'static str, u32, u32, u32, bool);

/// Intel Software Developer's Manual, volume 2, CPUID.
const FEATURES: &[Feature] = &[
    Feature("has_sse3", 1, 2, 0, false),
    Feature("has_ssse3", 1, 2, 9, false),
    Feature("has_fma", 1, 2, 12, true),
    Feature("has_cmpxchg16b", 1, 2, 13, false),
    Feature("has_sse41", 1, 2, 19, false),
    Feature("has_sse42", 1, 2, 20, false),
    Feature("has_popcnt", 1, 2, 23, false),
    Feature("has_avx", 1, 2, 28, true),
    Feature("has_bmi1", 7, 1, 3, false),
    Feature("has_avx2", 7, 1, 5, true),
    Feature("has_bmi2", 7, 1, 8, false),
    Feature("has_avx512f", 7, 1, 16, true),
    Feature("has_avx512dq", 7, 1, 17, true),
    Feature("has_avx512vl", 7, 1, 31, true),
    Feature("has_avx512vbmi", 7, 2, 1, true),
    Feature("has_avx512bitalg", 7, 2, 12, true),
    Feature("has_lzcnt", 0x8000_0001, 2, 5, false),
];

fn bit(leaf: u32, register: u32, bit: u32) -> bool {
    if __get_cpuid_max(leaf & 0x8000_0000).0 < leaf {
        return false;
    }
    let answer = __cpuid_count(leaf, 0);
    let word = if register == 1 {
        answer.ebx
    } else {
        answer.ecx
    };
    word >> bit & 1 != 0
}

/// Whether the processor has a feature. Whether the system keeps the registers of a
/// [wide](is_wide) one apart between threads is another question.
#[must_use]
pub fn has(name: &str) -> bool {
    let feature = FEATURES.iter().find(|feature| feature.0 == name);
    feature.is_some_and(|f| bit(f.1, f.2, f.3))
}

/// Whether a feature uses registers wider than 16 bytes.
#[must_use]
pub fn is_wide(name: &str) -> bool {
    let feature = FEATURES.iter().find(|feature| feature.0 == name);
    feature.is_some_and(|f| f.4)
}
