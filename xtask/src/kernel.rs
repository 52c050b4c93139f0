// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Builds the seL4 kernel, version 5.0.0 for x86-64 PCs, out of the source that the package
//! `sel4-sys` carries.
//!
//! That package is a dependency of xtask that is never enabled: Cargo resolves, locks and
//! downloads it, checks its checksum, and compiles nothing of it. Its folder `seL4/` is the
//! kernel's own, unmodified release (kernel GPL-2.0, libsel4 BSD-2-Clause).
//!
//! The result is a folder in the layout of an installed seL4 (`SEL4_PREFIX`):
//!
//! | path | what |
//! |---|---|
//! | `kernel.elf` | the kernel in the 32-bit ELF container that multiboot loaders accept |
//! | `bin/kernel.elf` | the kernel as linked, ELF64 with symbols |
//! | `libsel4/include/interfaces/*.xml`, `api/syscall.xml` | the interface, for bindings |
//! | `libsel4/include/sel4/**` | the headers of libsel4 |
//! | `libsel4/include/kernel/gen_config.json` | every option of [`CONFIGURATION`] and its value |
//!
//! # The four patches
//!
//! Release 5.0.0 of the 64-bit kernel has four errors, repaired on the way ([`PATCHES`]):
//!
//! 1. `KERNEL_STACK_ALIGNMENT` is 16. The trap entry finds the bottom of the kernel's stack by
//!    rounding the stack pointer down to the stack's size, which is right only for a stack aligned
//!    to that size; otherwise an interrupt that is pending on kernel exit overwrites the
//!    interrupt descriptor table, and the machine stops within seconds.
//! 2. `handleVMFault` keeps the fault's address in 32 bits, so a fault handler is told a wrong
//!    address for everything above 4 GiB.
//! 3. Deleting a capability to a mapped frame unmaps it only if it is the last capability to that
//!    frame. Each one has a mapping of its own, so the mappings of deleted copies stay: whoever
//!    had one keeps the memory.
//! 4. A thread that is resumed goes on at its `FaultIP`. That of a thread whose call was answered, and
//!    that has not run since, is the call's instruction: suspended and resumed it makes the call
//!    again, with the answer as its message. Later releases note where a running thread goes on
//!    when it is suspended.

mod source;

use crate::workspace::package_folder;
use anyhow::{Context, Result, bail, ensure};
use source::{
    ASSEMBLY, BITFIELDS, C_SOURCES, CONFIGURATION, DEBUG_C_SOURCES, DEBUG_CONFIGURATION, FLAGS,
    INCLUDES, INTERFACES, PATCHES,
};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The package that carries the kernel's source.
const PACKAGE: &str = "sel4-sys";

/// Where [`build`] puts the kernel, from the workspace's root.
pub const PREFIX: &str = "target/sel4/x86_64-pc99";

/// Builds the kernel into `out` (usually [`PREFIX`]) unless what is there is up to date.
///
/// # Errors
/// Where the source cannot be found or a tool (gcc, ld, objcopy, Python with ply, six and
/// tempita) is missing or fails.
pub fn build(workspace: &Path, out: &Path) -> Result<()> {
    build_configured(workspace, out, false)
}

/// [`build`] with the choice of a debug kernel.
///
/// # Errors
/// As [`build`].
pub fn build_configured(workspace: &Path, out: &Path, debug: bool) -> Result<()> {
    let source = find_source(workspace)?;
    let stamp = stamp(&source, debug)?;
    let stamp_file = out.join("stamp");
    if fs::read_to_string(&stamp_file).is_ok_and(|s| s == stamp) {
        return Ok(());
    }
    if out.exists() {
        fs::remove_dir_all(out).with_context(|| format!("emptying {}", out.display()))?;
    }
    let work = out.join("build");
    fs::create_dir_all(&work).with_context(|| format!("creating {}", work.display()))?;
    let build = Build {
        python: python()?,
        work: fs::canonicalize(&work)?,
        source,
        debug,
    };
    build.prepare()?;
    build.generate()?;
    build.compile()?;
    build.install(out)?;
    fs::write(stamp_file, stamp)?;
    Ok(())
}

/// The folder `seL4` of the package.
fn find_source(workspace: &Path) -> Result<PathBuf> {
    let folder = package_folder(workspace, PACKAGE)?.join("seL4");
    ensure!(folder.is_dir(), "{} is missing", folder.display());
    Ok(folder)
}

