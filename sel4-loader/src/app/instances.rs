// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The instances of an app: objects that are loaded into its address space and linked with each
//! other by the names under which they are registered.

use super::plan::{Growable, Origin, Plan};
use super::thunks::{self, Thunks};
use super::times::{Times, between};
use super::{AppError, lacking, serve};
use crate::executive::Clock;
use crate::memory::{Account, Memory, Object as Kernel, Owner};
use crate::runtime::Runtime;
use crate::vspace::{self, Access, PAGE};
use crate::window::{self, Peek};
use crate::{cpu, heap};
use alloc::vec::Vec;
use core::cell::RefCell;
use sel4_boot::space;
use wasm_aot_loader::cpu::check_cpu;
use wasm_aot_loader::instances::{Instance, Instances, Linker, export_source};
use wasm_aot_loader::link::LinkError;
use wasm_aot_loader::trap::Module;
use wasm_aot_loader::{LoadError, Object, Resolution, UndefinedKind, UndefinedSymbol};
use wasm_aot_object::descriptor::{MemoryDescriptor, TableDescriptor};
use wasm_aot_object::meta::{ExportRecord, ImportRecord, Kind, MemoryRecord, entity};
use wasm_aot_symbols::INSTANTIATE_SUFFIX;

/// The function that a library's user calls before any other ("WASI Application ABI").
const INITIALIZE: &str = "_initialize";

/// A loaded object.
struct Loaded<'a> {
    object: Object<'a>,
    address: u64,
    /// First of the frames of its image.
    frame: u64,
}

impl<'a> Loaded<'a> {
    fn instance(&self) -> Instance<'_, 'a> {
        Instance {
            object: &self.object,
            address: self.address,
        }
    }

    /// Offset of an address in the image.
    fn offset(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.address)?;
        (offset < self.object.layout().total).then_some(offset)
    }
}

/// What loading needs of the root task.
pub struct Tools<'t> {
    pub memory: &'t mut Memory,
    pub runtime: &'t Runtime,
    pub peek: &'t RefCell<Peek>,
    pub clock: Clock,
}

/// Everything that is loaded into an app's address space.
pub struct Space<'a> {
    account: Account,
    vspace: u64,
    loaded: Vec<Loaded<'a>>,
    /// Names, and which instance has each: the last one counts.
    names: Vec<(&'a str, usize)>,
    plan: Plan,
    next_image: u64,
    /// Images end here.
    end: u64,
    /// Imported functions that nobody provides trap when called.
    trapping: bool,
    /// What loading has taken.
    pub times: Times,
}

impl<'a> Space<'a> {
    /// An address space without objects, whose stack has `stack` bytes. With `lazy` the pages of
    /// memories become real when they are touched.
    pub fn new(account: Account, vspace: u64, stack: u64, (trapping, lazy): (bool, bool)) -> Self {
        let below_stack = space::STACK_TOP - stack - space::STACK_GUARD;
        Self {
            account,
            vspace,
            loaded: Vec::new(),
            names: Vec::new(),
            plan: Plan::new(lazy),
            next_image: space::OBJECT,
            end: below_stack.min(space::OBJECT_END),
            trapping,
            times: Times::default(),
        }
    }

