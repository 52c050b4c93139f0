// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! `wasm-aot link`: an object to a standalone Linux executable.
//!
//! The command generates a small second object with the entry record of
//! `rt-support/standalone` (and the addresses of memories with a relocatable base), and lets `ld`
//! put the three together.

use crate::build::CompilerArguments;
use crate::{files, share};
use anyhow::{Context, Result, bail};
use clap::Args;
use object::read::elf::{ElfFile64, FileHeader};
use object::write::{self, Relocation, StandardSection, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, LittleEndian, Object, ObjectSection, RelocationFlags,
    SectionFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope, elf,
};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use wasm_aot_object::meta::{Kind, Meta, entity};
use wasm_aot_object::{Machine, WASM_PAGE, section};
use wasm_aot_symbols::{BASE_SUFFIX, INSTANTIATE_SUFFIX, encode};

/// Where memories with a relocatable base are put in a linked executable: above the program.
const RELOCATED_MEMORIES: u64 = 0x10_0000_0000;
/// Where they end: below what Linux maps by itself, far from the end of user space.
const RELOCATED_MEMORIES_END: u64 = 0x4000_0000_0000;

/// Make a standalone Linux executable from an object or module with a `_start` export.
#[derive(Args)]
pub struct Arguments {
    /// The object or module (.o, .wasm, .wat).
    input: PathBuf,
    /// The executable.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The linker to run.
    #[arg(long, value_name = "PROGRAM", default_value = "ld")]
    linker: PathBuf,
    #[command(flatten)]
    compiler: CompilerArguments,
}

pub fn main(arguments: &Arguments) -> Result<ExitCode> {
    let object = arguments.compiler.object(&arguments.input, "main")?;
    let executable = executable(&object, &arguments.linker)
        .with_context(|| arguments.input.display().to_string())?;
    files::write(&arguments.output, &executable, true)?;
    Ok(ExitCode::SUCCESS)
}

/// The bytes of the executable.
pub fn executable(object: &[u8], linker: &Path) -> Result<Vec<u8>> {
    let share = share::folder()?.join("linux");
    let archive = share.join("libwasm_aot_standalone.a");
    let script = share.join("standalone.ld");
    for file in [&archive, &script] {
        if !file.is_file() {
            bail!(
                "{} is missing; `cargo xtask build` makes it",
                file.display()
            );
        }
    }
    let entry = entry_object(object)?;
    let folder = tempfile::Builder::new()
        .prefix("wasm-aot-link-")
        .tempdir()?;
    let object_file = folder.path().join("object.o");
    let entry_file = folder.path().join("entry.o");
    let executable = folder.path().join("executable");
    std::fs::write(&object_file, object)?;
    std::fs::write(&entry_file, &entry)?;
    let mut command = Command::new(linker);
    command.args([
        "-static",
        "-nostdlib",
        "--gc-sections",
        "-z",
        "noexecstack",
        "-T",
    ]);
    command.arg(&script).arg("-o").arg(&executable);
    command.args([&entry_file, &object_file, &archive]);
    run(&mut command, linker)?;
    Ok(std::fs::read(&executable)?)
}

/// Runs the linker; what it says becomes the error.
fn run(command: &mut Command, linker: &Path) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => anyhow::anyhow!(
                "the linker {} is not installed; on Debian: apt install binutils, or name one with \
             --linker",
                linker.display()
            ),
            _ => anyhow::anyhow!("cannot run {}: {error}", linker.display()),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}", linker.display(), said.trim_end());
    }
    // Warnings are the user's to see.
    std::io::stderr().write_all(&output.stderr)?;
    Ok(())
}

/// The start-up code is made for x86-64 only.
fn check_machine(number: u16) -> Result<()> {
    match Machine::from_elf(number) {
        Some(Machine::X86_64) => Ok(()),
        Some(other) => bail!(
            "the object is for {other}; executables are made for x86_64 only, build it with \
             `--target x86_64`"
        ),
        None => bail!("the object is for an unknown machine (ELF number {number})"),
    }
}

