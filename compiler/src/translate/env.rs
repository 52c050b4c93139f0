// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! How code reaches what is outside its function: symbols, signatures, traps.

use crate::error::Error;
use crate::isa;
use crate::module::Module;
use crate::plan::{Convention, Plan, Symbol};
use crate::translate::clif_type;
use cranelift_codegen::cursor::FuncCursor;
use cranelift_codegen::ir::{
    AbiParam, ExtFuncData, ExternalName, FuncRef, Function, GlobalValue, GlobalValueData,
    InstBuilder, MemFlagsData, SigRef, Signature, TrapCode, Type, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_frontend::FunctionBuilder;
use std::collections::BTreeMap;
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::FuncType;

/// The convention of C, in which hosts, the runtime and other objects are called and call.
pub const CALL_CONV: CallConv = CallConv::SystemV;

/// The convention in which the functions of a module call each other.
pub fn own_convention(plan: &Plan<'_>) -> CallConv {
    match plan.convention {
        Convention::C => CALL_CONV,
        Convention::Tail => CallConv::Tail,
    }
}

/// Our trap code as the code generator carries it.
pub fn trap_code(trap: Trap) -> TrapCode {
    match trap {
        Trap::MemoryOutOfBounds => TrapCode::HEAP_OUT_OF_BOUNDS,
        Trap::IntegerOverflow => TrapCode::INTEGER_OVERFLOW,
        Trap::IntegerDivideByZero => TrapCode::INTEGER_DIVISION_BY_ZERO,
        Trap::InvalidConversionToInteger => TrapCode::BAD_CONVERSION_TO_INTEGER,
        Trap::StackExhausted => TrapCode::STACK_OVERFLOW,
        other => TrapCode::unwrap_user(other as u8),
    }
}

/// The code generator's trap code as ours; `None` for one that no translation makes.
pub fn from_trap_code(code: TrapCode) -> Option<Trap> {
    match code {
        TrapCode::HEAP_OUT_OF_BOUNDS => Some(Trap::MemoryOutOfBounds),
        TrapCode::INTEGER_OVERFLOW => Some(Trap::IntegerOverflow),
        TrapCode::INTEGER_DIVISION_BY_ZERO => Some(Trap::IntegerDivideByZero),
        TrapCode::BAD_CONVERSION_TO_INTEGER => Some(Trap::InvalidConversionToInteger),
        TrapCode::STACK_OVERFLOW => Some(Trap::StackExhausted),
        other => Trap::from_u8(other.as_raw().get()),
    }
}

/// The signature of a Wasm function type in this convention.
pub fn signature(isa: &dyn TargetIsa, ty: &FuncType, convention: CallConv) -> Signature {
    debug_assert_eq!(isa.pointer_type(), types::I64);
    let mut signature = Signature::new(convention);
    signature
        .params
        .extend(ty.params().iter().map(|&ty| AbiParam::new(clif_type(ty))));
    signature
        .returns
        .extend(ty.results().iter().map(|&ty| AbiParam::new(clif_type(ty))));
    signature
}

/// Accesses to the instance's own data: aligned, never trapping.
pub fn trusted() -> MemFlagsData {
    MemFlagsData::trusted()
}

/// What a function has referred to so far; each thing is declared once.
pub struct Env<'a> {
    pub module: &'a Module<'a>,
    pub plan: &'a Plan<'a>,
    pub isa: &'a dyn TargetIsa,
    missing_for_vectors: Option<&'static str>,
    functions: BTreeMap<Symbol, FuncRef>,
    addresses: BTreeMap<Symbol, GlobalValue>,
    signatures: BTreeMap<(u32, bool, Option<u32>), SigRef>,
}

/// Where a call that is not by name may lead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Leads {
    /// To every function of a canonical type to which a reference exists: to its C code, or to its
    /// code in the module's own convention where that is another.
    ByType { ty: u32, convention: Convention },
    /// To what is in a table of code addresses, by index in [`Plan::dispatch_tables`].
    ByTable(u32),
}

/// For the signatures of such calls in a function, where they lead.
pub type Signatures = BTreeMap<SigRef, Leads>;

impl<'a> Env<'a> {
    pub fn new(module: &'a Module<'a>, plan: &'a Plan<'a>, isa: &'a dyn TargetIsa) -> Self {
        Self {
            module,
            plan,
            isa,
            missing_for_vectors: isa::missing_for_vectors(isa),
            functions: BTreeMap::new(),
            addresses: BTreeMap::new(),
            signatures: BTreeMap::new(),
        }
    }

    /// Checks that the target has vectors, which an operator or local at this offset needs.
    pub fn require_vectors(&self, offset: u64) -> Result<(), Error> {
        match self.missing_for_vectors {
            Some(missing) => Err(Error::unsupported(missing, offset)),
            None => Ok(()),
        }
    }

    /// The signature of a canonical type in the convention of C.
    pub fn signature(&mut self, builder: &mut FunctionBuilder<'_>, ty: u32) -> SigRef {
        self.signature_in(builder, ty, CALL_CONV, None)
    }

    /// The signature of a canonical type in the module's own convention.
    pub fn own_signature(&mut self, builder: &mut FunctionBuilder<'_>, ty: u32) -> SigRef {
        self.signature_in(builder, ty, own_convention(self.plan), None)
    }

