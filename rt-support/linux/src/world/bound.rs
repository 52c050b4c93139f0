// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Compares what calls take of the stack with what their objects say ([`StackCheck`]).
//!
//! The stack is painted before a call and looked at after it. What another instance takes that is
//! called is known by its own object, so the bound of each instance is computed when it is linked:
//! what it imports is there by then. Calls without a bound are not compared; neither are any
//! from the moment when references may lead from any instance to any.

use super::{InstanceId, Loaded, World};
use crate::run::Stopped;
use wasm_aot_loader::Object;
use wasm_aot_object::meta::flags;
use wasm_aot_object::stack::{HOST_STACK_BYTES, Stack};

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StackCheck {
    /// Nothing.
    #[default]
    Off,
    /// A call that takes more than its bound ends with [`Stopped::Stack`].
    AtMost,
    /// Likewise one that takes less, but for what aligns the deepest frame: for calls that go where
    /// it is deepest, and that lead to no function of the host or the runtime.
    Exactly,
}

/// Bytes below the bound that are looked at too.
const BEYOND: u64 = 32 << 10;

/// To which frames are aligned, in bytes, on every architecture.
const ALIGNMENT: u64 = 16;

/// A call to be compared.
pub(super) struct Expected {
    bound: u64,
}

impl<'a> World<'a> {
    /// What functions outside an object take that is about to be linked with these instances, each
    /// with whether references may be exchanged; `None` where there is no bound.
    pub(super) fn outside(&mut self, object: &Object<'a>, links: &[(u32, bool)]) -> Option<u64> {
        if self.check == StackCheck::Off {
            return None;
        }
        let foreign = |object: &Object<'a>| {
            object.meta().header().flags.get() & flags::FOREIGN_REFERENCES != 0
        };
        let mut outside = Some(HOST_STACK_BYTES);
        for &(other, mutual) in links {
            let loaded = &self.instances[other as usize];
            if mutual && (foreign(object) || foreign(&loaded.object)) {
                self.check = StackCheck::Off;
                return None;
            }
            let deepest = loaded.object.deepest_bound(loaded.outside?).ok()?;
            outside = outside.max(Some(deepest));
        }
        outside
    }

    /// The bound of a call: of an initialisation, or of a trampoline with what it calls.
    fn bound(&self, id: InstanceId, function: u64, callee: u64) -> Option<u64> {
        let Loaded {
            object,
            address,
            outside,
        } = &self.instances[id.index()];
        let offset = u32::try_from(function.checked_sub(*address)?).ok()?;
        let meta = object.meta();
        let entry = meta.function_at(offset)?;
        if callee == 0 {
            return Stack::of_record(meta, entry).bytes_with((*outside)?);
        }
        let loaded = &self.instances[self.position(callee)?];
        let meta = loaded.object.meta();
        let callee = meta.function_at(u32::try_from(callee - loaded.address).ok()?)?;
        let bytes = Stack::of_record(meta, callee).bytes_with(loaded.outside?)?;
        bytes.checked_add(entry.frame_size.get().into())
    }

    /// Paints the stack for a call that is to be compared.
    pub(super) fn expect(
        &mut self,
        id: InstanceId,
        function: u64,
        callee: u64,
    ) -> Option<Expected> {
        if self.check == StackCheck::Off {
            return None;
        }
        let bound = self.bound(id, function, callee);
        match bound {
            Some(bound) => self.stack.paint(bound.saturating_add(BEYOND)),
            None => self.stack.spoil(),
        }
        bound.map(|bound| Expected { bound })
    }

    /// Compares.
    pub(super) fn compare(&mut self, expected: &Expected) -> Result<(), Stopped<'a>> {
        let (used, bound) = (self.stack.used(), expected.bound);
        let wrong = match self.check {
            StackCheck::Off => false,
            StackCheck::AtMost => used > bound,
            StackCheck::Exactly => used > bound || bound - used >= ALIGNMENT,
        };
        match wrong {
            true => Err(Stopped::Stack { used, bound }),
            false => Ok(()),
        }
    }
}
