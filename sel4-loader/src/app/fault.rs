// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the end of an app means, and the report that a person gets.

use super::Running;
use super::serve::End;
use crate::Loader;
use crate::vspace::PAGE;
use sel4::sys;
use sel4_boot::space;
use wasm_aot_loader::trap::{self, Fault, FaultKind, Stack, TrapReport};
use wasm_aot_trap::TrapCode;

/// Interrupt vectors (Intel Software Developer's Manual, volume 3, "Exception and Interrupt
/// Reference").
const DIVIDE_ERROR: u64 = 0;
const INVALID_OPCODE: u64 = 6;

/// Explains the end of an app whose thread is stopped where it happened.
pub fn report<'a>(loader: &Loader, app: &Running<'a>, end: &End) -> TrapReport<'a> {
    match end {
        End::Fault(label, words) => {
            let (kind, address) = kind(*label, words);
            explain(loader, app, &registers(app, kind, address), None)
        }
        End::Trap(code) => decided(loader, app, *code),
        End::Exit(_) | End::Returned => decided(loader, app, None),
    }
}

/// The report of a trap that the app's runtime decided on.
fn decided<'a>(loader: &Loader, app: &Running<'a>, code: Option<TrapCode>) -> TrapReport<'a> {
    let fault = registers(app, FaultKind::Other, None);
    explain(loader, app, &fault, Some(code))
}

/// What the kernel says of a fault.
fn kind(label: u64, words: &[u64; 4]) -> (FaultKind, Option<u64>) {
    let word = |number: u64| words.get(number as usize).copied().unwrap_or(0);
    match label {
        sys::seL4_Fault_VMFault => (FaultKind::Memory, Some(word(sys::seL4_VMFault_Addr))),
        sys::seL4_Fault_UserException => match word(sys::seL4_UserException_Number) {
            DIVIDE_ERROR => (FaultKind::Divide, None),
            INVALID_OPCODE => (FaultKind::IllegalInstruction, None),
            _ => (FaultKind::Other, None),
        },
        sys::seL4_Fault_CapFault => (FaultKind::Other, Some(word(sys::seL4_CapFault_Addr))),
        _ => (FaultKind::Other, None),
    }
}

fn registers(app: &Running<'_>, kind: FaultKind, address: Option<u64>) -> Fault {
    let count = sys::seL4_UserContext::WORDS as u64;
    // A thread that has just sent a message exists: without registers the report is only shorter.
    let registers = sys::seL4_TCB_ReadRegisters(app.tcb, 0, 0, count).unwrap_or_default();
    Fault {
        pc: registers.rip,
        address,
        kind,
        sp: registers.rsp,
        fp: registers.rbp,
        link: 0,
    }
}

fn explain<'a>(
    loader: &Loader,
    app: &Running<'a>,
    fault: &Fault,
    decided: Option<Option<TrapCode>>,
) -> TrapReport<'a> {
    let bottom = app.stack.bottom;
    let stack = Stack {
        stack: bottom..space::STACK_TOP,
        guard: bottom - space::STACK_GUARD..bottom,
    };
    let find = |address: u64| app.space.module(address);
    let mut read = |address: u64| {
        // The walk stays inside the stack, whose frames are consecutive.
        let offset = address.checked_sub(bottom)?;
        let mut peek = loader.peek.try_borrow_mut().ok()?;
        let inside = address < space::STACK_TOP;
        inside.then(|| peek.word(app.stack.first_frame + offset / PAGE, offset % PAGE))?
    };
    match (decided, app.space.stub(fault.pc)) {
        (Some(code), _) => trap::report_as(code, fault, &stack, &find, &mut read),
        // Only the stand-in of an import that nobody provides is there.
        (None, Some((object, import))) => {
            let (meta, code) = (object.meta(), Some(TrapCode::UnknownImport));
            trap::report_as(code, fault, &stack, &find, &mut read)
                .about(meta.str(import.module), meta.str(import.name))
        }
        (None, None) => trap::explain(fault, &stack, &find, &mut read),
    }
}
