// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Exceptions: `try_table`, `throw`, `throw_ref`, and calls inside a `try_table`.
//!
//! An exception is an object in the heap: its tag's address, then what it carries. Each catch
//! clause that is needed has a landing block, which takes the exception apart and branches to the
//! clause's label. A call inside a `try_table` is a `try_call`, whose exceptional edges lead to
//! the landing blocks; the unwinder of the runtime follows them by the table that
//! `emit/exception.rs` writes. Only calls in the module's own convention, that of tail calls, can
//! have such edges: they preserve no registers, so the unwinder needs none.
//!
//! A `throw` whose clause is certain, in the same function, is a branch.

use super::Translator;
use super::clif_type;
use super::env::{trap_code, trusted};
use super::heap::field_flags;
use crate::plan::Symbol;
use cranelift_codegen::ir::{
    AbiParam, Block, BlockArg, ExceptionTableData, ExceptionTableItem, ExceptionTag, FuncRef,
    InstBuilder, SigRef, Signature, Type, Value, types,
};
use cranelift_codegen::isa::CallConv;
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::{Catch, StorageType, TryTable};

/// The most pairs of a call and a catch clause that its exceptions can reach, in one function: the
/// code generator makes a block of each. Programs have a few for each call.
pub const MAX_EXCEPTIONAL_EDGES: usize = 1 << 17;

/// A catch clause.
#[derive(Clone, Copy)]
pub struct Clause {
    /// `None` for one that catches every exception.
    pub tag: Option<u32>,
    /// Whether the label gets the exception itself too.
    reference: bool,
    /// The label, seen from outside the `try_table`.
    depth: u32,
    /// Where its exceptions arrive, once something leads there.
    pub landing: Option<Block>,
}

/// A clause that exceptions can reach: a frame that catches, a clause of it by its position, and
/// that clause's tag.
#[derive(Clone, Copy)]
pub struct Reachable {
    pub frame: usize,
    pub clause: usize,
    pub tag: Option<u32>,
}

impl Clause {
    fn new(catch: &Catch) -> Self {
        let (tag, reference, depth) = match *catch {
            Catch::One { tag, label } => (Some(tag), false, label),
            Catch::OneRef { tag, label } => (Some(tag), true, label),
            Catch::All { label } => (None, false, label),
            Catch::AllRef { label } => (None, true, label),
        };
        Self {
            tag,
            reference,
            depth,
            landing: None,
        }
    }
}

/// What is called.
#[derive(Clone, Copy)]
pub enum Callee {
    Direct(FuncRef),
    Indirect(SigRef, Value),
}

/// Whether a clause catches exceptions of a tag.
enum Match {
    Yes,
    No,
    /// Two imports may be the same tag.
    Unknown,
}

impl Translator<'_, '_> {
    pub fn try_table(&mut self, table: &TryTable) {
        let clauses = table.catches.iter().map(Clause::new).collect();
        self.open_try(table.ty, clauses);
    }

    /// Fills the landing blocks of a `try_table` that has ended.
    pub fn land(&mut self, clauses: &[Clause]) {
        for clause in clauses {
            let Some(landing) = clause.landing else {
                continue;
            };
            self.builder.switch_to_block(landing);
            self.builder.seal_block(landing);
            let exception = self.builder.block_params(landing)[0];
            let mut values = match clause.tag {
                Some(tag) => self.payload(tag, exception),
                None => Vec::new(),
            };
            if clause.reference {
                self.builder.declare_value_needs_stack_map(exception);
                values.push(exception);
            }
            let (block, _) = self.target(clause.depth);
            let arguments: Vec<BlockArg> = values.into_iter().map(BlockArg::from).collect();
            self.builder.ins().jump(block, &arguments);
        }
    }

    /// What an exception of this tag carries.
    fn payload(&mut self, tag: u32, exception: Value) -> Vec<Value> {
        let plan = self.env.plan;
        let ty = plan.types[plan.tags[tag as usize].ty as usize].function();
        let offsets = plan.exception_layout(tag).offsets;
        let fields = ty.params().iter().zip(&offsets[1..]);
        let load = |(&ty, &offset): (&wasmparser::ValType, &u32)| {
            let flags = field_flags(StorageType::Val(ty));
            let value = self
                .builder
                .ins()
                .load(clif_type(ty), flags, exception, offset as i32);
            if plan.is_heap_reference(ty) {
                self.builder.declare_value_needs_stack_map(value);
            }
            value
        };
        fields.map(load).collect()
    }