/// The object with the symbol `wasm_aot_entry`.
fn entry_object(bytes: &[u8]) -> Result<Vec<u8>> {
    let file = ElfFile64::<LittleEndian>::parse(bytes).context("not an ELF64 object")?;
    check_machine(file.elf_header().e_machine(LittleEndian).0)?;
    let Some(section) = file.section_by_name(section::META) else {
        bail!("not a wasm-aot object: it has no section {}", section::META);
    };
    let meta = Meta::parse(section.data()?)?;
    let Some(start) = meta
        .export("_start")
        .filter(|export| export.kind() == Kind::Function)
    else {
        bail!("it has no exported function `_start`, so it is no program");
    };
    let ty = meta.str(meta.types()[start.index.get() as usize].text);
    if ty != "() -> ()" {
        bail!("its `_start` has type {ty}, not () -> ()");
    }
    for import in meta.imports() {
        if import.kind() != Kind::Function {
            bail!(
                "it imports the {} `{}::{}`, which a standalone executable has nobody to give",
                import.kind().name(),
                meta.str(import.module),
                meta.str(import.name)
            );
        }
    }
    let mut entry = Entry::new();
    let memory = meta
        .export("memory")
        .filter(|export| export.kind() == Kind::Memory);
    let memories: Vec<&str> = meta.memories().iter().map(|m| meta.str(m.symbol)).collect();
    let tables: Vec<&str> = meta.tables().iter().map(|t| meta.str(t.symbol)).collect();
    let memories = entry.array(&memories)?;
    let tables = entry.array(&tables)?;
    let instantiate = encode(meta.module_name()) + INSTANTIATE_SUFFIX;
    entry.record(&[
        Word::Symbol(&instantiate),
        Word::Symbol(meta.str(start.symbol)),
        memory.map_or(Word::Null, |memory| Word::Symbol(meta.str(memory.symbol))),
        memories,
        tables,
    ])?;
    for (index, table) in meta.tables().iter().enumerate() {
        if table.room().is_none() {
            let min = table.min.get();
            bail!("table {index} begins with {min} elements, more than any loader provides");
        }
    }
    let mut address = RELOCATED_MEMORIES;
    for (index, memory) in meta.memories().iter().enumerate() {
        if memory.flags.get() & entity::CONSTANT_BASE == 0 {
            let base = meta.str(memory.base_symbol);
            entry.absolute(base, address);
            if let Some(export) = memory_export(&meta, index) {
                entry.absolute(&export, address);
            }
            let end = memory
                .reservation
                .get()
                .checked_next_multiple_of(WASM_PAGE)
                .and_then(|bytes| address.checked_add(bytes)?.checked_add(WASM_PAGE))
                .filter(|&end| end <= RELOCATED_MEMORIES_END);
            let Some(end) = end else {
                let min = memory.min.get();
                bail!(
                    "memory {index}, which begins with {min} pages, and those before it need \
                     more addresses than a process has"
                );
            };
            address = end;
        }
    }
    Ok(entry.object.write()?)
}

/// The base symbol under which a memory is exported, if it is.
fn memory_export(meta: &Meta<'_>, index: usize) -> Option<String> {
    let export = meta
        .exports()
        .iter()
        .find(|e| e.kind() == Kind::Memory && e.index.get() as usize == index)?;
    Some(meta.str(export.symbol).to_owned() + BASE_SUFFIX)
}

/// A word of the entry record.
enum Word<'a> {
    Null,
    Symbol(&'a str),
    /// An offset in the record's own section.
    Here(u64),
}

/// The entry object while it is written.
struct Entry {
    object: write::Object<'static>,
    section: write::SectionId,
}

impl Entry {
    fn new() -> Self {
        let mut object =
            write::Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let section = object.section_id(StandardSection::ReadOnlyDataWithRel);
        let stack = b".note.GNU-stack".to_vec();
        let stack = object.add_section(Vec::new(), stack, SectionKind::Other);
        object.section_mut(stack).flags = SectionFlags::Elf {
            sh_type: elf::SHT_PROGBITS,
            sh_flags: elf::SectionFlags(0),
        };
        Self { object, section }
    }

    fn add_symbol(&mut self, name: &str, value: u64, section: SymbolSection) -> write::SymbolId {
        self.object.add_symbol(write::Symbol {
            name: name.as_bytes().to_vec(),
            value,
            size: 0,
            kind: match section {
                SymbolSection::Undefined => SymbolKind::Unknown,
                _ => SymbolKind::Data,
            },
            scope: match section {
                SymbolSection::Undefined => SymbolScope::Unknown,
                _ => SymbolScope::Dynamic,
            },
            weak: false,
            section,
            flags: SymbolFlags::None,
        })
    }

    fn absolute(&mut self, name: &str, value: u64) {
        self.add_symbol(name, value, SymbolSection::Absolute);
    }

    fn words(&mut self, words: &[Word<'_>]) -> Result<u64> {
        let zeroes = vec![0; words.len() * 8];
        let start = self.object.append_section_data(self.section, &zeroes, 8);
        for (position, word) in words.iter().enumerate() {
            let (symbol, addend) = match word {
                Word::Null => continue,
                Word::Symbol(name) => (self.undefined(name), 0),
                Word::Here(offset) => (self.object.section_symbol(self.section), *offset as i64),
            };
            let flags = RelocationFlags::Elf {
                r_type: elf::R_X86_64_64,
            };
            let offset = start + position as u64 * 8;
            let relocation = Relocation {
                offset,
                symbol,
                addend,
                flags,
            };
            self.object.add_relocation(self.section, relocation)?;
        }
        Ok(start)
    }

    fn undefined(&mut self, name: &str) -> write::SymbolId {
        match self.object.symbol_id(name.as_bytes()) {
            Some(id) => id,
            None => self.add_symbol(name, 0, SymbolSection::Undefined),
        }
    }

    fn array(&mut self, symbols: &[&str]) -> Result<Word<'static>> {
        let words: Vec<Word<'_>> = symbols.iter().map(|symbol| Word::Symbol(symbol)).collect();
        Ok(Word::Here(self.words(&words)?))
    }

    fn record(&mut self, words: &[Word<'_>]) -> Result<()> {
        let start = self.words(words)?;
        self.add_symbol(
            "wasm_aot_entry",
            start,
            SymbolSection::Section(self.section),
        );
        Ok(())
    }
}
