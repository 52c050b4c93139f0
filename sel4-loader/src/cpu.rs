// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What of this processor apps can use: an FXSAVE kernel does not keep wide registers apart
//! between threads.

use core::arch::x86_64::__cpuid;
use sel4::sys::CONFIG_FXSAVE;
use wasm_aot_loader::cpu::x86_64::{has as processor_has, is_wide};

/// Whether apps can use a feature: the processor has it, and the kernel keeps its registers.
pub fn has(name: &str) -> bool {
    processor_has(name) && !(CONFIG_FXSAVE && is_wide(name))
}

/// Whether a feature is missing because of the kernel's configuration alone.
pub fn kernel_lacks(name: &str) -> bool {
    processor_has(name) && CONFIG_FXSAVE && is_wide(name)
}

/// Whether there is RDRAND.
pub fn has_rdrand() -> bool {
    __cpuid(1).ecx >> 30 & 1 != 0
}
