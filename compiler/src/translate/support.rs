// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Code without a Wasm body: `MODULE:instantiate`, and the invoke trampolines.

use super::control::Control;
use super::env::{CALL_CONV, Env, trap_code, trusted};
use super::{Places, Signatures, Translated, Translator, clif_type};
use crate::error::Error;
use crate::module::{ElementItem, Module, SegmentMode};
use crate::plan::{Action, Plan, Symbol};
use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, MemFlagsData, Signature, UserFuncName, Value, types,
};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use wasm_aot_object::descriptor::{FUNCREF_DESCRIPTOR_OFFSET, FUNCREF_TYPE_OFFSET};
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::ConstExpr;

/// Bytes of an argument or result slot of a trampoline.
const SLOT: i32 = 16;

/// Makes `MODULE:instantiate`: does what the plan left over, in the specification's order
/// ("Instantiation"); a trap in it is a trap of the module.
///
/// # Errors
/// For a constant expression that this compiler does not know.
pub fn instantiate(
    module: &Module<'_>,
    plan: &Plan<'_>,
    isa: &dyn TargetIsa,
    context: &mut FunctionBuilderContext,
    symbol: Symbol,
) -> Result<Translated, Error> {
    let name = UserFuncName::User(symbol.to_user());
    let mut function = Function::with_name_signature(name, Signature::new(CALL_CONV));
    let mut translator = Translator {
        env: Env::new(module, plan, isa),
        builder: FunctionBuilder::new(&mut function, context),
        control: Control::default(),
        locals: Vec::new(),
        inlining: super::inline::State::default(),
    };
    let entry = translator.builder.create_block();
    translator.builder.switch_to_block(entry);
    translator.builder.seal_block(entry);
    if let Symbol::InstantiatePart(part) = symbol {
        for &action in &plan.actions[plan.parts[part as usize].clone()] {
            translator.action(action)?;
        }
    } else {
        translator.whole_instantiation()?;
    }
    translator.builder.ins().return_(&[]);
    let Translator { env, builder, .. } = translator;
    builder.finalize(isa.frontend_config());
    Ok(Translated::new(function, env))
}

impl Translator<'_, '_> {
    /// Everything that instantiation does, its parts by calls.
    fn whole_instantiation(&mut self) -> Result<(), Error> {
        let plan = self.env.plan;
        if plan.registers {
            self.register();
        }
        if plan.parts.is_empty() {
            return plan
                .actions
                .iter()
                .try_for_each(|&action| self.action(action));
        }
        for part in 0..plan.parts.len() as u32 {
            let callee = self.env.instantiate_part(&mut self.builder, part);
            self.builder.ins().call(callee, &[]);
        }
        Ok(())
    }

    fn action(&mut self, action: Action) -> Result<(), Error> {
        let module = self.env.module;
        match action {
            Action::ImportedReference(function) => self.imported_reference(function),
            Action::Global(index) => {
                let imported = module.globals.len() - module.global_inits.len();
                let value = self.expression(&module.global_inits[index as usize - imported])?;
                let address = self.env.address(&mut self.builder, Symbol::Global(index));
                self.builder.ins().store(trusted(), value, address, 0);
            }
            Action::TableInit(table) => {
                let init = module.table_inits[table as usize]
                    .as_ref()
                    .expect("it has one");
                let value = self.expression(init)?;
                let zero = self.builder.ins().iconst(types::I64, 0);
                let count = self.table_length(table);
                let slot = self.table_range(table, zero, count);
                let arguments = [slot, value, count];
                self.env
                    .call_runtime(&mut self.builder, Runtime::TableFill, &arguments, None);
            }
            Action::ElementItems {
                segment,
                start,
                count,
            } => self.element_items(segment, start as usize, count as usize)?,
            Action::Element(index) => {
                let element = &module.elements[index as usize];
                let SegmentMode::Active {
                    index: table,
                    offset,
                } = &element.mode
                else {
                    unreachable!("the plan lists active segments only");
                };
                let start = self.index_expression(offset, self.table_index64(*table))?;
                let count = self
                    .builder
                    .ins()
                    .iconst(types::I64, element.items.len() as i64);
                let slot = self.table_range(*table, start, count);
                let zero = self.builder.ins().iconst(types::I64, 0);
                self.copy_elements(index, zero, slot, count);
            }
            Action::Data(index) => {
                let data = &module.data[index as usize];
                let SegmentMode::Active {
                    index: memory,
                    offset,
                } = &data.mode
                else {
                    unreachable!("the plan lists active segments only");
                };
                let index64 = self.memory_plan(*memory).index64;
                let start = self.index_expression(offset, index64)?;
                let count = self
                    .builder
                    .ins()
                    .iconst(types::I64, data.bytes.len() as i64);
                let address = self.memory_range(*memory, start, count);
                if !data.bytes.is_empty() {
                    let source = self.env.address(&mut self.builder, Symbol::Data(index));
                    let arguments = [address, source, count];
                    self.env.call_runtime(
                        &mut self.builder,
                        Runtime::Memcpy,
                        &arguments,
                        Some(types::I64),
                    );
                }
            }
            Action::Start(function) => self.call(function)?,
        }
        Ok(())
    }