    pub fn throw(&mut self, tag: u32) {
        let plan = self.env.plan;
        let ty = plan.types[plan.tags[tag as usize].ty as usize].function();
        let layout = plan.exception_layout(tag);
        let offsets = layout.offsets;
        let exception = self.new_object(Symbol::TagDescriptor(tag), layout.size);
        let values = self.pop_n(ty.params().len());
        let address = self.env.address(&mut self.builder, Symbol::Tag(tag));
        for (value, &offset) in std::iter::once(address).chain(values).zip(&offsets) {
            self.builder
                .ins()
                .store(trusted(), value, exception, offset as i32);
        }
        match self.certain_clause(tag) {
            Some(clause) => {
                let landing = self.landing(clause);
                self.builder.ins().jump(landing, &[exception.into()]);
            }
            None => self.throw_object(exception),
        }
        self.set_unreachable();
    }

    pub fn throw_ref(&mut self) {
        let exception = self.pop();
        self.env
            .require(&mut self.builder, exception, Trap::NullException);
        self.throw_object(exception);
        self.set_unreachable();
    }

    /// Hands an exception to the unwinder, which comes back only where nobody catches it.
    fn throw_object(&mut self, exception: Value) {
        let mut signature = Signature::new(CallConv::Tail);
        signature.params.push(AbiParam::new(types::I64));
        let signature = self.builder.import_signature(signature);
        let symbol = Symbol::runtime(Runtime::Throw);
        let callee = self.env.callee(&mut self.builder, symbol, signature);
        self.call_catching(Callee::Direct(callee), &[exception], &[]);
        let code = trap_code(Trap::UncaughtException);
        self.builder.ins().trap(code);
    }

    /// The clause of this function that catches an exception of this tag thrown here, where that
    /// is certain.
    fn certain_clause(&mut self, tag: u32) -> Option<Reachable> {
        let clauses = self.reachable_clauses();
        self.control.exceptional_edges += clauses.len();
        for &clause in clauses.iter() {
            match self.matches(clause.tag, tag) {
                Match::Yes => return Some(clause),
                Match::No => {}
                Match::Unknown => return None,
            }
        }
        None
    }

    fn matches(&self, clause: Option<u32>, tag: u32) -> Match {
        let imported = |tag: u32| self.env.plan.tags[tag as usize].imported;
        match clause {
            None => Match::Yes,
            Some(clause) if clause == tag => Match::Yes,
            Some(clause) if imported(clause) && imported(tag) => Match::Unknown,
            Some(_) => Match::No,
        }
    }

    /// The landing block of a clause, which now has one.
    fn landing(&mut self, clause: Reachable) -> Block {
        if let Some(Some(landing)) = self.landing_of(clause) {
            return *landing;
        }
        let landing = self.builder.create_block();
        self.builder.append_block_param(landing, types::I64);
        if let Some(place) = self.landing_of(clause) {
            *place = Some(landing);
        }
        landing
    }

    /// The exceptional edges of a call here.
    fn handlers(&mut self) -> Vec<ExceptionTableItem> {
        let clauses = self.reachable_clauses();
        self.control.exceptional_edges += clauses.len();
        let item = |&clause: &Reachable| {
            let landing = self.landing(clause);
            let exception = [BlockArg::TryCallExn(0)];
            let call = self.builder.func.dfg.block_call(landing, &exception);
            match clause.tag {
                Some(tag) => ExceptionTableItem::Tag(ExceptionTag::from_u32(tag), call),
                None => ExceptionTableItem::Default(call),
            }
        };
        clauses.iter().map(item).collect()
    }

    /// Calls something in the module's own convention; exceptions get to the clauses around. Gives
    /// the results, of these types.
    pub fn call_catching(
        &mut self,
        callee: Callee,
        arguments: &[Value],
        results: &[Type],
    ) -> Vec<Value> {
        let handlers = self.handlers();
        if handlers.is_empty() {
            let call = match callee {
                Callee::Direct(callee) => self.builder.ins().call(callee, arguments),
                Callee::Indirect(signature, code) => {
                    self.builder.ins().call_indirect(signature, code, arguments)
                }
            };
            return self.builder.inst_results(call).to_vec();
        }
        let next = self.builder.create_block();
        let mut returned = Vec::new();
        for (position, &ty) in results.iter().enumerate() {
            self.builder.append_block_param(next, ty);
            returned.push(BlockArg::TryCallRet(position as u32));
        }
        let dfg = &mut self.builder.func.dfg;
        let normal = dfg.block_call(next, &returned);
        let signature = match callee {
            Callee::Direct(callee) => dfg.ext_funcs[callee].signature,
            Callee::Indirect(signature, _) => signature,
        };
        let table = ExceptionTableData::new(signature, normal, handlers);
        let table = dfg.exception_tables.push(table);
        match callee {
            Callee::Direct(callee) => self.builder.ins().try_call(callee, arguments, table),
            Callee::Indirect(_, code) => {
                self.builder.ins().try_call_indirect(code, arguments, table)
            }
        };
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        self.builder.block_params(next).to_vec()
    }
}
