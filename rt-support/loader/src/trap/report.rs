// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a person reads about a trap; the text is modelled after wasmtime's.

use super::{Fault, FaultKind};
use core::fmt;
use wasm_aot_symbols::{ADAPTER_PREFIX, TRAMPOLINE_PREFIX};
use wasm_aot_trap::TrapCode;

/// The most frames in a report.
pub const MAX_FRAMES: usize = 64;

/// A call in progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Name of the module.
    pub module: &'a str,
    /// Name of the function.
    pub function: &'a str,
    /// Index of the function in its module, `None` for code that the compiler made by itself.
    pub wasm_index: Option<u32>,
    /// Byte offset in the WebAssembly module, where known.
    pub wasm_offset: Option<u32>,
}

/// A fault, explained.
#[derive(Clone, Debug)]
pub struct TrapReport<'a> {
    code: Option<TrapCode>,
    /// Module and name of what the trap is about.
    subject: Option<(&'a str, &'a str)>,
    fault: Fault,
    frames: [Frame<'a>; MAX_FRAMES],
    count: usize,
    more: bool,
}

impl<'a> TrapReport<'a> {
    pub(super) fn new(code: Option<TrapCode>, fault: Fault) -> Self {
        let nothing = Frame {
            module: "",
            function: "",
            wasm_index: None,
            wasm_offset: None,
        };
        Self {
            code,
            subject: None,
            fault,
            frames: [nothing; MAX_FRAMES],
            count: 0,
            more: false,
        }
    }

    /// Adds the next outer frame; `false` where there is no room.
    pub(super) fn push(&mut self, frame: Frame<'a>) -> bool {
        // Trampolines are how a host calls, adapters how conventions meet: no program has them.
        let made = [TRAMPOLINE_PREFIX, ADAPTER_PREFIX];
        if frame.wasm_index.is_none() && made.iter().any(|part| frame.function.contains(part)) {
            return true;
        }
        match self.frames.get_mut(self.count) {
            Some(slot) => {
                *slot = frame;
                self.count += 1;
                true
            }
            None => {
                self.more = true;
                false
            }
        }
    }

    /// The trap, or `None` where nothing in the object's tables explains the fault: then it is a
    /// defect of compiler, runtime or host, and not the guest's.
    #[must_use]
    pub fn code(&self) -> Option<TrapCode> {
        self.code
    }

    /// Names what the trap is about: the import that nobody provides, the tag of the exception
    /// that nobody caught.
    #[must_use]
    pub fn about(mut self, module: &'a str, name: &'a str) -> Self {
        self.subject = Some((module, name));
        self
    }

    /// Module and name of what the trap is about, where [`TrapReport::about`] said so.
    #[must_use]
    pub fn subject(&self) -> Option<(&'a str, &'a str)> {
        self.subject
    }

    /// The fault as the hardware reported it.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Calls in progress, innermost first.
    #[must_use]
    pub fn frames(&self) -> &[Frame<'a>] {
        self.frames.get(..self.count).unwrap_or_default()
    }

    /// Whether there are more calls than [`TrapReport::frames`] has.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.more
    }
}

impl fmt::Display for TrapReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "wasm trap: {code}")?,
            None => unexplained(f, &self.fault)?,
        }
        if let Some((module, name)) = self.subject {
            write!(f, ": {module}.{name}")?;
        }
        if self.count > 0 {
            f.write_str("\nwasm backtrace:")?;
        }
        for (number, frame) in self.frames().iter().enumerate() {
            write!(f, "\n{number:>5}: {frame}")?;
        }
        if self.more {
            f.write_str("\n      ... more calls, not shown")?;
        }
        Ok(())
    }
}

impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(offset) = self.wasm_offset {
            write!(f, "{offset:#x} - ")?;
        }
        match self.wasm_index {
            Some(_) => write!(f, "{}!{}", self.module, self.function),
            // The compiler's own names begin with the module's.
            None => f.write_str(self.function),
        }
    }
}

fn unexplained(f: &mut fmt::Formatter<'_>, fault: &Fault) -> fmt::Result {
    let kind = match fault.kind {
        FaultKind::IllegalInstruction => "illegal instruction",
        FaultKind::Divide => "divide error",
        FaultKind::Memory => "memory access",
        FaultKind::Other => "processor exception",
    };
    write!(f, "unexplained fault: {kind}")?;
    if let Some(address) = fault.address {
        write!(f, " to {address:#x}")?;
    }
    write!(
        f,
        " by the instruction at {:#x}; a defect of wasm-aot or of the host, not a trap of the \
         WebAssembly program",
        fault.pc
    )
}
