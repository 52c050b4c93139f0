// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What the functions of WASI are called with: what each parameter means, values that make sense
//! for it, and values that do not.

use super::guest::{self, Dialect, IOVECS, MEMORY, Poke, SUBSCRIPTIONS};
use crate::random::Random;

/// The functions, and a letter for each parameter or pair of them:
///
/// `f` descriptor, `x` one that is as good as lost by the call, `p` where a result goes, `P` path, `B` buffer, `V` buffers, `k` clock,
/// `o` offset or length of 64 bits, `t` time, `w` flags, `r` rights, `S` subscriptions, `c` how
/// many of them.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("args_get", "pp"),
    ("args_sizes_get", "pp"),
    ("environ_get", "pp"),
    ("environ_sizes_get", "pp"),
    ("clock_res_get", "kp"),
    ("clock_time_get", "kop"),
    ("fd_advise", "foow"),
    ("fd_allocate", "foo"),
    ("fd_close", "x"),
    ("fd_datasync", "f"),
    ("fd_fdstat_get", "fp"),
    ("fd_fdstat_set_flags", "fw"),
    ("fd_fdstat_set_rights", "xrr"),
    ("fd_filestat_get", "fp"),
    ("fd_filestat_set_size", "fo"),
    ("fd_filestat_set_times", "fttw"),
    ("fd_pread", "fVop"),
    ("fd_prestat_get", "fp"),
    ("fd_prestat_dir_name", "fB"),
    ("fd_pwrite", "fVop"),
    ("fd_read", "fVp"),
    ("fd_readdir", "fBop"),
    ("fd_renumber", "xx"),
    ("fd_seek", "fowp"),
    ("fd_sync", "f"),
    ("fd_tell", "fp"),
    ("fd_write", "fVp"),
    ("path_create_directory", "fP"),
    ("path_filestat_get", "fwPp"),
    ("path_filestat_set_times", "fwPttw"),
    ("path_link", "fwPfP"),
    ("path_open", "fwPwrrwp"),
    ("path_readlink", "fPBp"),
    ("path_remove_directory", "fP"),
    ("path_rename", "fPfP"),
    ("path_symlink", "PfP"),
    ("path_unlink_file", "fP"),
    ("poll_oneoff", "Spcp"),
    ("proc_raise", "w"),
    ("sched_yield", ""),
    ("random_get", "B"),
    ("sock_accept", "fwp"),
    ("sock_recv", "fVwpp"),
    ("sock_send", "fVwp"),
    ("sock_shutdown", "fw"),
];

/// The most descriptors that are guessed at.
const FDS: u64 = 40;

/// Subscriptions that are written before a call of `poll_oneoff`.
const SUBSCRIBED: u64 = 6;

/// Arguments for the parameters of these letters; what they point at is written by `poke`.
pub fn arguments(
    letters: &str,
    dialect: Dialect,
    random: &mut Random,
    poke: &mut Poke<'_>,
) -> Vec<u64> {
    let mut arguments = Vec::new();
    for letter in letters.chars() {
        match letter {
            'P' => arguments.extend(path(random)),
            'B' => arguments.extend([pointer(random), length(random)]),
            'V' => arguments.extend(buffers(random, poke)),
            'S' => arguments.push(subscriptions(dialect, random, poke)),
            _ => arguments.push(match letter {
                'f' => descriptor(random),
                // Seldom the socket or the directory, without which little is left to do.
                'x' if random.below(8) > 0 => 5 + random.below(FDS),
                'x' => descriptor(random),
                'p' => pointer(random),
                'k' => rarely(random, 10).unwrap_or_else(|| random.below(5)),
                'o' => wide(random),
                't' => random.word() >> random.below(64),
                'w' => rarely(random, 20)
                    .unwrap_or_else(|| random.choose(&[0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 8, 9, 16])),
                'r' => rights(random),
                'c' => rarely(random, 10).unwrap_or_else(|| random.below(SUBSCRIBED + 1)),
                other => unreachable!("the letter {other}"),
            }),
        }
    }
    arguments
}

/// One time in `of` any number of 32 bits.
fn rarely(random: &mut Random, of: u64) -> Option<u64> {
    (random.below(of) == 0)
        .then(|| random.word() as u32 >> random.below(32))
        .map(u64::from)
}

fn descriptor(random: &mut Random) -> u64 {
    match random.below(20) {
        0 => random.word() as u32 as u64,
        1 => random.below(3),
        // Sockets and directories.
        2..=9 => 3 + random.below(2),
        _ => 3 + random.below(FDS),
    }
}

