// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What is measured: every operation of the kernel that the root task uses. Each is done many
//! times with an alarm at another moment of it.

use crate::alarm::{Alarm, LOW, Thread};
use crate::memory::{DEPTH, Memory, MemoryError, Object, Owner, ROOT};
use crate::say;
use crate::vspace::{LARGE, OWN, PAGE};
use core::arch::{asm, global_asm};
use sel4::{rights, sys, syscall};

type Result<T> = core::result::Result<T, sel4::Error>;

/// Alarms for each operation.
const SAMPLES: u64 = 150;
/// The first is so much after the beginning: it takes a while to set it.
const LEAST_NS: u64 = 500;
/// Words of the longest message.
const WORDS: usize = syscall::MAX_LENGTH;
/// Pages of one page table, and behind their slots those of the table, and of a space with what is
/// above the table.
const PAGES: u64 = 512;
const TABLE: u64 = PAGES;
const SPACE: u64 = TABLE + 1;
const SLOTS: u64 = SPACE + 3;
/// Where pages are mapped, in this address space and in another.
const PLACE: u64 = 0x9_0000_0000;
/// log2 of the bytes of the piece that objects are made of.
const PIECE: u64 = 22;
/// log2 of the slots of a CNode.
const CNODE: u64 = 4;

// Two threads that answer every message, the first one with the longest there is, the second one
// after it has used the floating-point registers. They get the endpoint in RDI, as the kernel does,
// and use no stack.
global_asm!(
    ".globl probe_echo",
    "probe_echo:",
    "    mov r12, rdi",
    "    mov rdx, {recv}",
    "    mov rsi, 0",
    "2:  syscall",
    "    mov rdi, r12",
    "    mov rsi, {length}",
    "    mov rdx, {reply_recv}",
    "    jmp 2b",
    ".globl probe_echo_float",
    "probe_echo_float:",
    "    mov r12, rdi",
    "    mov rdx, {recv}",
    "    mov rsi, 0",
    "2:  syscall",
    "    paddq xmm0, xmm0",
    "    mov rdi, r12",
    "    mov rsi, 0",
    "    mov rdx, {reply_recv}",
    "    jmp 2b",
    recv = const sys::seL4_SysRecv,
    reply_recv = const sys::seL4_SysReplyRecv,
    length = const WORDS,
);

unsafe extern "C" {
    fn probe_echo();
    fn probe_echo_float();
}

/// What the operations work on.
struct Lab {
    /// Untyped memory of which nobody else has anything.
    untyped: u64,
    /// Slot of a piece of it.
    piece: u64,
    /// Consecutive slots for what is made of the piece.
    first: u64,
    /// Another address space with all paging structures of [`PLACE`].
    space: u64,
    /// A frame of it.
    frame: u64,
    copy: u64,
    tcb: u64,
    echo: u64,
    echo_float: u64,
}

/// An operation: what comes before, what is measured.
struct Operation {
    name: &'static str,
    prepare: fn(&Lab) -> Result<()>,
    run: fn(&Lab) -> Result<()>,
}

fn revoke(slot: u64) -> Result<()> {
    sys::seL4_CNode_Revoke(ROOT, slot, DEPTH)
}

fn delete(slot: u64) -> Result<()> {
    sys::seL4_CNode_Delete(ROOT, slot, DEPTH)
}

impl Lab {
    /// Makes objects of the piece.
    fn make(&self, kind: u64, size: u64, number: u64, count: u64) -> Result<()> {
        let first = self.first + number;
        sys::seL4_Untyped_Retype(self.piece, kind, size, ROOT, 0, 0, first, count)
    }

    /// Makes the piece anew; the kernel has nothing to clear in it.
    fn fresh(&self) -> Result<()> {
        revoke(self.untyped)?;
        let kind = sys::seL4_UntypedObject;
        sys::seL4_Untyped_Retype(self.untyped, kind, PIECE, ROOT, 0, 0, self.piece, 1)
    }

