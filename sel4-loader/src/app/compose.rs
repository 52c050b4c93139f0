// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Makes an app out of an object: address space, capabilities, thread. In the order of the steps
//! here; a failed step leaves everything to be revoked.

use super::plan::{Growable, Origin, Plan};
use super::{AppError, Borrowed, Running, Stack, serve};
use crate::memory::{DEPTH, Memory, MemoryError, Object as Kernel, Owner, ROOT};
use crate::vspace::{self, Access, PAGE};
use crate::{Loader, cpu, window};
use sel4::{badge, guard, message, rights, sys};
use sel4_boot::bundle::{App, app_flags};
use sel4_boot::startup::{self, Page};
use sel4_boot::{service, space};
use wasm_aot_loader::cpu::check_cpu;
use wasm_aot_loader::{LoadError, Object, Resolution, UndefinedKind};
use wasm_aot_object::descriptor::{MemoryDescriptor, TableDescriptor};
use wasm_aot_object::meta::{Kind, Meta};
use wasm_aot_symbols::INSTANTIATE_SUFFIX;

/// Priority of apps. The root task has the highest, so it always answers at once.
const PRIORITY: u8 = 100;
/// Bytes of a stack where the bundle does not say.
const DEFAULT_STACK: u64 = 1 << 20;

/// Badges of an app's two capabilities for the root task's endpoint.
pub const SERVICE_BADGE: u64 = 1;
pub const FAULT_BADGE: u64 = 2;

/// Names what memory was wanted for.
fn lacking<'a>(what: &'static str) -> impl Fn(MemoryError) -> AppError<'a> {
    move |error| AppError::Memory(what, error)
}

/// Makes the app and starts its thread.
pub fn compose<'a>(
    loader: &mut Loader,
    app: &App<'a>,
    index: u16,
    borrowed: &mut Borrowed,
) -> Result<Running<'a>, AppError<'a>> {
    let object = Object::parse(app.object)?;
    check_features(object.meta())?;
    check_imports(loader, object.meta())?;
    let memory = &mut loader.memory;
    let vspace = memory
        .object(Owner::App, Kernel::VSpace)
        .and_then(|vspace| {
            sys::seL4_X86_ASIDPool_Assign(sys::seL4_CapInitThreadASIDPool, vspace)?;
            Ok(vspace)
        })
        .map_err(lacking("its address space"))?;
    let runtime = &loader.runtime;
    let copies = runtime.copies(memory).map_err(lacking("the app runtime"))?;
    // Noted before the first is made: whatever fails from here on, they are deleted.
    let copies = borrowed.copies.insert(copies);
    runtime
        .map(memory, vspace, copies)
        .map_err(lacking("the app runtime"))?;

    let plan = Plan::new(&object, memory.app_budget())?;
    let stack_size = match app.stack_size {
        0 => DEFAULT_STACK,
        bytes if bytes <= space::STACK_LIMIT => bytes.next_multiple_of(PAGE),
        bytes => return Err(AppError::TooLarge("its stack", bytes, space::STACK_LIMIT)),
    };
    load(loader, &object, app, &plan, vspace, stack_size)?;
    let memory = &mut loader.memory;
    let mut regions = plan.regions;
    for region in regions.iter_mut().flatten() {
        let initial = region.base + region.initial;
        serve::extend(memory, vspace, region, initial).map_err(lacking("its initial memory"))?;
    }
    let stack = stack(memory, vspace, stack_size).map_err(lacking("its stack"))?;
    start_pages(loader, &object, app, vspace)?;
    let tcb = thread(loader, vspace).map_err(lacking("its thread"))?;
    Ok(Running {
        index,
        tcb,
        vspace,
        module: object.module(space::OBJECT),
        object,
        stack,
        regions,
    })
}

fn check_features<'a>(meta: &Meta<'a>) -> Result<(), AppError<'a>> {
    check_cpu(meta, &cpu::has).map_err(|error| match error {
        LoadError::Cpu { feature } if cpu::kernel_lacks(feature) => AppError::Vector(feature),
        other => other.into(),
    })
}