    /// The same for calls by a table of code addresses, by index in [`Plan::dispatch_tables`].
    pub fn table_signature(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        ty: u32,
        table: u32,
    ) -> SigRef {
        self.signature_in(builder, ty, own_convention(self.plan), Some(table))
    }

    fn signature_in(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        ty: u32,
        convention: CallConv,
        table: Option<u32>,
    ) -> SigRef {
        let key = (ty, convention == CALL_CONV, table);
        *self.signatures.entry(key).or_insert_with(|| {
            let ty = self.plan.types[ty as usize].function();
            builder.import_signature(signature(self.isa, ty, convention))
        })
    }

    /// Where calls with the signatures that were asked for lead.
    pub fn into_signatures(self) -> Signatures {
        let leads = |((ty, c, table), signature): ((u32, bool, Option<u32>), SigRef)| {
            let convention = match c {
                true => Convention::C,
                false => Convention::Tail,
            };
            let by_type = Leads::ByType { ty, convention };
            (signature, table.map_or(by_type, Leads::ByTable))
        };
        self.signatures.into_iter().map(leads).collect()
    }

    /// A Wasm function, to be called directly. Calls are short even to imports, which are called
    /// as in C: where the callee is far, the loader puts a veneer between.
    pub fn function(&mut self, builder: &mut FunctionBuilder<'_>, index: u32) -> FuncRef {
        let ty = self.plan.function_type(self.module, index);
        let imported = self.module.functions[index as usize].import.is_some();
        let signature = match imported {
            true => self.signature(builder, ty),
            false => self.own_signature(builder, ty),
        };
        self.callee(builder, Symbol::Function(index), signature)
    }

    /// A Wasm function in the module's own convention, imported ones by their adapter.
    pub fn own_function(&mut self, builder: &mut FunctionBuilder<'_>, index: u32) -> FuncRef {
        let ty = self.plan.function_type(self.module, index);
        let signature = self.own_signature(builder, ty);
        let symbol = self.plan.own_code(self.module, index);
        self.callee(builder, symbol, signature)
    }

    /// Code of this object by its symbol.
    /// A part of instantiation.
    pub fn instantiate_part(&mut self, builder: &mut FunctionBuilder<'_>, part: u32) -> FuncRef {
        let signature = builder.import_signature(Signature::new(CALL_CONV));
        self.callee(builder, Symbol::InstantiatePart(part), signature)
    }

    pub fn callee(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        symbol: Symbol,
        signature: SigRef,
    ) -> FuncRef {
        *self.functions.entry(symbol).or_insert_with(|| {
            let name = builder
                .func
                .declare_imported_user_function(symbol.to_user());
            builder.import_function(ExtFuncData {
                name: ExternalName::user(name),
                signature,
                colocated: true,
                patchable: false,
            })
        })
    }

    /// Calls a function of the runtime.
    pub fn call_runtime(
        &mut self,
        builder: &mut FunctionBuilder<'_>,
        function: Runtime,
        arguments: &[Value],
        result: Option<Type>,
    ) -> Option<Value> {
        let mut signature = Signature::new(CALL_CONV);
        for &argument in arguments {
            signature
                .params
                .push(AbiParam::new(builder.func.dfg.value_type(argument)));
        }
        signature.returns.extend(result.map(AbiParam::new));
        let signature = builder.import_signature(signature);
        let callee = self.callee(builder, Symbol::runtime(function), signature);
        let call = builder.ins().call(callee, arguments);
        builder.inst_results(call).first().copied()
    }

    /// The address of something in the instance's data, or in that of another.
    pub fn address(&mut self, builder: &mut FunctionBuilder<'_>, symbol: Symbol) -> Value {
        let value = *self.addresses.entry(symbol).or_insert_with(|| {
            let data = symbol_data(self.plan, builder.func, symbol);
            builder.create_global_value(data)
        });
        builder.ins().symbol_value(types::I64, value)
    }

    /// Traps unless the condition holds.
    pub fn require(&mut self, builder: &mut FunctionBuilder<'_>, condition: Value, trap: Trap) {
        builder.ins().trapz(condition, trap_code(trap));
    }
}

/// How a function refers to something in the instance's data, or in that of another.
fn symbol_data(plan: &Plan<'_>, func: &mut Function, symbol: Symbol) -> GlobalValueData {
    let name = func.declare_imported_user_function(symbol.to_user());
    GlobalValueData::Symbol {
        name: ExternalName::user(name),
        offset: 0.into(),
        colocated: is_near(plan, symbol),
        tls: false,
    }
}

/// The address of such a thing, in a function that has been translated.
pub fn symbol_address(plan: &Plan<'_>, at: &mut FuncCursor<'_>, symbol: Symbol) -> Value {
    let data = symbol_data(plan, at.func, symbol);
    let global = at.func.create_global_value(data);
    at.ins().symbol_value(types::I64, global)
}

/// Whether the symbol is certainly within 2 GiB of the code: in the same object.
fn is_near(plan: &Plan<'_>, symbol: Symbol) -> bool {
    match symbol {
        Symbol::Memory(i) => !plan.memories[i as usize].imported,
        Symbol::Table(i) => !plan.tables[i as usize].imported,
        Symbol::Global(i) => !plan.globals[i as usize].imported,
        Symbol::Tag(i) => !plan.tags[i as usize].imported,
        Symbol::MemoryBase(_) => false,
        _ => true,
    }
}
