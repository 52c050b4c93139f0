// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The features of WebAssembly: which can be compiled, which are on unless told otherwise, and how
//! people spell them (as wasmtime's `-W` does).

use wasmparser::WasmFeatures;

/// The features that can be turned on at all.
pub const SUPPORTED_FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::WIDE_ARITHMETIC)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::GC)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::THREADS)
    .union(WasmFeatures::CUSTOM_PAGE_SIZES);

/// The features with which modules are validated unless told otherwise: all of WebAssembly 3.0
/// that is supported. (The parser's list for 3.0 has threads, the specification has not.)
pub const DEFAULT_FEATURES: WasmFeatures = SUPPORTED_FEATURES
    .intersection(WasmFeatures::WASM3)
    .difference(WasmFeatures::THREADS);

/// Parts of the specification that the parser can leave out but no user would call a feature, and
/// parts of features that have flags of their own.
const UNNAMED: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
    .union(WasmFeatures::BULK_MEMORY_OPT);

/// The features of a set that have a name, with it.
fn named(features: WasmFeatures) -> impl Iterator<Item = (String, WasmFeatures)> {
    features
        .iter_names()
        .filter(|&(_, feature)| !UNNAMED.contains(feature))
        .map(|(name, feature)| (spell(name), feature))
}

/// The parser's name as the command line, messages and the metadata spell it.
fn spell(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// The names of features, separated by blanks.
pub fn names(features: WasmFeatures) -> String {
    let names: Vec<String> = named(features).map(|(name, _)| name).collect();
    names.join(" ")
}

/// Turns features on or off as a list says: `FEATURE`, `FEATURE=y` or `FEATURE=n` (also `yes`,
/// `true`, `no`, `false`), separated by commas, applied from left to right. `all` (or
/// `all-proposals`) is everything that is supported.
///
/// # Errors
/// For a name that is unknown or not supported, or another value.
pub fn apply(features: &mut WasmFeatures, list: &str) -> Result<(), String> {
    for item in list.split(',') {
        let (name, value) = item.split_once('=').unwrap_or((item, "y"));
        let on = match value {
            "y" | "yes" | "true" => true,
            "n" | "no" | "false" => false,
            other => return Err(format!("`{name}={other}`: the value must be y or n")),
        };
        let feature = match name {
            "all" | "all-proposals" => {
                named(SUPPORTED_FEATURES).fold(WasmFeatures::empty(), |all, (_, f)| all | f)
            }
            _ => match named(SUPPORTED_FEATURES).find(|(known, _)| known == name) {
                Some((_, feature)) => feature,
                None => {
                    let known: Vec<String> =
                        named(SUPPORTED_FEATURES).map(|(name, _)| name).collect();
                    return Err(format!(
                        "no feature `{name}`; those that can be chosen are all, {}",
                        known.join(", ")
                    ));
                }
            },
        };
        features.set(feature, on);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(list: &str) -> WasmFeatures {
        let mut features = DEFAULT_FEATURES;
        apply(&mut features, list).unwrap();
        features
    }

    #[test]
    fn lists_are_applied_from_left_to_right() {
        assert_eq!(applied("multi-value=n,multi-value=y"), DEFAULT_FEATURES);
        assert!(!applied("sign-extension=false,multi-value=no").multi_value());
        assert_eq!(applied("all"), SUPPORTED_FEATURES);
        assert_eq!(names(applied("all=n,bulk-memory")), "bulk-memory");
    }

    #[test]
    fn what_is_unknown_is_refused_by_name() {
        let mut features = DEFAULT_FEATURES;
        let error = |list: &str, features: &mut _| apply(features, list).unwrap_err();
        assert!(error("smid", &mut features).contains("no feature `smid`"));
        assert!(error("component-model", &mut features).contains("those that can be chosen"));
        assert!(error("floats=n", &mut features).contains("no feature `floats`"));
        assert!(error("bulk-memory=maybe", &mut features).contains("y or n"));
        assert!(error("", &mut features).contains("no feature ``"));
    }

    #[test]
    fn the_default_is_part_of_what_is_supported() {
        assert!(SUPPORTED_FEATURES.contains(DEFAULT_FEATURES));
    }
}
