// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The reasons for which a WebAssembly program stops, and their numbers.
//!
//! The compiler writes these numbers into an object's trap table (one byte a trapping
//! instruction); the Linux runner and the seL4 loader read them back when the hardware faults
//! there. The numbers are part of the object format: they are never reused, only added to.

#![no_std]
#![forbid(unsafe_code)]

use core::fmt;

/// Exit status of a command whose guest trapped: 128 + SIGABRT, as shells and wasmtime spell it.
pub const EXIT_STATUS: i32 = 134;

macro_rules! trap_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Why a WebAssembly program trapped (WebAssembly core specification 3.0, section 4.6,
        /// "Execution"; the texts are those of the official testsuite and of wasmtime).
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum TrapCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl TrapCode {
            /// Every code, in the order of their numbers.
            pub const ALL: &'static [TrapCode] = &[$(TrapCode::$name,)*];

            /// The code with this number, or `None` where the number is not (yet) assigned.
            #[must_use]
            pub const fn from_u8(number: u8) -> Option<TrapCode> {
                match number {
                    $($number => Some(TrapCode::$name),)*
                    _ => None,
                }
            }

            /// The sentence a person reads.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self {
                    $(TrapCode::$name => $text,)*
                }
            }
        }
    };
}

trap_codes! {
    /// The `unreachable` instruction was executed.
    Unreachable = 1, "wasm `unreachable` instruction executed";
    /// An access outside a linear memory.
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// An access outside a table by `table.*`, or an element segment that does not fit.
    TableOutOfBounds = 3, "out of bounds table access";
    /// `call_indirect` with an index at or past the table's end.
    UndefinedElement = 4, "undefined element";
    /// `call_indirect` through a null table element.
    UninitializedElement = 5, "uninitialized element";
    /// `call_indirect` of a function of another type.
    IndirectCallTypeMismatch = 6, "indirect call type mismatch";
    /// A signed division overflowed, or a float does not fit the integer it is truncated to.
    IntegerOverflow = 7, "integer overflow";
    /// A division or remainder by zero.
    IntegerDivideByZero = 8, "integer divide by zero";
    /// A NaN was truncated to an integer.
    InvalidConversionToInteger = 9, "invalid conversion to integer";
    /// The stack's guard was touched.
    StackExhausted = 10, "call stack exhausted";
    /// A null reference was used where a non-null one is required.
    NullReference = 11, "null reference";
    /// An unaligned atomic access.
    UnalignedAtomic = 12, "unaligned atomic";
    /// An imported function that nobody provides was called (`--unknown-imports-trap`).
    UnknownImport = 13, "unknown import called";
    /// `call_ref` of null.
    NullFunction = 14, "null function reference";
    /// A field of null.
    NullStructure = 15, "null structure reference";
    /// An element, or the length, of null.
    NullArray = 16, "null array reference";
    /// `i31.get_s` or `i31.get_u` of null.
    NullI31 = 17, "null i31 reference";
    /// `throw_ref` of null.
    NullException = 18, "null exception reference";
    /// `ref.cast` to a type that the reference does not have.
    CastFailure = 19, "cast failure";
    /// An index at or past an array's end.
    ArrayOutOfBounds = 20, "out of bounds array access";
    /// An array longer than any heap can be.
    AllocationTooLarge = 21, "allocation size too large";
    /// No room for an object, even after a collection.
    GcHeapExhausted = 22, "gc heap exhausted";
    /// An exception that nobody catches.
    UncaughtException = 23, "uncaught exception";
    /// `memory.atomic.wait` on a memory that is not shared.
    ExpectedSharedMemory = 24, "expected shared memory";
    /// `memory.atomic.wait` without a timeout, in a world where no other thread could wake it.
    EndlessWait = 25, "atomic wait that nobody can end";
    /// An access to a device that the program does not have, outside its registers, or of a width
    /// or at an offset that it does not have (the host functions `wasm_aot_device`).
    DeviceAccess = 26, "device access not allowed";
}

impl fmt::Display for TrapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_are_dense() {
        for (position, &code) in TrapCode::ALL.iter().enumerate() {
            assert_eq!(code as usize, position + 1);
            assert_eq!(TrapCode::from_u8(code as u8), Some(code));
        }
        assert_eq!(TrapCode::from_u8(0), None);
        assert_eq!(TrapCode::from_u8(255), None);
    }
}
