// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What an x86-64 processor has, in the names that Cranelift gives to features.

use Register::{Eax, Ebx, Ecx};
use core::arch::x86_64::{__cpuid_count, __get_cpuid_max};

/// Where CPUID shows a feature.
struct Feature {
    name: &'static str,
    leaf: u32,
    subleaf: u32,
    register: Register,
    bit: u32,
    /// It needs registers wider than 16 bytes.
    wide: bool,
}

/// A register of CPUID's answer.
enum Register {
    Eax,
    Ebx,
    Ecx,
}

const fn feature(name: &'static str, leaf: u32, register: Register, bit: u32) -> Feature {
    Feature {
        name,
        leaf,
        subleaf: 0,
        register,
        bit,
        wide: false,
    }
}

const fn wide(name: &'static str, leaf: u32, register: Register, bit: u32) -> Feature {
    Feature {
        name,
        leaf,
        subleaf: 0,
        register,
        bit,
        wide: true,
    }
}

/// Intel Software Developer's Manual, volume 2, CPUID.
const FEATURES: &[Feature] = &[
    feature("has_sse3", 1, Ecx, 0),
    feature("has_ssse3", 1, Ecx, 9),
    wide("has_fma", 1, Ecx, 12),
    feature("has_cmpxchg16b", 1, Ecx, 13),
    feature("has_sse41", 1, Ecx, 19),
    feature("has_sse42", 1, Ecx, 20),
    feature("has_popcnt", 1, Ecx, 23),
    wide("has_avx", 1, Ecx, 28),
    feature("has_bmi1", 7, Ebx, 3),
    wide("has_avx2", 7, Ebx, 5),
    feature("has_bmi2", 7, Ebx, 8),
    wide("has_avx512f", 7, Ebx, 16),
    wide("has_avx512dq", 7, Ebx, 17),
    wide("has_avx512vl", 7, Ebx, 31),
    wide("has_avx512vbmi", 7, Ecx, 1),
    wide("has_avx512vnni", 7, Ecx, 11),
    wide("has_avx512bitalg", 7, Ecx, 12),
    Feature {
        subleaf: 1,
        ..wide("has_avx_vnni", 7, Eax, 4)
    },
    feature("has_lzcnt", 0x8000_0001, Ecx, 5),
];

impl Feature {
    fn is_present(&self) -> bool {
        if __get_cpuid_max(self.leaf & 0x8000_0000).0 < self.leaf {
            return false;
        }
        // Of leaf 7, subleaf 0 says in EAX which other ones there are.
        if self.subleaf > 0 && __cpuid_count(self.leaf, 0).eax < self.subleaf {
            return false;
        }
        let answer = __cpuid_count(self.leaf, self.subleaf);
        let word = match self.register {
            Eax => answer.eax,
            Ebx => answer.ebx,
            Ecx => answer.ecx,
        };
        word >> self.bit & 1 != 0
    }
}

fn find(name: &str) -> Option<&'static Feature> {
    FEATURES.iter().find(|feature| feature.name == name)
}

/// Whether the processor has a feature. Whether the system keeps the registers of a
/// [wide](is_wide) one apart between threads is another question.
#[must_use]
pub fn has(name: &str) -> bool {
    find(name).is_some_and(Feature::is_present)
}

/// Whether a feature uses registers wider than 16 bytes.
#[must_use]
pub fn is_wide(name: &str) -> bool {
    find(name).is_some_and(|feature| feature.wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_standard_library_says() {
        for (name, detected) in [
            ("has_sse3", std::is_x86_feature_detected!("sse3")),
            ("has_sse42", std::is_x86_feature_detected!("sse4.2")),
            ("has_popcnt", std::is_x86_feature_detected!("popcnt")),
            (
                "has_cmpxchg16b",
                std::is_x86_feature_detected!("cmpxchg16b"),
            ),
            ("has_bmi2", std::is_x86_feature_detected!("bmi2")),
            ("has_lzcnt", std::is_x86_feature_detected!("lzcnt")),
        ] {
            assert_eq!(has(name), detected, "{name}");
            assert!(!is_wide(name));
        }
        // The standard library says no where the system does not keep the registers.
        for (name, detected) in [
            ("has_avx2", std::is_x86_feature_detected!("avx2")),
            ("has_avx512f", std::is_x86_feature_detected!("avx512f")),
            (
                "has_avx512vnni",
                std::is_x86_feature_detected!("avx512vnni"),
            ),
            ("has_avx_vnni", std::is_x86_feature_detected!("avxvnni")),
        ] {
            assert!(has(name) || !detected, "{name}");
            assert!(is_wide(name));
        }
        assert!(!has("has_time_travel"));
    }
}
