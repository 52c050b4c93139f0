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
use wasm_aot_object::Machine;
use wasmparser::ValType;

/// What the code may use of the processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// The stated baseline of the architecture.
    Baseline,
    /// Everything that the processor of this machine has.
    Native,
    /// Processors (`x86-64-v3`, `neoverse-n1`, `rv64gcv`) or features (`has_avx`).
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

/// The processor that code is made for unless told otherwise: for x86-64 the level `x86-64-v2` of
/// the psABI (SSE4.2, POPCNT; every processor since about 2009), for AArch64 the architecture's
/// first version, for RISC-V what every Linux distribution asks for.
fn baseline(machine: Machine) -> &'static str {
    match machine {
        Machine::X86_64 => "x86-64-v2",
        Machine::Aarch64 => "armv8-a",
        Machine::Riscv64 => "rv64gc",
    }
}

/// A processor or architecture level, and the features that it has, as Cranelift names them.
type Processor = (&'static str, &'static [&'static str]);

/// Names that Cranelift does not have itself (it has those of x86-64), for AArch64: levels of the
/// architecture with what they make mandatory (Arm Architecture Reference Manual, "Armv8-A
/// architecture extensions"), and some processors (their technical reference manuals).
const AARCH64: &[Processor] = &[
    ("armv8-a", &[]),
    ("armv8.1-a", &["has_lse"]),
    ("armv8.4-a", &["has_lse", "has_pauth", "has_dotprod"]),
    (
        "armv8.6-a",
        &["has_lse", "has_pauth", "has_dotprod", "has_i8mm"],
    ),
    ("cortex-a53", &[]),
    ("cortex-a57", &[]),
    ("cortex-a72", &[]),
    ("cortex-a76", &["has_lse", "has_fp16", "has_dotprod"]),
    ("neoverse-n1", &["has_lse", "has_fp16", "has_dotprod"]),
    (
        "neoverse-v1",
        &[
            "has_lse",
            "has_pauth",
            "has_fp16",
            "has_dotprod",
            "has_i8mm",
        ],
    ),
];

/// The same for RISC-V: extensions as a compiler's `-march` groups them, and what the profiles make
/// mandatory (RISC-V Profiles, "RVA22U64" and "RVA23U64").
const RISCV64: &[Processor] = &[
    ("rv64g", &[]),
    ("rv64gc", &["has_c"]),
    ("rv64gcv", &["has_c", "has_v"]),
    (
        "rva22u64",
        &["has_c", "has_zba", "has_zbb", "has_zbs", "has_zfhmin"],
    ),
    (
        "rva23u64",
        &[
            "has_c",
            "has_v",
            "has_zba",
            "has_zbb",
            "has_zbs",
            "has_zcb",
            "has_zfa",
            "has_zfhmin",
            "has_zicond",
            "has_zvbb",
        ],
    ),
];

fn processors(machine: Machine) -> &'static [Processor] {
    match machine {
        Machine::X86_64 => &[],
        Machine::Aarch64 => AARCH64,
        Machine::Riscv64 => RISCV64,
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
        enable(&mut builder, options.target, "has_avx")?;
        return finish(builder);
    }
    Ok(isa)
}

fn builder(options: &Options) -> Result<isa::Builder, Error> {
    let machine = options.target;
    let triple = format!("{machine}-unknown-none-elf");
    let triple: Triple = triple.parse().expect("all our machines are known");
    let mut builder = isa::lookup(triple)
        .map_err(|e| Error::Options(format!("no code generator for {machine}: {e}")))?;
    match &options.cpu {
        Cpu::Baseline => enable(&mut builder, machine, baseline(machine))?,
        Cpu::Native if Machine::HOST != Some(machine) => {
            return Err(Error::Options(format!(
                "--cpu native: the target {machine} is not this machine; name a processor"
            )));
        }
        Cpu::Native => cranelift_native::infer_native_flags(&mut builder)
            .map_err(|e| Error::Options(format!("--cpu native: {e}")))?,
        Cpu::Named(names) => {
            for name in names {
                enable(&mut builder, machine, name)?;
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

/// Permits what a processor has, or one feature, with or without Cranelift's `has_`.
fn enable(builder: &mut isa::Builder, machine: Machine, name: &str) -> Result<(), Error> {
    let ours = processors(machine);
    if let Some((_, features)) = ours.iter().find(|(known, _)| *known == name) {
        for feature in *features {
            builder
                .enable(feature)
                .expect("the pinned code generator has these features");
        }
        return Ok(());
    }
    // What is neither a feature nor a processor changes how code is made: that is not the
    // user's to choose.
    let chosen = |setting: &str| {
        let mut settings = builder.iter().filter(is_processor);
        settings.any(|known| known.name == setting)
    };
    let prefixed = format!("has_{name}");
    let found = [name, &prefixed].into_iter().find(|name| chosen(name));
    match found.map(|name| builder.enable(name)) {
        Some(Ok(())) => Ok(()),
        _ => {
            let settings = builder.iter().filter(is_processor).map(|known| known.name);
            let known: Vec<&str> = ours.iter().map(|p| p.0).chain(settings).collect();
            Err(Error::Options(format!(
                "--cpu: unknown name `{name}`; known on {machine} are {}",
                known.join(", ")
            )))
        }
    }
}

/// Whether a setting of the code generator is a feature of the processor, or a processor.
fn is_processor(setting: &settings::Setting) -> bool {
    setting.kind == settings::SettingKind::Preset || setting.name.starts_with("has_")
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
            "vectors (v128) on RISC-V need the V extension: `--cpu rv64gcv`",
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
