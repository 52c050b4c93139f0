// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Reading inputs with a limit, writing outputs whole or not at all.

use anyhow::{Context, Result, bail};
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The largest input file: larger than any module that fits an object.
const MAX_INPUT: u64 = 1 << 30;

/// The contents of a file; `-` is standard input.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    if path == Path::new("-") {
        return contents(std::io::stdin().lock(), path);
    }
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        bail!("{} is a directory", path.display());
    }
    contents(file, path)
}

/// What an open file has, which is called so in errors.
pub fn contents(file: impl Read, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = file.take(MAX_INPUT + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > MAX_INPUT {
        bail!("{} is larger than {MAX_INPUT} bytes", path.display());
    }
    Ok(bytes)
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no error.
pub fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether these are the bytes of an ELF file rather than of a module.
pub fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

/// Writes a file beside its destination and renames it: no reader ever sees half of it, and an
/// error leaves nothing behind.
pub fn write(path: &Path, bytes: &[u8], executable: bool) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    if path.is_dir() {
        bail!("{}: it is a directory", context());
    }
    // What is no ordinary file (/dev/null, a pipe) is written to directly.
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            return std::fs::write(path, bytes).with_context(context);
        }
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(context);
        }
        _ => {}
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mode = if executable { 0o777 } else { 0o666 };
    let mut file = tempfile::Builder::new()
        .prefix(".wasm-aot-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory)
        .with_context(context)?;
    file.write_all(bytes).with_context(context)?;
    file.persist(path).with_context(context)?;
    Ok(())
}
