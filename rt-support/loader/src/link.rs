// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whether what one object exports fits what another imports.
//!
//! The rules are those of the WebAssembly core specification, "Import Matching" (section 3.4.9
//! and following in version 3.0), applied to the metadata; and those of static instances on top:
//! type numbers and the base of a memory are compiled into both sides, so both must agree.

mod types;

use core::cmp::Ordering;
use core::fmt;
use types::{is_subtype, is_value_subtype};
use wasm_aot_object::meta::{
    ImportRecord, Kind, MemoryRecord, Meta, TableRecord, TypeRecord, entity,
};

/// Something of a module, as the metadata lists it: the type of a function, a memory, a table, a
/// global.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entity {
    /// Which list.
    pub kind: Kind,
    /// Which one of it.
    pub index: u32,
}

/// Why an export does not fit an import.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LinkError<'a> {
    /// Another kind of thing.
    Kind {
        /// What is imported.
        wanted: Kind,
        /// What is exported.
        found: Kind,
    },
    /// Another function, element or value type.
    Type {
        /// What has the type.
        kind: Kind,
        /// The type that is imported.
        wanted: &'a str,
        /// The type that is exported.
        found: &'a str,
    },
    /// Mutable on one side only.
    Mutability {
        /// Whether the import is mutable.
        wanted: bool,
    },
    /// Smaller than the import asks for.
    Minimum {
        /// What it is.
        kind: Kind,
        /// Pages or elements asked for.
        wanted: u64,
        /// Pages or elements there are.
        found: u64,
    },
    /// May grow larger than the import allows.
    Maximum {
        /// What it is.
        kind: Kind,
        /// Pages or elements the import allows.
        wanted: u64,
        /// Declared maximum of the export.
        found: Option<u64>,
    },
    /// Shared on one side only, indexed by 64 bits on one side only, or another page size.
    Shape {
        /// What differs.
        what: &'static str,
    },
    /// The importer's code has another memory base built in, or relies on a longer reservation.
    Base {
        /// The base or reservation built into the importer.
        wanted: u64,
        /// That of the exporter.
        found: u64,
    },
    /// The host has a function of this name, but of another type.
    Host {
        /// The type that is imported.
        wanted: &'a str,
    },
    /// Two objects number their types differently.
    TypeNumber {
        /// The number.
        id: u32,
        /// What it means in one of them.
        one: &'a str,
        /// What it means in the other, or the same type with another number.
        other: &'a str,
    },
}

impl fmt::Display for LinkError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("incompatible import type: ")?;
        match *self {
            Self::Kind { wanted, found } => {
                write!(
                    f,
                    "a {} is imported, a {} exported",
                    wanted.name(),
                    found.name()
                )
            }
            Self::Type {
                kind,
                wanted,
                found,
            } => write!(
                f,
                "a {} {wanted} is imported, a {} {found} exported",
                kind.name(),
                kind.name()
            ),
            Self::Mutability { wanted: true } => {
                f.write_str("a mutable global is imported, an immutable one exported")
            }
            Self::Mutability { wanted: false } => {
                f.write_str("an immutable global is imported, a mutable one exported")
            }
            Self::Minimum {
                kind,
                wanted,
                found,
            } => write!(
                f,
                "a {} of at least {wanted} is imported, it has {found}",
                kind.name()
            ),
            Self::Maximum {
                kind,
                wanted,
                found,
            } => {
                let kind = kind.name();
                write!(f, "a {kind} of at most {wanted} is imported, ")?;
                match found {
                    Some(found) => write!(f, "it may grow to {found}"),
                    None => f.write_str("it has no maximum"),
                }
            }
            Self::Shape { what } => f.write_str(what),
            Self::Base { wanted, found } => write!(
                f,
                "the importer's code has a memory at {wanted:#x} built in, the exporter's is at \
                 {found:#x}; build both with the same `--memory-base` and `--bounds`"
            ),
            Self::Host { wanted } => write!(
                f,
                "a function {wanted} is imported, the host's function of this name has another type"
            ),
            Self::TypeNumber { id, one, other } => write!(
                f,
                "type number {id:#x} is {one} in one object and {other} in the other; \
                 build both with the same release of wasm-aot"
            ),
        }
    }
}

