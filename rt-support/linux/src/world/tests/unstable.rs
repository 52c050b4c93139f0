// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasi_unstable`: where it is not as preview 1 is, on the same file.

use super::*;
use rustix::fd::{IntoRawFd, RawFd};
use std::fs;

/// A program with one directory.
struct Given(RawFd);

impl Program for Given {
    fn directory(&self, index: usize) -> Option<(RawFd, &[u8])> {
        (index == 0).then_some((self.0, b"/"))
    }
}

/// The functions that differ, and one that does not, of the module `INTERFACE`.
const MODULE: &str = r#"(module
    (import "INTERFACE" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "INTERFACE" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
    (import "INTERFACE" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
    (import "INTERFACE" "path_filestat_get" (func $path_stat (param i32 i32 i32 i32 i32) (result i32)))
    (import "INTERFACE" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "file")
    (export "open" (func $open)) (export "seek" (func $seek)) (export "stat" (func $stat))
    (export "path_stat" (func $path_stat)) (export "poll" (func $poll))
    (func (export "poke") (param i32 i64) (result i32)
        (i64.store (local.get 0) (local.get 1)) (i32.const 0))
    (func (export "peek") (param i32) (result i64) (i64.load (local.get 0))))"#;

const OUT: u64 = 256;
const SUBSCRIPTIONS: u64 = 1024;
const EVENTS: u64 = 2048;

/// Runs a check with the functions of an interface, over a directory with a file of ten bytes.
fn with_interface(
    interface: &str,
    check: impl FnOnce(&mut dyn FnMut(&'static str, &[u64]) -> u64),
) {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "0123456789").unwrap();
    fs::hard_link(folder.path().join("file"), folder.path().join("other")).unwrap();
    let given = Given(fs::File::open(folder.path()).unwrap().into_raw_fd());
    let object = object("m", &MODULE.replace("INTERFACE", interface));
    let mut run = Run::start(&given, &object);
    check(&mut |name, arguments| run.call(name, arguments));
}

/// Rights to read, to seek and to tell, and to be asked about.
const RIGHTS: u64 = 2 | 4 | 32 | 1 << 21;

#[test]
fn files_are_described_and_positioned_in_either_way() {
    for (interface, set, current, end) in [
        ("wasi_snapshot_preview1", 0, 1, 2),
        ("wasi_unstable", 2, 0, 1),
    ] {
        with_interface(interface, |ask| {
            let open = [3, 0, 0, 4, 0, RIGHTS, 0, 0, OUT];
            assert_eq!(ask("open", &open) as u32, 0);
            let mut seek = |offset: i64, whence| {
                let arguments = [4, offset as u64, whence, OUT];
                assert_eq!(ask("seek", &arguments) as u32, 0, "{interface}");
                ask("peek", &[OUT])
            };
            assert_eq!(seek(7, set), 7);
            assert_eq!(seek(-3, current), 4);
            assert_eq!(seek(-1, end), 9);
            for stat in [&["stat"][..], &["path_stat"]] {
                // What must stay as it is: the word behind the structure.
                for word in 0..9 {
                    ask("poke", &[OUT + word * 8, u64::MAX]);
                }
                let arguments = match stat {
                    ["stat"] => &[4, OUT][..],
                    _ => &[3, 0, 0, 4, OUT],
                };
                assert_eq!(ask(stat[0], arguments) as u32, 0);
                let mut words = [0; 9];
                for (index, word) in words.iter_mut().enumerate() {
                    *word = ask("peek", &[OUT + index as u64 * 8]);
                }
                let regular = 4;
                match interface {
                    "wasi_unstable" => {
                        // Type and number of links share a word.
                        assert_eq!(words[2] & 0xff, regular);
                        assert_eq!(words[2] >> 32, 2);
                        assert_eq!(words[3], 10);
                        assert_eq!(words[7], u64::MAX, "56 bytes");
                    }
                    _ => {
                        assert_eq!((words[2], words[3], words[4]), (regular, 2, 10));
                        assert_eq!(words[8], u64::MAX, "64 bytes");
                    }
                }
            }
        });
    }
}

#[test]
fn subscriptions_are_read_in_either_layout() {
    for (interface, size, clock) in [
        ("wasi_snapshot_preview1", 48, 16),
        ("wasi_unstable", 56, 24),
    ] {
        with_interface(interface, |ask| {
            // The monotonic clock in a millisecond; standard output, which is ready; and a clock
            // in a year.
            for (index, user_data, kind) in [(0, 11, 0), (1, 22, 2), (2, 33, 0)] {
                let at = SUBSCRIPTIONS + index * size;
                ask("poke", &[at, user_data]);
                ask("poke", &[at + 8, kind]);
                match kind {
                    0 => {
                        ask("poke", &[at + clock, 1]);
                        let wait = if index == 0 { 1_000_000 } else { 1 << 55 };
                        ask("poke", &[at + clock + 8, wait]);
                    }
                    _ => {
                        ask("poke", &[at + 16, 1]);
                    }
                }
            }
            let poll = [SUBSCRIPTIONS, EVENTS, 3, OUT];
            assert_eq!(ask("poll", &poll) as u32, 0, "{interface}");
            assert_eq!(ask("peek", &[OUT]) as u32, 1);
            assert_eq!(ask("peek", &[EVENTS]), 22);
            // The first alone: it is waited for.
            let poll = [SUBSCRIPTIONS, EVENTS, 1, OUT];
            assert_eq!(ask("poll", &poll) as u32, 0, "{interface}");
            assert_eq!(ask("peek", &[OUT]) as u32, 1);
            assert_eq!(ask("peek", &[EVENTS]), 11);
            assert_eq!(ask("peek", &[EVENTS + 8]) as u32, 0, "no error, a clock");
        });
    }
}
