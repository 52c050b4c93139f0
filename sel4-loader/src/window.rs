// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Looking into frames of others: the root task maps them into its own address space, for a moment
//! ([`fill`], [`Peek`]) or as long as an app runs a script ([`Slots`]).

use crate::memory::{DEPTH, Memory, MemoryError, Object, Owner, ROOT};
use crate::vspace::{self, Access, LARGE, OWN, PAGE};
use sel4::{rights, sys};
use sel4_boot::space;

/// Bytes of a slot.
const SLOT: u64 = 16;

/// Where a page of somebody else is looked at.
const PEEK: u64 = 0x8_0000_0000;
/// Where the slots of a script are.
const SLOTS: u64 = 0x8_8000_0000;
/// Where frames are filled, in another GiB, so that their paging structures are not shared.
const WINDOW: u64 = 0x8_4000_0000;

/// Runs `f` with the contents of frames that are mapped nowhere yet; afterwards they are mapped
/// nowhere again.
pub fn fill<T>(
    memory: &mut Memory,
    owner: Owner,
    first_frame: u64,
    count: u64,
    f: impl FnOnce(&mut [u8]) -> T,
) -> Result<T, MemoryError> {
    let mut mapped = 0;
    let outcome = (0..count).try_for_each(|number| {
        let (frame, address) = (first_frame + number, WINDOW + number * PAGE);
        vspace::map(memory, owner, OWN, frame, address, Access::ReadWrite)?;
        mapped += 1;
        Ok(())
    });
    let result = outcome.map(|()| {
        let length = (count * PAGE) as usize;
        // SAFETY: these pages have just been mapped here for reading and writing, nothing else of
        // this program is at these addresses, and the reference ends before they are unmapped.
        // The frames belong to an app that does not run yet, or to nobody else.
        let bytes = unsafe { core::slice::from_raw_parts_mut(WINDOW as *mut u8, length) };
        f(bytes)
    });
    // Also where mapping failed half way: the next one finds the window empty.
    for number in 0..mapped {
        sys::seL4_X86_Page_Unmap(first_frame + number)?;
    }
    result
}

/// A place to look at single pages that are mapped elsewhere. Keeps the last one in view.
pub struct Peek {
    slot: u64,
    frame: Option<u64>,
}

impl Peek {
    /// Makes the place: a slot, and the paging structures, which stay; those of the window as
    /// well, for the largest image. An app's would go with it, and while the kernel deletes a page
    /// table of an address space that is there, interrupts wait for 0.1 ms (docs/sel4.md).
    pub fn new(memory: &mut Memory) -> Result<Self, MemoryError> {
        let frame = memory.object(Owner::Root, Object::Frame)?;
        let window = WINDOW..WINDOW + (space::OBJECT_END - space::OBJECT);
        for place in window.step_by(LARGE as usize).chain([PEEK]) {
            vspace::map(memory, Owner::Root, OWN, frame, place, Access::ReadOnly)?;
            sys::seL4_X86_Page_Unmap(frame)?;
        }
        let slot = memory.slots(Owner::Root, 1)?;
        Ok(Self { slot, frame: None })
    }

    /// Reads eight bytes of a frame, `None` where they are not all in it.
    pub fn word(&mut self, frame: u64, offset: u64) -> Option<u64> {
        if !offset.is_multiple_of(8) || offset > PAGE - 8 {
            return None;
        }
        self.look(frame)?;
        // SAFETY: the page is mapped here for reading; the address is aligned and inside it. Its
        // owner is stopped while it is looked at, and any bytes are a valid number.
        Some(unsafe { ((PEEK + offset) as *const u64).read_volatile() })
    }

    /// Reads a byte of a frame, `None` where it is not in it.
    pub fn byte(&mut self, frame: u64, offset: u64) -> Option<u8> {
        if offset >= PAGE {
            return None;
        }
        self.look(frame)?;
        // SAFETY: as above.
        Some(unsafe { ((PEEK + offset) as *const u8).read_volatile() })
    }

    /// Brings a frame into view.
    fn look(&mut self, frame: u64) -> Option<()> {
        if self.frame != Some(frame) {
            self.close();
            sys::seL4_CNode_Copy(ROOT, self.slot, DEPTH, ROOT, frame, DEPTH, rights::READ).ok()?;
            self.frame = Some(frame);
            sys::seL4_X86_Page_Map(self.slot, OWN, PEEK, rights::READ, 0).ok()?;
        }
        Some(())
    }

    /// Looks away.
    pub fn close(&mut self) {
        if self.frame.take().is_some() {
            // Unmapping first does not rely on the deletion of a copy to unmap (see the patches
            // in xtask/src/kernel.rs). Neither can fail for a copy that was mapped.
            let _ = sys::seL4_X86_Page_Unmap(self.slot);
            let _ = sys::seL4_CNode_Delete(ROOT, self.slot, DEPTH);
        }
    }
}

/// Arguments and results of what a script calls: pages that an app and the root task share.
pub struct Slots {
    count: usize,
}

impl Slots {
    /// Makes room for `count` slots and maps it into both address spaces. The app's memory.
    pub fn new(
        memory: &mut Memory,
        owner: Owner,
        app: u64,
        count: usize,
    ) -> Result<Self, MemoryError> {
        let pages = (count as u64 * SLOT).div_ceil(PAGE).max(1);
        let frames = memory.objects(owner, Object::Frame, pages)?;
        // Children of the frames: revoking the app's memory deletes them, which unmaps.
        let copies = memory.slots(owner, pages)?;
        for number in 0..pages {
            let (frame, copy) = (frames + number, copies + number);
            let (theirs, ours) = (space::SLOTS + number * PAGE, SLOTS + number * PAGE);
            let access = Access::ReadWrite;
            vspace::map(memory, owner, app, frame, theirs, access)?;
            sys::seL4_CNode_Copy(ROOT, copy, DEPTH, ROOT, frame, DEPTH, rights::READ_WRITE)?;
            vspace::map(memory, owner, OWN, copy, ours, access)?;
        }
        Ok(Self { count })
    }

    /// Writes the first slots.
    pub fn write(&mut self, slots: &[[u64; 2]]) {
        for (index, word) in slots.iter().take(self.count).flatten().enumerate() {
            // SAFETY: inside the pages that `new` has mapped, as many as `count` slots take; the
            // app is stopped, and this is no memory that Rust knows of.
            unsafe { ((SLOTS + index as u64 * 8) as *mut u64).write_volatile(*word) };
        }
    }

    /// Reads the first slots.
    pub fn read(&self, slots: &mut [[u64; 2]]) {
        for (index, word) in slots.iter_mut().take(self.count).flatten().enumerate() {
            // SAFETY: as above; any bytes are a valid number.
            *word = unsafe { ((SLOTS + index as u64 * 8) as *const u64).read_volatile() };
        }
    }
}
