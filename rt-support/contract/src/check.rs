// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What a contract has to keep to be one, wherever it comes from.

use crate::error::{ContractError, Text};
use crate::names::check_pattern;
use crate::*;

/// Names of fields, as manifests spell them.
pub mod field {
    #![allow(missing_docs)]
    pub const NAME: &str = "app.name";
    pub const ENTRY: &str = "app.entry";
    pub const OUTPUT: &str = "app.output";
    pub const CLASS: &str = "time.class";
    pub const PRIORITY: &str = "time.priority";
    pub const PERIOD: &str = "time.period_us";
    pub const DEADLINE: &str = "time.deadline_us";
    pub const BUDGET: &str = "time.budget_us";
    pub const OFFSET: &str = "time.offset_us";
    pub const SLACK: &str = "time.slack";
    pub const JOBS_MAX: &str = "time.jobs_max";
    pub const MEMORY_MAX: &str = "memory.max_bytes";
    pub const STACK: &str = "memory.stack_bytes";
    pub const MAPPING: &str = "memory.mapping";
    pub const IMPORTS: &str = "imports.allow";
    pub const ON_MISS: &str = "on.miss";
    pub const ON_OVERRUN: &str = "on.overrun";
    pub const ON_TRAP: &str = "on.trap";
    pub const BACKOFF: &str = "on.restart_backoff_us";
    pub const RESTARTS_MAX: &str = "on.restarts_max";
    pub const DEVICES: &str = "device.name";
}

fn range(field: &'static str, value: u64, min: u64, max: u64) -> Result<(), ContractError> {
    match (min..=max).contains(&value) {
        true => Ok(()),
        false => Err(ContractError::Range {
            field,
            value,
            min,
            max,
        }),
    }
}

