// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot link`: an object to a standalone Linux executable.
//!
//! The command generates a small second object with the entry record of
//! `rt-support/standalone` (and the addresses of memories with a relocatable base), and lets `ld`
//! put the three together.

mod entry;

use crate::build::CompilerArguments;
use crate::{files, share};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use entry::{Entry, Word};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use wasm_aot_loader::link::LinkError;
use wasm_aot_loader::{LoadError, Object, UndefinedKind, Unresolved};
use wasm_aot_object::meta::{ImportRecord, Kind, Meta, entity};
use wasm_aot_object::{Machine, WASM_PAGE};
use wasm_aot_runtime::Export;
use wasm_aot_symbols::{BASE_SUFFIX, INSTANTIATE_SUFFIX, encode};

/// Where memories with a relocatable base are put in a linked executable: above the program.
const RELOCATED_MEMORIES: u64 = 0x10_0000_0000;
/// Where they end: below what Linux maps by itself, far from the end of user space.
const RELOCATED_MEMORIES_END: u64 = 0x4000_0000_0000;

/// Make a standalone Linux executable from an object or module with a `_start` export.
#[derive(Args)]
pub struct Arguments {
    /// The object or module (.o, .wasm, .wat).
    input: PathBuf,
    /// The executable.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The linker to run.
    #[arg(long, value_name = "PROGRAM", default_value = "ld")]
    linker: PathBuf,
    /// Let imports that nobody provides trap when called, instead of refusing the module.
    #[arg(long)]
    unknown_imports_trap: bool,
    #[command(flatten)]
    compiler: CompilerArguments,
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let object = arguments.compiler.object(&arguments.input, "main")?;
    let executable = executable(&object, &arguments.linker, arguments.unknown_imports_trap)
        .with_context(|| arguments.input.display().to_string())?;
    files::write(&arguments.output, &executable, true)?;
    Ok(ExitCode::SUCCESS)
}

/// The bytes of the executable.
fn executable(object: &[u8], linker: &Path, trapping: bool) -> Result<Vec<u8>> {
    let share = share::folder()?.join("linux");
    let archive = share.join("libwasm_aot_standalone.a");
    let script = share.join("standalone.ld");
    for file in [&archive, &script] {
        if !file.is_file() {
            bail!(
                "{} is missing; `cargo xtask build` makes it",
                file.display()
            );
        }
    }
    let entry = entry_object(object, trapping)?;
    let folder = tempfile::Builder::new()
        .prefix("wasm-aot-link-")
        .tempdir()?;
    let object_file = folder.path().join("object.o");
    let entry_file = folder.path().join("entry.o");
    let executable = folder.path().join("executable");
    std::fs::write(&object_file, object)?;
    std::fs::write(&entry_file, &entry)?;
    let mut command = Command::new(linker);
    command.args([
        "-static",
        "-nostdlib",
        "--gc-sections",
        "-z",
        "noexecstack",
        "-T",
    ]);
    command.arg(&script).arg("-o").arg(&executable);
    command.args([&entry_file, &object_file, &archive]);
    run(&mut command, linker)?;
    Ok(std::fs::read(&executable)?)
}

/// Runs the linker; what it says becomes the error.
fn run(command: &mut Command, linker: &Path) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow::anyhow!(
                "the linker {} is not installed; on Debian: apt install binutils, or name one with \
             --linker",
                linker.display()
            ),
            _ => anyhow::anyhow!("cannot run {}: {error}", linker.display()),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}", linker.display(), said.trim_end());
    }
    // Warnings are the user's to see.
    std::io::stderr().write_all(&output.stderr)?;
    Ok(())
}

