// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot image`: objects to a bootable seL4 image; and what it shares with `run --on sel4`.

use crate::build::CompilerArguments;
use crate::manifest::{self, Input};
use crate::preload::{self, Preload};
use crate::system::{SystemArguments, distinct};
use crate::{files, share};
use anyhow::{Context, Result, bail};
use clap::Args;
use sel4_host::bundle::{AppSpec, MAX_DIRS, SystemSpec, app_flags, encode, flags};
use sel4_host::directories::{self, Directory};
use sel4_host::{Artifacts, qemu_command_line};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wasm_aot_contract::Contract;
use wasm_aot_loader::Object;
use wasm_aot_object::Machine;

/// Memory of the emulated machine unless told otherwise, in MiB.
pub const MACHINE_MEMORY_MIB: u32 = 512;

/// Make a bootable seL4 image of apps.
///
/// The image is one multiboot file with kernel, root task and objects; the command prints the
/// QEMU line that boots it. Output goes to the first serial port. Apps with a contract run beside
/// each other, those without one after the other in the time that is left.
#[derive(Args)]
pub struct Arguments {
    /// The image.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    apps: AppsArguments,
    #[command(flatten)]
    system: SystemArguments,
}

/// The apps of an image.
#[derive(Args)]
pub struct AppsArguments {
    /// Objects or modules (.o, .wasm, .wat); behind an `@`, a manifest whose contract holds instead
    /// of the one in the object.
    #[arg(required = true, value_name = "FILE[@MANIFEST]")]
    pub inputs: Vec<PathBuf>,
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

impl AppsArguments {
    /// Whether nothing was chosen but the inputs; options of the compiler are not looked at.
    pub fn is_default(&self) -> bool {
        let app = &self.app;
        self.args.is_empty()
            && self.stdin.is_none()
            && self.preloads.is_empty()
            && [&app.env, &app.dirs].iter().all(|list| list.is_empty())
            && app.invoke.is_none()
            && app.manifest.is_none()
            && app.memory_limit.is_none()
            && app.stack_size.is_none()
            && !app.unknown_imports_trap
    }

    /// The apps, in their order.
    pub fn specs(&self, system: &SystemSpec) -> Result<Vec<AppSpec>> {
        let mut apps = Vec::new();
        for input in self.inputs.iter().map(Input::from) {
            let modules = preload::modules(&self.compiler, &self.preloads, &input.file)?;
            let app = self.app.spec(&input, modules, &self.args)?;
            let mut app = granted(app, system)?;
            let taken = |name: &str| apps.iter().any(|app: &AppSpec| app.name == name);
            app.name = distinct(&app.name, taken);
            // The console.
            app.flags |= 7 * app_flags::TERMINAL;
            if let Some(stdin) = &self.stdin {
                app.input = files::read(stdin)?;
                app.flags |= app_flags::INPUT;
                app.flags &= !app_flags::TERMINAL;
            }
            apps.push(app);
        }
        Ok(apps)
    }
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
    /// Bytes of stack for the program, by default 1048576; on seL4 by default those of its
    /// contract.
    #[arg(long = "max-wasm-stack", alias = "stack-size", value_name = "BYTES")]
    pub stack_size: Option<u64>,
    /// The contract of this manifest (TOML) holds instead of the one in the object (seL4).
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
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
        input: &Input,
        modules: Vec<(String, Vec<u8>)>,
        args: &[String],
    ) -> Result<AppSpec> {
        let (archive, dirs) = self.directories()?;
        let program = program_name(&input.file);
        let contract = self.contract(input, &modules)?;
        let named = effective(&contract, &modules, |contract| contract.name.to_owned())?;
        let name = named.filter(|name| !name.is_empty());
        let mut bits = 0;
        if self.unknown_imports_trap {
            bits |= app_flags::UNKNOWN_IMPORTS_TRAP;
        }
        if self.invoke.is_some() {
            bits |= app_flags::INVOKE;
        }
        Ok(AppSpec {
            name: name.unwrap_or_else(|| program.clone()),
            modules,
            script: Vec::new(),
            args: std::iter::once(program)
                .chain(args.iter().cloned())
                .collect(),
            env: self
                .environment()
                .into_iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect(),
            invoke: self.invoke.clone().unwrap_or_else(|| "_start".into()),
            archive,
            dirs,
            input: Vec::new(),
            contract,
            flags: bits,
            memory_limit: self.memory_limit.unwrap_or(0),
            stack_size: self.stack_size.unwrap_or(0),
        })
    }

    /// The record of the contract in the manifest, if there is one. The modules can keep it, and
    /// otherwise that of the object.
    fn contract(&self, input: &Input, modules: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
        let named: Vec<_> = modules
            .iter()
            .map(|(name, object)| (name.as_str(), object.as_slice()))
            .collect();
        let machine = Machine::X86_64;
        let file = input.file.display();
        let Some(path) = input.manifest.as_ref().or(self.manifest.as_ref()) else {
            let keep = |own: &Contract<'_>| manifest::keep(own, &named, machine);
            let kept = effective(&[], modules, keep)?.unwrap_or(Ok(()));
            kept.with_context(|| format!("{file}, by its contract"))?;
            return Ok(Vec::new());
        };
        let record = manifest::record(path)?;
        manifest::check(&record, &named, machine)
            .with_context(|| format!("{}, for {file}", path.display()))?;
        Ok(record)
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

/// Asks the contract that holds for an app: that of the manifest, or of the last module's object.
/// `None` where there is none, or no object: whoever loads it says what is wrong with it.
pub fn effective<T>(
    record: &[u8],
    modules: &[(String, Vec<u8>)],
    ask: impl FnOnce(&Contract<'_>) -> T,
) -> Result<Option<T>> {
    if !record.is_empty() {
        return Ok(Some(ask(&manifest::contract(record)?)));
    }
    let Some((_, bytes)) = modules.last() else {
        return Ok(None);
    };
    let Ok(object) = Object::parse_for(bytes, Machine::X86_64) else {
        return Ok(None);
    };
    Ok(object.contract().map(ask))
}

/// Checks that the devices which an app wants are granted.
fn granted(app: AppSpec, system: &SystemSpec) -> Result<AppSpec> {
    let missing = |contract: &Contract<'_>| {
        let granted = |name: &str| system.grants.iter().any(|grant| grant.name == name);
        let missing = contract.devices.iter().find(|name| !granted(name));
        missing.map(str::to_owned)
    };
    match effective(&app.contract, &app.modules, missing)?.flatten() {
        Some(device) => bail!(
            "{}: its contract wants the device `{device}`, which nobody grants; see --grant",
            app.name
        ),
        None => Ok(app),
    }
}

/// The image with these apps.
pub fn make(apps: &[AppSpec], system: &SystemSpec) -> Result<Vec<u8>> {
    let artifacts = Artifacts::read(&share::folder()?)?;
    let bundle = encode(system, apps).context("the objects are too large for one image")?;
    Ok(artifacts.image(&bundle)?)
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let system = arguments.system.spec(flags::POWER_OFF)?;
    let apps = arguments.apps.specs(&system)?;
    files::write(&arguments.output, &make(&apps, &system)?, false)?;
    println!(
        "{}",
        qemu_command_line(&arguments.output, MACHINE_MEMORY_MIB)
    );
    Ok(ExitCode::SUCCESS)
}