/// What the result depends on: the sources, the configuration and this file.
fn stamp(source: &Path, debug: bool) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    include_str!("kernel.rs").hash(&mut hasher);
    include_str!("kernel/source.rs").hash(&mut hasher);
    debug.hash(&mut hasher);
    let mut files = Vec::new();
    for folder in ["include", "src", "libsel4", "tools"] {
        list(&source.join(folder), &mut files)?;
    }
    files.sort();
    for file in files {
        file.strip_prefix(source)?.hash(&mut hasher);
        fs::read(&file)
            .with_context(|| format!("reading {}", file.display()))?
            .hash(&mut hasher);
    }
    Ok(format!("{:016x}\n", hasher.finish()))
}

/// All files below a folder.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Copies a folder's files into another, which may have files already.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut files = Vec::new();
    list(from, &mut files)?;
    for file in files {
        write(&to.join(file.strip_prefix(from)?), &fs::read(&file)?)?;
    }
    Ok(())
}

/// Writes a file and makes the folders above it.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Runs a tool; its error output is part of the error.
fn run(command: &mut Command) -> Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| {
        format!("cannot run {name}; on Debian: apt install gcc binutils python3")
    })?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed:\n{}", error.trim_end());
    }
    Ok(output.stdout)
}

/// A Python 3 that has the modules which the kernel's generators import.
fn python() -> Result<PathBuf> {
    let chosen = env::var_os("PYTHON").map(PathBuf::from);
    let usual = ["python3", "/usr/bin/python3"].map(PathBuf::from);
    for python in chosen.into_iter().chain(usual) {
        let mut command = Command::new(&python);
        command.args(["-c", "import ply.lex, ply.yacc, six, tempita"]);
        if command.output().is_ok_and(|o| o.status.success()) {
            return Ok(python);
        }
    }
    bail!(
        "the kernel's generators need Python 3 with the modules ply, six and tempita; on Debian: \
         apt install python3-ply python3-six python3-tempita (or name another Python in PYTHON)"
    )
}

/// One build: where it reads and where it works.
struct Build {
    python: PathBuf,
    /// The kernel's source, never written to.
    source: PathBuf,
    /// Generated files, patched copies, intermediate results.
    work: PathBuf,
    debug: bool,
}

impl Build {
    fn configuration(&self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        let more = if self.debug { DEBUG_CONFIGURATION } else { &[] };
        CONFIGURATION.iter().chain(more)
    }

    /// Patched copies, the configuration header, the generators.
    fn prepare(&self) -> Result<()> {
        for patch in PATCHES {
            let path = self.source.join(patch.file);
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let count = text.matches(patch.from).count();
            ensure!(
                count == 1,
                "{} has the text to be patched {count} times instead of once: this is not the \
                 source of seL4 5.0.0",
                path.display()
            );
            let patched = text.replace(patch.from, patch.to);
            write(
                &self.work.join("patched").join(patch.file),
                patched.as_bytes(),
            )?;
        }
        let mut header = String::new();
        for (name, value) in self.configuration() {
            header.push_str(&format!("#define CONFIG_{name} {value}\n"));
        }
        write(&self.work.join("generated/autoconf.h"), header.as_bytes())?;
        // A copy, because the parser generator writes its tables beside the module.
        copy(&self.source.join("tools"), &self.work.join("tools"))
    }

    /// The flags `-I`: patched headers first, then generated ones, then the source.
    fn includes(&self) -> Vec<String> {
        let patched = self.work.join("patched");
        let generated = self.work.join("generated");
        let mut folders = vec![
            patched.join("include/arch/x86/arch/64"),
            generated.clone(),
            generated.join("64"),
            generated.join("plat/64"),
        ];
        folders.extend(INCLUDES.iter().map(|folder| self.source.join(folder)));
        let flag = |folder: &PathBuf| format!("-I{}", folder.display());
        folders.iter().map(flag).collect()
    }

    fn gcc(&self) -> Command {
        let mut command = Command::new(env::var_os("CC").unwrap_or_else(|| "gcc".into()));
        command
            .current_dir(&self.work)
            .args(FLAGS)
            .args(self.includes());
        if self.debug {
            command.args(["-DDEBUG", "-g"]);
        }
        command
    }

    fn generator(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command
            .current_dir(&self.work)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(self.work.join("tools").join(script));
        command
    }