    /// The object of an instance.
    pub fn object(&self, index: usize) -> Option<&Object<'a>> {
        self.loaded.get(index).map(|loaded| &loaded.object)
    }

    /// Addresses of what is called before the program: the functions `MODULE:instantiate`, and
    /// behind each the function by which a library begins, where it has one.
    pub fn beginnings(&self, peek: &RefCell<Peek>) -> impl Iterator<Item = u64> {
        (0..self.loaded.len()).flat_map(|index| {
            let own = self.instantiate_of(index);
            [own, self.initialize_of(peek, index)].into_iter().flatten()
        })
    }

    /// Address of an instance's function `_initialize`, if that has neither parameters nor
    /// results ("WASI Application ABI").
    fn initialize_of(&self, peek: &RefCell<Peek>, index: usize) -> Option<u64> {
        let meta = *self.object(index)?.meta();
        let export = meta.export(INITIALIZE);
        let export = export.filter(|e| e.kind() == Kind::Function)?;
        let kind = meta.types().get(export.index.get() as usize)?;
        (meta.str(kind.text) == "() -> ()").then(|| self.export(peek, index, export))?
    }

    /// The descriptor of the memory that an instance exports as `memory`: WASI works on it.
    pub fn exported_memory(&self, peek: &RefCell<Peek>, index: usize) -> Option<u64> {
        let meta = *self.object(index)?.meta();
        let export = meta.export("memory");
        self.export(peek, index, export.filter(|e| e.kind() == Kind::Memory)?)
    }

    /// Address of an instance's function `MODULE:instantiate`.
    pub fn instantiate_of(&self, index: usize) -> Option<u64> {
        let loaded = self.loaded.get(index)?;
        let mut definitions = loaded.object.definitions();
        let (_, definition) = definitions.find(|(name, _)| name.ends_with(INSTANTIATE_SUFFIX))?;
        Some(definition.address(loaded.address))
    }

    /// Address of a symbol that an instance defines.
    pub fn address(&self, index: usize, symbol: &str) -> Option<u64> {
        let loaded = self.loaded.get(index)?;
        let definition = loaded.object.definition(symbol)?;
        Some(definition.address(loaded.address))
    }

    /// What an export of an instance is, and where.
    pub fn export(&self, peek: &RefCell<Peek>, index: usize, export: &ExportRecord) -> Option<u64> {
        let view = View { space: self, peek };
        let instance = self.loaded.get(index)?.instance();
        export_source(&view, instance, export).map(|source| source.address)
    }

    /// Makes an instance's exports known under a name.
    pub fn register(&mut self, index: usize, name: &'a str) -> Result<(), AppError<'a>> {
        Ok(heap::push(&mut self.names, (name, index))?)
    }

    /// The object around an address, for a backtrace.
    pub fn module(&self, address: u64) -> Option<Module<'a>> {
        let loaded = self.around(address)?;
        Some(loaded.object.module(loaded.address))
    }

    /// The import that an address stands in for: one that nobody provides.
    pub fn stub(&self, address: u64) -> Option<(&Object<'a>, &'a ImportRecord)> {
        let loaded = self.around(address)?;
        let import = loaded.object.stub(loaded.offset(address)?)?;
        Some((&loaded.object, import))
    }

    /// Reads bytes of an image; says whether it could.
    pub fn read(&self, peek: &RefCell<Peek>, address: u64, bytes: &mut [u8]) -> bool {
        let at = self.around(address);
        let at = at.and_then(|loaded| Some((loaded, loaded.offset(address)?)));
        let Some((loaded, offset)) = at else {
            return false;
        };
        let Ok(mut peek) = peek.try_borrow_mut() else {
            return false;
        };
        let mut place = |(byte, at): (&mut u8, u64)| {
            if at >= loaded.object.layout().total {
                return None;
            }
            *byte = peek.byte(loaded.frame + at / PAGE, at % PAGE)?;
            Some(())
        };
        bytes
            .iter_mut()
            .zip(offset..)
            .all(|item| place(item).is_some())
    }

    /// The region in which an app may grow this range.
    pub fn region(&mut self, address: u64, end: u64) -> Option<&mut Growable> {
        let mut regions = self.plan.since_mut(0).iter_mut();
        regions.find(|r| address >= r.base && end <= r.base + r.limit)
    }

    /// Places the heap, once; gives its bytes. See [`Plan::heap`].
    pub fn heap(&mut self, least: u64) -> Result<u64, AppError<'a>> {
        self.plan.heap(least)
    }

    /// Places what the app's files take, once; gives the bytes. See [`Plan::files`].
    pub fn files(&mut self, budget: u64) -> Result<u64, AppError<'a>> {
        self.plan.files(budget)
    }

    /// Who has what is in it.
    pub fn owner(&self) -> Owner {
        Owner::App(self.account)
    }

    /// Maps all regions up to their limits, if the app may have that much; tells whether it did.
    /// But for memories: code relies on faults behind what they have, so they grow only by request.
    pub fn map_all(&mut self, memory: &mut Memory) -> Result<bool, AppError<'a>> {
        let (owner, vspace) = (self.owner(), self.vspace);
        let budget = memory.budget(self.account);
        let regions = self.plan.since_mut(0);
        let fixed = |r: &&mut Growable| !matches!(r.origin, Origin::Memory(_));
        let missing = |r: &mut Growable| r.limit.saturating_sub(r.mapped);
        let total = regions.iter_mut().filter(fixed).map(missing);
        if total.fold(0, u64::saturating_add) > budget {
            return Ok(false);
        }
        for region in regions.iter_mut().filter(fixed) {
            let end = region.base + region.limit;
            serve::extend(memory, owner, vspace, region, end).map_err(lacking("its memory"))?;
        }
        Ok(true)
    }

    /// Makes the page around an address real, if it is one that becomes so when it is touched; tells
    /// whether it is real now.
    pub fn touch(&mut self, memory: &mut Memory, address: u64) -> bool {
        let (owner, vspace) = (self.owner(), self.vspace);
        let mut regions = self.plan.since(0).iter();
        let is_around = |region: &&Growable| {
            let offset = address.checked_sub(region.base);
            let end = region.touchable.unwrap_or(0);
            offset.is_some_and(|offset| offset < end)
        };
        if regions.find(is_around).is_none() {
            return false;
        }
        let page = address - address % PAGE;
        let access = Access::ReadWrite;
        let made = memory.object(owner, Kernel::Frame);
        made.and_then(|frame| vspace::map(memory, owner, vspace, frame, page, access))
            .is_ok()
    }

    /// Its address space.
    pub fn vspace(&self) -> u64 {
        self.vspace
    }

    fn around(&self, address: u64) -> Option<&Loaded<'a>> {
        // Images are placed upwards.
        let after = self.loaded.partition_point(|l| l.address <= address);
        let loaded = self.loaded.get(after.checked_sub(1)?)?;
        loaded.offset(address).map(|_| loaded)
    }

    /// Loads an object and links it with what is there; gives the index of the instance.
    pub fn load(
        &mut self,
        tools: &mut Tools<'_>,
        object: Object<'a>,
    ) -> Result<usize, AppError<'a>> {
        let clock = tools.clock;
        let begun = clock.now();
        check_cpu(object.meta(), &cpu::has).map_err(|error| match error {
            LoadError::Cpu { feature } if cpu::kernel_lacks(feature) => AppError::Vector(feature),
            other => other.into(),
        })?;
        self.check_imports(tools, &object)?;
        let (address, room) = (self.next_image, self.end.saturating_sub(self.next_image));
        let total = object.layout().total + thunks::size(&object, tools.runtime);
        if total > room {
            return Err(AppError::TooLarge("the object's image", total, room));
        }
        heap::reserve(&mut self.loaded, 1)?;
        let first = self.plan.add(&object, tools.memory.budget(self.account))?;
        let parsed = clock.now();
        let (frame, copy_ns) = self.image(tools, &object, address, first)?;
        self.next_image = address + total;
        let owner = self.owner();
        let eager = |region: &&mut Growable| region.touchable.is_none();
        for region in self.plan.since_mut(first).iter_mut().filter(eager) {
            let initial = region.base + region.initial;
            serve::extend(tools.memory, owner, self.vspace, region, initial)
                .map_err(lacking("its initial memory"))?;
        }
        let times = &mut self.times;
        times.parse_ns += between(begun..parsed);
        times.copy_ns += copy_ns;
        times.map_ns += between(parsed..clock.now()).saturating_sub(copy_ns);
        self.loaded.push(Loaded {
            object,
            address,
            frame,
        });
        Ok(self.loaded.len() - 1)
    }

    fn check_imports(&self, tools: &Tools<'_>, object: &Object<'a>) -> Result<(), AppError<'a>> {
        let view = View {
            space: self,
            peek: tools.peek,
        };
        let linker = Linker::new(object, &view);
        linker.check(&mut |import, source| {
            let meta = object.meta();
            if source.is_some() || import.kind() != Kind::Function {
                return Ok(());
            }
            let kind = meta.types().get(import.index.get() as usize);
            let wanted = kind.map_or("", |kind| meta.str(kind.text));
            if tools.runtime.fits(meta.str(import.symbol), wanted) {
                return Ok(());
            }
            Err(linker.misfit(import, LinkError::Host { wanted }))
        })?;
        Ok(())
    }

    /// Writes an image into frames and maps them; gives the first frame, and what the writing took
    /// in nanoseconds.
    fn image(
        &self,
        tools: &mut Tools<'_>,
        object: &Object<'a>,
        address: u64,
        first: usize,
    ) -> Result<(u64, u64), AppError<'a>> {
        let what = "the object's image";
        let layout = object.layout().clone();
        let thunks = thunks::size(object, tools.runtime);
        let pages = layout.total.div_ceil(PAGE) + thunks / PAGE;
        let frames = tools
            .memory
            .objects(self.owner(), Kernel::Frame, pages)
            .map_err(lacking(what))?;
        let regions = self.plan.since(first);
        let view = View {
            space: self,
            peek: tools.peek,
        };
        let linker = Linker::new(object, &view);
        let runtime = tools.runtime;
        let memory = own_memory(object, address, &linker).unwrap_or(0);
        let clock = tools.clock;
        let begun = clock.now();
        let filled = window::fill(tools.memory, self.owner(), frames, pages, |image| {
            let (image, code) = image.split_at_mut(layout.total as usize);
            let at = address + layout.total;
            let mut thunks = Thunks::new(code, at, runtime.caller(), memory);
            object.load(image, address, &mut |symbol| {
                let found = self.resolve(&linker, runtime, regions, object, symbol)?;
                match found {
                    Resolution::Address(function)
                        if thunks::wants(symbol, runtime) && linker.resolve(symbol).is_none() =>
                    {
                        thunks.to(function).map(Resolution::Address)
                    }
                    other => Some(other),
                }
            })?;
            regions
                .iter()
                .try_for_each(|region| describe(object, image, region))
        });
        filled.map_err(lacking(what))??;
        let copy_ns = between(begun..clock.now());
        for (range, access) in [
            (layout.text, Access::ReadOnly),
            (layout.read_only, Access::ReadOnly),
            (layout.read_write, Access::ReadWrite),
            (layout.total..layout.total + thunks, Access::ReadOnly),
        ] {
            let frame = frames + range.start / PAGE;
            let (count, at) = ((range.end - range.start) / PAGE, address + range.start);
            vspace::map_range(
                tools.memory,
                self.owner(),
                self.vspace,
                frame,
                count,
                at,
                access,
            )
            .map_err(lacking(what))?;
        }
        Ok((frames, copy_ns))
    }

    fn resolve(
        &self,
        linker: &Linker<'_, 'a>,
        runtime: &Runtime,
        regions: &[Growable],
        object: &Object<'a>,
        symbol: &UndefinedSymbol<'a>,
    ) -> Option<Resolution> {
        if let Some(address) = linker.resolve(symbol) {
            return Some(Resolution::Address(address));
        }
        let address = match symbol.kind {
            UndefinedKind::MemoryBase(record) => base(object, regions, record),
            UndefinedKind::Import(import) if import.kind() == Kind::Function => {
                match runtime.export(symbol.name) {
                    None if self.trapping => return Some(Resolution::Trap),
                    address => address,
                }
            }
            UndefinedKind::Runtime(_) => runtime.export(symbol.name),
            // Host functions have no entry for tail calls and no type with a supertype.
            UndefinedKind::Tail(_) | UndefinedKind::Type(_) => Some(0),
            UndefinedKind::Import(_) | UndefinedKind::Unknown => None,
        };
        address.map(Resolution::Address)
    }
}

