// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot build`: a module to an object; and the compile options that other commands share.

mod watch;

use crate::{files, manifest};
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use wasm_aot_compiler::{Bounds, Cpu, Machine, MemoryBase, OptLevel, Options, features};
use watch::{Timings, Watch};

/// How accesses to linear memory are checked.
#[derive(Clone, Copy, ValueEnum)]
enum BoundsArgument {
    /// By guard regions around the memory: one instruction an access.
    Guard,
    /// By a comparison before each access.
    Explicit,
}

/// How much to optimise.
#[derive(Clone, Copy, ValueEnum)]
enum OptArgument {
    /// Not at all.
    #[value(name = "0")]
    None,
    /// For speed.
    #[value(name = "2")]
    Speed,
    /// For speed and size.
    #[value(name = "s")]
    SpeedAndSize,
}

/// Whether to do something.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum YesNo {
    #[value(name = "y")]
    Yes,
    #[value(name = "n")]
    No,
}

/// Options of the compiler.
#[derive(Args)]
#[command(next_help_heading = "Compiler options")]
pub struct CompilerArguments {
    /// How accesses to linear memory are checked.
    #[arg(long, value_enum, default_value = "guard", value_name = "HOW")]
    bounds: BoundsArgument,
    /// Address of byte 0 of the linear memory (a multiple of 0x10000; below 2 GiB on x86_64,
    /// 128 GiB elsewhere), or `relocate` to let the loader choose [default: 0x10000000 on x86_64,
    /// 0x100000000 elsewhere].
    #[arg(long, value_parser = memory_base, value_name = "ADDRESS")]
    memory_base: Option<MemoryBase>,
    /// What the code may use: `baseline` (x86-64-v2, armv8-a, rv64gc), `native` (this machine), or
    /// a comma-separated list of processors and features (`x86-64-v3`, `neoverse-n1`, `rv64gcv`,
    /// `has_avx`); an unknown name lists those that are known.
    #[arg(long, default_value = "baseline", value_name = "CPU")]
    cpu: String,
    /// Target architecture: x86_64, aarch64, riscv64, or a triple that begins with one [default:
    /// this machine's].
    #[arg(long, value_name = "ARCHITECTURE")]
    target: Option<String>,
    /// Optimisation level.
    #[arg(
        short = 'O',
        long,
        value_enum,
        default_value = "2",
        value_name = "LEVEL"
    )]
    opt_level: OptArgument,
    /// Put small functions in the place of calls.
    #[arg(long, value_enum, default_value = "y", value_name = "y|n")]
    inline: YesNo,
    /// Let simple innermost loops run as vectors of 128 bits (x86_64, aarch64; only with `-O 2`).
    #[arg(long, value_enum, default_value = "y", value_name = "y|n")]
    vectorize: YesNo,
    /// Bytes of the heap that a module with structures, arrays or exceptions asks for, half of
    /// which is in use at a time. [default: 67108864]
    #[arg(long, value_name = "BYTES", value_parser = gc_heap)]
    pub gc_heap: Option<u64>,
    /// Turn features of WebAssembly on or off: `FEATURE=y|n`, separated by commas; `all` is
    /// everything supported. On by default: WebAssembly 3.0.
    #[arg(short = 'W', long, value_name = "FEATURE=y|n")]
    wasm: Vec<String>,
}

/// Less is not worth a heap, more is more than a user has address space for.
fn gc_heap(text: &str) -> Result<u64, String> {
    const LIMITS: std::ops::RangeInclusive<u64> = 1 << 16..=1 << 40;
    let bytes = text.parse().map_err(|_| "not a number of bytes")?;
    match LIMITS.contains(&bytes) {
        true => Ok(bytes),
        false => Err(format!("not from {} to {}", LIMITS.start(), LIMITS.end())),
    }
}

fn memory_base(text: &str) -> Result<MemoryBase, String> {
    if text == "relocate" {
        return Ok(MemoryBase::Relocatable);
    }
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed
        .map(MemoryBase::Constant)
        .map_err(|_| "neither a number (decimal, or hexadecimal with 0x) nor `relocate`".into())
}

