// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A file of shared memory as words: the one place with `unsafe`.

use anyhow::{Context, Result, bail};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use wasm_aot_protocol::transport::shared::MIN_WINDOW;

/// More is not mapped, bytes: what is behind is of no use.
const MAX_WINDOW: u64 = 16 << 20;

/// Maps a file, for as long as the process is there.
///
/// # Errors
/// Where it cannot be mapped, or is too small.
pub fn map(path: &Path) -> Result<&'static [AtomicU64]> {
    let cannot = || format!("cannot use {}", path.display());
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .open(path)
        .with_context(cannot)?;
    let length = file.metadata().with_context(cannot)?.len().min(MAX_WINDOW);
    if length < MIN_WINDOW as u64 {
        bail!(
            "{}: it has {length} bytes, at least {MIN_WINDOW} are needed",
            cannot()
        );
    }
    let length = length as usize / 4096 * 4096;
    let (read_write, shared) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
    // SAFETY: the kernel chooses a place that nothing else has. The mapping is never taken away.
    let start = unsafe { mmap(std::ptr::null_mut(), length, read_write, shared, &file, 0) };
    let start = start.with_context(cannot)?;
    // SAFETY: the memory begins at a page and is there for good; every value is one of an
    // `AtomicU64`; this process and the other machine access it by atomic loads and stores only.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>(), length / 8) })
}
