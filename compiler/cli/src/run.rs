// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot run`: a module or object, here or on seL4.

mod linux;
mod sel4;

use crate::build::CompilerArguments;
use crate::image::AppArguments;
use crate::preload::Preload;
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wasm_aot_trap::EXIT_STATUS;

/// Where to run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum World {
    /// On this machine.
    Linux,
    /// On the seL4 kernel, in QEMU.
    Sel4,
}

/// Run a module (.wasm, .wat) or an object (.o). Its exit status is the command's; a trap is 134.
#[derive(Args)]
pub struct Arguments {
    /// Where to run.
    #[arg(long, value_enum, default_value = "linux", value_name = "WORLD")]
    on: World,
    /// Give the program a socket that listens at an address of this machine (not on seL4).
    #[arg(long = "tcplisten", value_name = "ADDRESS:PORT")]
    tcp_listen: Vec<String>,
    /// Give the program the sockets that this process has inherited: $LISTEN_FDS of them, from
    /// descriptor 3 on (not on seL4).
    #[arg(long)]
    listenfd: bool,
    /// Write what is in the program's directories when it has ended as a tar archive (seL4; on
    /// Linux it works in the directories themselves).
    #[arg(long, value_name = "FILE")]
    dir_out: Option<PathBuf>,
    /// Load a module first; its exports are the imports `NAME.*`.
    #[arg(long = "preload", value_name = "NAME=FILE")]
    preloads: Vec<Preload>,
    /// Memory of the emulated machine (seL4), in MiB.
    #[arg(long, value_name = "MIB", default_value_t = crate::image::MACHINE_MEMORY_MIB)]
    machine_memory: u32,
    /// Stop the emulated machine (seL4) after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Collect at every allocation in the heap (Linux), to find defects of the collector.
    #[arg(long, hide = true)]
    gc_stress: bool,
    /// Compare what the program takes of the stack with the bound in its object (Linux).
    #[arg(long, hide = true)]
    check_stack: bool,
    /// Show on standard error what happens when (seL4), or what the collector did (Linux).
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    app: AppArguments,
    #[command(flatten)]
    compiler: CompilerArguments,
    /// The module or object, and the arguments of the program: everything behind FILE is its own.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_names = ["FILE", "ARGS"]
    )]
    command: Vec<String>,
}

impl Arguments {
    /// The module or object.
    fn file(&self) -> &Path {
        Path::new(self.command.first().map_or("", String::as_str))
    }

    /// Arguments of the program, without its name.
    fn args(&self) -> &[String] {
        self.command.get(1..).unwrap_or_default()
    }
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let file = arguments.file().to_string_lossy();
    if file.starts_with('-') && file != "-" {
        eprintln!("error: unexpected argument `{file}`; a file of that name is written ./{file}");
        return Ok(ExitCode::from(2));
    }
    match arguments.on {
        World::Linux => linux::run(arguments),
        World::Sel4 => sel4::run(arguments),
    }
}

/// The command's status for a guest's: what the system passes on, its low eight bits.
fn status(code: i32) -> ExitCode {
    ExitCode::from((code & 0xff) as u8)
}

/// Reports a trap the same way for both worlds.
fn trapped(file: &Path, report: &str) -> ExitCode {
    let name = crate::image::program_name(file);
    eprintln!("error: {name}: the program trapped\n{}", report.trim_end());
    status(EXIT_STATUS)
}
