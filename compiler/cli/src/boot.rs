// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot boot`: apps, or an image of them, on seL4 in QEMU: their output as it comes, and what
//! became of each at the end.

mod report;
mod watch;

use crate::files;
use crate::image::{self, AppsArguments, MACHINE_MEMORY_MIB};
use crate::system::SystemArguments;
use anyhow::{Context, Result, bail};
use clap::Args;
use report::Result as Found;
use sel4_host::bundle::{AppSpec, app_flags, flags};
use sel4_host::{Qemu, hosted, is_image};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use wasm_aot_contract::{Class, Contract};
use watch::Watch;

/// Run apps on seL4 in QEMU until all have ended, or for the time that `--for` says.
///
/// Lines that apps write are passed on behind their names; a table of what became of each comes at
/// the end. Exit status 0: every app was run, kept its contract and succeeded; 1: one was refused,
/// missed a deadline, overran its budget, trapped, or ended with another exit code than 0; 2: a
/// wrong command line.
#[derive(Args)]
pub struct Arguments {
    /// Memory of the emulated machine, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = MACHINE_MEMORY_MIB)]
    machine_memory: u32,
    /// Let the machine's clock count instructions, 8 ns each (`-icount shift=3,sleep=off`): every
    /// run is the same, and its times say nothing about hardware.
    #[arg(long)]
    icount: bool,
    /// One more word of QEMU's command line (repeat for more): devices for apps, see
    /// docs/devices.md.
    #[arg(long = "qemu", value_name = "WORD", allow_hyphen_values = true)]
    qemu: Vec<String>,
    /// Stop the emulated machine after this many seconds of this one.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Print what was found as JSON, with what apps wrote in it, and nothing else.
    #[arg(long)]
    json: bool,
    /// Show on standard error what happens when, every report of a trap, and the console.
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    system: SystemArguments,
    #[command(flatten)]
    apps: AppsArguments,
}

impl Arguments {
    /// Says that nothing will end the machine, where that is so.
    fn remark_on_endless(&self, apps: &[AppSpec]) -> Result<()> {
        if self.json || self.timeout.is_some() || self.system.duration_us.is_some() {
            return Ok(());
        }
        for app in apps {
            let endless = |contract: &Contract<'_>| {
                contract.class == Class::Periodic && contract.jobs_max == 0
            };
            if image::effective(&app.contract, &app.modules, endless)? == Some(true) {
                eprintln!(
                    "note: `{}` has jobs for ever; `--for DURATION` ends it, and only then comes \
                     the table",
                    app.name
                );
                break;
            }
        }
        Ok(())
    }

    /// The image to boot and the names of its apps.
    fn image(&self) -> Result<(Vec<u8>, Vec<String>)> {
        if let [file] = &*self.apps.inputs
            && file.exists()
        {
            let mut bytes = files::read(file)?;
            if is_image(&bytes) {
                if !self.system.is_default() || !self.apps.is_default() {
                    let file = file.display();
                    bail!("{file} is an image: what is in it was decided by `wasm-aot image`");
                }
                let names = hosted(&mut bytes).with_context(|| file.display().to_string())?;
                return Ok((bytes, names));
            }
        }
        let system = self.system.spec(flags::HOSTED | flags::POWER_OFF)?;
        let mut apps = self.apps.specs(&system)?;
        for app in &mut apps {
            // Their lines go through our hands.
            app.flags &= !(7 * app_flags::TERMINAL);
        }
        self.remark_on_endless(&apps)?;
        let names = apps.iter().map(|app| app.name.clone()).collect();
        Ok((image::make(&apps, &system)?, names))
    }
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let (bytes, names) = arguments.image()?;
    // The image has a name only while QEMU runs.
    let mut file = tempfile::Builder::new()
        .prefix("wasm-aot-")
        .suffix(".elf")
        .tempfile()?;
    file.write_all(&bytes).context("cannot write the image")?;
    let qemu = Qemu {
        memory_mib: arguments.machine_memory,
        timeout: arguments.timeout.map(Duration::from_secs),
        icount: arguments.icount,
        options: arguments.qemu.clone(),
        ..Qemu::default()
    };
    let mut watch = Watch::new(names, arguments.json, arguments.verbose);
    let outcome = qemu.run(file.path(), &mut watch);
    let found = Found::new(watch.finish(), outcome.as_ref().ok());
    // Also of a machine that did not come to its end, as far as it came.
    match arguments.json {
        true => files::print(&(serde_json::to_string_pretty(&found)? + "\n"))?,
        false => files::print(&found.to_string())?,
    }
    outcome?;
    match found.problems() {
        problems if problems.is_empty() => Ok(ExitCode::SUCCESS),
        problems => bail!("{}", problems.join("; ")),
    }
}
