// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Machine code for every function, on all cores.
//!
//! Each function is translated and compiled by itself, by whichever thread is free; the results
//! come back in the order of the functions, so the object does not depend on the threads.

mod calls;
mod frame;
mod gate;
mod live;

use crate::error::Error;
use crate::inline::Inlining;
use crate::module::Module;
use crate::optimize::{self, Passes};
use crate::plan::{Convention, Plan, Symbol};
use crate::progress::{FunctionTimes, Progress};
use crate::translate::{self, Places, Signatures, Translated};
pub use calls::{Calls, stack_arguments};
use cranelift_codegen::Context;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{ExternalName, Function, LibCall};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::print_errors::pretty_error;
use cranelift_codegen::{
    CodegenResult, CompiledCode, FinalizedMachCallSite, FinalizedMachExceptionHandler,
    FinalizedRelocTarget,
};
use cranelift_frontend::FunctionBuilderContext;
use gate::Gate;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::time::Instant;
use wasm_aot_object::Machine;
use wasm_aot_object::table::NO_WASM_OFFSET;
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;

/// A place in code that a linker fills in. Offsets count from the start of the function.
#[derive(Debug)]
pub struct Relocation {
    pub offset: u32,
    pub kind: Reloc,
    pub target: Target,
    pub addend: i64,
}

/// What a relocation refers to.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    Symbol(Symbol),
    /// An offset in the same function.
    Here(u32),
}

/// The machine code of one function.
#[derive(Debug)]
pub struct Code {
    pub symbol: Symbol,
    pub bytes: Vec<u8>,
    pub alignment: u32,
    pub relocations: Vec<Relocation>,
    /// Offset and reason, ascending.
    pub traps: Vec<(u32, Trap)>,
    /// Offset and Wasm byte offset, ascending.
    pub positions: Vec<(u32, u32)>,
    /// Stretches of code that come from inlined calls: start, end, call. Ascending.
    pub inlined: Vec<(u32, u32, u32)>,
    /// Those calls: Wasm byte offset, and the one around it, which is before it.
    pub calls: Vec<(u32, Option<u32>)>,
    /// Bytes on the stack, return address included (where one is there).
    pub frame_size: u32,
    /// What it calls in ways that [`Code::relocations`] do not show.
    pub leads: Calls,
    /// Calls across which references into the heap live: offset of the return address, bytes
    /// from the stack pointer to the frame pointer, offsets of the references from the stack
    /// pointer. Ascending.
    pub stack_maps: Vec<(u32, u32, Vec<u32>)>,
    /// Calls inside a `try_table`, ascending.
    pub handlers: Vec<CallHandlers>,
}

/// A call inside a `try_table`: offset of the return address, bytes from the stack pointer to the
/// frame pointer, and the handlers in their order, each a tag (`None`: any) and the offset of its
/// code.
pub type CallHandlers = (u32, u32, Vec<(Option<u32>, u32)>);

impl Code {
    /// No code: of a function that nothing leads to.
    fn none(symbol: Symbol) -> Self {
        Self {
            symbol,
            bytes: Vec::new(),
            alignment: 1,
            relocations: Vec::new(),
            traps: Vec::new(),
            positions: Vec::new(),
            inlined: Vec::new(),
            calls: Vec::new(),
            frame_size: 0,
            leads: Calls::default(),
            stack_maps: Vec::new(),
            handlers: Vec::new(),
        }
    }
}

/// What a thread keeps from one function to the next.
struct Worker {
    context: Context,
    registers: regalloc2::Ctx,
    builder: FunctionBuilderContext,
    control: ControlPlane,
    /// Of the function in work.
    places: Places,
    /// Likewise.
    signatures: Signatures,
    /// Whether the code is written down for people as well.
    listing: bool,
    /// What the last function took.
    times: FunctionTimes,
}

