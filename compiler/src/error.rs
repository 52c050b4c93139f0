// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Everything that can go wrong while compiling, and whose mistake it is.

use crate::features::{self, SUPPORTED_FEATURES};
use std::fmt;
use thiserror::Error;
use wasmparser::WasmFeatures;

/// Where in the binary module something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes from its start.
    pub offset: u64,
    /// Index and name of the function in whose body it lies, if any.
    pub function: Option<(u32, String)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte offset {:#x}", self.offset)?;
        match &self.function {
            Some((index, name)) => write!(f, ", in function {index} ({name})"),
            None => Ok(()),
        }
    }
}

/// Why a module could not be compiled.
#[derive(Error, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The text format does not parse.
    #[error("the WebAssembly text does not parse: {0}")]
    Text(wat::Error),
    /// The module is malformed or invalid.
    #[error("invalid WebAssembly module: {message} ({place})")]
    Invalid {
        /// What the specification objects to.
        message: String,
        /// Where.
        place: Place,
    },
    /// The module uses a feature that is not enabled.
    #[error("{message} ({place}); {}", remedy(*.feature))]
    Feature {
        /// What is not enabled.
        message: String,
        /// The feature.
        feature: WasmFeatures,
        /// Where it is used first.
        place: Place,
    },
    /// A valid module that needs something this compiler does not do.
    #[error("unsupported: {what} ({place})")]
    Unsupported {
        /// What is missing.
        what: String,
        /// Where.
        place: Place,
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

/// What the user can do about a feature that is off.
fn remedy(feature: WasmFeatures) -> String {
    let name = features::names(feature);
    if SUPPORTED_FEATURES.contains(feature) {
        format!("`--wasm {name}=y` enables it")
    } else {
        format!("the feature {name} is not supported")
    }
}

impl Error {
    /// Something in the module that this compiler does not do.
    pub(crate) fn unsupported(what: impl Into<String>, offset: u64) -> Self {
        Self::Unsupported {
            what: what.into(),
            place: Place {
                offset,
                function: None,
            },
        }
    }

    /// The same error with the function in which it lies.
    pub(crate) fn in_function(mut self, index: u32, name: String) -> Self {
        if let Self::Invalid { place, .. }
        | Self::Feature { place, .. }
        | Self::Unsupported { place, .. } = &mut self
        {
            place.function.get_or_insert((index, name));
        } else if let Self::TooLarge(what) = &mut self {
            *what = format!("function {index} ({name}) has {what}");
        }
        self
    }
}

impl From<wasmparser::Error> for Error {
    fn from(error: wasmparser::Error) -> Self {
        let message = error.message().into();
        let place = Place {
            offset: error.offset(),
            function: None,
        };
        match error.missing_wasm_feature() {
            Some(feature) => Self::Feature {
                message,
                feature,
                place,
            },
            None => Self::Invalid { message, place },
        }
    }
}