/// Checks the types of the host functions that the object imports.
fn check_imports<'a>(loader: &Loader, meta: &Meta<'a>) -> Result<(), AppError<'a>> {
    let functions = meta.imports().iter().filter(|i| i.kind() == Kind::Function);
    for import in functions {
        let symbol = meta.str(import.symbol);
        let kind = meta.types().get(import.index.get() as usize);
        let kind = kind.map_or("", |kind| meta.str(kind.text));
        if !loader.runtime.fits(symbol, kind) {
            return Err(AppError::ImportType(symbol, kind));
        }
    }
    Ok(())
}

/// Address of a symbol that the object defines.
fn address(object: &Object<'_>, symbol: &str) -> Option<u64> {
    let definition = object.definition(symbol)?;
    Some(definition.address(space::OBJECT))
}

/// Loads the object into frames and maps them.
fn load<'a>(
    loader: &mut Loader,
    object: &Object<'a>,
    app: &App<'a>,
    plan: &Plan,
    vspace: u64,
    stack_size: u64,
) -> Result<(), AppError<'a>> {
    let layout = object.layout().clone();
    let end = (space::STACK_TOP - stack_size - space::STACK_GUARD).min(space::OBJECT_END);
    let room = end - space::OBJECT;
    if layout.total > room {
        return Err(AppError::TooLarge("the object's image", layout.total, room));
    }
    let pages = layout.total.div_ceil(PAGE);
    let (memory, runtime) = (&mut loader.memory, &loader.runtime);
    let frames = memory
        .objects(Owner::App, Kernel::Frame, pages)
        .map_err(lacking("the object's image"))?;
    let trapping = app.flags & app_flags::UNKNOWN_IMPORTS_TRAP != 0;
    let filled = window::fill(memory, Owner::App, frames, pages, |image| {
        object.load(image, space::OBJECT, &mut |symbol| {
            let address = match symbol.kind {
                UndefinedKind::MemoryBase(record) => {
                    let memories = object.meta().memories().iter();
                    let index = memories
                        .enumerate()
                        .find(|(_, m)| core::ptr::eq(*m, record))?
                        .0;
                    plan.of(Origin::Memory(index)).map(|region| region.base)
                }
                UndefinedKind::Import(import) if import.kind() == Kind::Function => {
                    match runtime.export(symbol.name) {
                        None if trapping => return Some(Resolution::Trap),
                        address => address,
                    }
                }
                UndefinedKind::Runtime(_) => runtime.export(symbol.name),
                UndefinedKind::Import(_) | UndefinedKind::Tail(_) | UndefinedKind::Unknown => None,
            };
            address.map(Resolution::Address)
        })?;
        for region in plan.regions.iter().flatten() {
            describe(object, image, region)?;
        }
        Ok::<(), AppError<'a>>(())
    });
    filled.map_err(lacking("the object's image"))??;
    for (range, access) in [
        (layout.text, Access::ReadOnly),
        (layout.read_only, Access::ReadOnly),
        (layout.read_write, Access::ReadWrite),
    ] {
        let first = frames + range.start / PAGE;
        let (count, at) = (
            (range.end - range.start) / PAGE,
            space::OBJECT + range.start,
        );
        vspace::map_range(memory, vspace, first, count, at, access)
            .map_err(lacking("the object's image"))?;
    }
    Ok(())
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

fn stack(memory: &mut Memory, vspace: u64, size: u64) -> Result<Stack, MemoryError> {
    let (bottom, pages) = (space::STACK_TOP - size, size / PAGE);
    let first_frame = memory.objects(Owner::App, Kernel::Frame, pages)?;
    vspace::map_range(
        memory,
        vspace,
        first_frame,
        pages,
        bottom,
        Access::ReadWrite,
    )?;
    Ok(Stack {
        bottom,
        first_frame,
    })
}