/// The descriptor of the memory that an object which is being loaded exports as `memory`: its own,
/// or an imported one.
fn own_memory(object: &Object<'_>, address: u64, linker: &Linker<'_, '_>) -> Option<u64> {
    let meta = object.meta();
    let export = meta.export("memory").filter(|e| e.kind() == Kind::Memory)?;
    let symbol = meta.str(export.symbol);
    if let Some(offset) = object.symbol(symbol) {
        return Some(address + offset);
    }
    let same =
        |import: &&ImportRecord| import.kind() == Kind::Memory && meta.str(import.symbol) == symbol;
    let import = meta.imports().iter().find(same)?;
    Some(linker.source(import)?.address)
}

/// Base of a memory that an object defines.
fn base(object: &Object<'_>, regions: &[Growable], record: &MemoryRecord) -> Option<u64> {
    let mut memories = object.meta().memories().iter();
    let index = memories.position(|m| core::ptr::eq(m, record))?;
    let origin = Origin::Memory(index);
    let region = regions.iter().find(|region| region.origin == origin)?;
    (record.flags.get() & entity::IMPORTED == 0).then_some(region.base)
}

/// Writes where a memory or table is, and how large it may become, into its descriptor in the
/// image.
fn describe<'a>(
    object: &Object<'a>,
    image: &mut [u8],
    region: &Growable,
) -> Result<(), AppError<'a>> {
    let meta = object.meta();
    let (symbol, base_at, maximum_at, unit) = match region.origin {
        Origin::Memory(index) => (
            meta.memories().get(index).map(|m| m.symbol),
            core::mem::offset_of!(MemoryDescriptor, base),
            core::mem::offset_of!(MemoryDescriptor, max_byte_length),
            1,
        ),
        Origin::Table(index) => (
            meta.tables().get(index).map(|t| t.symbol),
            core::mem::offset_of!(TableDescriptor, base),
            core::mem::offset_of!(TableDescriptor, max_length),
            8,
        ),
        Origin::Heap | Origin::Files => return Ok(()),
    };
    let missing = AppError::Place("the descriptor of a memory or table is not in the object");
    let offset = symbol
        .and_then(|symbol| object.symbol(meta.str(symbol)))
        .ok_or(missing)? as usize;
    let mut word = |at: usize, change: &dyn Fn(u64) -> u64| {
        let bytes = image.get_mut(offset + at..)?.first_chunk_mut::<8>()?;
        *bytes = change(u64::from_le_bytes(*bytes)).to_le_bytes();
        Some(())
    };
    word(base_at, &|_| region.base).ok_or(missing)?;
    word(maximum_at, &|maximum| maximum.min(region.limit / unit)).ok_or(missing)
}

/// The instances as the linker sees them.
struct View<'v, 'a> {
    space: &'v Space<'a>,
    peek: &'v RefCell<Peek>,
}

impl<'a> Instances<'a> for View<'_, 'a> {
    fn registered(&self, module: &str) -> Option<Instance<'_, 'a>> {
        let mut names = self.space.names.iter().rev();
        let (_, index) = names.find(|(name, _)| *name == module)?;
        self.space.loaded.get(*index).map(Loaded::instance)
    }

    fn get(&self, number: usize) -> Option<Instance<'_, 'a>> {
        self.space.loaded.get(number).map(Loaded::instance)
    }

    fn around(&self, address: u64) -> Option<Instance<'_, 'a>> {
        self.space.around(address).map(Loaded::instance)
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        self.space.read(self.peek, address, bytes)
    }
}