    /// A page table full of pages, in a space that has a page directory for it.
    fn full_table(&self, space: u64) -> Result<()> {
        let table = self.first + TABLE;
        self.make(sys::seL4_X86_PageTableObject, 0, TABLE, 1)?;
        sys::seL4_X86_PageTable_Map(table, space, PLACE + LARGE, 0)?;
        self.pages(space, PLACE + LARGE, PAGES)
    }

    /// Pages, mapped one behind the other.
    fn pages(&self, space: u64, place: u64, count: u64) -> Result<()> {
        for number in 0..count {
            let (frame, at) = (self.first + number, place + number * PAGE);
            self.make(sys::seL4_X86_4K, 0, number, 1)?;
            sys::seL4_X86_Page_Map(frame, space, at, rights::READ_WRITE, 0)?;
        }
        Ok(())
    }

    /// A new address space, with a page directory.
    fn new_space(&self) -> Result<()> {
        let [space, pdpt, directory] = [SPACE, SPACE + 1, SPACE + 2].map(|n| self.first + n);
        self.fresh()?;
        self.make(sys::seL4_X64_PML4Object, 0, SPACE, 1)?;
        self.make(sys::seL4_X86_PDPTObject, 0, SPACE + 1, 1)?;
        self.make(sys::seL4_X86_PageDirectoryObject, 0, SPACE + 2, 1)?;
        sys::seL4_X86_ASIDPool_Assign(sys::seL4_CapInitThreadASIDPool, space)?;
        sys::seL4_X86_PDPT_Map(pdpt, space, PLACE, 0)?;
        sys::seL4_X86_PageDirectory_Map(directory, space, PLACE, 0)
    }

    fn unmap(&self) -> Result<()> {
        sys::seL4_X86_Page_Unmap(self.frame)
    }

    /// The kernel's answer is none where the frame is not mapped.
    fn unmapped(&self) -> Result<()> {
        let _ = self.unmap();
        Ok(())
    }

    fn map(&self) -> Result<()> {
        sys::seL4_X86_Page_Map(self.frame, self.space, PLACE, rights::READ_WRITE, 0)
    }
}

fn nothing(_: &Lab) -> Result<()> {
    Ok(())
}

/// A time in which the kernel has nothing to do.
fn idle(_: &Lab) -> Result<()> {
    (0..20_000).for_each(|_| core::hint::spin_loop());
    Ok(())
}

fn call(endpoint: u64, words: &[u64]) -> Result<()> {
    let _ = syscall::call(endpoint, 0, words);
    Ok(())
}

fn float() {
    // SAFETY: changes a register that is said to change.
    unsafe { asm!("paddq xmm0, xmm0", out("xmm0") _, options(nomem, nostack)) };
}

const BASE: Operation = Operation {
    name: "no system call",
    prepare: nothing,
    run: idle,
};

