// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The instances of a process: loading, linking by name, running.
//!
//! An object is *loaded* under no name; [`World::register`] gives it the module name under which
//! objects that are loaded later import from it. Loading links; [`World::instantiate`] runs the
//! instance's initialisation, once. A failed one leaves the instance as far as it came, as
//! WebAssembly wants it.
//!
//! # Memories at constant addresses
//!
//! Several instances may have a memory at the same constant address, as long as no code of one
//! can run while another's is needed: the memories are moved in and out of place when an instance
//! is invoked ([`places`]). Instances that call each other and both have such a memory are
//! refused; build one of them with `--memory-base relocate`. (An imported memory is always found
//! by relocation.)
//!
//! Each thread that runs compiled code has a world of its own ([`World::fork`]).

mod bound;
mod error;
mod load;
mod places;
mod threads;
mod thunks;

pub use bound::StackCheck;
pub use error::Error;
pub use load::LoadOptions;

use crate::list::List;
use crate::map;
use crate::platform::{Claim, HeapOptions, Program};
use crate::run::{self, Code, StackArea, Stopped};
use places::Places;
use wasm_aot_loader::Object;
use wasm_aot_loader::instances::{Instance, Instances, Source, export_source};
use wasm_aot_loader::trap::Module;
use wasm_aot_object::descriptor::TYPE_KIND_OFFSET;
use wasm_aot_object::meta::{Kind, Meta};
use wasm_aot_object::signature::Signature;
use wasm_aot_symbols::INSTANTIATE_SUFFIX;

/// The most instances of a world. Each takes at least five mappings, of which Linux gives a
/// process 65 530 unless told otherwise (`vm.max_map_count`).
pub const MAX_INSTANCES: usize = 1 << 14;

/// How a world is made.
#[derive(Clone, Copy, Debug)]
pub struct WorldOptions {
    /// Bytes of the stack on which compiled code runs.
    pub stack_bytes: u64,
    /// The heap of structures, arrays and exceptions.
    pub heap: HeapOptions,
    /// Whether calls are compared with the bounds that their objects have for the stack.
    pub check_stack: StackCheck,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            stack_bytes: 1 << 20,
            heap: HeapOptions::default(),
            check_stack: StackCheck::Off,
        }
    }
}

/// An instance of a world.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct InstanceId(u32);

impl InstanceId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// An exported function, found once and called often.
#[derive(Clone, Copy, Debug)]
pub struct Function<'a> {
    instance: InstanceId,
    callee: u64,
    trampoline: u64,
    signature: Signature<'a>,
}

impl<'a> Function<'a> {
    /// Its parameters and results.
    #[must_use]
    pub fn signature(&self) -> Signature<'a> {
        self.signature
    }
}

/// A loaded object.
struct Loaded<'a> {
    object: Object<'a>,
    /// Of the image.
    address: u64,
    /// What functions outside it take of the stack, where that is compared and has a bound.
    outside: Option<u64>,
}

/// A range of address space that belongs to the world.
#[derive(Clone, Copy)]
struct Region {
    address: u64,
    bytes: u64,
}

/// The instances of this process. There is one world at a time.
pub struct World<'a> {
    /// `None` in a world for another thread.
    claim: Option<Claim>,
    stack: StackArea,
    check: StackCheck,
    /// Instances that came with [`World::fork`].
    shared: usize,
    instances: List<Loaded<'a>>,
    /// Positions in `instances`, by ascending address of the image.
    order: List<u32>,
    /// Names and who has them; the last of a name counts.
    names: List<(&'a str, InstanceId)>,
    places: Places,
    regions: List<Region>,
}

