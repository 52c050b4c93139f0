// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `run` on this Linux: the objects are loaded into this process, linked with each other, and run.

#![allow(
    clippy::result_large_err,
    reason = "trap reports carry what their text needs, as they must where there is no allocator"
)]

mod listen;

use super::{Arguments, status, trapped};
use crate::image::program_name;
use crate::preload;
use anyhow::{Context, Result, anyhow, bail};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, IntoRawFd, RawFd};
use std::process::ExitCode;
use wasm_aot_linux::files::probe;
use wasm_aot_linux::platform::{HeapOptions, Program};
use wasm_aot_linux::{Error, InstanceId, LoadOptions, StackCheck, Stopped, World, WorldOptions};
use wasm_aot_runtime::heap;
use wasm_aot_runtime::values::{self, Results};

/// Bytes of the stack unless told otherwise.
const DEFAULT_STACK: u64 = 1 << 20;

/// The function that a library's user calls before any other ("WASI Application ABI").
const INITIALIZE: &str = "_initialize";

/// What the program is given.
struct Given {
    args: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    directories: Vec<(RawFd, Vec<u8>)>,
    sockets: Vec<RawFd>,
}

impl Given {
    fn new(arguments: &Arguments) -> Result<Self> {
        // Before anything else has a descriptor of that number.
        let (sockets, about_them) = listen::sockets(arguments)?;
        let name = program_name(arguments.file());
        let args = std::iter::once(&name).chain(arguments.args());
        let environment = arguments.app.environment();
        let env = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .chain(about_them);
        Ok(Self {
            args: args.map(|arg| arg.clone().into_bytes()).collect(),
            env: env.map(String::into_bytes).collect(),
            directories: arguments
                .app
                .dirs
                .iter()
                .map(|dir| directory(dir))
                .collect::<Result<_>>()?,
            sockets,
        })
    }
}

impl Program for Given {
    fn arg(&self, index: usize) -> Option<&[u8]> {
        self.args.get(index).map(Vec::as_slice)
    }

    fn env(&self, index: usize) -> Option<&[u8]> {
        self.env.get(index).map(Vec::as_slice)
    }

    fn directory(&self, index: usize) -> Option<(RawFd, &[u8])> {
        let (fd, name) = self.directories.get(index)?;
        Some((*fd, name))
    }

    fn socket(&self, index: usize) -> Option<RawFd> {
        self.sockets.get(index).copied()
    }
}

/// Opens the directory of `--dir HOST[::GUEST]`; gives its descriptor, which is the program's from
/// now on, and the name that it has for the program.
fn directory(argument: &str) -> Result<(RawFd, Vec<u8>)> {
    let (host, guest) = argument.split_once("::").unwrap_or((argument, argument));
    let context = || format!("--dir {argument}");
    let directory = File::open(host).with_context(context)?;
    if !directory.metadata().with_context(context)?.is_dir() {
        bail!("--dir {argument}: {host} is no directory");
    }
    probe(directory.as_fd()).map_err(|errno| {
        anyhow!("--dir {argument}: this kernel cannot confine a program to a directory (openat2): {errno}")
    })?;
    Ok((directory.into_raw_fd(), guest.as_bytes().to_owned()))
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.app.manifest.is_some() {
        bail!("--manifest: contracts are kept on seL4 alone; add --on sel4");
    }
    if arguments.dir_out.is_some() {
        bail!("--dir-out: on Linux the program works in the directories themselves");
    }
    if arguments.app.memory_limit.is_some() {
        bail!("--memory-limit: on Linux a program has no limit of its own; see ulimit(1)");
    }
    let given = Given::new(arguments)?;
    let mut modules = preload::modules(&arguments.compiler, &arguments.preloads, arguments.file())?;
    let (_, object) = modules.pop().context("no module")?;
    let options = WorldOptions {
        stack_bytes: arguments.app.stack_size.unwrap_or(DEFAULT_STACK),
        heap: HeapOptions {
            bytes: arguments.compiler.gc_heap,
            stress: arguments.gc_stress,
        },
        check_stack: match arguments.check_stack {
            true => StackCheck::AtMost,
            false => StackCheck::Off,
        },
    };
    let mut world = World::new(&options).map_err(|error| anyhow!("{error}"))?;
    world.begin(&given);
    let load = LoadOptions {
        wasi: true,
        unknown_imports_trap: arguments.app.unknown_imports_trap,
    };
    for ((name, object), preload) in modules.iter().zip(&arguments.preloads) {
        let file = preload.file.display();
        let refused = |error: Error<'_>| anyhow!("--preload {name}={file}: {error}");
        let id = world.load(object, &load).map_err(refused)?;
        world.register(name, id).map_err(refused)?;
        if let Err(stopped) = begin(&mut world, id) {
            return ended(arguments, &stopped);
        }
    }
    let file = arguments.file().display();
    let refused = |error: Error<'_>| anyhow!("{file}: {error}");
    let id = world.load(&object, &load).map_err(refused)?;
    let invoked = arguments.app.invoke.as_deref();
    let name = invoked.unwrap_or("_start");
    let function = match world.function(id, name) {
        Ok(function) => Some(function),
        Err(error) if invoked.is_some() => return Err(refused(error)),
        Err(_) => None,
    };
    let mut slots = Vec::new();
    if let Some(function) = &function {
        let signature = function.signature();
        slots = vec![[0; 2]; signature.slots()];
        if invoked.is_some() {
            let given = arguments.args().iter().map(|arg| arg.as_bytes());
            values::parse(&signature, given, &mut slots)
                .map_err(|error| anyhow!("--invoke {name}: {error}"))?;
        } else if !slots.is_empty() {
            bail!("{file}: its `_start` has parameters or results, so it is no program");
        }
    }
    let ran = begin(&mut world, id).and_then(|()| match &function {
        Some(function) => world.call(function, &mut slots),
        None => Ok(()),
    });
    if arguments.verbose {
        eprintln!("{}", heap::counters());
    }
    if let Err(stopped) = ran {
        return ended(arguments, &stopped);
    }
    if let Some(function) = function.filter(|_| invoked.is_some()) {
        let results = Results::new(&function.signature(), &slots).to_string();
        let mut out = std::io::stdout().lock();
        out.write_all(results.as_bytes())
            .and_then(|()| out.flush())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Initialises an instance; where it is a library, by its own function as well.
fn begin<'a>(world: &mut World<'a>, id: InstanceId) -> Result<(), Stopped<'a>> {
    world.instantiate(id)?;
    match world.function(id, INITIALIZE) {
        Ok(function) if function.signature().slots() == 0 => world.call(&function, &mut []),
        _ => Ok(()),
    }
}

/// The command's end where the program did not return.
fn ended(arguments: &Arguments, stopped: &Stopped<'_>) -> Result<ExitCode> {
    match stopped {
        Stopped::Exit(code) => Ok(status(code.cast_signed())),
        Stopped::Trap(report) => Ok(trapped(arguments.file(), &report.to_string())),
        other => bail!("{}: {other}", arguments.file().display()),
    }
}
