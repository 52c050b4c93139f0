// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What became of an app, as one record: for the console, the host and the protocol.
//!
//! The record has a fixed size, is little-endian without padding, and fits a frame of the host
//! channel. [`Report::parse`] reads one from bytes of any origin: what it accepts agrees with
//! itself.

use crate::counters::Counters;
use crate::histogram::Histogram;
use crate::task::{Parameters, State};
use core::fmt;
use wasm_aot_contract::Class;
use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The version of the record that this crate reads and writes.
pub const VERSION: u32 = 1;

/// What the executive does not know of an app: its supervisor's counts. Sizes are in bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Supervision {
    /// Faults of the app, of any kind.
    pub traps: u64,
    /// How often it was loaded anew.
    pub restarts: u64,
    /// How often it ended by itself.
    pub exits: u64,
    /// Output that found no room.
    pub dropped_output_bytes: u64,
    /// The most memory that it had at a time.
    pub memory_high_bytes: u64,
    /// The most that it may have; 0 for no limit but the machine's.
    pub memory_max_bytes: u64,
    /// The deepest that its stack was seen.
    pub stack_high_bytes: u64,
    /// The bound of its stack; 0 where none is known.
    pub stack_bound_bytes: u64,
}

macro_rules! report {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// The record: what an app was promised, and what became of it.
        #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
        #[repr(C)]
        pub struct Report {
            version: U32,
            app: U16,
            class: u8,
            priority: u8,
            state: u8,
            reserved: [u8; 7],
            $($field: U64,)*
            response: Histogram,
            jitter: Histogram,
            execution: Histogram,
        }

        impl Report {
            $($(#[$doc])* #[must_use] pub fn $field(&self) -> u64 { self.$field.get() })*
        }
    };
}

report! {
    /// When the report was made, in nanoseconds since the root task began.
    time_ns,
    /// From release to release, in nanoseconds; 0 of a background app.
    period_ns,
    /// The relative deadline, in nanoseconds; 0 of a background app.
    deadline_ns,
    /// Processor time in each period, in nanoseconds; 0 of a background app.
    budget_ns,
    /// Jobs released.
    releases,
    /// Jobs completed.
    completions,
    /// Releases that were skipped because the previous job was not done.
    skipped,
    /// Jobs that were not done at their deadline.
    misses,
    /// How often the budget ended before the job did.
    overruns,
    /// How often the app had work and waited for its next budget.
    throttled,
    /// Jobs that were given up.
    abandoned,
    /// Processor time in all, in nanoseconds.
    processor_ns,
    /// The longest time from the end of a budget to when it was seen, in nanoseconds.
    cut_lateness_max_ns,
    /// Faults of the app.
    traps,
    /// How often it was loaded anew.
    restarts,
    /// How often it ended by itself.
    exits,
    /// Bytes of output that found no room.
    dropped_output_bytes,
    /// The most memory that it had at a time, in bytes.
    memory_high_bytes,
    /// The most memory that it may have, in bytes; 0 for no limit but the machine's.
    memory_max_bytes,
    /// The deepest that its stack was seen, in bytes.
    stack_high_bytes,
    /// The bound of its stack in bytes; 0 where none is known.
    stack_bound_bytes,
}

impl Report {
    /// The report of an app, at `time_ns`.
    #[must_use]
    pub fn new(
        app: u16,
        time_ns: u64,
        parameters: &Parameters,
        state: State,
        counters: &Counters,
        supervision: &Supervision,
    ) -> Self {
        let word = U64::new;
        Self {
            version: U32::new(VERSION),
            app: U16::new(app),
            class: number(Class::ALL, parameters.class),
            priority: parameters.priority,
            state: number(State::ALL, state),
            reserved: [0; 7],
            time_ns: word(time_ns),
            period_ns: word(parameters.period),
            deadline_ns: word(parameters.deadline),
            budget_ns: word(parameters.budget),
            releases: word(counters.releases),
            completions: word(counters.completions),
            skipped: word(counters.skipped),
            misses: word(counters.misses),
            overruns: word(counters.overruns),
            throttled: word(counters.throttled),
            abandoned: word(counters.abandoned),
            processor_ns: word(counters.processor_ns),
            cut_lateness_max_ns: word(counters.cut_lateness_max_ns),
            traps: word(supervision.traps),
            restarts: word(supervision.restarts),
            exits: word(supervision.exits),
            dropped_output_bytes: word(supervision.dropped_output_bytes),
            memory_high_bytes: word(supervision.memory_high_bytes),
            memory_max_bytes: word(supervision.memory_max_bytes),
            stack_high_bytes: word(supervision.stack_high_bytes),
            stack_bound_bytes: word(supervision.stack_bound_bytes),
            response: counters.response,
            jitter: counters.jitter,
            execution: counters.execution,
        }
    }

    /// Reads a record, and checks all of it.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn parse(bytes: &[u8]) -> Result<&Self, ReportError> {
        let size = size_of::<Self>();
        let wrong_size = ReportError::Size {
            is: bytes.len(),
            should_be: size,
        };
        let report = Self::ref_from_bytes(bytes).map_err(|_| wrong_size)?;
        match report.version.get() {
            VERSION => report.check().map(|()| report),
            version => Err(ReportError::Version(version)),
        }
    }

    fn check(&self) -> Result<(), ReportError> {
        let field = |name, fits: bool| fits.then_some(()).ok_or(ReportError::Field(name));
        field("class", usize::from(self.class) < Class::ALL.len())?;
        field("state", usize::from(self.state) < State::ALL.len())?;
        field("reserved", self.reserved == [0; 7])?;
        let times = [self.period_ns(), self.deadline_ns(), self.budget_ns()];
        let none_or_valid = match self.class() {
            Class::Background => times == [0; 3],
            Class::Periodic | Class::Server => {
                times[2] > 0 && times[2] <= times[1] && times[1] <= times[0]
            }
        };
        field("period, deadline and budget", none_or_valid)?;
        let ended = self.completions().checked_add(self.abandoned());
        let open = ended.and_then(|ended| self.releases().checked_sub(ended));
        field("releases", open.is_some_and(|open| open <= 1))?;
        field("misses", self.misses() <= self.releases())?;
        let releases_with_phase = match self.class() {
            Class::Periodic => self.releases(),
            Class::Server | Class::Background => 0,
        };
        let histograms = [
            ("response times", &self.response, self.completions()),
            ("release jitter", &self.jitter, releases_with_phase),
            ("execution times", &self.execution, self.completions()),
        ];
        histograms.iter().try_for_each(|(name, histogram, count)| {
            let agrees = histogram.is_consistent() && histogram.count() == *count;
            field(*name, agrees)
        })
    }

    /// The app's index in the boot bundle.
    #[must_use]
    pub fn app(&self) -> u16 {
        self.app.get()
    }

    /// What kind of time the app has.
    #[must_use]
    pub fn class(&self) -> Class {
        // A record from elsewhere was checked.
        Class::ALL
            .get(usize::from(self.class))
            .copied()
            .unwrap_or(Class::Background)
    }

    /// Its priority; 0 where there are none.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Where it stood.
    #[must_use]
    pub fn state(&self) -> State {
        State::ALL
            .get(usize::from(self.state))
            .copied()
            .unwrap_or(State::Stopped)
    }

    /// From the nominal release of a job to its completion.
    #[must_use]
    pub fn response(&self) -> &Histogram {
        &self.response
    }

    /// From the nominal release of a job to when it was made.
    #[must_use]
    pub fn jitter(&self) -> &Histogram {
        &self.jitter
    }

    /// Processor time of each completed job.
    #[must_use]
    pub fn execution(&self) -> &Histogram {
        &self.execution
    }

    /// The record.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        IntoBytes::as_bytes(self)
    }
}

