// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A root task for developers (`cargo xtask probe`): measures how long the kernel keeps interrupts
//! waiting while it does what the root task asks of it, and lets many accounts of the memory pool
//! come and go.
//!
//! | module | decides |
//! |---|---|
//! | [`alarm`] | a thread that is woken at a moment, and how late it was |
//! | [`operations`] | what is measured |
//! | [`wear`] | accounts that come and go |
//!
//! The rest is the root task's own code. What is found goes to the console, a line each: `section`
//! or `wear`, and fields apart by tabs.

#![no_std]
#![no_main]

extern crate alloc;

mod alarm;
#[path = "../../src/heap.rs"]
#[allow(dead_code, reason = "the root task uses more of it")]
mod heap;
#[path = "../../src/memory.rs"]
#[allow(dead_code, reason = "the root task uses more of it")]
mod memory;
mod operations;
#[path = "../../src/serial.rs"]
#[allow(dead_code, reason = "the root task uses more of it")]
mod serial;
#[path = "../../src/start.rs"]
#[allow(dead_code, reason = "the root task uses more of it")]
mod start;
#[path = "../../src/vspace.rs"]
#[allow(dead_code, reason = "the root task uses more of it")]
mod vspace;
mod wear;

use memory::{Memory, MemoryError};
use sel4::bootinfo::BootInfo;
use serial::CONSOLE;

/// A line for whoever has started this.
#[macro_export]
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::serial::CONSOLE.print(format_args!("{}\n", format_args!($($argument)*)))
    };
}

fn run(info: &BootInfo, _payload: &'static [u8]) -> ! {
    CONSOLE.init();
    match probe(info) {
        Ok(()) => say!("done"),
        Err(error) => say!("error\t{error}"),
    }
    serial::power_off();
    start::halt()
}

fn probe(info: &BootInfo) -> Result<(), MemoryError> {
    // The largest untyped is for what is measured; the rest is the pool's.
    let mut rest = *info;
    let list = info.untypeds();
    let memories = list.enumerate().filter(|(_, (_, d))| d.is_device == 0);
    let largest = memories.max_by_key(|(_, (_, d))| d.size_bits);
    let Some((index, (untyped, _))) = largest else {
        return Err(MemoryError::NoMemory { free: 0 });
    };
    let mut descriptions = rest.untyped_list;
    descriptions[index].is_device = 1;
    rest.untyped_list = descriptions;
    let mut memory = Memory::new(&rest)?;
    let alarm = alarm::Alarm::new(info, &mut memory)?;
    wear::wear(&mut memory)?;
    operations::measure(&mut memory, &alarm, untyped)
}
