// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The record that carries a contract: a header of fixed size, then strings, all little-endian.

use crate::check::field;
use crate::error::{ContractError, Text};
use crate::{Class, Contract, Mapping, Names, Output, Reaction, VERSION};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First bytes of a record.
const MAGIC: [u8; 8] = *b"waCONTRA";

/// Bits of [`Header::flags`].
mod flags {
    /// There is a list of imports, which may be empty.
    pub const IMPORTS: u8 = 1;
    /// [`crate::Contract::slack`].
    pub const SLACK: u8 = 2;
    /// Every bit that this version knows.
    pub const ALL: u8 = 3;
}

/// The first bytes. The strings follow in the order of their lengths.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
struct Header {
    magic: [u8; 8],
    version: U32,
    class: u8,
    priority: u8,
    flags: u8,
    on_miss: u8,
    on_overrun: u8,
    on_trap: u8,
    mapping: u8,
    output: u8,
    restarts_max: U32,
    period_us: U64,
    deadline_us: U64,
    budget_us: U64,
    offset_us: U64,
    jobs_max: U64,
    restart_backoff_us: U64,
    memory_max_bytes: U64,
    stack_bytes: U64,
    /// Bytes of the name, the entry, the imports and the devices.
    lengths: [U32; 4],
}

/// The value with a number.
fn value<T: Copy>(field: &'static str, all: &[T], number: u8) -> Result<T, ContractError> {
    let found = all.get(usize::from(number)).copied();
    found.ok_or(ContractError::Unknown {
        field,
        number: number.into(),
    })
}

impl<'a> Contract<'a> {
    /// Reads and checks a record; there is nothing before or behind it in `bytes`.
    ///
    /// # Errors
    /// Where it is no such record, of another version, or breaks a rule of [`Contract::check`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ContractError> {
        let length = |announced: u64| ContractError::Length {
            announced,
            found: bytes.len() as u64,
        };
        // The version first: another version's header may have another length.
        let (prefix, _) = <[[u8; 4]; 3]>::ref_from_prefix(bytes)
            .map_err(|_| length(size_of::<Header>() as u64))?;
        if prefix[..2].as_flattened() != MAGIC {
            return Err(ContractError::Magic);
        }
        let found = u32::from_le_bytes(prefix[2]);
        if found != VERSION {
            return Err(ContractError::Version { found });
        }
        let (header, strings) =
            Header::ref_from_prefix(bytes).map_err(|_| length(size_of::<Header>() as u64))?;
        let lengths = header.lengths.map(|length| u64::from(length.get()));
        let announced = size_of::<Header>() as u64 + lengths.iter().sum::<u64>();
        if announced != bytes.len() as u64 {
            return Err(length(announced));
        }
        let contract = header.contract(strings)?;
        contract.check()?;
        Ok(contract)
    }
}

impl Header {
    /// The contract, unchecked; the strings are as long as they are announced.
    fn contract<'a>(&self, strings: &'a [u8]) -> Result<Contract<'a>, ContractError> {
        let mut rest = strings;
        let mut take = |length: U32| {
            let (piece, behind) = rest.split_at_checked(length.get() as usize)?;
            rest = behind;
            Some(piece)
        };
        let [name, entry, imports, devices] =
            self.lengths.map(|length| take(length).unwrap_or_default());
        let text = |field, bytes| {
            core::str::from_utf8(bytes).map_err(|_| ContractError::Text {
                field,
                index: None,
                why: Text::NotUtf8,
            })
        };
        let list = |field, bytes| {
            Names::new(bytes).map_err(|why| ContractError::Text {
                field,
                index: None,
                why,
            })
        };
        let reaction = |field, number| value(field, Reaction::ALL, number);
        let listed = self.flags & flags::IMPORTS != 0;
        if self.flags & !flags::ALL != 0 || (!listed && !imports.is_empty()) {
            return Err(ContractError::Unknown {
                field: "flags",
                number: self.flags.into(),
            });
        }
        Ok(Contract {
            name: text(field::NAME, name)?,
            class: value(field::CLASS, Class::ALL, self.class)?,
            priority: self.priority,
            period_us: self.period_us.get(),
            deadline_us: self.deadline_us.get(),
            budget_us: self.budget_us.get(),
            offset_us: self.offset_us.get(),
            slack: self.flags & flags::SLACK != 0,
            entry: text(field::ENTRY, entry)?,
            jobs_max: self.jobs_max.get(),
            on_miss: reaction(field::ON_MISS, self.on_miss)?,
            on_overrun: reaction(field::ON_OVERRUN, self.on_overrun)?,
            on_trap: reaction(field::ON_TRAP, self.on_trap)?,
            restart_backoff_us: self.restart_backoff_us.get(),
            restarts_max: self.restarts_max.get(),
            memory_max_bytes: self.memory_max_bytes.get(),
            stack_bytes: self.stack_bytes.get(),
            mapping: value(field::MAPPING, Mapping::ALL, self.mapping)?,
            output: value(field::OUTPUT, Output::ALL, self.output)?,
            imports: match listed {
                true => Some(list(field::IMPORTS, imports)?),
                false => None,
            },
            devices: list(field::DEVICES, devices)?,
        })
    }
}

