// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Calls from the app runtime to the root task: what an app may ask for.
//!
//! A call is an seL4 message through [`ENDPOINT`]: the label is the [`Service`], the message
//! registers are its arguments. The answer's register 0 is a [`Status`], register 1 a result.

/// The app's capability for service calls: slot in its CSpace.
pub const ENDPOINT: u64 = 1;
/// The capability that the kernel sends faults through: slot in its CSpace.
pub const FAULT_ENDPOINT: u64 = 2;
/// log2 of the slots in an app's CSpace.
pub const CSPACE_BITS: u64 = 2;
/// The capability for the I/O ports of the app's first device, if it is made of ports; those of
/// the next ones follow: slot in the CSpace of an app with devices.
pub const DEVICE_PORTS: u64 = 4;
/// log2 of the slots in the CSpace of an app with devices: up to 64 of them.
pub const DEVICE_CSPACE_BITS: u64 = 7;

/// Bytes that one [`Service::Write`] takes and one [`Service::Read`] gives at most. A message could
/// carry four times as many (libsel4 `seL4_MsgMaxLength`), but nothing interrupts the kernel and the
/// root task's executive while they copy one, and whoever has a deadline waits.
pub const WRITE_MAX: usize = 30 * 8;

macro_rules! services {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// What is asked for.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u64)]
        pub enum Service {
            $($(#[$doc])* $name = $number,)*
        }

        impl Service {
            /// The service of a message's label.
            #[must_use]
            pub const fn from_label(label: u64) -> Option<Self> {
                match label {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

services! {
    /// (stream: 1 or 2, [`ARCHIVE_STREAM`], byte count up to [`WRITE_MAX`], bytes...) -> bytes
    /// written.
    Write = 1;
    /// (exit code): the app has ended. Never answered.
    Exit = 2;
    /// (address, bytes): make this part of a growable region accessible. The bytes are zero.
    Grow = 3;
    /// (trap code, `wasm-aot-trap`): the app traps here, by the runtime's decision. Never
    /// answered.
    Trap = 4;
    /// What a test script called has returned, or the app is ready for the first call. Never
    /// answered: the root task puts the thread at the next call.
    Returned = 5;
    /// (bytes at most) -> byte count, bytes... of standard input; 0 at its end. Answered when there
    /// are any.
    Read = 6;
    /// (nanoseconds at most, [`FOREVER`] for no end; 1 to end when standard input can be read) ->
    /// 1 if it can. The app's thread sleeps meanwhile.
    Wait = 7;
    /// () -> nanoseconds that the app has had the processor, nanoseconds since the root task began.
    Time = 8;
    /// (number of a device, nanoseconds at most, [`FOREVER`] for no end) -> 1 if the device has
    /// interrupted since the last [`Service::InterruptAcknowledge`], 0 if the time is over. The
    /// app's thread sleeps meanwhile. [`Status::Refused`] where the device has no interrupt.
    InterruptWait = 16;
    /// (number of a device): what has come of interrupts is handled; the next may come.
    InterruptAcknowledge = 17;
    /// (number of a device) -> interrupts since the app was loaded.
    InterruptCount = 18;
}

/// The stream of [`Service::Write`] that takes the archive of the app's directories, when it has
/// ended and was asked for them.
pub const ARCHIVE_STREAM: u64 = 3;

/// No end of [`Service::Wait`].
pub const FOREVER: u64 = u64::MAX;

/// The answer to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Status {
    /// Done.
    Done = 0,
    /// Not possible now, or not for this app.
    Refused = 1,
    /// The message makes no sense.
    Invalid = 2,
    /// Not done: the same call is to be made again.
    Again = 3,
}
