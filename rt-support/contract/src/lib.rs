// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The contract of an app: what it is promised, what it may have, and what happens when it breaks
//! its word. Defined once for whoever writes one (a manifest), keeps one (the object's section
//! [`wasm_aot_object::section::CONTRACT`], the boot bundle) and enforces one (the root task).
//!
//! Times are whole microseconds, sizes are bytes, and both say so in their names. Reading a
//! contract ([`Contract::parse`]) allocates nothing, never panics, and gives one that
//! [`Contract::check`] has passed; `docs/contracts.md` describes every field for users.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "write"))]
extern crate alloc;
#[cfg(any(test, feature = "manifest"))]
extern crate std;

mod check;
mod error;
mod fit;
#[cfg(feature = "manifest")]
pub mod manifest;
mod names;
mod record;

pub use check::{device_name, field};
pub use error::{ContractError, Text};
pub use fit::Misfit;
pub use names::Names;
#[cfg(any(test, feature = "write"))]
pub use record::encode;

/// The version of the record that this crate reads and writes.
pub const VERSION: u32 = 1;

/// The shortest period, in microseconds.
pub const MIN_PERIOD_US: u64 = 100;
/// The longest period, deadline, offset and back-off, in microseconds: one hour.
pub const MAX_PERIOD_US: u64 = 3_600_000_000;
/// The smallest budget, in microseconds: less is not worth a change of threads.
pub const MIN_BUDGET_US: u64 = 20;
/// The smallest stack that can be asked for, in bytes: a page.
pub const MIN_STACK_BYTES: u64 = 4096;
/// The largest stack that can be asked for, in bytes: what an app's address space has for one.
pub const MAX_STACK_BYTES: u64 = 30 << 20;
/// The smallest memory maximum, in bytes: less holds no app.
pub const MIN_MEMORY_BYTES: u64 = 64 << 10;
/// The largest memory maximum, in bytes: more addresses no app has.
pub const MAX_MEMORY_BYTES: u64 = 1 << 40;
/// Import patterns of a contract, at most.
pub const MAX_IMPORTS: usize = 256;
/// Devices of a contract, at most.
pub const MAX_DEVICES: usize = 64;
/// Bytes of an import pattern and of the entry's name, at most.
pub const MAX_TEXT_BYTES: usize = 256;
/// Bytes of an app's name and of a device's, at most.
pub const MAX_NAME_BYTES: usize = 64;
/// What a back-off doubles up to, as a multiple of the first.
pub const BACKOFF_FACTOR: u64 = 64;
/// The entry of a periodic app unless its contract names another.
pub const DEFAULT_ENTRY: &str = "tick";

/// Enumerations that are a byte in the record and a word in a manifest.
macro_rules! words {
    ($($(#[$doc:meta])* $enum:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum $enum {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $enum {
            /// All of them; the position is the number in the record.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word that manifests, messages and reports use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The one with this [name](Self::name).
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    )*};
}

words! {
    /// What kind of time an app has.
    Class {
        /// Its entry is released every period, each job with a budget and a deadline.
        Periodic = "periodic",
        /// It works when there is something to do, within its budget in each period.
        Server = "server",
        /// It runs in time that nobody else wants. Nothing is promised.
        Background = "background",
    }

    /// What is done when an app misses a deadline, overruns its budget, or traps.
    Reaction {
        /// It is counted and logged. After an overrun the job goes on with the next period's
        /// budget; after a trap, which ends the job, the next release is a new job of the same
        /// instance.
        Log = "log",
        /// The job is given up; the next release is a new one.
        Skip = "skip",
        /// The app is loaded anew, after the back-off.
        Restart = "restart",
        /// The app is ended.
        Stop = "stop",
    }

    /// When the pages of an app's memory become real.
    Mapping {
        /// When it is loaded or grown: no page faults in a job.
        Eager = "eager",
        /// When they are first touched: memory that is not used is not taken.
        Lazy = "lazy",
    }

    /// What happens when an app writes faster than its output is taken away.
    Output {
        /// What does not fit is dropped, and counted. The app never waits.
        Drop = "drop",
        /// The app waits, at the cost of its own time.
        Block = "block",
    }
}

/// The contract of an app.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contract<'a> {
    /// What people call the app; empty for the name of its file.
    pub name: &'a str,
    /// What kind of time it has.
    pub class: Class,
    /// 1 to 255, larger is more urgent; 0 for one by its deadline, shorter is more urgent. It is
    /// for fixed priorities; earliest deadline first ignores it.
    pub priority: u8,
    /// Microseconds from release to release, or from replenishment to replenishment.
    pub period_us: u64,
    /// Microseconds from a release to when its job has to be done; at most the period.
    pub deadline_us: u64,
    /// Microseconds of processor time in each period.
    pub budget_us: u64,
    /// Microseconds from the start of the app to its first release.
    pub offset_us: u64,
    /// It may also have idle time when its budget is gone (servers).
    pub slack: bool,
    /// The exported function, `() -> ()`, that is a job of a periodic app.
    pub entry: &'a str,
    /// The app ends after so many jobs; 0 for never.
    pub jobs_max: u64,
    /// At a missed deadline.
    pub on_miss: Reaction,
    /// When the budget is gone before the job is done.
    pub on_overrun: Reaction,
    /// At a trap or another fault.
    pub on_trap: Reaction,
    /// Microseconds until the first restart; doubles with each, up to [`BACKOFF_FACTOR`] times it.
    pub restart_backoff_us: u64,
    /// The app is ended instead of restarted once more; 0 for no limit.
    pub restarts_max: u32,
    /// Bytes of memory that the app may have, everything included; 0 for no limit but the
    /// machine's.
    pub memory_max_bytes: u64,
    /// Bytes of its stack; 0 for what the compiler found to be enough.
    pub stack_bytes: u64,
    /// When its pages become real.
    pub mapping: Mapping,
    /// What happens when it writes too fast.
    pub output: Output,
    /// Patterns of what it may import; `None` for everything, an empty list for nothing.
    pub imports: Option<Names<'a>>,
    /// Names of the devices that it wants.
    pub devices: Names<'a>,
}

