// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot inspect`: what is in an object.

use crate::files;
use anyhow::{Context, Result};
use clap::Args;
use serde::Serialize;
use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use wasm_aot_compiler::inspect;

/// Show what is in an object: sections, imports, exports, memories, functions, what it needs.
#[derive(Args)]
pub struct Arguments {
    /// The object.
    object: PathBuf,
    /// Explain how much stack each export takes: the functions on its deepest way, or the circle of
    /// calls because of which there is no bound.
    #[arg(long)]
    stack: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn text(report: &(impl Serialize + Display), json: bool) -> Result<String> {
    Ok(match json {
        true => serde_json::to_string_pretty(report)? + "\n",
        false => report.to_string(),
    })
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let bytes = files::read(&arguments.object)?;
    let object = || arguments.object.display().to_string();
    let text = if arguments.stack {
        let ways = inspect::ways(&bytes).with_context(object)?;
        text(&ways, arguments.json)?
    } else {
        let report = inspect::inspect(&bytes).with_context(object)?;
        text(&report, arguments.json)?
    };
    files::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