/// The start-up page and its strings.
fn start_pages<'a>(
    loader: &mut Loader,
    object: &Object<'a>,
    app: &App<'a>,
    vspace: u64,
) -> Result<(), AppError<'a>> {
    let meta = object.meta();
    let invoked = app.flags & app_flags::INVOKE != 0;
    let mut page = Page {
        tsc_hz: loader.start.tsc_hz,
        tsc_start: loader.start.tsc,
        epoch_ns: loader.start.epoch_ns,
        flags: if cpu::has_rdrand() {
            startup::flags::RDRAND
        } else {
            0
        },
        ..Page::default()
    };
    let mut definitions = object.definitions();
    let instantiate = definitions.find(|(name, _)| name.ends_with(INSTANTIATE_SUFFIX));
    page.instantiate = instantiate.map_or(0, |(_, d)| d.address(space::OBJECT));
    let exported = meta.export("memory").filter(|e| e.kind() == Kind::Memory);
    let memory = exported.map_or(0, |export| export.index.get() as usize);
    if let Some(record) = meta.memories().get(memory) {
        page.memory = address(object, meta.str(record.symbol)).unwrap_or(0);
    }
    let mut signature = "";
    let export = meta
        .export(app.invoke)
        .filter(|e| e.kind() == Kind::Function);
    if let Some(export) = export {
        page.callee =
            address(object, meta.str(export.symbol)).ok_or(AppError::NoExport(app.invoke))?;
        let kind = meta.types().get(export.index.get() as usize);
        let text = kind.map_or("", |kind| meta.str(kind.text));
        if invoked || text != "() -> ()" {
            let trampoline = kind.and_then(|kind| address(object, meta.str(kind.trampoline)));
            page.trampoline = trampoline.ok_or(AppError::NoTrampoline(app.invoke))?;
            signature = text;
        }
    } else if invoked {
        return Err(AppError::NoExport(app.invoke));
    }
    if invoked {
        page.flags |= startup::flags::INVOKE;
    }

    let bytes = startup::size(app.args, app.env, signature) as u64;
    let room = space::STARTUP_END - space::STARTUP;
    let too_large = AppError::TooLarge("arguments and environment", bytes, room);
    if bytes > room {
        return Err(too_large);
    }
    let pages = bytes.div_ceil(PAGE);
    let memory = &mut loader.memory;
    let what = "its arguments and environment";
    let frames = memory
        .objects(Owner::App, Kernel::Frame, pages)
        .map_err(lacking(what))?;
    window::fill(memory, Owner::App, frames, pages, |out| {
        startup::write(page, app.args, app.env, signature, out)
    })
    .map_err(lacking(what))?
    .ok_or(too_large)?;
    let access = Access::ReadOnly;
    vspace::map_range(memory, vspace, frames, pages, space::STARTUP, access).map_err(lacking(what))
}

/// The CSpace with what an app may do, the IPC buffer, the thread. Starts it.
fn thread(loader: &mut Loader, vspace: u64) -> Result<u64, MemoryError> {
    let memory = &mut loader.memory;
    let cspace = memory.object(Owner::App, Kernel::CNode(service::CSPACE_BITS))?;
    for (slot, mark) in [
        (service::ENDPOINT, SERVICE_BADGE),
        (service::FAULT_ENDPOINT, FAULT_BADGE),
    ] {
        let endpoint = loader.endpoint;
        sys::seL4_CNode_Mint(
            cspace,
            slot,
            service::CSPACE_BITS,
            ROOT,
            endpoint,
            DEPTH,
            rights::CALL,
            badge(mark),
        )?;
    }
    let buffer = memory.object(Owner::App, Kernel::Frame)?;
    let access = Access::ReadWrite;
    vspace::map(
        memory,
        Owner::App,
        vspace,
        buffer,
        space::IPC_BUFFER,
        access,
    )?;
    let tcb = memory.object(Owner::App, Kernel::Tcb)?;
    sys::seL4_TCB_Configure(
        tcb,
        service::FAULT_ENDPOINT,
        message::priority(PRIORITY, 0),
        cspace,
        guard(DEPTH - service::CSPACE_BITS),
        vspace,
        0,
        space::IPC_BUFFER,
        buffer,
    )?;
    let registers = sys::seL4_UserContext {
        rip: loader.runtime.entry(),
        // As after a call: the ABI wants RSP + 8 to be a multiple of 16.
        rsp: space::STACK_TOP - 8,
        rdi: space::STARTUP,
        ..sys::seL4_UserContext::default()
    };
    let count = sys::seL4_UserContext::WORDS as u64;
    sys::seL4_TCB_WriteRegisters(tcb, 1, 0, count, &registers)?;
    Ok(tcb)
}