impl CompilerArguments {
    /// As the compiler takes them.
    pub fn options(&self, module_name: &str) -> Result<Options> {
        let mut options = Options {
            module_name: module_name.into(),
            ..Options::default()
        };
        if let Some(target) = &self.target {
            options.target = match Machine::from_triple(target) {
                Some(machine) => machine,
                None => bail!(
                    "--target {target}: no such architecture; there are {}",
                    Machine::ALL.map(Machine::name).join(", ")
                ),
            };
        }
        for list in &self.wasm {
            features::apply(&mut options.features, list)
                .map_err(|message| anyhow!("--wasm {list}: {message}"))?;
        }
        options.bounds = match self.bounds {
            BoundsArgument::Guard => Bounds::Guard,
            BoundsArgument::Explicit => Bounds::Explicit,
        };
        options.memory_base = self.memory_base.unwrap_or_default();
        options.cpu = Cpu::parse(&self.cpu);
        options.inline = self.inline == YesNo::Yes;
        options.vectorize = self.vectorize == YesNo::Yes;
        if let Some(bytes) = self.gc_heap {
            options.gc_heap = bytes;
        }
        options.opt_level = match self.opt_level {
            OptArgument::None => OptLevel::None,
            OptArgument::Speed => OptLevel::Speed,
            OptArgument::SpeedAndSize => OptLevel::SpeedAndSize,
        };
        Ok(options)
    }

    /// The object of a file that is a module or already an object.
    pub fn object(&self, path: &Path, module_name: &str) -> Result<Vec<u8>> {
        object_with(path, &self.options(module_name)?)
    }
}

/// The object of a file that is a module or already an object.
pub fn object_with(path: &Path, options: &Options) -> Result<Vec<u8>> {
    let bytes = files::read(path)?;
    if files::is_elf(&bytes) {
        return Ok(bytes);
    }
    wasm_aot_compiler::compile(&bytes, options).with_context(|| path.display().to_string())
}

/// Compile a WebAssembly module (.wasm or .wat) to a relocatable native object (ELF64).
#[derive(Args)]
pub struct Arguments {
    /// The module; `-` for standard input.
    input: PathBuf,
    /// The object; by default the module's file name with `.o`, in the current directory.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// First part of the object's symbols: exports are `NAME.export`.
    #[arg(long, default_value = "main", value_name = "NAME")]
    module_name: String,
    /// Put the contract of this manifest (TOML) into the object: its time, its memory, what it may
    /// import; see docs/contracts.md.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
    /// Print how long each phase took (into the JSON, with --json).
    #[arg(long)]
    timings: bool,
    /// Show no progress bar. Without a terminal on standard error there is none anyway.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    compiler: CompilerArguments,
}

#[derive(Serialize)]
struct Done<'a> {
    input: &'a Path,
    output: &'a Path,
    input_bytes: usize,
    output_bytes: usize,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<Timings>,
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let output = match &arguments.output {
        Some(output) => output.clone(),
        None => match arguments.input.file_name() {
            Some(name) if name != "-" => PathBuf::from(name).with_extension("o"),
            _ => bail!("the input has no file name: say the output with -o"),
        },
    };
    let start = Instant::now();
    let progress = Watch::new(arguments.quiet);
    let mut options = arguments.compiler.options(&arguments.module_name)?;
    if let Some(path) = &arguments.manifest {
        options.contract = manifest::record(path)?;
    }
    let bytes = files::read(&arguments.input)?;
    if files::is_elf(&bytes) {
        bail!(
            "{} is an ELF file, not a WebAssembly module",
            arguments.input.display()
        );
    }
    let object = wasm_aot_compiler::compile_with(&bytes, &options, &progress)
        .with_context(|| arguments.input.display().to_string())?;
    if let Some(path) = &arguments.manifest {
        manifest::check(&options.contract, &[("", &object)], options.target)
            .with_context(|| path.display().to_string())?;
    }
    progress.write();
    files::write(&output, &object, false)?;
    let timings = arguments.timings.then(|| progress.timings());
    if arguments.json {
        let done = Done {
            input: &arguments.input,
            output: &output,
            input_bytes: bytes.len(),
            output_bytes: object.len(),
            seconds: start.elapsed().as_secs_f64(),
            timings,
        };
        println!("{}", serde_json::to_string(&done)?);
    } else if let Some(timings) = timings {
        print!("{timings}");
    }
    Ok(ExitCode::SUCCESS)
}
