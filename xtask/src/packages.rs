// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Tools that come from the distribution's packages. A tool that is there is used wherever it
//! came from; a missing one is installed with apt-get, or the task ends with an error.

use crate::process;
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// How to find out whether a tool is there.
#[derive(Clone, Copy)]
enum Probe {
    /// A program on the path.
    Program(&'static str),
    /// Modules that one of the Python interpreters ([`pythons`]) can import together.
    Python(&'static str),
    /// A file.
    File(&'static str),
}

/// A tool, and the Debian packages that bring it.
#[derive(Clone, Copy)]
pub struct Tool {
    probe: Probe,
    packages: &'static [&'static str],
}

const fn program(name: &'static str, packages: &'static [&'static str]) -> Tool {
    let probe = Probe::Program(name);
    Tool { probe, packages }
}

const fn python(modules: &'static str, packages: &'static [&'static str]) -> Tool {
    let probe = Probe::Python(modules);
    Tool { probe, packages }
}

const fn file(path: &'static str, packages: &'static [&'static str]) -> Tool {
    let probe = Probe::File(path);
    Tool { probe, packages }
}

/// Builds the kernel.
pub const KERNEL: &[Tool] = &[
    program("gcc", &["gcc", "libc6-dev"]),
    program("ld", &["binutils"]),
    program("objcopy", &["binutils"]),
    python(
        "ply, six, tempita",
        &["python3", "python3-ply", "python3-six", "python3-tempita"],
    ),
];

/// Boots it.
pub const QEMU: &[Tool] = &[program("qemu-system-x86_64", &["qemu-system-x86"])];

/// What the tests compare with, besides wasmtime: readelf, and a native build of the same C.
pub const TESTS: &[Tool] = &[
    program("readelf", &["binutils"]),
    program("clang", &["clang", "libc6-dev"]),
];

/// Downloads and unpacks packages of PyPI and npm ([`crate::downloads`]).
pub const PIP: &[Tool] = &[python("pip", &["python3", "python3-pip"])];
pub const NPM: &[Tool] = &[program("npm", &["npm"])];

/// Runs programs of other architectures, and reads and links their objects.
pub const TARGETS: &[Tool] = &[
    program("qemu-aarch64", &["qemu-user"]),
    program("qemu-riscv64", &["qemu-user"]),
    program("aarch64-linux-gnu-ld", &["binutils-aarch64-linux-gnu"]),
    program("riscv64-linux-gnu-ld", &["binutils-riscv64-linux-gnu"]),
];

/// Builds Rust's core library from source.
pub const RUST_SOURCE: &[Tool] = &[
    file("/usr/bin/rustc", &["rustc-web"]),
    file("/usr/bin/cargo", &["cargo-web"]),
    file(
        "/usr/lib/rustlib/src/rust/library/Cargo.lock",
        &["rust-web-src"],
    ),
    file("/usr/lib/llvm-22/bin/wasm-ld", &["lld-22"]),
];

/// Rebuilds the samples. The versions are Debian 12's: others give other bytes.
pub const APPS: &[Tool] = &[
    program("clang-19", &["clang-19"]),
    file("/usr/lib/llvm-19/bin/wasm-ld", &["lld-19"]),
    file("/usr/lib/wasm32-wasi/crt1-command.o", &["wasi-libc"]),
    file(
        "/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a",
        &["libclang-rt-19-dev-wasm32"],
    ),
    file("/usr/bin/rustc", &["rustc-web"]),
    file("/usr/bin/cargo", &["cargo-web"]),
    file(
        "/usr/lib/rustlib/src/rust/library/Cargo.lock",
        &["rust-web-src"],
    ),
    file("/usr/lib/llvm-22/bin/wasm-ld", &["lld-22"]),
    program("clang-22", &["clang-22"]),
];

/// Measures: the compilers that are compared, Debian's WebAssembly tools.
pub const BENCH: &[Tool] = &[
    program("clang-19", &["clang-19"]),
    program("gcc", &["gcc", "libc6-dev"]),
    program("size", &["binutils"]),
    program("wasm2c", &["wabt"]),
    file("/usr/lib/llvm-19/bin/wasm-ld", &["lld-19"]),
    file("/usr/lib/wasm32-wasi/crt1-command.o", &["wasi-libc"]),
    file(
        "/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a",
        &["libclang-rt-19-dev-wasm32"],
    ),
    program("qemu-x86_64", &["qemu-user"]),
];

/// `cargo fmt` and `cargo clippy` beside Debian's Rust. (rustup's users have them or run
/// `rustup component add rustfmt clippy`.)
pub const DEBIAN_RUST_CHECKS: &[Tool] = &[
    file("/usr/bin/rustfmt", &["rustfmt-web"]),
    file("/usr/bin/cargo-clippy", &["rust-web-clippy"]),
];

impl Probe {
    fn found(self) -> bool {
        match self {
            Probe::Program(name) => std::env::var_os("PATH").is_some_and(|path| {
                std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
            }),
            Probe::Python(modules) => python_with(modules).is_some(),
            Probe::File(path) => Path::new(path).exists(),
        }
    }
}

/// The interpreter, of those that there may be, that can import all of `modules`.
pub fn python_with(modules: &str) -> Option<String> {
    let chosen = std::env::var("PYTHON").ok();
    let pythons = chosen
        .into_iter()
        .chain(["python3".to_owned(), "/usr/bin/python3".to_owned()]);
    pythons.into_iter().find(|python| {
        process::succeeds(Command::new(python).args(["-c", &format!("import {modules}")]))
    })
}

/// Installs the tools that are missing.
///
/// # Errors
/// Where there is no apt-get, no permission, or the installation fails.
pub fn require(tools: &[Tool]) -> Result<()> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !Probe::Program("apt-get").found() {
        bail!("missing: {list} (names of Debian packages; there is no apt-get to install them)");
    }
    let root = process::succeeds(Command::new("sh").args(["-c", "test \"$(id -u)\" = 0"]));
    if !root && !Probe::Program("sudo").found() {
        bail!("missing packages, and neither root nor sudo: run `apt-get install {list}` as root");
    }
    let apt = |arguments: &[&str]| {
        let mut command = if root {
            Command::new("env")
        } else {
            let mut command = Command::new("sudo");
            command.arg("env");
            command
        };
        command
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"])
            .args(arguments);
        // Standard output is for what the task prints.
        command.stdout(std::io::stderr());
        process::announce(&command);
        process::run(&mut command)
    };
    let mut install = vec!["install", "--yes", "--no-install-recommends"];
    install.extend(&missing);
    // The package lists may be old or, in a container, absent.
    apt(&["update"])?;
    apt(&install)?;
    let still: Vec<_> = self::missing(tools);
    if !still.is_empty() {
        bail!("installed, and still not found: {}", still.join(" "));
    }
    Ok(())
}

fn missing(tools: &[Tool]) -> Vec<&'static str> {
    let mut missing: Vec<_> = tools
        .iter()
        .filter(|tool| !tool.probe.found())
        .flat_map(|tool| tool.packages.iter().copied())
        .collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}