    /// The import's type is what the module knows; the function may be of a subtype, whose
    /// descriptor the loader has put into the reference if the exporter has one.
    fn imported_reference(&mut self, function: u32) {
        let (plan, module) = (self.env.plan, self.env.module);
        let reference = self
            .env
            .address(&mut self.builder, Symbol::FuncRef(function));
        let own = plan.function_type(module, function);
        let own = match plan.has_descriptor(own) {
            true => self
                .env
                .address(&mut self.builder, Symbol::TypeDescriptor(own)),
            false => self.builder.ins().iconst(types::I64, 0),
        };
        let builder = &mut self.builder;
        let field = |builder: &mut FunctionBuilder<'_>, offset: i32| {
            let offset = builder.ins().iconst(types::I64, i64::from(offset));
            builder.ins().iadd(reference, offset)
        };
        let place = field(builder, FUNCREF_DESCRIPTOR_OFFSET);
        let found = builder.ins().load(types::I64, trusted(), place, 0);
        let descriptor = builder.ins().select(found, found, own);
        builder.ins().store(trusted(), descriptor, place, 0);
        // A descriptor begins with the type's number; without one the number is right as it is.
        let number = field(builder, FUNCREF_TYPE_OFFSET);
        let source = builder.ins().select(found, found, number);
        let id = builder.ins().load(types::I32, trusted(), source, 0);
        builder.ins().store(trusted(), id, number, 0);
    }

    fn element_items(&mut self, index: u32, start: usize, count: usize) -> Result<(), Error> {
        let items = &self.env.module.elements[index as usize].items;
        for (position, item) in items.iter().enumerate().skip(start).take(count) {
            let value = match item {
                ElementItem::Function(function) => self
                    .env
                    .address(&mut self.builder, Symbol::FuncRef(*function)),
                ElementItem::Expression(expression) => self.expression(expression)?,
            };
            let array = self.env.address(&mut self.builder, Symbol::Element(index));
            let slot = self.builder.ins().iadd_imm_u(array, position as i64 * 8);
            self.builder.ins().store(trusted(), value, slot, 0);
        }
        Ok(())
    }

    /// The value of a constant expression that is an index, zero-extended.
    fn index_expression(
        &mut self,
        expression: &ConstExpr<'_>,
        index64: bool,
    ) -> Result<Value, Error> {
        let value = self.expression(expression)?;
        self.push(value);
        Ok(self.pop_index(index64))
    }

    /// The value of a constant expression: its operators are a part of a body's.
    fn expression(&mut self, expression: &ConstExpr<'_>) -> Result<Value, Error> {
        if let Some(value) = self.env.plan.evaluate(expression) {
            return Ok(self.constant(value));
        }
        let mut operators = expression.get_operators_reader();
        while !operators.is_end_then_eof() {
            let (operator, offset) = operators.read_with_offset()?;
            self.operator(&operator, offset)?;
        }
        Ok(self.pop())
    }
}

/// Traps that calls through a table end in by themselves.
pub const STUBS: [Trap; 2] = [Trap::UninitializedElement, Trap::IndirectCallTypeMismatch];

/// Makes code that is a trap, whatever it is called with. A report shows its caller.
pub fn trap_stub(
    isa: &dyn TargetIsa,
    context: &mut FunctionBuilderContext,
    code: u32,
) -> Translated {
    let symbol = Symbol::TrapStub(code);
    let name = UserFuncName::User(symbol.to_user());
    let mut function = Function::with_name_signature(name, Signature::new(CALL_CONV));
    let mut builder = FunctionBuilder::new(&mut function, context);
    let entry = builder.create_block();
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let trap = STUBS.into_iter().find(|&trap| trap as u32 == code);
    builder
        .ins()
        .trap(trap_code(trap.expect("there is no other")));
    builder.finalize(isa.frontend_config());
    Translated {
        function,
        places: Places::default(),
        signatures: Signatures::new(),
    }
}

/// Accesses to a trampoline's slots, which are aligned as words are, not as vectors are.
fn slot() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// Makes the invoke trampoline of a type: `fn(callee, slots)`, as `wasm-aot-symbols` says.
pub fn trampoline(
    module: &Module<'_>,
    plan: &Plan<'_>,
    isa: &dyn TargetIsa,
    context: &mut FunctionBuilderContext,
    ty: u32,
) -> Translated {
    let name = UserFuncName::User(Symbol::Trampoline(ty).to_user());
    let mut signature = Signature::new(CALL_CONV);
    signature
        .params
        .extend([AbiParam::new(types::I64), AbiParam::new(types::I64)]);
    let mut function = Function::with_name_signature(name, signature);
    let mut env = Env::new(module, plan, isa);
    let mut builder = FunctionBuilder::new(&mut function, context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let (callee, slots) = (
        builder.block_params(entry)[0],
        builder.block_params(entry)[1],
    );
    let function_type = plan.types[ty as usize].function();
    let mut arguments = Vec::new();
    for (position, &param) in function_type.params().iter().enumerate() {
        let offset = position as i32 * SLOT;
        let value = builder.ins().load(clif_type(param), slot(), slots, offset);
        arguments.push(value);
    }
    let signature = env.signature(&mut builder, ty);
    let call = builder.ins().call_indirect(signature, callee, &arguments);
    for (position, result) in builder.inst_results(call).to_vec().into_iter().enumerate() {
        builder
            .ins()
            .store(slot(), result, slots, position as i32 * SLOT);
    }
    builder.ins().return_(&[]);
    builder.finalize(isa.frontend_config());
    Translated::new(function, env)
}