/// The position of a value among all.
fn number<T: PartialEq>(all: &[T], value: T) -> u8 {
    all.iter().position(|other| *other == value).unwrap_or(0) as u8
}

/// What is wrong with a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportError {
    /// It is cut off, or something else.
    Size {
        /// Bytes that there are.
        is: usize,
        /// Bytes of a record.
        should_be: usize,
    },
    /// Its version is not ours.
    Version(u32),
    /// A field has no meaning, or does not agree with the others.
    Field(&'static str),
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReportError::Size { is, should_be } => {
                write!(f, "report of {is} bytes where {should_be} belong")
            }
            ReportError::Version(version) => write!(
                f,
                "report of version {version}, this is version {VERSION}: \
                 image and command have to be of one build"
            ),
            ReportError::Field(name) => write!(f, "damaged report: {name} do not agree"),
        }
    }
}

impl core::error::Error for ReportError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reaction;
    use std::string::ToString;
    use std::vec::Vec;

    fn sample() -> Report {
        let parameters = Parameters {
            class: Class::Periodic,
            priority: 7,
            period: 1_000_000,
            deadline: 900_000,
            budget: 100_000,
            on_miss: Reaction::Log,
            on_overrun: Reaction::Skip,
            slack: false,
        };
        let mut counters = Counters::EMPTY;
        counters.releases = 3;
        counters.completions = 2;
        counters.misses = 1;
        counters.cut_lateness_max_ns = 77;
        for time in [400_000, 50_000] {
            counters.response.record(time);
            counters.execution.record(time / 2);
        }
        for time in [0, 5, 9_000] {
            counters.jitter.record(time);
        }
        let supervision = Supervision {
            traps: 5,
            stack_bound_bytes: 8192,
            ..Supervision::default()
        };
        Report::new(3, 42, &parameters, State::Ready, &counters, &supervision)
    }

    #[test]
    fn a_report_is_read_back_from_any_address() {
        let report = sample();
        let mut bytes = Vec::from([0]);
        bytes.extend_from_slice(report.as_bytes());
        let read = Report::parse(&bytes[1..]).unwrap();
        assert_eq!(read.as_bytes(), report.as_bytes());
        assert_eq!((read.app(), read.priority(), read.time_ns()), (3, 7, 42));
        assert_eq!(
            (read.class(), read.state()),
            (Class::Periodic, State::Ready)
        );
        assert_eq!((read.traps(), read.cut_lateness_max_ns()), (5, 77));
        assert_eq!(read.stack_bound_bytes(), 8192);
        assert_eq!(read.response().max_ns(), 400_000);
        assert_eq!(read.jitter().percentile_ns(500), 5);
    }

    #[test]
    fn a_report_fits_a_frame() {
        assert!(size_of::<Report>() <= sel4_boot::frame::MAX_PAYLOAD);
    }

    #[test]
    fn other_sizes_and_versions_are_refused() {
        let bytes = sample().as_bytes().to_vec();
        let should_be = bytes.len();
        for is in [0, 4, should_be - 1] {
            let error = Report::parse(&bytes[..is]).err();
            assert_eq!(error, Some(ReportError::Size { is, should_be }));
        }
        let mut newer = bytes;
        newer[0] = 2;
        let error = Report::parse(&newer).err().unwrap();
        assert!(error.to_string().contains("version 2, this is version 1"));
    }

    #[test]
    fn fields_that_do_not_agree_are_refused() {
        type Change = fn(&mut Report);
        let changes: [(&str, Change); 10] = [
            ("class", |r| r.class = 3),
            ("state", |r| r.state = 99),
            ("reserved", |r| r.reserved[6] = 1),
            ("period, deadline and budget", |r| r.budget_ns.set(0)),
            ("period, deadline and budget", |r| {
                r.deadline_ns.set(1 << 40)
            }),
            ("releases", |r| r.completions.set(u64::MAX)),
            ("releases", |r| r.releases.set(4)),
            ("misses", |r| r.misses.set(4)),
            ("response times", |r| r.response = Histogram::EMPTY),
            ("release jitter", |r| r.jitter.record(1)),
        ];
        for (name, change) in changes {
            let mut report = sample();
            change(&mut report);
            let error = Report::parse(report.as_bytes()).err();
            assert_eq!(error, Some(ReportError::Field(name)));
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let good = sample();
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut bytes = good.as_bytes().to_vec();
            for _ in 0..3 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = (state >> 33) as usize % bytes.len();
                bytes[at] = (state >> 24) as u8;
            }
            if let Ok(report) = Report::parse(&bytes) {
                let _ = (
                    report.jitter().percentile_ns(990),
                    report.response().mean_ns(),
                );
                assert!(report.execution().buckets().count() <= 2);
            }
        }
    }
}
