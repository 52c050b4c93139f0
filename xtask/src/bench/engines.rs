// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The engines: each makes something that runs out of a program.

use super::measure::{Cost, cost};
use super::programs::Sources;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A way to run a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// clang -O3 -march=native: everything is compared with it.
    NativeClang,
    /// gcc -O3 -march=native.
    NativeGcc,
    /// wasm-aot with guards, as a linked executable.
    Ours,
    /// wasm-aot with explicit bounds checks.
    OursExplicit,
    /// wasmtime, compiled ahead of time.
    Wasmtime,
    /// wasm2c and clang -O3.
    Wasm2cClang,
    /// wasm2c and gcc -O3.
    Wasm2cGcc,
}

/// What the engines need.
pub struct Tools {
    pub command: PathBuf,
    pub wasmtime: PathBuf,
    pub build_options: Vec<String>,
    pub folder: PathBuf,
}

/// A program, ready to run.
pub struct Built {
    pub engine: Engine,
    pub command: Vec<OsString>,
    /// What compiling the module (not the C) cost.
    pub compile: Cost,
    /// Bytes of machine code, where they can be told apart.
    pub code_bytes: Option<u64>,
}

/// How C becomes native code. Without contraction to fused operations, which WebAssembly does not
/// have: the output is compared to the last digit.
const NATIVE: &[&str] = &["-O3", "-march=native", "-ffp-contract=off", "-w"];

/// Debian's wasm2c: its runtime.
const WASM2C_SOURCES: &str = "/usr/share/wabt/wasm2c";

impl Engine {
    pub const ALL: &'static [Engine] = &[
        Engine::NativeClang,
        Engine::NativeGcc,
        Engine::Ours,
        Engine::OursExplicit,
        Engine::Wasmtime,
        Engine::Wasm2cClang,
        Engine::Wasm2cGcc,
    ];

    pub fn name(&self) -> &'static str {
        match self {
            Engine::NativeClang => "clang",
            Engine::NativeGcc => "gcc",
            Engine::Ours => "wasm-aot",
            Engine::OursExplicit => "wasm-aot-explicit",
            Engine::Wasmtime => "wasmtime",
            Engine::Wasm2cClang => "wasm2c-clang",
            Engine::Wasm2cGcc => "wasm2c-gcc",
        }
    }

    /// Builds.
    ///
    /// # Errors
    /// Where a compiler fails.
    pub fn build(
        self,
        tools: &Tools,
        sources: &Sources,
        module: &Path,
        folder: &Path,
    ) -> Result<Built> {
        let output = folder.join(self.name());
        let (command, compile, code_bytes) = match self {
            Engine::NativeClang => native("clang-19", sources, &output)?,
            Engine::NativeGcc => native("gcc", sources, &output)?,
            Engine::Ours => ours(tools, module, &output, "guard")?,
            Engine::OursExplicit => ours(tools, module, &output, "explicit")?,
            Engine::Wasmtime => wasmtime(tools, module, &output)?,
            Engine::Wasm2cClang => wasm2c("clang-19", module, folder, &output)?,
            Engine::Wasm2cGcc => wasm2c("gcc", module, folder, &output)?,
        };
        Ok(Built {
            engine: self,
            command,
            compile,
            code_bytes,
        })
    }
}

type Parts = (Vec<OsString>, Cost, Option<u64>);

fn native(compiler: &str, sources: &Sources, output: &Path) -> Result<Parts> {
    let mut command = Command::new(compiler);
    command
        .args(NATIVE)
        .args(&sources.flags)
        .args(&sources.files)
        .arg("-lm")
        .arg("-o")
        .arg(output);
    let compile = cost(&mut command)?;
    Ok((vec![output.into()], compile, None))
}

fn ours(tools: &Tools, module: &Path, output: &Path, bounds: &str) -> Result<Parts> {
    let object = output.with_extension("o");
    let mut build = Command::new(&tools.command);
    build
        .args(["build", "--cpu", "native", "--bounds", bounds])
        .args(&tools.build_options)
        .arg(module)
        .arg("-o")
        .arg(&object);
    let compile = cost(&mut build)?;
    let mut link = Command::new(&tools.command);
    link.arg("link").arg(&object).arg("-o").arg(output);
    cost(&mut link)?;
    Ok((vec![output.into()], compile, Some(text_bytes(&object)?)))
}

fn wasmtime(tools: &Tools, module: &Path, output: &Path) -> Result<Parts> {
    let compiled = output.with_extension("cwasm");
    let mut build = Command::new(&tools.wasmtime);
    build
        .args(["compile", "-C", "cache=n"])
        .arg(module)
        .arg("-o")
        .arg(&compiled);
    let compile = cost(&mut build)?;
    let command = vec![
        tools.wasmtime.clone().into(),
        "run".into(),
        "--allow-precompiled".into(),
        compiled.clone().into(),
    ];
    Ok((command, compile, Some(text_bytes(&compiled)?)))
}

/// wasm2c makes C of the module; the host functions that the programs need are
/// `benches/wasm2c/wasi.c`'s.
fn wasm2c(compiler: &str, module: &Path, folder: &Path, output: &Path) -> Result<Parts> {
    let source = folder.join("wasm2c.c");
    let mut translate = Command::new("wasm2c");
    translate
        .args(["--module-name", "bench"])
        .arg(module)
        .arg("-o")
        .arg(&source);
    let translated = cost(&mut translate)?;
    let wasi = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/wasm2c/wasi.c");
    let object = output.with_extension("wasm2c.o");
    let mut compile = Command::new(compiler);
    compile
        .args(NATIVE)
        .args(["-c", "-I", WASM2C_SOURCES])
        .arg(&source)
        .arg("-o")
        .arg(&object);
    let compiled = cost(&mut compile)?;
    let mut link = Command::new(compiler);
    link.args(NATIVE)
        .args(["-I", WASM2C_SOURCES])
        .arg("-I")
        .arg(folder)
        .arg(&object)
        .arg(wasi)
        .arg(Path::new(WASM2C_SOURCES).join("wasm-rt-impl.c"))
        .arg("-lm")
        .arg("-o")
        .arg(output);
    cost(&mut link)?;
    let code = text_bytes(&object)?;
    Ok((vec![output.into()], translated.plus(compiled), Some(code)))
}

/// Bytes of the section `.text`, as `size -A` (binutils) lists it.
fn text_bytes(file: &Path) -> Result<u64> {
    let output = Command::new("size").arg("-A").arg(file).output();
    let output = output.context("running size")?;
    let listing = String::from_utf8_lossy(&output.stdout);
    for line in listing.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some(".text")
            && let Some(Ok(bytes)) = words.next().map(str::parse)
        {
            return Ok(bytes);
        }
    }
    // Older versions of the tools do not read an object for a foreign system.
    if fs::metadata(file).is_ok() {
        bail!("size finds no .text in {}", file.display());
    }
    bail!("{} is missing", file.display())
}
