// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The time at which the root task started: the time stamp counter, and the battery-backed clock.

use crate::executive::ticks;
use crate::serial::{in8, out8};
use sel4::bootinfo::BootInfo;

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Ticks of the time stamp counter in a second, as the kernel measured them; 0 if unknown.
    pub tsc_hz: u64,
    /// The time stamp counter.
    pub tsc: u64,
    /// Nanoseconds since 1970-01-01 00:00 UTC; 0 if the clock shows nonsense.
    pub epoch_ns: u64,
}

/// Ports and registers of the MC146818 clock.
const INDEX: u64 = 0x70;
const DATA: u64 = 0x71;
const STATUS_A: u64 = 10;
const STATUS_B: u64 = 11;
const UPDATE_IN_PROGRESS: u64 = 0x80;
const HOURS_24: u64 = 2;
const BINARY: u64 = 4;

fn register(number: u64) -> u64 {
    out8(INDEX, number);
    in8(DATA)
}

/// How often the clock is asked before it counts as broken. An update takes 2 ms at most, one
/// reading of a port more than 100 ns.
const PATIENCE: usize = 100_000;

/// Second, minute, hour, day, month, year without its century, as the registers hold them;
/// nothing where an update never ends.
fn snapshot() -> Option<[u64; 6]> {
    let updating = || register(STATUS_A) & UPDATE_IN_PROGRESS != 0;
    (0..PATIENCE).find(|_| !updating())?;
    Some([0, 2, 4, 7, 8, 9].map(register))
}

/// Two equal readings: no update came between their registers.
fn steady() -> Option<[u64; 6]> {
    let mut reading = snapshot()?;
    // It changes once a second, and a reading takes microseconds.
    for _ in 0..4 {
        let again = snapshot()?;
        if again == reading {
            return Some(reading);
        }
        reading = again;
    }
    None
}

/// Days from 1970-01-01 to a day of the Gregorian calendar (month 1 to 12, day 1 to 31).
fn days(year: u64, month: u64, day: u64) -> u64 {
    // Years that begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

fn epoch_seconds() -> Option<u64> {
    let reading = steady()?;
    let mode = register(STATUS_B);
    let decode = |value: u64| match mode & BINARY {
        0 => (value >> 4) * 10 + (value & 0xf),
        _ => value,
    };
    let [second, minute, hour, day, month, year] = reading;
    let afternoon = mode & HOURS_24 == 0 && hour & 0x80 != 0;
    let hour = match (mode & HOURS_24 == 0, decode(hour & 0x7f)) {
        (true, hour) => hour % 12 + if afternoon { 12 } else { 0 },
        (false, hour) => hour,
    };
    let [second, minute, day, month, year] = [second, minute, day, month, year].map(decode);
    let plausible = second < 61 && minute < 60 && hour < 24 && year < 100;
    if !plausible || !(1..=31).contains(&day) || !(1..=12).contains(&month) {
        return None;
    }
    Some(((days(2000 + year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Reads both clocks.
pub fn start(info: &BootInfo) -> Start {
    let epoch_ns = epoch_seconds().unwrap_or(0) * 1_000_000_000;
    Start {
        tsc_hz: { info.arch_info } * 1_000_000,
        tsc: ticks(),
        epoch_ns,
    }
}