const OPERATIONS: &[Operation] = &[
    Operation {
        name: "make 1 page",
        prepare: Lab::fresh,
        run: |lab| lab.make(sys::seL4_X86_4K, 0, 0, 1),
    },
    Operation {
        name: "make 8 pages",
        prepare: Lab::fresh,
        run: |lab| lab.make(sys::seL4_X86_4K, 0, 0, 8),
    },
    Operation {
        name: "make 16 pages",
        prepare: Lab::fresh,
        run: |lab| lab.make(sys::seL4_X86_4K, 0, 0, 16),
    },
    Operation {
        name: "make 256 pages",
        prepare: Lab::fresh,
        run: |lab| lab.make(sys::seL4_X86_4K, 0, 0, 256),
    },
    Operation {
        name: "halve an untyped that is clear",
        prepare: Lab::fresh,
        run: |lab| lab.make(sys::seL4_UntypedObject, PIECE - 1, 0, 2),
    },
    Operation {
        name: "make a thread",
        prepare: Lab::fresh,
        run: |lab| lab.make(sys::seL4_TCBObject, 0, 0, 1),
    },
    Operation {
        name: "make a root of an address space",
        prepare: Lab::fresh,
        run: |lab| lab.make(sys::seL4_X64_PML4Object, 0, 0, 1),
    },
    Operation {
        name: "make a large page where 2 MiB are to be cleared",
        prepare: |lab| {
            lab.fresh()?;
            lab.make(sys::seL4_X86_LargePageObject, 0, 0, 1)?;
            delete(lab.first)
        },
        run: |lab| lab.make(sys::seL4_X86_LargePageObject, 0, 0, 1),
    },
    Operation {
        name: "assign an ASID",
        prepare: |lab| {
            lab.fresh()?;
            lab.make(sys::seL4_X64_PML4Object, 0, 0, 1)
        },
        run: |lab| sys::seL4_X86_ASIDPool_Assign(sys::seL4_CapInitThreadASIDPool, lab.first),
    },
    Operation {
        name: "map a page",
        prepare: Lab::unmapped,
        run: Lab::map,
    },
    Operation {
        name: "unmap a page",
        prepare: |lab| lab.unmapped().and_then(|()| lab.map()),
        run: Lab::unmap,
    },
    Operation {
        name: "map a page table",
        prepare: |lab| {
            lab.fresh()?;
            lab.make(sys::seL4_X86_PageTableObject, 0, 0, 1)
        },
        run: |lab| sys::seL4_X86_PageTable_Map(lab.first, lab.space, PLACE + LARGE, 0),
    },
    Operation {
        name: "map a large page",
        prepare: |lab| {
            lab.fresh()?;
            lab.make(sys::seL4_X86_LargePageObject, 0, 0, 1)
        },
        run: |lab| {
            let at = PLACE + LARGE;
            sys::seL4_X86_Page_Map(lab.first, lab.space, at, rights::READ_WRITE, 0)
        },
    },
    Operation {
        name: "delete a page that is mapped",
        prepare: |lab| {
            lab.fresh()
                .and_then(|()| lab.pages(lab.space, PLACE + PAGE, 1))
        },
        run: |lab| delete(lab.first),
    },
    Operation {
        name: "revoke 511 pages that are mapped",
        prepare: |lab| {
            lab.fresh()
                .and_then(|()| lab.pages(lab.space, PLACE + PAGE, PAGES - 1))
        },
        run: |lab| revoke(lab.piece),
    },
    Operation {
        name: "revoke 512 pages and their paging structures, their space being gone",
        prepare: |lab| {
            lab.new_space()?;
            lab.full_table(lab.first + SPACE)?;
            delete(lab.first + SPACE)
        },
        run: |lab| revoke(lab.piece),
    },
    Operation {
        name: "delete a page table of 512 pages, its space being there",
        prepare: |lab| lab.fresh().and_then(|()| lab.full_table(lab.space)),
        run: |lab| delete(lab.first + TABLE),
    },
    Operation {
        name: "delete a page table of 512 pages of the root task's space",
        prepare: |lab| lab.fresh().and_then(|()| lab.full_table(OWN)),
        run: |lab| delete(lab.first + TABLE),
    },
    Operation {
        name: "delete an address space",
        prepare: Lab::new_space,
        run: |lab| delete(lab.first + SPACE),
    },
    Operation {
        name: "delete a CNode of 16 full slots",
        prepare: |lab| {
            lab.fresh()?;
            lab.make(sys::seL4_CapTableObject, CNODE, 0, 1)?;
            (0..1 << CNODE).try_for_each(|slot| {
                let (cnode, frame) = (lab.first, lab.frame);
                sys::seL4_CNode_Copy(cnode, slot, CNODE, ROOT, frame, DEPTH, rights::READ)
            })
        },
        run: |lab| delete(lab.first),
    },
    Operation {
        name: "delete a thread",
        prepare: |lab| {
            lab.fresh()?;
            lab.make(sys::seL4_TCBObject, 0, 0, 1)?;
            sys::seL4_TCB_Configure(lab.first, 0, 1, ROOT, 0, lab.space, 0, 0, 0)
        },
        run: |lab| delete(lab.first),
    },
    Operation {
        name: "copy a capability",
        prepare: |lab| delete(lab.copy),
        run: |lab| {
            sys::seL4_CNode_Copy(ROOT, lab.copy, DEPTH, ROOT, lab.frame, DEPTH, rights::READ)
        },
    },
    Operation {
        name: "write a thread's registers and suspend it",
        prepare: nothing,
        run: |lab| {
            let registers = sys::seL4_UserContext::default();
            let count = sys::seL4_UserContext::WORDS as u64;
            sys::seL4_TCB_WriteRegisters(lab.tcb, 0, 0, count, &registers)?;
            sys::seL4_TCB_Suspend(lab.tcb)
        },
    },
    Operation {
        name: "read a thread's registers",
        prepare: nothing,
        run: |lab| {
            let count = sys::seL4_UserContext::WORDS as u64;
            sys::seL4_TCB_ReadRegisters(lab.tcb, 0, 0, count).map(|_| ())
        },
    },
    Operation {
        name: "call and reply, 4 words, and floating point on both sides",
        prepare: nothing,
        run: |lab| {
            float();
            call(lab.echo_float, &[0; 4])?;
            float();
            Ok(())
        },
    },
    Operation {
        name: "call and reply, 120 words",
        prepare: nothing,
        run: |lab| call(lab.echo, &[0; WORDS]),
    },
    Operation {
        name: "an I/O port",
        prepare: nothing,
        run: |_| sys::seL4_X86_IOPort_In8(sys::seL4_CapIOPort, 0x80).map(|_| ()),
    },
];