fn at_most(
    (field, value): (&'static str, u64),
    (limit_field, limit): (&'static str, u64),
) -> Result<(), ContractError> {
    match value <= limit {
        true => Ok(()),
        false => Err(ContractError::Order {
            field,
            value,
            limit_field,
            limit,
        }),
    }
}

/// A text of a field or of an entry of one.
fn text(
    field: &'static str,
    index: Option<usize>,
    value: &str,
    max: usize,
) -> Result<(), ContractError> {
    let wrong = |why| Err(ContractError::Text { field, index, why });
    if value.is_empty() {
        return wrong(Text::Empty);
    }
    if value.len() > max {
        return wrong(Text::TooLong { max });
    }
    if value.contains(char::is_control) {
        return wrong(Text::Control);
    }
    Ok(())
}

impl Contract<'_> {
    /// Checks every field, and that they fit each other.
    ///
    /// # Errors
    /// The first that is wrong, with its value and its limits.
    pub fn check(&self) -> Result<(), ContractError> {
        self.check_time()?;
        if !self.name.is_empty() {
            text(field::NAME, None, self.name, MAX_NAME_BYTES)?;
        }
        text(field::ENTRY, None, self.entry, MAX_TEXT_BYTES)?;
        range(field::BACKOFF, self.restart_backoff_us, 0, MAX_PERIOD_US)?;
        if self.memory_max_bytes != 0 {
            let bytes = self.memory_max_bytes;
            range(field::MEMORY_MAX, bytes, MIN_MEMORY_BYTES, MAX_MEMORY_BYTES)?;
        }
        if self.stack_bytes != 0 {
            let bytes = self.stack_bytes;
            range(field::STACK, bytes, MIN_STACK_BYTES, MAX_STACK_BYTES)?;
            if self.memory_max_bytes != 0 {
                let limit = (field::MEMORY_MAX, self.memory_max_bytes);
                at_most((field::STACK, bytes), limit)?;
            }
        }
        self.check_imports()?;
        self.check_devices()
    }

    fn check_time(&self) -> Result<(), ContractError> {
        let class = self.class;
        let of_period = [
            (field::PERIOD, self.period_us),
            (field::BUDGET, self.budget_us),
            (field::DEADLINE, self.deadline_us),
        ];
        let of_jobs = [
            (field::OFFSET, self.offset_us),
            (field::JOBS_MAX, self.jobs_max),
        ];
        let meaningless = |(field, value): (&'static str, u64)| match value {
            0 => Ok(()),
            _ => Err(ContractError::Meaningless { field, class }),
        };
        if class != Class::Periodic {
            of_jobs.into_iter().try_for_each(meaningless)?;
        }
        if class != Class::Server {
            meaningless((field::SLACK, self.slack.into()))?;
        }
        if class == Class::Background {
            of_period.into_iter().try_for_each(meaningless)?;
            return meaningless((field::PRIORITY, self.priority.into()));
        }
        for (field, value) in of_period {
            if value == 0 {
                return Err(ContractError::Missing { field, class });
            }
        }
        range(field::PERIOD, self.period_us, MIN_PERIOD_US, MAX_PERIOD_US)?;
        range(field::BUDGET, self.budget_us, MIN_BUDGET_US, MAX_PERIOD_US)?;
        let deadline = (field::DEADLINE, self.deadline_us);
        at_most(deadline, (field::PERIOD, self.period_us))?;
        at_most((field::BUDGET, self.budget_us), deadline)?;
        range(field::OFFSET, self.offset_us, 0, MAX_PERIOD_US)
    }

    fn check_imports(&self) -> Result<(), ContractError> {
        let field = field::IMPORTS;
        let patterns = self.imports.unwrap_or(Names::EMPTY);
        count(field, patterns, MAX_IMPORTS)?;
        for (index, pattern) in patterns.iter().enumerate() {
            text(field, Some(index), pattern, MAX_TEXT_BYTES)?;
            check_pattern(pattern).map_err(|why| ContractError::Text {
                field,
                index: Some(index),
                why,
            })?;
        }
        Ok(())
    }

    fn check_devices(&self) -> Result<(), ContractError> {
        let field = field::DEVICES;
        count(field, self.devices, MAX_DEVICES)?;
        for (position, name) in self.devices.iter().enumerate() {
            let index = Some(position);
            text(field, index, name, MAX_NAME_BYTES)?;
            let wrong = |why| Err(ContractError::Text { field, index, why });
            if !device_name(name) {
                return wrong(Text::Letters);
            }
            if self
                .devices
                .iter()
                .take(position)
                .any(|other| other == name)
            {
                return wrong(Text::Twice);
            }
        }
        Ok(())
    }
}

/// Whether a device can be called so.
#[must_use]
pub fn device_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.bytes().all(letter)
}

