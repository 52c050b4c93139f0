// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Makes an app out of a bundle's entry: address space, objects, capabilities, thread. In the
//! order of the steps here; a failed step leaves everything to be taken back ([`super::Taken`]).
//! Nothing runs yet.

use super::devices::Devices;
use super::instances::Space;
use super::times::between;
use super::{AppError, Running, Stack, Taken, lacking, serve};
use crate::executive::AppId;
use crate::executive::control::{APP_PRIORITY, FAULT_MARK, SERVICE_MARK, app_badge};
use crate::memory::{DEPTH, Memory, MemoryError, Object as Kernel, Owner, ROOT};
use crate::vspace::{self, Access, PAGE};
use crate::{Loader, cpu, heap, window};
use alloc::vec::Vec;
use sel4::{badge, guard, message, rights, sys};
use sel4_boot::bundle::{App, app_flags};
use sel4_boot::startup::{self, Page, Rest};
use sel4_boot::{service, space};
use wasm_aot_contract::{Class, Contract, Mapping};
use wasm_aot_loader::Object;
use wasm_aot_loader::stack::program_bound;
use wasm_aot_object::DEFAULT_GC_HEAP;
use wasm_aot_object::meta::Kind;

/// Bytes of a stack where the bundle does not say.
const DEFAULT_STACK: u64 = 1 << 20;
/// Bytes of the stack that the app's runtime takes before it calls anything of its objects.
const RUNTIME_STACK: u64 = 8 << 10;

/// Makes an app, entry `index` of the bundle, with what was taken for it.
pub fn compose<'a>(
    loader: &mut Loader,
    app: &App<'a>,
    index: u16,
    taken: Taken,
    contract: &Contract<'a>,
) -> Result<Running<'a>, AppError<'a>> {
    let clock = loader.clock;
    let begun = clock.now();
    let Taken {
        id,
        memory: account,
    } = taken;
    let objects = parse(app)?;
    let parsed = clock.now();
    let stack_size = stack_bytes(app, contract, &objects)?;
    let (memory, owner) = (&mut loader.memory, Owner::App(account));
    let vspace = memory
        .object(owner, Kernel::VSpace)
        .and_then(|vspace| {
            sys::seL4_X86_ASIDPool_Assign(sys::seL4_CapInitThreadASIDPool, vspace)?;
            Ok(vspace)
        })
        .map_err(lacking("its address space"))?;
    let runtime = &loader.runtime;
    runtime
        .map(memory, owner, vspace)
        .map_err(lacking("the app runtime"))?;

    let trapping = app.flags & app_flags::UNKNOWN_IMPORTS_TRAP != 0;
    let lazy = contract.mapping == Mapping::Lazy;
    let mut space = Space::new(account, vspace, stack_size, (trapping, lazy));
    space.times.parse_ns = between(begun..parsed);
    space.times.space_ns = between(parsed..clock.now());
    for (module, object) in app.modules().zip(objects) {
        let index = space.load(&mut loader.tools(), object)?;
        space.register(index, module.name)?;
    }
    let loaded = clock.now();
    let memory = &mut loader.memory;
    let stack = stack(memory, owner, vspace, stack_size).map_err(lacking("its stack"))?;
    // The modules of a script come later.
    let heap = match app.script.is_empty() {
        true => space.heap(0)?,
        false => space.heap(DEFAULT_GC_HEAP)?,
    };
    let files = match app.dirs.is_empty() {
        true => 0,
        false => space.files(loader.memory.budget(account))?,
    };
    archive(loader, owner, vspace, app.archive)?;
    check_contract(&space, contract)?;
    let ids = (owner, vspace, id);
    let devices = Devices::new(loader, ids, contract.devices)?;
    let periodic = contract.class == Class::Periodic;
    let job = match periodic {
        true => job(loader, &space, app, contract.entry)?,
        false => 0,
    };
    let mapped = is_eager(contract) && space.map_all(&mut loader.memory)?;
    let placed = clock.now();
    let regions = (heap, files);
    start_pages(loader, &space, app, regions, &devices, (periodic, mapped))?;
    let tcb = thread(loader, owner, vspace, id, &devices).map_err(lacking("its thread"))?;
    space.times.map_ns += between(loaded..placed);
    space.times.thread_ns = between(placed..clock.now());
    let entry = loader.runtime.entry();
    Ok(Running {
        index,
        id,
        is_batch: true,
        script: !app.script.is_empty(),
        packs: app.flags & app_flags::PACK != 0 && loader.output.hosted,
        has_input: !periodic,
        wants: None,
        tcb,
        beginning: serve::beginning(entry, [space::STARTUP, 0, 0]),
        job,
        space,
        stack,
    })
}