impl core::error::Error for LinkError<'_> {}

/// Checks one import against what is to provide it. `size` is the present size of an
/// exported memory (pages) or table (elements) where the exporter is already running: it counts
/// instead of the declared minimum.
///
/// # Errors
/// The first rule that is broken.
pub fn check_import<'a>(
    importer: &Meta<'a>,
    import: &ImportRecord,
    exporter: &Meta<'a>,
    export: Entity,
    size: Option<u64>,
) -> Result<(), LinkError<'a>> {
    let (wanted, found) = (import.kind(), export.kind);
    if wanted != found {
        return Err(LinkError::Kind { wanted, found });
    }
    let (import, export) = (import.index.get() as usize, export.index as usize);
    match wanted {
        Kind::Function => {
            let (Some(a), Some(b)) = (importer.types().get(import), exporter.types().get(export))
            else {
                return Ok(()); // `Meta::parse` checked both indices
            };
            // An exported function may have a more precise type than the importer knows of.
            if is_subtype(exporter, b, importer, a) {
                return Ok(());
            }
            function_type(wanted, (importer, a), (exporter, b))
        }
        Kind::Tag => {
            let ty = |meta: &Meta<'a>, tag: usize| {
                let tag = meta.tags().get(tag)?;
                meta.types().get(tag.type_index.get() as usize)
            };
            match (ty(importer, import), ty(exporter, export)) {
                (Some(a), Some(b)) => function_type(wanted, (importer, a), (exporter, b)),
                _ => Ok(()),
            }
        }
        Kind::Global => {
            let (Some(a), Some(b)) = (
                importer.globals().get(import),
                exporter.globals().get(export),
            ) else {
                return Ok(());
            };
            let mutable = |flags: u32| flags & entity::MUTABLE != 0;
            if mutable(a.flags.get()) != mutable(b.flags.get()) {
                let wanted = mutable(a.flags.get());
                return Err(LinkError::Mutability { wanted });
            }
            let (wanted, found) = (importer.str(a.value_type), exporter.str(b.value_type));
            // What is never written may have a more precise type than the importer knows of.
            if !mutable(a.flags.get()) && is_value_subtype(exporter, found, importer, wanted) {
                return Ok(());
            }
            same_type(Kind::Global, wanted, found)
        }
        Kind::Memory => match (
            importer.memories().get(import),
            exporter.memories().get(export),
        ) {
            (Some(a), Some(b)) => memory(importer.bounds_guard(), a, b, size),
            _ => Ok(()),
        },
        Kind::Table => match (importer.tables().get(import), exporter.tables().get(export)) {
            (Some(a), Some(b)) => {
                let (wanted, found) = (importer.str(a.element), exporter.str(b.element));
                same_type(Kind::Table, wanted, found)?;
                table(a, b, size)
            }
            _ => Ok(()),
        },
    }
}

/// The same type by its text and by its number, which is compiled into both sides.
fn function_type<'a>(
    kind: Kind,
    (importer, a): (&Meta<'a>, &TypeRecord),
    (exporter, b): (&Meta<'a>, &TypeRecord),
) -> Result<(), LinkError<'a>> {
    let (a_text, b_text) = (importer.str(a.text), exporter.str(b.text));
    same_type(kind, a_text, b_text)?;
    if a.id != b.id {
        return Err(LinkError::TypeNumber {
            id: a.id.get(),
            one: a_text,
            other: "another one",
        });
    }
    Ok(())
}

