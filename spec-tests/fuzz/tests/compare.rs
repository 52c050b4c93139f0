// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! A bounded part of the fuzzing, always the same modules; and every bug that fuzzing has found,
//! as a script with the right answers.

use anyhow::{Context, Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use spec_tests::Config;
use spec_tests::engine::Engine;
use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use wasm_aot_compiler::{Bounds, MemoryBase, OptLevel, Options, SUPPORTED_FEATURES};
use wasm_aot_fuzz::{Settings, run};

/// The modules that are compared, in parts that are trials.
const MODULES: u64 = 5000;
const PARTS: u64 = 5;
/// The modules of loops only.
const LOOPS: u64 = 3000;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn trials() -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let files = std::fs::read_dir(&folder);
    let files = files.with_context(|| format!("reading {}", folder.display()))?;
    for file in files {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "wast") {
            continue;
        }
        let name = path.file_stem().context("a file without a name")?;
        let name = format!("regression {}", name.to_string_lossy());
        trials.push(Trial::test(name, move || regression(&path)));
    }
    let count = MODULES / PARTS;
    for part in 0..PARTS {
        let first = 1 + part * count;
        let name = format!("seeds {first} to {}", first + count - 1);
        trials.push(Trial::test(name, move || compare(first, count, false)));
    }
    let name = format!("loops, seeds 1 to {LOOPS}");
    trials.push(Trial::test(name, || compare(1, LOOPS, true)));
    Ok(trials)
}

/// The command whose engine runs scripts: `$WASM_AOT_TEST_COMMAND`, or the one in the folder above
/// the test's (`target/release`).
fn command() -> Result<PathBuf> {
    let path = match env::var_os("WASM_AOT_TEST_COMMAND") {
        Some(path) => path.into(),
        None => {
            let this = env::current_exe()?;
            let folder = this.parent().and_then(Path::parent);
            folder.context("no folder above")?.join("wasm-aot")
        }
    };
    let hint = "is not there: `cargo build --release -p wasm-aot`";
    ensure!(path.is_file(), "{} {hint}", path.display());
    Ok(path)
}

fn compare(seed: u64, count: u64, only_loops: bool) -> Result<(), Failed> {
    let wasmtime = env::var_os("WASM_AOT_TEST_WASMTIME");
    let wasmtime = wasmtime.ok_or("WASM_AOT_TEST_WASMTIME names no command: `cargo xtask test`")?;
    let findings =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("findings-{seed}-{only_loops}"));
    let summary = run(&Settings {
        seed,
        count,
        time: None,
        only_loops,
        wasmtime: wasmtime.into(),
        wasm_aot: command()?,
        findings: findings.clone(),
    })?;
    println!("{summary}");
    // Most seeds give a module, and most modules answers.
    if summary.findings != 0 || summary.modules < count / 2 || summary.answers < count {
        return Err(format!("{summary}; kept in {}", findings.display()).into());
    }
    Ok(())
}

/// In every combination of what changes the code most.
fn regression(path: &Path) -> Result<(), Failed> {
    let source = std::fs::read_to_string(path)?;
    let engine = Engine {
        program: command()?,
        arguments: vec!["script-engine".into()],
        timeout: Duration::from_secs(60),
    };
    for bounds in [Bounds::Guard, Bounds::Explicit] {
        for relocate in [false, true] {
            for opt_level in [OptLevel::None, OptLevel::Speed] {
                let mut options = Options {
                    features: SUPPORTED_FEATURES,
                    verify: true,
                    bounds,
                    opt_level,
                    ..Options::default()
                };
                if relocate {
                    options.memory_base = MemoryBase::Relocatable;
                }
                let how = format!("{bounds:?}, relocate {relocate}, {opt_level:?}");
                let engine = engine.clone();
                let report = spec_tests::run(&source, &Config { options, engine });
                if let Some(failure) = report.failures.first() {
                    return Err(format!("{how}: line {}: {failure}", failure.line).into());
                }
                if report.passed == 0 {
                    return Err("it asserts nothing".into());
                }
            }
        }
    }
    Ok(())
}
