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
    /// clang -O3: everything is compared with it.
    Clang,
    /// gcc -O3.
    Gcc,
    /// clang -O3 -march=native.
    ClangNative,
    /// gcc -O3 -march=native.
    GccNative,
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

/// The processor that wasm-aot and wasmtime compile for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// This machine's, as wasmtime does by default.
    This,
    /// x86-64-v3, which QEMU can emulate: where instructions are counted.
    Emulated,
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
    /// What compiling the module cost; `None` where the compiler took C.
    pub compile: Option<Cost>,
    /// Bytes of machine code, where they can be told apart.
    pub code_bytes: Option<u64>,
}

/// How C becomes native code. Without contraction to fused operations, which WebAssembly does not
/// have: the output is compared to the last digit.
const NATIVE: &[&str] = &["-O3", "-ffp-contract=off", "-w"];
const THIS_PROCESSOR: &[&str] = &["-march=native"];

/// Debian's wasm2c: its runtime.
const WASM2C_SOURCES: &str = "/usr/share/wabt/wasm2c";

impl Engine {
    pub const ALL: &'static [Engine] = &[
        Engine::Clang,
        Engine::Gcc,
        Engine::ClangNative,
        Engine::GccNative,
        Engine::Ours,
        Engine::OursExplicit,
        Engine::Wasmtime,
        Engine::Wasm2cClang,
        Engine::Wasm2cGcc,
    ];

    pub fn name(&self) -> &'static str {
        match self {
            Engine::Clang => "clang",
            Engine::Gcc => "gcc",
            Engine::ClangNative => "clang-native",
            Engine::GccNative => "gcc-native",
            Engine::Ours => "wasm-aot",
            Engine::OursExplicit => "wasm-aot-explicit",
            Engine::Wasmtime => "wasmtime",
            Engine::Wasm2cClang => "wasm2c-clang",
            Engine::Wasm2cGcc => "wasm2c-gcc",
        }
    }

    /// Whether it takes a module, rather than C.
    pub fn takes_modules(self) -> bool {
        matches!(self, Engine::Ours | Engine::OursExplicit | Engine::Wasmtime)
    }

    /// Whether QEMU can run what it makes.
    pub fn can_be_emulated(self) -> bool {
        !matches!(self, Engine::ClangNative | Engine::GccNative)
    }

    /// Builds a program.
    ///
    /// # Errors
    /// Where a compiler fails.
    pub fn build(
        self,
        tools: &Tools,
        sources: &Sources,
        module: &Path,
        folder: &Path,
        processor: Processor,
    ) -> Result<Built> {
        let output = folder.join(match processor {
            Processor::This => self.name().into(),
            Processor::Emulated => format!("{}-emulated", self.name()),
        });
        let (command, compile, code_bytes) = match self {
            Engine::Clang => native("clang-19", sources, &[], &output)?,
            Engine::Gcc => native("gcc", sources, &[], &output)?,
            Engine::ClangNative => native("clang-19", sources, THIS_PROCESSOR, &output)?,
            Engine::GccNative => native("gcc", sources, THIS_PROCESSOR, &output)?,
            Engine::Ours | Engine::OursExplicit => ours(self, tools, module, &output, processor)?,
            Engine::Wasmtime => wasmtime(tools, module, &output, processor)?,
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

    /// Compiles a module that is no program of ours; gives the cost, and the bytes of code.
    ///
    /// # Errors
    /// Where the compiler fails, or the engine takes C.
    pub fn compile(self, tools: &Tools, module: &Path, output: &Path) -> Result<(Cost, u64)> {
        match self {
            Engine::Ours | Engine::OursExplicit => {
                compile_ours(self, tools, module, output, Processor::This)
            }
            Engine::Wasmtime => compile_wasmtime(tools, module, output, Processor::This),
            _ => bail!("{} does not compile modules", self.name()),
        }
    }
}

type Parts = (Vec<OsString>, Option<Cost>, Option<u64>);

fn native(compiler: &str, sources: &Sources, more: &[&str], output: &Path) -> Result<Parts> {
    let mut command = Command::new(compiler);
    command
        .args(NATIVE)
        .args(more)
        .args(&sources.flags)
        .args(&sources.files)
        .arg("-lm")
        .arg("-o")
        .arg(output);
    cost(&mut command)?;
    Ok((vec![output.into()], None, None))
}

fn ours(
    engine: Engine,
    tools: &Tools,
    module: &Path,
    output: &Path,
    processor: Processor,
) -> Result<Parts> {
    let object = output.with_extension("o");
    let (compile, code) = compile_ours(engine, tools, module, &object, processor)?;
    let mut link = Command::new(&tools.command);
    link.arg("link").arg(&object).arg("-o").arg(output);
    cost(&mut link)?;
    Ok((vec![output.into()], Some(compile), Some(code)))
}

fn compile_ours(
    engine: Engine,
    tools: &Tools,
    module: &Path,
    object: &Path,
    processor: Processor,
) -> Result<(Cost, u64)> {
    let bounds = match engine {
        Engine::OursExplicit => "explicit",
        _ => "guard",
    };
    let cpu = match processor {
        Processor::This => "native",
        Processor::Emulated => "x86-64-v3",
    };
    let mut build = Command::new(&tools.command);
    build
        .args(["build", "--cpu", cpu, "--bounds", bounds])
        .args(&tools.build_options)
        .arg(module)
        .arg("-o")
        .arg(object);
    Ok((cost(&mut build)?, text_bytes(object)?))
}

fn wasmtime(tools: &Tools, module: &Path, output: &Path, processor: Processor) -> Result<Parts> {
    let compiled = output.with_extension("cwasm");
    let (compile, code) = compile_wasmtime(tools, module, &compiled, processor)?;
    let command = vec![
        tools.wasmtime.clone().into(),
        "run".into(),
        "--allow-precompiled".into(),
        compiled.into(),
    ];
    Ok((command, Some(compile), Some(code)))
}

fn compile_wasmtime(
    tools: &Tools,
    module: &Path,
    compiled: &Path,
    processor: Processor,
) -> Result<(Cost, u64)> {
    let mut build = Command::new(&tools.wasmtime);
    build.args(["compile", "-C", "cache=n"]);
    if processor == Processor::Emulated {
        // With a target it takes no notice of this machine. Its name for what x86-64-v3 has is
        // the first processor that had it.
        build.args([
            "--target",
            "x86_64-unknown-linux-gnu",
            "-C",
            "cranelift-haswell",
        ]);
    }
    build.arg(module).arg("-o").arg(compiled);
    Ok((cost(&mut build)?, text_bytes(compiled)?))
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
    let compile = translated.plus(compiled);
    Ok((vec![output.into()], Some(compile), Some(code)))
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
