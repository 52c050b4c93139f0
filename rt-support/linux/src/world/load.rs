// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Loads an object: checks, links, maps, relocates.

use super::places::Memory;
use super::thunks::Thunks;
use super::{Error, InstanceId, Loaded, MAX_INSTANCES, Region, World};
use crate::list::List;
use crate::map::{self, Access};
use rustix::io::Errno;
use wasm_aot_loader::cpu::check_cpu;
use wasm_aot_loader::instances::Linker;
use wasm_aot_loader::link::LinkError;
use wasm_aot_loader::{LoadError, Object, Resolution, UndefinedKind, UndefinedSymbol};
use wasm_aot_object::descriptor::{MemoryDescriptor, TableDescriptor};
use wasm_aot_object::meta::{ImportRecord, Kind, MemoryRecord, Meta, Str, entity};
use wasm_aot_runtime::wasi;

/// How an object is loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// The functions of WASI are there to be imported. They work on the memory that the instance
    /// exports as `memory`.
    pub wasi: bool,
    /// Imported functions that nobody provides trap when called, instead of being an error.
    pub unknown_imports_trap: bool,
}

/// Bytes of a table element.
const ELEMENT: u64 = 8;

/// What has been made for an object that is not loaded yet.
struct Made {
    /// Regions of the world when it began.
    regions: usize,
    /// Bases of its own memories that are not constant, in the metadata's order.
    bases: List<u64>,
    /// Its own memories at constant addresses.
    constant: List<Memory>,
    /// See [`Loaded::outside`].
    outside: Option<u64>,
}

