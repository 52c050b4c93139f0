// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the kernel tells a program about the machine (getauxval(3)), without a C library that has
//! kept it.

use rustix::fs::{CWD, Mode, OFlags, openat};

/// Processor features, first and second word (`linux/auxvec.h`).
pub const HWCAP: u64 = 16;
#[cfg(target_arch = "aarch64")]
pub const HWCAP2: u64 = 26;

/// The value of an entry, 0 where there is none.
pub fn read(key: u64) -> u64 {
    // Some 20 pairs of words; 64 have room.
    let mut bytes = [0; 1024];
    let Ok(file) = openat(CWD, "/proc/self/auxv", OFlags::RDONLY, Mode::empty()) else {
        return 0;
    };
    let mut length = 0;
    while let Some(room) = bytes.get_mut(length..) {
        match rustix::io::read(&file, room) {
            Ok(0) | Err(_) => break,
            Ok(count) => length += count,
        }
    }
    let (words, _) = bytes.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    let entry = pairs.iter().find(|[k, _]| u64::from_ne_bytes(*k) == key);
    entry.map_or(0, |[_, value]| u64::from_ne_bytes(*value))
}
