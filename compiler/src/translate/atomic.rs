// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Atomic accesses, `atomic.fence`, `memory.atomic.wait` and `notify` (the threads proposal).
//!
//! The alignment is tested before anything else. The access itself is caught like any other, but
//! wait and notify, which are functions of the runtime, are always compared with the length: a
//! fault there would be nobody's.

use super::Translator;
use super::env::trap_code;
use super::memory::memory_of;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, MemFlagsData, Type, Value, types};
use wasm_aot_object::Machine;
use wasm_aot_symbols::Runtime;
use wasm_aot_trap::TrapCode as Trap;
use wasmparser::{MemArg, Operator};

/// What an atomic access does.
#[derive(Clone, Copy)]
enum Kind {
    Load,
    Store,
    Update(AtomicRmwOp),
    Exchange,
}

/// An access: what it does, where, the type in memory, the type of the operands.
type Access<'a> = (Kind, &'a MemArg, Type, Type);

/// One line for each kind: its operators with 32, 64, 8 in 32, 16 in 32, 8 in 64, 16 in 64 and
/// 32 in 64 bits.
macro_rules! accesses {
    ($operator:expr; $($kind:expr =>
        $a:ident, $b:ident, $c:ident, $d:ident, $e:ident, $f:ident, $g:ident;)*) => {{
        use types::{I8, I16, I32, I64};
        match $operator {
            $(
                Operator::$a { memarg } => Some(($kind, memarg, I32, I32)),
                Operator::$b { memarg } => Some(($kind, memarg, I64, I64)),
                Operator::$c { memarg } => Some(($kind, memarg, I8, I32)),
                Operator::$d { memarg } => Some(($kind, memarg, I16, I32)),
                Operator::$e { memarg } => Some(($kind, memarg, I8, I64)),
                Operator::$f { memarg } => Some(($kind, memarg, I16, I64)),
                Operator::$g { memarg } => Some(($kind, memarg, I32, I64)),
            )*
            _ => None,
        }
    }};
}

fn access<'a>(operator: &'a Operator<'_>) -> Option<Access<'a>> {
    use AtomicRmwOp::{Add, And, Or, Sub, Xchg, Xor};
    accesses! { operator;
        Kind::Load => I32AtomicLoad, I64AtomicLoad, I32AtomicLoad8U, I32AtomicLoad16U,
            I64AtomicLoad8U, I64AtomicLoad16U, I64AtomicLoad32U;
        Kind::Store => I32AtomicStore, I64AtomicStore, I32AtomicStore8, I32AtomicStore16,
            I64AtomicStore8, I64AtomicStore16, I64AtomicStore32;
        Kind::Update(Add) => I32AtomicRmwAdd, I64AtomicRmwAdd, I32AtomicRmw8AddU,
            I32AtomicRmw16AddU, I64AtomicRmw8AddU, I64AtomicRmw16AddU, I64AtomicRmw32AddU;
        Kind::Update(Sub) => I32AtomicRmwSub, I64AtomicRmwSub, I32AtomicRmw8SubU,
            I32AtomicRmw16SubU, I64AtomicRmw8SubU, I64AtomicRmw16SubU, I64AtomicRmw32SubU;
        Kind::Update(And) => I32AtomicRmwAnd, I64AtomicRmwAnd, I32AtomicRmw8AndU,
            I32AtomicRmw16AndU, I64AtomicRmw8AndU, I64AtomicRmw16AndU, I64AtomicRmw32AndU;
        Kind::Update(Or) => I32AtomicRmwOr, I64AtomicRmwOr, I32AtomicRmw8OrU,
            I32AtomicRmw16OrU, I64AtomicRmw8OrU, I64AtomicRmw16OrU, I64AtomicRmw32OrU;
        Kind::Update(Xor) => I32AtomicRmwXor, I64AtomicRmwXor, I32AtomicRmw8XorU,
            I32AtomicRmw16XorU, I64AtomicRmw8XorU, I64AtomicRmw16XorU, I64AtomicRmw32XorU;
        Kind::Update(Xchg) => I32AtomicRmwXchg, I64AtomicRmwXchg, I32AtomicRmw8XchgU,
            I32AtomicRmw16XchgU, I64AtomicRmw8XchgU, I64AtomicRmw16XchgU, I64AtomicRmw32XchgU;
        Kind::Exchange => I32AtomicRmwCmpxchg, I64AtomicRmwCmpxchg, I32AtomicRmw8CmpxchgU,
            I32AtomicRmw16CmpxchgU, I64AtomicRmw8CmpxchgU, I64AtomicRmw16CmpxchgU,
            I64AtomicRmw32CmpxchgU;
    }
}

impl Translator<'_, '_> {
    /// Translates an operator of the threads proposal; says whether it was one.
    pub fn atomic_operator(&mut self, operator: &Operator<'_>) -> bool {
        match operator {
            Operator::AtomicFence { .. } => {
                self.builder.ins().fence();
            }
            Operator::MemoryAtomicWait32 { memarg } => self.atomic_wait(memarg, types::I32),
            Operator::MemoryAtomicWait64 { memarg } => self.atomic_wait(memarg, types::I64),
            Operator::MemoryAtomicNotify { memarg } => self.atomic_notify(memarg),
            _ => match access(operator) {
                Some(access) => self.atomic_access(access),
                None => return false,
            },
        }
        true
    }

