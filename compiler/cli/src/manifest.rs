// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Manifests on the command line: `--manifest FILE`, and `INPUT@MANIFEST` where there are several
//! inputs.

use crate::files;
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use wasm_aot_contract::{Class, Contract, field, manifest};
use wasm_aot_loader::Object;
use wasm_aot_loader::stack::Unbounded;
use wasm_aot_object::Machine;
use wasm_aot_object::stack::HOST_STACK_BYTES;

/// An input, and the manifest that is its alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The object or module.
    pub file: PathBuf,
    /// Its manifest.
    pub manifest: Option<PathBuf>,
}

impl From<PathBuf> for Input {
    /// A file without a manifest of its own.
    fn from(file: PathBuf) -> Self {
        let manifest = None;
        Self { file, manifest }
    }
}

impl From<&PathBuf> for Input {
    /// `FILE` or `FILE@MANIFEST`; a file that is called all of it comes first.
    fn from(argument: &PathBuf) -> Self {
        let whole = || Self {
            file: argument.clone(),
            manifest: None,
        };
        if argument.exists() {
            return whole();
        }
        match argument.to_str().and_then(|text| text.rsplit_once('@')) {
            Some((file, manifest)) if !file.is_empty() && !manifest.is_empty() => Self {
                file: file.into(),
                manifest: Some(manifest.into()),
            },
            _ => whole(),
        }
    }
}

/// The record of the contract in a manifest.
pub fn record(path: &Path) -> Result<Vec<u8>> {
    let bytes = files::read(path)?;
    manifest::record(&bytes).map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// Reads the record of a contract that this command has made.
pub fn contract(record: &[u8]) -> Result<Contract<'_>> {
    Contract::parse(record).context("the contract that was read from the manifest")
}

/// Bytes of stack that an app takes, as the compiler found.
///
/// # Errors
/// Why there is no bound.
pub fn stack_bound<'a>(object: &Object<'a>, contract: &Contract<'a>) -> Result<u64, Unbounded<'a>> {
    let entry = match contract.class {
        Class::Periodic => contract.entry,
        Class::Server | Class::Background => "_start",
    };
    let exports = ["_initialize", "_start", entry];
    object.instance_bound(&exports, HOST_STACK_BYTES)
}

/// Checks that the stack of an app with deadlines has a bound: its contract's, or the compiler's.
fn stack(object: &Object<'_>, contract: &Contract<'_>) -> Result<()> {
    if contract.class == Class::Background || contract.stack_bytes != 0 {
        return Ok(());
    }
    match stack_bound(object, contract) {
        Ok(_) => Ok(()),
        Err(why) => bail!("{} is missing: {why}", field::STACK),
    }
}

/// Checks that the objects of an app, the last of which is run, can keep the contract of a record.
pub fn check(record: &[u8], modules: &[(&str, &[u8])], machine: Machine) -> Result<()> {
    keep(&contract(record)?, modules, machine)
}

/// Checks that the objects of an app, the last of which is run, can keep a contract.
pub fn keep(contract: &Contract<'_>, modules: &[(&str, &[u8])], machine: Machine) -> Result<()> {
    let last = modules.len().saturating_sub(1);
    for (index, (name, bytes)) in modules.iter().enumerate() {
        // Whoever loads it says what is wrong with an object.
        let Ok(object) = Object::parse_for(bytes, machine) else {
            continue;
        };
        let fits = match index == last {
            true => contract.fits(object.meta()),
            false => contract.imports_fit(object.meta()),
        };
        fits.map_err(|misfit| match name.is_empty() {
            true => anyhow!("{misfit}"),
            false => anyhow!("module `{name}`: {misfit}"),
        })?;
        if modules.len() == 1 {
            stack(&object, contract)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_may_have_a_manifest_of_its_own() {
        let parse = |text: &str| Input::from(&PathBuf::from(text));
        let input = |file: &str, manifest: Option<&str>| Input {
            file: file.into(),
            manifest: manifest.map(PathBuf::from),
        };
        assert_eq!(parse("a.o"), input("a.o", None));
        assert_eq!(parse("a.o@b.toml"), input("a.o", Some("b.toml")));
        assert_eq!(parse("a@1.o@b.toml"), input("a@1.o", Some("b.toml")));
        assert_eq!(parse("a@"), input("a@", None));
        assert_eq!(parse("@a"), input("@a", None));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a@1");
        std::fs::write(&file, "").unwrap();
        assert_eq!(
            Input::from(&file),
            Input {
                file,
                manifest: None
            }
        );
    }
}