impl<'a> World<'a> {
    /// Loads an object and links it with the instances that have names.
    ///
    /// # Errors
    /// Where the object is refused, an import is unknown or does not fit, or there is no room.
    pub fn load(
        &mut self,
        bytes: &'a [u8],
        options: &LoadOptions,
    ) -> Result<InstanceId, Error<'a>> {
        if self.instances.len() >= MAX_INSTANCES {
            return Err(Error::TooMany);
        }
        let object = Object::parse(bytes)?;
        check_cpu(object.meta(), &crate::has_feature)?;
        let heap = object.meta().header().gc_heap.get();
        if heap != 0 && self.claim.is_none() {
            let module = object.meta().module_name();
            return Err(Error::ThreadHeap { module });
        }
        let new = self.instances.len() as u32;
        let mut made = Made {
            regions: self.regions.len(),
            bases: List::new(),
            constant: List::new(),
            outside: None,
        };
        let loaded = match self.link(new, &object, options) {
            Ok(outside) => {
                made.outside = outside;
                self.place(new, object, options, &mut made)
            }
            Err(error) => Err(error),
        };
        if loaded.is_err() {
            self.places.forget(new);
            for region in self.regions.iter().skip(made.regions) {
                // SAFETY: made for this object, which nobody has heard of.
                unsafe { map::release(region.address, region.bytes) };
            }
            self.regions.truncate(made.regions);
        } else if let Some(claim) = &mut self.claim {
            claim.heap_wish(heap);
        }
        loaded
    }

    /// Checks the imports, and notes whose code may run whose. Gives [`Loaded::outside`].
    fn link(
        &mut self,
        new: u32,
        object: &Object<'a>,
        options: &LoadOptions,
    ) -> Result<Option<u64>, Error<'a>> {
        let mut links = List::new();
        let linker = Linker::new(object, self);
        let mut full = Ok(());
        linker.check(&mut |import, source| {
            let Some(source) = source else {
                return self.check_host(&linker, object, import, options);
            };
            let meta = source.instance.object.meta();
            let index = source.entity.index as usize;
            let of_types = |text| mentions_references(meta.str(text));
            let mutual = match source.entity.kind {
                Kind::Table => true,
                Kind::Memory => false,
                Kind::Tag => return Ok(()),
                Kind::Function => meta.types().get(index).is_some_and(|t| of_types(t.text)),
                Kind::Global => match meta.globals().get(index) {
                    Some(global) if of_types(global.value_type) => true,
                    _ => return Ok(()),
                },
            };
            if let Some(other) = self.position(source.instance.address) {
                full = full.and(links.push((other as u32, mutual)));
            }
            Ok(())
        })?;
        full.map_err(Error::lists)?;
        for &(other, mutual) in links.iter() {
            self.places.link(new, other, mutual).map_err(Error::lists)?;
        }
        Ok(self.outside(object, &links))
    }

    /// Checks an import that no instance provides.
    fn check_host(
        &self,
        linker: &Linker<'_, 'a>,
        object: &Object<'a>,
        import: &ImportRecord,
        options: &LoadOptions,
    ) -> Result<(), LoadError<'a>> {
        let meta = object.meta();
        if import.kind() != Kind::Function || !options.wasi {
            return Ok(());
        }
        let symbol = meta.str(import.symbol);
        let Some(export) = wasi::EXPORTS.iter().find(|e| e.symbol == symbol) else {
            return Ok(());
        };
        let kind = meta.types().get(import.index.get() as usize);
        let wanted = kind.map_or("", |kind| meta.str(kind.text));
        if export
            .signature
            .is_some_and(|signature| signature.is(wanted))
        {
            return Ok(());
        }
        Err(linker.misfit(import, LinkError::Host { wanted }))
    }

    /// Makes the image, the memories and the tables.
    fn place(
        &mut self,
        new: u32,
        object: Object<'a>,
        options: &LoadOptions,
        made: &mut Made,
    ) -> Result<InstanceId, Error<'a>> {
        let layout = object.layout().clone();
        let address = self.reserve("the object's image", 0, layout.total)?;
        self.commit("the object's image", address, layout.total)?;
        self.memories(new, &object, address, made)?;
        let conflict = self.places.conflict(new, &made.constant);
        if let Some((one, other)) = conflict.map_err(Error::lists)? {
            return Err(self.same_place(new, &object, &one, &other));
        }
        let to: *mut u8 = core::ptr::with_exposed_provenance_mut(address as usize);
        // SAFETY: just mapped, and nobody else's.
        let image = unsafe { core::slice::from_raw_parts_mut(to, layout.total as usize) };
        let mut thunks = self.thunks(&object, address, options)?;
        let linker = Linker::new(&object, self);
        let mut full = Ok(());
        object.load(image, address, &mut |symbol| {
            if let Some(function) = wasi_function(symbol, options)
                && linker.resolve(symbol).is_none()
            {
                let thunk = thunks.to(function);
                full = full.and(thunk.map(drop));
                return thunk.ok().map(Resolution::Address);
            }
            resolve(&linker, &object, symbol, &made.bases, options)
        })?;
        full.and(thunks.finish()).map_err(Error::lists)?;
        self.tables(&object, address)?;
        self.describe_memories(&object, address, made)?;
        for (range, access) in [
            (&layout.text, Access::ReadExecute),
            (&layout.read_only, Access::Read),
        ] {
            let (start, bytes) = (address + range.start, range.end - range.start);
            // SAFETY: the image is complete, and only compiled code writes there from now on.
            unsafe { map::protect(start, bytes, access) }.map_err(|errno| Error::Map {
                what: "the object's image",
                address: start,
                bytes,
                errno,
            })?;
        }
        for &memory in made.constant.iter() {
            self.constant_memory(memory)?;
        }
        let before = |&index: &u32| self.instances[index as usize].address < address;
        let position = self.order.partition_point(before);
        self.order.insert(position, new).map_err(Error::lists)?;
        let loaded = Loaded {
            object,
            address,
            outside: made.outside,
        };
        self.instances.push(loaded).map_err(Error::lists)?;
        Ok(InstanceId(new))
    }

    /// Makes room for the thunks of an object's WASI imports.
    fn thunks(
        &mut self,
        object: &Object<'a>,
        address: u64,
        options: &LoadOptions,
    ) -> Result<Thunks, Error<'a>> {
        let imports = object.undefined();
        let count = imports.filter(|symbol| wasi_function(symbol, options).is_some());
        let bytes = Thunks::size(count.count());
        if bytes == 0 {
            return Ok(Thunks::new(0, 0, 0));
        }
        let what = "the thunks of host functions";
        let place = self.reserve(what, 0, bytes)?;
        self.commit(what, place, bytes)?;
        let memory = self.exported_memory(object, address).unwrap_or(0);
        Ok(Thunks::new(place, bytes, memory))
    }

    /// The descriptor of the memory that an object exports as `memory`, its own or an imported one.
    fn exported_memory(&self, object: &Object<'a>, address: u64) -> Option<u64> {
        let meta = object.meta();
        let export = meta.export("memory")?;
        let symbol = meta.str(export.symbol);
        if export.kind() != Kind::Memory {
            return None;
        }
        if let Some(offset) = object.symbol(symbol) {
            return Some(address + offset);
        }
        let same = |import: &&ImportRecord| {
            import.kind() == Kind::Memory && meta.str(import.symbol) == symbol
        };
        let import = meta.imports().iter().find(same)?;
        Some(Linker::new(object, self).source(import)?.address)
    }

    fn same_place(&self, new: u32, object: &Object<'a>, one: &Memory, other: &Memory) -> Error<'a> {
        let name = |owner: u32| match self.instances.get(owner as usize) {
            Some(loaded) if owner != new => loaded.object.meta().module_name(),
            _ => object.meta().module_name(),
        };
        Error::SamePlace {
            one: name(one.owner),
            other: name(other.owner),
            base: one.base,
        }
    }

    /// Reserves space for memories whose base is not constant, and lists the others.
    fn memories(
        &mut self,
        new: u32,
        object: &Object<'a>,
        address: u64,
        made: &mut Made,
    ) -> Result<(), Error<'a>> {
        for record in own(object.meta()) {
            let bytes = initial(record)?;
            // The metadata's reader has checked that the reservation holds the minimum.
            let reservation = record.reservation.get().max(map::PAGE);
            if record.flags.get() & entity::CONSTANT_BASE != 0 {
                let base = record.base.get();
                let descriptor = descriptor::<MemoryDescriptor>(object, record.symbol)?;
                if base == 0 || base % map::PAGE != 0 || base.checked_add(reservation).is_none() {
                    return Err(malformed("a memory where none can be"));
                }
                let memory = Memory {
                    owner: new,
                    base,
                    reservation,
                    descriptor: address + descriptor,
                    away: None,
                };
                made.constant.push(memory).map_err(Error::lists)?;
            } else {
                let base = self.reserve("a linear memory", 0, reservation)?;
                self.commit("a linear memory", base, bytes)?;
                made.bases.push(base).map_err(Error::lists)?;
            }
        }
        Ok(())
    }

    /// Puts a new memory in its constant place.
    fn constant_memory(&mut self, memory: Memory) -> Result<(), Error<'a>> {
        let what = "a linear memory";
        let error = |errno| Error::Map {
            what,
            address: memory.base,
            bytes: memory.reservation,
            errno,
        };
        // SAFETY: nothing runs.
        unsafe { self.places.clear(&memory) }.map_err(error)?;
        // What others have reserved of it is shared with them.
        let end = memory.base + memory.reservation;
        let mut at = memory.base;
        while at < end {
            let inside = |r: &&Region| r.address <= at && at - r.address < r.bytes;
            if let Some(region) = self.regions.iter().find(inside) {
                if !self.places.is_place(at) {
                    return Err(error(Errno::EXIST));
                }
                at = region.address + region.bytes;
                continue;
            }
            let above = self.regions.iter().map(|r| r.address).filter(|&a| a > at);
            let next = above.min().unwrap_or(end).min(end);
            self.reserve(what, at, next - at)?;
            at = next;
        }
        let bytes = memory.bytes();
        // SAFETY: reserved for this, by this memory or one that has been moved away.
        unsafe { map::commit(memory.base, bytes) }.map_err(error)?;
        self.places.add(memory).map_err(Error::lists)
    }

    /// Reserves space for tables that can grow.
    fn tables(&mut self, object: &Object<'a>, address: u64) -> Result<(), Error<'a>> {
        for record in object.meta().tables() {
            let flags = record.flags.get();
            if flags & entity::GROWABLE == 0 || flags & entity::IMPORTED != 0 {
                continue;
            }
            let what = "a table";
            let min = record.min.get();
            let room = record.room().ok_or(Error::Size {
                what,
                min,
                unit: "elements",
            })?;
            let base = self.reserve(what, 0, room.max(1) * ELEMENT)?;
            self.commit(what, base, min * ELEMENT)?;
            let at = address + descriptor::<TableDescriptor>(object, record.symbol)?;
            let place: *mut TableDescriptor = core::ptr::with_exposed_provenance_mut(at as usize);
            // SAFETY: in the data of the image, which nobody else uses yet.
            unsafe {
                (*place).base = base;
                (*place).length = min;
                (*place).max_length = room;
            }
        }
        Ok(())
    }

    /// Describes memories as they were made: an object's data could say something else than its
    /// metadata.
    fn describe_memories(
        &mut self,
        object: &Object<'a>,
        address: u64,
        made: &Made,
    ) -> Result<(), Error<'a>> {
        let mut relocated = made.bases.iter();
        for record in own(object.meta()) {
            let base = match record.flags.get() & entity::CONSTANT_BASE {
                0 => relocated.next().copied().unwrap_or_default(),
                _ => record.base.get(),
            };
            let at = address + descriptor::<MemoryDescriptor>(object, record.symbol)?;
            let place: *mut MemoryDescriptor = core::ptr::with_exposed_provenance_mut(at as usize);
            let bytes = initial(record)?;
            // SAFETY: in the data of the image, which nobody else uses yet.
            unsafe {
                (*place).base = base;
                (*place).byte_length = bytes;
                // It grows no further than its reservation.
                (*place).max_byte_length = record.limit_bytes();
                (*place).page_size_log2 = record.page_size_log2.get().into();
            }
        }
        Ok(())
    }

    fn reserve(&mut self, what: &'static str, address: u64, bytes: u64) -> Result<u64, Error<'a>> {
        let bytes = bytes
            .checked_next_multiple_of(map::PAGE)
            .unwrap_or(u64::MAX);
        let reserved = map::reserve(address, bytes).map_err(|errno| Error::Map {
            what,
            address,
            bytes,
            errno,
        })?;
        let region = Region {
            address: reserved,
            bytes,
        };
        if let Err(errno) = self.regions.push(region) {
            // SAFETY: nobody knows of it.
            unsafe { map::release(reserved, bytes) };
            return Err(Error::lists(errno));
        }
        Ok(reserved)
    }

    fn commit(&self, what: &'static str, address: u64, bytes: u64) -> Result<(), Error<'a>> {
        // SAFETY: the callers have just reserved it.
        unsafe { map::commit(address, bytes) }.map_err(|errno| Error::Map {
            what,
            address,
            bytes,
            errno,
        })
    }
}

/// Memories that the module defines itself.
fn own<'a>(meta: &Meta<'a>) -> impl Iterator<Item = &'a MemoryRecord> {
    let imported = |record: &&MemoryRecord| record.flags.get() & entity::IMPORTED != 0;
    meta.memories()
        .iter()
        .filter(move |record| !imported(record))
}

