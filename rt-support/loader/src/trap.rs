// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Explains a hardware fault: which trap it is, and how the program got there.
//!
//! The same input gives the same [`TrapReport`] on Linux (signal handler) and on seL4 (fault
//! endpoint), and its `Display` the same text.
//!
//! # What the stack looks like
//!
//! Compiled code that calls, or needs a frame, begins by making one, in which the frame pointer
//! leads to the caller's frame pointer and the return address is eight bytes above that: with
//! `push %rbp; mov %rsp,%rbp` on x86-64, `stp x29, x30, [sp, #-16]!; mov x29, sp` on AArch64, the
//! same in four instructions on RISC-V (`frame`). A function whose [`FunctionRecord::frame_size`]
//! is [`Machine::frameless_bytes`] has pushed nothing. A host function that compiled code calls
//! may keep no frame pointer; then the register is still its caller's, or the walk ends there.
//!
//! [`Machine::frameless_bytes`]: wasm_aot_object::Machine::frameless_bytes

mod frame;
mod report;

use crate::arch::HOST;
use core::ops::Range;
use frame::{Convention, Return};
pub use report::{Frame, MAX_FRAMES, TrapReport};
use wasm_aot_object::meta::{FunctionRecord, Meta, NONE};
use wasm_aot_object::table::{AddressMap, TrapTable};
use wasm_aot_trap::TrapCode;

/// What the processor complained about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// An invalid opcode (`ud2`, `udf`, `unimp`).
    IllegalInstruction,
    /// A divide error.
    Divide,
    /// An access to memory that is not mapped, or not with these rights.
    Memory,
    /// Something that no compiled code causes.
    Other,
}

/// A hardware fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Address of the faulting instruction.
    pub pc: u64,
    /// The address that was accessed, for [`FaultKind::Memory`] where it is known.
    pub address: Option<u64>,
    /// What happened.
    pub kind: FaultKind,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer.
    pub fp: u64,
    /// Link register (`x30`, `ra`); anything on x86-64, which has none.
    pub link: u64,
}

/// The stack of the faulting thread.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Where frames can be.
    pub stack: Range<u64>,
    /// The region below that nobody may touch.
    pub guard: Range<u64>,
}

/// A loaded object.
#[derive(Clone, Copy, Debug)]
pub struct Module<'a> {
    /// Address of `.text`.
    pub text: u64,
    /// Its metadata.
    pub meta: Meta<'a>,
    /// Its trap table.
    pub traps: TrapTable<'a>,
    /// Its address map.
    pub address_map: AddressMap<'a>,
}

impl<'a> Module<'a> {
    /// Bytes from [`Module::text`] to the end of the last function.
    #[must_use]
    pub fn text_size(&self) -> u64 {
        self.meta.functions().last().map_or(0, |function| {
            u64::from(function.text_offset.get()) + u64::from(function.text_size.get())
        })
    }

    /// Offset of an address in this object's text, or `None` where it is elsewhere.
    #[must_use]
    pub fn offset(&self, address: u64) -> Option<u32> {
        let offset = address.checked_sub(self.text)?;
        (offset < self.text_size())
            .then(|| u32::try_from(offset).ok())
            .flatten()
    }

    /// The function around an address, and the offset in the text.
    fn function(&self, address: u64) -> Option<(&'a FunctionRecord, u32)> {
        let offset = self.offset(address)?;
        Some((self.meta.function_at(offset)?, offset))
    }

    /// The calls in progress at an offset in the text of a function, innermost first: those that
    /// have been inlined there, then that of the function.
    fn frames(self, function: &'a FunctionRecord, offset: u32) -> impl Iterator<Item = Frame<'a>> {
        let own = function.wasm_index.get() != NONE;
        let place = self.address_map.lookup(offset).filter(|_| own);
        // Each place but the last lies in a body that has taken the place of the call at the next.
        let mut outer = self.meta.inlined().calls_at(offset);
        let mut next = Some(place);
        core::iter::from_fn(move || {
            let place = next?;
            next = outer.next().map(Some);
            let origin = place.filter(|_| next.is_some());
            let origin = origin.and_then(|place| self.meta.function_of_body(place));
            Some(self.frame(origin.unwrap_or(function), place))
        })
    }

    fn frame(&self, function: &'a FunctionRecord, wasm_offset: Option<u32>) -> Frame<'a> {
        let index = function.wasm_index.get();
        Frame {
            module: self.meta.module_name(),
            function: self.meta.str(function.name),
            wasm_index: (index != NONE).then_some(index),
            wasm_offset,
        }
    }
}

/// Explains a fault.
///
/// `find` gives the loaded object around an address; `read_word` reads eight bytes of the
/// faulting thread's stack, `None` where nothing can be read.
#[must_use]
pub fn explain<'a>(
    fault: &Fault,
    stack: &Stack,
    find: &dyn Fn(u64) -> Option<Module<'a>>,
    read_word: &mut dyn FnMut(u64) -> Option<u64>,
) -> TrapReport<'a> {
    report_as(trap_code(fault, stack, find), fault, stack, find, read_word)
}

/// Like [`explain`], for a trap that the host itself decides on (an unknown import was called).
#[must_use]
pub fn report_as<'a>(
    code: Option<TrapCode>,
    fault: &Fault,
    stack: &Stack,
    find: &dyn Fn(u64) -> Option<Module<'a>>,
    read_word: &mut dyn FnMut(u64) -> Option<u64>,
) -> TrapReport<'a> {
    let mut report = TrapReport::new(code, *fault);
    let mut walk = Walk {
        convention: frame::of(HOST),
        stack,
        find,
        read_word,
    };
    if code == Some(TrapCode::UncaughtException) {
        report = match walk.exception(fault) {
            Some((module, tag)) => report.about(module, tag),
            None => report,
        };
    }
    walk.backtrace(fault, &mut report);
    report
}

