// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Programs that run the tests of a folder in a world: `PROGRAM FOLDER WORLD [OPTIONS]`. The
//! options are those of a test program: a part of names, `--test-threads N`, `--exact` and so on.

use anyhow::{Result, bail};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

/// The `main` of such a program, which makes its trials of the folder and the world's name.
pub fn main(make: impl FnOnce(&str, &str) -> Result<Vec<Trial>>) -> ExitCode {
    run(make).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(make: impl FnOnce(&str, &str) -> Result<Vec<Trial>>) -> Result<ExitCode> {
    let mut arguments = std::env::args();
    let program = arguments.next().unwrap_or_default();
    let (Some(folder), Some(world)) = (arguments.next(), arguments.next()) else {
        bail!("{program} FOLDER WORLD [OPTIONS] is wanted");
    };
    let options = Arguments::from_iter(std::iter::once(program).chain(arguments));
    Ok(libtest_mimic::run(&options, make(&folder, &world)?).exit_code())
}

/// A trial of this name in this world.
pub fn trial(name: &str, world: &str, run: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    let run = || run().map_err(|error| Failed::from(format!("{error:#}")));
    Trial::test(format!("{name}::{world}"), run)
}