impl<'a> World<'a> {
    /// An empty world.
    ///
    /// # Errors
    /// Where the process has one already, or has no memory for the stack.
    pub fn new(options: &WorldOptions) -> Result<Self, Error<'a>> {
        let mut claim = Claim::take().ok_or(Error::Taken)?;
        claim.heap(options.heap);
        Ok(Self {
            claim: Some(claim),
            stack: stack(options)?,
            check: options.check_stack,
            shared: 0,
            instances: List::new(),
            order: List::new(),
            names: List::new(),
            places: Places::new(),
            regions: List::new(),
        })
    }

    /// Gives an instance the name under which others import from it. A name can be given again.
    ///
    /// # Errors
    /// Where there is no memory.
    pub fn register(&mut self, name: &'a str, id: InstanceId) -> Result<(), Error<'a>> {
        self.names.push((name, id)).map_err(Error::lists)
    }

    /// The instance that has this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<InstanceId> {
        let named = self.names.iter().rev().find(|(n, _)| *n == name);
        named.map(|(_, id)| *id)
    }

    /// The metadata of an instance.
    #[must_use]
    pub fn meta(&self, id: InstanceId) -> &Meta<'a> {
        self.instances[id.index()].object.meta()
    }

    /// Gives the program its arguments, its environment, its directories. Everything that an
    /// earlier program had open is closed. In a world for another thread it does nothing.
    pub fn begin(&mut self, program: &'a dyn Program) {
        if let Some(claim) = &mut self.claim {
            // SAFETY: nothing runs, since this world is exclusively borrowed. An instance's thunks
            // say which memory is used; before, there is none.
            unsafe { claim.begin(program, core::ptr::null()) };
        }
    }

    /// Initialises an instance: globals, segments, the start function.
    ///
    /// # Errors
    /// Where it traps or exits.
    pub fn instantiate(&mut self, id: InstanceId) -> Result<(), Stopped<'a>> {
        let loaded = &self.instances[id.index()];
        // A colon is in no other name of this end.
        let instantiate = loaded
            .object
            .definitions()
            .find(|(name, _)| name.ends_with(INSTANTIATE_SUFFIX))
            .map(|(_, definition)| definition.address(loaded.address));
        match instantiate {
            Some(function) => self.enter(id, function, [0, 0]),
            None => Ok(()),
        }
    }

    /// An exported function.
    ///
    /// # Errors
    /// Where the instance exports none of this name.
    pub fn function(&self, id: InstanceId, export: &'a str) -> Result<Function<'a>, Error<'a>> {
        let loaded = &self.instances[id.index()];
        let meta = loaded.object.meta();
        let missing = Error::Export {
            module: meta.module_name(),
            name: export,
            kind: Kind::Function,
        };
        let record = meta.export(export);
        let record = record
            .filter(|e| e.kind() == Kind::Function)
            .ok_or(missing)?;
        let source = self.export(id, export, Kind::Function).ok_or(missing)?;
        let kind = meta.types().get(record.index.get() as usize);
        let kind = kind.ok_or(missing)?;
        let trampoline = loaded.object.definition(meta.str(kind.trampoline));
        let trampoline = trampoline.ok_or(missing)?.address(loaded.address);
        Ok(Function {
            instance: id,
            callee: source.address,
            trampoline,
            signature: Signature::parse(meta.str(kind.text)).ok_or(missing)?,
        })
    }

    /// Calls a function: the slots hold the arguments, then the results, 16 bytes each with the
    /// low ones first.
    ///
    /// # Errors
    /// Where it does not return.
    ///
    /// # Panics
    /// Where there are fewer than [`Signature::slots`] slots.
    pub fn call(
        &mut self,
        function: &Function<'a>,
        slots: &mut [[u64; 2]],
    ) -> Result<(), Stopped<'a>> {
        assert!(slots.len() >= function.signature.slots(), "too few slots");
        let arguments = [
            function.callee,
            slots.as_mut_ptr().expose_provenance() as u64,
        ];
        self.enter(function.instance, function.trampoline, arguments)
    }

    /// The value of an exported global.
    #[must_use]
    pub fn global(&self, id: InstanceId, export: &str) -> Option<[u64; 2]> {
        let source = self.export(id, export, Kind::Global)?;
        let mut words = [[0; 8]; 2];
        self.read(source.address, words.as_flattened_mut())
            .then(|| words.map(u64::from_le_bytes))
    }

    /// What a reference to the heap refers to, one of `wasm_aot_object::descriptor::object_kind`;
    /// `None` where it is no such reference.
    #[must_use]
    pub fn object_kind(&self, reference: u64) -> Option<u32> {
        let mut kind = [0; 4];
        let claim = self.claim.as_ref()?;
        let descriptor = claim.object_descriptor(reference)?;
        let at = descriptor.checked_add(TYPE_KIND_OFFSET as u64)?;
        self.read(at, &mut kind).then(|| u32::from_le_bytes(kind))
    }

    /// What an instance exports under a name, where it is of this kind.
    #[must_use]
    pub fn export(&self, id: InstanceId, name: &str, kind: Kind) -> Option<Source<'_, 'a>> {
        let instance = self.instance(id.index());
        let export = instance.object.meta().export(name)?;
        (export.kind() == kind).then(|| export_source(self, instance, export))?
    }

    fn instance(&self, index: usize) -> Instance<'_, 'a> {
        let Loaded {
            object, address, ..
        } = &self.instances[index];
        Instance {
            object,
            address: *address,
        }
    }

    /// The position of the instance in whose image an address is.
    fn position(&self, address: u64) -> Option<usize> {
        let start = |&index: &u32| self.instances[index as usize].address;
        let after = self.order.partition_point(|index| start(index) <= address);
        let index = self.order[after.checked_sub(1)?] as usize;
        let loaded = &self.instances[index];
        (address - loaded.address < loaded.object.layout().total).then_some(index)
    }

    fn enter(
        &mut self,
        id: InstanceId,
        function: u64,
        arguments: [u64; 2],
    ) -> Result<(), Stopped<'a>> {
        // SAFETY: the world is exclusively borrowed: nothing runs, and nobody holds a reference
        // into a memory.
        unsafe { self.places.bring(id.0) }.map_err(Stopped::Lacking)?;
        let [callee, _] = arguments;
        let expected = self.expect(id, function, callee);
        let Self {
            stack,
            instances,
            order,
            ..
        } = self;
        let text = Text { instances, order };
        // SAFETY: the address is that of a trampoline or of an initialisation in a loaded object,
        // which take these arguments.
        let result = unsafe { run::call(&text, stack, function, arguments) };
        if let Some(expected) = expected {
            self.compare(&expected)?;
        }
        result
    }
}

