// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Programs of several modules: `--preload NAME=FILE`.
//!
//! One address space has one place for a memory with a constant base, and the program itself gets
//! it: preloaded modules are compiled with `--memory-base relocate`. A program that imports a
//! memory from one of them is, too.

use crate::build::{CompilerArguments, object_with};
use crate::files;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use wasm_aot_compiler::MemoryBase;
use wasm_aot_loader::Object;
use wasm_aot_object::meta::{Kind, entity};

/// `NAME=FILE`.
#[derive(Clone, Debug)]
pub struct Preload {
    /// Imports from this module are the file's exports.
    pub name: String,
    /// The module or object.
    pub file: PathBuf,
}

impl FromStr for Preload {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, file)) if !file.is_empty() => Ok(Self {
                name: name.into(),
                file: file.into(),
            }),
            _ => Err("not of the form NAME=FILE"),
        }
    }
}

/// Names and objects of a program and what is loaded before it, in the order of loading.
pub fn modules(
    compiler: &CompilerArguments,
    preloads: &[Preload],
    program: &Path,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut modules = Vec::new();
    for preload in preloads {
        let mut options = compiler.options(&preload.name)?;
        options.memory_base = MemoryBase::Relocatable;
        modules.push((preload.name.clone(), object_with(&preload.file, &options)?));
    }
    let mut options = compiler.options("main")?;
    let mut object = object_with(program, &options)?;
    let constant = matches!(options.memory_base, MemoryBase::Constant(_));
    if constant && imports_constant_memory(&object, preloads) && !is_object(program)? {
        options.memory_base = MemoryBase::Relocatable;
        object = object_with(program, &options)?;
    }
    modules.push((String::new(), object));
    Ok(modules)
}

fn is_object(program: &Path) -> Result<bool> {
    let bytes = files::read(program).context("reading it again")?;
    Ok(files::is_elf(&bytes))
}

/// Whether a module has the base of a memory built in that one of the others provides.
fn imports_constant_memory(object: &[u8], preloads: &[Preload]) -> bool {
    // Whoever loads it says what is wrong with an object.
    let Ok(object) = Object::parse(object) else {
        return false;
    };
    let meta = object.meta();
    meta.imports().iter().any(|import| {
        let memory = meta.memories().get(import.index.get() as usize);
        let constant = memory.is_some_and(|m| m.flags.get() & entity::CONSTANT_BASE != 0);
        let provided = preloads.iter().any(|p| p.name == meta.str(import.module));
        import.kind() == Kind::Memory && constant && provided
    })
}
