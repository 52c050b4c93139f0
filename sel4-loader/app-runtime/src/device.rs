// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The host functions `wasm_aot_device`: registers and interrupts of the app's devices
//! (`docs/devices.md`).
//!
//! Registers in memory are mapped into the app's address space, and I/O ports are the app's by a
//! capability for just these: an access leads to nobody else. What is checked here keeps the
//! program from itself; what keeps it from others is the kernel.

use crate::call::{self, Stream};
use crate::platform;
use core::fmt::{self, Write};
use sel4::sys;
use sel4_boot::device::{Access, AccessError, Device};
use sel4_boot::service::DEVICE_PORTS;
use wasm_aot_runtime::{Errno, Export, Signature, Value};
use wasm_aot_trap::TrapCode;

/// The longest name of a device; a longer one is that of none.
const NAME_MAX: usize = 64;

/// Why a call is a trap.
enum Misuse {
    /// There is no device with this number.
    NoDevice(u32),
    Access(AccessError),
    /// The kernel refuses the port.
    Refused,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice(number) => write!(f, "the app has no device with the number {number}"),
            Self::Access(error) => error.fmt(f),
            Self::Refused => f.write_str("the kernel refuses the port"),
        }
    }
}

/// Ends the call with a trap, after a line that says why.
fn trap(function: &str, why: &Misuse) -> ! {
    // A refused write would be the root task's decision; the trap says the rest.
    let _ = writeln!(Stream::Error, "error: wasm_aot_device.{function}: {why}");
    call::trap(TrapCode::DeviceAccess)
}

fn device(number: u32) -> Result<&'static Device, Misuse> {
    let device = platform::devices().get(number as usize);
    device.ok_or(Misuse::NoDevice(number))
}

/// A register's width, and how it is read and written.
trait Register: Copy {
    const WIDTH: u32;
    fn word(self) -> u64;
    fn from_word(word: u64) -> Self;
    fn port_in(cap: u64, port: u64) -> Result<u64, sel4::Error>;
    fn port_out(cap: u64, port: u64, value: u64) -> Result<(), sel4::Error>;
}

macro_rules! registers {
    ($($type:ident: $in:expr, $out:expr;)*) => {$(
        impl Register for $type {
            const WIDTH: u32 = size_of::<$type>() as u32;

            fn word(self) -> u64 {
                self.into()
            }

            fn from_word(word: u64) -> Self {
                word as $type
            }

            fn port_in(cap: u64, port: u64) -> Result<u64, sel4::Error> {
                $in(cap, port)
            }

            fn port_out(cap: u64, port: u64, value: u64) -> Result<(), sel4::Error> {
                $out(cap, port, value)
            }
        }
    )*};
}

registers! {
    u8: sys::seL4_X86_IOPort_In8, sys::seL4_X86_IOPort_Out8;
    u16: sys::seL4_X86_IOPort_In16, sys::seL4_X86_IOPort_Out16;
    u32: sys::seL4_X86_IOPort_In32, sys::seL4_X86_IOPort_Out32;
    // No port has 64 bits: `Device::address` lets none come here.
    u64: |_, _| Ok(0), |_, _, _| Ok(());
}

/// The place of an access: in memory, or a port and the capability for it.
enum Place<T> {
    Memory(*mut T),
    Port(u64, u64),
}

fn place<T: Register>(number: u32, offset: u32, writes: bool) -> Result<Place<T>, Misuse> {
    let device = device(number)?;
    let access = Access {
        offset,
        width: T::WIDTH,
        writes,
    };
    let at = device.address(access).map_err(Misuse::Access)?;
    Ok(match device.has_ports() {
        true => Place::Port(DEVICE_PORTS + u64::from(number), at),
        false => Place::Memory(at as *mut T),
    })
}

fn read<T: Register>(number: u32, offset: u32) -> Result<T, Misuse> {
    match place::<T>(number, offset, false)? {
        // SAFETY: the root task has mapped the device's registers there for good; `place` has
        // checked that the access is aligned and inside. They are no memory that Rust knows of.
        Place::Memory(at) => Ok(unsafe { at.read_volatile() }),
        Place::Port(cap, port) => {
            let word = T::port_in(cap, port).map_err(|_| Misuse::Refused)?;
            Ok(T::from_word(word))
        }
    }
}

