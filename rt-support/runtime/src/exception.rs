// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Throwing: the walk from a `throw` to the catch clause that takes the exception, and the jump
//! there.
//!
//! Compiled code calls [`throw`] with an exception, an object in the heap whose first field is the
//! address of its tag. Its frames are found by the chain of frame pointers; the handlers of a call
//! by its return address, in the table of the object that the caller belongs to; a clause catches
//! by the tag's address. Handlers expect the exception in the first result register and nothing
//! in any other: the walk restores the stack pointer and the frame pointer and nothing else, and
//! needs no unwind information. Objects without handlers, registered or not, are passed through.
//! A host on the way ends the walk: it was entered with a frame pointer of 0.
//!
//! Where nobody catches, [`throw`] returns and compiled code traps. The two words below the
//! stack pointer then are the tag ([`wasm_aot_object::descriptor::Tag`]), for the trap's report.

use crate::heap::with_records;
use wasm_aot_gc::Frame;
use wasm_aot_gc::roots::Records;
use wasm_aot_object::descriptor::{EXCEPTION_TAG_OFFSET, Tag};
use wasm_aot_object::handlers::Handlers;

/// What [`throw`] and [`find`] tell each other, on the stack of the former. The code of each
/// architecture knows the offsets.
#[repr(C)]
struct Throw {
    exception: u64,
    /// In: the return address into the frame that throws. Out: the handler, or unchanged.
    pc: u64,
    /// In: that frame's frame pointer. Out: that of the frame with the handler, or the tag's index.
    fp: u64,
    /// Out: the stack pointer of the frame with the handler, or the tag's text address.
    sp: u64,
}

/// A catch clause that takes the exception, and the frame that it is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Handler {
    pc: u64,
    sp: u64,
    fp: u64,
}

/// Throws an exception; returns where nobody catches it. See `Runtime::Throw`.
///
/// # Safety
/// Compiled code calls it, in the convention of tail calls, with an exception.
#[cfg_attr(feature = "symbols", unsafe(export_name = "wasm_aot_throw"))]
#[unsafe(naked)]
pub unsafe extern "C" fn throw() {
    // The return address on the stack becomes the last field of a `Throw`.
    #[cfg(target_arch = "x86_64")]
    core::arch::naked_asm!(
        "mov rax, [rsp]",
        "push rbp",
        "push rax",
        "push rdi",
        "mov rdi, rsp",
        "call {find}",
        "test al, al",
        "pop rax",
        "pop rcx",
        "jz 2f",
        "xor edx, edx",
        "pop rbp",
        "pop rsp",
        "jmp rcx",
        "2:",
        "add rsp, 16",
        "jmp rcx",
        find = sym find,
    );
    // The first argument of the convention of tail calls is in x2.
    #[cfg(target_arch = "aarch64")]
    core::arch::naked_asm!(
        "sub sp, sp, #32",
        "stp x2, x30, [sp]",
        "str x29, [sp, #16]",
        "mov x0, sp",
        "bl {find}",
        "tst w0, #0xff",
        "ldp x0, x30, [sp]",
        "b.eq 2f",
        "ldp x29, x9, [sp, #16]",
        "mov x1, xzr",
        "mov sp, x9",
        "br x30",
        "2:",
        "add sp, sp, #32",
        "ret",
        find = sym find,
    );
    #[cfg(target_arch = "riscv64")]
    core::arch::naked_asm!(
        "addi sp, sp, -32",
        "sd a0, 0(sp)",
        "sd ra, 8(sp)",
        "sd s0, 16(sp)",
        "mv a0, sp",
        "call {find}",
        "andi t0, a0, 0xff",
        "ld a0, 0(sp)",
        "ld ra, 8(sp)",
        "beqz t0, 2f",
        "ld s0, 16(sp)",
        "ld sp, 24(sp)",
        "li a1, 0",
        "jr ra",
        "2:",
        "addi sp, sp, 32",
        "ret",
        find = sym find,
    );
}

/// Finds the handler for what is thrown; says whether there is one.
unsafe extern "C" fn find(throw: *mut Throw) -> bool {
    // SAFETY: `throw` made it, from what compiled code gave: an exception, and a frame whose
    // callers keep the chain of frame pointers.
    unsafe {
        let throw = &mut *throw;
        let tag = (throw.exception as *const u8).add(EXCEPTION_TAG_OFFSET as usize);
        let tag = tag.cast::<u64>().read();
        let frame = Frame {
            pc: throw.pc,
            fp: throw.fp,
        };
        match with_records(|records| handler(records, frame, tag)) {
            Some(handler) => {
                (throw.pc, throw.fp, throw.sp) = (handler.pc, handler.fp, handler.sp);
                true
            }
            None => {
                let tag = (tag as *const Tag).read();
                (throw.fp, throw.sp) = (tag.index, tag.text);
                false
            }
        }
    }
}

