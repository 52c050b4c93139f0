// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Random sets of tasks under the analysis and under the executive:
//! `cargo run --release -p wasm-aot-schedule --example simulate -- --sets 1000 --seed 1`.
//!
//! `--verbose` names what a run did not confirm. Exit status 1 where the analysis was wrong.

#[path = "../tests/simulation/mod.rs"]
mod simulation;

use simulation::campaign;
use std::process::ExitCode;
use wasm_aot_schedule::Policy;

const USAGE: &str = "usage: simulate [--sets NUMBER] [--seed NUMBER] [--verbose]";

struct Options {
    sets: u64,
    seed: u64,
    verbose: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        sets: 1_000,
        seed: 1,
        verbose: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--verbose" {
            options.verbose = true;
            continue;
        }
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a number"))?;
        let number = value
            .parse()
            .map_err(|_| format!("{word} {value}: not a number"))?;
        match word.as_str() {
            "--sets" => options.sets = number,
            "--seed" => options.seed = number,
            _ => return Err(format!("{word}: no such option")),
        }
    }
    if options.seed.checked_add(options.sets).is_none() {
        return Err("--seed and --sets: too large together".into());
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut good = true;
    for policy in [Policy::FixedPriority, Policy::EarliestDeadline] {
        let figures = campaign::run(policy, options.sets, options.seed);
        println!("{figures}");
        if options.verbose || !figures.is_good() {
            figures
                .remarks
                .iter()
                .for_each(|remark| println!("  {remark}"));
        }
        good &= figures.is_good();
    }
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
