// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The object of each module of a script, and the types of its exports.

use crate::plan::{Module, Plan, Source};
use crate::value::{Number, Type};
use crate::wording::Refusal;
use rayon::prelude::*;
use std::collections::HashMap;
use std::panic;
use wasm_aot_compiler::{MemoryBase, Options, WasmFeatures};
use wasm_aot_script::Shape;
use wasmparser::types::{CoreTypeId, EntityType, TypesRef};
use wasmparser::{
    AbstractHeapType, CompositeInnerType, HeapType, RefType, UnpackedIndex, ValType, Validator,
};

/// What an export is, as far as scripts can use it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Export {
    /// Types of parameters and results.
    Function(Vec<Type>, Vec<Type>),
    /// Type of the value.
    Global(Type),
    /// Something else.
    Other,
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
        // Scripts are tests: the code generator checks what it is given.
        verify: true,
        memory_base: match module.linked {
            true => MemoryBase::Relocatable,
            false => options.memory_base,
        },
        features: options.features.union(module.features),
        ..options.clone()
    };
    // A defect of the compiler fails what needs this module, not the run.
    let compiled = panic::catch_unwind(|| wasm_aot_compiler::compile(bytes, &options));
    let object = match compiled {
        Ok(result) => result.map_err(Refusal::by_compiler)?,
        Err(_) => return Err(Refusal::defect("the compiler panicked".into())),
    };
    let exports = exports(bytes, options.features).map_err(Refusal::defect)?;
    Ok(Compiled { object, exports })
}

/// The types of a module's exports, found without the compiler.
fn exports(module: &[u8], features: WasmFeatures) -> Result<HashMap<String, Export>, String> {
    let binary = wat::parse_bytes(module).map_err(|error| error.to_string())?;
    let types = Validator::new_with_features(features)
        .validate_all(&binary)
        .map_err(|error| format!("the compiler accepts what is refused elsewhere: {error}"))?;
    let types = types.as_ref();
    let exports = types.core_exports().into_iter().flatten();
    let export = |(name, entity): (&str, EntityType)| (name.to_owned(), export(&types, entity));
    Ok(exports.map(export).collect())
}

fn export(types: &TypesRef<'_>, entity: EntityType) -> Export {
    match entity {
        EntityType::Func(id) | EntityType::FuncExact(id) => {
            let CompositeInnerType::Func(function) = &types[id].composite_type.inner else {
                return Export::Other;
            };
            let all = |list: &[ValType]| {
                let types = list.iter().map(|&ty| value(types, Some(id), ty));
                types.collect()
            };
            Export::Function(all(function.params()), all(function.results()))
        }
        EntityType::Global(global) => Export::Global(value(types, None, global.content_type)),
        _ => Export::Other,
    }
}

/// A type; `within` is the type that it is part of, and so maybe of its recursion group.
fn value(types: &TypesRef<'_>, within: Option<CoreTypeId>, ty: ValType) -> Type {
    match ty {
        ValType::I32 => Type::Number(Number::I32),
        ValType::I64 => Type::Number(Number::I64),
        ValType::F32 => Type::Number(Number::F32),
        ValType::F64 => Type::Number(Number::F64),
        ValType::V128 => Type::Vector,
        ValType::Ref(ty) => Type::Reference(hierarchy(types, within, ty)),
    }
}

fn hierarchy(types: &TypesRef<'_>, within: Option<CoreTypeId>, ty: RefType) -> Shape {
    use AbstractHeapType as A;
    let index = match ty.heap_type() {
        HeapType::Abstract { ty, .. } => {
            return match ty {
                A::Func | A::NoFunc => Shape::Function,
                A::Exn | A::NoExn => Shape::Exception,
                _ => Shape::Any,
            };
        }
        HeapType::Concrete(index) | HeapType::Exact(index) => index,
    };
    let id = match index {
        UnpackedIndex::Id(id) => Some(id),
        UnpackedIndex::Module(index) => Some(types.core_type_at_in_module(index)),
        UnpackedIndex::RecGroup(index) => within.and_then(|within| {
            let group = types.rec_group_id_of(within);
            types.rec_group_elements(group).nth(index as usize)
        }),
    };
    let inner = id.map(|id| &types[id].composite_type.inner);
    match inner {
        Some(CompositeInnerType::Func(_)) => Shape::Function,
        _ => Shape::Any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_exports_are_found() {
        let text = br#"(module
            (type $plain (func))
            (rec (type $f (func (param (ref null $f) (ref null $s) i32) (result v128)))
                (type $s (struct)))
            (global (export "g") (ref null $plain) (ref.null $plain))
            (global (export "e") exnref (ref.null exn))
            (memory (export "m") 1)
            (func (export "f") (type $f) unreachable))"#;
        let exports = exports(text, WasmFeatures::WASM3).unwrap();
        let reference = Type::Reference;
        let parameters = vec![
            reference(Shape::Function),
            reference(Shape::Any),
            Type::Number(Number::I32),
        ];
        assert_eq!(
            exports["f"],
            Export::Function(parameters, vec![Type::Vector])
        );
        assert_eq!(exports["g"], Export::Global(reference(Shape::Function)));
        assert_eq!(exports["e"], Export::Global(reference(Shape::Exception)));
        assert_eq!(exports["m"], Export::Other);
    }
}