/// Measures all of them.
pub fn measure(
    memory: &mut Memory,
    alarm: &Alarm,
    untyped: u64,
) -> core::result::Result<(), MemoryError> {
    let lab = lab(memory, untyped)?;
    let (base, took) = longest(&lab, alarm, &BASE, 20 * SAMPLES)?;
    say!("section\t{base}\t{took}\t{}", BASE.name);
    for operation in OPERATIONS {
        let (late, took) = longest(&lab, alarm, operation, SAMPLES)?;
        say!("section\t{late}\t{took}\t{}", operation.name);
    }
    Ok(())
}

/// How late the thread is at most while an operation is done, and how long that takes.
fn longest(
    lab: &Lab,
    alarm: &Alarm,
    operation: &Operation,
    samples: u64,
) -> core::result::Result<(u64, u64), MemoryError> {
    let mut took = 0;
    for _ in 0..3 {
        (operation.prepare)(lab)?;
        let start = alarm.now_ns();
        (operation.run)(lab)?;
        took = alarm.now_ns() - start;
    }
    let mut late = 0;
    for sample in 0..samples {
        (operation.prepare)(lab)?;
        let after = LEAST_NS + took * sample / samples;
        match alarm.during(after, || (operation.run)(lab))? {
            Some(by) => late = late.max(by),
            None => say!("error\tan alarm was lost: {}", operation.name),
        }
    }
    Ok((late, took))
}

fn lab(memory: &mut Memory, untyped: u64) -> core::result::Result<Lab, MemoryError> {
    let root = Owner::Root;
    let space = memory.object(root, Object::VSpace)?;
    sys::seL4_X86_ASIDPool_Assign(sys::seL4_CapInitThreadASIDPool, space)?;
    let frame = memory.object(root, Object::Frame)?;
    for space in [space, OWN] {
        crate::vspace::map(
            memory,
            root,
            space,
            frame,
            PLACE,
            crate::vspace::Access::ReadWrite,
        )?;
        sys::seL4_X86_Page_Unmap(frame)?;
    }
    let mut servers = [0; 2];
    for (server, entry) in servers.iter_mut().zip([probe_echo, probe_echo_float]) {
        *server = memory.object(root, Object::Endpoint)?;
        let thread = Thread {
            entry: entry as *const () as u64,
            argument: *server,
            priority: LOW,
            // The kernel finds it by the capability; here nobody looks at it.
            buffer: Some(memory.object(root, Object::Frame)?),
            ..Thread::default()
        };
        thread.start(memory)?;
    }
    let [echo, echo_float] = servers;
    Ok(Lab {
        untyped,
        piece: memory.slots(root, 1)?,
        first: memory.slots(root, SLOTS)?,
        space,
        frame,
        copy: memory.slots(root, 1)?,
        tcb: memory.object(root, Object::Tcb)?,
        echo,
        echo_float,
    })
}
