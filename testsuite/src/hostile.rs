// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Apps that no compiler of ours makes: machine code of the files `hostile/*.s`, put in place of
//! a function in an object.
//!
//! The first lines of a file say what it does and what must come of it:
//!
//! ```text
//! # What it tries.
//! # exit: 134
//! # says: part of the report of its trap
//! ```

use crate::case::folder;
use crate::tools;
use crate::world::expect_quiet;
use anyhow::{Context, Result, ensure};
use elf::ElfBytes;
use elf::endian::LittleEndian;
use std::fs;
use std::path::Path;
use std::process::Command;
use wasm_aot_loader::Object;

/// A hostile app.
#[derive(Debug)]
pub struct Hostile {
    /// The file's name without its extension.
    pub name: String,
    /// The exit code that is expected.
    pub exit: i32,
    /// A part of the report, where it traps.
    pub says: Option<String>,
    /// The object.
    pub object: Vec<u8>,
}

/// A module whose `_start` is long enough for any of the files.
fn victim() -> String {
    let body = "(i32.store (i32.const 0) (i32.load (i32.const 4)))\n".repeat(200);
    format!("(module (memory (export \"memory\") 1 4096) (func (export \"_start\") {body}))")
}

/// Builds a module given as text.
///
/// # Errors
/// Where the command refuses it.
pub fn object(folder: &Path, module: &str) -> Result<Vec<u8>> {
    let (source, output) = (folder.join("module.wat"), folder.join("module.o"));
    fs::write(&source, module)?;
    let mut build = tools::wasm_aot()?;
    build.arg("build").arg(source).arg("-o").arg(&output);
    expect_quiet(&build)?;
    Ok(fs::read(output)?)
}

/// All of them, ready to run.
///
/// # Errors
/// Where a file cannot be assembled, or does not say what is expected.
pub fn all() -> Result<Vec<Hostile>> {
    all_in("hostile")
}

/// All of a folder of the testsuite.
///
/// # Errors
/// As [`all`].
pub fn all_in(name: &str) -> Result<Vec<Hostile>> {
    let scratch = tempfile::tempdir()?;
    let victim = object(scratch.path(), &victim())?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder().join(name))? {
        paths.push(entry?.path());
    }
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        hostile(path, &victim, scratch.path()).with_context(|| path.display().to_string())
    };
    paths.iter().map(read).collect()
}

fn hostile(path: &Path, victim: &[u8], scratch: &Path) -> Result<Hostile> {
    let text = fs::read_to_string(path)?;
    let directive = |name| {
        let prefix = format!("# {name}: ");
        text.lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .map(str::to_owned)
    };
    let (object, code) = (scratch.join("code.o"), scratch.join("code"));
    let mut assemble = Command::new("as");
    assemble.args(["-msyntax=intel", "-mnaked-reg", "-o"]);
    expect_quiet(assemble.arg(&object).arg(path))?;
    let mut extract = Command::new("objcopy");
    extract.args(["-O", "binary", "-j", ".text"]);
    expect_quiet(extract.arg(&object).arg(&code))?;
    let exit = directive("exit").context("no line `# exit: CODE`")?;
    Ok(Hostile {
        name: path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into(),
        exit: exit.parse().context("the exit code")?,
        says: directive("says"),
        object: replaced(victim, &fs::read(code)?)?,
    })
}

/// The object with other code in its first function.
fn replaced(object: &[u8], code: &[u8]) -> Result<Vec<u8>> {
    let parsed = Object::parse(object).map_err(|error| anyhow::anyhow!("{error}"))?;
    let function = parsed.meta().functions().first().context("no function")?;
    let room = function.text_size.get() as usize;
    ensure!(
        code.len() <= room,
        "{} bytes of code, {room} fit",
        code.len()
    );
    let at = section(object, ".text")?.start + function.text_offset.get() as usize;
    let mut object = object.to_vec();
    object[at..at + code.len()].copy_from_slice(code);
    Ok(object)
}

/// Where a section's contents are in an object.
///
/// # Errors
/// Where it has no such section.
pub fn section(object: &[u8], name: &str) -> Result<std::ops::Range<usize>> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(object)?;
    let header = file.section_header_by_name(name)?.context("no section")?;
    let start = header.sh_offset as usize;
    Ok(start..start + header.sh_size as usize)
}