/// Compiles all functions: the module's in their order, then the trampolines, then
/// instantiation, then the adapters that all of that needs.
///
/// # Errors
/// Of several errors, that of the first function; functions with one call come after others.
pub fn compile(
    module: &Module<'_>,
    plan: &Plan<'_>,
    isa: &dyn TargetIsa,
    progress: &dyn Progress,
) -> Result<Vec<Code>, Error> {
    let imported = module.imported_functions() as u32;
    let mut symbols: Vec<Symbol> = (0..module.bodies.len() as u32)
        .map(|defined| Symbol::Function(imported + defined))
        .collect();
    symbols.extend(plan.trampolines.iter().map(|&ty| Symbol::Trampoline(ty)));
    symbols.extend((0..plan.parts.len() as u32).map(Symbol::InstantiatePart));
    symbols.push(Symbol::Instantiate);
    if !plan.dispatch_tables.is_empty() {
        symbols.extend(translate::STUBS.map(|trap| Symbol::TrapStub(trap as u32)));
    }
    let passes = Passes::new(plan, isa);
    let gate = Gate::new();
    let all = |symbols: Vec<Symbol>| {
        progress.expect(symbols.len());
        let results: Vec<Result<Code, Error>> = symbols
            .into_par_iter()
            .map_init(Worker::default, |worker, symbol| {
                let memory = match symbol {
                    // With what is inlined into it.
                    Symbol::Function(index) => module.effort(index).memory() / 4 * 5,
                    _ => 0,
                };
                let _pass = gate.enter(memory);
                let code = worker.compile(module, plan, isa, passes, symbol);
                progress.compiled(worker.times);
                code
            })
            .collect();
        results.into_iter().collect::<Result<Vec<Code>, Error>>()
    };
    let now = |symbol: &Symbol| match *symbol {
        Symbol::Function(index) => {
            plan.is_live(module, index) && plan.inlining_of(module, index) != Inlining::Once
        }
        _ => true,
    };
    let mut done = all(symbols.iter().copied().filter(now).collect())?;
    // A function with one call has code of its own only where that call is left.
    let mut seen: BTreeSet<Symbol> = symbols.iter().copied().filter(now).collect();
    let mut next = live::called(module, &done, |symbol| !seen.contains(symbol));
    while !next.is_empty() {
        seen.extend(&next);
        let found = all(next.into_iter().collect())?;
        next = live::called(module, &found, |symbol| !seen.contains(symbol));
        done.extend(found);
    }
    let mut done: HashMap<Symbol, Code> = done.into_iter().map(|c| (c.symbol, c)).collect();
    let code = |symbol| done.remove(&symbol).unwrap_or_else(|| Code::none(symbol));
    let mut codes: Vec<Code> = symbols.into_iter().map(code).collect();
    live::drop_unreachable(module, plan, &mut codes);
    if plan.convention == Convention::Tail {
        codes.extend(all(adapters(module, plan, &codes))?);
    }
    Ok(codes)
}

/// The adapters that code and references need.
fn adapters(module: &Module<'_>, plan: &Plan<'_>, codes: &[Code]) -> Vec<Symbol> {
    let imported = |i: &u32| module.functions[*i as usize].import.is_some();
    let referenced = plan.funcrefs.iter().copied().filter(imported);
    let mut adapters: BTreeSet<Symbol> = referenced.map(Symbol::ImportAdapter).collect();
    adapters.extend(plan.entries.iter().copied().map(Symbol::Entry));
    let relocations = codes.iter().flat_map(|code| &code.relocations);
    adapters.extend(
        relocations.filter_map(|relocation| match relocation.target {
            Target::Symbol(symbol @ (Symbol::ImportAdapter(_) | Symbol::CodeAdapter(_))) => {
                Some(symbol)
            }
            _ => None,
        }),
    );
    adapters.into_iter().collect()
}

/// The instructions of the module's functions, in their order.
///
/// # Errors
/// As [`compile`].
pub fn listing(module: &Module<'_>, plan: &Plan<'_>, isa: &dyn TargetIsa) -> Result<String, Error> {
    let mut worker = Worker {
        listing: true,
        ..Worker::default()
    };
    let passes = Passes::new(plan, isa);
    let mut text = String::new();
    let first = module.imported_functions() as u32;
    for index in (first..).take(module.bodies.len()) {
        let compiled = worker.machine_code(module, plan, isa, passes, Symbol::Function(index))?;
        let code = compiled.vcode.expect("it was asked for");
        let name = module.function_name(index);
        writeln!(text, "{name}:\n{code}").expect("strings are writable");
    }
    Ok(text)
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            context: Context::new(),
            registers: regalloc2::Ctx::default(),
            builder: FunctionBuilderContext::new(),
            control: ControlPlane::default(),
            places: Places::default(),
            signatures: Signatures::default(),
            listing: false,
            times: FunctionTimes::default(),
        }
    }
}

