// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot image`: objects to a bootable seL4 image; and what it shares with `run --on sel4`.

use crate::build::CompilerArguments;
use crate::preload::{self, Preload};
use crate::{files, share};
use anyhow::{Context, Result, bail};
use clap::Args;
use sel4_host::bundle::{AppSpec, MAX_DIRS, app_flags, encode, flags};
use sel4_host::directories::{self, Directory};
use sel4_host::{Artifacts, qemu_command_line};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Memory of the emulated machine unless told otherwise, in MiB.
pub const MACHINE_MEMORY_MIB: u32 = 512;

/// Make a bootable seL4 image that runs apps one after the other.
///
/// The image is one multiboot file with kernel, root task and objects; the command prints the
/// QEMU line that boots it. Output goes to the first serial port.
#[derive(Args)]
pub struct Arguments {
    /// Objects or modules (.o, .wasm, .wat), run in this order.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The image.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// An argument for every app (repeat for more).
    #[arg(long = "arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    args: Vec<String>,
    /// The standard input of every app; without it, it is the console.
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,
    /// Load a module first, in every app; its exports are the imports `NAME.*`.
    #[arg(long = "preload", value_name = "NAME=FILE")]
    preloads: Vec<Preload>,
    #[command(flatten)]
    app: AppArguments,
    #[command(flatten)]
    compiler: CompilerArguments,
}

/// What an app on seL4 is given.
#[derive(Args)]
pub struct AppArguments {
    /// Set an environment variable (`NAME=VALUE`, or `NAME` to pass on this one).
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Call this export instead of `_start`; arguments are its parameters.
    #[arg(long, value_name = "NAME")]
    pub invoke: Option<String>,
    /// Let imports that nobody provides trap when called, instead of refusing the module.
    #[arg(long)]
    pub unknown_imports_trap: bool,
    /// Give the program a directory of this machine. On seL4 it gets a copy in memory, which is
    /// gone when it ends (but see `run --dir-out`).
    #[arg(long = "dir", value_name = "HOST[::GUEST]")]
    pub dirs: Vec<String>,
    /// Bytes that the app may take of the machine (seL4), its changed and new files included; by
    /// default what there is.
    #[arg(long, value_name = "BYTES")]
    pub memory_limit: Option<u64>,
    /// Bytes of stack for the program.
    #[arg(
        long = "max-wasm-stack",
        alias = "stack-size",
        value_name = "BYTES",
        default_value_t = 1 << 20
    )]
    pub stack_size: u64,
}

impl AppArguments {
    /// The environment as name and value.
    pub fn environment(&self) -> Vec<(String, String)> {
        let pair = |entry: &String| match entry.split_once('=') {
            Some((name, value)) => Some((name.to_owned(), value.to_owned())),
            None => Some((entry.clone(), std::env::var(entry).ok()?)),
        };
        self.env.iter().filter_map(pair).collect()
    }

    /// The app in a boot bundle.
    pub fn spec(
        &self,
        path: &Path,
        modules: Vec<(String, Vec<u8>)>,
        args: &[String],
    ) -> Result<AppSpec> {
        let (archive, dirs) = self.directories()?;
        let name = program_name(path);
        let mut bits = 0;
        if self.unknown_imports_trap {
            bits |= app_flags::UNKNOWN_IMPORTS_TRAP;
        }
        if self.invoke.is_some() {
            bits |= app_flags::INVOKE;
        }
        Ok(AppSpec {
            name: name.clone(),
            modules,
            script: Vec::new(),
            args: std::iter::once(name).chain(args.iter().cloned()).collect(),
            env: self
                .environment()
                .into_iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect(),
            invoke: self.invoke.clone().unwrap_or_else(|| "_start".into()),
            archive,
            dirs,
            input: Vec::new(),
            flags: bits,
            memory_limit: self.memory_limit.unwrap_or(0),
            stack_size: self.stack_size,
        })
    }

    /// The directories, packed, and their names for the program.
    fn directories(&self) -> Result<(Vec<u8>, Vec<String>)> {
        if self.dirs.len() > MAX_DIRS {
            bail!("--dir: an app on seL4 has at most {MAX_DIRS} directories");
        }
        let list: Vec<_> = self.dirs.iter().map(|dir| Directory::parse(dir)).collect();
        for (directory, argument) in list.iter().zip(&self.dirs) {
            if directory.guest.contains('\0') {
                bail!("--dir {argument}: the name has a zero byte");
            }
            let metadata = std::fs::metadata(&directory.host);
            let metadata = metadata.with_context(|| format!("--dir {argument}"))?;
            if !metadata.is_dir() {
                let host = directory.host.display();
                bail!("--dir {argument}: {host} is no directory");
            }
        }
        let packed = directories::pack(&list).context("--dir")?;
        for path in packed.skipped {
            let path = path.display();
            eprintln!("warning: --dir: {path} is no file, directory or symbolic link: left out");
        }
        let guests = list.into_iter().map(|directory| directory.guest);
        Ok((packed.archive, guests.collect()))
    }
}

/// What a program is told its own name is: the file's.
pub fn program_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The image with these apps.
pub fn make(apps: &[AppSpec], bundle_flags: u32) -> Result<Vec<u8>> {
    let artifacts = Artifacts::read(&share::folder()?)?;
    let bundle = encode(bundle_flags, apps).context("the objects are too large for one image")?;
    Ok(artifacts.image(&bundle)?)
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let mut apps = Vec::new();
    for input in &arguments.inputs {
        let modules = preload::modules(&arguments.compiler, &arguments.preloads, input)?;
        let mut app = arguments.app.spec(input, modules, &arguments.args)?;
        // The console.
        app.flags |= 7 * app_flags::TERMINAL;
        if let Some(stdin) = &arguments.stdin {
            app.input = files::read(stdin)?;
            app.flags |= app_flags::INPUT;
            app.flags &= !app_flags::TERMINAL;
        }
        apps.push(app);
    }
    let image = make(&apps, flags::POWER_OFF)?;
    files::write(&arguments.output, &image, false)?;
    println!(
        "{}",
        qemu_command_line(&arguments.output, MACHINE_MEMORY_MIB)
    );
    Ok(ExitCode::SUCCESS)
}
