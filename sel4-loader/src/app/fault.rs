// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a fault message means, and the report that a person gets.

use super::Running;
use crate::Loader;
use crate::vspace::PAGE;
use sel4::sys;
use sel4::syscall::Received;
use sel4_boot::frame::Kind;
use sel4_boot::space;
use wasm_aot_loader::trap::{self, Fault, FaultKind, Stack};
use wasm_aot_trap::TrapCode;

/// Interrupt vectors (Intel Software Developer's Manual, volume 3, "Exception and Interrupt
/// Reference").
const DIVIDE_ERROR: u64 = 0;
const INVALID_OPCODE: u64 = 6;

/// Reports a fault that the kernel sent.
pub fn report(loader: &mut Loader, app: &Running<'_>, received: &Received) {
    let word = |number: u64| {
        received
            .registers
            .get(number as usize)
            .copied()
            .unwrap_or(0)
    };
    let (kind, address) = match received.info.label() {
        sys::seL4_Fault_VMFault => (FaultKind::Memory, Some(word(sys::seL4_VMFault_Addr))),
        sys::seL4_Fault_UserException => match word(sys::seL4_UserException_Number) {
            DIVIDE_ERROR => (FaultKind::Divide, None),
            INVALID_OPCODE => (FaultKind::IllegalInstruction, None),
            _ => (FaultKind::Other, None),
        },
        sys::seL4_Fault_CapFault => (FaultKind::Other, Some(word(sys::seL4_CapFault_Addr))),
        _ => (FaultKind::Other, None),
    };
    let fault = registers(app, kind, address);
    explain(loader, app, &fault, None);
}

/// Reports a trap that the app's runtime decided on.
pub fn report_as(loader: &mut Loader, app: &Running<'_>, code: Option<TrapCode>) {
    let fault = registers(app, FaultKind::Other, None);
    explain(loader, app, &fault, Some(code));
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

fn explain(
    loader: &mut Loader,
    app: &Running<'_>,
    fault: &Fault,
    decided: Option<Option<TrapCode>>,
) {
    let bottom = app.stack.bottom;
    let stack = Stack {
        stack: bottom..space::STACK_TOP,
        guard: bottom - space::STACK_GUARD..bottom,
    };
    let find = |pc| app.module.offset(pc).map(|_| app.module);
    let peek = &mut loader.peek;
    let mut read = |address: u64| {
        // The walk stays inside the stack, whose frames are consecutive.
        let offset = address.checked_sub(bottom)?;
        let inside = address < space::STACK_TOP;
        inside.then(|| peek.word(app.stack.first_frame + offset / PAGE, offset % PAGE))?
    };
    let stub = fault.pc.checked_sub(space::OBJECT);
    let stub = stub.and_then(|offset| app.object.stub(offset));
    let report = match decided {
        // Only the stand-in of an import that nobody provides is there.
        None if let Some(import) = stub => {
            let (meta, code) = (app.object.meta(), Some(TrapCode::UnknownImport));
            trap::report_as(code, fault, &stack, &find, &mut read)
                .about(meta.str(import.module), meta.str(import.name))
        }
        None => trap::explain(fault, &stack, &find, &mut read),
        Some(code) => trap::report_as(code, fault, &stack, &find, &mut read),
    };
    loader.peek.close();
    loader
        .output
        .text(Kind::Trap, app.index, format_args!("{report}"));
}
