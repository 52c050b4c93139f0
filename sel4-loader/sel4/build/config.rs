// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The kernel's options, and which of them this crate can work with.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Option, without its prefix `CONFIG_`, to value. Options that are false are absent.
#[derive(Default)]
pub struct Options(BTreeMap<String, String>);

/// Reads `{"NAME": value, ...}`.
pub fn parse(json: &str) -> Options {
    let mut options = BTreeMap::new();
    let mut rest = json;
    while let Some((_, after)) = rest.split_once('"') {
        let Some((name, after)) = after.split_once('"') else {
            break;
        };
        let value = after.trim_start().trim_start_matches(':').trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(text) => text.split_once('"').unwrap_or((text, "")),
            None => value.split_at(value.find([',', '}']).unwrap_or(value.len())),
        };
        if !matches!(value.trim(), "false" | "null") {
            options.insert(name.to_owned(), value.trim().to_owned());
        }
        rest = after;
    }
    Options(options)
}

impl Options {
    pub fn extend(&mut self, other: Options) {
        self.0.extend(other.0);
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "0")
    }

    /// Whether a C condition of the forms that the interface description has holds:
    /// `defined CONFIG_X`, `defined(CONFIG_X)`, `CONFIG_MAX_NUM_NODES > 1`.
    pub fn condition(&self, condition: &str) -> Result<bool, String> {
        let text = condition.trim();
        if text.is_empty() {
            return Ok(true);
        }
        if let Some(name) = text.strip_prefix("defined") {
            let name = name
                .trim()
                .trim_start_matches('(')
                .trim_end_matches(')')
                .trim();
            return Ok(self.is_set(name.trim_start_matches("CONFIG_")));
        }
        if let Some((name, bound)) = text.split_once('>') {
            let value = self
                .get(name.trim().trim_start_matches("CONFIG_"))
                .unwrap_or("0");
            let number = |t: &str| t.trim().parse::<u64>().ok();
            if let (Some(value), Some(bound)) = (number(value), number(bound)) {
                return Ok(value > bound);
            }
        }
        Err(format!(
            "the interface description has the condition `{text}`, which is not understood"
        ))
    }

    /// Refuses a kernel that this crate does not fit.
    pub fn check(&self) -> Result<(), String> {
        let refuse = |option: &str, why: &str| {
            Err(format!(
                "this kernel cannot be used: its option CONFIG_{option} {why}"
            ))
        };
        if !self.is_set("ARCH_X86_64") {
            return refuse("ARCH_X86_64", "is not set, and only x86-64 is supported");
        }
        if self.is_set("KERNEL_MCS") {
            return refuse(
                "KERNEL_MCS",
                "is set, and scheduling contexts are not supported",
            );
        }
        if self.get("MAX_NUM_NODES").is_some_and(|n| n != "1") {
            return refuse(
                "MAX_NUM_NODES",
                "is not 1, and only one processor is supported",
            );
        }
        if !self.is_set("SYSCALL") {
            return refuse(
                "SYSCALL",
                "is not set, and system calls are made with `syscall`",
            );
        }
        Ok(())
    }

    /// The options that Rust code asks for.
    pub fn constants(&self) -> Result<String, String> {
        let mut out = String::new();
        for name in ["FXSAVE", "DEBUG_BUILD", "PRINTING"] {
            let value = self.is_set(name);
            let _ = writeln!(out, "pub const CONFIG_{name}: bool = {value};");
        }
        for name in [
            "MAX_NUM_BOOTINFO_UNTYPED_CAPS",
            "ROOT_CNODE_SIZE_BITS",
            "RETYPE_FAN_OUT_LIMIT",
        ] {
            let number = self.get(name).and_then(|v| v.parse::<u64>().ok());
            let number = number.ok_or(format!("the kernel's option CONFIG_{name} is no number"))?;
            let _ = writeln!(out, "pub const CONFIG_{name}: usize = {number};");
        }
        Ok(out)
    }
}