/// The first handler for a tag, from this frame outwards.
///
/// # Safety
/// The frame and its callers are as [`Frame`] says, the records true.
unsafe fn handler(records: &Records, frame: Frame, tag: u64) -> Option<Handler> {
    let Frame { mut pc, mut fp } = frame;
    while fp != 0 {
        // SAFETY: the caller's promise.
        if let Some(handler) = unsafe { handler_of_call(records, Frame { pc, fp }, tag) } {
            return Some(handler);
        }
        // SAFETY: a frame pointer points at these two words.
        let (caller, return_address) =
            unsafe { ((fp as *const u64).read(), (fp as *const u64).add(1).read()) };
        // Stacks grow down: anything else is no chain.
        if caller <= fp {
            return None;
        }
        (pc, fp) = (return_address, caller);
    }
    None
}

/// The handler for a tag around the call that returns to this frame.
///
/// # Safety
/// As [`handler`].
unsafe fn handler_of_call(records: &Records, frame: Frame, tag: u64) -> Option<Handler> {
    let record = records.find(frame.pc)?;
    // SAFETY: records are true, and what they refer to stays; the first word of a table is its
    // length; the code that made the handlers made as many tags.
    unsafe {
        let (text, tags) = ((*record).text_start, (*record).tags as *const u64);
        let table = (*record).exceptions as *const u32;
        if table.is_null() {
            return None;
        }
        let words = core::slice::from_raw_parts(table, Handlers::length(table.read()));
        let offset = u32::try_from(frame.pc - text).ok()?;
        let call = Handlers::new(words).lookup(offset)?;
        let same = |index: u32| tags.add(index as usize).read() == tag;
        let code = call.handler(|index| index.is_none_or(same))?;
        Some(Handler {
            pc: text + u64::from(code),
            sp: frame.fp - u64::from(call.frame_size),
            fp: frame.fp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;
    use wasm_aot_gc::Heap;
    use wasm_aot_object::descriptor::Registration;
    use wasm_aot_object::handlers::{ANY, handlers};

    const TEXT: u64 = 0x1000;

    /// Two words for each frame, the innermost first: each returns to `TEXT + 0x10 * position`.
    fn stack(frames: usize) -> Vec<u64> {
        let mut words = vec![0; frames * 2];
        let start = words.as_ptr() as u64;
        for frame in 0..frames {
            let last = frame + 1 == frames;
            words[frame * 2] = if last {
                0
            } else {
                start + (frame as u64 + 1) * 16
            };
            words[frame * 2 + 1] = TEXT + 0x10 * (frame as u64 + 1);
        }
        words
    }

    /// Looks for the handler of `tag`, thrown where the innermost of five frames calls.
    fn look(table: &[u32], tags: &[u64], tag: u64) -> Option<(u64, usize)> {
        let mut record = Registration {
            next: 0,
            text_start: TEXT,
            text_end: TEXT + 0x1000,
            stack_maps: 0,
            roots: 0,
            root_count: 0,
            exceptions: table.as_ptr() as u64,
            tags: tags.as_ptr() as u64,
            allocation: 0,
        };
        let mut heap = Heap::new();
        let words = stack(5);
        let start = words.as_ptr() as u64;
        // SAFETY: everything that the record and the frames refer to is there.
        let found = unsafe {
            heap.register(&raw mut record);
            handler(
                heap.records(),
                Frame {
                    pc: TEXT,
                    fp: start,
                },
                tag,
            )
        };
        found.map(|found| {
            assert_eq!(found.sp + 32, found.fp);
            (found.pc - TEXT, (found.fp - start) as usize / 16)
        })
    }

    #[test]
    fn the_innermost_handler_of_the_tag_takes_it() {
        let table = handlers(&[
            (0x10, 32, vec![[0, 0x100]]),
            (0x20, 32, vec![[1, 0x200], [0, 0x204]]),
            (0x30, 32, vec![[ANY, 0x300]]),
        ]);
        let tags = [7000, 8000];
        assert_eq!(look(&table, &tags, 7000), Some((0x100, 1)));
        assert_eq!(look(&table, &tags, 8000), Some((0x200, 2)));
        assert_eq!(look(&table, &tags, 9000), Some((0x300, 3)));
        let table = handlers(&[(0x10, 32, vec![[0, 0x100]])]);
        assert_eq!(look(&table, &tags, 8000), None);
    }

    #[test]
    fn two_names_of_one_tag_are_one() {
        let table = handlers(&[(0x40, 32, vec![[1, 0x100]])]);
        assert_eq!(look(&table, &[5, 5], 5), Some((0x100, 4)));
    }
}
