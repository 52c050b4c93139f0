// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Generates the module `sys` from an installed seL4: its options, its interface description, the
//! constants in its headers and the places of fields in its words.
//!
//! The installation is the folder in the environment variable `SEL4_PREFIX`, by default the one
//! that `cargo xtask build` makes. What does not fit this crate is refused with the option's name.

mod bitfield;
mod config;
mod header;
mod interface;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// Where the kernel is when `SEL4_PREFIX` is not set, from this crate's folder.
const DEFAULT_PREFIX: &str = "../../target/sel4/x86_64-pc99";

/// Headers with constants, in the order in which they refer to each other.
const HEADERS: &[&str] = &[
    "sel4/errors.h",
    "sel4/objecttype.h",
    "sel4/sel4_arch/objecttype.h",
    "sel4/arch/objecttype.h",
    "sel4/sel4_arch/constants.h",
    "sel4/sel4_arch/mapping.h",
    "sel4/constants.h",
    "sel4/shared_types.h",
    "sel4/bootinfo_types.h",
];

/// Bitfield descriptions of words that cross the border to the kernel.
const BITFIELDS: &[&str] = &["sel4/shared_types_64.bf", "sel4/types_64.bf"];

/// Interface descriptions, in the order in which the kernel numbers their invocations.
const INTERFACES: &[&str] = &[
    "interfaces/object-api.xml",
    "interfaces/object-api-sel4-arch.xml",
    "interfaces/object-api-arch.xml",
];

fn main() {
    if let Err(message) = generate() {
        eprintln!("error: {message}");
        process::exit(1);
    }
}

fn read(path: &Path) -> Result<String, String> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(path).map_err(|error| {
        format!(
            "cannot read {}: {error}; `cargo xtask build` builds a kernel, or set SEL4_PREFIX to \
             an installed one",
            path.display()
        )
    })
}

fn generate() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed=SEL4_PREFIX");
    println!("cargo::rerun-if-changed=build");
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(|e| e.to_string())?);
    let prefix =
        env::var_os("SEL4_PREFIX").map_or_else(|| manifest.join(DEFAULT_PREFIX), PathBuf::from);
    let include = prefix.join("libsel4/include");

    let mut options = config::parse(&read(&include.join("kernel/gen_config.json"))?);
    options.extend(config::parse(&read(&include.join("sel4/gen_config.json"))?));
    options.check()?;

    let mut out = String::from("// Generated from the kernel's interface. Do not edit.\n");
    out.push_str(&options.constants()?);

    let mut constants = header::Constants::default();
    for name in HEADERS {
        constants.add(&read(&include.join(name))?, &options);
    }
    constants.add_faults(&read(&fault_types(&include)?)?, &options);
    out.push_str(&constants.rust());

    for name in BITFIELDS {
        out.push_str(&bitfield::rust(&read(&include.join(name))?)?);
    }

    let mut api = interface::Interface::new(&options);
    api.add_syscalls(&read(&include.join("api/syscall.xml"))?);
    for name in INTERFACES {
        api.add_objects(&read(&include.join(name))?)?;
    }
    out.push_str(&api.rust()?);

    let target = PathBuf::from(env::var("OUT_DIR").map_err(|e| e.to_string())?).join("sys.rs");
    fs::write(&target, out).map_err(|e| format!("cannot write {}: {e}", target.display()))
}

/// The bitfield description that numbers the faults: its folder differs between releases.
fn fault_types(include: &Path) -> Result<PathBuf, String> {
    let mut looked = String::new();
    for name in [
        "sel4/arch/types.bf",
        "sel4/sel4_arch/types.bf",
        "sel4/arch/shared_types.bf",
    ] {
        let path = include.join(name);
        if fs::read_to_string(&path).is_ok_and(|t| t.contains("tagged_union seL4_Fault ")) {
            return Ok(path);
        }
        let _ = write!(looked, " {name}");
    }
    Err(format!(
        "no numbers of faults in {}: looked at{looked}",
        include.display()
    ))
}
