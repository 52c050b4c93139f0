// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How much of everything a module may have. `docs/limits.md` explains them to users.
//!
//! Counts that the parser bounds by itself (those of the JavaScript embedding: a million types,
//! functions, imports, exports and globals, 100,000 segments and tables, 50,000 locals, 1,000
//! parameters and results, 7,654,321 bytes of one body, 63 supertypes) are not repeated here.

use crate::error::Error;
use wasm_aot_object::MAX_TABLE_ELEMENTS;
use wasmparser::{ConstExpr, ElementItems, Payload};

/// Bytes of a binary module.
pub const MAX_MODULE: usize = 256 << 20;
/// Bytes of a module as text, whose parser takes many times as much memory.
pub const MAX_TEXT: usize = 32 << 20;
/// Bytes of the type section.
pub const MAX_TYPE_SECTION: usize = 16 << 20;
/// Parameters and results of all types in the type section, added up.
pub const MAX_TYPE_VALUES: usize = 4 << 20;
/// Parameters, results and locals of all functions, added up.
pub const MAX_LOCALS: usize = 16 << 20;
/// Bytes of the names of all imports and exports; and of all names in the name section, which are
/// left out beyond that.
pub const MAX_NAMES: usize = 16 << 20;
/// Elements that all tables begin with, added up; but for those with which no loader can begin,
/// which are not written into the object.
pub const MAX_ALL_TABLE_ELEMENTS: u64 = 4 << 20;
/// Elements of all element segments, added up.
pub const MAX_ELEMENTS: usize = 4 << 20;
/// Bytes of one constant expression.
pub const MAX_EXPRESSION: usize = 1 << 20;
/// Targets of one `br_table`: as other engines have it.
pub const MAX_BRANCH_TABLE: u32 = 65_520;
/// Blocks, loops and ifs inside each other.
pub const MAX_NESTING: usize = 100_000;
/// What one function may be for the code generator, see [`crate::effort::Effort`]: entities of its
/// intermediate representation, and locals times blocks.
pub const MAX_ENTITIES: u64 = 6 << 20;
/// See [`MAX_ENTITIES`].
pub const MAX_PAIRS: u64 = 100_000_000;

/// Refuses a number above its limit.
///
/// # Errors
/// A sentence with what it is, how many there are, and how many there may be.
pub fn check(what: &str, count: u64, limit: u64) -> Result<(), Error> {
    if count <= limit {
        return Ok(());
    }
    Err(Error::TooLarge(format!(
        "{count} {what}; the most is {limit}"
    )))
}

/// What has been counted of a module, section by section, before anything is kept of it.
#[derive(Default)]
pub struct Counter {
    type_values: usize,
    elements: usize,
    names: usize,
    table_elements: u64,
}

impl Counter {
    /// Counts a section.
    ///
    /// # Errors
    /// Where a limit is exceeded, or the section does not parse.
    pub fn payload(&mut self, payload: &Payload<'_>) -> Result<(), Error> {
        match payload {
            Payload::TypeSection(reader) => {
                let range = reader.range();
                let bytes = range.end - range.start;
                check("bytes of types", bytes, MAX_TYPE_SECTION as u64)?;
            }
            Payload::ImportSection(reader) => {
                for import in reader.clone().into_imports() {
                    let import = import?;
                    self.names += import.module.len() + import.name.len();
                    check("bytes of names", self.names as u64, MAX_NAMES as u64)?;
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader.clone() {
                    self.names += export?.name.len();
                    check("bytes of names", self.names as u64, MAX_NAMES as u64)?;
                }
            }
            Payload::TableSection(reader) => {
                for table in reader.clone() {
                    self.table(table?.ty.initial)?;
                }
            }
            Payload::ElementSection(reader) => {
                for element in reader.clone() {
                    let count = match element?.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    };
                    self.elements += count as usize;
                    let all = "elements of element segments";
                    check(all, self.elements as u64, MAX_ELEMENTS as u64)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn table(&mut self, elements: u64) -> Result<(), Error> {
        if elements <= MAX_TABLE_ELEMENTS {
            self.table_elements += elements;
        }
        let all = "elements of tables";
        check(all, self.table_elements, MAX_ALL_TABLE_ELEMENTS)
    }

    /// Counts the parameters and results, or fields, of a type.
    ///
    /// # Errors
    /// Where the limit is exceeded.
    pub fn ty(&mut self, values: usize) -> Result<(), Error> {
        self.type_values += values;
        let what = "parameters and results of types";
        check(what, self.type_values as u64, MAX_TYPE_VALUES as u64)
    }
}

/// Refuses a constant expression that is too long.
///
/// # Errors
/// Says its length and the limit.
pub fn check_expression(expression: &ConstExpr<'_>) -> Result<(), Error> {
    let bytes = expression.get_binary_reader().bytes_remaining() as u64;
    check(
        "bytes of a constant expression",
        bytes,
        MAX_EXPRESSION as u64,
    )
}