/// The objects of the app's modules.
fn parse<'a>(app: &App<'a>) -> Result<Vec<Object<'a>>, AppError<'a>> {
    let mut objects = Vec::new();
    for module in app.modules() {
        heap::push(&mut objects, Object::parse(module.object)?)?;
    }
    Ok(objects)
}

/// Bytes of the stack: of an app without a contract what the bundle says; otherwise what its contract
/// says, or what its objects need.
fn stack_bytes<'a>(
    app: &App<'a>,
    contract: &Contract<'_>,
    objects: &[Object<'a>],
) -> Result<u64, AppError<'a>> {
    let bytes = match (contract.class, contract.stack_bytes) {
        (Class::Background, 0) => match app.stack_size {
            0 => DEFAULT_STACK,
            bytes => bytes,
        },
        (_, 0) => {
            let called = ["_initialize", app.invoke, contract.entry];
            let bound = program_bound(objects.iter(), &called).map_err(AppError::Stack)?;
            bound + RUNTIME_STACK
        }
        (_, bytes) => bytes,
    };
    match bytes.next_multiple_of(PAGE) {
        bytes if bytes <= space::STACK_LIMIT => Ok(bytes),
        bytes => Err(AppError::TooLarge("its stack", bytes, space::STACK_LIMIT)),
    }
}

/// Whether what was loaded keeps to the contract.
fn check_contract<'a>(space: &Space<'a>, contract: &Contract<'a>) -> Result<(), AppError<'a>> {
    let mut objects = (0..).map_while(|index| space.object(index)).peekable();
    while let Some(object) = objects.next() {
        match objects.peek() {
            // The last one is what is run.
            None => contract.fits(object.meta())?,
            Some(_) => contract.imports_fit(object.meta())?,
        }
    }
    Ok(())
}

/// The function that is a job of a periodic app; [`check_contract`] has seen that it is one.
fn job<'a>(
    loader: &Loader,
    space: &Space<'a>,
    app: &App<'a>,
    entry: &str,
) -> Result<u64, AppError<'a>> {
    let program = app.modules().len().wrapping_sub(1);
    let object = space.object(program).ok_or(AppError::NoJob)?;
    let export = object.meta().export(entry).ok_or(AppError::NoJob)?;
    let address = space.export(&loader.peek, program, export);
    address.ok_or(AppError::NoJob)
}

/// Whether all that tables, the heap and files may become is mapped: where the contract wants that
/// and says how much that is.
fn is_eager(contract: &Contract<'_>) -> bool {
    let eager = contract.mapping == Mapping::Eager && contract.class != Class::Background;
    eager && contract.memory_max_bytes > 0
}

fn stack(memory: &mut Memory, owner: Owner, vspace: u64, size: u64) -> Result<Stack, MemoryError> {
    let (bottom, pages) = (space::STACK_TOP - size, size / PAGE);
    let first_frame = memory.objects(owner, Kernel::Frame, pages)?;
    vspace::map_range(
        memory,
        owner,
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

/// Shows the app the pages of the bundle that the archive of its directories is in.
fn archive<'a>(
    loader: &mut Loader,
    owner: Owner,
    vspace: u64,
    archive: &[u8],
) -> Result<(), AppError<'a>> {
    if archive.is_empty() {
        return Ok(());
    }
    let what = "its directories";
    let frames = loader.image.frames(archive);
    let (first, count) = frames.ok_or(AppError::Place(
        "the archive of the app's directories is not in pages of its own",
    ))?;
    let memory = &mut loader.memory;
    let slots = memory.slots(owner, count).map_err(lacking(what))?;
    for number in 0..count {
        let (slot, frame) = (slots + number, first + number);
        let at = space::ARCHIVE + number * PAGE;
        sys::seL4_CNode_Copy(ROOT, slot, DEPTH, ROOT, frame, DEPTH, rights::READ)
            .map_err(MemoryError::from)
            .and_then(|()| vspace::map(memory, owner, vspace, slot, at, Access::ReadOnly))
            .map_err(lacking(what))?;
    }
    Ok(())
}

