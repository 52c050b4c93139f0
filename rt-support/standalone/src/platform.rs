// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the kernel gave the process: its arguments and environment.

use core::ffi::{CStr, c_char};
use wasm_aot_linux::platform::Program;

/// `argc`, then `argv`, null, `envp`, null: as the kernel left them on the initial stack.
#[derive(Clone, Copy)]
pub struct Process {
    stack: *const usize,
}

// SAFETY: the strings are never changed.
unsafe impl Sync for Process {}

impl Process {
    /// # Safety
    /// `stack` is the initial stack of the process, which stays as it is.
    pub unsafe fn new(stack: *const usize) -> Self {
        Self { stack }
    }

    /// The program's name, for messages.
    pub fn name(&self) -> &str {
        let name = self.arg(0);
        name.and_then(|name| core::str::from_utf8(name).ok())
            .unwrap_or("program")
    }

    /// A string of the kernel's arrays, from the word `start` on.
    fn string(&self, start: usize, index: usize) -> Option<&[u8]> {
        // SAFETY: the kernel's arrays end with a null pointer, which `arg` and `env` never pass.
        unsafe {
            let word = *self.stack.add(start + index);
            if word == 0 {
                return None;
            }
            Some(CStr::from_ptr(word as *const c_char).to_bytes())
        }
    }

    fn count(&self) -> usize {
        // SAFETY: the first word is `argc`.
        unsafe { *self.stack }
    }
}

impl Program for Process {
    fn arg(&self, index: usize) -> Option<&[u8]> {
        if index >= self.count() {
            return None;
        }
        self.string(1, index)
    }

    fn env(&self, index: usize) -> Option<&[u8]> {
        let start = self.count() + 2;
        // The array may end before.
        (0..index)
            .all(|before| self.string(start, before).is_some())
            .then_some(())?;
        self.string(start, index)
    }
}
