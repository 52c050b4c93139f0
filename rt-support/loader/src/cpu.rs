// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whether this processor can run an object's code.

#[cfg(target_arch = "x86_64")]
pub mod x86_64;

use crate::error::LoadError;
use wasm_aot_object::meta::Meta;

/// Checks the processor features that an object needs; `has` answers for one feature, named as
/// Cranelift names it (`has_sse41`), and says no where it does not know the name.
///
/// # Errors
/// [`LoadError::Cpu`] with the first feature that is missing.
pub fn check_cpu<'a>(meta: &Meta<'a>, has: &dyn Fn(&str) -> bool) -> Result<(), LoadError<'a>> {
    let mut features = meta.cpu_features().split_ascii_whitespace();
    match features.find(|feature| !has(feature)) {
        Some(feature) => Err(LoadError::Cpu { feature }),
        None => Ok(()),
    }
}