/// The start-up page and what follows it.
fn start_pages<'a>(
    loader: &mut Loader,
    space: &Space<'a>,
    app: &App<'a>,
    (heap, files): (u64, u64),
    devices: &Devices<'_>,
    (periodic, mapped): (bool, bool),
) -> Result<(), AppError<'a>> {
    let rdrand = match cpu::has_rdrand() {
        true => startup::flags::RDRAND,
        false => 0,
    };
    // The same bits, in the same order.
    let terminals = (app.flags / app_flags::TERMINAL) & 7;
    let mut page = Page {
        heap,
        files,
        archive: app.archive.len() as u64,
        tsc_hz: loader.start.tsc_hz,
        tsc_start: loader.start.tsc,
        epoch_ns: loader.start.epoch_ns,
        flags: rdrand | (terminals * startup::flags::TERMINAL),
        ..Page::default()
    };
    if periodic {
        page.flags |= startup::flags::RESIDENT;
    }
    if mapped {
        page.flags |= startup::flags::MAPPED;
    }
    let signature = match app.modules().len().checked_sub(1) {
        Some(program) => describe_program(loader, space, app, program, &mut page)?,
        None => {
            page.flags |= startup::flags::SCRIPT;
            ""
        }
    };
    let mut instantiate = Vec::new();
    for address in space.beginnings(&loader.peek) {
        heap::push(&mut instantiate, address.into())?;
    }
    let rest = Rest {
        args: app.args,
        env: app.env,
        instantiate: &instantiate,
        signature,
        dirs: app.dirs,
        devices: &devices.list,
        device_names: devices.names,
    };
    let what = "its arguments and environment";
    let (bytes, room) = (rest.size() as u64, space::STARTUP_END - space::STARTUP);
    let too_large = AppError::TooLarge(what, bytes, room);
    if bytes > room {
        return Err(too_large);
    }
    let (pages, memory) = (bytes.div_ceil(PAGE), &mut loader.memory);
    let frames = memory
        .objects(space.owner(), Kernel::Frame, pages)
        .map_err(lacking(what))?;
    window::fill(memory, space.owner(), frames, pages, |out| {
        startup::write(page, &rest, out)
    })
    .map_err(lacking(what))?
    .ok_or(too_large)?;
    let (owner, access, vspace) = (space.owner(), Access::ReadOnly, space.vspace());
    vspace::map_range(memory, owner, vspace, frames, pages, space::STARTUP, access)
        .map_err(lacking(what))
}

/// What the start-up page says of the module that is run; gives the type of the function to run
/// where that is not just called.
fn describe_program<'a>(
    loader: &Loader,
    space: &Space<'a>,
    app: &App<'a>,
    program: usize,
    page: &mut Page,
) -> Result<&'a str, AppError<'a>> {
    let object = space.object(program).ok_or(AppError::Full)?;
    let meta = object.meta();
    // Until a thunk says otherwise.
    page.memory = space.exported_memory(&loader.peek, program).unwrap_or(0);
    let invoked = app.flags & app_flags::INVOKE != 0;
    if invoked {
        page.flags |= startup::flags::INVOKE;
    }
    let export = meta
        .export(app.invoke)
        .filter(|e| e.kind() == Kind::Function);
    let Some(export) = export else {
        return match invoked {
            true => Err(AppError::NoExport(app.invoke)),
            false => Ok(""),
        };
    };
    let callee = space.export(&loader.peek, program, export);
    page.callee = callee.ok_or(AppError::NoExport(app.invoke))?;
    let kind = meta.types().get(export.index.get() as usize);
    let text = kind.map_or("", |kind| meta.str(kind.text));
    if !invoked && text == "() -> ()" {
        return Ok("");
    }
    let trampoline = kind.and_then(|kind| space.address(program, meta.str(kind.trampoline)));
    page.trampoline = trampoline.ok_or(AppError::NoTrampoline(app.invoke))?;
    Ok(text)
}

/// The CSpace with what an app may do, the IPC buffer, the thread.
fn thread(
    loader: &mut Loader,
    owner: Owner,
    vspace: u64,
    id: AppId,
    devices: &Devices<'_>,
) -> Result<u64, MemoryError> {
    let (memory, bits) = (&mut loader.memory, devices.cspace_bits());
    let cspace = memory.object(owner, Kernel::CNode(bits))?;
    for (slot, mark) in [
        (service::ENDPOINT, app_badge(id.index, SERVICE_MARK)),
        (service::FAULT_ENDPOINT, app_badge(id.index, FAULT_MARK)),
    ] {
        let endpoint = loader.endpoint;
        sys::seL4_CNode_Mint(
            cspace,
            slot,
            bits,
            ROOT,
            endpoint,
            DEPTH,
            rights::CALL,
            badge(mark),
        )?;
    }
    devices.ports(cspace)?;
    let buffer = memory.object(owner, Kernel::Frame)?;
    let access = Access::ReadWrite;
    vspace::map(memory, owner, vspace, buffer, space::IPC_BUFFER, access)?;
    let tcb = memory.object(owner, Kernel::Tcb)?;
    sys::seL4_TCB_Configure(
        tcb,
        service::FAULT_ENDPOINT,
        message::priority(APP_PRIORITY, 0),
        cspace,
        guard(DEPTH - bits),
        vspace,
        0,
        space::IPC_BUFFER,
        buffer,
    )?;
    Ok(tcb)
}
