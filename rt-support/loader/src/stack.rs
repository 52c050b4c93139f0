// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How much stack a program needs: what its objects say, added up for what a loader calls.
//!
//! An object's metadata says, for each of its functions, what a call takes of its own code and at
//! which depth it leads outside ([`wasm_aot_object::stack`]). What is outside is known here: the
//! runtime and host functions take [`HOST_STACK_BYTES`], other instances what their objects say.
//! All bounds count from the stack pointer of whoever calls, return address included.
//!
//! The numbers are the object's word. One that lies about them overflows its stack into the guard
//! below it, as one without a bound does.

use crate::object::Object;
use crate::symbol::Definition;
use core::fmt;
use wasm_aot_object::meta::{FunctionRecord, Kind, flags};
use wasm_aot_object::stack::{HOST_STACK_BYTES, Stack};
use wasm_aot_symbols::INSTANTIATE_SUFFIX;

/// Why there is no bound. Names borrow from the object's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Unbounded<'a> {
    /// Functions that call each other, or themselves, in a circle.
    Recursion {
        /// What was to be called.
        entry: &'a str,
        /// One of the functions in the circle.
        function: &'a str,
    },
    /// Calls without a circle, but of 4 GiB of stack or more.
    TooDeep {
        /// What was to be called.
        entry: &'a str,
    },
    /// Calls through references, in a program of several instances: they may lead from any to any.
    References {
        /// The module that makes such calls.
        module: &'a str,
    },
    /// An export that is an import of the object itself, from another one.
    Imported {
        /// Its name.
        entry: &'a str,
    },
    /// Nothing that can be called has this name.
    Missing,
}

impl fmt::Display for Unbounded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recursion { entry, function } if entry == function => {
                write!(f, "`{function}` is recursive")
            }
            Self::Recursion { entry, function } => {
                write!(f, "`{entry}` leads to `{function}`, which is recursive")
            }
            Self::TooDeep { entry } => write!(f, "calls below `{entry}` take 4 GiB or more"),
            Self::References { module } => write!(
                f,
                "the module `{module}` calls references, which may be another module's functions"
            ),
            Self::Imported { entry } => write!(f, "`{entry}` is another module's function"),
            Self::Missing => f.write_str("there is no such function"),
        }
    }
}

impl core::error::Error for Unbounded<'_> {}

impl<'a> Object<'a> {
    /// Bytes of stack that a call of the function behind a global symbol takes, in a program
    /// without other instances: `main.tick`, `main:instantiate`.
    ///
    /// # Errors
    /// Where there is no bound.
    pub fn stack_bound(&self, symbol: &str) -> Result<u64, Unbounded<'a>> {
        self.stack_bound_beside(symbol, HOST_STACK_BYTES)
    }

    /// Likewise, where functions outside the object take so many bytes.
    ///
    /// # Errors
    /// Where there is no bound.
    pub fn stack_bound_beside(&self, symbol: &str, outside: u64) -> Result<u64, Unbounded<'a>> {
        let Some(Definition::Image(offset)) = self.definition(symbol) else {
            return match self.undefined_names().find(|name| *name == symbol) {
                Some(entry) => Err(Unbounded::Imported { entry }),
                None => Err(Unbounded::Missing),
            };
        };
        // The text is at the beginning of the image.
        let offset = u32::try_from(offset).map_err(|_| Unbounded::Missing)?;
        let function = self.meta().function_at(offset).ok_or(Unbounded::Missing)?;
        self.function_bound(function, outside)
    }

    /// Bytes of stack that a call of an exported function takes through the invoke trampoline of
    /// its type, the trampoline's frame included; without it, where the type has none.
    ///
    /// # Errors
    /// Where there is no bound.
    pub fn invoke_bound(&self, export: &str, outside: u64) -> Result<u64, Unbounded<'a>> {
        let meta = self.meta();
        let export = meta
            .export(export)
            .filter(|export| export.kind() == Kind::Function)
            .ok_or(Unbounded::Missing)?;
        let callee = self.stack_bound_beside(meta.str(export.symbol), outside)?;
        let ty = meta.types().get(export.index.get() as usize);
        let trampoline = ty.map_or("", |ty| meta.str(ty.trampoline));
        let frame = match self.definition(trampoline) {
            Some(Definition::Image(offset)) => {
                let function = u32::try_from(offset).ok();
                let function = function.and_then(|offset| meta.function_at(offset));
                function.map_or(0, |function| function.frame_size.get().into())
            }
            _ => 0,
        };
        callee.checked_add(frame).ok_or(Unbounded::TooDeep {
            entry: meta.str(export.name),
        })
    }

    /// Bytes of stack that the object needs as an instance: instantiation, and each of these
    /// exported functions that there is, called one after the other.
    ///
    /// # Errors
    /// Where there is no bound.
    pub fn instance_bound(&self, exports: &[&str], outside: u64) -> Result<u64, Unbounded<'a>> {
        let mut definitions = self.definitions();
        let instantiate = definitions.find(|(name, _)| name.ends_with(INSTANTIATE_SUFFIX));
        let mut bound = match instantiate {
            Some((symbol, _)) => self.stack_bound_beside(symbol, outside)?,
            None => 0,
        };
        for export in exports {
            match self.invoke_bound(export, outside) {
                Ok(bytes) => bound = bound.max(bytes),
                Err(Unbounded::Missing) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(bound)
    }

    /// Bytes of stack that any of the object's functions takes, whoever calls it.
    ///
    /// # Errors
    /// Where one has no bound.
    pub fn deepest_bound(&self, outside: u64) -> Result<u64, Unbounded<'a>> {
        let functions = self.meta().functions().iter();
        let mut bounds = functions.map(|function| self.function_bound(function, outside));
        bounds.try_fold(outside, |deepest, bound| Ok(deepest.max(bound?)))
    }

    fn function_bound(
        &self,
        function: &'a FunctionRecord,
        outside: u64,
    ) -> Result<u64, Unbounded<'a>> {
        let meta = self.meta();
        let entry = meta.str(function.name);
        let stack = Stack::of_record(meta, function);
        stack.bytes_with(outside).ok_or_else(|| {
            let circle = stack.recursion().and_then(|index| {
                let function = meta.functions().get(index as usize)?;
                Some(meta.str(function.name))
            });
            match circle {
                Some(function) => Unbounded::Recursion { entry, function },
                None => Unbounded::TooDeep { entry },
            }
        })
    }
}

/// Bytes of stack that a program of these objects needs, loaded in this order, each importing from
/// those before it at most: each is instantiated, and of each the exports with these names are
/// called, as far as there are any (`_initialize`, and what the program is run by). The frames of
/// whoever calls them come on top.
///
/// # Errors
/// Where there is no bound.
pub fn program_bound<'o, 'a: 'o>(
    objects: impl Iterator<Item = &'o Object<'a>> + Clone,
    exports: &[&str],
) -> Result<u64, Unbounded<'a>> {
    if objects.clone().count() > 1 {
        let foreign = |object: &&Object<'a>| {
            object.meta().header().flags.get() & flags::FOREIGN_REFERENCES != 0
        };
        if let Some(object) = objects.clone().find(foreign) {
            let module = object.meta().module_name();
            return Err(Unbounded::References { module });
        }
    }
    let (mut bound, mut outside) = (HOST_STACK_BYTES, HOST_STACK_BYTES);
    let last = objects.clone().count().saturating_sub(1);
    for (index, object) in objects.enumerate() {
        bound = bound.max(object.instance_bound(exports, outside)?);
        if index < last {
            outside = object.deepest_bound(outside)?;
        }
    }
    Ok(bound)
}
