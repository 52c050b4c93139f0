// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Developer tasks, `cargo xtask TASK`. Every task sets up what it needs and nothing else; where
//! something cannot be set up, it ends with an error that says what is missing.
//!
//! `xtask/run TASK` is the same for a machine that has no Rust yet.

mod apps;
mod artifacts;
mod bench;
mod checks;
mod downloads;
mod engine;
mod fuzz;
mod kernel;
mod packages;
mod probe;
mod process;
mod programs;
mod realtime;
mod sel4;
mod spec;
mod stack;
mod tests;
mod wasi;
mod wasmtime;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use workspace::Workspace;

/// Developer tasks of wasm-aot.
#[derive(Parser)]
#[command(name = "xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install the packages that the other tasks need (except those of `apps`).
    Setup,
    /// Build the seL4 kernel from its packaged source.
    Kernel,
    /// Build everything a user needs: the command, the kernel, the seL4 loader, the start-up code
    /// of linked executables.
    Build,
    /// Build the guest's agent, one static file.
    Agent,
    /// Find out how much stack the app runtime takes that was built (`build` does, too).
    Stack {
        /// The app runtime.
        #[arg(
            default_value = "target/sel4-build/x86_64-unknown-linux-gnu/release/sel4-app-runtime"
        )]
        runtime: PathBuf,
    },
    /// Build the engine that runs test scripts, and set up what that takes.
    Engine {
        /// Only for this architecture (x86_64, aarch64, riscv64); may be repeated.
        #[arg(long = "target", value_name = "ARCHITECTURE")]
        targets: Vec<String>,
    },
    /// Build, then run a sample on seL4 in QEMU.
    Demo {
        /// The sample (a name in testsuite/apps or a path) and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, default_values = ["nbody-c", "10"])]
        app: Vec<String>,
    },
    /// Build, then run every test, booted ones included.
    Test {
        /// Passed on to the tests: parts of names, `--nocapture`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filter: Vec<String>,
    },
    /// Build the command, run the official testsuite, and print what passes as a table.
    Spec {
        /// Write the table into the README.
        #[arg(long)]
        bless: bool,
    },
    /// Build the command, and run the official WASI testsuite, which is elsewhere.
    WasiTestsuite(wasi::Arguments),
    /// Build the command, and compare programs of a package registry with wasmtime.
    Programs(programs::Arguments),
    /// Build, then print what apps with deadlines do on seL4 beside what they have to do.
    Realtime(realtime::Arguments),
    /// Build, then compare generated modules with wasmtime.
    Fuzz(fuzz::Modules),
    /// Run programs that call WASI at random, and check that they do no harm.
    FuzzWasi(fuzz::Arguments),
    /// Drive the loader's end of the guest's protocol with hostile memory, messages and bytes.
    FuzzProtocol(fuzz::Protocol),
    /// Build the kernel and a root task that measures how long it keeps interrupts waiting and
    /// wears the memory pool; print what it finds (takes minutes).
    Probe {
        /// Write the table into docs/sel4.md.
        #[arg(long)]
        bless: bool,
    },
    /// Check formatting and lints.
    Check,
    /// What continuous integration runs: `check`, then `test`.
    Ci,
    /// Build, then measure our code beside that of other compilers and native code.
    Bench(bench::Arguments),
    /// Rebuild the samples from their sources and check that the committed ones are the same.
    Apps {
        /// Put the rebuilt samples in place of the committed ones.
        #[arg(long)]
        bless: bool,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    let workspace = Workspace::find()?;
    match task {
        Task::Setup => {
            let all = [
                packages::KERNEL,
                packages::QEMU,
                packages::TESTS,
                packages::TARGETS,
            ]
            .concat();
            packages::require(&all)?;
            checks::require_tools()?;
            wasmtime::require(&workspace)?;
        }
        Task::Kernel => artifacts::kernel(&workspace)?,
        Task::Build => artifacts::build(&workspace)?,
        Task::Agent => artifacts::agent(&workspace)?,
        Task::Stack { runtime } => stack::check(&workspace.path("").join(runtime))?,
        Task::Engine { targets } => engine::build(&workspace, &targets)?,
        Task::Demo { app } => return demo(&workspace, &app),
        Task::Test { filter } => tests::run(&workspace, &filter)?,
        Task::Spec { bless } => spec::run(&workspace, bless)?,
        Task::WasiTestsuite(arguments) => return wasi::run(&workspace, &arguments),
        Task::Programs(arguments) => return programs::run(&workspace, &arguments),
        Task::Realtime(arguments) => return realtime::run(&workspace, &arguments),
        Task::Fuzz(modules) => return fuzz::run(&workspace, &modules),
        Task::FuzzWasi(arguments) => return fuzz::wasi(&workspace, &arguments),
        Task::FuzzProtocol(options) => return fuzz::protocol(&workspace, &options),
        Task::Probe { bless } => probe::run(&workspace, bless)?,
        Task::Check => checks::all(&workspace)?,
        Task::Ci => {
            checks::all(&workspace)?;
            tests::run(&workspace, &[])?;
        }
        Task::Bench(arguments) => bench::main(&workspace, &arguments)?,
        Task::Apps { bless } => apps::rebuild(&workspace, bless)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends with the sample's own status.
fn demo(workspace: &Workspace, app: &[String]) -> Result<ExitCode> {
    packages::require(packages::QEMU)?;
    artifacts::build(workspace)?;
    let (name, args) = app.split_first().expect("clap gives a default");
    let sample = workspace
        .path("testsuite/apps")
        .join(name)
        .with_extension("wasm");
    let module = if sample.is_file() {
        sample
    } else {
        name.into()
    };
    let mut command = Command::new(workspace.program());
    command.args(["run", "--on", "sel4"]).arg(module).args(args);
    process::announce(&command);
    process::status(&mut command)
}
