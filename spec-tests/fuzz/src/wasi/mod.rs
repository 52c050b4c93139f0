// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A hostile program: one that calls the functions of WASI in any order, with arguments of which
//! many make no sense, over a directory of this machine or a file system in memory.
//!
//! Whatever it does, every call comes back with an error number or without one; the program is
//! never trapped, what is outside of its directory is neither changed nor seen, bounds are kept,
//! and nothing stays open when it is over.
//!
//! | module | decides |
//! |---|---|
//! | [`arguments`] | what a function is called with |
//! | [`guest`] | the program's module and memory |
//! | [`given`] | its files and its socket, and what goes on beside it |

pub mod arguments;
pub mod given;
pub mod guest;

use crate::random::Random;
use anyhow::{Context, Result, anyhow, bail, ensure};
use given::Given;
use guest::{Function, SECRET};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fmt;
use std::time::{Duration, Instant};
use wasm_aot_compiler::{Options, compile};
use wasm_aot_linux::{InstanceId, LoadOptions, StackCheck, World, WorldOptions};

/// Calls of a program.
const CALLS: u64 = 600;

/// After so many the program's paths are written anew, over what other calls wrote there.
const RESET: u64 = 50;

/// How long a call may take: more is a hang. Nothing that is waited for takes longer than
/// milliseconds, on a machine that does other things as well.
const LIMIT: Duration = Duration::from_secs(20);

/// The highest error number (`errno` in `typenames.witx`).
const LAST_ERRNO: u64 = 76;

/// Limits of the process, so that a program meets a full disk and no more descriptors: bytes of a
/// file, and open files.
const FILE_BYTES: u64 = 1 << 20;
const OPEN_FILES: u64 = 200;

/// The module of the programs, compiled.
///
/// # Errors
/// Where it does not compile.
pub fn object() -> Result<Vec<u8>> {
    let options = Options {
        module_name: "hostile".into(),
        ..Options::default()
    };
    compile(guest::module().as_bytes(), &options).map_err(|error| anyhow!("{error}"))
}

/// Sets the limits of this process.
///
/// # Errors
/// Where the system refuses.
pub fn limit_process() -> Result<()> {
    for (resource, value) in [
        (Resource::Fsize, FILE_BYTES),
        (Resource::Nofile, OPEN_FILES),
    ] {
        let limit = Rlimit {
            current: Some(value),
            maximum: Some(value),
        };
        setrlimit(resource, limit).with_context(|| format!("a limit of {value}"))?;
    }
    Ok(())
}

/// What programs have done.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Count {
    /// Programs that have ended.
    pub programs: u64,
    /// Their calls.
    pub calls: u64,
    /// Those that came back without an error.
    pub successes: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            programs,
            calls,
            successes,
        } = self;
        write!(
            f,
            "{programs} programs, {calls} calls, {successes} without an error"
        )
    }
}

/// Runs the program of a seed, and counts. Even seeds have a directory, odd ones a
/// file system in memory.
///
/// # Errors
/// Says what it should not have been able to do.
pub fn run(object: &[u8], seed: u64, count: &mut Count) -> Result<()> {
    let before = open_files()?;
    let mut given = Given::new(seed % 2 == 1)?;
    let called = {
        let options = WorldOptions {
            check_stack: StackCheck::AtMost,
            ..WorldOptions::default()
        };
        let world = World::new(&options).map_err(|error| anyhow!("{error}"))?;
        program(world, &given, object, seed, count)
    };
    let checked = given.check();
    drop(given);
    called?;
    checked?;
    let after = open_files()?;
    ensure!(after == before, "{before} files were open, {after} are");
    count.programs += 1;
    Ok(())
}

fn open_files() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// A program that runs.
struct Running<'a> {
    world: World<'a>,
    id: InstanceId,
}

impl<'a> Running<'a> {
    fn function(&self, name: &'a str) -> Result<wasm_aot_linux::Function<'a>> {
        let function = self.world.function(self.id, name);
        function.map_err(|error| anyhow!("{name}: {error}"))
    }

    fn call(&mut self, function: &wasm_aot_linux::Function<'a>, arguments: &[u64]) -> Result<u64> {
        let mut slots: Vec<[u64; 2]> = arguments.iter().map(|&value| [value, 0]).collect();
        slots.resize(slots.len().max(1), [0; 2]);
        let called = self.world.call(function, &mut slots);
        called.map_err(|stopped| anyhow!("the program was stopped: {stopped}"))?;
        // Results are numbers of 32 bits; what is above them is left over.
        Ok(slots[0][0] & u64::from(u32::MAX))
    }
}

/// A function; every fourth time the one without which a program gets nowhere.
fn choose(random: &mut Random) -> &'static Function {
    let all = &*guest::ALL;
    let open = all.iter().find(|function| function.name == "path_open");
    match open.filter(|_| random.below(4) == 0) {
        Some(open) => open,
        None => &all[random.below(all.len() as u64) as usize],
    }
}

fn program<'a>(
    mut world: World<'a>,
    given: &'a Given,
    object: &'a [u8],
    seed: u64,
    count: &mut Count,
) -> Result<()> {
    world.begin(given);
    let options = LoadOptions {
        wasi: true,
        ..LoadOptions::default()
    };
    let id = world
        .load(object, &options)
        .map_err(|error| anyhow!("{error}"))?;
    world
        .instantiate(id)
        .map_err(|stopped| anyhow!("{stopped}"))?;
    let mut running = Running { world, id };
    let mut random = Random::new(seed);
    let (reset, poke) = (running.function("reset")?, running.function("poke")?);
    for number in 0..CALLS {
        if number % RESET == 0 {
            running.call(&reset, &[])?;
        }
        let Function {
            dialect,
            export: name,
            letters,
            ..
        } = choose(&mut random);
        let mut pokes = Vec::new();
        let mut write = |at, value| pokes.push((at, value));
        let arguments = arguments::arguments(letters, *dialect, &mut random, &mut write);
        for (at, value) in pokes {
            running.call(&poke, &[at, value])?;
        }
        let what = || format!("call {number}: {name} {arguments:x?}");
        let function = running.function(name)?;
        let begin = Instant::now();
        let errno = running.call(&function, &arguments).with_context(what)?;
        ensure!(errno <= LAST_ERRNO, "{}: result {errno}", what());
        ensure!(begin.elapsed() < LIMIT, "{}: no end", what());
        count.calls += 1;
        count.successes += u64::from(errno == 0);
    }
    let find = running.function("find")?;
    for word in SECRET.as_chunks::<8>().0 {
        let found = running.call(&find, &[u64::from_le_bytes(*word)])?;
        if found != u64::from(u32::MAX) {
            bail!("what is outside is in the memory at {found:#x}");
        }
    }
    Ok(())
}