/// The record of a contract (feature `write`).
///
/// # Errors
/// Where [`Contract::check`] finds one.
#[cfg(any(test, feature = "write"))]
pub fn encode(contract: &Contract<'_>) -> Result<alloc::vec::Vec<u8>, ContractError> {
    contract.check()?;
    let imports = contract.imports.unwrap_or(Names::EMPTY).as_bytes();
    let strings = [
        contract.name.as_bytes(),
        contract.entry.as_bytes(),
        imports,
        contract.devices.as_bytes(),
    ];
    let mut bits = 0;
    if contract.imports.is_some() {
        bits |= flags::IMPORTS;
    }
    if contract.slack {
        bits |= flags::SLACK;
    }
    let header = Header {
        magic: MAGIC,
        version: VERSION.into(),
        class: contract.class as u8,
        priority: contract.priority,
        flags: bits,
        on_miss: contract.on_miss as u8,
        on_overrun: contract.on_overrun as u8,
        on_trap: contract.on_trap as u8,
        mapping: contract.mapping as u8,
        output: contract.output as u8,
        restarts_max: contract.restarts_max.into(),
        period_us: contract.period_us.into(),
        deadline_us: contract.deadline_us.into(),
        budget_us: contract.budget_us.into(),
        offset_us: contract.offset_us.into(),
        jobs_max: contract.jobs_max.into(),
        restart_backoff_us: contract.restart_backoff_us.into(),
        memory_max_bytes: contract.memory_max_bytes.into(),
        stack_bytes: contract.stack_bytes.into(),
        // `check` has bounded all of them.
        lengths: strings.map(|string| (string.len() as u32).into()),
    };
    let mut bytes = alloc::vec::Vec::from(header.as_bytes());
    strings
        .iter()
        .for_each(|string| bytes.extend_from_slice(string));
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Contract<'static> {
        Contract {
            name: "control loop",
            class: Class::Periodic,
            priority: 200,
            period_us: 2000,
            deadline_us: 1500,
            budget_us: 300,
            offset_us: 7,
            slack: false,
            entry: "step",
            jobs_max: 9,
            on_miss: Reaction::Skip,
            on_overrun: Reaction::Restart,
            on_trap: Reaction::Stop,
            restart_backoff_us: 11,
            restarts_max: 12,
            memory_max_bytes: 1 << 21,
            stack_bytes: 8192,
            mapping: Mapping::Lazy,
            output: Output::Block,
            imports: Names::new(b"env.f\0wasi_snapshot_preview1.*\0").ok(),
            devices: Names::new(b"uart1\0gpio\0").unwrap(),
        }
    }

    #[test]
    fn records_round_trip() {
        let server = Contract {
            class: Class::Server,
            slack: true,
            offset_us: 0,
            jobs_max: 0,
            imports: Some(Names::EMPTY),
            ..sample()
        };
        for contract in [sample(), server, Contract::default()] {
            let bytes = encode(&contract).unwrap();
            assert_eq!(Contract::parse(&bytes), Ok(contract));
        }
        let wrong = Contract {
            entry: "",
            ..sample()
        };
        assert!(encode(&wrong).is_err());
    }

    #[test]
    fn truncation_extension_and_another_version_are_refused() {
        let mut bytes = encode(&sample()).unwrap();
        for length in 0..bytes.len() {
            assert!(Contract::parse(&bytes[..length]).is_err(), "{length}");
        }
        bytes.push(0);
        assert!(matches!(
            Contract::parse(&bytes),
            Err(ContractError::Length { .. })
        ));
        bytes.pop();
        bytes[8] = 9;
        assert_eq!(
            Contract::parse(&bytes),
            Err(ContractError::Version { found: 9 })
        );
        bytes[0] = 0;
        assert_eq!(Contract::parse(&bytes), Err(ContractError::Magic));
    }

    #[test]
    fn what_damaged_bytes_still_say_is_a_contract_that_can_be_written() {
        let bytes = encode(&sample()).unwrap();
        let mut accepted = 0;
        for position in 0..bytes.len() {
            for value in 0..=255 {
                let mut damaged = bytes.clone();
                damaged[position] = value;
                if let Ok(contract) = Contract::parse(&damaged) {
                    assert_eq!(encode(&contract).unwrap(), damaged, "byte {position}");
                    accepted += 1;
                }
            }
        }
        // Every byte of a value with room has others that are right.
        assert!(accepted > bytes.len());
    }
}