impl<'a> Instances<'a> for World<'a> {
    fn registered(&self, module: &str) -> Option<Instance<'_, 'a>> {
        Some(self.instance(self.find(module)?.index()))
    }

    fn get(&self, number: usize) -> Option<Instance<'_, 'a>> {
        (number < self.instances.len()).then(|| self.instance(number))
    }

    fn around(&self, address: u64) -> Option<Instance<'_, 'a>> {
        Some(self.instance(self.position(address)?))
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let Some(index) = self.position(address) else {
            return false;
        };
        let loaded = &self.instances[index];
        let rest = loaded.object.layout().total - (address - loaded.address);
        if bytes.len() as u64 > rest {
            return false;
        }
        let from: *const u8 = core::ptr::with_exposed_provenance(address as usize);
        // SAFETY: inside a loaded image, all of which can be read. Where other threads run, the
        // length of a shared memory may change meanwhile: either value is right.
        unsafe { from.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        true
    }
}

/// The stack of a world.
fn stack<'a>(options: &WorldOptions) -> Result<StackArea, Error<'a>> {
    StackArea::new(options.stack_bytes).map_err(|errno| Error::Map {
        what: "the stack",
        address: 0,
        bytes: options.stack_bytes,
        errno,
    })
}

/// What a fault is looked up in, apart from the stack that is in use meanwhile.
struct Text<'w, 'a> {
    instances: &'w [Loaded<'a>],
    order: &'w [u32],
}

impl<'a> Text<'_, 'a> {
    fn loaded(&self, address: u64) -> Option<&Loaded<'a>> {
        let start = |&index: &u32| self.instances[index as usize].address;
        let after = self.order.partition_point(|index| start(index) <= address);
        let index = *self.order.get(after.checked_sub(1)?)?;
        self.instances.get(index as usize)
    }
}

impl<'a> Code<'a> for Text<'_, 'a> {
    fn module(&self, address: u64) -> Option<Module<'a>> {
        let loaded = self.loaded(address)?;
        let module = loaded.object.module(loaded.address);
        module.offset(address).map(|_| module)
    }

    fn unknown_import(&self, address: u64) -> Option<(&'a str, &'a str)> {
        let loaded = self.loaded(address)?;
        let offset = address - loaded.address;
        if !loaded.object.layout().veneers.contains(&offset) {
            return None;
        }
        let import = loaded.object.stub(offset)?;
        let meta = loaded.object.meta();
        Some((meta.str(import.module), meta.str(import.name)))
    }
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        if self.places.is_frozen() {
            // Worlds of other threads have not come back: what is here may be in use for good.
            core::mem::forget(self.claim.take());
            return;
        }
        for region in self.regions.iter() {
            // SAFETY: the regions are the world's, and nothing runs any more.
            unsafe { map::release(region.address, region.bytes) };
        }
    }
}

#[cfg(test)]
mod tests;
