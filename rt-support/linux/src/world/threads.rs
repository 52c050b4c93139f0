// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Worlds for further threads: [`World::fork`] makes one that has the instances of this world,
//! [`World::merge`] takes back what was loaded there.
//!
//! Instances are their images, which all threads see at the same addresses; a world only knows
//! which there are. What must not happen while threads run is that a memory at a constant address
//! is moved away from under one ([`places`](super::places)): a world that has been forked refuses
//! that until all threads are back.

use super::places::Places;
use super::{Error, InstanceId, Loaded, StackCheck, World, WorldOptions, stack};
use crate::list::List;
use rustix::io::Errno;

impl<'a> World<'a> {
    /// A world for another thread, with the instances of this one under the same ids, and a stack
    /// of its own. It knows no names. `needed` are the instances whose code or memories will be
    /// used there. WASI functions are for one thread at a time.
    ///
    /// It is to be given back ([`World::merge`]); until then no memory is moved here, and if it
    /// never is, nothing of this world is unmapped.
    ///
    /// # Errors
    /// Where there is no memory, or what is needed cannot be in place at the same time.
    pub fn fork(
        &mut self,
        needed: &[InstanceId],
        options: &WorldOptions,
    ) -> Result<Self, Error<'a>> {
        for &id in needed {
            let meta = self.meta(id);
            if meta.header().gc_heap.get() != 0 {
                let module = meta.module_name();
                return Err(Error::ThreadHeap { module });
            }
        }
        for id in needed {
            // SAFETY: where threads run already, nothing is moved; else nothing runs, since this
            // world is exclusively borrowed.
            unsafe { self.places.bring(id.0) }.map_err(moved)?;
        }
        let mut instances = List::new();
        for loaded in self.instances.iter() {
            let copy = Loaded {
                object: loaded.object.clone(),
                address: loaded.address,
                outside: None,
            };
            instances.push(copy).map_err(Error::lists)?;
        }
        let mut order = List::new();
        for &position in self.order.iter() {
            order.push(position).map_err(Error::lists)?;
        }
        let world = Self {
            claim: None,
            stack: stack(options)?,
            check: StackCheck::Off,
            shared: instances.len(),
            instances,
            order,
            names: List::new(),
            places: Places::new(),
            regions: List::new(),
        };
        self.places.freeze();
        Ok(world)
    }

    /// Takes back a world that [`World::fork`] has made, once nothing runs there any more: what was
    /// loaded there stays loaded, though nobody can name it.
    ///
    /// # Errors
    /// Where there is no memory to remember it; it stays loaded all the same.
    pub fn merge(&mut self, mut other: Self) -> Result<(), Error<'a>> {
        self.places.thaw();
        let first = self.instances.len() as u32;
        let own = other.shared;
        let regions = core::mem::replace(&mut other.regions, List::new());
        for &region in regions.iter() {
            self.regions.push(region).map_err(Error::lists)?;
        }
        for loaded in other.instances.iter().skip(own) {
            let new = self.instances.len() as u32;
            let copy = Loaded {
                object: loaded.object.clone(),
                address: loaded.address,
                outside: None,
            };
            let before = |&index: &u32| self.instances[index as usize].address < copy.address;
            let position = self.order.partition_point(before);
            self.order.insert(position, new).map_err(Error::lists)?;
            self.instances.push(copy).map_err(Error::lists)?;
        }
        self.places
            .take(&other.places, own as u32, first)
            .map_err(Error::lists)
    }
}

/// A memory that cannot be put in place.
fn moved<'a>(errno: Errno) -> Error<'a> {
    Error::Map {
        what: "a linear memory that a thread needs",
        address: 0,
        bytes: 0,
        errno,
    }
}
