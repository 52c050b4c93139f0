// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
use super::*;
use crate::{MAX_IMPORTS, encode};

const FULL: &str = r#"
[app]
name = "control"
entry = "step"
output = "block"

[time]
class = "periodic"
priority = 200
period = "2 ms"
deadline_us = 1500
budget_us = 300
offset = "0.5 ms"
jobs_max = 1000

[memory]
max_bytes = 2_097_152
stack_bytes = 16384
mapping = "lazy"

[imports]
allow = ["env.read", "wasi_snapshot_preview1.*"]

[on]
miss = "skip"
overrun = "restart"
trap = "restart"
restart_backoff = "10 ms"
restarts_max = 8

[[device]]
name = "uart1"

[[device]]
name = "gpio"
"#;

#[test]
fn every_field_is_read() {
    let bytes = record(FULL.as_bytes()).unwrap();
    let expected = Contract {
        name: "control",
        class: Class::Periodic,
        priority: 200,
        period_us: 2000,
        deadline_us: 1500,
        budget_us: 300,
        offset_us: 500,
        slack: false,
        entry: "step",
        jobs_max: 1000,
        on_miss: Reaction::Skip,
        on_overrun: Reaction::Restart,
        on_trap: Reaction::Restart,
        restart_backoff_us: 10_000,
        restarts_max: 8,
        memory_max_bytes: 2 << 20,
        stack_bytes: 16384,
        mapping: Mapping::Lazy,
        output: Output::Block,
        imports: Names::new(b"env.read\0wasi_snapshot_preview1.*\0").ok(),
        devices: Names::new(b"uart1\0gpio\0").unwrap(),
    };
    assert_eq!(Contract::parse(&bytes), Ok(expected));
}

#[test]
fn what_is_not_said_is_the_default() {
    let read = |text: &str| record(text.as_bytes()).unwrap();
    assert_eq!(Contract::parse(&read("")), Ok(Contract::default()));
    let short = read("[time]\nperiod_us = 1000\nbudget_us = 100\n");
    let short = Contract::parse(&short).unwrap();
    assert_eq!((short.class, short.entry), (Class::Periodic, "tick"));
    assert_eq!((short.deadline_us, short.priority), (1000, 0));
    let nothing = read("[imports]\nallow = []\n");
    assert_eq!(
        Contract::parse(&nothing).unwrap().imports,
        Some(Names::EMPTY)
    );
}