impl Worker {
    fn translate(
        &mut self,
        module: &Module<'_>,
        plan: &Plan<'_>,
        isa: &dyn TargetIsa,
        symbol: Symbol,
    ) -> Result<Translated, Error> {
        let builder = &mut self.builder;
        match symbol {
            Symbol::Function(index) => {
                let body = &module.bodies[index as usize - module.imported_functions()];
                translate::function(module, plan, isa, builder, index, body)
                    .map_err(|error| module.in_function(error, index))
            }
            Symbol::Trampoline(ty) => Ok(translate::trampoline(module, plan, isa, builder, ty)),
            Symbol::Entry(_) | Symbol::ImportAdapter(_) | Symbol::CodeAdapter(_) => {
                Ok(translate::adapter(module, plan, isa, builder, symbol))
            }
            Symbol::TrapStub(code) => Ok(translate::trap_stub(isa, builder, code)),
            _ => translate::instantiate(module, plan, isa, builder, symbol),
        }
    }

    fn compile(
        &mut self,
        module: &Module<'_>,
        plan: &Plan<'_>,
        isa: &dyn TargetIsa,
        passes: Passes<'_>,
        symbol: Symbol,
    ) -> Result<Code, Error> {
        let compiled = self.machine_code(module, plan, isa, passes, symbol)?;
        let machine = plan.options.target;
        let places = std::mem::take(&mut self.places);
        let function = &self.context.func;
        let calls = calls::calls(function, &self.signatures, machine);
        Ok(code(
            symbol,
            &compiled,
            function,
            (places, calls),
            isa,
            machine,
        ))
    }

    /// Translates, optimizes, and selects instructions and registers.
    fn machine_code(
        &mut self,
        module: &Module<'_>,
        plan: &Plan<'_>,
        isa: &dyn TargetIsa,
        passes: Passes<'_>,
        symbol: Symbol,
    ) -> Result<CompiledCode, Error> {
        self.context.clear();
        self.times = FunctionTimes::default();
        let start = Instant::now();
        let translated = self.translate(module, plan, isa, symbol);
        self.times.translate = start.elapsed();
        let translated = translated
            // A function that was given up left its blocks and variables behind.
            .inspect_err(|_| self.builder = FunctionBuilderContext::new())?;
        self.context.func = translated.function;
        self.places = translated.places;
        self.signatures = translated.signatures;
        self.optimized(isa, passes).map_err(|error| {
            let (index, name) = match symbol {
                Symbol::Function(index) => (index, module.function_name(index)),
                _ => (u32::MAX, "code made by the compiler".into()),
            };
            let message = pretty_error(&self.context.func, error);
            Error::Codegen {
                index,
                name,
                message,
            }
        })
    }

    fn optimized(
        &mut self,
        isa: &dyn TargetIsa,
        passes: Passes<'_>,
    ) -> CodegenResult<CompiledCode> {
        let start = Instant::now();
        let (context, control) = (&mut self.context, &mut self.control);
        optimize::function(context, isa, control, passes)?;
        self.times.optimize = start.elapsed();
        let start = Instant::now();
        let compiled = isa.compile_function(
            &self.context.func,
            &self.context.domtree,
            &mut self.registers,
            self.listing,
            &mut self.control,
        )?;
        self.times.generate = start.elapsed();
        Ok(compiled.apply_params(&self.context.func.params))
    }
}

fn code(
    symbol: Symbol,
    compiled: &CompiledCode,
    function: &Function,
    (places, calls): (Places, Calls),
    isa: &dyn TargetIsa,
    machine: Machine,
) -> Code {
    let buffer = &compiled.buffer;
    let mut relocations: Vec<Relocation> = buffer
        .relocs()
        .iter()
        .map(|reloc| Relocation {
            offset: reloc.offset,
            kind: reloc.kind,
            target: target(&reloc.target, function),
            addend: reloc.addend,
        })
        .collect();
    // Readers look for them by their offset.
    relocations.sort_by_key(|relocation| relocation.offset);
    let traps = buffer
        .traps()
        .iter()
        .map(|trap| {
            let code = translate::trap(trap.code).expect("only known traps are translated");
            (trap.offset, code)
        })
        .collect();
    Code {
        symbol,
        bytes: buffer.data().to_vec(),
        alignment: buffer.alignment.max(isa.function_alignment().preferred),
        relocations,
        traps,
        positions: positions(compiled, &places),
        inlined: inlined(compiled, &places),
        calls: places.calls,
        frame_size: frame::size(compiled, machine) + calls.grows,
        leads: calls,
        handlers: compiled.buffer.call_sites().filter_map(handlers).collect(),
        stack_maps: buffer
            .user_stack_maps()
            .iter()
            .map(|(offset, span, map)| {
                let slots = map.entries().map(|(_, slot)| slot).collect();
                (*offset, *span, slots)
            })
            .collect(),
    }
}