/// Bytes of a memory at the start.
fn initial<'a>(record: &MemoryRecord) -> Result<u64, Error<'a>> {
    record.min_bytes().ok_or(Error::Size {
        what: "a memory",
        min: record.min.get(),
        unit: "pages",
    })
}

/// Whether values of such types can be functions, or can have functions in them.
fn mentions_references(types: &str) -> bool {
    let words = types.split(|c: char| !c.is_ascii_alphanumeric());
    let mut words = words.filter(|word| !word.is_empty());
    words.any(|word| !["i32", "i64", "f32", "f64", "v128"].contains(&word))
}

fn malformed<'a>(what: &'static str) -> Error<'a> {
    Error::Load(LoadError::Malformed { what, index: 0 })
}

/// Offset in the image of a record that compiled code and runtime share.
fn descriptor<'a, T>(object: &Object<'a>, symbol: Str) -> Result<u64, Error<'a>> {
    let data = &object.layout().read_write;
    let fits = |at: &u64| {
        at.is_multiple_of(align_of::<T>() as u64)
            && *at >= data.start
            && at
                .checked_add(size_of::<T>() as u64)
                .is_some_and(|end| end <= data.end)
    };
    object
        .symbol(object.meta().str(symbol))
        .filter(fits)
        .ok_or(malformed(
            "the descriptor of a memory or table is not in the data",
        ))
}

