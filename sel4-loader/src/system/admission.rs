// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Whether an app may begin: only where all apps together keep their promises.

use super::{Managed, System};
use crate::Loader;
use crate::app::AppError;
use crate::executive::AppId;
use crate::heap;
use alloc::vec::Vec;
use wasm_aot_contract::Contract;
use wasm_aot_schedule::Parameters;
use wasm_aot_schedule::admission::{Entry, admit, deadline_monotonic};

/// What the manager is called among the apps.
const SUPERVISOR: &str = "the supervisor";

impl System {
    /// The tasks there are, without one: the manager, and the apps with a contract, in the order of
    /// the list.
    fn tasks(
        &self,
        more: usize,
        without: Option<AppId>,
    ) -> Result<Vec<Entry<'static>>, heap::Full> {
        let mut tasks = Vec::new();
        heap::reserve(&mut tasks, 1 + self.apps.len() + more)?;
        tasks.push(Entry {
            name: SUPERVISOR,
            parameters: Parameters::SUPERVISOR,
        });
        let with_contract = |managed: &&Managed| !managed.running.is_batch;
        for managed in self.apps.iter().filter(with_contract) {
            if without == Some(managed.running.id) {
                continue;
            }
            tasks.push(Entry {
                name: self.entries[usize::from(managed.running.index)].spec.name,
                parameters: Parameters::of(&managed.contract),
            });
        }
        Ok(tasks)
    }

    /// Asks whether an app may be there, beside those that are.
    pub fn admit(
        &self,
        loader: &Loader,
        name: &'static str,
        contract: &Contract<'_>,
    ) -> Result<(), AppError<'static>> {
        let mut tasks = self.tasks(1, self.replacing)?;
        tasks.push(Entry {
            name,
            parameters: Parameters::of(contract),
        });
        deadline_monotonic(&mut tasks);
        // Whether, not by how much: the figures cost far more.
        admit(loader.policy, &loader.overheads, &tasks, &mut []).map_err(AppError::Admission)
    }

    /// Gives every task the priority that the analysis was made with.
    pub fn assign_priorities(&self, loader: &Loader) {
        // Where there is no room for the list, the priorities of before are still there, and the
        // app that was admitted is the only one that lacks one.
        let Ok(mut tasks) = self.tasks(0, None) else {
            return;
        };
        deadline_monotonic(&mut tasks);
        let apps = self.apps.iter().filter(|managed| !managed.running.is_batch);
        let ids = apps.map(|managed| Some(managed.running.id));
        for (task, id) in tasks.iter().zip(core::iter::once(None).chain(ids)) {
            loader.control.priority(id, task.parameters.priority);
        }
    }
}