/// The function's position map: each stretch of code with its Wasm offset, gaps without.
fn positions(compiled: &CompiledCode, places: &Places) -> Vec<(u32, u32)> {
    let mut positions: Vec<(u32, u32)> = Vec::new();
    let mut put = |offset: u32, wasm: u32| {
        if positions.last().is_some_and(|last| last.0 == offset) {
            positions.pop();
        }
        if positions.last().is_none_or(|last| last.1 != wasm) {
            positions.push((offset, wasm));
        }
    };
    let mut end = 0;
    put(0, NO_WASM_OFFSET);
    for location in compiled.buffer.get_srclocs_sorted() {
        if location.start > end {
            put(end, NO_WASM_OFFSET);
        }
        put(location.start, places.find(location.loc).0);
        end = location.end;
    }
    if (end as usize) < compiled.buffer.data().len() {
        put(end, NO_WASM_OFFSET);
    }
    // All functions' maps are kept until the object is laid out.
    positions.shrink_to_fit();
    positions
}

/// The stretches of the function's code that come from inlined calls.
fn inlined(compiled: &CompiledCode, places: &Places) -> Vec<(u32, u32, u32)> {
    let mut stretches: Vec<(u32, u32, u32)> = Vec::new();
    for location in compiled.buffer.get_srclocs_sorted() {
        let (_, Some(call)) = places.find(location.loc) else {
            continue;
        };
        match stretches.last_mut() {
            Some(last) if last.1 == location.start && last.2 == call => last.1 = location.end,
            _ => stretches.push((location.start, location.end, call)),
        }
    }
    stretches
}

/// The handlers around a call, `None` where there are none.
fn handlers(call: FinalizedMachCallSite<'_>) -> Option<CallHandlers> {
    use FinalizedMachExceptionHandler as Handler;
    let handler = |handler: &Handler| match *handler {
        Handler::Tag(tag, code) => (Some(tag.as_u32()), code),
        Handler::Default(code) => (None, code),
        Handler::Context(_) => unreachable!("no translation makes contexts"),
    };
    let handlers: Vec<_> = call.exception_handlers.iter().map(handler).collect();
    if handlers.is_empty() {
        return None;
    }
    let frame_size = call.frame_offset.expect("all back ends know it");
    Some((call.ret_addr, frame_size, handlers))
}

fn target(target: &FinalizedRelocTarget, function: &Function) -> Target {
    match target {
        FinalizedRelocTarget::Func(offset) => Target::Here(*offset),
        FinalizedRelocTarget::ExternalName(ExternalName::User(name)) => Target::Symbol(
            Symbol::from_user(&function.params.user_named_funcs()[*name]),
        ),
        FinalizedRelocTarget::ExternalName(ExternalName::LibCall(call)) => {
            Target::Symbol(Symbol::runtime(library_function(*call)))
        }
        other => unreachable!("no such name is ever made: {other:?}"),
    }
}

/// What the code generator calls by itself, on processors without the instruction.
fn library_function(call: LibCall) -> Runtime {
    match call {
        LibCall::CeilF32 => Runtime::CeilF32,
        LibCall::CeilF64 => Runtime::CeilF64,
        LibCall::FloorF32 => Runtime::FloorF32,
        LibCall::FloorF64 => Runtime::FloorF64,
        LibCall::TruncF32 => Runtime::TruncF32,
        LibCall::TruncF64 => Runtime::TruncF64,
        LibCall::NearestF32 => Runtime::NearestF32,
        LibCall::NearestF64 => Runtime::NearestF64,
        LibCall::Memcpy => Runtime::Memcpy,
        LibCall::Memmove => Runtime::Memmove,
        LibCall::Memset => Runtime::Memset,
        other => unreachable!("no translation makes code that needs {other}"),
    }
}