/// The function of WASI that an import asks for.
fn wasi_function(symbol: &UndefinedSymbol<'_>, options: &LoadOptions) -> Option<u64> {
    let import = match symbol.kind {
        UndefinedKind::Import(import) if options.wasi => import,
        _ => return None,
    };
    let export = wasi::EXPORTS
        .iter()
        .find(|export| export.symbol == symbol.name)?;
    (import.kind() == Kind::Function).then(|| export.address.expose_provenance() as u64)
}

/// What an undefined symbol becomes, unless it is a function of WASI.
fn resolve<'a>(
    linker: &Linker<'_, 'a>,
    object: &Object<'a>,
    symbol: &UndefinedSymbol<'a>,
    bases: &[u64],
    options: &LoadOptions,
) -> Option<Resolution> {
    if let Some(address) = linker.resolve(symbol) {
        return Some(Resolution::Address(address));
    }
    let host = |list: &'static [wasm_aot_runtime::Export]| {
        let export = list.iter().find(|export| export.symbol == symbol.name)?;
        let address = export.address.expose_provenance() as u64;
        Some(Resolution::Address(address))
    };
    match symbol.kind {
        UndefinedKind::Runtime(_) => host(&wasm_aot_runtime::COMPILED),
        UndefinedKind::Import(import) if import.kind() == Kind::Function => {
            options.unknown_imports_trap.then_some(Resolution::Trap)
        }
        UndefinedKind::MemoryBase(record) => {
            let relocated =
                |record: &&MemoryRecord| record.flags.get() & entity::CONSTANT_BASE == 0;
            let mut all = own(object.meta()).filter(relocated);
            let position = all.position(|other| core::ptr::eq(other, record))?;
            bases.get(position).copied().map(Resolution::Address)
        }
        UndefinedKind::Import(_)
        | UndefinedKind::Tail(_)
        | UndefinedKind::Type(_)
        | UndefinedKind::Unknown => None,
    }
}
