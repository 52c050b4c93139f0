// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The object of each module of a script, and the types of its exports.

use crate::plan::{Module, Plan, Source};
use crate::wording::Refusal;
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection};
use rayon::prelude::*;
use std::collections::HashMap;
use std::panic;
use wasm_aot_compiler::{MemoryBase, Options};
use wasm_aot_object::meta::{Kind, Meta};
use wasm_aot_object::section;
use wasm_aot_object::signature::{Signature, Types};

/// What an export is, as far as scripts can use it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Export {
    /// Types of parameters and results.
    Function(Vec<String>, Vec<String>),
    /// Type of the value.
    Global(String),
    /// Something else.
    Other(&'static str),
}

/// A compiled module.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The object file.
    pub object: Vec<u8>,
    /// Its exports by name.
    pub exports: HashMap<String, Export>,
}

/// Compiles every module of a script, in parallel.
#[must_use]
pub fn compile_all(plan: &Plan, options: &Options) -> Vec<Result<Compiled, Refusal>> {
    let modules = plan.modules.par_iter().enumerate();
    let compile = |(index, module)| compile(index, module, options);
    modules.map(compile).collect()
}

fn compile(index: usize, module: &Module, options: &Options) -> Result<Compiled, Refusal> {
    let bytes = match &module.source {
        Source::Bytes(bytes) => bytes,
        Source::Refused(why) => return Err(Refusal::by_parser(why)),
    };
    let options = Options {
        module_name: format!("m{index}"),
        memory_base: match module.linked {
            true => MemoryBase::Relocatable,
            false => options.memory_base,
        },
        ..options.clone()
    };
    // A defect of the compiler fails what needs this module, not the run.
    let compiled = panic::catch_unwind(|| wasm_aot_compiler::compile(bytes, &options));
    let object = match compiled {
        Ok(result) => result.map_err(Refusal::by_compiler)?,
        Err(_) => return Err(Refusal::defect("the compiler panicked".into())),
    };
    let exports = exports(&object).map_err(Refusal::defect)?;
    Ok(Compiled { object, exports })
}

fn exports(object: &[u8]) -> Result<HashMap<String, Export>, String> {
    let file = ElfFile64::<LittleEndian>::parse(object).map_err(|error| error.to_string())?;
    let section = file.section_by_name(section::META);
    let section = section.ok_or("the object has no metadata")?;
    let bytes = section.data().map_err(|error| error.to_string())?;
    let meta = Meta::parse(bytes).map_err(|error| error.to_string())?;
    let export = |export: &wasm_aot_object::meta::ExportRecord| {
        let index = export.index.get() as usize;
        let value = match export.kind() {
            Kind::Function => {
                let ty = meta.types().get(index).ok_or("an export without type")?;
                let text = meta.str(ty.text);
                let signature = Signature::parse(text)
                    .ok_or_else(|| format!("a function type that is none: {text}"))?;
                let own = |types: Types<'_>| types.map(str::to_owned).collect();
                Export::Function(own(signature.params()), own(signature.results()))
            }
            Kind::Global => {
                let global = meta.globals().get(index).ok_or("an export without type")?;
                Export::Global(meta.str(global.value_type).into())
            }
            other => Export::Other(other.name()),
        };
        Ok((meta.str(export.name).to_owned(), value))
    };
    meta.exports().iter().map(export).collect()
}