/// The object with the symbol `wasm_aot_entry`.
fn entry_object(bytes: &[u8], trapping: bool) -> Result<Vec<u8>> {
    // What this loader would refuse is no program either.
    let object = Object::parse_for(bytes, Machine::X86_64).map_err(|error| match error {
        LoadError::Architecture { found, .. } => anyhow!(
            "the object is for {}; executables are made for x86_64 only, build it with \
             `--target x86_64`",
            Machine::from_elf(found).map_or("another machine", Machine::name)
        ),
        error => anyhow!("{error}"),
    })?;
    let meta = *object.meta();
    let Some(start) = meta
        .export("_start")
        .filter(|export| export.kind() == Kind::Function)
    else {
        bail!("it has no exported function `_start`, so it is no program");
    };
    let ty = meta.str(meta.types()[start.index.get() as usize].text);
    if ty != "() -> ()" {
        bail!("its `_start` has type {ty}, not () -> ()");
    }
    for import in meta.imports() {
        if import.kind() != Kind::Function {
            bail!(
                "it imports the {} `{}::{}`, which a standalone executable has nobody to give",
                import.kind().name(),
                meta.str(import.module),
                meta.str(import.name)
            );
        }
    }
    let unknown = unknown_imports(&object, trapping)?;
    let mut entry = Entry::new();
    for &(_, symbol) in &unknown {
        entry.stub(symbol);
    }
    let numbers: Vec<u64> = unknown.iter().map(|&(index, _)| index).collect();
    let stubs = entry.numbers(&numbers)?;
    let memory = meta
        .export("memory")
        .filter(|export| export.kind() == Kind::Memory);
    let memories: Vec<&str> = meta.memories().iter().map(|m| meta.str(m.symbol)).collect();
    let tables: Vec<&str> = meta.tables().iter().map(|t| meta.str(t.symbol)).collect();
    let memories = entry.array(&memories)?;
    let tables = entry.array(&tables)?;
    let instantiate = encode(meta.module_name()) + INSTANTIATE_SUFFIX;
    entry.record(&[
        Word::Symbol(&instantiate),
        Word::Symbol(meta.str(start.symbol)),
        memory.map_or(Word::Number(0), |memory| {
            Word::Symbol(meta.str(memory.symbol))
        }),
        memories,
        tables,
        Word::Code(0),
        stubs,
        Word::Number(unknown.len() as u64),
    ])?;
    for (index, table) in meta.tables().iter().enumerate() {
        if table.room().is_none() {
            let min = table.min.get();
            bail!("table {index} begins with {min} elements, more than any loader provides");
        }
    }
    let mut address = RELOCATED_MEMORIES;
    for (index, memory) in meta.memories().iter().enumerate() {
        if memory.flags.get() & entity::CONSTANT_BASE == 0 {
            let base = meta.str(memory.base_symbol);
            entry.absolute(base, address);
            if let Some(export) = memory_export(&meta, index) {
                entry.absolute(&export, address);
            }
            let end = memory
                .reservation
                .get()
                .checked_next_multiple_of(WASM_PAGE)
                .and_then(|bytes| address.checked_add(bytes)?.checked_add(WASM_PAGE))
                .filter(|&end| end <= RELOCATED_MEMORIES_END);
            let Some(end) = end else {
                let min = memory.min.get();
                bail!(
                    "memory {index}, which begins with {min} pages, and those before it need \
                     more addresses than a process has"
                );
            };
            address = end;
        }
    }
    entry.write()
}

/// The base symbol under which a memory is exported, if it is.
fn memory_export(meta: &Meta<'_>, index: usize) -> Option<String> {
    let export = meta
        .exports()
        .iter()
        .find(|e| e.kind() == Kind::Memory && e.index.get() as usize == index)?;
    Some(meta.str(export.symbol).to_owned() + BASE_SUFFIX)
}

/// Imported functions that nobody provides, as index in the metadata and symbol: an error unless
/// they shall trap.
fn unknown_imports<'a>(object: &Object<'a>, trapping: bool) -> Result<Vec<(u64, &'a str)>> {
    let meta = object.meta();
    let mut unknown: Vec<(u64, &str)> = Vec::new();
    for symbol in object.undefined() {
        let UndefinedKind::Import(import) = symbol.kind else {
            continue;
        };
        match wasm_aot_runtime::lookup(symbol.name) {
            Some(export) => check_type(meta, import, export)?,
            None if !trapping => {
                let unresolved = Unresolved {
                    symbol,
                    meta: *meta,
                };
                bail!("{unresolved}");
            }
            None => {
                let same = |other: &ImportRecord| std::ptr::eq(other, import);
                let index = meta.imports().iter().position(same);
                let index = index.context("an import of nothing")? as u64;
                // One that is imported twice has one symbol.
                if unknown.iter().all(|&(other, _)| other != index) {
                    unknown.push((index, symbol.name));
                }
            }
        }
    }
    Ok(unknown)
}

/// Checks the type of an import of one of our own functions.
fn check_type(meta: &Meta<'_>, import: &ImportRecord, export: &Export) -> Result<()> {
    let ty = meta.types().get(import.index.get() as usize);
    let wanted = ty.map_or("", |ty| meta.str(ty.text));
    if export
        .signature
        .is_some_and(|signature| signature.is(wanted))
    {
        return Ok(());
    }
    let error = LoadError::Import {
        module: meta.str(import.module),
        name: meta.str(import.name),
        error: LinkError::Host { wanted },
    };
    bail!("{error}")
}
