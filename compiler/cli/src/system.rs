// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What holds for all apps of an image: how the processor is shared, for how long, and which
//! devices are granted. `image` and `boot` take the same options for it.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use sel4_host::bundle::{GrantSpec, MAX_GRANTS, Policy, Resource, SystemSpec, grant_flags};
use std::str::FromStr;
use wasm_aot_contract::{device_name, manifest};

/// Bytes of a page: memory is granted in whole ones.
const PAGE: u64 = 4096;

/// How the processor is shared between apps with contracts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum PolicyArgument {
    /// Fixed priorities.
    #[default]
    Fp,
    /// Earliest deadline first.
    Edf,
}

/// Options for the system.
#[derive(Args, Default)]
#[command(next_help_heading = "System options")]
pub struct SystemArguments {
    /// How the processor is shared between apps with contracts.
    #[arg(long, value_enum, default_value = "fp", value_name = "fp|edf")]
    pub policy: PolicyArgument,
    /// End everything after this time (`10 s`, `500ms`); without it, when all apps have ended.
    #[arg(long = "for", value_name = "DURATION", value_parser = manifest::microseconds)]
    pub duration_us: Option<u64>,
    /// Let apps whose contracts name it have a device: registers in memory or I/O ports, and its
    /// interrupt pin; `ro`: for reading alone; `shared`: several apps at a time. See
    /// docs/devices.md.
    #[arg(
        long = "grant",
        value_name = "NAME=mem:ADDRESS+BYTES|io:PORT+COUNT[,irq:PIN[/edge|/level][/high|/low]][,ro][,shared]"
    )]
    grants: Vec<Grant>,
}

impl SystemArguments {
    /// Whether nothing was chosen.
    pub fn is_default(&self) -> bool {
        self.policy == PolicyArgument::default()
            && self.duration_us.is_none()
            && self.grants.is_empty()
    }

    /// As it is put into a bundle.
    pub fn spec(&self, flags: u32) -> Result<SystemSpec> {
        if self.grants.len() > MAX_GRANTS {
            bail!("--grant: an image has at most {MAX_GRANTS} devices");
        }
        if self.duration_us == Some(0) {
            bail!("--for: nothing happens in no time");
        }
        for (index, Grant(grant)) in self.grants.iter().enumerate() {
            let same = |Grant(other): &Grant| other.name == grant.name;
            if self.grants.iter().take(index).any(same) {
                bail!("--grant {}: there are two of this name", grant.name);
            }
        }
        Ok(SystemSpec {
            flags,
            policy: match self.policy {
                PolicyArgument::Fp => Policy::FixedPriority,
                PolicyArgument::Edf => Policy::EarliestDeadline,
            },
            duration_us: self.duration_us.unwrap_or(0),
            grants: self.grants.iter().map(|grant| grant.0.clone()).collect(),
        })
    }
}

/// A name that is not taken: the second `control` becomes `control#2`.
pub fn distinct(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number: u64| format!("{name}#{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !taken(name)).unwrap_or_default()
}

/// `NAME=mem:ADDRESS+BYTES` or `NAME=io:PORT+COUNT`, and what else there is to say, behind commas;
/// numbers are decimal, or hexadecimal with `0x`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Grant(GrantSpec);

fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("`{text}` is no number, decimal or hexadecimal with 0x"))
}

impl FromStr for Grant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "not of the form NAME=mem:ADDRESS+BYTES or NAME=io:PORT+COUNT, with \
                    `,irq:PIN`, `,ro`, `,shared` behind it";
        let (name, rest) = text.split_once('=').ok_or(form)?;
        if !device_name(name) {
            return Err(format!(
                "`{name}` is no name: letters, digits, `-`, `_` and `.`, at most {} of them",
                wasm_aot_contract::MAX_NAME_BYTES
            ));
        }
        let mut parts = rest.split(',');
        let range = parts.next().ok_or(form)?;
        let (mut interrupt, mut flags) = (None, 0);
        for part in parts {
            match part {
                "ro" => flags |= grant_flags::READ_ONLY,
                "shared" => flags |= grant_flags::SHARED,
                _ => {
                    let pin = part.strip_prefix("irq:").ok_or(form)?;
                    if interrupt.is_some() {
                        return Err("a device has at most one interrupt".into());
                    }
                    let (pin, trigger) = pin_and_trigger(pin)?;
                    interrupt = Some(pin);
                    flags |= trigger;
                }
            }
        }
        if interrupt.is_some() && flags & grant_flags::SHARED != 0 {
            return Err("a device that is shared has no interrupt: that is one app's".into());
        }
        let (kind, range) = range.split_once(':').ok_or(form)?;
        let (start, length) = range.split_once('+').ok_or(form)?;
        let (start, length) = (number(start)?, number(length)?);
        let resource = match kind {
            "mem" => memory(start, length)?,
            "io" if flags & grant_flags::READ_ONLY != 0 => {
                return Err("I/O ports cannot be granted for reading alone".into());
            }
            "io" => ports(start, length)?,
            _ => return Err(form.into()),
        };
        Ok(Self(GrantSpec {
            name: name.into(),
            resource,
            interrupt,
            flags,
        }))
    }
}

