// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The two serial ports and the device that ends QEMU, all through I/O ports.

use core::fmt;
use sel4::sys::{self, seL4_CapIOPort};

/// A 16550 UART.
#[derive(Clone, Copy)]
pub struct Uart {
    base: u64,
}

/// COM1: text for people.
pub const CONSOLE: Uart = Uart { base: 0x3f8 };
/// COM2: frames for the host.
pub const CHANNEL: Uart = Uart { base: 0x2f8 };

/// QEMU's `isa-debug-exit` device.
const DEBUG_EXIT: u64 = 0xf4;

/// Line control register, and the bit that shows the divisor.
const LINE_CONTROL: u64 = 3;
/// Interrupt enable register, and its bit "received data available".
const INTERRUPT_ENABLE: u64 = 1;
const ON_RECEPTION: u64 = 1;
/// Line status register, and its bits "data ready" and "transmitter holding register empty".
const LINE_STATUS: u64 = 5;
const DATA_READY: u64 = 1;
const TRANSMITTER_EMPTY: u64 = 0x20;
/// Bytes that the transmitter takes once it is empty.
const FIFO: usize = 16;

/// Writes to an I/O port.
pub fn out8(port: u64, value: u64) {
    // The capability covers all ports: there is nothing the kernel could refuse.
    let _ = sys::seL4_X86_IOPort_Out8(seL4_CapIOPort, port, value);
}

/// Reads an I/O port.
pub fn in8(port: u64) -> u64 {
    sys::seL4_X86_IOPort_In8(seL4_CapIOPort, port).unwrap_or(0xff)
}

/// Ends QEMU where it was given the device; elsewhere nothing happens.
pub fn power_off() {
    let _ = sys::seL4_X86_IOPort_Out32(seL4_CapIOPort, DEBUG_EXIT, 0);
}

impl Uart {
    /// The pin of the I/O APIC that its interrupt is at, the same as the number of the interrupt.
    pub fn pin(self) -> u64 {
        match self.base {
            0x3f8 => 4,
            _ => 3,
        }
    }

    /// 115200 baud, 8 data bits, no parity, no interrupts, FIFOs on; an interrupt comes with 14
    /// bytes, or some time after fewer.
    pub fn init(self) {
        for (register, value) in [
            (1, 0),
            (LINE_CONTROL, 0x80),
            (0, 1),
            (1, 0),
            (LINE_CONTROL, 3),
        ] {
            out8(self.base + register, value);
        }
        for (register, value) in [(2, 0xc7), (4, 0xb)] {
            out8(self.base + register, value);
        }
    }

    /// Lets the port interrupt when it has received something, or not.
    pub fn interrupt(self, on: bool) {
        let value = if on { ON_RECEPTION } else { 0 };
        out8(self.base + INTERRUPT_ENABLE, value);
    }

    /// A byte that it has received.
    pub fn receive(self) -> Option<u8> {
        let ready = in8(self.base + LINE_STATUS) & DATA_READY != 0;
        ready.then(|| in8(self.base) as u8)
    }

    /// Sends text.
    pub fn print(self, text: fmt::Arguments<'_>) {
        let mut uart = self;
        // Writing to a serial port cannot fail.
        let _ = fmt::Write::write_fmt(&mut uart, text);
    }

    /// Sends all bytes.
    pub fn write(self, bytes: &[u8]) {
        for chunk in bytes.chunks(FIFO) {
            while in8(self.base + LINE_STATUS) & TRANSMITTER_EMPTY == 0 {}
            for byte in chunk {
                out8(self.base, u64::from(*byte));
            }
        }
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}
