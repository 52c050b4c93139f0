// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `run` on this Linux, in this process.

use super::{Arguments, status, trapped};
use crate::image::program_name;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wasm_aot_compiler::MemoryBase;
use wasm_aot_linux::{Options, Outcome};

/// `HOST::GUEST`, or one path that is both.
fn directory(text: &str) -> (PathBuf, String) {
    match text.split_once("::") {
        Some((host, guest)) => (host.into(), guest.into()),
        None => (text.into(), text.into()),
    }
}

/// `NAME=FILE`, compiled: its memory cannot be where the program's is.
fn preload(arguments: &Arguments, text: &str) -> Result<(String, Vec<u8>)> {
    let Some((name, file)) = text.split_once('=') else {
        bail!("--preload {text}: expected NAME=FILE");
    };
    let mut options = arguments.compiler.options(name)?;
    options.memory_base = MemoryBase::Relocatable;
    let object = crate::build::object_with(Path::new(file), &options)?;
    Ok((name.into(), object))
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let preloads = arguments
        .preloads
        .iter()
        .map(|text| preload(arguments, text))
        .collect::<Result<Vec<_>>>()?;
    let object = arguments.compiler.object(&arguments.file, "main")?;
    let name = program_name(&arguments.file);
    let options = Options {
        args: std::iter::once(name).chain(arguments.args.iter().cloned()).collect(),
        env: arguments.app.environment(),
        dirs: arguments.dirs.iter().map(|text| directory(text)).collect(),
        invoke: arguments.app.invoke.clone(),
        invoke_args: arguments.args.clone(),
        preloads,
        unknown_imports_trap: arguments.app.unknown_imports_trap,
        stack_size: usize::try_from(arguments.app.stack_size)?,
        ..Options::default()
    };
    let outcome = wasm_aot_linux::run(&object, options)
        .with_context(|| arguments.file.display().to_string())?;
    match outcome {
        Outcome::Exited(code) => Ok(status(code)),
        Outcome::Returned(values) => {
            for value in values {
                println!("{value}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Trapped(trap) => Ok(trapped(&arguments.file, &trap.to_string())),
    }
}
