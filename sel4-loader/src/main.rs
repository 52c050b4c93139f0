// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The root task: runs the apps of its boot bundle, each in an address space and CSpace of its own.
//!
//! It has two threads. The executive decides who runs, the manager (the first thread) does what
//! takes long; see [`executive`] and [`system`].
//!
//! | module | decides |
//! |---|---|
//! | [`start`] | entry, end, the image's own payload |
//! | [`executive`] | who runs, and until when |
//! | [`system`] | which apps there are, when they begin and end |
//! | [`serial`], [`output`], [`input`] | how what is said gets out, where standard input comes from |
//! | [`devices`], [`grants`] | memory that belongs to devices, and what apps may have of them |
//! | [`heap`] | where lists are whose length is not known beforehand |
//! | [`memory`] | which untypeds and slots are used, and that they come back |
//! | [`vspace`], [`window`] | mappings |
//! | [`runtime`] | the app runtime's pages and exports |
//! | [`calibrate`] | what the executive takes for itself, measured |
//! | [`cpu`], [`clock`] | what the processor has, what time it is |
//! | [`app`] | making, serving and taking apart one app |
//! | [`churn`] | loading and unloading apps for a test of that |
//!
//! `unsafe` is in [`start`], [`heap`], [`window`], [`calibrate`] and the executive's `alarm`,
//! `begin`, `control` and `time`.

#![no_std]
#![no_main]
#![allow(
    clippy::result_large_err,
    reason = "errors carry what a message needs, and come once an app"
)]

extern crate alloc;

mod app;
mod calibrate;
mod churn;
mod clock;
mod cpu;
mod devices;
mod executive;
mod grants;
mod heap;
mod input;
mod memory;
mod output;
mod runtime;
mod serial;
mod start;
mod system;
mod vspace;
mod window;

use app::{Running, Tools};
use clock::Start;
use core::cell::RefCell;
use devices::Devices;
use executive::{Clock, Control, Interrupt, RINGS};
use grants::{Grants, Makers};
use input::Input;
use memory::{Memory, MemoryError, Object, Owner};
use output::Output;
use runtime::Runtime;
use sel4::bootinfo::BootInfo;
use sel4_boot::bundle::{self, Bundle, flags};
use sel4_boot::frame::{Kind, NO_APP};
use sel4_boot::service::{ARCHIVE_STREAM, WRITE_MAX};
use serial::{CHANNEL, CONSOLE};
use start::Image;
use system::System;
use wasm_aot_schedule::Policy;
use wasm_aot_schedule::admission::Overheads;
use window::Peek;

/// What the root task has.
pub struct Loader {
    memory: Memory,
    runtime: Runtime,
    peek: RefCell<Peek>,
    /// Where apps call and fault to.
    endpoint: u64,
    output: Output,
    start: Start,
    clock: Clock,
    image: Image,
    control: Control,
    policy: Policy,
    /// What the executive takes for itself.
    overheads: Overheads,
    /// The serial port's interrupt.
    serial: Interrupt,
    input: Input,
    /// Devices of apps.
    grants: Grants,
}

impl Loader {
    /// What loading an object takes.
    fn tools(&mut self) -> Tools<'_> {
        Tools {
            memory: &mut self.memory,
            runtime: &self.runtime,
            peek: &self.peek,
            clock: self.clock,
        }
    }

    /// Sends what an app has written, so many pieces of it; says whether there is more.
    fn send_output(&self, app: &Running<'_>, pieces: usize) -> bool {
        let ring = &RINGS[usize::from(app.id.index)];
        let mut bytes = [0; WRITE_MAX];
        let mut sent = 0;
        while sent < pieces
            && let Some((stream, count)) = ring.take(&mut bytes)
        {
            let kind = match stream {
                2 => Kind::Stderr,
                ARCHIVE_STREAM => Kind::Archive,
                _ => Kind::Stdout,
            };
            self.output.stream(kind, app.index, &bytes[..count]);
            sent += 1;
        }
        if sent > 0 && ring.has_room() {
            self.control.room(app.id);
        }
        !ring.is_empty()
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
    match prepare(info, output, &bundle) {
        Ok(mut loader) if bundle.flags() & flags::CHURN != 0 => churn::run(&mut loader, &bundle),
        Ok(mut loader) => System::new(bundle).run(&mut loader),
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

fn prepare(
    info: &BootInfo,
    output: Output,
    bundle: &Bundle<'static>,
) -> Result<Loader, StartError> {
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
    let mut devices = Devices::new(info);
    // A kernel that has measured nothing: a tick counts as a nanosecond.
    let hz = if start.tsc_hz == 0 {
        1_000_000_000
    } else {
        start.tsc_hz
    };
    let clock = Clock::new(start.tsc, hz);
    let pin = Input::uart(output).pin();
    let (control, taken) = Control::start(&mut memory, &mut devices, endpoint, clock, pin)
        .map_err(StartError::Memory)?;
    output.text(
        Kind::Log,
        NO_APP,
        format_args!("sel4-loader: timer: {}", taken.timer),
    );
    let mut makers = Makers {
        memory: &mut memory,
        devices: &mut devices,
        control: &control,
        timer_pin: taken.timer_pin,
    };
    let grants = Grants::new(*bundle, &mut makers);
    grants.report(output);
    Ok(Loader {
        memory,
        runtime,
        peek: RefCell::new(peek),
        endpoint,
        output,
        start,
        clock,
        image: Image::new(info),
        control,
        policy: policy(bundle),
        overheads: Overheads::NONE,
        serial: taken.serial,
        input: Input::new(output),
        grants,
    })
}

/// How the bundle wants the processor to be shared.
fn policy(bundle: &Bundle<'_>) -> Policy {
    match bundle.policy() {
        bundle::Policy::FixedPriority => Policy::FixedPriority,
        bundle::Policy::EarliestDeadline => Policy::EarliestDeadline,
    }
}