fn pointer(random: &mut Random) -> u64 {
    match random.below(40) {
        0 => random.word() as u32 as u64,
        1 => MEMORY - random.below(40),
        2 => (1 << 32) - 1 - random.below(40),
        3..8 => random.below(MEMORY),
        // Over what other arguments point at.
        8 | 9 => IOVECS + random.below(64),
        10 | 11 => SUBSCRIPTIONS + random.below(256),
        _ => random.below(64) * 8,
    }
}

/// A number of at most so many bits, more often a small one.
fn small(random: &mut Random, bits: u64) -> u64 {
    let bits = random.below(bits);
    random.below(1 << bits)
}

fn length(random: &mut Random) -> u64 {
    match random.below(20) {
        0 => random.word() as u32 as u64,
        1 => (1 << 32) - 1,
        2 => MEMORY,
        3 => 0,
        _ => small(random, 17),
    }
}

fn wide(random: &mut Random) -> u64 {
    match random.below(6) {
        0 => random.word(),
        1 => u64::MAX - random.below(3),
        2 => i64::MAX as u64 + random.below(3) - 1,
        _ => small(random, 20),
    }
}

fn rights(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => random.word(),
        1 => random.word() & random.word() & ((1 << 30) - 1),
        2 => u64::MAX,
        _ => (1 << 28) - 1,
    }
}

fn path(random: &mut Random) -> [u64; 2] {
    match random.below(20) {
        0 => [pointer(random), length(random)],
        _ => {
            let (at, length) = random.choose(&guest::paths());
            // Sometimes a part of it, or more than it.
            match random.below(12) {
                0 => [at, random.below(length + 8)],
                _ => [at, length],
            }
        }
    }
}

fn buffers(random: &mut Random, poke: &mut Poke<'_>) -> [u64; 2] {
    let count = random.below(6);
    for index in 0..count {
        let pair = pointer(random) | length(random) << 32;
        poke(IOVECS + index * 8, pair);
    }
    match random.below(12) {
        0 => [pointer(random), length(random)],
        1 => [IOVECS, (1 << 32) - 1],
        _ => [IOVECS, count],
    }
}

/// Subscriptions that end within about a millisecond. Elsewhere in the memory may be what waits
/// for years, which a program may do if it wants to: so they are never looked for there.
fn subscriptions(dialect: Dialect, random: &mut Random, poke: &mut Poke<'_>) -> u64 {
    let (size, shift) = match dialect {
        Dialect::Preview1 => (48, 0),
        Dialect::Unstable => (56, 8),
    };
    for index in 0..SUBSCRIBED {
        let at = SUBSCRIPTIONS + index * size;
        for word in 0..size / 8 {
            poke(at + word * 8, 0);
        }
        poke(at, random.word());
        // Of another type there is nothing to wait for.
        let kind = rarely(random, 30).unwrap_or_else(|| random.below(3));
        poke(at + 8, kind);
        match kind & 0xff {
            0 => {
                poke(at + shift + 16, random.below(5));
                poke(at + shift + 24, random.below(1_000_000));
                poke(at + shift + 40, random.below(2));
            }
            // Nothing ever comes to the listener or a connection for sure.
            _ => poke(
                at + 16,
                random.choose(&[0, 1, 2, 4, 5, 77, u64::from(u32::MAX)]),
            ),
        }
    }
    // One that always ends, whatever the others wait for.
    for word in 0..size / 8 {
        poke(SUBSCRIPTIONS + word * 8, 0);
    }
    poke(SUBSCRIPTIONS + shift + 16, 1);
    poke(SUBSCRIPTIONS + shift + 24, 1000);
    match random.below(10) {
        0 => MEMORY - random.below(size),
        1 => (1 << 32) - 1 - random.below(100),
        _ => SUBSCRIPTIONS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_aot_runtime::exports;

    #[test]
    fn every_function_is_called_with_what_it_takes() {
        let wanted = |name: &str| {
            let (_, letters) = FUNCTIONS.iter().find(|(known, _)| *known == name)?;
            let types = guest::types(letters);
            Some(format!("({}) -> (i32)", types.join(" ")))
        };
        let mut count = 0;
        for export in exports() {
            let Some(name) = export.symbol.strip_prefix("wasi_snapshot_preview1.") else {
                continue;
            };
            // It does not come back.
            if name != "proc_exit" {
                let signature = export.signature.map(|signature| signature.to_string());
                assert_eq!(wanted(name), signature, "{name}");
                count += 1;
            }
        }
        assert_eq!(count, FUNCTIONS.len());
    }
}
