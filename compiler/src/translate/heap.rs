// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! The heap: objects, and the references that the collector must see.

use super::Translator;
use crate::plan::Symbol;
use cranelift_codegen::ir::{Value, types};
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;

impl Translator<'_, '_> {
    /// Tells the runtime of the object, once, before anything else of it runs.
    pub fn register(&mut self) {
        let record = self.env.address(&mut self.builder, Symbol::Registration);
        self.env
            .call_runtime(&mut self.builder, Runtime::Register, &[record], None);
    }

    #[allow(dead_code, reason = "operators on objects follow")]
    /// A new structure or exception with the descriptor of this symbol: its fields, which are
    /// zero, lie where [`crate::heap::structure`] put them and are stored with
    /// [`super::env::trusted`] flags. Traps where there is no room.
    ///
    /// This may move all objects. Operands that are references survive it because they have been
    /// declared to need stack maps where they were made; an address computed from a reference
    /// does not.
    pub fn new_object(&mut self, descriptor: Symbol) -> Value {
        let descriptor = self.env.address(&mut self.builder, descriptor);
        let object = self.env.call_runtime(
            &mut self.builder,
            Runtime::StructNew,
            &[descriptor],
            Some(types::I64),
        );
        self.allocated(object.expect("it has a result"))
    }

    /// What an allocation gave, after checking that it is something.
    pub fn allocated(&mut self, object: Value) -> Value {
        self.env
            .require(&mut self.builder, object, Trap::GcHeapExhausted);
        self.builder.declare_value_needs_stack_map(object);
        object
    }
}
