// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The contract in an object, for people.

use serde::Serialize;
use std::fmt;
use wasm_aot_contract::Class;

/// A contract with its fields named as manifests name them.
#[derive(Serialize, Debug)]
pub struct Contract {
    name: String,
    class: &'static str,
    priority: u8,
    period_us: u64,
    deadline_us: u64,
    budget_us: u64,
    offset_us: u64,
    slack: bool,
    entry: String,
    jobs_max: u64,
    on_miss: &'static str,
    on_overrun: &'static str,
    on_trap: &'static str,
    restart_backoff_us: u64,
    restarts_max: u32,
    /// 0 where it is not given.
    memory_max_bytes: u64,
    /// 0 where it is not given.
    stack_bytes: u64,
    mapping: &'static str,
    output: &'static str,
    /// `null` where everything is allowed.
    imports: Option<Vec<String>>,
    devices: Vec<String>,
}

impl From<&wasm_aot_contract::Contract<'_>> for Contract {
    fn from(contract: &wasm_aot_contract::Contract<'_>) -> Self {
        let list = |names: wasm_aot_contract::Names<'_>| names.iter().map(str::to_owned).collect();
        Self {
            name: contract.name.into(),
            class: contract.class.name(),
            priority: contract.priority,
            period_us: contract.period_us,
            deadline_us: contract.deadline_us,
            budget_us: contract.budget_us,
            offset_us: contract.offset_us,
            slack: contract.slack,
            entry: contract.entry.into(),
            jobs_max: contract.jobs_max,
            on_miss: contract.on_miss.name(),
            on_overrun: contract.on_overrun.name(),
            on_trap: contract.on_trap.name(),
            restart_backoff_us: contract.restart_backoff_us,
            restarts_max: contract.restarts_max,
            memory_max_bytes: contract.memory_max_bytes,
            stack_bytes: contract.stack_bytes,
            mapping: contract.mapping.name(),
            output: contract.output.name(),
            imports: contract.imports.map(list),
            devices: list(contract.devices),
        }
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = Class::from_name(self.class).unwrap_or(Class::Background);
        writeln!(f, "\ncontract:")?;
        if !self.name.is_empty() {
            writeln!(f, "  name       {}", self.name)?;
        }
        match class {
            Class::Background => writeln!(f, "  time       background, nothing promised")?,
            _ => writeln!(
                f,
                "  time       {}, {} us every {} us, deadline {} us, offset {} us",
                self.class, self.budget_us, self.period_us, self.deadline_us, self.offset_us
            )?,
        }
        if class != Class::Background {
            match self.priority {
                0 => writeln!(f, "  priority   by deadline")?,
                priority => writeln!(f, "  priority   {priority}")?,
            }
        }
        if class == Class::Periodic {
            write!(f, "  job        {}", self.entry)?;
            match self.jobs_max {
                0 => writeln!(f)?,
                jobs => writeln!(f, ", {jobs} times")?,
            }
        }
        if self.slack {
            writeln!(f, "  slack      has idle time as well")?;
        }
        writeln!(
            f,
            "  on         miss: {}, overrun: {}, trap: {}",
            self.on_miss, self.on_overrun, self.on_trap
        )?;
        let restarts = [self.on_miss, self.on_overrun, self.on_trap];
        if restarts.contains(&wasm_aot_contract::Reaction::Restart.name()) {
            write!(f, "  restart    after {} us", self.restart_backoff_us)?;
            match self.restarts_max {
                0 => writeln!(f, ", doubling, without limit")?,
                max => writeln!(f, ", doubling, {max} times at most")?,
            }
        }
        let given = |bytes: u64, default: &str| match bytes {
            0 => default.to_owned(),
            bytes => format!("{bytes} bytes"),
        };
        writeln!(
            f,
            "  memory     at most {}, {} mapping",
            given(self.memory_max_bytes, "what the machine has"),
            self.mapping
        )?;
        let stack = given(self.stack_bytes, "what the compiler found");
        writeln!(f, "  stack      {stack}")?;
        writeln!(f, "  output     {}", self.output)?;
        match &self.imports {
            None => writeln!(f, "  imports    all allowed")?,
            Some(none) if none.is_empty() => writeln!(f, "  imports    none allowed")?,
            Some(patterns) => writeln!(f, "  imports    {}", patterns.join(" "))?,
        }
        match self.devices.is_empty() {
            true => Ok(()),
            false => writeln!(f, "  devices    {}", self.devices.join(" ")),
        }
    }
}
