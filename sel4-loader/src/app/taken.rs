// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What an app has of the root task before it is made, and gives back when it has ended.

use super::AppError;
use crate::Loader;
use crate::executive::AppId;
use crate::memory::{Account, MemoryError};
use sel4_boot::bundle::App;
use wasm_aot_contract::Contract;
use wasm_aot_schedule::Parameters;

/// A place with the executive and an account of memory.
#[derive(Clone, Copy)]
pub struct Taken {
    pub id: AppId,
    pub memory: Account,
}

impl Taken {
    /// Takes both, for an app with this contract, whose output `drops` where there is no room.
    ///
    /// # Errors
    /// Where there is no place; then nothing is taken.
    pub fn new<'a>(
        loader: &mut Loader,
        app: &App<'a>,
        contract: &Contract<'_>,
        drops: bool,
    ) -> Result<Self, AppError<'a>> {
        let limit = [app.memory_limit, contract.memory_max_bytes];
        let limit = limit.into_iter().filter(|&bytes| bytes > 0).min();
        let memory = loader.memory.begin(limit.unwrap_or(u64::MAX));
        let memory = memory.map_err(|error| AppError::Memory("its account", error))?;
        let Some(id) = loader.control.add(Parameters::of(contract), drops) else {
            // Nothing was taken: there is nothing to go wrong.
            let _ = loader.memory.end(memory);
            return Err(AppError::TooMany);
        };
        Ok(Self { id, memory })
    }

    /// Takes everything back that the app has; gives how many of its slots were still occupied: 0
    /// unless something is wrong.
    ///
    /// # Errors
    /// Where the kernel refuses to take something back.
    pub fn give_back(self, loader: &mut Loader) -> Result<u64, MemoryError> {
        // Its stack may be in view.
        loader.peek.get_mut().close();
        loader.control.remove(self.id);
        loader.grants.release(self.id);
        loader.memory.end(self.memory)
    }
}
