// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Which instance provides an import, where several share an address space.
//!
//! Instances find each other by the names of WebAssembly: an import names a module and a field;
//! the module is the name under which an instance was *registered*, the field one of the exports
//! in its metadata. (The module name in an object's symbols plays no part here.) An export may be
//! of something that the instance itself imports; then whoever defines it is what counts, for its
//! type and its present size.
//!
//! A caller implements [`Instances`] for what it has loaded, calls [`Linker::check`] for a new
//! object before it loads it, and [`Linker::resolve`] from `Object::load`'s callback. What no
//! instance provides is left to the caller: host functions, the runtime, its own memories' bases.

use crate::error::LoadError;
use crate::link::{Entity, LinkError, check_import, check_types};
use crate::object::Object;
use crate::symbol::{Definition, UndefinedKind, UndefinedSymbol};
use core::mem::offset_of;
use wasm_aot_object::descriptor::{MemoryDescriptor, TableDescriptor};
use wasm_aot_object::meta::{ExportRecord, ImportRecord, Kind, entity};
use wasm_aot_symbols::{TAIL_SUFFIX, TYPE_SUFFIX};

/// A loaded instance.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'i, 'a> {
    /// Its object.
    pub object: &'i Object<'a>,
    /// Address of its image.
    pub address: u64,
}

/// The instances of an address space.
pub trait Instances<'a> {
    /// The instance that is registered under a name.
    fn registered(&self, module: &str) -> Option<Instance<'_, 'a>>;

    /// All instances, by a number from 0 on.
    fn get(&self, number: usize) -> Option<Instance<'_, 'a>>;

    /// The instance in whose image an address is.
    fn around(&self, address: u64) -> Option<Instance<'_, 'a>>;

    /// Reads bytes of an instance's image; says whether it could.
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool;
}

/// What provides an import: something of an instance that defines it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'i, 'a> {
    /// The instance: the one that defines it, unless the host does.
    pub instance: Instance<'i, 'a>,
    /// What it is there.
    pub entity: Entity,
    /// Address of the code, the descriptor or the value.
    pub address: u64,
}