fn write<T: Register>(number: u32, offset: u32, value: T) -> Result<(), Misuse> {
    match place::<T>(number, offset, true)? {
        Place::Memory(at) => {
            // SAFETY: as in `read`.
            unsafe { at.write_volatile(value) };
            Ok(())
        }
        Place::Port(cap, port) => T::port_out(cap, port, value.word()).map_err(|_| Misuse::Refused),
    }
}

macro_rules! accesses {
    ($($type:ident, $wide:ident, $read:ident, $write:ident;)*) => {$(
        extern "C" fn $read(number: u32, offset: u32) -> $wide {
            match read::<$type>(number, offset) {
                Ok(value) => value.into(),
                Err(why) => trap(stringify!($read), &why),
            }
        }

        extern "C" fn $write(number: u32, offset: u32, value: $wide) {
            // The lowest bits of a wider value, as for a store to linear memory.
            if let Err(why) = write::<$type>(number, offset, value as $type) {
                trap(stringify!($write), &why);
            }
        }
    )*};
}

accesses! {
    u8, u32, read8, write8;
    u16, u32, read16, write16;
    u32, u32, read32, write32;
    u64, u64, read64, write64;
}

/// The number of a device of the app, or an error number below 0.
extern "C" fn open(name: u32, length: u32) -> i32 {
    let found = || {
        let mut bytes = [0; NAME_MAX];
        let memory = platform::memory();
        // The whole of a name that is too long to be one is looked at as well: whether it is in
        // the memory decides which error it is.
        memory.bytes((name, length)).map(|_| ())?;
        let bytes = bytes.get_mut(..length as usize).ok_or(Errno::NOENT)?;
        memory.copy(name, bytes)?;
        let mut names = platform::device_names().iter();
        names.position(|other| other == bytes).ok_or(Errno::NOENT)
    };
    match found() {
        Ok(number) => number as i32,
        Err(Errno(error)) => -i32::from(error),
    }
}

/// Bytes of a device's registers, or how many ports it has.
extern "C" fn size(number: u32) -> u64 {
    match device(number) {
        Ok(device) => device.length.get(),
        Err(why) => trap("size", &why),
    }
}

fn errno(result: Result<(), Errno>) -> u32 {
    result.map_or_else(|Errno(number)| number.into(), |()| 0)
}

/// Waits until the device has interrupted, or the time is over.
extern "C" fn interrupt_wait(number: u32, timeout_ns: u64) -> u32 {
    let wait = || {
        device(number).map_err(|_| Errno::BADF)?;
        match call::interrupt_wait(number, timeout_ns).ok_or(Errno::NOTSUP)? {
            true => Ok(()),
            false => Err(Errno::TIMEDOUT),
        }
    };
    errno(wait())
}

/// Lets the next interrupt come.
extern "C" fn interrupt_acknowledge(number: u32) -> u32 {
    let acknowledge = || {
        device(number).map_err(|_| Errno::BADF)?;
        call::interrupt_acknowledge(number).ok_or(Errno::NOTSUP)
    };
    errno(acknowledge())
}

/// Interrupts since the app was loaded; none where the device has no interrupt.
extern "C" fn interrupt_count(number: u32) -> u64 {
    match device(number) {
        Ok(_) => call::interrupt_count(number).unwrap_or(0),
        Err(why) => trap("interrupt_count", &why),
    }
}

const I32: Value = Value::I32;
const I64: Value = Value::I64;

const fn export(
    symbol: &'static str,
    params: &'static [Value],
    results: &'static [Value],
    address: *const (),
) -> Export {
    Export {
        symbol,
        signature: Some(Signature { params, results }),
        address,
    }
}

macro_rules! exports {
    ($($name:ident $params:tt -> $results:tt;)*) => {
        /// Every function, by its symbol.
        pub static EXPORTS: &[Export] = &[$(
            export(
                concat!("wasm_aot_device.", stringify!($name)),
                &$params,
                &$results,
                $name as *const (),
            ),
        )*];
    };
}

exports! {
    open [I32, I32] -> [I32];
    size [I32] -> [I64];
    read8 [I32, I32] -> [I32];
    read16 [I32, I32] -> [I32];
    read32 [I32, I32] -> [I32];
    read64 [I32, I32] -> [I64];
    write8 [I32, I32, I32] -> [];
    write16 [I32, I32, I32] -> [];
    write32 [I32, I32, I32] -> [];
    write64 [I32, I32, I64] -> [];
    interrupt_wait [I32, I64] -> [I32];
    interrupt_acknowledge [I32] -> [I32];
    interrupt_count [I32] -> [I64];
}
