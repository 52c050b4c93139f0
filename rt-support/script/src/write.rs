// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Writes what [`crate::format`] reads.

use crate::format::{self, Counts, HEADER, MAGIC, OBJECT_ALIGNMENT};
use crate::{Shape, Slot, VERSION};
use alloc::vec::Vec;

/// A script in the making. Counts are made from the numbers that the steps name.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    steps: Vec<u8>,
    counts: Counts,
    /// Of each thread that has begun and not ended: where its number of steps stands, and the
    /// position of its first one.
    threads: Vec<(usize, u32)>,
}

impl Writer {
    /// The position that the next step will have.
    #[must_use]
    pub fn position(&self) -> u32 {
        self.counts.steps
    }

    /// [`crate::Step::Module`].
    ///
    /// # Panics
    /// Where the object has 4 GiB or more, as [`Writer::finish`] where a script would.
    pub fn module(&mut self, module: u32, object: &[u8]) -> u32 {
        self.counts.modules = self.counts.modules.max(module + 1);
        let position = self.step(format::MODULE, module);
        self.length(object.len());
        let end = (HEADER + self.steps.len()).next_multiple_of(OBJECT_ALIGNMENT) - HEADER;
        self.steps.resize(end, 0);
        self.steps.extend_from_slice(object);
        position
    }

    /// [`crate::Step::Instantiate`].
    pub fn instantiate(&mut self, instance: u32, module: u32) -> u32 {
        self.counts.modules = self.counts.modules.max(module + 1);
        let position = self.of_instance(format::INSTANTIATE, instance);
        self.u32(module);
        position
    }

    /// [`crate::Step::Register`].
    pub fn register(&mut self, instance: u32, name: &str) -> u32 {
        let position = self.of_instance(format::REGISTER, instance);
        self.name(name);
        position
    }

    /// [`crate::Step::Invoke`].
    pub fn invoke(
        &mut self,
        instance: u32,
        name: &str,
        arguments: &[Slot],
        results: &[Shape],
    ) -> u32 {
        let values = arguments.len().max(results.len()) as u32;
        self.counts.values = self.counts.values.max(values);
        let position = self.of_instance(format::INVOKE, instance);
        self.name(name);
        self.length(arguments.len());
        for word in arguments.iter().flatten() {
            self.steps.extend_from_slice(&word.to_le_bytes());
        }
        self.length(results.len());
        self.steps.extend(results.iter().map(|&shape| shape as u8));
        position
    }

    /// [`crate::Step::Get`].
    pub fn get(&mut self, instance: u32, name: &str, shape: Shape) -> u32 {
        self.counts.values = self.counts.values.max(1);
        let position = self.of_instance(format::GET, instance);
        self.name(name);
        self.steps.push(shape as u8);
        position
    }

    /// [`crate::Step::Thread`]: the steps until [`Writer::end_thread`] are the thread's.
    pub fn thread(&mut self, thread: u32) -> u32 {
        self.counts.threads = self.counts.threads.max(thread + 1);
        let position = self.step(format::THREAD, thread);
        self.threads.push((self.steps.len(), self.counts.steps));
        self.u32(0);
        position
    }

    /// Ends the thread that [`Writer::thread`] began last.
    pub fn end_thread(&mut self) {
        if let Some((at, first)) = self.threads.pop() {
            let steps = self.counts.steps - first;
            self.steps[at..at + 4].copy_from_slice(&steps.to_le_bytes());
        }
    }

    /// [`crate::Step::Wait`].
    pub fn wait(&mut self, thread: u32) -> u32 {
        self.counts.threads = self.counts.threads.max(thread + 1);
        self.step(format::WAIT, thread)
    }

    /// The script.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let total = HEADER + self.steps.len();
        let counts = self.counts;
        let mut script = Vec::with_capacity(total);
        script.extend_from_slice(&MAGIC);
        for number in [
            VERSION,
            counts.steps,
            counts.modules,
            counts.instances,
            counts.threads,
            counts.values,
        ] {
            script.extend_from_slice(&number.to_le_bytes());
        }
        script.extend_from_slice(&(total as u64).to_le_bytes());
        script.extend_from_slice(&self.steps);
        script
    }

    fn step(&mut self, kind: u8, number: u32) -> u32 {
        let position = self.counts.steps;
        self.counts.steps += 1;
        self.steps.push(kind);
        self.u32(number);
        position
    }

    fn of_instance(&mut self, kind: u8, instance: u32) -> u32 {
        self.counts.instances = self.counts.instances.max(instance + 1);
        self.step(kind, instance)
    }

    fn u32(&mut self, number: u32) {
        self.steps.extend_from_slice(&number.to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        self.u32(u32::try_from(length).expect("objects and names have less than 4 GiB"));
    }

    fn name(&mut self, name: &str) {
        self.length(name.len());
        self.steps.extend_from_slice(name.as_bytes());
    }
}

/// A script with a step of every kind.
#[cfg(test)]
pub(crate) fn sample() -> Vec<u8> {
    let mut writer = Writer::default();
    writer.module(0, b"an object, so to speak");
    writer.instantiate(0, 0);
    writer.register(0, "spect\u{e9}st");
    writer.invoke(0, "f", &[[1, 0], [2, 3]], &[Shape::Number, Shape::Any]);
    writer.invoke(0, "", &[], &[]);
    writer.get(0, "g", Shape::Function);
    writer.thread(0);
    writer.module(1, b"");
    writer.instantiate(1, 1);
    writer.thread(1);
    writer.wait(1);
    writer.end_thread();
    writer.end_thread();
    writer.wait(0);
    writer.invoke(1, "e", &[[7, 0]], &[Shape::Exception]);
    writer.finish()
}