/// What a caller does with an import and its source.
pub type Each<'e, 'i, 'a> =
    dyn FnMut(&'a ImportRecord, Option<&Source<'i, 'a>>) -> Result<(), LoadError<'a>> + 'e;

/// Links one object with the instances that are there.
#[derive(Clone, Copy)]
pub struct Linker<'i, 'a> {
    importer: &'i Object<'a>,
    instances: &'i dyn Instances<'a>,
}

impl<'i, 'a> Linker<'i, 'a> {
    /// For an object that is not loaded yet.
    #[must_use]
    pub fn new(importer: &'i Object<'a>, instances: &'i dyn Instances<'a>) -> Self {
        Self {
            importer,
            instances,
        }
    }

    /// Checks that all instances number their types as this one does (references get from any to
    /// any), and every import that an instance provides; tells the caller of all imports, in the
    /// module's order: with the source, or with `None` where no instance provides it.
    ///
    /// # Errors
    /// The first instance or import that does not fit, or what `each` says.
    pub fn check(&self, each: &mut Each<'_, 'i, 'a>) -> Result<(), LoadError<'a>> {
        let importer = self.importer.meta();
        let all = (0..).map_while(|number| self.instances.get(number));
        for instance in all {
            let other = instance.object.meta();
            let module = other.module_name();
            check_types(importer, other).map_err(|error| LoadError::Types { module, error })?;
        }
        for import in importer.imports() {
            let source = self.source(import);
            if let Some(source) = &source {
                let exporter = source.instance.object.meta();
                let size = self.size(source);
                check_import(importer, import, exporter, source.entity, size)
                    .map_err(|error| self.misfit(import, error))?;
            }
            each(import, source.as_ref())?;
        }
        Ok(())
    }

    /// The error for an import that does not fit.
    #[must_use]
    pub fn misfit(&self, import: &ImportRecord, error: LinkError<'a>) -> LoadError<'a> {
        let meta = self.importer.meta();
        LoadError::Import {
            module: meta.str(import.module),
            name: meta.str(import.name),
            error,
        }
    }

    /// The address of an undefined symbol that an instance provides.
    #[must_use]
    pub fn resolve(&self, symbol: &UndefinedSymbol<'a>) -> Option<u64> {
        match symbol.kind {
            UndefinedKind::Import(import) => self.source(import).map(|source| source.address),
            UndefinedKind::MemoryBase(memory) if memory.flags.get() & entity::IMPORTED != 0 => {
                let meta = self.importer.meta();
                let same = |import: &&ImportRecord| {
                    import.kind() == Kind::Memory
                        && meta.str(import.symbol) == meta.str(memory.symbol)
                };
                let source = self.source(meta.imports().iter().find(same)?)?;
                self.word(source.address + offset_of!(MemoryDescriptor, base) as u64)
            }
            UndefinedKind::Tail(import) => self.beside(import, TAIL_SUFFIX),
            UndefinedKind::Type(import) => self.beside(import, TYPE_SUFFIX),
            UndefinedKind::MemoryBase(_) | UndefinedKind::Runtime(_) | UndefinedKind::Unknown => {
                None
            }
        }
    }

    /// What an import's exporter defines under the export's symbol with a suffix.
    fn beside(&self, import: &ImportRecord, suffix: &str) -> Option<u64> {
        let source = self.source(import)?;
        let mut names = exports_at(&source.instance, source.address);
        names.find_map(|(name, _)| {
            let same = |(symbol, _): &(&str, _)| symbol.strip_suffix(suffix) == Some(name);
            let (_, definition) = source.instance.object.definitions().find(same)?;
            Some(definition.address(source.instance.address))
        })
    }

    /// What provides an import.
    #[must_use]
    pub fn source(&self, import: &ImportRecord) -> Option<Source<'i, 'a>> {
        let meta = self.importer.meta();
        let instance = self.instances.registered(meta.str(import.module))?;
        let export = instance.object.meta().export(meta.str(import.name))?;
        export_source(self.instances, instance, export)
    }

    /// The present size of a memory in pages, of a table in elements.
    fn size(&self, source: &Source<'i, 'a>) -> Option<u64> {
        match source.entity.kind {
            Kind::Memory => {
                let at = |field: usize| self.word(source.address + field as u64);
                let bytes = at(offset_of!(MemoryDescriptor, byte_length))?;
                let log2 = at(offset_of!(MemoryDescriptor, page_size_log2))?;
                Some(bytes >> (log2 & 63))
            }
            Kind::Table => self.word(source.address + offset_of!(TableDescriptor, length) as u64),
            _ => None,
        }
    }

    fn word(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        let read = self.instances.read(address, &mut bytes);
        read.then(|| u64::from_le_bytes(bytes))
    }
}

/// What an export of a loaded instance is, and where.
#[must_use]
pub fn export_source<'i, 'a>(
    instances: &'i dyn Instances<'a>,
    instance: Instance<'i, 'a>,
    export: &ExportRecord,
) -> Option<Source<'i, 'a>> {
    let symbol = instance.object.meta().str(export.symbol);
    let declared = Entity {
        kind: export.kind(),
        index: export.index.get(),
    };
    if let Some(definition) = instance.object.definition(symbol) {
        return Some(Source {
            instance,
            entity: declared,
            address: definition.address(instance.address),
        });
    }
    // It exports what it imports: the image says which address that became.
    let mut read = |offset, bytes: &mut [u8]| instances.read(instance.address + offset, bytes);
    let address = instance.object.binding(symbol, &mut read)?;
    let owner = instances.around(address);
    let found = owner.and_then(|owner| Some((owner, defined_at(&owner, declared.kind, address)?)));
    let (instance, entity) = match found {
        Some((owner, index)) => (
            owner,
            Entity {
                kind: declared.kind,
                index,
            },
        ),
        // The host's: the importer's type was checked when it was loaded.
        None => (instance, declared),
    };
    Some(Source {
        instance,
        entity,
        address,
    })
}

/// What an instance exports from an address, as an index of the metadata.
fn defined_at(owner: &Instance<'_, '_>, kind: Kind, address: u64) -> Option<u32> {
    let export = exports_at(owner, address).find(|(_, export)| export.kind() == kind);
    export.map(|(_, export)| export.index.get())
}

/// The exports of an instance whose symbol is at an address, with the symbol.
fn exports_at<'i, 'a>(
    owner: &Instance<'i, 'a>,
    address: u64,
) -> impl Iterator<Item = (&'a str, &'a ExportRecord)> {
    let meta = *owner.object.meta();
    let base = owner.address;
    let here = move |(_, definition): &(_, Definition)| definition.address(base) == address;
    let symbols = owner.object.definitions().filter(here);
    symbols.filter_map(move |(symbol, _)| {
        let mut exports = meta.exports().iter();
        let export = exports.find(|export| meta.str(export.symbol) == symbol)?;
        Some((symbol, export))
    })
}
