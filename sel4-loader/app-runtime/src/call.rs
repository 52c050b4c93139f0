// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Calls to the root task (`sel4_boot::service`).

use core::fmt;
use sel4::syscall;
use sel4_boot::service::{ARCHIVE_STREAM, ENDPOINT, FOREVER, Service, Status, WRITE_MAX};
use wasm_aot_trap::TrapCode;

/// What the app writes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Stream {
    /// Standard output.
    Out = 1,
    /// Standard error.
    Error = 2,
    /// The archive of its directories.
    Archive = ARCHIVE_STREAM,
}

impl fmt::Write for Stream {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let written = write(*self, rest).filter(|&n| n > 0).ok_or(fmt::Error)?;
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Writes the first bytes, as many as a message takes; gives how many.
pub fn write(stream: Stream, bytes: &[u8]) -> Option<usize> {
    let bytes = &bytes[..bytes.len().min(WRITE_MAX)];
    let mut words = [0u64; 2 + WRITE_MAX / 8];
    words[0] = stream as u64;
    words[1] = bytes.len() as u64;
    for (word, chunk) in words[2..].iter_mut().zip(bytes.chunks(8)) {
        let mut padded = [0; 8];
        padded[..chunk.len()].copy_from_slice(chunk);
        *word = u64::from_le_bytes(padded);
    }
    let used = 2 + bytes.len().div_ceil(8);
    let [status, written, ..] = loop {
        let answer = syscall::call(ENDPOINT, Service::Write as u64, &words[..used]);
        if answer.registers[0] != Status::Again as u64 {
            break answer.registers;
        }
    };
    (status == Status::Done as u64).then(|| (written as usize).min(bytes.len()))
}

/// Reads standard input, once there is any, as much as a message takes; 0 at its end.
pub fn read(bytes: &mut [u8]) -> Option<usize> {
    let most = bytes.len().min(WRITE_MAX);
    let answer = syscall::call(ENDPOINT, Service::Read as u64, &[most as u64]);
    let [status, count, ..] = answer.registers;
    let count = (count as usize).min(most);
    let mut words = [0u64; WRITE_MAX / 8];
    syscall::read_message(&answer, 2, &mut words[..count.div_ceil(8)]);
    for (place, word) in bytes[..count].chunks_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes()[..place.len()]);
    }
    (status == Status::Done as u64).then_some(count)
}

/// Sleeps; says whether standard input can be read.
pub fn wait(timeout: Option<u64>, input: bool) -> Option<bool> {
    let timeout = timeout.map_or(FOREVER, |timeout| timeout.min(FOREVER - 1));
    let words = [timeout, input.into()];
    let answer = syscall::call(ENDPOINT, Service::Wait as u64, &words);
    let [status, readable, ..] = answer.registers;
    (status == Status::Done as u64).then_some(readable != 0)
}

/// Nanoseconds that this app has had the processor.
pub fn processor_time() -> Option<u64> {
    let answer = syscall::call(ENDPOINT, Service::Time as u64, &[]);
    let [status, time, ..] = answer.registers;
    (status == Status::Done as u64).then_some(time)
}

/// Waits until a device has interrupted; says whether it has. `None` where it has no interrupt.
pub fn interrupt_wait(device: u32, timeout_ns: u64) -> Option<bool> {
    let words = [device.into(), timeout_ns];
    let answer = syscall::call(ENDPOINT, Service::InterruptWait as u64, &words);
    let [status, came, ..] = answer.registers;
    (status == Status::Done as u64).then_some(came != 0)
}

/// Lets a device's next interrupt come. `None` where it has no interrupt.
pub fn interrupt_acknowledge(device: u32) -> Option<()> {
    let words = [device.into()];
    let answer = syscall::call(ENDPOINT, Service::InterruptAcknowledge as u64, &words);
    (answer.registers[0] == Status::Done as u64).then_some(())
}

/// Interrupts of a device so far. `None` where it has no interrupt.
pub fn interrupt_count(device: u32) -> Option<u64> {
    let answer = syscall::call(ENDPOINT, Service::InterruptCount as u64, &[device.into()]);
    let [status, count, ..] = answer.registers;
    (status == Status::Done as u64).then_some(count)
}

/// Makes a part of a growable region accessible; says whether it could.
pub fn grow(address: u64, bytes: u64) -> bool {
    let answer = syscall::call(ENDPOINT, Service::Grow as u64, &[address, bytes]);
    answer.registers[0] == Status::Done as u64
}

/// Ends the app.
pub fn exit(code: u32) -> ! {
    loop {
        // Never answered.
        let _ = syscall::call(ENDPOINT, Service::Exit as u64, &[u64::from(code)]);
    }
}

/// Says that what a script called has returned, or that the directories are sent; the thread goes
/// on at the next call.
pub fn returned() -> ! {
    loop {
        // Never answered.
        let _ = syscall::call(ENDPOINT, Service::Returned as u64, &[]);
    }
}

/// Ends the app with a trap where it is.
pub fn trap(code: TrapCode) -> ! {
    loop {
        // Never answered.
        let _ = syscall::call(ENDPOINT, Service::Trap as u64, &[code as u64]);
    }
}