    /// The headers that the kernel's own tools make.
    fn generate(&self) -> Result<()> {
        let generated = self.work.join("generated");
        for folder in ["api", "arch/api", "arch/object", "64/mode/api"] {
            fs::create_dir_all(generated.join(folder))?;
        }
        fs::create_dir_all(generated.join("plat/64/plat_mode/machine"))?;
        for (xml, _, header, option) in INTERFACES {
            let mut command = self.generator("invocation_header_gen.py");
            command.args(Some(*option).filter(|o| !o.is_empty()));
            command.arg("--xml").arg(self.source.join(xml));
            run(command.arg("--dest").arg(generated.join(header)))?;
        }
        run(self
            .generator("syscall_header_gen.py")
            .arg("--xml")
            .arg(self.source.join("include/api/syscall.xml"))
            .arg("--kernel_header")
            .arg(generated.join("arch/api/syscall.h")))?;
        for (source, name) in BITFIELDS {
            let preprocessed = generated.join(format!("{name}.pbf"));
            let text = run(self
                .gcc()
                .args(["-E", "-P", "-x", "c"])
                .arg(self.source.join(source)))?;
            write(&preprocessed, &text)?;
            run(self
                .generator("bitfield_gen.py")
                .arg(&preprocessed)
                .arg(generated.join(format!("{name}_gen.h"))))?;
        }
        Ok(())
    }

    /// All C sources as one translation unit, the assembly files, the link.
    fn compile(&self) -> Result<()> {
        let debug = DEBUG_C_SOURCES.iter().map(|file| (*file).to_owned());
        let mut files: Vec<String> = C_SOURCES
            .iter()
            .flat_map(|(folder, names)| names.split(' ').map(move |n| format!("{folder}/{n}.c")))
            .chain(debug.filter(|_| self.debug))
            .collect();
        files.sort();
        let mut all = Vec::new();
        for file in &files {
            let patched = self.work.join("patched").join(file);
            let path = if patched.exists() {
                patched
            } else {
                self.source.join(file)
            };
            all.extend_from_slice(format!("#line 1 \"{file}\"\n").as_bytes());
            all.extend(fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
        }
        write(&self.work.join("kernel_all.c"), &all)?;
        run(self
            .gcc()
            .args(["-c", "kernel_all.c", "-o", "kernel_all.o"]))?;
        let mut objects = vec!["kernel_all.o".to_owned()];
        for file in ASSEMBLY {
            let object = format!("{}.o", file.replace('/', "_"));
            let mut gcc = self.gcc();
            run(gcc
                .arg("-c")
                .arg(self.source.join(file))
                .args(["-o", &object]))?;
            objects.push(object);
        }
        let script = run(self
            .gcc()
            .args(["-E", "-P", "-x", "c"])
            .arg(self.source.join("src/plat/pc99/linker.lds")))?;
        write(&self.work.join("linker.lds"), &script)?;
        run(Command::new("ld")
            .current_dir(&self.work)
            .args(["-m", "elf_x86_64", "-nostdlib", "-static", "-n"])
            .args(["--build-id=none", "-T", "linker.lds", "-o", "kernel.elf"])
            .args(&objects))?;
        run(Command::new("objcopy").current_dir(&self.work).args([
            "-O",
            "elf32-i386",
            "--strip-debug",
            "kernel.elf",
            "kernel32.elf",
        ]))?;
        Ok(())
    }

    /// The result, in the layout of an installed seL4.
    fn install(&self, out: &Path) -> Result<()> {
        let include = out.join("libsel4/include");
        for folder in INCLUDES.iter().filter(|f| f.starts_with("libsel4/")) {
            copy(&self.source.join(folder), &include)?;
        }
        for (xml, name, ..) in INTERFACES {
            let bytes = fs::read(self.source.join(xml))?;
            write(&include.join("interfaces").join(name), &bytes)?;
        }
        for duplicate in ["sel4.xml", "sel4arch.xml"] {
            fs::remove_file(include.join("interfaces").join(duplicate))?;
        }
        let syscalls = fs::read(self.source.join("include/api/syscall.xml"))?;
        write(&include.join("api/syscall.xml"), &syscalls)?;
        let version = fs::read(self.source.join("VERSION"))?;
        write(&out.join("VERSION"), &version)?;
        let json = self.configuration_json();
        write(&include.join("kernel/gen_config.json"), json.as_bytes())?;
        write(&include.join("sel4/gen_config.json"), json.as_bytes())?;
        let kernel = fs::read(self.work.join("kernel.elf"))?;
        write(&out.join("bin/kernel.elf"), &kernel)?;
        let kernel = fs::read(self.work.join("kernel32.elf"))?;
        write(&out.join("kernel.elf"), &kernel)
    }

    /// `{"NAME": value}`: booleans for options that are set, strings for the rest, as newer
    /// kernels install it.
    fn configuration_json(&self) -> String {
        let lines: Vec<String> = self
            .configuration()
            .map(|(name, value)| match *value {
                "1" if !name.starts_with("MAX_") && !name.starts_with("NUM_") => {
                    format!("  \"{name}\": true")
                }
                text => format!("  \"{name}\": \"{}\"", text.trim_matches('"')),
            })
            .collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }
}