/// The trap that a fault is, or `None` where no trap is expected there.
#[must_use]
pub fn trap_code<'a>(
    fault: &Fault,
    stack: &Stack,
    find: &dyn Fn(u64) -> Option<Module<'a>>,
) -> Option<TrapCode> {
    if fault.kind == FaultKind::Memory
        && fault
            .address
            .is_some_and(|address| stack.guard.contains(&address))
    {
        return Some(TrapCode::StackExhausted);
    }
    let module = find(fault.pc)?;
    let code = module.traps.lookup(module.offset(fault.pc)?)?;
    fits(fault.kind, code).then_some(code)
}

/// Whether a trap of this code can show itself by this kind of fault. An illegal instruction can
/// be any (compiled code branches to one).
fn fits(kind: FaultKind, code: TrapCode) -> bool {
    match kind {
        FaultKind::IllegalInstruction => true,
        FaultKind::Divide => matches!(
            code,
            TrapCode::IntegerDivideByZero | TrapCode::IntegerOverflow
        ),
        FaultKind::Memory => !matches!(
            code,
            TrapCode::Unreachable
                | TrapCode::UncaughtException
                | TrapCode::IntegerDivideByZero
                | TrapCode::IntegerOverflow
                | TrapCode::InvalidConversionToInteger
        ),
        FaultKind::Other => false,
    }
}

/// A walk never takes more steps than this, whatever the stack holds.
const MAX_STEPS: usize = 4096;

struct Walk<'a, 'w> {
    convention: Convention,
    stack: &'w Stack,
    find: &'w dyn Fn(u64) -> Option<Module<'a>>,
    read_word: &'w mut dyn FnMut(u64) -> Option<u64>,
}

impl<'a> Walk<'a, '_> {
    /// The tag of an exception that nobody caught: the runtime left it below the stack pointer.
    fn exception(&mut self, fault: &Fault) -> Option<(&'a str, &'a str)> {
        let text = self.word(fault.sp.checked_sub(8)?)?;
        let index = self.word(fault.sp.checked_sub(16)?)?;
        let meta = (self.find)(text)?.meta;
        let tag = meta.tags().get(usize::try_from(index).ok()?)?;
        Some((meta.module_name(), meta.str(tag.name)))
    }

    fn backtrace(&mut self, fault: &Fault, report: &mut TrapReport<'a>) {
        let Some((mut return_address, mut fp)) = self.innermost(fault, report) else {
            return;
        };
        for _ in 0..MAX_STEPS {
            // The call is the instruction before the return address.
            let Some(call) = return_address.checked_sub(1) else {
                return;
            };
            let module = (self.find)(call);
            if let Some(module) = module
                && let Some((function, offset)) = module.function(call)
                && !module
                    .frames(function, offset)
                    .all(|frame| report.push(frame))
            {
                return;
            }
            match self.caller(fp) {
                Some(next) => (return_address, fp) = next,
                None => return,
            }
        }
    }

    /// Reports the frame in which the fault happened; gives the return address out of it and its
    /// caller's frame pointer.
    fn innermost(&mut self, fault: &Fault, report: &mut TrapReport<'a>) -> Option<(u64, u64)> {
        let module = (self.find)(fault.pc);
        let found = module.and_then(|module| Some((module, module.function(fault.pc)?)));
        let Some((module, (function, offset))) = found else {
            // Host code. Where the return address of a function that has pushed nothing leads
            // into compiled code, it was called from there.
            let direct = self.outside(fault, self.convention.called);
            let direct = direct.filter(|&(address, _)| {
                let call = address.wrapping_sub(1);
                (self.find)(call).is_some_and(|module| module.function(call).is_some())
            });
            return direct.or_else(|| self.caller(fault.fp));
        };
        module
            .frames(function, offset)
            .all(|frame| report.push(frame));
        let inside = offset - function.text_offset.get();
        let place = if function.frame_size.get() == self.convention.machine.frameless_bytes() {
            self.convention.called
        } else {
            (self.convention.within)(inside, module.meta.cpu_features())
        };
        self.outside(fault, place)
    }

    /// The return address out of the innermost function, and its caller's frame pointer.
    fn outside(&mut self, fault: &Fault, place: Return) -> Option<(u64, u64)> {
        match place {
            Return::Stack(distance) => {
                Some((self.word(fault.sp.checked_add(distance)?)?, fault.fp))
            }
            Return::Link => Some((fault.link, fault.fp)),
            Return::Frame => self.caller(fault.fp),
        }
    }

    /// The return address out of the frame at `fp`, and the caller's frame pointer, which is
    /// above it.
    fn caller(&mut self, fp: u64) -> Option<(u64, u64)> {
        let caller = self.word(fp)?;
        let return_address = self.word(fp.checked_add(8)?)?;
        // A null frame pointer ends the chain; the return address out of the last frame counts.
        (return_address != 0 && (caller > fp || caller == 0)).then_some((return_address, caller))
    }

    fn word(&mut self, address: u64) -> Option<u64> {
        let end = address.checked_add(8)?;
        let inside = address >= self.stack.stack.start && end <= self.stack.stack.end;
        if !inside || !address.is_multiple_of(8) {
            return None;
        }
        (self.read_word)(address)
    }
}