    fn atomic_access(&mut self, (kind, argument, narrow, wide): Access<'_>) {
        // Operands of a narrow access are wrapped, its result is zero-extended.
        let result = match kind {
            Kind::Load => {
                let address = self.atomic_address(argument, narrow);
                let flags = self.atomic_flags();
                self.builder.ins().atomic_load(narrow, flags, address)
            }
            Kind::Store => {
                let value = self.pop_narrow(narrow);
                let address = self.atomic_address(argument, narrow);
                let flags = self.atomic_flags();
                self.builder.ins().atomic_store(flags, value, address);
                return;
            }
            Kind::Update(operation) => {
                let value = self.pop_narrow(narrow);
                let address = self.atomic_address(argument, narrow);
                let flags = self.atomic_flags();
                self.builder
                    .ins()
                    .atomic_rmw(narrow, flags, operation, address, value)
            }
            Kind::Exchange => {
                let new = self.pop_narrow(narrow);
                let expected = self.pop_narrow(narrow);
                let address = self.atomic_address(argument, narrow);
                let flags = self.atomic_flags();
                self.builder.ins().atomic_cas(flags, address, expected, new)
            }
        };
        let result = if narrow == wide {
            result
        } else {
            self.builder.ins().uextend(wide, result)
        };
        self.push(result);
    }

    /// Accesses that have been found aligned.
    fn atomic_flags(&mut self) -> MemFlagsData {
        self.memory_flags().with_aligned()
    }

    fn pop_narrow(&mut self, narrow: Type) -> Value {
        let value = self.pop();
        if self.builder.func.dfg.value_type(value) == narrow {
            return value;
        }
        self.builder.ins().ireduce(narrow, value)
    }

    /// The index of an access, off the stack, found to be aligned with its offset. Bases are
    /// multiples of a page, so the address is aligned as well; and whether the sum wraps does not
    /// matter to its low bits.
    fn aligned_index(&mut self, argument: &MemArg, ty: Type) -> Value {
        let index = self.pop_index(self.memory_plan(memory_of(argument)).index64);
        let size = u64::from(ty.bytes());
        if size > 1 {
            let low = (argument.offset % size) as i64;
            let sum = self.builder.ins().iadd_imm_u(index, low);
            let bits = self.builder.ins().band_imm_u(sum, size as i64 - 1);
            let trap = trap_code(Trap::UnalignedAtomic);
            self.builder.ins().trapnz(bits, trap);
        }
        index
    }

    fn atomic_address(&mut self, argument: &MemArg, ty: Type) -> Value {
        let index = self.aligned_index(argument, ty);
        // The back end for RISC-V has no trap codes for atomic instructions.
        let traps = self.env.plan.options.target != Machine::Riscv64;
        if !(traps && self.memory_plan(memory_of(argument)).guarded) {
            self.check_access(argument, index, ty.bytes().into());
        }
        let size = ty.bytes().into();
        let (address, displacement) = self.address_of(argument, index, size);
        self.builder
            .ins()
            .iadd_imm_u(address, i64::from(displacement))
    }

    /// The host address for wait and notify.
    fn wait_address(&mut self, argument: &MemArg, ty: Type) -> Value {
        let index = self.aligned_index(argument, ty);
        self.check_access(argument, index, ty.bytes().into());
        let size = ty.bytes().into();
        let (address, displacement) = self.address_of(argument, index, size);
        self.builder
            .ins()
            .iadd_imm_u(address, i64::from(displacement))
    }

    fn atomic_wait(&mut self, argument: &MemArg, ty: Type) {
        let timeout = self.pop();
        let expected = self.pop();
        if !self.memory_plan(memory_of(argument)).shared {
            let trap = trap_code(Trap::ExpectedSharedMemory);
            self.builder.ins().trap(trap);
            self.set_unreachable();
            return;
        }
        let address = self.wait_address(argument, ty);
        let function = if ty == types::I32 {
            Runtime::MemoryWait32
        } else {
            Runtime::MemoryWait64
        };
        let arguments = [address, expected, timeout];
        let outcome = self
            .env
            .call_runtime(&mut self.builder, function, &arguments, Some(types::I32))
            .expect("it has a result");
        let ended = self
            .builder
            .ins()
            .icmp_imm_u(IntCC::UnsignedLessThan, outcome, 3);
        self.env
            .require(&mut self.builder, ended, Trap::EndlessWait);
        self.push(outcome);
    }

    fn atomic_notify(&mut self, argument: &MemArg) {
        let count = self.pop();
        let address = self.wait_address(argument, types::I32);
        // Nobody waits in a memory that is not shared.
        let woken = if self.memory_plan(memory_of(argument)).shared {
            self.env
                .call_runtime(
                    &mut self.builder,
                    Runtime::MemoryNotify,
                    &[address, count],
                    Some(types::I32),
                )
                .expect("it has a result")
        } else {
            self.builder.ins().iconst(types::I32, 0)
        };
        self.push(woken);
    }
}
