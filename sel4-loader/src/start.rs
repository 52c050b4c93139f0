// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The first instructions, the last ones, and what the program knows about its own image.

use crate::serial;
use crate::vspace::PAGE;
use core::arch::global_asm;
use core::panic::PanicInfo;
use sel4::bootinfo::BootInfo;
use sel4::sys;
use sel4_boot::bundle::PAYLOAD_MARKER;

/// Bytes of the stack: objects are parsed and traps explained on it, both without an allocator.
const STACK: usize = 256 * 1024;

#[repr(C, align(16))]
struct Stack([u8; STACK]);

// Only its address is used, by `_start`.
#[unsafe(no_mangle)]
static mut ROOT_STACK: Stack = Stack([0; STACK]);

// The kernel enters with the address of BootInfo in RDI and no stack.
global_asm!(
    ".section .text._start,\"ax\"",
    ".globl _start",
    "_start:",
    "    lea rsp, [ROOT_STACK + {size}]",
    "    xor ebp, ebp",
    "    call {main}",
    "    ud2",
    size = const STACK,
    main = sym start,
);

/// Keeps the payload's segment in the program until the host replaces it.
#[used]
#[unsafe(link_section = ".payload")]
static MARKER: [u8; 16] = *PAYLOAD_MARKER;

unsafe extern "C" {
    /// First byte of the payload's segment (linker-scripts/loader.ld).
    static __payload_start: u8;
}

extern "C" fn start(info: *const BootInfo) -> ! {
    // SAFETY: the kernel maps the structure for as long as the program runs, and nobody writes it.
    let info = unsafe { &*info };
    // SAFETY: by the kernel's documentation this is this thread's IPC buffer.
    unsafe { sel4::syscall::set_ipc_buffer(info.ipc_buffer) };
    crate::run(info, payload(info))
}

/// The bundle, if the host put one in: it is the last of the image, and the kernel puts the IPC
/// buffer behind the image.
fn payload(info: &BootInfo) -> &'static [u8] {
    let start = &raw const __payload_start;
    let length = info.ipc_buffer.saturating_sub(start as u64);
    // SAFETY: the kernel has mapped all pages of the image, of which this is the end, and nobody
    // writes to them.
    unsafe { core::slice::from_raw_parts(start, length as usize) }
}

/// The frames of the program's image, from its first page on.
#[derive(Clone, Copy)]
pub struct Image {
    /// Address of the first page (linker-scripts/loader.ld).
    address: u64,
    first_frame: u64,
    frames: u64,
}

unsafe extern "C" {
    /// First byte of the image (linker-scripts/loader.ld).
    static __image_start: u8;
}

impl Image {
    pub fn new(info: &BootInfo) -> Self {
        let region = info.user_image_frames;
        let (start, end) = (region.start, region.end);
        Self {
            address: &raw const __image_start as u64,
            first_frame: start,
            frames: end - start,
        }
    }

    /// The first frame of bytes that begin at a page, and how many frames they take.
    pub fn frames(&self, bytes: &[u8]) -> Option<(u64, u64)> {
        let offset = (bytes.as_ptr() as u64).checked_sub(self.address)?;
        let (number, count) = (offset / PAGE, (bytes.len() as u64).div_ceil(PAGE));
        let inside = number.checked_add(count)? <= self.frames;
        (inside && offset.is_multiple_of(PAGE)).then_some((self.first_frame + number, count))
    }
}

/// Stops this thread, and with it the machine.
pub fn halt() -> ! {
    loop {
        let _ = sys::seL4_TCB_Suspend(sys::seL4_CapInitThreadTCB);
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    serial::CONSOLE.print(format_args!("sel4-loader: defect: {info}\n"));
    serial::power_off();
    halt()
}