/// A pin of the interrupt controller, and how it says that there is an interrupt: of the first 16,
/// those of the ISA bus, by becoming high, of the others, those of PCI, by being low.
fn pin_and_trigger(text: &str) -> Result<(u32, u32), String> {
    let mut words = text.split('/');
    let pin = number(words.next().unwrap_or_default())?;
    // What the I/O interrupt controller's registers have room for.
    let pin = u32::try_from(pin).ok().filter(|&pin| pin < 240);
    let pin = pin.ok_or_else(|| format!("irq:{text} is no interrupt pin"))?;
    let (mut level, mut low) = (pin >= 16, pin >= 16);
    for word in words {
        match word {
            "edge" => level = false,
            "level" => level = true,
            "high" => low = false,
            "low" => low = true,
            _ => {
                return Err(format!(
                    "irq:{text}: `{word}` is none of edge, level, high, low"
                ));
            }
        }
    }
    let mut flags = 0;
    if level {
        flags |= grant_flags::LEVEL;
    }
    if low {
        flags |= grant_flags::ACTIVE_LOW;
    }
    Ok((pin, flags))
}

fn memory(address: u64, bytes: u64) -> Result<Resource, String> {
    let whole = address.is_multiple_of(PAGE) && bytes.is_multiple_of(PAGE);
    if !whole || bytes == 0 || address.checked_add(bytes).is_none() {
        return Err(format!(
            "mem:{address:#x}+{bytes} is not whole pages of {PAGE} bytes: what shares a page with \
             the device would be granted as well"
        ));
    }
    Ok(Resource::Memory { address, bytes })
}

fn ports(first: u64, count: u64) -> Result<Resource, String> {
    let end = first.checked_add(count).filter(|&end| end <= 1 << 16);
    match (u16::try_from(first), end) {
        (Ok(first), Some(_)) if count > 0 => Ok(Resource::Ports {
            first,
            count: count as u32,
        }),
        _ => Err(format!("io:{first:#x}+{count} is not in 0 to 0xffff")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_are_read() {
        let grant = |text: &str| text.parse::<Grant>().unwrap().0;
        let memory = grant("gpio=mem:0xfed03000+8192,irq:20");
        assert_eq!(memory.name, "gpio");
        assert_eq!(memory.interrupt, Some(20));
        let pci = grant_flags::LEVEL | grant_flags::ACTIVE_LOW;
        assert_eq!(memory.flags, pci);
        let (address, bytes) = (0xfed0_3000, 8192);
        assert_eq!(memory.resource, Resource::Memory { address, bytes });
        let ports = grant("uart1=io:0x3e8+8");
        let (first, count) = (0x3e8, 8);
        assert_eq!(ports.resource, Resource::Ports { first, count });
        assert_eq!((ports.interrupt, ports.flags), (None, 0));
        for (text, flags) in [
            ("a=io:1+1,irq:5", 0),
            ("a=io:1+1,irq:5/level", grant_flags::LEVEL),
            ("a=io:1+1,irq:0x15/edge/high", 0),
            ("a=mem:4096+4096,irq:23,ro", pci | grant_flags::READ_ONLY),
            ("a=io:1+1,shared", grant_flags::SHARED),
        ] {
            assert_eq!(grant(text).flags, flags, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_with_a_reason() {
        for (text, part) in [
            ("gpio", "NAME=mem:"),
            ("gpio=0x1000+4096", "NAME=mem:"),
            ("gpio=mem:0x1000", "NAME=mem:"),
            ("gpio=pci:0x1000+4096", "NAME=mem:"),
            ("gpio=mem:0x1000+4096,20", "NAME=mem:"),
            ("gp io=mem:0x1000+4096", "no name"),
            ("=mem:0x1000+4096", "no name"),
            ("gpio=mem:0x1010+4096", "whole pages"),
            ("gpio=mem:0x1000+16", "whole pages"),
            ("gpio=mem:0x1000+0", "whole pages"),
            ("gpio=mem:0xfffffffffffff000+4096", "whole pages"),
            ("gpio=mem:zero+4096", "no number"),
            ("gpio=mem:0x1000+4096,irq:240", "no interrupt pin"),
            ("gpio=mem:0x1000+4096,irq:", "no number"),
            ("gpio=mem:0x1000+4096,irq:5/rising", "none of edge"),
            ("gpio=mem:0x1000+4096,irq:5,irq:6", "at most one"),
            ("gpio=mem:0x1000+4096,shared,irq:6", "one app's"),
            ("gpio=mem:0x1000+4096,rw", "NAME=mem:"),
            ("uart=io:1+1,ro", "reading alone"),
            ("uart=io:0x10000+1", "0xffff"),
            ("uart=io:0xffff+2", "0xffff"),
            ("uart=io:1+0", "0xffff"),
        ] {
            let error = text.parse::<Grant>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
