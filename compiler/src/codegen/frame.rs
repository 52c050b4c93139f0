// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a function puts on the stack.

use cranelift_codegen::CompiledCode;
use wasm_aot_object::Machine;

/// The code that makes a frame (`rt-support/loader/src/trap/frame` relies on it): pushes the
/// caller's frame pointer and the return address, lets the frame pointer point at them.
fn prologues(machine: Machine) -> &'static [&'static [u8]] {
    match machine {
        // push rbp; mov rbp, rsp
        Machine::X86_64 => &[&[0x55, 0x48, 0x89, 0xe5]],
        // stp x29, x30, [sp, #-16]!; mov x29, sp
        Machine::Aarch64 => &[&[0xfd, 0x7b, 0xbf, 0xa9, 0xfd, 0x03, 0x00, 0x91]],
        // addi sp, sp, -16; sd ra, 8(sp); sd s0, 0(sp); mv s0, sp; plain and compressed
        Machine::Riscv64 => &[
            &[
                0x13, 0x01, 0x01, 0xff, 0x23, 0x34, 0x11, 0x00, 0x23, 0x30, 0x81, 0x00, 0x13, 0x04,
                0x01, 0x00,
            ],
            &[0x7d, 0x71, 0x06, 0xe4, 0x22, 0xe0, 0x0a, 0x84],
        ],
    }
}

/// Bytes of stack: from the lowest address of the frame up to and including the return address.
/// A function without prologue has pushed nothing.
///
/// # Panics
/// Where a function keeps things on the stack without the prologue that trap reports count on.
pub fn size(compiled: &CompiledCode, machine: Machine) -> u32 {
    let layout = compiled
        .buffer
        .frame_layout()
        .expect("every function has a layout");
    let code = compiled.buffer.data();
    if prologues(machine).iter().any(|p| code.starts_with(p)) {
        return layout.frame_to_fp_offset + 16;
    }
    assert!(
        layout.frame_to_fp_offset == 0,
        "a frame without its prologue: {:02x?}",
        &code[..code.len().min(16)]
    );
    machine.frameless_bytes()
}
