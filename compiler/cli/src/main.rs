// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot`: compile WebAssembly modules ahead of time, run them on Linux and on seL4.
//!
//! Exit status: 0 for success, 1 for an error (one `error:` line on standard error), 2 for a
//! command line that cannot be understood, 134 for a trap of the guest; `run` otherwise ends with
//! the guest's own status.

mod boot;
mod build;
mod files;
mod image;
mod inspect;
mod link;
mod manifest;
mod preload;
mod run;
mod schedule;
mod share;
mod system;
mod table;
mod trust;
mod wast;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Ahead-of-time compiler from WebAssembly to native objects, for Linux and seL4.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(build::Arguments),
    Run(Box<run::Arguments>),
    Link(link::Arguments),
    Image(image::Arguments),
    Boot(Box<boot::Arguments>),
    Inspect(inspect::Arguments),
    Schedule(schedule::Arguments),
    Wast(wast::Arguments),
    Keygen(trust::Keygen),
    Sign(trust::Sign),
    Verify(trust::Verify),
    /// Run the binary script on standard input: what `wast` calls for each file.
    #[command(name = wast::ENGINE, hide = true)]
    ScriptEngine(wast::EngineArguments),
}

fn main() -> ExitCode {
    let result: Result<ExitCode> = match Cli::parse().command {
        Command::Build(arguments) => build::main(&arguments),
        Command::Run(arguments) => run::main(&arguments),
        Command::Link(arguments) => link::main(&arguments),
        Command::Image(arguments) => image::main(&arguments),
        Command::Boot(arguments) => boot::main(&arguments),
        Command::Inspect(arguments) => inspect::main(&arguments),
        Command::Schedule(arguments) => schedule::main(&arguments),
        Command::Wast(arguments) => wast::main(&arguments),
        Command::Keygen(arguments) => trust::keygen(&arguments),
        Command::Sign(arguments) => trust::sign(&arguments),
        Command::Verify(arguments) => trust::verify(&arguments),
        Command::ScriptEngine(arguments) => wast::run_engine(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