impl Default for Contract<'_> {
    /// That of an app without one: in the background, with everything that it imports.
    fn default() -> Self {
        Self {
            name: "",
            class: Class::Background,
            priority: 0,
            period_us: 0,
            deadline_us: 0,
            budget_us: 0,
            offset_us: 0,
            slack: false,
            entry: DEFAULT_ENTRY,
            jobs_max: 0,
            on_miss: Reaction::Log,
            on_overrun: Reaction::Log,
            on_trap: Reaction::Stop,
            restart_backoff_us: 100_000,
            restarts_max: 0,
            memory_max_bytes: 0,
            stack_bytes: 0,
            mapping: Mapping::Eager,
            output: Output::Drop,
            imports: None,
            devices: Names::EMPTY,
        }
    }
}

impl Contract<'_> {
    /// Whether the app may import this.
    #[must_use]
    pub fn allows(&self, module: &str, name: &str) -> bool {
        let Some(patterns) = self.imports else {
            return true;
        };
        patterns
            .iter()
            .any(|pattern| names::matches(pattern, module, name))
    }

    /// Microseconds until restart number `restart`, counted from 0, as the back-off has it.
    #[must_use]
    pub fn backoff_us(&self, restart: u32) -> u64 {
        let factor = 1u64.checked_shl(restart).unwrap_or(BACKOFF_FACTOR);
        self.restart_backoff_us
            .saturating_mul(factor.clamp(1, BACKOFF_FACTOR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_again() {
        for &class in Class::ALL {
            assert_eq!(Class::from_name(class.name()), Some(class));
        }
        for &reaction in Reaction::ALL {
            assert_eq!(Reaction::from_name(reaction.name()), Some(reaction));
        }
        assert_eq!(Class::from_name("Periodic"), None);
    }

    #[test]
    fn the_back_off_doubles_up_to_its_limit() {
        let contract = Contract {
            restart_backoff_us: 100,
            ..Contract::default()
        };
        let delays = [0, 1, 5, 6, 7, 63, 64, u32::MAX].map(|restart| contract.backoff_us(restart));
        assert_eq!(delays, [100, 200, 3200, 6400, 6400, 6400, 6400, 6400]);
    }

    #[test]
    fn without_a_list_every_import_is_allowed_and_with_an_empty_one_none() {
        let mut contract = Contract::default();
        assert!(contract.allows("env", "f"));
        contract.imports = Some(Names::EMPTY);
        assert!(!contract.allows("env", "f"));
        contract.imports = Names::new(b"env.f\0a.*\0").ok();
        assert!(contract.allows("env", "f") && contract.allows("a", "anything"));
        assert!(!contract.allows("env", "ff") && !contract.allows("b", "f"));
    }
}
