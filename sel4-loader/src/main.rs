// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The root task: runs the apps of its boot bundle, one after the other, each in an address space
//! and CSpace of its own.
//!
//! | module | decides |
//! |---|---|
//! | [`start`] | entry, end, the image's own payload |
//! | [`serial`], [`output`] | how what is said gets out |
//! | [`interrupts`], [`input`] | how the root task sleeps, where standard input comes from |
//! | [`heap`] | where lists are whose length is not known beforehand |
//! | [`memory`] | which untypeds and slots are used, and that they come back |
//! | [`vspace`], [`window`] | mappings |
//! | [`runtime`] | the app runtime's pages and exports |
//! | [`cpu`], [`clock`] | what the processor has, what time it is |
//! | [`app`] | making, serving and taking apart one app |
//!
//! `unsafe` is in [`start`], [`heap`], [`window`], [`clock`] and [`interrupts`].

#![no_std]
#![no_main]
#![allow(
    clippy::result_large_err,
    reason = "errors carry what a message needs, and come once an app"
)]

extern crate alloc;

mod app;
mod clock;
mod cpu;
mod heap;
mod input;
mod interrupts;
mod memory;
mod output;
mod runtime;
mod serial;
mod start;
mod vspace;
mod window;

use app::Borrowed;
use app::Tools;
use clock::Start;
use core::cell::RefCell;
use input::Input;
use interrupts::Interrupts;
use memory::{Free, Memory, MemoryError, Object, Owner};
use output::Output;
use runtime::Runtime;
use sel4::bootinfo::BootInfo;
use sel4_boot::bundle::{App, Bundle, app_flags, flags};
use sel4_boot::frame::{Kind, NO_APP};
use serial::{CHANNEL, CONSOLE};
use start::Image;
use window::Peek;

/// Exit code of an app that could not be run.
const NOT_RUN: i32 = 1;

/// What the root task has.
pub struct Loader {
    memory: Memory,
    runtime: Runtime,
    peek: RefCell<Peek>,
    /// Where apps call and fault to.
    endpoint: u64,
    output: Output,
    start: Start,
    image: Image,
    interrupts: Interrupts,
    input: Input,
}

impl Loader {
    /// What loading an object takes.
    fn tools(&mut self) -> Tools<'_> {
        Tools {
            memory: &mut self.memory,
            runtime: &self.runtime,
            peek: &self.peek,
        }
    }
}

/// Everything, after the first instructions.
fn run(info: &BootInfo, payload: &'static [u8]) -> ! {
    CONSOLE.init();
    CHANNEL.init();
    let bundle = match Bundle::parse(payload) {
        Ok(bundle) => bundle,
        Err(error) => {
            // Without a bundle nobody has said whether a host listens: the console is always
            // there, and ending the machine does nothing outside of QEMU.
            CONSOLE.print(format_args!("sel4-loader: {error}\n"));
            serial::power_off();
            start::halt();
        }
    };
    let output = Output {
        hosted: bundle.flags() & flags::HOSTED != 0,
    };
    match prepare(info, output) {
        Ok(mut loader) => run_all(&mut loader, &bundle),
        Err(error) => output.text(Kind::Done, NO_APP, format_args!("sel4-loader: {error}")),
    }
    if bundle.flags() & flags::POWER_OFF != 0 {
        serial::power_off();
    }
    start::halt()
}

/// Why the root task itself cannot work.
enum StartError {
    Memory(MemoryError),
    Runtime(&'static str),
}

impl core::fmt::Display for StartError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Memory(error) => error.fmt(f),
            Self::Runtime(what) => f.write_str(what),
        }
    }
}

fn prepare(info: &BootInfo, output: Output) -> Result<Loader, StartError> {
    let start = clock::start(info);
    let mut memory = Memory::new(info).map_err(StartError::Memory)?;
    let version = env!("CARGO_PKG_VERSION");
    let free = memory.free();
    output.text(
        Kind::Hello,
        NO_APP,
        format_args!("sel4-loader {version}: {free}"),
    );
    let peek = Peek::new(&mut memory).map_err(StartError::Memory)?;
    let endpoint = memory.object(Owner::Root, Object::Endpoint);
    let endpoint = endpoint.map_err(StartError::Memory)?;
    let runtime = Runtime::new(&mut memory).map_err(StartError::Runtime)?;
    let uart = Input::uart(output);
    let interrupts = Interrupts::new(&mut memory, uart, start).map_err(StartError::Memory)?;
    Ok(Loader {
        memory,
        runtime,
        peek: RefCell::new(peek),
        endpoint,
        output,
        start,
        image: Image::new(info),
        interrupts,
        input: Input::new(output),
    })
}

fn run_all(loader: &mut Loader, bundle: &Bundle<'static>) {
    let mut count = 0u16;
    let mut leaks = 0;
    for app in bundle.apps() {
        let before = loader.memory.free();
        let (code, left) = run_app(loader, &app, count);
        let after = loader.memory.free();
        leaks += u32::from(!account(loader, count, app.name, (before, after), left));
        loader.output.exit(count, app.name, code);
        count += 1;
    }
    let free = loader.memory.free();
    let kept = if leaks == 0 { "nothing" } else { "something" };
    loader.output.text(
        Kind::Done,
        NO_APP,
        format_args!("sel4-loader: {count} apps have ended and kept {kept}; {free}"),
    );
}

/// Runs one app and takes back what it took; gives its exit code, and what was left of it.
fn run_app(loader: &mut Loader, app: &App<'static>, index: u16) -> (i32, Result<u64, MemoryError>) {
    let limit = match app.memory_limit {
        0 => u64::MAX,
        limit => limit,
    };
    let account = match loader.memory.begin(limit) {
        Ok(account) => account,
        Err(error) => return (NOT_RUN, Err(error)),
    };
    let given = app.flags & app_flags::INPUT != 0;
    loader.input.begin(given.then_some(app.input));
    let mut borrowed = Borrowed::default();
    let code = match app::run(loader, app, index, account, &mut borrowed) {
        Ok(code) => code,
        Err(error) => {
            let name = app.name;
            loader
                .output
                .text(Kind::Refused, index, format_args!("{name}: {error}"));
            NOT_RUN
        }
    };
    if let Err(error) = borrowed.give_back() {
        loader
            .output
            .text(Kind::Log, index, format_args!("sel4-loader: {error}"));
    }
    if let Some(usage) = loader.memory.usage(account) {
        let (name, bytes) = (app.name, usage.high_water);
        let text = format_args!("sel4-loader: {name}: at most {bytes} bytes");
        loader.output.text(Kind::Log, index, text);
    }
    (code, loader.memory.end(account))
}

/// Says whether the app gave everything back.
fn account(
    loader: &Loader,
    index: u16,
    name: &str,
    (before, after): (Free, Free),
    left: Result<u64, MemoryError>,
) -> bool {
    let output = loader.output;
    match left {
        Ok(0) if before == after => {
            let text = format_args!("sel4-loader: {name}: {after}, as before");
            output.text(Kind::Log, index, text);
            true
        }
        Ok(occupied) => {
            let text = format_args!(
                "sel4-loader: {name}: defect: {before} before, {after} after, {occupied} slots \
                 still occupied"
            );
            output.text(Kind::Log, index, text);
            false
        }
        Err(error) => {
            let text = format_args!("sel4-loader: {name}: defect: {error}");
            output.text(Kind::Log, index, text);
            false
        }
    }
}