fn count(field: &'static str, names: Names<'_>, max: usize) -> Result<(), ContractError> {
    match names.len() {
        count if count > max => Err(ContractError::TooMany { field, count, max }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn periodic() -> Contract<'static> {
        Contract {
            class: Class::Periodic,
            period_us: 2000,
            deadline_us: 1500,
            budget_us: 300,
            ..Contract::default()
        }
    }

    #[track_caller]
    fn refused(contract: Contract<'_>, message: &str) {
        assert_eq!(contract.check().unwrap_err().to_string(), message);
    }

    #[test]
    fn limits_are_inside() {
        assert_eq!(Contract::default().check(), Ok(()));
        assert_eq!(periodic().check(), Ok(()));
        for (period_us, budget_us) in [
            (MIN_PERIOD_US, MIN_BUDGET_US),
            (3_600_000_000, 3_600_000_000),
        ] {
            let contract = Contract {
                period_us,
                deadline_us: period_us,
                budget_us,
                offset_us: MAX_PERIOD_US,
                priority: 255,
                stack_bytes: MAX_STACK_BYTES,
                memory_max_bytes: MAX_MEMORY_BYTES,
                ..periodic()
            };
            assert_eq!(contract.check(), Ok(()));
        }
    }

    #[test]
    fn times_that_do_not_fit_are_refused() {
        let missing = Contract {
            budget_us: 0,
            ..periodic()
        };
        refused(
            missing,
            "time.budget_us is missing: class \"periodic\" needs it",
        );
        let late = Contract {
            deadline_us: 2001,
            ..periodic()
        };
        refused(
            late,
            "time.deadline_us is 2001, more than time.period_us, which is 2000",
        );
        let full = Contract {
            budget_us: 1501,
            ..periodic()
        };
        refused(
            full,
            "time.budget_us is 1501, more than time.deadline_us, which is 1500",
        );
        let short = Contract {
            period_us: 99,
            deadline_us: 99,
            ..periodic()
        };
        refused(
            short,
            "time.period_us is 99, but has to be from 100 to 3600000000",
        );
        let little = Contract {
            budget_us: 19,
            ..periodic()
        };
        refused(
            little,
            "time.budget_us is 19, but has to be from 20 to 3600000000",
        );
        let huge = Contract {
            period_us: u64::MAX,
            deadline_us: u64::MAX,
            ..periodic()
        };
        assert!(huge.check().is_err());
    }

    #[test]
    fn what_a_class_has_no_use_for_is_refused() {
        let background = Contract {
            priority: 3,
            ..Contract::default()
        };
        refused(
            background,
            "time.priority means nothing for class \"background\": take it out, or choose \
             another class",
        );
        let server = Contract {
            class: Class::Server,
            slack: true,
            ..periodic()
        };
        assert_eq!(server.check(), Ok(()));
        let jobs = Contract {
            jobs_max: 5,
            ..server
        };
        assert_eq!(jobs.check().unwrap_err().field(), Some(field::JOBS_MAX));
        let slack = Contract {
            slack: true,
            ..periodic()
        };
        assert_eq!(slack.check().unwrap_err().field(), Some(field::SLACK));
    }

    #[test]
    fn sizes_are_refused_beyond_an_address_space() {
        let stack = Contract {
            stack_bytes: 4095,
            ..periodic()
        };
        refused(
            stack,
            "memory.stack_bytes is 4095, but has to be from 4096 to 31457280",
        );
        let memory = Contract {
            memory_max_bytes: 1,
            ..periodic()
        };
        assert_eq!(memory.check().unwrap_err().field(), Some(field::MEMORY_MAX));
        let both = Contract {
            memory_max_bytes: 1 << 16,
            stack_bytes: 1 << 17,
            ..periodic()
        };
        refused(
            both,
            "memory.stack_bytes is 131072, more than memory.max_bytes, which is 65536",
        );
    }

    #[test]
    fn the_largest_stack_has_room_in_an_address_space() {
        const { assert!(MAX_STACK_BYTES <= sel4_boot::space::STACK_LIMIT) };
    }

    #[test]
    fn names_are_refused_with_their_position() {
        let list = |bytes| Names::new(bytes).unwrap();
        let imports = Contract {
            imports: Some(list(b"a.b\0c\0")),
            ..periodic()
        };
        refused(
            imports,
            "imports.allow: entry 2 is neither `MODULE.NAME` nor `MODULE.*` nor `*`",
        );
        let devices = Contract {
            devices: list(b"uart1\0uart1\0"),
            ..periodic()
        };
        refused(devices, "device.name: entry 2 has been there before");
        let devices = Contract {
            devices: list(b"uart 1\0"),
            ..periodic()
        };
        assert_eq!(devices.check().unwrap_err().field(), Some(field::DEVICES));
        let entry = Contract {
            entry: "",
            ..periodic()
        };
        refused(entry, "app.entry is empty");
        let entry = Contract {
            entry: "a\n",
            ..periodic()
        };
        refused(entry, "app.entry has a control character");
        let many = "d.*\0".repeat(MAX_IMPORTS + 1);
        let many = Contract {
            imports: Names::new(many.as_bytes()).ok(),
            ..periodic()
        };
        refused(
            many,
            "imports.allow has 257 entries, but 256 at most are allowed",
        );
    }
}
