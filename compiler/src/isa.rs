// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The code generator for a target and a processor.

use crate::error::Error;
use crate::module::Module;
use crate::options::{OptLevel, Options};
use crate::plan::Convention;
use crate::types::value_types;
use cranelift_codegen::isa::{self, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use target_lexicon::{Architecture, Triple};
use wasmparser::ValType;

/// What the code may use of the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// The stated baseline of the architecture, see [`baseline`].
    Baseline,
    /// Everything that the processor of this machine has.
    Native,
    /// A processor (`haswell`, `x86-64-v3`) or features (`has_avx`) as Cranelift names them.
    Named(Vec<String>),
}

impl Cpu {
    /// Reads `baseline`, `native`, or a comma-separated list of names.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "baseline" => Self::Baseline,
            "native" => Self::Native,
            names => Self::Named(
                names
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .collect(),
            ),
        }
    }
}

/// The processor that code is made for unless told otherwise: for x86-64 the level
/// `x86-64-v2` of the psABI (SSE4.2, POPCNT; every processor since about 2009), for the others
/// the architecture's first version.
#[must_use]
pub fn baseline(architecture: Architecture) -> &'static [&'static str] {
    match architecture {
        Architecture::X86_64 => &["x86-64-v2"],
        Architecture::Riscv64(_) => &["has_m", "has_a", "has_f", "has_d", "has_c"],
        _ => &[],
    }
}

/// log2 of the largest frame that is not probed page by page. The guard below a stack must be
/// larger: loaders give it at least 64 KiB.
const PROBED_FRAME_LOG2: &str = "15";

/// The code generator that the options ask for, for functions that call each other this way.
///
/// # Errors
/// For an architecture without back end, or a name that it does not know.
pub fn build(options: &Options, convention: Convention) -> Result<OwnedTargetIsa, Error> {
    let finish = |builder: isa::Builder| {
        builder
            .finish(flags(options, convention))
            .map_err(|e| Error::Options(format!("code generator: {e}")))
    };
    let isa = finish(builder(options)?)?;
    // Every processor with AVX2 has AVX, but the code generator's `x86-64-v3` and others leave it
    // out, and with it everything that needs both.
    if has(&*isa, "has_avx2") && !has(&*isa, "has_avx") {
        let mut builder = builder(options)?;
        enable(&mut builder, "has_avx")?;
        return finish(builder);
    }
    Ok(isa)
}

fn builder(options: &Options) -> Result<isa::Builder, Error> {
    let unknown = |e: &dyn std::fmt::Display| {
        Error::Options(format!(
            "no code generator for the target {}: {e}",
            options.target
        ))
    };
    if options.target.architecture != Architecture::X86_64 {
        return Err(unknown(&"only x86_64 is supported so far"));
    }
    let mut builder = isa::lookup(options.target.clone()).map_err(|e| unknown(&e))?;
    match &options.cpu {
        Cpu::Baseline => {
            for name in baseline(options.target.architecture) {
                enable(&mut builder, name)?;
            }
        }
        Cpu::Native => {
            if options.target.architecture != Triple::host().architecture {
                return Err(Error::Options(format!(
                    "--cpu native: the target {} is not this machine",
                    options.target
                )));
            }
            cranelift_native::infer_native_flags(&mut builder)
                .map_err(|e| Error::Options(format!("--cpu native: {e}")))?;
        }
        Cpu::Named(names) => {
            for name in names {
                enable(&mut builder, name)?;
            }
        }
    }
    Ok(builder)
}

/// Whether a feature of the processor may be used.
fn has(isa: &dyn TargetIsa, name: &str) -> bool {
    let flags = isa.isa_flags();
    let flag = flags.iter().find(|flag| flag.name == name);
    flag.is_some_and(|flag| flag.as_bool() == Some(true))
}

fn enable(builder: &mut isa::Builder, name: &str) -> Result<(), Error> {
    builder
        .enable(name)
        .or_else(|_| builder.enable(&format!("has_{name}")))
        .map_err(|_| {
            let known: Vec<&str> = builder.iter().map(|setting| setting.name).collect();
            Error::Options(format!(
                "--cpu: unknown name `{name}`; known are {}",
                known.join(", ")
            ))
        })
}

fn flags(options: &Options, convention: Convention) -> settings::Flags {
    let mut builder = settings::builder();
    let opt_level = match options.opt_level {
        OptLevel::None => "none",
        OptLevel::Speed => "speed",
        OptLevel::SpeedAndSize => "speed_and_size",
    };
    let verify = if options.verify { "true" } else { "false" };
    let tail = convention == Convention::Tail;
    for (name, value) in [
        ("opt_level", opt_level),
        ("enable_verifier", verify),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "true"),
        // More results than registers: returned through memory.
        ("enable_multi_ret_implicit_sret", "true"),
        // No unwind tables: frames are found by the frame pointer and the metadata.
        ("unwind_info", "false"),
        // The code generator demands it of code with tail calls.
        (
            "preserve_frame_pointers",
            if tail { "true" } else { "false" },
        ),
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        ("probestack_size_log2", PROBED_FRAME_LOG2),
        // Untrusted code runs in an address space of its own.
        ("enable_heap_access_spectre_mitigation", "false"),
        ("enable_table_access_spectre_mitigation", "false"),
    ] {
        builder
            .set(name, value)
            .expect("the pinned code generator has these settings");
    }
    settings::Flags::new(builder)
}

/// What is missing for 128-bit vectors: `None` where the target has them.
pub fn missing_for_vectors(isa: &dyn TargetIsa) -> Option<&'static str> {
    let needed: (&[&str], &str) = match isa.triple().architecture {
        Architecture::X86_64 => (
            &["has_ssse3", "has_sse41"],
            "vectors (v128) on x86-64 need SSSE3 and SSE4.1, which `--cpu baseline` has",
        ),
        Architecture::Riscv64(_) => (
            &["has_v"],
            "vectors (v128) on RISC-V need the V extension: `--cpu has_v`",
        ),
        _ => return None,
    };
    let all = needed.0.iter().all(|name| has(isa, name));
    (!all).then_some(needed.1)
}

/// Checks that the target can hold the values of the module's types and globals. (What is inside
/// of bodies is checked where it is translated.)
///
/// # Errors
/// Where it has no vectors and the module has.
pub fn check(isa: &dyn TargetIsa, module: &Module<'_>) -> Result<(), Error> {
    let vector = |ty: &ValType| *ty == ValType::V128;
    let in_types = module.types.iter().any(|ty| {
        let types = value_types(&ty.composite_type.inner);
        types.iter().any(vector)
    });
    let in_globals = || module.globals.iter().any(|g| vector(&g.ty.content_type));
    match missing_for_vectors(isa) {
        Some(missing) if in_types || in_globals() => Err(Error::Options(missing.into())),
        _ => Ok(()),
    }
}

/// The processor features that code made by this generator may use, as the metadata lists them.
pub fn features(isa: &dyn TargetIsa) -> String {
    let mut names: Vec<&str> = isa
        .isa_flags()
        .into_iter()
        .filter(|flag| flag.as_bool() == Some(true) && flag.name.starts_with("has_"))
        .map(|flag| flag.name)
        .collect();
    names.sort_unstable();
    names.join(" ")
}