/// Checks that two objects mean the same types by the same numbers: they may hand each other
/// function references.
///
/// # Errors
/// [`LinkError::TypeNumber`] with the first number they disagree on.
pub fn check_types<'a>(one: &Meta<'a>, other: &Meta<'a>) -> Result<(), LinkError<'a>> {
    let differ = |a: &TypeRecord, b: &TypeRecord| LinkError::TypeNumber {
        id: a.id.get(),
        one: one.str(a.text),
        other: other.str(b.text),
    };
    let (mut ours, mut theirs) = (one.types_by_number(), other.types_by_number());
    let (mut a, mut b) = (ours.next(), theirs.next());
    while let (Some(x), Some(y)) = (a, b) {
        match x.id.get().cmp(&y.id.get()) {
            Ordering::Less => a = ours.next(),
            Ordering::Greater => b = theirs.next(),
            Ordering::Equal if one.str(x.text) != other.str(y.text) => return Err(differ(x, y)),
            Ordering::Equal => (a, b) = (ours.next(), theirs.next()),
        }
    }
    // One text has one hash, so it has two numbers only where it has moved on in one of them.
    let moved = |ty: &&TypeRecord| ty.moved.get() != 0;
    let same = |a: &TypeRecord, b: &TypeRecord| one.str(a.text) == other.str(b.text);
    for a in one.types().iter().filter(moved) {
        if let Some(b) = other.types().iter().find(|b| same(a, b) && a.id != b.id) {
            return Err(differ(a, b));
        }
    }
    for b in other.types().iter().filter(moved) {
        if let Some(a) = one.types().iter().find(|a| same(a, b) && a.id != b.id) {
            return Err(differ(a, b));
        }
    }
    Ok(())
}

fn same_type<'a>(kind: Kind, wanted: &'a str, found: &'a str) -> Result<(), LinkError<'a>> {
    if wanted == found {
        return Ok(());
    }
    Err(different(kind, wanted, found))
}

fn different<'a>(kind: Kind, wanted: &'a str, found: &'a str) -> LinkError<'a> {
    LinkError::Type {
        kind,
        wanted,
        found,
    }
}

fn memory<'a>(
    guard: bool,
    import: &MemoryRecord,
    export: &MemoryRecord,
    size: Option<u64>,
) -> Result<(), LinkError<'a>> {
    let (wanted, found) = (import.flags.get(), export.flags.get());
    shape(wanted, found)?;
    if import.page_size_log2 != export.page_size_log2 {
        return Err(LinkError::Shape {
            what: "memories of different page size",
        });
    }
    limits(
        Kind::Memory,
        (wanted, import.min.get(), import.max.get()),
        (found, size.unwrap_or(export.min.get()), export.max.get()),
    )?;
    let constant = |flags: u32| flags & entity::CONSTANT_BASE != 0;
    if constant(wanted) && (!constant(found) || import.base != export.base) {
        return Err(LinkError::Base {
            wanted: import.base.get(),
            found: export.base.get(),
        });
    }
    // Code that compares each access with the memory's length relies on no reservation.
    if guard && import.reservation.get() > export.reservation.get() {
        return Err(LinkError::Base {
            wanted: import.reservation.get(),
            found: export.reservation.get(),
        });
    }
    Ok(())
}

fn table<'a>(
    import: &TableRecord,
    export: &TableRecord,
    size: Option<u64>,
) -> Result<(), LinkError<'a>> {
    let (wanted, found) = (import.flags.get(), export.flags.get());
    shape(wanted, found)?;
    limits(
        Kind::Table,
        (wanted, import.min.get(), import.max.get()),
        (found, size.unwrap_or(export.min.get()), export.max.get()),
    )
}

fn shape<'a>(wanted: u32, found: u32) -> Result<(), LinkError<'a>> {
    let differs = |bit| wanted & bit != found & bit;
    if differs(entity::INDEX64) {
        let what = "indexed by 64 bits on one side only";
        return Err(LinkError::Shape { what });
    }
    if differs(entity::SHARED) {
        let what = "shared on one side only";
        return Err(LinkError::Shape { what });
    }
    Ok(())
}

/// Limits as (flags, minimum, maximum).
fn limits<'a>(
    kind: Kind,
    import: (u32, u64, u64),
    export: (u32, u64, u64),
) -> Result<(), LinkError<'a>> {
    let maximum = |(flags, _, max): (u32, u64, u64)| (flags & entity::MAX != 0).then_some(max);
    if export.1 < import.1 {
        return Err(LinkError::Minimum {
            kind,
            wanted: import.1,
            found: export.1,
        });
    }
    if let Some(wanted) = maximum(import) {
        let found = maximum(export);
        if found.is_none_or(|found| found > wanted) {
            return Err(LinkError::Maximum {
                kind,
                wanted,
                found,
            });
        }
    }
    Ok(())
}
