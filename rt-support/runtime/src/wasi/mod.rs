// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! WASI preview 1 (`wasi_snapshot_preview1`), and its predecessor `wasi_unstable`.
//!
//! Layouts and numbers are those of `typenames.witx` and `wasi_snapshot_preview1.witx`.
//! `wasi_unstable` is the same but for four functions with another layout (`fd_seek`,
//! `fd_filestat_get`, `path_filestat_get`, `poll_oneoff`), which have a variant here, and for
//! `sock_accept`, which it does not have.
//!
//! Every pointer of the program is checked against its memory; a wrong one is [`Errno::FAULT`].
//! Sockets are inherited or accepted, never opened.

mod abi;
mod args;
mod clock;
mod dir;
mod fd;
mod io;
mod memory;
mod path;
mod poll;
mod sock;

use crate::errno::{Errno, Result};
use crate::export::{Export, Signature, Value};
use crate::platform::{self, Platform};
use abi::Dialect;
pub use memory::{Memory, Range};
use wasm_aot_object::descriptor::MemoryDescriptor;

/// The WASI state of a running program: its memory and its descriptors.
#[derive(Debug)]
pub struct Wasi {
    memory: *const MemoryDescriptor,
    fds: fd::Table,
}

impl Wasi {
    /// The state of a program whose memory has this descriptor (null where it exports none; then
    /// every pointer is wrong), with the standard streams and the platform's directories open.
    ///
    /// # Safety
    /// The descriptor stays, and describes a memory that stays, as long as the state is used.
    #[must_use]
    pub unsafe fn new(platform: &dyn Platform, memory: *const MemoryDescriptor) -> Self {
        Self {
            memory,
            fds: fd::Table::new(platform),
        }
    }

    /// The program is over: closes what it has left open, also of what it was given.
    pub fn end(&mut self, platform: &dyn Platform) {
        self.fds.end(platform);
    }

    /// Says on which memory the functions work from now on: that of the instance which calls
    /// them, where several of a program do.
    ///
    /// # Safety
    /// As for [`Wasi::new`].
    pub unsafe fn use_memory(&mut self, memory: *const MemoryDescriptor) {
        self.memory = memory;
    }
}

/// What a WASI function works with.
struct Call<'a> {
    platform: &'a dyn Platform,
    fds: &'a mut fd::Table,
    memory: Memory,
}

/// Runs a WASI function and gives its error number.
fn call(function: impl FnOnce(&mut Call<'_>) -> Result<()>) -> u32 {
    let run = || {
        let platform = platform::current().ok_or(Errno::NOSYS)?;
        let mut state = platform.wasi().ok_or(Errno::NOSYS)?;
        // SAFETY: `Platform::wasi` gives the state of the program on this thread, which is the
        // one that calls; no other reference to it exists, WASI functions do not nest.
        let state = unsafe { state.as_mut() };
        // SAFETY: `Wasi::new` demands that the descriptor is right.
        let memory = unsafe { Memory::new(state.memory) };
        function(&mut Call {
            platform,
            fds: &mut state.fds,
            memory,
        })
    };
    match run() {
        Ok(()) => 0,
        Err(errno) => errno.0.into(),
    }
}

/// The value type of a parameter.
trait Parameter {
    const TYPE: Value;
}

impl Parameter for u32 {
    const TYPE: Value = Value::I32;
}

impl Parameter for u64 {
    const TYPE: Value = Value::I64;
}

/// Defines the C functions, and the table of them. A module path, then for each function its
/// name, its parameters, and the method of [`Call`] that does it.
macro_rules! functions {
    ($($module:literal $space:ident {
        $($name:ident($($parameter:ident: $ty:ident),*) => $method:ident($($argument:expr),*);)*
    })*) => {
        $(mod $space {
            #![doc = concat!("The C functions of `", $module, "`.")]
            use super::*;
            $(
                #[cfg_attr(
                    feature = "symbols",
                    unsafe(export_name = concat!($module, ".", stringify!($name)))
                )]
                pub extern "C" fn $name($($parameter: $ty),*) -> u32 {
                    call(|call| call.$method($($argument),*))
                }
            )*
            #[cfg_attr(
                feature = "symbols",
                unsafe(export_name = concat!($module, ".proc_exit"))
            )]
            pub extern "C" fn proc_exit(code: u32) {
                if let Some(platform) = platform::current() {
                    platform.exit(code);
                }
            }
        })*

        /// Every function, by its symbol.
        pub static EXPORTS: &[Export] = &[
            $(
                Export {
                    symbol: concat!($module, ".proc_exit"),
                    signature: Some(Signature { params: &[Value::I32], results: &[] }),
                    address: $space::proc_exit as *const (),
                },
                $(Export {
                    symbol: concat!($module, ".", stringify!($name)),
                    signature: Some(Signature {
                        params: &[$(<$ty as Parameter>::TYPE),*],
                        results: &[Value::I32],
                    }),
                    address: $space::$name as *const (),
                },)*
            )*
        ];
    };
}

include!("functions.rs");
