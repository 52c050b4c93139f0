// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Everything that can go wrong while compiling, and whose mistake it is.

use thiserror::Error;

/// Why a module could not be compiled.
#[derive(Error, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The text format does not parse.
    #[error("the WebAssembly text does not parse: {0}")]
    Text(wat::Error),
    /// The module is malformed, invalid, or uses a feature that is not enabled.
    #[error("invalid WebAssembly module: {message} (at byte offset {offset:#x})")]
    Invalid {
        /// What the specification objects to.
        message: String,
        /// Offset in the binary module.
        offset: u64,
    },
    /// A valid module that needs something this compiler does not do.
    #[error("unsupported: {what} (at byte offset {offset:#x})")]
    Unsupported {
        /// What is missing.
        what: String,
        /// Offset in the binary module.
        offset: u64,
    },
    /// Options that cannot be.
    #[error("{0}")]
    Options(String),
    /// The module is larger than an object can be.
    #[error("the module is too large: {0}")]
    TooLarge(String),
    /// The code generator failed: a limit of it, or a defect of ours.
    #[error("function {index} ({name}): code generation failed: {message}")]
    Codegen {
        /// Index of the function in the module.
        index: u32,
        /// Its name.
        name: String,
        /// What the code generator says.
        message: String,
    },
    /// Writing the object failed.
    #[error("cannot write the object: {0}")]
    Object(#[from] object::write::Error),
}

impl From<wasmparser::Error> for Error {
    fn from(error: wasmparser::Error) -> Self {
        Self::Invalid {
            message: error.message().into(),
            offset: error.offset(),
        }
    }
}