#[track_caller]
fn refused(text: &str, message: &str) {
    let error = record(text.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn errors_say_where() {
    refused(
        "[time]\nperod_us = 1000\n",
        "line 2, column 1: unknown field `perod_us`, expected one of `class`, `priority`, \
         `period_us`, `period`, `deadline_us`, `deadline`, `budget_us`, `budget`, `offset_us`, \
         `offset`, `slack`, `jobs_max`",
    );
    refused(
        "[tim]\n",
        "line 1, column 2: unknown field `tim`, expected one of `app`, `time`, `memory`, \
         `imports`, `on`, `device`",
    );
    let times = "[time]\nperiod_us = 1000\nbudget_us = 100\n";
    refused(
        &(times.to_string() + "deadline = \"2 ms\"\n"),
        "line 4, column 12: time.deadline_us is 2000, more than time.period_us, which is 1000",
    );
    refused(
        &(times.to_string() + "period = \"1 ms\"\n"),
        "line 4, column 10: time.period_us is there as well: say it once",
    );
    refused(
        "[time]\nperiod_us = 1000\n",
        "line 1, column 1: time.budget_us is missing: class \"periodic\" needs it",
    );
    refused(
        "[time]\nperiod = 1000\n",
        "line 2, column 10: invalid type: integer `1000`, expected a string",
    );
    refused(
        "[time]\nperiod_us = -1\n",
        "line 2, column 13: invalid value: integer `-1`, expected u64",
    );
    refused(
        "[on]\ntrap = \"ignore\"\n",
        "line 2, column 8: on.trap is \"ignore\", but has to be one of \"log\", \"skip\", \
         \"restart\", \"stop\"",
    );
    refused(
        "[imports]\nallow = [\n  \"env.*\", \"env\",\n]\n",
        "line 3, column 12: imports.allow: entry 2 is neither `MODULE.NAME` nor `MODULE.*` nor `*`",
    );
    refused(
        "[memory]\nmax_bytes = 0\n",
        "line 2, column 13: memory.max_bytes is 0: leave it out, or say how much",
    );
    refused(
        "[time]\nclass = \"server\"\nperiod_us = 1000\nbudget_us = 100\n[app]\nentry = \"f\"\n",
        "line 6, column 9: app.entry means nothing for class \"server\": take it out, or choose \
         another class",
    );
    refused(
        "[[device]]\nname = \"a\\u0000b\"\n",
        "line 2, column 8: device.name: entry 1 has a control character",
    );
    let many = format!(
        "[imports]\nallow = [{}]\n",
        "\"a.b\",".repeat(MAX_IMPORTS + 1)
    );
    refused(
        &many,
        "line 2, column 9: imports.allow has 257 entries, but 256 at most are allowed",
    );
    let error = record(b"[app]\nname = \"\xff\"\n").unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 9: is not UTF-8");
    assert!(record(&std::vec![b' '; MAX_BYTES + 1]).is_err());
    assert!(record("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn the_examples_of_the_documentation_are_manifests() {
    let page = include_str!("../../../../docs/contracts.md");
    let examples: Vec<_> = page.split("```toml\n").skip(1).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let (text, _) = example.split_once("```").unwrap();
        let bytes = record(text.as_bytes()).unwrap();
        Contract::parse(&bytes).unwrap();
    }
}

#[test]
fn the_documentation_has_every_field_and_every_limit() {
    let page = include_str!("../../../../docs/contracts.md");
    for line in include_str!("../check.rs").lines() {
        let Some((_, field)) = line.split_once(": &str = \"") else {
            continue;
        };
        let field = field.trim_end_matches("\";");
        assert!(page.contains(&format!("`{field}`")), "{field}");
    }
    for limit in [
        crate::MIN_PERIOD_US,
        crate::MIN_BUDGET_US,
        crate::MIN_STACK_BYTES,
        crate::MAX_STACK_BYTES,
        crate::MIN_MEMORY_BYTES,
        crate::MAX_MEMORY_BYTES,
        crate::MAX_IMPORTS as u64,
        crate::MAX_DEVICES as u64,
        crate::MAX_TEXT_BYTES as u64,
        crate::MAX_NAME_BYTES as u64,
        crate::BACKOFF_FACTOR,
    ] {
        assert!(page.contains(&limit.to_string()), "{limit}");
    }
}

/// Numbers that look random and are the same in each run (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

#[test]
fn damaged_manifests_are_read_or_refused() {
    let pieces: Vec<&str> = FULL
        .split_inclusive(|c: char| !c.is_alphanumeric() && c != '_')
        .chain([
            "\0",
            "18446744073709551615",
            "[[",
            "\"\"",
            "= [",
            "\u{1f980}",
            "nan",
        ])
        .collect();
    let mut random = Random(6);
    let mut good = 0;
    for _ in 0..20_000 {
        let mut bytes = FULL.as_bytes().to_vec();
        for _ in 0..=random.below(2) {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => drop(bytes.drain(at..(at + 1 + random.below(9) as usize).min(bytes.len()))),
                _ => {
                    let piece = pieces[random.below(pieces.len() as u64) as usize];
                    bytes.splice(at..at, piece.bytes());
                }
            }
        }
        match record(&bytes) {
            Ok(encoded) => {
                let contract = Contract::parse(&encoded).unwrap();
                assert_eq!(encode(&contract).unwrap(), encoded);
                good += 1;
            }
            Err(error) => {
                assert!(error.line <= 2 + bytes.iter().filter(|b| **b == b'\n').count());
                assert!(!error.message.is_empty() && !error.message.contains('\n'));
            }
        }
    }
    assert!(good > 100, "{good}");
}

#[test]
fn random_bytes_are_no_contract_or_one_that_is_written_the_same() {
    let whole = record(FULL.as_bytes()).unwrap();
    let mut random = Random(7);
    for round in 0..50_000u64 {
        let mut bytes = whole.clone();
        // Nothing but noise, and noise behind a good beginning.
        let kept = if round % 2 == 0 {
            12
        } else {
            random.below(whole.len() as u64) as usize
        };
        for byte in &mut bytes[kept..] {
            if random.below(4) == 0 {
                *byte = random.next() as u8;
            }
        }
        if let Ok(contract) = Contract::parse(&bytes) {
            assert_eq!(encode(&contract).unwrap(), bytes);
        }
    }
}
