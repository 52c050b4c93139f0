// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The manifest: a contract as people write it, in TOML (feature `manifest`).
//!
//! What is not known is refused, never ignored: a misspelt deadline is no deadline. Every error
//! says where it is.

mod duration;

pub use duration::{DurationError, microseconds};

use crate::check::field;
use crate::error::{ContractError, Text};
use crate::{Class, Contract, Mapping, Names, Output, Reaction};
use core::fmt;
use core::ops::Range;
use serde::Deserialize;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, str};
use toml::Spanned;

/// Bytes of a manifest, at most.
pub const MAX_BYTES: usize = 1 << 20;

/// Why a manifest is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestError {
    /// The line, from 1 on.
    pub line: usize,
    /// The character in the line, from 1 on.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            message,
        } = self;
        write!(f, "line {line}, column {column}: {message}")
    }
}

impl std::error::Error for ManifestError {}

impl ManifestError {
    fn new(text: &str, at: usize, message: impl ToString) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        // One line, whoever wrote it.
        let message = message.to_string();
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    app: App,
    time: Option<Spanned<Time>>,
    #[serde(default)]
    memory: Memory,
    #[serde(default)]
    imports: Imports,
    #[serde(default)]
    on: On,
    #[serde(default)]
    device: Vec<Device>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct App {
    name: Option<Spanned<String>>,
    entry: Option<Spanned<String>>,
    output: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Time {
    class: Option<Spanned<String>>,
    priority: Option<Spanned<u8>>,
    period_us: Option<Spanned<u64>>,
    period: Option<Spanned<String>>,
    deadline_us: Option<Spanned<u64>>,
    deadline: Option<Spanned<String>>,
    budget_us: Option<Spanned<u64>>,
    budget: Option<Spanned<String>>,
    offset_us: Option<Spanned<u64>>,
    offset: Option<Spanned<String>>,
    slack: Option<Spanned<bool>>,
    jobs_max: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Memory {
    max_bytes: Option<Spanned<u64>>,
    stack_bytes: Option<Spanned<u64>>,
    mapping: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Imports {
    allow: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct On {
    miss: Option<Spanned<String>>,
    overrun: Option<Spanned<String>>,
    trap: Option<Spanned<String>>,
    restart_backoff_us: Option<Spanned<u64>>,
    restart_backoff: Option<Spanned<String>>,
    restarts_max: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    name: Spanned<String>,
}

/// The record ([`Contract::parse`]) of the contract in a manifest.
///
/// # Errors
/// Where it is no TOML, has what is not known, or is no contract ([`Contract::check`]).
pub fn record(manifest: &[u8]) -> Result<Vec<u8>, ManifestError> {
    if manifest.len() > MAX_BYTES {
        let message = format!("a manifest has at most {MAX_BYTES} bytes");
        return Err(ManifestError::new("", 0, message));
    }
    let text = str::from_utf8(manifest).map_err(|error| {
        let valid = &manifest[..error.valid_up_to()];
        let valid = str::from_utf8(valid).unwrap_or_default();
        ManifestError::new(valid, valid.len(), Text::NotUtf8)
    })?;
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        ManifestError::new(text, at, error.message())
    })?;
    let mut reader = Reader {
        text,
        places: Vec::new(),
    };
    reader.record(file)
}

/// Takes the values out of the file and remembers where they were.
struct Reader<'t> {
    text: &'t str,
    /// Field, entry of a list, place.
    places: Vec<(&'static str, usize, Range<usize>)>,
}

impl Reader<'_> {
    fn error(&self, at: &Range<usize>, message: impl ToString) -> ManifestError {
        ManifestError::new(self.text, at.start, message)
    }

    /// The value, if it was given.
    fn take<T>(&mut self, field: &'static str, value: Option<Spanned<T>>) -> Option<T> {
        let value = value?;
        self.places.push((field, 0, value.span()));
        Some(value.into_inner())
    }

    /// The value with the name that was given.
    fn word<T: Copy>(
        &mut self,
        field: &'static str,
        value: Option<Spanned<String>>,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<Option<T>, ManifestError> {
        let Some(value) = value else {
            return Ok(None);
        };
        self.places.push((field, 0, value.span()));
        let found = all
            .iter()
            .copied()
            .find(|&one| name(one) == value.get_ref());
        if found.is_none() {
            let names: Vec<_> = all
                .iter()
                .map(|&one| format!("\"{}\"", name(one)))
                .collect();
            let message = format!(
                "{field} is \"{}\", but has to be one of {}",
                value.get_ref().escape_debug(),
                names.join(", ")
            );
            return Err(self.error(&value.span(), message));
        }
        Ok(found)
    }

    /// Microseconds, given as their number or as a text with a unit.
    fn microseconds(
        &mut self,
        field: &'static str,
        number: Option<Spanned<u64>>,
        text: Option<Spanned<String>>,
    ) -> Result<Option<u64>, ManifestError> {
        let Some(text) = text else {
            return Ok(self.take(field, number));
        };
        if number.is_some() {
            let message = format!("{field} is there as well: say it once");
            return Err(self.error(&text.span(), message));
        }
        self.places.push((field, 0, text.span()));
        let parsed = duration::microseconds(text.get_ref());
        let bare = field.trim_end_matches("_us");
        parsed
            .map(Some)
            .map_err(|why| self.error(&text.span(), format!("{bare} {why}")))
    }

    /// The bytes of a list of names.
    fn names(
        &mut self,
        field: &'static str,
        list: impl IntoIterator<Item = Spanned<String>>,
    ) -> Result<Vec<u8>, ManifestError> {
        let mut bytes = Vec::new();
        for (index, name) in list.into_iter().enumerate() {
            // It would end the name, not be a character of it.
            if name.get_ref().contains('\0') {
                let why = Text::Control;
                let index = Some(index);
                let error = ContractError::Text { field, index, why };
                return Err(self.error(&name.span(), error));
            }
            self.places.push((field, index, name.span()));
            bytes.extend_from_slice(name.get_ref().as_bytes());
            bytes.push(0);
        }
        Ok(bytes)
    }

    fn record(&mut self, file: File) -> Result<Vec<u8>, ManifestError> {
        let periodic = file.time.is_some();
        let time_at = file.time.as_ref().map_or(0..0, Spanned::span);
        let time = file.time.map(Spanned::into_inner).unwrap_or_default();
        let default = Contract::default();
        let name = self.take(field::NAME, file.app.name).unwrap_or_default();
        let entry = self.take(field::ENTRY, file.app.entry);
        let allow = match file.imports.allow {
            Some(list) => {
                self.places.push((field::IMPORTS, usize::MAX, list.span()));
                Some(self.names(field::IMPORTS, list.into_inner())?)
            }
            None => None,
        };
        let devices = file.device.into_iter().map(|device| device.name);
        let devices = self.names(field::DEVICES, devices)?;
        let list = |bytes| Names::new(bytes).unwrap_or(Names::EMPTY);
        let reactions = (Reaction::ALL, Reaction::name as fn(_) -> _);
        let mut reaction = |field, value, default| {
            let given = self.word(field, value, reactions.0, reactions.1);
            given.map(|given| given.unwrap_or(default))
        };
        let on_miss = reaction(field::ON_MISS, file.on.miss, default.on_miss)?;
        let on_overrun = reaction(field::ON_OVERRUN, file.on.overrun, default.on_overrun)?;
        let on_trap = reaction(field::ON_TRAP, file.on.trap, default.on_trap)?;
        let class = self.word(field::CLASS, time.class, Class::ALL, Class::name)?;
        let class = class.unwrap_or(match periodic {
            true => Class::Periodic,
            false => Class::Background,
        });
        let period = self.microseconds(field::PERIOD, time.period_us, time.period)?;
        let deadline = self.microseconds(field::DEADLINE, time.deadline_us, time.deadline)?;
        let budget = self.microseconds(field::BUDGET, time.budget_us, time.budget)?;
        let offset = self.microseconds(field::OFFSET, time.offset_us, time.offset)?;
        let backoff = (file.on.restart_backoff_us, file.on.restart_backoff);
        let backoff = self.microseconds(field::BACKOFF, backoff.0, backoff.1)?;
        let mapping = self.word(
            field::MAPPING,
            file.memory.mapping,
            Mapping::ALL,
            Mapping::name,
        )?;
        let output = self.word(field::OUTPUT, file.app.output, Output::ALL, Output::name)?;
        let contract = Contract {
            name: &name,
            class,
            priority: self.take(field::PRIORITY, time.priority).unwrap_or(0),
            period_us: period.unwrap_or(0),
            deadline_us: deadline.or(period).unwrap_or(0),
            budget_us: budget.unwrap_or(0),
            offset_us: offset.unwrap_or(0),
            slack: self.take(field::SLACK, time.slack).unwrap_or(false),
            entry: entry.as_deref().unwrap_or(default.entry),
            jobs_max: self.take(field::JOBS_MAX, time.jobs_max).unwrap_or(0),
            on_miss,
            on_overrun,
            on_trap,
            restart_backoff_us: backoff.unwrap_or(default.restart_backoff_us),
            restarts_max: self
                .take(field::RESTARTS_MAX, file.on.restarts_max)
                .unwrap_or(default.restarts_max),
            memory_max_bytes: self
                .take(field::MEMORY_MAX, file.memory.max_bytes)
                .unwrap_or(0),
            stack_bytes: self
                .take(field::STACK, file.memory.stack_bytes)
                .unwrap_or(0),
            mapping: mapping.unwrap_or(default.mapping),
            output: output.unwrap_or(default.output),
            imports: allow.as_deref().map(list),
            devices: list(&devices),
        };
        self.zeros(&contract)?;
        let record = match (entry.is_some(), class) {
            (true, Class::Server | Class::Background) => Err(ContractError::Meaningless {
                field: field::ENTRY,
                class,
            }),
            _ => crate::encode(&contract),
        };
        record.map_err(|error| self.error(&self.place(&error, time_at), error))
    }

    /// A zero that stands for "not given" in a record is no value in a manifest.
    fn zeros(&self, contract: &Contract<'_>) -> Result<(), ManifestError> {
        let values = [
            (field::PERIOD, contract.period_us),
            (field::DEADLINE, contract.deadline_us),
            (field::BUDGET, contract.budget_us),
            (field::MEMORY_MAX, contract.memory_max_bytes),
            (field::STACK, contract.stack_bytes),
        ];
        for (field, value) in values {
            let given = self.places.iter().find(|place| place.0 == field);
            if let (0, Some((_, _, at))) = (value, given) {
                return Err(self.error(at, format!("{field} is 0: leave it out, or say how much")));
            }
        }
        Ok(())
    }

    /// Where the field of an error is; the table of times where one is missing in it.
    fn place(&self, error: &ContractError, time: Range<usize>) -> Range<usize> {
        let index = match error {
            ContractError::Text { index, .. } => index.unwrap_or(0),
            ContractError::TooMany { .. } => usize::MAX,
            _ => 0,
        };
        let field = error.field().unwrap_or_default();
        let of_field = || self.places.iter().filter(|place| place.0 == field);
        let exact = of_field().find(|place| place.1 == index);
        let place = exact.or_else(|| of_field().next());
        place.map_or(time, |(_, _, at)| at.clone())
    }
}

#[cfg(test)]
mod tests;
