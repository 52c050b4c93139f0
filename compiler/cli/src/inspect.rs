// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot inspect`: what is in an object.

use crate::files;
use anyhow::{Context, Result};
use clap::Args;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Show what is in an object: sections, imports, exports, memories, functions, what it needs.
#[derive(Args)]
pub struct Arguments {
    /// The object.
    object: PathBuf,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let bytes = files::read(&arguments.object)?;
    let report = wasm_aot_compiler::inspect::inspect(&bytes)
        .with_context(|| arguments.object.display().to_string())?;
    let text = if arguments.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.to_string()
    };
    // A reader that has seen enough (`| head`) is no error.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
