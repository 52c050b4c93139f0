// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `run` on this Linux: the object is linked to a temporary executable, which is run.
//!
//! The executable has no directories and calls nothing but `_start`; what would need more is
//! refused here, by name.

use super::Arguments;
use crate::image::program_name;
use crate::link;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let refused = [
        ("--dir", !arguments.dirs.is_empty()),
        ("--preload", !arguments.preloads.is_empty()),
        ("--invoke", arguments.app.invoke.is_some()),
        ("--unknown-imports-trap", arguments.app.unknown_imports_trap),
    ];
    if let Some((option, _)) = refused.into_iter().find(|(_, given)| *given) {
        bail!("{option}: not on Linux yet");
    }
    let object = arguments.compiler.object(&arguments.file, "main")?;
    let executable = link::executable(&object, Path::new("ld"))
        .with_context(|| arguments.file.display().to_string())?;
    // Closed for writing, or the kernel would not execute it; removed when this function ends.
    let mut file = tempfile::Builder::new()
        .prefix("wasm-aot-run-")
        .tempfile()?;
    file.write_all(&executable)
        .context("cannot write the executable")?;
    let path = file.into_temp_path();
    let mut permissions = std::fs::metadata(&path)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o700);
    std::fs::set_permissions(&path, permissions)?;
    let mut child = Command::new(&path)
        .arg0(program_name(&arguments.file))
        .args(&arguments.args)
        .env_clear()
        .envs(arguments.app.environment())
        .spawn()
        .context("cannot run the executable")?;
    let status = child.wait().context("cannot wait for the program")?;
    match (
        status.code(),
        std::os::unix::process::ExitStatusExt::signal(&status),
    ) {
        (Some(code), _) => Ok(super::status(code)),
        (None, signal) => bail!("the program was ended by signal {}", signal.unwrap_or(0)),
    }
}
